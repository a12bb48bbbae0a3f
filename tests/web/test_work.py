"""The pool of threads: how many at once, in which order, for how long, and for whom."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import ClientDisconnect, Request

from turnout.errors import TurnoutError
from turnout.web.work import Cancelled, Job, Workers
from web.fakes import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LONG = 1000.0


def workers(
    concurrency: int = 2, queue_length: int = 10, queue_timeout: float = LONG, query_timeout: float = LONG
) -> Workers:
    return Workers(
        concurrency=concurrency, queue_length=queue_length, queue_timeout=queue_timeout, query_timeout=query_timeout
    )


class Gate:
    """Work that says when it runs, and waits to be let go or cancelled."""

    def __init__(self) -> None:
        self.running: list[object] = []
        self.changed = threading.Condition()
        self.open = False

    def __call__(self, job: Job, name: object = None) -> object:
        job.attach(self)
        with self.changed:
            self.running.append(name)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.open or job.cancelled, PATIENCE)
        job.check()
        return name

    def cancel(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def rows(self, _: object) -> list[tuple[Any, ...]]:
        return []

    def let_go(self) -> None:
        with self.changed:
            self.open = True
            self.changed.notify_all()

    async def until_running(self, count: int) -> None:
        def wait() -> None:
            with self.changed:
                assert self.changed.wait_for(lambda: len(self.running) >= count, PATIENCE)

        await asyncio.to_thread(wait)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 2 * PATIENCE))


async def refusal(work: Awaitable[object]) -> str:
    with pytest.raises(TurnoutError) as caught:
        await work
    return caught.value.code


def test_results_and_errors_come_back() -> None:
    async def test() -> None:
        pool = workers()
        assert await pool.run(lambda job, a, b: (a, b, job.cancelled), 1, 2) == (1, 2, False)
        with pytest.raises(KeyError):
            await pool.run(lambda _: {}["x"])
        with pytest.raises(RuntimeError, match="StopIteration"):
            await pool.run(lambda _: next(iter(())))
        with pytest.raises(RuntimeError, match="SystemExit"):
            await pool.run(lambda _: exit_now())
        assert (pool.active, pool.waiting) == (0, 0)
        pool.close()

    def exit_now() -> None:
        raise SystemExit

    run(test)


def test_no_more_than_the_bound_run_and_the_rest_in_order() -> None:
    async def test() -> None:
        pool, gate = workers(concurrency=2), Gate()
        asked = [asyncio.create_task(pool.run(gate, number)) for number in range(8)]
        await gate.until_running(2)
        assert (pool.active, pool.waiting) == (2, 6)
        assert sorted(gate.running) == [0, 1]
        gate.let_go()
        assert await asyncio.gather(*asked) == list(range(8))
        # Two threads take what is next: each job begins before the one after the next.
        assert all(abs(gate.running.index(number) - number) <= 1 for number in range(8))
        pool.close()

    run(test)


def test_one_thread_keeps_the_order_exactly() -> None:
    async def test() -> None:
        pool, gate = workers(concurrency=1, queue_length=50), Gate()
        asked = [asyncio.create_task(pool.run(gate, number)) for number in range(40)]
        await gate.until_running(1)
        gate.let_go()
        await asyncio.gather(*asked)
        assert gate.running == list(range(40))
        pool.close()

    run(test)


def test_a_full_queue_is_refused_at_once() -> None:
    async def test() -> None:
        pool, gate = workers(concurrency=2, queue_length=3), Gate()
        asked = [asyncio.create_task(pool.run(gate, number)) for number in range(5)]
        await gate.until_running(2)
        assert await refusal(pool.run(gate)) == "overloaded"
        gate.let_go()
        await asyncio.gather(*asked)
        assert await pool.run(gate, "again") == "again"
        pool.close()

    run(test)


@pytest.mark.parametrize("given", [{"queue_length": 0}, {"queue_timeout": 0}])
def test_without_a_queue_as_many_as_there_are_threads_are_taken(given: dict[str, Any]) -> None:
    async def test() -> None:
        pool, gate = workers(concurrency=3, **given), Gate()
        asked = [asyncio.create_task(pool.run(gate, number)) for number in range(3)]
        await gate.until_running(3)
        assert await refusal(pool.run(gate)) == "overloaded"
        gate.let_go()
        assert await asyncio.gather(*asked) == [0, 1, 2]
        pool.close()

    run(test)


def test_who_waits_too_long_is_refused_and_never_runs() -> None:
    async def test() -> None:
        pool, gate = workers(concurrency=1, queue_timeout=0.06), Gate()
        first = asyncio.create_task(pool.run(gate, "first"))
        await gate.until_running(1)
        assert await refusal(pool.run(gate, "second")) == "overloaded"
        assert (pool.active, pool.waiting) == (1, 0)
        gate.let_go()
        assert await first == "first"
        assert await pool.run(gate, "third") == "third"
        assert gate.running == ["first", "third"]
        pool.close()

    run(test)


def test_work_over_its_time_is_answered_and_stopped() -> None:
    async def test() -> None:
        pool, gate = workers(concurrency=1, query_timeout=0.06), Gate()
        assert await refusal(pool.run(gate, "slow")) == "query_timeout"
        # Its thread comes free because the work was cancelled, not because it was let go.
        await until(lambda: pool.active == 0)
        assert await refusal(pool.run(gate, "slow")) == "query_timeout"
        pool.close()

    run(test)


def test_a_cancellation_is_repeated_until_the_work_ends() -> None:
    class Deaf:
        """A query that does not hear the first cancellations: none was running just then."""

        def __init__(self) -> None:
            self.heard = 0
            self.stop = threading.Event()

        def cancel(self) -> None:
            self.heard += 1
            if self.heard == 3:
                self.stop.set()

    async def test() -> None:
        pool, deaf = workers(concurrency=1, query_timeout=0.05), Deaf()

        def work(job: Job) -> None:
            job.attach(deaf)
            assert deaf.stop.wait(PATIENCE)

        assert await refusal(pool.run(work)) == "query_timeout"
        await until(lambda: pool.active == 0)
        assert deaf.heard == 3
        pool.close()

    run(test)


def test_a_snapshot_that_is_attached_too_late_is_not_read() -> None:
    job = Job()
    assert job.begin()
    job.cancel()
    with pytest.raises(Cancelled):
        job.attach(Gate())


def test_a_late_cancellation_does_not_reach_a_snapshot_that_is_done() -> None:
    class Snapshot:
        cancelled = False

        def cancel(self) -> None:
            self.cancelled = True

    job, snapshot = Job(), Snapshot()
    job.begin()
    job.attach(snapshot)
    job.end()
    job.cancel()
    assert not snapshot.cancelled


def test_a_failing_cancellation_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    class Snapshot:
        def cancel(self) -> None:
            raise OSError("no")

    job = Job()
    job.begin()
    job.attach(Snapshot())
    job.cancel()
    assert job.cancelled
    assert "could not be cancelled" in caplog.text


def test_work_of_a_client_that_goes_is_stopped() -> None:
    async def test() -> None:
        pool, gate = workers(), Gate()
        gone = asyncio.Event()
        messages = [{"type": "http.request", "body": b"x", "more_body": True}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        request = Request({"type": "http", "method": "GET", "headers": []}, receive)
        asked = asyncio.create_task(pool.run(gate, request=request))
        await gate.until_running(1)
        gone.set()
        with pytest.raises(ClientDisconnect):
            await asked
        await until(lambda: pool.active == 0)
        pool.close()

    run(test)


def test_work_of_a_task_that_is_cancelled_is_stopped() -> None:
    async def test() -> None:
        pool, gate = workers(), Gate()
        asked = asyncio.create_task(pool.run(gate))
        await gate.until_running(1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await until(lambda: pool.active == 0)
        pool.close()

    run(test)


def test_stopping_answers_all_and_takes_nothing_more() -> None:
    async def test() -> None:
        pool, gate = workers(concurrency=1), Gate()
        asked = [asyncio.create_task(pool.run(gate, number)) for number in range(3)]
        await gate.until_running(1)
        pool.stop()
        assert [await refusal(one) for one in asked] == ["overloaded"] * 3
        assert await refusal(pool.run(gate)) == "overloaded"
        await until(lambda: pool.active == 0)
        assert gate.running == [0]
        pool.close()

    run(test)


def test_what_cancelled_work_ends_with_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        pool, gate = workers(query_timeout=0.05), Gate()
        assert await refusal(pool.run(gate)) == "query_timeout"
        await until(lambda: pool.active == 0)
        pool.close()

    run(test)
    assert not caplog.records


def test_threads_end_when_the_pool_is_closed() -> None:
    async def test() -> None:
        pool = workers()
        await pool.run(lambda _: None)
        (thread,) = pool._threads
        pool.close()
        await asyncio.to_thread(thread.join, PATIENCE)
        assert not thread.is_alive()

    run(test)


def test_how_long_work_ran_is_told() -> None:
    seconds: list[float] = []
    pool = Workers(concurrency=1, queue_length=1, queue_timeout=LONG, query_timeout=LONG, on_seconds=seconds.append)

    async def test() -> None:
        await pool.run(lambda _: None)
        pool.close()

    run(test)
    assert len(seconds) == 1
    assert 0 <= seconds[0] < PATIENCE
