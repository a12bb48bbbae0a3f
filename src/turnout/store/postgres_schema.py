"""The tables in PostgreSQL, derived from those of the embedded store: the same names, and columns in the same order.

Texts compare by their bytes, as they do there: every text column is of the collation "C".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from turnout.store import postgres_together
from turnout.store.schema import FIRST_BY, FIRST_OF, PERSON, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPES: Final = {
    "BIGINT": "BIGINT",
    "BIGINT[]": "BIGINT[]",
    "BLOB": "BYTEA",
    "BOOLEAN": "BOOLEAN",
    # Its number, counted from 1970-01-01; see `dialect.POSTGRES`.
    "DATE": "INTEGER",
    "ENUM": 'TEXT COLLATE "C"',
    # A stamp is below 2^63 * 10^18: fewer than 39 digits.
    "HUGEINT": "NUMERIC(38)",
    "INTEGER": "INTEGER",
    "TIMESTAMP": "TIMESTAMP",
    "USMALLINT": "SMALLINT",
    "VARCHAR": 'TEXT COLLATE "C"',
    "VARCHAR[]": 'TEXT[] COLLATE "C"',
}
_TYPE: Final = re.compile(r"(?P<name>\w+(?:\[\])?)(?: \(.*\))?(?P<rest>.*)")


def column(described: str) -> str:
    """A column's type and constraints, of those that the embedded store has."""
    match = _TYPE.fullmatch(described)
    if not match:
        raise AssertionError(described)
    return _TYPES[match["name"]] + match["rest"]


_OWN_TABLES: Final = {
    # How often the attendances of a provider have changed, and how many there are; see `base.Store.version`.
    "change": {"provider_id": "BIGINT PRIMARY KEY", "version": "BIGINT NOT NULL", "attendances": "BIGINT NOT NULL"},
    # When a running job was last said to be carried out (microseconds since 1970); see `jobs.JobTable.keep`.
    "job_alive": {"provider_id": "BIGINT NOT NULL", "job_id": "BIGINT NOT NULL", "kept_at": "BIGINT NOT NULL"},
}
_KEYS: Final = {"erased": ("provider_id", PERSON.reference), "job_alive": ("provider_id", "job_id")}
"""The keys of tables that have none in the embedded store."""


def columns_by_table() -> dict[str, dict[str, str]]:
    """Every table: its name, and its columns with their types and constraints."""
    found = {**tables(), **_OWN_TABLES}
    return {table: {name: column(kind) for name, kind in columns.items()} for table, columns in found.items()}


def definitions() -> Iterator[str]:
    """The statements that make the tables and their indexes. Each index says which request it serves."""
    for table, columns in columns_by_table().items():
        described = [f"{name} {kind}" for name, kind in columns.items()]
        key = ("provider_id", "id") if columns.get("provider_id") == "BIGINT" and "id" in columns else _KEYS.get(table)
        if key:
            described.append(f"PRIMARY KEY ({', '.join(key)})")
        yield f"CREATE TABLE {table} ({', '.join(described)})"
    yield from postgres_together.definitions()
    # What every process looks for every few seconds: jobs that wait, and those that run.
    yield "CREATE INDEX job_unfinished ON job (id) WHERE status IN ('queued', 'running')"
    # The default order, newest events first, and every timeframe and window in it.
    yield f"CREATE INDEX attendances_by_start ON attendances (provider_id, {FIRST_BY} DESC, id)"
    # Incremental reading: `updated_at_gte`, by `updated_at`.
    yield "CREATE INDEX attendances_by_change ON attendances (provider_id, updated_at, id)"
    # A customer's attendances, and which of them is the first.
    yield f"CREATE INDEX attendances_by_customer ON attendances (provider_id, {FIRST_OF}, {FIRST_BY}, id)"
    # Rows that arrive with an event's new name or time: all others of that event repeat it.
    yield "CREATE INDEX attendances_by_event ON attendances (provider_id, event_id)"
