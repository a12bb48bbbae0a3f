"""The tables, derived from the catalogue.

`attendances` is one wide table, clustered by (provider_id, event_starts_at, id); the small tables of things hold the
one truth of each member with the stamp (`updated_at`, row id) of the row that said it. Wide rows repeat those truths,
so that a report reads one table. Measurements: docs/adr/0001-duckdb.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from turnout.catalog.attendances import ROW, THINGS
from turnout.catalog.types import FOLDED, Kind, Member

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_VERSION: Final = 1

MEMBERS: Final[tuple[Member, ...]] = (*ROW, *(m for thing in THINGS for m in thing.members))
"""Every member that a row may state, in the order of the bits of the staging column `has`."""

HAS_BIT: Final[dict[str, int]] = {member.storage: 1 << n for n, member in enumerate(MEMBERS)}

_PEOPLE = pa.list_(pa.struct([("id", pa.int64()), ("name", pa.string())]))
_ARROW: Final = {
    Kind.INTEGER: pa.int64(),
    Kind.INSTANT: pa.timestamp("us"),
    Kind.TEXT: pa.string(),
    Kind.CHOICE: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.PEOPLE: _PEOPLE,
}


def staged_members() -> Iterator[Member]:
    """The members that have a staging column of their own: an instructor's name travels inside `instructor_ids`."""
    return (m for m in MEMBERS if m.storage != "instructor_name")


STAGING: Final = pa.schema(
    [("seq", pa.int64()), ("has", pa.int64()), *((m.storage, _ARROW[m.kind]) for m in staged_members())]
)
"""What a checked row looks like on its way into a store: `seq` counts the accepted rows of the input from 0; bit
`HAS_BIT[storage]` of `has` is set where the row states that member (null then means 'none'). Instants are UTC. A thing
that has a name and no id has null in its reference column, with the reference's bit set. `instructor_ids` is a list of
{id, name}; an id or a name of one may be null, not both."""

_ENUM: Final = "ENUM ({})"


def _sql_type(member: Member) -> str:
    match member.kind:
        case Kind.INTEGER:
            return "BIGINT"
        case Kind.INSTANT:
            return "TIMESTAMP"
        case Kind.TEXT:
            return "VARCHAR"
        case Kind.BOOLEAN:
            return "BOOLEAN"
        case Kind.PEOPLE:
            return "BIGINT[]"
        case Kind.CHOICE:
            # An ENUM compares by position: its values are declared in the order of their text.
            return _ENUM.format(", ".join(f"'{choice}'" for choice in sorted(member.choices)))


def wide_columns() -> dict[str, str]:
    """The columns of `attendances` and their SQL types, in storage order."""
    columns = {"provider_id": "BIGINT"}
    for member in MEMBERS:
        if member.storage == "instructor_name":
            columns["instructor_names"] = "VARCHAR[]"
        elif member.storage == "venue_timezone":
            continue
        else:
            columns[member.storage] = _sql_type(member)
            if member.kind is Kind.TEXT and member.sorts:
                columns[member.storage + FOLDED] = "VARCHAR"
    columns["first_given"] = "BOOLEAN"
    return columns
