"""The form of checked rows on their way into a store. Apart from `schema`, so that a reader does not load pyarrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from turnout.catalog.attendances import THINGS
from turnout.catalog.types import Kind
from turnout.store.schema import LISTED, staged_members

if TYPE_CHECKING:
    from turnout.catalog.types import Thing

_PEOPLE = pa.list_(pa.struct([("id", pa.int64()), ("name", pa.string())]))
_ARROW: Final = {
    Kind.INTEGER: pa.int64(),
    Kind.INSTANT: pa.timestamp("us"),
    Kind.TEXT: pa.string(),
    Kind.CHOICE: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.PEOPLE: _PEOPLE,
}

STAGING: Final = pa.schema(
    [("seq", pa.int64()), ("has", pa.int64()), *((m.storage, _ARROW[m.kind]) for m in staged_members())]
)
"""What a checked row looks like on its way into a store: `seq` counts the accepted rows of the input from 0; bit
`HAS_BIT[storage]` of `has` is set where the row states that member (null then means 'none'). Instants are UTC. A thing
that has a name and no id has null in its reference column, with the reference's bit set. `instructor_ids` is a list of
{id, name}; an id or a name of one may be null, not both; a null name says 'none'
where the bit of the name is set, and so does an empty one anywhere: one list may state some of its names."""


@dataclass(frozen=True, slots=True)
class Naming:
    """The kinds of things, by name, of which rows name some without an id, and of which they have ids."""

    without_id: frozenset[str] = frozenset()
    with_id: frozenset[str] = frozenset()

    def __or__(self, other: Naming) -> Naming:
        return Naming(self.without_id | other.without_id, self.with_id | other.with_id)

    def independent_of(self, other: Naming) -> bool:
        """Whether neither may give an id to a name that the other has without one.

        Any id does: it may be the largest one, after which new names get theirs.
        """
        return not (self.without_id & other.with_id or self.with_id & other.without_id)


def naming_of(batch: pa.RecordBatch) -> Naming:
    """What the rows of a batch of `STAGING` name."""
    without_id, with_id = set(), set()
    for thing in THINGS:
        if not thing.by_name:
            continue
        ids, names = ids_and_names(batch, thing)
        if pc.any(pc.and_(pc.is_valid(names), pc.is_null(ids))).as_py():
            without_id.add(thing.name)
        if pc.any(pc.is_valid(ids)).as_py():
            with_id.add(thing.name)
    return Naming(frozenset(without_id), frozenset(with_id))


def ids_and_names(rows: pa.RecordBatch | pa.Table, thing: Thing) -> tuple[Any, Any]:
    """The ids and the names by which rows of `STAGING` name a thing that may come with a name alone: side by side."""
    ids = rows.column(thing.reference)
    if thing.reference in LISTED:
        people = pc.list_flatten(ids)
        return pc.struct_field(people, "id"), pc.struct_field(people, "name")
    return ids, rows.column(thing.members[0].storage)
