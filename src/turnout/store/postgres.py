"""Attendances in PostgreSQL, changed and read by any number of processes.

A change of a provider's attendances is one transaction, which also gives them a new version.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any, Final

from psycopg_pool import ConnectionPool

from turnout.errors import TurnoutError
from turnout.store.postgres_jobs import PostgresJobs
from turnout.store.postgres_persons import Changing, PostgresPersons
from turnout.store.postgres_schema import definitions
from turnout.store.postgres_small import REMEMBER, PostgresTables, lock
from turnout.store.postgres_snapshot import database_errors, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import psycopg
    import pyarrow as pa

    from turnout.store.base import Answered, Merged, PlaceChange, Provider, Snapshot, type_row
    from turnout.store.merge import Outcome, Work
    from turnout.store.postgres_merge import Postgres

    Step = Callable[[Work, Postgres], Outcome]

_CONNECTIONS: Final = 16
_SETTINGS: Final = "-c TimeZone=UTC -c jit=off -c application_name=turnout"
_CHANGED: Final = (
    "INSERT INTO change VALUES (%s, 1) ON CONFLICT (provider_id) DO UPDATE SET version = change.version + 1"
)
_MAKING: Final = 0x74756D6B
"""Tells the lock of who makes the tables from others."""


class PostgresStore(PostgresTables):
    """What is built of a `Store` in a PostgreSQL database, whose tables are made where there are none."""

    def __init__(self, address: str, *, spilled: Path, memory_limit: str | None = None) -> None:
        self._spilled = spilled
        self._memory_limit = memory_limit
        self._pool: ConnectionPool[psycopg.Connection[type_row]] = ConnectionPool(
            address,
            min_size=1,
            max_size=_CONNECTIONS,
            kwargs={"autocommit": True, "prepare_threshold": None, "options": _SETTINGS},
            open=True,
        )
        super().__init__(self._transaction)
        self.jobs = PostgresJobs(self._transaction)
        self.persons = PostgresPersons(self._changing, self._transaction, self._alone)
        with self._transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
            if connection.execute("SELECT to_regclass('attendances')").fetchall() == [(None,)]:
                for definition in definitions():
                    connection.execute(definition)

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A consistent view; see `base.Snapshot`."""
        return snapshot_of(self._pool)

    def put_provider(self, provider: Provider) -> None:
        """Add a provider, or replace the one with its id; with another zone, its rows get other local starts."""
        known = self.providers().get(provider.id)
        values = ", ".join(["%s"] * len(astuple(provider)))
        put = (
            f"INSERT INTO provider (id, name, timezone, week_start) VALUES ({values}) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608 - only placeholders
            "(name, timezone, week_start) = (EXCLUDED.name, EXCLUDED.timezone, EXCLUDED.week_start)"
        )
        if not known or known.timezone == provider.timezone:
            with self._transaction() as connection:
                connection.execute(put, astuple(provider))
            return

        def move(work: Work, source: Postgres) -> Outcome:
            source.connection.execute(put, astuple(provider))
            return source.move_starts(work)

        self._change(provider, lambda _: move, zone=provider.timezone)

    def merge(self, provider: Provider, batches: Iterable[pa.RecordBatch], *, dry_run: bool = False) -> Merged:
        """Merge checked rows in one transaction; `dry_run` counts and changes nothing."""

        def prepared(work: Work) -> Step:
            from turnout.store.merge import merge, stage  # noqa: PLC0415 - as in `_change`

            totals = stage(work, [batches], dry_run=dry_run)
            return lambda work, source: merge(work, totals, dry_run=dry_run, source=source)

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

            totals = stage(work, inputs)

            def step(work: Work, source: Postgres) -> Outcome:
                outcome = merge(work, totals, source=source)
                for answered in remember(outcome.merged):
                    source.connection.execute(REMEMBER, astuple(answered))
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
        found = self._rows("SELECT version FROM change WHERE provider_id = %s", provider_id)
        return int(found[0][0]) if found else 0

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
            with self._transaction() as connection:
                lock(connection, provider.id)
                found = connection.execute("SELECT timezone FROM provider WHERE id = %s", (provider.id,)).fetchall()
                own = zone or (found[0][0] if found else provider.timezone)
                outcome = step(replace(work, zone=own), Postgres(connection, provider.id))
                if outcome.written:
                    connection.execute(_CHANGED, (provider.id,))
        return outcome

    @contextmanager
    def _changing(self, provider_id: int) -> Iterator[Changing]:
        """A transaction in which nobody else changes the provider's attendances; with a new version where they do."""
        with self._transaction() as connection:
            lock(connection, provider_id)
            change = Changing(connection, provider_id)
            yield change
            if change.rows:
                connection.execute(_CHANGED, (provider_id,))

    @contextmanager
    def _alone(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection for what is no part of a transaction."""
        with database_errors("Using the database"), self._pool.connection() as connection:
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        with (
            database_errors("Using the database"),
            self._pool.connection() as connection,
            connection.transaction(),
        ):
            yield connection


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
