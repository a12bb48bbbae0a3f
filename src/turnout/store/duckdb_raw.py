"""The embedded store, for a move: whole tables of its file, which this process has to itself."""
# ruff: noqa: S608 - the names in the SQL are those of `schema`

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb

from turnout.errors import TurnoutError
from turnout.store.duckdb_file import (
    StoreUnfit,
    attach,
    attach_file,
    cursor_of,
    engine_errors,
    lock_up,
    new_engine,
    schema_version,
)
from turnout.store.raw import BATCH_ROWS, PROVIDERS, condition, order, owner_of, portable, portable_sql, stored_sql
from turnout.store.schema import SCHEMA_VERSION, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa

    from turnout.store.raw import Session


class DuckRaw:
    """See `raw.RawStore`. The file is only read unless it is to be `written`; then it is made where there is none.

    Raises as `duckdb_file.attach` does, and where the file is of an older Turnout and is only read.
    """

    def __init__(self, path: Path, *, written: bool, memory_limit: str | None = None) -> None:
        self.location = str(path)
        self.place = str(path.resolve())
        spilled = path.with_name(f"{path.name}.tmp")
        if written:
            self._connection = attach(
                path, memory_limit=memory_limit, threads=None, temp_directory=spilled, in_part=True
            )
        else:
            self._connection = _attach_to_read(path, memory_limit=memory_limit, temp_directory=spilled)

    def providers(self) -> list[int]:
        """The ids of those who have rows in any table."""
        owned = " UNION ".join(f"SELECT {owner_of(table)} AS id FROM {table}" for table in PROVIDERS)
        with engine_errors("Reading the store"), cursor_of(self._connection) as cursor:
            return [id_ for (id_,) in cursor.execute(f"{owned} ORDER BY id").fetchall()]

    def reading(self, provider: int | None) -> AbstractContextManager[Session]:
        """One moment's view."""
        return self._transaction(provider, "Reading the store")

    def writing(self, provider: int | None) -> AbstractContextManager[Session]:
        """A transaction."""
        return self._transaction(provider, "Writing the store")

    @contextmanager
    def _transaction(self, provider: int | None, doing: str) -> Iterator[Session]:
        with engine_errors(doing), cursor_of(self._connection) as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield DuckSession(cursor, provider)
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):  # the engine may have done it already
                    cursor.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class DuckSession:
    """See `raw.Session`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, provider: int | None) -> None:
        self._cursor = cursor
        self._provider = provider

    def count(self, table: str) -> int:
        where, values = self._where(table)
        ((rows,),) = self._cursor.execute(f"SELECT count(*) FROM {table} {where}", values).fetchall()
        return int(rows)

    def version(self) -> int:
        """Nobody else changes the file."""
        return 0

    def read(self, table: str, *, in_order: bool = False) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - see below
        """As they lie in the file: mostly in order, and what is not so costs no more in the next store than here."""
        where, values = self._where(table)
        sql = f"SELECT {portable_sql(table)} FROM {table} {where}"
        for batch in self._cursor.sql(sql, params=values).to_arrow_reader(BATCH_ROWS):
            yield batch.cast(portable(table))

    def clear(self, table: str) -> None:
        where, values = self._where(table)
        self._cursor.execute(f"DELETE FROM {table} {where}", values)

    def write(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        names = ", ".join(tables()[table])
        rows = 0
        for batch in batches:
            self._cursor.register("moved", batch)
            # The last word on the order of what is inserted is the ORDER BY's; see `rebuild`.
            self._cursor.execute(f"INSERT INTO {table} ({names}) SELECT {stored_sql(table)} FROM moved{order(table)}")
            ((written,),) = self._cursor.fetchall()
            self._cursor.unregister("moved")
            rows += written
            if self._provider is not None and batch.num_rows >= BATCH_ROWS:
                # What is not committed stays in memory, whatever the limit. The provider has no note yet, and so
                # counts as not moved.
                self._cursor.execute("COMMIT")
                self._cursor.execute("BEGIN TRANSACTION")
        return rows

    def tally(self, attendances: int) -> None:
        """Nothing is kept of that here."""

    def notes(self) -> dict[str, str]:
        return dict(self._cursor.execute("SELECT name, value FROM meta").fetchall())

    def note(self, name: str, value: str | None) -> None:
        if value is None:
            self._cursor.execute("DELETE FROM meta WHERE name = ?", [name])
        else:
            self._cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [name, value])

    def _where(self, table: str) -> tuple[str, list[Any]]:
        return f"WHERE {condition(table, '?')}", [self._provider] if owner_of(table) else []


def _attach_to_read(path: Path, *, memory_limit: str | None, temp_directory: Path) -> duckdb.DuckDBPyConnection:
    """Open a file in which nothing is changed: not even one of an older Turnout is brought up to date."""
    if not path.exists():
        raise TurnoutError("storage_unavailable", f"There is no store {path}.")
    connection = new_engine(memory_limit, None, temp_directory, in_order=True)
    try:
        attach_file(connection, path, read_only=True)
        _must_be_present(schema_version(connection, path), path)
        lock_up(connection, path, in_part=False)
    except BaseException:
        connection.close()
        raise
    return connection


def _must_be_present(version: int, path: Path) -> None:
    if version < SCHEMA_VERSION:
        raise StoreUnfit(path, "was written by an older Turnout; 'turnout doctor' brings it up to date")
