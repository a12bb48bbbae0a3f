"""PostgreSQL, for a move: whole tables by COPY, a provider at a time.

They come as CSV, which Arrow reads, and go as lines of text that an engine in memory writes: no row is ever an object
of Python's. Each transaction says which provider it is about, and no statement touches two.
"""
# ruff: noqa: S608 - the names in the SQL are those of `schema`

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.csv

from turnout.errors import TurnoutError
from turnout.query.dialect import POSTGRES
from turnout.store.ahead import made_ahead
from turnout.store.postgres import PostgresStore
from turnout.store.postgres_rows import put_rows
from turnout.store.postgres_small import providers_changed
from turnout.store.postgres_snapshot import connected, database_errors
from turnout.store.postgres_walls import say
from turnout.store.raw import (
    BATCH_ROWS,
    Desk,
    columns,
    condition,
    kinds,
    order,
    owner_of,
    portable,
)
from turnout.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg

    from turnout.store.raw import Session

_SETTINGS: Final = "-c TimeZone=UTC -c statement_timeout=0 -c application_name=turnout-move"
_MOVING: Final = 0x74756D76
"""Tells the lock of who moves something into the database from others."""
_READ: Final = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_TALLY: Final = (
    "INSERT INTO change (provider_id, version, attendances) VALUES (%s, 1, %s) ON CONFLICT (provider_id) "
    "DO UPDATE SET version = change.version + 1, attendances = EXCLUDED.attendances"
)

# How the types of `raw.portable` come out of the database, and what Arrow reads them as; others are what they are.
_SENT: Final = {
    "BIGINT[]": ("array_to_json({0})::TEXT", pa.string()),
    "BLOB": ("encode({0}, 'hex')", pa.string()),
    "TIMESTAMP": (POSTGRES.micros("{0}"), pa.int64()),
    "VARCHAR[]": ("array_to_json({0})::TEXT", pa.string()),
}
_RECEIVED: Final = {
    "BIGINT[]": """from_json({0}, '["BIGINT"]')""",
    "BLOB": "unhex({0})",
    "TIMESTAMP": "make_timestamp({0})",
    "VARCHAR[]": """from_json({0}, '["VARCHAR"]')""",
}
_INSTANT: Final = "CASE WHEN year({0}) < 1 THEN replace({0}::VARCHAR, ' (BC)', '') || ' BC' ELSE {0}::VARCHAR END"
"""DuckDB's SQL for an instant as PostgreSQL reads it: the years before the first one are written in another way."""
_TEXT: Final = (
    r"CASE WHEN regexp_matches({0}, '[\\\n\r\t]') THEN replace(replace(replace(replace({0}, chr(92), chr(92) || "
    r"chr(92)), chr(10), chr(92) || 'n'), chr(13), chr(92) || 'r'), chr(9), chr(92) || 't') ELSE {0} END"
)
"""DuckDB's SQL for a text as COPY reads it."""
_NAMES: Final = (
    "('{{' || array_to_string(list_transform({0}, lambda one: coalesce('\"' || replace(replace(one, chr(92), "
    "chr(92) || chr(92)), '\"', chr(92) || '\"') || '\"', 'NULL')), ',') || '}}')"
)
_COPIED: Final = {
    "BIGINT[]": "translate({0}::VARCHAR, '[]', '{{}}')",
    "BLOB": "(chr(92) || chr(92) || 'x' || hex({0}))",
    "TIMESTAMP": _INSTANT,
    "ENUM": _TEXT,
    "VARCHAR": _TEXT,
    "VARCHAR[]": _TEXT.replace("{0}", _NAMES),
}
"""DuckDB's SQL for values as COPY reads them, in its format `text`."""


def copied_sql(table: str) -> str:
    """DuckDB's SQL for the line of a row of `raw.portable`, in COPY's format `text`."""
    cells = (
        f"coalesce({_COPIED.get(kind, '{0}::VARCHAR').format(name)}, chr(92) || 'N')"
        for name, kind in kinds(table).items()
    )
    return f"concat_ws(chr(9), {', '.join(cells)}) || chr(10) AS line"


def received_sql(table: str) -> str:
    """DuckDB's SQL for the columns of `raw.portable` from what came."""
    return ", ".join(f"{_RECEIVED.get(kind, '{0}').format(name)} AS {name}" for name, kind in kinds(table).items())


class PostgresRaw:
    """See `raw.RawStore`. A database that is to be `written` gets the tables where it has none.

    Raises `storage_unavailable` where it is not reached, `not_found` where it has no tables, and `conflict` where
    another move writes into it.
    """

    def __init__(self, address: str, *, written: bool) -> None:
        # Nothing is merged, and so nothing spilled.
        PostgresStore(address, spilled=Path(), create=written, connections=1, in_part=written).close()
        self._connection = connected(address, _SETTINGS, autocommit=True, prepare_threshold=None)
        info = self._connection.info
        self.location = f"postgresql://{info.user}@{info.host}:{info.port}/{info.dbname}"
        try:
            with database_errors("Reading the store"):
                self.place = _place(self._connection)
                if written:
                    self._be_alone()
        except BaseException:
            self._connection.close()
            raise
        self._desk = Desk()

    def _be_alone(self) -> None:
        if self._connection.execute("SELECT pg_try_advisory_lock(%s)", (_MOVING,)).fetchall() != [(True,)]:
            raise TurnoutError("conflict", f"Another move writes into {self.location} at this moment.")

    def providers(self) -> list[int]:
        """The ids of all providers."""
        with database_errors("Reading the store"):
            return [id_ for (id_,) in self._connection.execute("SELECT id FROM provider ORDER BY id").fetchall()]

    @contextmanager
    def reading(self, provider: int | None) -> Iterator[Session]:
        """One moment's view."""
        with database_errors("Reading the store"):
            self._connection.execute(_READ)
            try:
                yield self._session(provider)
            finally:
                if not self._connection.closed:
                    self._connection.rollback()

    @contextmanager
    def writing(self, provider: int | None) -> Iterator[Session]:
        """A transaction."""
        with database_errors("Writing the store"), self._connection.transaction():
            yield self._session(provider)

    def _session(self, provider: int | None) -> Session:
        say(self._connection, provider)
        return PostgresSession(self._connection, provider, self._desk)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
        self._desk.close()


class PostgresSession:
    """See `raw.Session`."""

    def __init__(self, connection: psycopg.Connection[Any], provider: int | None, desk: Desk) -> None:
        self._connection = connection
        self._provider = provider
        self._desk = desk

    def count(self, table: str) -> int:
        where, values = self._where(table)
        ((rows,),) = self._connection.execute(f"SELECT count(*) FROM {table} {where}", values).fetchall()
        return int(rows)

    def version(self) -> int:
        found = self._connection.execute("SELECT version FROM change WHERE provider_id = %s", (self._provider,))
        return int((found.fetchone() or (0,))[0])

    def read(self, table: str, *, in_order: bool = False) -> Iterator[pa.RecordBatch]:
        sent, where = columns(table), self._where(table)
        cells = ", ".join(_SENT.get(kind, ("{0}",))[0].format(sent[name]) for name, kind in kinds(table).items())
        query = f"SELECT {cells} FROM {table} {where[0]}{order(table) if in_order else ''}"
        # COPY takes no bound values; the driver puts them in.
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", where[1] or None) as copy,
        ):
            rows: list[bytes] = []
            for row in copy:
                rows.append(bytes(row))
                if len(rows) == BATCH_ROWS:
                    yield self._batch(table, rows)
                    rows = []
            if rows:
                yield self._batch(table, rows)

    def _batch(self, table: str, rows: list[bytes]) -> pa.RecordBatch:
        text = b"".join(rows)
        schema = portable(table)
        types = {name: _SENT.get(kind, ("", schema.field(name).type))[1] for name, kind in kinds(table).items()}
        read = pa.csv.read_csv(
            pa.BufferReader(text),
            pa.csv.ReadOptions(column_names=schema.names, block_size=len(text) + 1),
            pa.csv.ParseOptions(newlines_in_values=True),
            pa.csv.ConvertOptions(
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )
        (batch,) = read.combine_chunks().to_batches()
        return self._desk.form(received_sql(table), batch).cast(schema)

    def clear(self, table: str) -> None:
        where, values = self._where(table)
        self._connection.execute(f"DELETE FROM {table} {where}", values)

    def write(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        ((walled,),) = self._connection.execute("SELECT row_security_active(%s)", (table,)).fetchall()
        if walled and self._provider is not None:  # COPY does not write into such a table
            return put_rows(self._connection, table, self._provider, batches)
        lines = (self._desk.form(copied_sql(table), batch).column(0).cast(pa.large_string()) for batch in batches)
        with self._connection.cursor() as cursor:
            with (
                cursor.copy(f"COPY {table} ({', '.join(tables()[table])}) FROM STDIN") as copy,
                closing(made_ahead(lines)) as made,
            ):
                for some in made:
                    # The texts of a column lie one behind the other: that is what is sent.
                    copy.write(memoryview(some.buffers()[2]))
            return cursor.rowcount

    def tally(self, attendances: int) -> None:
        self._connection.execute(_TALLY, (self._provider, attendances))
        providers_changed(self._connection)

    def notes(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT name, value FROM meta").fetchall())

    def note(self, name: str, value: str | None) -> None:
        self._connection.execute("DELETE FROM meta WHERE name = %s", (name,))
        if value is not None:
            self._connection.execute("INSERT INTO meta (name, value) VALUES (%s, %s)", (name, value))

    def _where(self, table: str) -> tuple[str, tuple[int, ...]]:
        owned = (self._provider,) if owner_of(table) and self._provider is not None else ()
        return f"WHERE {condition(table, '%s')}", owned


def _place(connection: psycopg.Connection[Any]) -> str:
    """The same for the same database, however it was reached; by its address where it does not tell which it is."""
    control = "has_function_privilege('pg_control_system()', 'EXECUTE')"
    ((told, oid),) = connection.execute(
        f"SELECT {control}, oid FROM pg_database WHERE datname = current_database()"
    ).fetchall()
    if not told:
        return f"{connection.info.host}:{connection.info.port}/{oid}"
    ((system,),) = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchall()
    return f"{system}/{oid}"
