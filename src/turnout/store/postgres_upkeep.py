"""`Upkeep` of a PostgreSQL database: it keeps itself in order, and has its own ways of being copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from turnout.errors import TurnoutError
from turnout.store.base import StoreStatus
from turnout.store.layout import Layout
from turnout.store.postgres_migrations import TIDY, owns_tables
from turnout.store.postgres_walls import faults_of_walls
from turnout.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import psycopg


class PostgresUpkeep:
    """See `layout.Upkeep`. `alone` gives a connection for one statement after the other, in no transaction."""

    def __init__(self, alone: Callable[[], AbstractContextManager[psycopg.Connection[Any]]]) -> None:
        self._alone = alone

    def layout(self) -> Layout:
        """How much there is. An index has it in each order that is needed: there is no tail."""
        with self._alone() as connection:
            return _layout(connection)

    def sort_tail(self) -> int:
        """There is none."""
        return 0

    def rebuild(self, now: Callable[[], int], *, rest: Callable[[float], None] = lambda _: None) -> int:  # noqa: ARG002 - the interface's
        """Autovacuum does what is needed."""
        return 0

    def copy(self) -> BinaryIO:
        """A database is copied where it is. Raises `conflict`."""
        raise TurnoutError(
            "conflict",
            "This store is a PostgreSQL database, which is backed up with its own tools, such as pg_dump; "
            "'turnout move' copies it into a file of the embedded store.",
        )

    def status(self, retained_at: int | None, *, holds_forgotten: bool) -> StoreStatus:
        """What the database is and holds, and what is wrong with it."""
        with self._alone() as connection:
            found = _layout(connection)
            ((providers,),) = connection.execute("SELECT count(*) FROM provider").fetchall()
            info = connection.info
            version = info.parameter_status("server_version") or ""
            location = f"postgresql://{info.user}@{info.host}:{info.port}/{info.dbname}"
            owner = owns_tables(connection)
            faults = list(faults_of_walls(connection))
        return StoreStatus(
            engine="PostgreSQL",
            version=version.partition(" ")[0],
            location=location,
            size=found.size,
            schema_version=SCHEMA_VERSION,
            attendances=found.attendances,
            providers=providers,
            faults=(*faults, *([_forgotten(may_overwrite=owner)] if holds_forgotten else [])),
            retained_at=retained_at,
        )


def _forgotten(*, may_overwrite: bool) -> str:
    held = "The database still holds what was forgotten"
    if may_overwrite:
        return f"{held}; it is overwritten when nobody reads for long."
    return f"{held}, which only the tables' owner can overwrite: run {TIDY}."


def _layout(connection: psycopg.Connection[Any]) -> Layout:
    ((attendances, size),) = connection.execute(
        "SELECT coalesce(sum(attendances), 0)::BIGINT, pg_database_size(current_database()) FROM change"
    ).fetchall()
    return Layout(attendances=attendances, tail=0, loose=0, size=size, free=0, rebuilt_at=None)
