"""Export jobs in the store: kept over restarts, changed by one at a time, never more than may wait."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from cluster import new_database
from store.look import OTHER, STUDIO
from store.rows import batches, row
from turnout.errors import TurnoutError
from turnout.store.base import Answered
from turnout.store.duckdb import DuckStore
from turnout.store.jobs import Job, Standing, Status
from turnout.store.postgres_jobs import PostgresJobs
from turnout.store.postgres_migrations import make_tables
from turnout.store.postgres_walls import EVERY, Scope, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW = Job(0, 1, None, "attendances", "csv", "[]", created_at=5)


class Postgres:
    """PostgreSQL's jobs, as those of a store."""

    def __init__(self, address: str) -> None:
        with psycopg.connect(address) as connection:
            make_tables(connection)
        self.pool = ConnectionPool(address, min_size=1, max_size=5, open=True)
        self.jobs = PostgresJobs(self.transaction)

    @contextmanager
    def transaction(self, scope: Scope) -> Iterator[psycopg.Connection]:
        with self.pool.connection() as connection:
            say(connection, scope)
            yield connection

    def close(self) -> None:
        self.pool.close()


Store = DuckStore | Postgres


@pytest.fixture(params=["embedded", "postgres"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
    if request.param == "embedded":
        with closing(DuckStore(path, threads=2)) as opened:
            yield opened
    else:
        with closing(Postgres(new_database(request.getfixturevalue("postgres")))) as found:
            yield found


def add(store: Store, job: Job = NEW, *, most: int = 100, most_of_provider: int = 50) -> Job | None:
    return store.jobs.add(job, most=most, most_of_provider=most_of_provider, remember=lambda _: None)


def added(store: Store, job: Job = NEW) -> Job:
    found = add(store, job)
    assert found
    return found


def test_jobs_outlive_the_process_and_ids_are_never_used_again(path: Path) -> None:
    full = replace(NEW, provider_id=2, instructor_id=2**63 - 1, parameters='[["status","attended"]]')
    with closing(DuckStore(path)) as store:
        first, second = added(store), added(store, full)
        assert (first, second) == (replace(NEW, id=1), replace(full, id=2))
        running = store.jobs.claim(9)
        assert running == replace(first, status=Status.RUNNING, run=1, started_at=9)
        complete = replace(
            running, status=Status.COMPLETE, total_items=3, complete_items=3, size=2**40, finished_at=7, expires_at=8
        )
        assert store.jobs.change(running, complete)
        assert store.jobs.remove(second)
    with closing(DuckStore(path)) as store:
        assert (store.jobs.get(1, 1), store.jobs.get(2, 2), store.jobs.get(2, 1)) == (complete, None, None)
        assert added(store).id == 3


def test_a_job_and_what_is_remembered_of_it_are_there_together(path: Path) -> None:
    def answer(job: int) -> Answered:
        return Answered("key", "request", 200, str(job).encode(), 5)

    with closing(DuckStore(path)) as store:
        assert store.jobs.add(NEW, most=9, most_of_provider=9, remember=answer)
        with pytest.raises(TurnoutError):
            store.jobs.add(NEW, most=9, most_of_provider=9, remember=lambda job: replace(answer(job), status="none"))
        with pytest.raises(ZeroDivisionError):
            store.jobs.add(NEW, most=9, most_of_provider=9, remember=lambda _: 1 // 0)
        assert store.jobs.page(1, None, 9, 0)[0] == 1
        assert added(store).id == 2, "what failed used no id up"
    with closing(DuckStore(path)) as store:
        assert store.answered("key") == answer(1)


def test_no_more_wait_than_may(store: Store) -> None:
    other = replace(NEW, provider_id=2)
    assert add(store, most=3, most_of_provider=2)
    assert add(store, most=3, most_of_provider=2)
    assert add(store, most=3, most_of_provider=2) is None
    assert add(store, other, most=3, most_of_provider=2)
    assert add(store, other, most=3, most_of_provider=2) is None
    assert store.jobs.claim(1)
    assert add(store, most=3, most_of_provider=2), "what runs does not wait"
    assert store.jobs.standing() == Standing(3, 1, 5, 0)


def test_each_job_is_claimed_once(store: Store) -> None:
    numbers = {added(store).id for _ in range(20)}
    claimed: list[int] = []

    def claim() -> None:
        while job := store.jobs.claim(1):
            claimed.append(job.id)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(numbers)
    assert store.jobs.claim(1) is None


def test_who_has_the_fewest_running_comes_first_and_then_the_oldest(store: Store) -> None:
    for provider in (1, 1, 1, 2, 2):
        added(store, replace(NEW, provider_id=provider))
    claimed = [store.jobs.claim(1) for _ in range(5)]
    assert [job and job.id for job in claimed] == [1, 4, 2, 5, 3]


def test_of_two_who_change_a_job_the_first_does(store: Store) -> None:
    job = added(store)
    cancelled = replace(job, status=Status.CANCELLED)
    assert store.jobs.change(job, cancelled)
    assert not store.jobs.change(job, replace(job, status=Status.RUNNING))
    assert not store.jobs.remove(job)
    assert store.jobs.get(1, job.id) == cancelled
    begun = added(store)
    first = store.jobs.claim(1)
    assert first
    assert store.jobs.change(first, replace(first, status=Status.QUEUED))
    second = store.jobs.claim(2)
    assert second
    assert (first.id, first.run, second.id, second.run) == (begun.id, 1, begun.id, 2)
    assert not store.jobs.change(first, replace(first, status=Status.COMPLETE)), "it is another run"
    assert store.jobs.get(1, begun.id) == second


def test_a_change_stores_all_of_the_job(store: Store) -> None:
    """Also the progress that was noted meanwhile, which who changes it has not seen."""
    added(store)
    running = store.jobs.claim(1)
    assert running
    store.jobs.keep(running, 9, 4)
    queued = replace(running, status=Status.QUEUED, started_at=None)
    assert store.jobs.change(running, queued)
    assert store.jobs.get(1, running.id) == queued


def test_a_run_is_told_that_its_job_has_moved_on(store: Store) -> None:
    added(store)
    first = store.jobs.claim(1)
    assert first
    assert store.jobs.keep(first, 9, 4)
    assert store.jobs.change(first, replace(first, status=Status.QUEUED))
    assert not store.jobs.keep(first, 9, 5), "it waits again"
    second = store.jobs.claim(2)
    assert second
    assert not store.jobs.keep(first, 9, 6), "another run has it"
    assert store.jobs.keep(second, 9, 1)
    assert store.jobs.change(second, replace(second, status=Status.CANCELLED))
    assert not store.jobs.keep(second, 9, 2)
    assert store.jobs.remove(replace(second, status=Status.CANCELLED))
    assert not store.jobs.keep(second, 9, 2)


def test_the_one_process_of_a_store_carries_out_all_that_runs(path: Path) -> None:
    with closing(DuckStore(path, threads=2)) as store:
        added(store), added(store)
        running = store.jobs.claim(1)
        assert running
        assert store.jobs.keep(running, 9, 4)
        assert (store.jobs.lost(), store.jobs.get(1, running.id)) == ([running], running)


def ages(store: Postgres, job: Job, seconds: int) -> None:
    """As if a running job had been kept so long ago."""
    with store.transaction(EVERY) as connection:
        now = "extract(epoch FROM clock_timestamp()) * 1000000"
        aged = f"UPDATE job_alive SET kept_at = {now} - %s WHERE job_id = %s"
        assert connection.execute(aged, (seconds * 1_000_000, job.id)).rowcount == 1


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_run_that_was_not_kept_for_long_is_lost(store: Postgres) -> None:
    added(store), added(store)
    first, second = store.jobs.claim(1), store.jobs.claim(1)
    assert first
    assert second
    assert store.jobs.lost() == []
    ages(store, first, 20)
    assert store.jobs.lost() == []
    ages(store, first, 31)
    assert store.jobs.lost() == [first]
    assert store.jobs.keep(first, 9, 4)
    assert store.jobs.lost() == [], "it was frozen, and nobody has taken it up"
    assert store.jobs.get(1, first.id) == replace(first, total_items=9, complete_items=4)
    ages(store, first, 31)
    (lost,) = store.jobs.lost()
    assert lost == replace(first, total_items=9, complete_items=4)
    assert store.jobs.change(lost, replace(lost, status=Status.QUEUED))
    assert store.jobs.lost() == [], "it waits"
    again = store.jobs.claim(2)
    assert again
    assert (again.id, again.run) == (first.id, 2)
    assert store.jobs.lost() == [], "it lives from its beginning on"


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_job_that_came_as_running_is_lost(store: Postgres) -> None:
    """From another store: nobody here carries it out."""
    job = added(store)
    with store.transaction(EVERY) as connection:
        connection.execute("UPDATE job SET status = 'running'")
    assert store.jobs.lost() == [replace(job, status=Status.RUNNING)]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_who_froze_within_a_change_does_not_keep_the_others(store: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database ends its connection, and what it had begun is undone."""
    job = added(store)
    shortly = "SET LOCAL idle_in_transaction_session_timeout = '1ms'"
    monkeypatch.setattr("turnout.store.postgres_jobs._IDLE_MOST", f"SELECT FROM job FOR UPDATE; {shortly}")
    with pytest.raises(psycopg.OperationalError), store.jobs._transaction(EVERY) as frozen:  # noqa: PT012
        monkeypatch.undo()
        assert store.jobs.change(job, replace(job, status=Status.CANCELLED))
        frozen.execute("SELECT 1")


def test_the_list_of_a_provider_and_of_an_instructor(store: Store) -> None:
    for provider, instructor in ((1, None), (2, None), (1, 7), (1, 8), (1, 7)):
        added(store, replace(NEW, provider_id=provider, instructor_id=instructor))

    def listed(provider: int, instructor: int | None, limit: int = 9, offset: int = 0) -> tuple[int, list[int]]:
        total, jobs = store.jobs.page(provider, instructor, limit, offset)
        return total, [job.id for job in jobs]

    assert listed(1, None) == (4, [5, 4, 3, 1])
    assert listed(1, 7) == (2, [5, 3])
    assert listed(1, 7, 1, 1) == (2, [3])
    assert listed(1, None, 0) == (4, [])
    assert listed(1, None, 2, 2**63 - 1) == (4, [])
    assert listed(3, None) == (0, [])


def test_what_is_old_is_forgotten_unless_something_is_to_come(store: Store) -> None:
    for status in Status:
        job = added(store)
        store.jobs.change(job, replace(job, status=status))
    store.jobs.forget(5)
    assert store.jobs.page(1, None, 9, 0)[0] == len(Status)
    store.jobs.forget(6)
    kept = {job.status for job in store.jobs.page(1, None, 9, 0)[1]}
    assert kept == {Status.QUEUED, Status.RUNNING, Status.COMPLETE}


def test_an_erasure_lets_the_provider_s_files_expire(path: Path) -> None:
    with closing(DuckStore(path, threads=2)) as store:
        _erase_and_look(store)


def _erase_and_look(store: DuckStore) -> None:
    for provider in (STUDIO, OTHER):
        store.put_provider(provider)
        store.merge(provider, batches([row(1, 10)]))
    jobs = {}
    for provider in (1, 2):
        for status in (Status.COMPLETE, Status.RUNNING, Status.QUEUED, Status.FAILED):
            job = added(store, replace(NEW, provider_id=provider))
            jobs[provider, status] = job.id
            store.jobs.change(job, replace(job, status=status, run=3))
    store.persons.erase(STUDIO, [1], at=9, by="owner", dry_run=True)
    assert store.jobs.standing().running == 2
    store.persons.erase(STUDIO, [1], at=9, by="owner")

    def statuses() -> dict[tuple[int, Status], Status]:
        found = {key: store.jobs.get(key[0], id_) for key, id_ in jobs.items()}
        return {key: job.status for key, job in found.items() if job}

    changed = {(1, Status.COMPLETE): Status.EXPIRED, (1, Status.RUNNING): Status.QUEUED}
    expected = {key: changed.get(key, key[1]) for key in jobs}
    assert statuses() == expected
    store.persons.overwrite()
    assert statuses() == expected
    assert added(store).id == max(jobs.values()) + 1
