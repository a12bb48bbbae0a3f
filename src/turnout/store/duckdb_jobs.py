"""The embedded store's export jobs: one small table, changed row by row."""
# ruff: noqa: S608 - the names in the SQL are those of `Job`'s members, and its values are bound

from __future__ import annotations

from dataclasses import astuple, fields, replace
from typing import TYPE_CHECKING, Any, Final

from turnout.store.duckdb_small import transaction
from turnout.store.jobs import UNFINISHED, Job, Standing, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import duckdb

    from turnout.store.base import Answered

_COLUMNS: Final = ", ".join(field.name for field in fields(Job))
_LAST: Final = "last_job"
"""The name in `meta` of the greatest id that a job ever had."""
_SAME: Final = "provider_id = ? AND id = ? AND status = ? AND run = ?"


class DuckJobs:
    """See `jobs.JobTable`. `briefly` gives the cursor for each access: see `duckdb_engine.Engine`."""

    def __init__(self, briefly: Callable[[str], AbstractContextManager[duckdb.DuckDBPyConnection]]) -> None:
        self._briefly = briefly

    def add(
        self, job: Job, *, most: int, most_of_provider: int, remember: Callable[[int], Answered | None]
    ) -> Job | None:
        """Add a job and what is to be remembered of it in one transaction; None where the queue is full."""
        with self._transaction() as cursor:
            queued = f"SELECT count(*), count(*) FILTER (provider_id = ?) FROM job WHERE status = '{Status.QUEUED}'"
            ((waiting, own),) = cursor.execute(queued, [job.provider_id]).fetchall()
            if waiting >= most or own >= most_of_provider:
                return None
            found = cursor.execute("SELECT value::BIGINT FROM meta WHERE name = ?", [_LAST]).fetchall()
            added = replace(job, id=(found[0][0] if found else 0) + 1)
            cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_LAST, str(added.id)])
            values = astuple(added)
            cursor.execute(f"INSERT INTO job ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)
            if answered := remember(added.id):
                cursor.execute("INSERT OR REPLACE INTO answered VALUES (?, ?, ?, ?, ?)", astuple(answered))
        return added

    def get(self, provider_id: int, id_: int) -> Job | None:
        """One job of a provider."""
        found = self._select("WHERE provider_id = ? AND id = ?", provider_id, id_)
        return found[0] if found else None

    def page(self, provider_id: int, instructor_id: int | None, limit: int, offset: int) -> tuple[int, Sequence[Job]]:
        """How many jobs there are, and some of them, the newest first."""
        where = "WHERE provider_id = ? AND (?::BIGINT IS NULL OR instructor_id = ?)"
        whose = (provider_id, instructor_id, instructor_id)
        with self._transaction() as cursor:
            ((total,),) = cursor.execute(f"SELECT count(*) FROM job {where}", whose).fetchall()
            if offset >= total:
                return total, ()
            listed = f"SELECT {_COLUMNS} FROM job {where} ORDER BY id DESC LIMIT ? OFFSET ?"
            return total, _jobs(cursor.execute(listed, (*whose, limit, offset)).fetchall())

    def of_status(self, *statuses: Status) -> Sequence[Job]:
        """All jobs of these statuses, by id."""
        return self._select(f"WHERE status IN ({', '.join('?' * len(statuses))}) ORDER BY id", *statuses)

    def claim(self, now: int) -> Job | None:
        """Begin the next job."""
        with self._transaction() as cursor:
            found = cursor.execute(
                f"SELECT {_COLUMNS} FROM job WHERE status = '{Status.QUEUED}' ORDER BY (SELECT count(*) "
                f"FROM job AS other WHERE other.provider_id = job.provider_id AND other.status = '{Status.RUNNING}'), "
                "id LIMIT 1"
            ).fetchall()
            if not found:
                return None
            (job,) = _jobs(found)
            begun = replace(job, status=Status.RUNNING, run=job.run + 1, started_at=now)
            _update(cursor, job, begun)
        return begun

    def keep(self, job: Job, total: int, done: int) -> bool:  # noqa: ARG002 - how far it is, this process knows
        """Tell whether the job is still in this run. Nothing is noted: who has the store carries its jobs out."""
        return bool(self._select(f"WHERE {_SAME}", *_identity(job)))

    def lost(self) -> Sequence[Job]:
        """All running jobs."""
        return self.of_status(Status.RUNNING)

    def change(self, before: Job, after: Job) -> bool:
        """Store a job that has moved on, unless it had already."""
        with self._transaction() as cursor:
            return _update(cursor, before, after)

    def remove(self, job: Job) -> bool:
        """Forget a job, unless it has moved on."""
        with self._transaction() as cursor:
            gone = cursor.execute(f"DELETE FROM job WHERE {_SAME} RETURNING id", _identity(job)).fetchall()
            return bool(gone)

    def forget(self, before: int) -> None:
        """Forget old jobs that have neither a file nor work to come."""
        kept = ", ".join(f"'{status}'" for status in sorted({*UNFINISHED, Status.COMPLETE}))
        with self._transaction() as cursor:
            cursor.execute(f"DELETE FROM job WHERE created_at < ? AND status NOT IN ({kept})", [before])

    def standing(self) -> Standing:
        """How many jobs wait and run."""
        with self._transaction() as cursor:
            ((queued, running, oldest, size),) = cursor.execute(
                f"SELECT count(*) FILTER (status = '{Status.QUEUED}'), count(*) FILTER (status = '{Status.RUNNING}'), "
                f"min(created_at) FILTER (status = '{Status.QUEUED}'), "
                f"coalesce(sum(size) FILTER (status = '{Status.COMPLETE}'), 0)::BIGINT FROM job"
            ).fetchall()
        return Standing(queued, running, oldest, size)

    def _select(self, rest: str, *values: Any) -> list[Job]:
        with self._briefly("Reading the store") as cursor:
            return _jobs(cursor.execute(f"SELECT {_COLUMNS} FROM job {rest}", values).fetchall())

    def _transaction(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return transaction(self._briefly)


def _jobs(rows: list[tuple[Any, ...]]) -> list[Job]:
    return [replace(job, status=Status(job.status)) for job in (Job(*row) for row in rows)]


def _identity(job: Job) -> tuple[Any, ...]:
    return (job.provider_id, job.id, job.status, job.run)


def _update(cursor: duckdb.DuckDBPyConnection, before: Job, after: Job) -> bool:
    names = [field.name for field in fields(Job)]
    changed = [name for name in names if name == "status" or getattr(before, name) != getattr(after, name)]
    settings = ", ".join(f"{name} = ?" for name in changed)
    values = [getattr(after, name) for name in changed]
    return bool(
        cursor.execute(
            f"UPDATE job SET {settings} WHERE {_SAME} RETURNING id", [*values, *_identity(before)]
        ).fetchall()
    )
