"""The tables, derived from the catalogue.

`attendances` is one wide table, clustered by (provider_id, event_starts_at, id); the small tables of things hold the
one truth of each member with the stamp (`updated_at`, row id) of the row that said it. Wide rows repeat those truths,
so that a report reads one table. Measurements: docs/adr/0001-duckdb.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from turnout.catalog.attendances import COLUMNS, LOCAL_START, ROW, THINGS
from turnout.catalog.types import FOLDED, MAX_ID, Kind, Member, Thing

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_VERSION: Final = 5
"""Of the tables below. Who changes them raises it, and adds how the old become the new to `migrations.MIGRATIONS`."""

MEMBERS: Final[tuple[Member, ...]] = (*ROW, *(m for thing in THINGS for m in thing.members))
"""Every member that a row may state, in the order of the bits of the staging column `has`."""

HAS_BIT: Final[dict[str, int]] = {member.storage: 1 << n for n, member in enumerate(MEMBERS)}


def members_mask(thing: Thing) -> int:
    """The bits of a thing's members."""
    return sum(HAS_BIT[member.storage] for member in thing.members)


LISTED: Final[dict[str, Thing]] = {
    member.storage: thing
    for member in MEMBERS
    if member.kind is Kind.PEOPLE
    for thing in THINGS
    if thing.reference == member.storage
}
"""The things that rows name in lists of {id, name}, by the storage of the list. The name is their one member."""

_IN_LISTS: Final = {member.storage for thing in LISTED.values() for member in thing.members}


def staged_members() -> Iterator[Member]:
    """The members that have a staging column of their own: a listed thing's name travels inside its list."""
    return (m for m in MEMBERS if m.storage not in _IN_LISTS)


NEVER_SAID: Final = {"event_type": "'class'", "instructor_ids": "[]"}
"""What a report shows where nobody ever said a member (or said 'none'), as SQL; null for the others (section 9)."""

FIRST: Final = "is_first_attendance"
"""The row's member that is worked out where it was not given: true on the row of the `FIRST_OF`'s earliest row, by
(`FIRST_BY`, row id), whose status is `FIRST_STATUS`. What was given is kept in the column `FIRST_GIVEN`."""
FIRST_GIVEN: Final = "first_given"
FIRST_OF: Final = "customer_id"
FIRST_BY: Final = "event_starts_at"
FIRST_STATUS: Final = "attended"


(PERSON,) = (thing for thing in THINGS if any(member.personal for member in thing.members))
"""The thing that is a person."""
PERSONAL: Final = tuple(member for member in PERSON.members if member.personal)
"""Its members that are taken away when the person is erased."""
AGE_BY: Final = "event_starts_at"
"""The member by which retention tells how old a row is."""

CLUSTERED: Final = ("provider_id", FIRST_BY, "id")
"""What the wide table is ordered by."""
ROW_GROUP: Final = 61_440
"""So many of its rows have a least and a greatest value of their own, by which a reader passes over them."""

LOCAL: Final = {LOCAL_START.day: "DATE", LOCAL_START.minute: "USMALLINT"}
"""The wide table's columns of the local start, and their SQL types."""

STAMP: Final = "_stamp"

PROVIDER: Final = "$provider"
"""The provider that a `merge.Work` is about, which it binds to its statements."""
MINE: Final = f"provider_id = {PROVIDER}"
"""SQL for whether a row is that provider's."""


def stamp(at: str, row: str) -> str:
    """SQL for a row's stamp: one number that orders as the pair (`at`, `row`) does, and is far cheaper to compare."""
    return f"(epoch_us({at})::HUGEINT * {MAX_ID + 1} + {row})"


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
            return "ENUM ({})".format(", ".join(f"'{choice}'" for choice in sorted(member.choices)))


def staging_columns() -> dict[str, str]:
    """The columns of `STAGING` and their SQL types; choices are texts until they are known to be kept."""
    people = "STRUCT(id BIGINT, name VARCHAR)[]"
    columns = {"seq": "BIGINT", "has": "BIGINT"}
    for member in staged_members():
        kinds = {Kind.CHOICE: "VARCHAR", Kind.PEOPLE: people}
        columns[member.storage] = kinds.get(member.kind) or _sql_type(member)
    return columns


def is_folded(member: Member) -> bool:
    """Whether the member's folded form is stored beside it."""
    return member.kind is Kind.TEXT and member.sorts


def names_of(thing: Thing) -> str:
    """The wide table's list of a listed thing's names: `instructor_names` beside `instructor_ids`."""
    return thing.name + "_names"


def is_shown(member: Member) -> bool:
    """Whether the wide rows repeat the member, because a report has a column of it."""
    return member.storage in _IN_LISTS or member.storage in LISTED or member.storage in _REPORTED


def is_behind(member: Member) -> bool:
    """Whether wide rows change with the member: they repeat it, or their local start is worked out from it."""
    return is_shown(member) or member.storage == LOCAL_START.zone


_REPORTED: Final = {column.storage for column in COLUMNS}


def wide_columns() -> dict[str, str]:
    """The columns of `attendances` and their SQL types, in storage order."""
    columns = {"provider_id": "BIGINT"}
    lists = {member.storage: names_of(thing) for thing in LISTED.values() for member in thing.members}
    for member in filter(is_shown, MEMBERS):
        if member.storage in lists:
            columns[lists[member.storage]] = "VARCHAR[]"
            continue
        columns[member.storage] = _sql_type(member)
        if is_folded(member):
            columns[member.storage + FOLDED] = "VARCHAR"
    columns[FIRST_GIVEN] = "BOOLEAN"
    return columns | LOCAL


def thing_columns(thing: Thing) -> dict[str, str]:
    """The columns of a thing's table and their SQL types: each member with its stamp, and its folded form."""
    columns = {"provider_id": "BIGINT", "id": "BIGINT"}
    for member in thing.members:
        columns[member.storage] = _sql_type(member)
        if is_folded(member):
            columns[member.storage + FOLDED] = "VARCHAR"
        columns[member.storage + STAMP] = "HUGEINT"
    return columns


_SMALL_TABLES: Final = {
    "meta": {"name": "VARCHAR PRIMARY KEY", "value": "VARCHAR NOT NULL"},
    "secret": {"name": "VARCHAR PRIMARY KEY", "value": "BLOB NOT NULL"},
    "provider": {
        "id": "BIGINT PRIMARY KEY",
        "name": "VARCHAR NOT NULL",
        "timezone": "VARCHAR NOT NULL",
        "week_start": "VARCHAR NOT NULL",
    },
    "token": {
        "id": "BIGINT PRIMARY KEY",
        "sha256": "VARCHAR NOT NULL UNIQUE",
        "hint": "VARCHAR NOT NULL",
        "providers": "BIGINT[] NOT NULL",
        "role": "VARCHAR NOT NULL",
        "instructor_id": "BIGINT",
        "created_at": "BIGINT NOT NULL",
        "expires_at": "BIGINT",
        "revoked_at": "BIGINT",
    },
    # What was answered to a request with an Idempotency-Key (section 8); see `base.Answered`.
    "answered": {
        "key": "VARCHAR PRIMARY KEY",
        "request": "VARCHAR NOT NULL",
        "status": "INTEGER NOT NULL",
        "body": "BLOB NOT NULL",
        "answered_at": "BIGINT NOT NULL",
    },
    # The persons who are to stay forgotten, and what is told of it.
    "erased": {
        "provider_id": "BIGINT NOT NULL",
        PERSON.reference: "BIGINT NOT NULL",
        "erased_at": "BIGINT NOT NULL",
        "erased_by": "VARCHAR NOT NULL",
        "attendances": "BIGINT NOT NULL",
    },
    # Rows of events before this instant show nobody, and say nothing of anybody; when that was last carried out.
    "retention": {"provider_id": "BIGINT PRIMARY KEY", "before": "BIGINT NOT NULL", "ran_at": "BIGINT"},
    # The export jobs; see `jobs.Job`.
    "job": {
        "id": "BIGINT PRIMARY KEY",
        "provider_id": "BIGINT NOT NULL",
        "instructor_id": "BIGINT",
        "report": "VARCHAR NOT NULL",
        "format": "VARCHAR NOT NULL",
        "parameters": "VARCHAR NOT NULL",
        "created_at": "BIGINT NOT NULL",
        "status": "VARCHAR NOT NULL",
        "run": "INTEGER NOT NULL",
        "crashes": "INTEGER NOT NULL",
        "total_items": "BIGINT NOT NULL",
        "complete_items": "BIGINT NOT NULL",
        "size": "BIGINT",
        "error": "VARCHAR",
        "started_at": "BIGINT",
        "finished_at": "BIGINT",
        "expires_at": "BIGINT",
    },
    # The page's saved views; see `views.View`.
    "saved_view": {
        "provider_id": "BIGINT",
        "id": "BIGINT",
        "owner": "VARCHAR NOT NULL",
        "name": "VARCHAR NOT NULL",
        "state": "VARCHAR NOT NULL",
        "shared": "BOOLEAN NOT NULL",
        "is_default": "BOOLEAN NOT NULL",
        "updated_at": "BIGINT NOT NULL",
    },
    # How far the sync of a provider has come, as JSON.
    "sync": {
        "provider_id": "BIGINT PRIMARY KEY",
        "mark": "VARCHAR NOT NULL",
        "as_of": "BIGINT",
        "document": "VARCHAR NOT NULL",
    },
}


def tables() -> dict[str, dict[str, str]]:
    """Every table: its name, and its columns with their SQL types."""
    things = {thing.name: thing_columns(thing) for thing in THINGS}
    return {**_SMALL_TABLES, **things, "attendances": wide_columns()}
