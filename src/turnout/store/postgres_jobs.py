"""Export jobs in PostgreSQL: many processes add and claim them, and each job is one process's at a time."""
# ruff: noqa: S608 - the names in the SQL are those of `Job`'s members, and its values are bound

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import astuple, fields, replace
from typing import TYPE_CHECKING, Any, Final

import psycopg

from turnout.query.instants import SECOND
from turnout.store.jobs import UNFINISHED, Job, Standing, Status
from turnout.store.postgres_small import remember as remember_in
from turnout.store.postgres_walls import EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from turnout.store.base import Answered
    from turnout.store.postgres_small import Transaction
    from turnout.store.postgres_walls import Scope

_NAMES: Final = [field.name for field in fields(Job)]
_COLUMNS: Final = ", ".join(_NAMES)
_LAST: Final = "last_job"
"""The name in `meta` of the greatest id that a job ever had."""
_LOST_AFTER: Final = 30
"""Seconds for which a run counts as carried out after it was last said to be."""
_IDLE_MOST: Final = "SET LOCAL idle_in_transaction_session_timeout = '10s'"
"""So that the locks of who froze, or whose machine is gone, do not keep the others waiting."""
# By the clock of the database, since those of machines differ.
_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT"
_ALIVE: Final = (
    f"INSERT INTO job_alive (provider_id, job_id, kept_at) VALUES (%s, %s, {_NOW}) "
    "ON CONFLICT (provider_id, job_id) DO UPDATE SET kept_at = EXCLUDED.kept_at"
)
_SAME: Final = "provider_id = %s AND id = %s AND status = %s AND run = %s"
_CHANGING: Final = [name for name in _NAMES if name not in ("id", "provider_id")]
_UPDATE: Final = f"UPDATE job SET {', '.join(f'{name} = %s' for name in _CHANGING)} WHERE {_SAME}"
_FORGET_ALIVE: Final = "DELETE FROM job_alive WHERE provider_id = %s AND job_id = %s"
_NEXT_ID: Final = (
    "INSERT INTO meta (name, value) VALUES (%s, '1') ON CONFLICT (name) "
    "DO UPDATE SET value = (meta.value::BIGINT + 1)::TEXT RETURNING value::BIGINT"
)


class PostgresJobs:
    """See `jobs.JobTable`. Each access is a transaction of its own; see `postgres_small.Transaction`."""

    def __init__(self, transaction: Transaction) -> None:
        self._begin = transaction

    def add(
        self, job: Job, *, most: int, most_of_provider: int, remember: Callable[[int], Answered | None]
    ) -> Job | None:
        """Add a job and what is to be remembered of it in one transaction; None where the queue is full.

        Who takes the next id holds its row until the end: jobs are added one after the other, and counted rightly.
        """
        with self._transaction(EVERY) as connection:
            ((number,),) = connection.execute(_NEXT_ID, (_LAST,)).fetchall()
            queued = (
                f"SELECT count(*), count(*) FILTER (WHERE provider_id = %s) FROM job WHERE status = '{Status.QUEUED}'"
            )
            ((waiting, own),) = connection.execute(queued, (job.provider_id,)).fetchall()
            if waiting >= most or own >= most_of_provider:
                return None
            added = replace(job, id=number)
            values = astuple(added)
            connection.execute(f"INSERT INTO job ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(values))})", values)
            if answered := remember(added.id):
                remember_in(connection, answered)
        return added

    def get(self, provider_id: int, id_: int) -> Job | None:
        """One job of a provider."""
        found = self._select(provider_id, "WHERE provider_id = %s AND id = %s", provider_id, id_)
        return found[0] if found else None

    def page(self, provider_id: int, instructor_id: int | None, limit: int, offset: int) -> tuple[int, Sequence[Job]]:
        """How many jobs there are, and some of them, the newest first."""
        where = "WHERE provider_id = %s AND (%s::BIGINT IS NULL OR instructor_id = %s)"
        whose = (provider_id, instructor_id, instructor_id)
        with self._transaction(provider_id) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            ((total,),) = connection.execute(f"SELECT count(*) FROM job {where}", whose).fetchall()
            if offset >= total:
                return total, ()
            listed = f"SELECT {_COLUMNS} FROM job {where} ORDER BY id DESC LIMIT %s OFFSET %s"
            return total, _jobs(connection.execute(listed, (*whose, limit, offset)).fetchall())

    def of_status(self, *statuses: Status) -> Sequence[Job]:
        """All jobs of these statuses, by id."""
        return self._select(EVERY, "WHERE status = ANY (%s) ORDER BY id", list(map(str, statuses)))

    def claim(self, now: int) -> Job | None:
        """Begin the next job: of those that nobody else is about to begin."""
        with self._transaction(EVERY) as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM job WHERE status = '{Status.QUEUED}' ORDER BY (SELECT count(*) "
                f"FROM job AS other WHERE other.provider_id = job.provider_id AND other.status = '{Status.RUNNING}'), "
                "id LIMIT 1 FOR UPDATE SKIP LOCKED"
            ).fetchall()
            if not found:
                return None
            (job,) = _jobs(found)
            begun = replace(job, status=Status.RUNNING, run=job.run + 1, started_at=now)
            _update(connection, job, begun)
            connection.execute(_ALIVE, (begun.provider_id, begun.id))
        return begun

    def keep(self, job: Job, total: int, done: int) -> bool:
        """Note that a run goes on, and how far it is, unless its job has moved on."""
        with self._transaction(job.provider_id) as connection:
            progress = f"UPDATE job SET total_items = %s, complete_items = %s WHERE {_SAME}"
            if not connection.execute(progress, (total, done, *_identity(job))).rowcount:
                return False
            connection.execute(_ALIVE, (job.provider_id, job.id))
        return True

    def lost(self) -> Sequence[Job]:
        """The running jobs that nobody has kept for a while, or ever."""
        return self._select(
            EVERY,
            f"WHERE status = '{Status.RUNNING}' AND NOT EXISTS (SELECT 1 FROM job_alive WHERE job_alive.provider_id = "
            f"job.provider_id AND job_id = id AND kept_at >= {_NOW} - %s) ORDER BY id",
            _LOST_AFTER * SECOND,
        )

    def change(self, before: Job, after: Job) -> bool:
        """Store a job that has moved on, unless it had already."""
        with self._transaction(before.provider_id) as connection:
            return _update(connection, before, after)

    def remove(self, job: Job) -> bool:
        """Forget a job, unless it has moved on."""
        with self._transaction(job.provider_id) as connection:
            return connection.execute(f"DELETE FROM job WHERE {_SAME}", _identity(job)).rowcount > 0

    def forget(self, before: int) -> None:
        """Forget old jobs that have neither a file nor work to come."""
        kept = [str(status) for status in sorted({*UNFINISHED, Status.COMPLETE})]
        with self._transaction(EVERY) as connection:
            connection.execute("DELETE FROM job WHERE created_at < %s AND status <> ALL (%s)", (before, kept))

    def standing(self) -> Standing:
        """How many jobs wait and run."""
        with self._transaction(EVERY) as connection:
            ((queued, running, oldest, size),) = connection.execute(
                f"SELECT count(*) FILTER (WHERE status = '{Status.QUEUED}'), "
                f"count(*) FILTER (WHERE status = '{Status.RUNNING}'), "
                f"min(created_at) FILTER (WHERE status = '{Status.QUEUED}'), "
                f"coalesce(sum(size) FILTER (WHERE status = '{Status.COMPLETE}'), 0)::BIGINT FROM job"
            ).fetchall()
        return Standing(queued, running, oldest, size)

    @contextmanager
    def _transaction(self, scope: Scope) -> Iterator[psycopg.Connection[Any]]:
        with self._begin(scope) as connection:
            connection.execute(_IDLE_MOST)
            try:
                yield connection
            except psycopg.errors.IdleInTransactionSessionTimeout as error:
                raise psycopg.OperationalError(str(error)) from None  # as what else ends a connection

    def _select(self, scope: Scope, rest: str, *values: Any) -> list[Job]:
        with self._transaction(scope) as connection:
            return _jobs(connection.execute(f"SELECT {_COLUMNS} FROM job {rest}", values).fetchall())


def _jobs(rows: list[tuple[Any, ...]]) -> list[Job]:
    return [replace(job, status=Status(job.status)) for job in (Job(*row) for row in rows)]


def _identity(job: Job) -> tuple[Any, ...]:
    return (job.provider_id, job.id, str(job.status), job.run)


def _update(connection: psycopg.Connection[Any], before: Job, after: Job) -> bool:
    """Store all of `after`: of what `before` says the progress may have been noted anew meanwhile."""
    values = [getattr(after, name) for name in _CHANGING]
    done = connection.execute(_UPDATE, [*values, *_identity(before)]).rowcount > 0
    if done and after.status is not Status.RUNNING:
        connection.execute(_FORGET_ALIVE, (before.provider_id, before.id))
    return done
