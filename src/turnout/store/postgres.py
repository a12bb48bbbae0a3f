"""Attendances in PostgreSQL, changed and read by any number of processes.

A change of a provider's attendances is one transaction, which also gives them a new version.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import psycopg

from turnout.errors import TurnoutError
from turnout.store.aside import sweep
from turnout.store.layout import MARK, unfinished
from turnout.store.persons import looked_through
from turnout.store.postgres_citus import is_citus
from turnout.store.postgres_jobs import PostgresJobs
from turnout.store.postgres_migrations import make_tables
from turnout.store.postgres_persons import Changing, PostgresPersons
from turnout.store.postgres_pool import Connections
from turnout.store.postgres_small import PostgresTables, lock, put_provider, standing_of, standing_statements
from turnout.store.postgres_small import remember as remember_in
from turnout.store.postgres_snapshot import PostgresSnapshot, database_errors, snapshot_of
from turnout.store.postgres_together import PostgresTogether
from turnout.store.postgres_upkeep import PostgresUpkeep
from turnout.store.postgres_walls import say
from turnout.store.views import ViewTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa

    from turnout.store.base import Answered, Merged, PlaceChange, Provider, Snapshot, Standing, StoreStatus, type_row
    from turnout.store.merge import Outcome, Work
    from turnout.store.postgres_merge import Postgres
    from turnout.store.postgres_walls import Scope
    from turnout.store.views import Run

    Step = Callable[[Work, Postgres], Outcome]

_CHANGED: Final = (
    "INSERT INTO change (provider_id, version, attendances) VALUES (%s, 1, %s) ON CONFLICT (provider_id) "
    "DO UPDATE SET version = change.version + 1, attendances = change.attendances + EXCLUDED.attendances"
)
_VIEWS: Final = 0x76696577
"""Tells the locks of who changes saved views from others, of 32 bits."""


class PostgresStore(PostgresTables):
    """A `Store` in a PostgreSQL database. With `create`, its tables are made where there are none.

    There are at most so many `connections`, and a page's statement is ended by the database after `limit` seconds, also
    where this process cannot end it. A merge that needs more memory than `memory_limit` writes to a directory beside
    `spilled`. Raises `storage_unavailable` where the database is not reached or, unless it may be `in_part`, holds a
    part of a store that is being moved, and `not_found` where it has no tables.
    """

    shared = True

    def __init__(
        self,
        address: str,
        *,
        spilled: Path,
        create: bool = True,
        memory_limit: str | None = None,
        connections: int = 8,
        limit: float | None = None,
        in_part: bool = False,
    ) -> None:
        self._spilled = spilled
        self._memory_limit = memory_limit
        self._limit = limit
        self._pool = Connections(address, connections)
        super().__init__(self._transaction, self._alone)
        self.jobs = PostgresJobs(self._transaction)
        self.views = ViewTable(self._running)
        self.persons = PostgresPersons(self._changing, self._transaction, self._alone)
        self.upkeep = PostgresUpkeep(self._alone)
        sweep(spilled)
        self.together = PostgresTogether(self._alone)
        try:
            with self._transaction() as connection:
                make_tables(connection, create=create)
                self._is_citus = is_citus(connection)
                if not in_part:
                    must_be_whole(connection)
        except BaseException:
            self._pool.close()
            raise

    def snapshot(self, provider_id: int | None, *, long: bool = False) -> AbstractContextManager[Snapshot]:
        """A consistent view of a provider's data; see `base.Snapshot`."""
        return snapshot_of(self._pool, provider_id, limit=None if long else self._limit)

    def standing(self, provider_id: int, sha256: str | None = None) -> Standing:
        """What is true of a provider, and of a token, at once; see `base.Store`."""
        with self.snapshot(provider_id) as snapshot:
            return standing_of(snapshot.together(standing_statements(provider_id, sha256), last=True))

    def standing_in(
        self, snapshot: Snapshot, provider_id: int, sha256: str | None, then: Callable[[Standing], None]
    ) -> None:
        """Tell what was true of them as of a snapshot; see `base.Store`."""
        assert isinstance(snapshot, PostgresSnapshot)  # noqa: S101 - one of this store's own
        snapshot.along(standing_statements(provider_id, sha256), lambda found: then(standing_of(found)))

    def put_provider(self, provider: Provider) -> None:
        """Add a provider, or replace the one with its id; with another zone, its rows get other local starts."""
        known = self.providers().get(provider.id)
        if not known or known.timezone == provider.timezone:
            with self._transaction() as connection:
                put_provider(connection, provider)
            return

        def move(work: Work, source: Postgres) -> Outcome:
            put_provider(source.connection, provider)
            return source.move_starts(work)

        self._change(provider, lambda _: move, zone=provider.timezone)

    def merge(self, provider: Provider, batches: Iterable[pa.RecordBatch], *, dry_run: bool = False) -> Merged:
        """Merge checked rows in one transaction; `dry_run` counts and changes nothing."""

        def prepared(work: Work) -> Step:
            from turnout.store.merge import merge, stage  # noqa: PLC0415 - as in `_change`

            staged = stage(work, [batches], dry_run=dry_run)
            return lambda work, source: merge(work, staged, dry_run=dry_run, source=source)

        (merged,) = self._change(provider, prepared).merged
        return merged

    def merge_together(
        self,
        provider: Provider,
        inputs: Sequence[Iterable[pa.RecordBatch]],
        remember: Callable[[Sequence[Merged]], Iterable[Answered]] = lambda _: (),
        *,
        place: PlaceChange | None = None,
    ) -> Sequence[Merged]:
        """Merge several inputs in one transaction, and write what is to be remembered of them."""

        def prepared(work: Work) -> Step:
            from turnout.store.merge import merge, stage  # noqa: PLC0415 - as in `_change`

            staged = stage(work, inputs)

            def step(work: Work, source: Postgres) -> Outcome:
                outcome = merge(work, staged, source=source)
                for answered in remember(outcome.merged):
                    remember_in(source.connection, answered)
                if place:
                    _put_place(source.connection, place)
                return outcome

            return step

        return self._change(provider, prepared).merged

    def delete(self, provider: Provider, ids: Sequence[int], updated_at: Sequence[int] | None = None) -> int:
        """Delete attendances by their ids, with `updated_at` only those that are of it; return how many there were."""

        def prepared(_: Work) -> Step:
            from turnout.store.merge import delete  # noqa: PLC0415 - as in `_change`

            return lambda work, source: delete(work, ids, updated_at, source=source)

        return self._change(provider, prepared).deleted

    def version(self, provider_id: int) -> int | None:
        """How often a provider's attendances have changed."""
        return self.standing(provider_id).version

    def status(self) -> StoreStatus:
        """What the store is and holds, and what is wrong with it."""
        retained_at = looked_through(self.persons.retention())
        return self.upkeep.status(retained_at, holds_forgotten=self.persons.unfinished())

    def close(self) -> None:
        """Let go of the database. Harmless when done twice."""
        self._pool.close()

    def _change(self, provider: Provider, prepared: Callable[[Work], Step], *, zone: str | None = None) -> Outcome:
        """Do work that may change a provider's attendances, and give them a new version where it does.

        `prepared` does what needs no database, and returns the step that is run in the transaction.
        """
        from turnout.store.postgres_merge import Postgres, desk  # noqa: PLC0415 - a reader needs no engine

        with desk(provider.id, self._spilled, memory_limit=self._memory_limit) as work:
            step = prepared(work)
            with self._transaction(provider.id) as connection:
                lock(connection, provider.id)
                found = connection.execute("SELECT timezone FROM provider WHERE id = %s", (provider.id,)).fetchall()
                own = zone or (found[0][0] if found else provider.timezone)
                outcome = step(replace(work, zone=own), Postgres(connection, provider.id))
                if outcome.written:
                    more = sum(merged.created for merged in outcome.merged) - outcome.deleted
                    connection.execute(_CHANGED, (provider.id, more))
        return outcome

    @contextmanager
    def _changing(self, provider_id: int) -> Iterator[Changing]:
        """A transaction in which nobody else changes the provider's attendances; with a new version where they do."""
        with self._transaction(provider_id) as connection:
            lock(connection, provider_id)
            change = Changing(connection, provider_id)
            yield change
            if change.rows:
                connection.execute(_CHANGED, (provider_id, 0))

    @contextmanager
    def _running(self, provider_id: int) -> Iterator[Run]:
        """Runs statements in a transaction in which nobody else changes the provider's views."""
        with self._transaction(provider_id) as connection, psycopg.RawCursor(connection) as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock($1, hashint8($2))", (_VIEWS, provider_id))

            def run(sql: str, *values: Any) -> Sequence[type_row]:
                cursor.execute(sql, values)
                return cursor.fetchall() if cursor.description else []

            yield run

    @contextmanager
    def _alone(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection for what is no part of a transaction."""
        with database_errors("Using the database"), self._pool.connection() as connection:
            yield connection

    @contextmanager
    def _transaction(self, scope: Scope = None) -> Iterator[psycopg.Connection[Any]]:
        """A transaction that sees the rows of whom it is about."""
        with (
            database_errors("Using the database"),
            self._pool.connection() as connection,
            connection.transaction(),
        ):
            say(connection, scope)
            yield connection


def must_be_whole(connection: psycopg.Connection[Any]) -> None:
    """Raise `storage_unavailable` where the database holds a part of a store that is being moved."""
    found = connection.execute("SELECT value FROM meta WHERE name = %s", (MARK,)).fetchall()
    if found:
        raise TurnoutError("storage_unavailable", unfinished(f"The database {connection.info.dbname}", found[0][0]))


def _put_place(connection: psycopg.Connection[Any], change: PlaceChange) -> None:
    """Save the place of a sync, unless it does not follow the present one; the same one again is welcome."""
    known = connection.execute("SELECT mark FROM sync WHERE provider_id = %s", (change.provider_id,)).fetchall()
    if (known[0][0] if known else None) not in (change.follows, change.place.mark):
        raise TurnoutError("conflict", f"Another sync of provider {change.provider_id} is at work, or was meanwhile.")
    connection.execute(
        "INSERT INTO sync (provider_id, mark, as_of, document) VALUES (%s, %s, %s, %s) ON CONFLICT (provider_id) "
        "DO UPDATE SET (mark, as_of, document) = (EXCLUDED.mark, EXCLUDED.as_of, EXCLUDED.document)",
        (change.provider_id, change.place.mark, change.place.as_of, change.place.document),
    )
