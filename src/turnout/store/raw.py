"""Whole tables, as they are, on their way from one store to another: the part of a store that `move` needs.

Rows travel by columns, in the Arrow types of `portable`, which are the same for every store; so a `Sum` of them can be
compared, whichever store they were read from. Tables and columns are those of `schema.tables`.
"""
# ruff: noqa: S608 - the names in the SQL are those of `schema`

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import duckdb
import pyarrow as pa

from turnout.query.dialect import DUCKDB
from turnout.query.sql import TABLE as ATTENDANCES
from turnout.store.jobs import Status
from turnout.store.schema import CLUSTERED, ROW_GROUP, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

BATCH_ROWS: Final = ROW_GROUP
"""So many rows travel at once, at the most."""
NOTES: Final = ("last_job",)
"""The names in `meta` of what is told of all rows. The others tell of one engine's files, and stay where they are."""

OWN: Final = "provider_id"
_ARROW: Final = {
    "BIGINT": pa.int64(),
    "BIGINT[]": pa.list_(pa.int64()),
    "BLOB": pa.binary(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.int32(),  # its number, counted from 1970-01-01
    "ENUM": pa.string(),
    "HUGEINT": pa.decimal128(38, 0),
    "INTEGER": pa.int32(),
    "TIMESTAMP": pa.timestamp("us"),
    "USMALLINT": pa.uint16(),
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
}


def kind_of(described: str) -> str:
    """The type, one of `_ARROW`, of a column that `schema.tables` describes."""
    match = re.match(r"\w+(\[\])?", described)
    if not match:
        raise AssertionError(described)
    return match[0]


def kinds(table: str) -> dict[str, str]:
    """The columns of a table, and their types."""
    return {name: kind_of(described) for name, described in tables()[table].items()}


def portable(table: str) -> pa.Schema:
    """The form in which a table's rows travel."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in kinds(table).items()])


def owner_of(table: str) -> str | None:
    """The column that says whose a row is; None where a table's rows are nobody's own."""
    if table == "provider":
        return "id"
    return OWN if OWN in tables()[table] else None


PROVIDERS: Final = tuple(table for table in tables() if owner_of(table))
"""The tables whose rows belong to providers."""
SHARED: Final = tuple(table for table in tables() if not owner_of(table))
"""The other ones."""

_AFRESH: Final = {"status": f"'{Status.QUEUED}'", "total_items": "0", "complete_items": "0", "started_at": "NULL"}
"""What a job becomes that was running where it came from."""


def columns(table: str) -> dict[str, str]:
    """The SQL for each column of a table, as it is to arrive: nothing runs in a store that has just been moved."""
    names = {name: name for name in tables()[table]}
    if table != "job":
        return names
    of_job = {
        name: f"CASE WHEN status = '{Status.RUNNING}' THEN {sql} ELSE {name} END" for name, sql in _AFRESH.items()
    }
    return names | of_job


def condition(table: str, placeholder: str) -> str:
    """SQL for the rows that move together; `placeholder` stands for the provider where the table's rows have one."""
    if owner := owner_of(table):
        return f"{owner} = {placeholder}"
    if table == "meta":
        names = ", ".join(f"'{name}'" for name in NOTES)
        return f"name IN ({names})"
    return "true"


def order(table: str) -> str:
    """SQL for the order in which rows arrive best."""
    return f" ORDER BY {', '.join(CLUSTERED)}" if table == ATTENDANCES else ""


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows, and a number that is the same for the same rows in any order."""

    rows: int = 0
    digest: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.rows + other.rows, (self.digest + other.digest) % 2**128)


class Session(Protocol):
    """One transaction: on the rows of one provider or, of none, on those that are nobody's own.

    Raises `TurnoutError` `storage_unavailable` when the database fails.
    """

    def count(self, table: str) -> int:
        """How many rows there are."""
        ...

    def version(self) -> int:
        """A number that is another one after each change of the provider's attendances by somebody else."""
        ...

    def read(self, table: str, *, in_order: bool = False) -> Iterator[pa.RecordBatch]:
        """The rows, in batches of `portable`, one table at a time; `in_order` if that is worth something.

        That is the order of `schema.CLUSTERED`, or about that.
        """
        ...

    def clear(self, table: str) -> None:
        """Delete the rows."""
        ...

    def write(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        """Add rows of `portable`; return how many. `batches` may be asked for them in another thread."""
        ...

    def tally(self, attendances: int) -> None:
        """Let the store know that the provider was written, and how many attendances it has now."""
        ...

    def notes(self) -> dict[str, str]:
        """Everything in `meta`."""
        ...

    def note(self, name: str, value: str | None) -> None:
        """Write something into `meta`, or remove it."""
        ...


class RawStore(Protocol):
    """A store of which whole tables are read or written. No other process may change it meanwhile, or it is noticed."""

    @property
    def location(self) -> str:
        """How it may be called in words: no password is in it."""
        ...

    @property
    def place(self) -> str:
        """The same for the same database, however it was called."""
        ...

    def providers(self) -> list[int]:
        """The ids of those who have rows, in their order."""
        ...

    def reading(self, provider: int | None) -> AbstractContextManager[Session]:
        """One moment's view."""
        ...

    def writing(self, provider: int | None) -> AbstractContextManager[Session]:
        """A transaction, which is committed where the block ends well; many rows of a provider may be before that."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class Desk:
    """An engine in memory that adds up batches, and gives them other forms. For one thread."""

    def __init__(self) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "temp_directory": "",
        }
        self._connection = duckdb.connect(":memory:", config=config)
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def sum(self, batch: pa.RecordBatch) -> Sum:
        """The sum of a batch's rows."""
        ((rows, digest),) = self._ask(
            f"count(*), sum(hash({', '.join(batch.schema.names)})::HUGEINT)", batch
        ).fetchall()
        return Sum(rows, int(digest or 0))

    def form(self, expressions: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        """What SQL makes of a batch's columns, row by row."""
        found = self._ask(expressions, batch).to_arrow_table().combine_chunks()
        return found.to_batches()[0] if found.num_rows else pa.RecordBatch.from_pylist([], schema=found.schema)

    def _ask(self, expressions: str, batch: pa.RecordBatch) -> duckdb.DuckDBPyRelation:
        self._connection.register("batch", batch)
        return self._connection.sql(f"SELECT {expressions} FROM batch")

    def close(self) -> None:
        """Let go of its memory."""
        self._connection.close()


def portable_sql(table: str) -> str:
    """DuckDB's SQL for the columns of a table of its own, in the types of `portable`."""
    forms = {"DATE": f"({DUCKDB.day_number('{0}')})::INTEGER", "ENUM": "{0}::VARCHAR", "HUGEINT": "{0}::DECIMAL(38, 0)"}
    sql = columns(table)
    return ", ".join(f"{forms.get(kind, '{0}').format(sql[name])} AS {name}" for name, kind in kinds(table).items())


def stored_sql(table: str) -> str:
    """DuckDB's SQL for the columns of a table of its own, from those of `portable`."""
    forms = {"DATE": DUCKDB.day("{0}"), "HUGEINT": "{0}::HUGEINT"}
    return ", ".join(f"{forms.get(kind, '{0}').format(name)} AS {name}" for name, kind in kinds(table).items())
