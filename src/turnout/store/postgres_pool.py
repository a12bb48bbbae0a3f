"""The connections to a PostgreSQL database. While it is away, nobody waits for it but the one who looks."""

from __future__ import annotations

import select
import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from turnout.errors import TurnoutError
from turnout.store.postgres_address import parameters
from turnout.store.postgres_snapshot import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SETTINGS: Final = (
    "-c TimeZone=UTC -c client_connection_check_interval=2s "
    # So that the locks of a process that is frozen do not stay. A merge works for itself between two statements: at a
    # million rows for half a minute on a busy machine, and at ten million, the most that is made, for ten times that.
    "-c idle_in_transaction_session_timeout=10min "
    # So that those of one whose machine is gone do not stay even so long: as `_PATIENCE` has it at this end.
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000 "
    # So that the nodes of a Citus cluster hear as well whose rows a transaction is about.
    "-c citus.propagate_set_commands=local"
)
_PATIENCE: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""How long, in seconds and milliseconds, a machine that says nothing is taken for one that is there."""
_WAIT: Final = 3.0
"""So many seconds a free connection is waited for."""
_ONCE_MORE: Final = 1.0
_LOOK_AGAIN: Final = 1.0
"""So many seconds after nobody had a connection and none came, it is looked for again."""


class Connections:
    """At most `most` connections to the database at `address`. Safe for use by several threads.

    Raises `storage_unavailable` where the database cannot be reached, here and later.
    """

    def __init__(self, address: str, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._lent = 0
        self._away_until = 0.0
        connected(address, **_PATIENCE).close()
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            address,
            kwargs={**_PATIENCE, "autocommit": True, "prepare_threshold": None, **parameters(address, _SETTINGS)},
            min_size=1,
            max_size=most,
            timeout=_WAIT,
            # Whoever comes next tries anew, at once: a pool that tries by itself waits longer each time.
            reconnect_timeout=0,
            open=True,
        )

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection, for the length of the block."""
        with self._lock:
            if self._monotonic() < self._away_until:
                raise TurnoutError("storage_unavailable", "The database is away.")
        try:
            connection = self._lively()
        except PoolTimeout:
            with self._lock:
                if not self._lent:
                    self._away_until = self._monotonic() + _LOOK_AGAIN
            raise
        with self._lock:
            self._lent += 1
        try:
            with connection:  # what was begun and not ended is undone
                yield connection
        finally:
            with self._lock:
                self._lent -= 1
            self._pool.putconn(connection)

    def _lively(self) -> psycopg.Connection[Any]:
        """A connection that the database has not ended while nobody had it."""
        while True:
            try:
                connection = self._pool.getconn()
            except PoolTimeout:
                if self._lent:
                    raise
                # It may have come back while it was waited for: the pool looks for it once, when it is asked.
                connection = self._pool.getconn(_ONCE_MORE)
            if not _was_ended(connection):
                return connection
            connection.close()
            self._pool.putconn(connection)

    def close(self) -> None:
        """Let go of all of them. Harmless when done twice."""
        self._pool.close()


def _was_ended(connection: psycopg.Connection[Any]) -> bool:
    """Whether the database has ended a connection that lies idle: then there is something to read, or an end."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    try:
        while waiting.poll(0) and not connection.closed:
            connection.pgconn.consume_input()  # it may have told of a setting, or why it ends
    except psycopg.OperationalError:
        return True
    return connection.closed
