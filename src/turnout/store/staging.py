"""The form of checked rows on their way into a store. Apart from `schema`, so that a reader does not load pyarrow."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from turnout.catalog.attendances import THINGS
from turnout.catalog.types import Kind
from turnout.store.schema import LISTED, staged_members

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


def has_nameless(batch: pa.RecordBatch) -> bool:
    """Whether any row of a batch of `STAGING` may name a thing without its id."""
    for thing in THINGS:
        if not thing.by_name:
            continue
        ids = batch.column(thing.reference)
        if thing.reference in LISTED:
            if ids.flatten().field("id").null_count:
                return True
        elif ids.null_count:
            named = pc.is_valid(batch.column(thing.members[0].storage))
            if pc.any(pc.and_(named, pc.is_null(ids))).as_py():
                return True
    return False
