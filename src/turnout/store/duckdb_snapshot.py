"""Reading the embedded store: snapshots on pooled cursors."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

import duckdb

from turnout.errors import TurnoutError
from turnout.query.dialect import DUCKDB
from turnout.store.duckdb_file import EngineLost, StoreDamaged, cursor_of, engine_errors
from turnout.store.duckdb_parsed import parsed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from turnout.query.sql import Statement
    from turnout.store.base import Batch, type_row

_MAX_IDLE: Final = 32
_INSIST_SECONDS: Final = 0.01


class DuckSnapshot:
    """One read-only transaction; see `base.Snapshot`."""

    dialect = DUCKDB

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._lock = Lock()
        self._idle = Event()
        self._idle.set()
        self._closed = False
        self.cancelled = False

    def rows(self, statement: Statement) -> list[type_row]:
        """All rows of a statement."""
        with self._engine_at_work():
            rows: list[type_row] = self._run(statement).fetchall()
        return rows

    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[list[type_row]]:  # noqa: ARG002 - the interface's
        """All rows of each of several statements: one after the other."""
        return [self.rows(statement) for statement in statements]

    def stream(self, statement: Statement, batch: int) -> Iterator[list[type_row]]:
        """The rows of a statement in lists of at most `batch`. Another statement ends it."""
        with self._engine_at_work():
            self._run(statement)
            rows = self._cursor.fetchmany(batch)
        while rows:
            yield rows
            with self._engine_at_work():
                rows = self._cursor.fetchmany(batch)

    def columns(self, statement: Statement, batch: int) -> Generator[Batch]:
        """The rows of a statement by columns, in batches of at most `batch`. Another statement ends it."""
        with self._engine_at_work():
            reader = self._cursor.sql(statement.sql, params=statement.values).to_arrow_reader(batch)
        while True:
            with self._engine_at_work():
                rows = next(reader, None)
            if rows is None:
                return
            yield rows

    def _run(self, statement: Statement) -> duckdb.DuckDBPyConnection:
        return self._cursor.execute(parsed(self._cursor, statement.sql), statement.values)

    def cancel(self) -> None:
        """Stop what runs, from any thread, without waiting for it; the reader gets `query_timeout`, now and later."""
        with self._lock:
            if self._closed or self.cancelled:
                return
            self.cancelled = True
            if self._idle.is_set():
                return
            self._cursor.interrupt()
        # The engine forgets an interrupt that comes just before it starts to run a statement.
        Thread(target=self._insist, name="turnout-cancel", daemon=True).start()

    def close(self) -> None:
        """No more interrupts from here on: the cursor may serve another snapshot next."""
        with self._lock:
            self._closed = True

    def _insist(self) -> None:
        while not self._idle.wait(_INSIST_SECONDS):
            with self._lock:
                if self._closed:
                    return
                self._cursor.interrupt()

    @contextmanager
    def _engine_at_work(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise RuntimeError("The snapshot is closed.")
            if self.cancelled:
                raise TurnoutError("query_timeout")
            self._idle.clear()
        try:
            with engine_errors("Reading the store"):
                yield
        finally:
            self._idle.set()


class Snapshots:
    """Opens snapshots, on cursors that are kept for the next one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._lock = Lock()
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._open: set[DuckSnapshot] = set()
        self._closed = False
        self.lost = False
        """Whether the engine has given the file up."""
        self.damaged = False
        """Whether a part of the file was found to be damaged."""

    @contextmanager
    def open(self) -> Iterator[DuckSnapshot]:
        """A consistent view of the data, until the block ends."""
        try:
            with engine_errors("Reading the store"):
                cursor = self._take()
                cursor.execute("BEGIN TRANSACTION READ ONLY")
            with self._given(cursor) as snapshot:
                yield snapshot
        except EngineLost:
            self.lost = True
            raise
        except StoreDamaged:
            self.damaged = True
            raise

    @contextmanager
    def _given(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[DuckSnapshot]:
        snapshot = DuckSnapshot(cursor)
        with self._lock:
            self._open.add(snapshot)
        try:
            yield snapshot
        finally:
            snapshot.close()
            self._give_back(snapshot, cursor)

    def close(self) -> None:
        """Cancel what is being read, and refuse new snapshots."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            reading = list(self._open)
        for snapshot in reading:
            snapshot.cancel()
        for cursor in idle:
            cursor.close()

    def _take(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._closed:
                raise TurnoutError("storage_unavailable", "The store is closed.")
            if self._idle:
                return self._idle.pop()
        return cursor_of(self._connection)

    def _give_back(self, snapshot: DuckSnapshot, cursor: duckdb.DuckDBPyConnection) -> None:
        sound = not snapshot.cancelled
        try:
            cursor.execute("ROLLBACK")  # also ends a result that was not read to its end
        except duckdb.Error:
            sound = False
        with self._lock:
            self._open.discard(snapshot)
            keep = sound and not self._closed and len(self._idle) < _MAX_IDLE
            if keep:
                self._idle.append(cursor)
        if not keep:
            cursor.close()
