"""Reading PostgreSQL: each snapshot is one read-only transaction of its own connection."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain, islice
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

from turnout.errors import TurnoutError
from turnout.query.dialect import POSTGRES
from turnout.query.sql import Statement
from turnout.store.postgres_address import NO_ADDRESS, must_be_fit, parameters
from turnout.store.postgres_pipeline import pipelined
from turnout.store.postgres_walls import saying

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from contextlib import AbstractContextManager

    from turnout.store.base import Batch, type_row

_BEGIN: Final = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_END: Final = Statement("ROLLBACK", ())
_STATES: Final[dict[type[psycopg.Error], str]] = {
    psycopg.errors.AdminShutdown: "the database ended the connection",
    psycopg.errors.CannotConnectNow: "the database is starting or stopping",
    psycopg.errors.DiskFull: "the database's disk is full",
    psycopg.errors.IdleInTransactionSessionTimeout: "the database ended it, as nothing was asked for too long",
    psycopg.errors.InvalidSchemaName: "the database does not find its tables: see the role's search_path",
    psycopg.errors.ReadOnlySqlTransaction: "the database is read-only",
    psycopg.errors.TooManyConnections: "the database has no connection left",
    PoolTimeout: "no connection to the database was free, or was to be had",
    psycopg.errors.UndefinedTable: "the database does not find its tables: see the role's search_path",
}
"""What is wrong with a database, whatever it was asked, and may have passed when it is asked again."""
_NO_RIGHT: Final = "the server's role lacks a right in the database: see 'turnout database prepare'"
_INSIST_SECONDS: Final = 0.05
_CANCEL_SECONDS: Final = 5.0


@contextmanager
def database_errors(doing: str) -> Iterator[None]:
    """Turn the database's errors into `TurnoutError`s that hold neither SQL nor values; see `engine_errors`."""
    try:
        yield
    except psycopg.errors.QueryCanceled:
        raise TurnoutError("query_timeout") from None
    except tuple(_STATES) as error:
        raise TurnoutError("storage_unavailable", f"{doing} failed: {_STATES[type(error)]}.") from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise TurnoutError("storage_unavailable", f"{doing} failed ({type(error).__name__}).") from None
    except psycopg.errors.InsufficientPrivilege:
        raise TurnoutError("server_error", f"{doing} failed: {_NO_RIGHT}.") from None
    except psycopg.Error as error:
        raise TurnoutError("server_error", f"{doing} failed ({type(error).__name__}).") from None


def connected(address: str, settings: str = "", **options: Any) -> psycopg.Connection[Any]:
    """A connection with these `settings`; see `postgres_address.parameters`.

    Raises `storage_unavailable` where there is none to be had, with a reason without a password, or where the database
    is not fit.
    """
    try:
        connection = psycopg.connect(address, **parameters(address, settings), **options)
    except psycopg.ProgrammingError:
        raise TurnoutError("storage_unavailable", NO_ADDRESS) from None
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise TurnoutError("storage_unavailable", f"The database cannot be reached: {reason}") from None
    try:
        must_be_fit(connection)
    except BaseException:
        connection.close()
        raise
    return connection


class Lending(Protocol):
    """What lends connections: `postgres_pool.Connections`, or the pool of the driver."""

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]: ...


class PostgresSnapshot:
    """See `base.Snapshot`. Statements are planned with their values: none is prepared.

    What its transaction has to begin with, `opening`, is sent with the first statements, and what ends it with the last
    ones: that costs no way of its own.
    """

    dialect = POSTGRES

    def __init__(self, connection: psycopg.Connection[type_row], opening: Sequence[str] = ()) -> None:
        self._connection = connection
        self._opening = opening
        self._along: list[tuple[Sequence[Statement], Callable[[list[list[Any]]], None]]] = []
        self._lock = Lock()
        self._idle = Event()
        self._idle.set()
        self._closed = False
        self.cancelled = False

    def rows(self, statement: Statement) -> list[type_row]:
        """All rows of a statement."""
        return self.together([statement])[0]

    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[list[type_row]]:
        """All rows of each of several statements, for which the database is gone to once."""
        along, self._along = self._along, []
        opening, self._opening = [Statement(message, ()) for message in self._opening], ()
        asked = [*chain.from_iterable(asked for asked, _ in along), *statements]
        with self._at_work():
            found = pipelined(self._connection, [*opening, *asked, *([_END] if last else ())])
        rest = iter(found[len(opening) :])
        told = [list(islice(rest, len(asked))) for asked, _ in along]
        found = list(islice(rest, len(statements)))
        if last:
            self.close()
        for (_, then), rows in zip(along, told, strict=True):
            then(rows)
        return found

    def along(self, statements: Sequence[Statement], then: Callable[[list[list[Any]]], None]) -> None:
        """Ask for these together with what is asked for next, and give `then` their rows before that is answered."""
        self._along.append((statements, then))

    def stream(self, statement: Statement, batch: int) -> Iterator[list[type_row]]:
        """The rows of a statement in lists of at most `batch`; the server keeps the others."""
        with self._cursor(statement) as cursor:
            while rows := self._next(cursor, batch):
                yield rows

    def columns(self, statement: Statement, batch: int) -> Generator[Batch]:
        """The rows of a statement by columns, in batches of at most `batch`."""
        from turnout.store.postgres_arrow import batch_of, schema_of  # noqa: PLC0415 - a reader of rows needs no pyarrow

        with self._cursor(statement) as cursor:
            rows = self._next(cursor, batch)
            schema = schema_of(cursor.description or ())
            while rows:
                yield batch_of(rows, schema)
                rows = self._next(cursor, batch)

    def cancel(self) -> None:
        """Stop what runs, from any thread, without waiting for it; the reader gets `query_timeout`, now and later."""
        with self._lock:
            if self._closed or self.cancelled:
                return
            self.cancelled = True
            if self._idle.is_set():
                return
        Thread(target=self._insist, name="turnout-cancel", daemon=True).start()

    def close(self) -> None:
        """Nothing is cancelled from here on: the connection may serve another snapshot next."""
        with self._lock:
            self._closed = True

    @contextmanager
    def _cursor(self, statement: Statement) -> Iterator[psycopg.RawServerCursor[type_row]]:
        cursor = psycopg.RawServerCursor[Any](self._connection, f"turnout_{uuid4().hex}")
        if self._opening or self._along:
            self.together([])
        try:
            with self._at_work():
                cursor.execute(statement.sql, statement.values)
            yield cursor
        finally:
            if not self._closed:
                with self._at_work(anyway=True):
                    cursor.close()

    def _next(self, cursor: psycopg.RawServerCursor[type_row], batch: int) -> list[type_row]:
        with self._at_work():
            return cursor.fetchmany(batch)

    def _insist(self) -> None:
        """Cancel until it has ended: a cancellation that comes between two statements stops nothing."""
        while not self._idle.is_set():
            with self._lock:
                if self._closed:
                    return
                try:
                    self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
                except psycopg.Error:
                    return
            self._idle.wait(_INSIST_SECONDS)

    @contextmanager
    def _at_work(self, *, anyway: bool = False) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise RuntimeError("The snapshot is closed.")
            if self.cancelled and not anyway:
                raise TurnoutError("query_timeout")
            self._idle.clear()
        try:
            with database_errors("Reading the store"):
                yield
        finally:
            self._idle.set()


def opening(provider_id: int | None, limit: float | None = None) -> list[str]:
    """What a transaction that reads begins with, and by which it says whose data it shows.

    Its statements may take `limit` seconds. Without one it may also rest for long between two of them, as one for an
    export does: it keeps nobody from changing anything.
    """
    # Each on its own: Citus sends its workers the whole message of a setting, which must be alone.
    messages = [_BEGIN]
    if limit is None:
        messages.append("SET LOCAL idle_in_transaction_session_timeout = 0")
    else:
        messages.append(f"SET LOCAL statement_timeout = {limit * 1000:.0f}")
    if provider_id is not None:
        messages.append(saying(provider_id))
    return messages


@contextmanager
def snapshot_of(pool: Lending, provider_id: int | None, *, limit: float | None = None) -> Iterator[PostgresSnapshot]:
    """A consistent view of a provider's data, until the block ends. For `limit` see `opening`."""
    with database_errors("Reading the store"), pool.connection() as connection:
        snapshot = PostgresSnapshot(connection, opening(provider_id, limit))
        try:
            yield snapshot
        finally:
            snapshot.close()
            if connection.info.transaction_status not in (TransactionStatus.UNKNOWN, TransactionStatus.IDLE):
                connection.execute(_END.sql)
