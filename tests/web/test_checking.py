"""Bodies that are checked in a process beside the server's own."""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest

from live import PATIENCE, until
from turnout.arrivals import check
from turnout.background import NEAR
from turnout.errors import TurnoutError
from turnout.store.base import Provider
from turnout.web import checking
from turnout.web.body import Body
from turnout.web.checking import Checking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from turnout.arrivals import Arrival

PROVIDER = Provider(1, "Studio", "Europe/London", "GBP")
MAX_TEXT = 100


def body(*ids: int) -> bytes:
    event = {"id": 1, "starts_at": "2026-10-01T10:00:00Z", "ends_at": "2026-10-01T11:00:00Z", "name": "Yoga"}
    rows = (
        {"id": id_, "updated_at": "2026-10-01T12:00:00Z", "customer": {"id": id_}, "event": event, "status": "attended"}
        for id_ in ids
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def received_(content: bytes) -> Body:
    return Body(io.BytesIO(content), len(content))


class Checks:
    """A `Checking`, whose bodies are asked for by their ids."""

    def __init__(self) -> None:
        self.checking = Checking()
        self.told = 0

    async def one(self, *ids: int, content: bytes | None = None, partial: bool = False) -> Arrival:
        def progress(*_: object) -> None:
            self.told += 1

        received = received_(body(*ids) if content is None else content)
        return await self.checking.check(PROVIDER, received, max_text=MAX_TEXT, partial=partial, progress=progress)

    async def many(self) -> list[Arrival]:
        return await asyncio.gather(*(self.one(id_) for id_ in range(1, 9)))

    async def until_beside(self) -> BaseProcess:
        """Let many bodies wait for each other until the process is of use."""
        for _ in range(1_000):
            await self.many()
            child = self.checking._beside._child
            if child and child.ready.done():
                return process()
            await asyncio.sleep(0.01)
        raise AssertionError


@pytest.fixture(autouse=True)
def _no_others() -> None:
    """Other tests may have left theirs, which they do without."""
    for left in processes():
        left.kill()
        left.join()


def processes() -> list[BaseProcess]:
    """Those that check bodies."""
    return [each for each in multiprocessing.active_children() if each.name == "turnout-check"]


def process() -> BaseProcess:
    (found,) = processes()
    return found


def ids_of(arrival: Arrival) -> list[int]:
    return [id_ for batch in arrival.batches for id_ in batch.column("id").to_pylist()]


def run(work: Callable[[Checks], Awaitable[None]]) -> None:
    async def whole() -> None:
        checks = Checks()
        try:
            await asyncio.wait_for(work(checks), PATIENCE)
        finally:
            checks.checking.close()

    assert not processes()
    asyncio.run(whole())
    for _ in until():
        if not processes():
            break


def only_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing can be checked in this process."""
    monkeypatch.setattr("turnout.arrivals.check", None)


def test_many_bodies_are_checked_beside_as_they_would_be_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(checks: Checks) -> None:
        await checks.until_beside()
        expected = check(PROVIDER, io.BytesIO(body(3, 1, 2)), max_text=MAX_TEXT, partial=False)
        only_beside(monkeypatch)
        checks.told = 0
        arrival = await checks.one(3, 1, 2)
        assert arrival == expected
        assert arrival.batches[0].schema.equals(expected.batches[0].schema)
        assert [ids_of(each) for each in await checks.many()] == [[id_] for id_ in range(1, 9)]
        assert checks.told == 18

    run(work)


def test_a_few_bodies_start_no_process() -> None:
    async def work(checks: Checks) -> None:
        for _ in range(5):
            await asyncio.gather(checks.one(1), checks.one(2))
        assert not processes()

    run(work)


def test_with_one_core_there_is_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.checking.cores", lambda: 1)

    async def work(checks: Checks) -> None:
        await checks.many()
        assert not processes()

    run(work)


def test_bad_rows_are_told_of_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(checks: Checks) -> None:
        await checks.until_beside()
        bad = body(1) + b'{"id": 0}\n'
        with pytest.raises(TurnoutError) as here:
            check(PROVIDER, io.BytesIO(bad), max_text=MAX_TEXT, partial=False)
        only_beside(monkeypatch)
        with pytest.raises(TurnoutError) as there:
            await checks.one(content=bad)
        assert vars(there.value) == vars(here.value)
        arrival = await checks.one(content=bad, partial=True)
        assert (ids_of(arrival), arrival.rejected_count, len(arrival.rejected)) == ([1], 1, 1)

    run(work)


@pytest.mark.parametrize("when", ["between", "within"])
def test_a_process_that_is_killed_costs_nothing_but_its_help(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    monkeypatch.setattr("turnout.web.checking._LONGEST", 2 * PATIENCE)

    async def work(checks: Checks) -> None:
        killed = await checks.until_beside()
        pid = killed.pid or 0
        if when == "within":
            os.kill(pid, signal.SIGSTOP)
            asyncio.get_running_loop().call_later(0.2, os.kill, pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
        assert [ids_of(each) for each in await checks.many()] == [[id_] for id_ in range(1, 9)]
        await checks.many()
        assert not processes(), "none is tried again at once"
        checks.checking._beside._not_before = 0.0
        another = await checks.until_beside()
        assert another.pid != pid
        only_beside(monkeypatch)
        assert ids_of(await checks.one(5)) == [5]

    run(work)


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(checks: Checks) -> None:
        hung = await checks.until_beside()
        monkeypatch.setattr("turnout.web.checking._LONGEST", 0.3)
        os.kill(hung.pid or 0, signal.SIGSTOP)
        assert [ids_of(each) for each in await checks.many()] == [[id_] for id_ in range(1, 9)]
        await ended(hung)

    run(work)


def test_what_was_asked_for_somebody_who_was_cancelled_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.checking._LONGEST", 2 * PATIENCE)

    async def work(checks: Checks) -> None:
        stopped = await checks.until_beside()
        os.kill(stopped.pid or 0, signal.SIGSTOP)
        cancelled = asyncio.create_task(checks.one(1))
        await asyncio.sleep(0.1)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        following = asyncio.create_task(checks.one(2))
        await asyncio.sleep(0.1)
        os.kill(stopped.pid or 0, signal.SIGCONT)
        assert ids_of(await following) == [2]
        assert stopped.is_alive()

    run(work)


@pytest.mark.parametrize("error", [OSError, RuntimeError, ImportError])
def test_a_system_without_processes(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    tried = []

    def refuse(*_: object) -> None:
        tried.append(1)
        raise error

    monkeypatch.setattr("multiprocessing.get_context", refuse)

    async def work(checks: Checks) -> None:
        for _ in range(3):
            assert [ids_of(each) for each in await checks.many()] == [[id_] for id_ in range(1, 9)]
        assert tried == [1]

    run(work)


def test_the_process_stands_behind_who_reads() -> None:
    async def work(checks: Checks) -> None:
        await checks.until_beside()
        own, its = (os.getpriority(os.PRIO_PROCESS, pid or 0) for pid in (0, process().pid))
        assert its == own + NEAR

    run(work)


@pytest.mark.parametrize("used", [True, False])
def test_without_bodies_the_process_ends(monkeypatch: pytest.MonkeyPatch, *, used: bool) -> None:
    """Even where it came too late to be of use."""

    async def work(checks: Checks) -> None:
        if used:
            await checks.until_beside()
            monkeypatch.setattr("turnout.web.checking._KEPT", 0.2)
            await checks.one(1)
        else:
            monkeypatch.setattr("turnout.web.checking._KEPT", 0.0)
            await checks.many()
        await ended(*processes())
        assert ids_of(await checks.one(2)) == [2]

    run(work)


async def ended(*processes: BaseProcess) -> None:
    for process_ in processes:
        while process_.is_alive():
            await asyncio.sleep(0.01)


def test_whoever_has_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is a body begun then, nor is what came of it of use."""

    async def work(checks: Checks) -> None:
        await checks.until_beside()
        monkeypatch.setattr("turnout.arrivals.check", None)
        for stays in (0, 1):
            asked = iter(range(stays))

            def progress(*_: object, asked: Iterator[int] = asked) -> None:
                if next(asked, None) is None:
                    raise ConnectionError

            body_ = received_(body(1))
            with pytest.raises(ConnectionError):
                await checks.checking.check(PROVIDER, body_, max_text=MAX_TEXT, partial=False, progress=progress)
            assert bool(body_.file.tell()) == bool(stays)

    run(work)


def test_what_waits_is_sent_together_up_to_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its order, without those who have gone."""
    sent: list[int] = []

    async def work(checks: Checks) -> None:
        child = await checks.until_beside()
        only_beside(monkeypatch)
        asked = checking._ask
        monkeypatch.setattr(
            checking, "_ask", lambda pipe, all_, tell: sent.append(len(all_)) or asked(pipe, all_, tell)
        )
        os.kill(child.pid or 0, signal.SIGSTOP)
        first = asyncio.create_task(checks.one(100))
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(checks.one(id_)) for id_ in range(1, 13)]
        await asyncio.sleep(0.1)
        others[2].cancel()
        os.kill(child.pid or 0, signal.SIGCONT)
        assert ids_of(await first) == [100]
        found = await asyncio.gather(*others[:2], *others[3:])
        assert [ids_of(each) for each in found] == [[id_] for id_ in range(1, 13) if id_ != 3]
        assert sent == [1, 8, 3]
        for bodies, expected in ((2, [2, 2, 2, 2]), (2.9, [2, 2, 2, 2]), (0.5, [1] * 8)):
            monkeypatch.setattr(checking, "SMALL", int(bodies * len(body(1))))
            sent.clear()
            await checks.many()
            assert sent == expected

    run(work)


def test_what_was_checked_before_one_that_takes_too_long_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent with it and comes after it is checked here, as it is."""

    async def work(checks: Checks) -> None:
        child = await checks.until_beside()
        os.kill(child.pid or 0, signal.SIGSTOP)
        first = asyncio.create_task(checks.one(100))
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(checks.one(id_)) for id_ in (1, 2, 3)]
        asked = checking._ask

        def no_more_than_one(pipe: Connection, all_: Sequence[object], tell: Callable[[object], object]) -> None:
            asked(pipe, all_[:1], tell)

        monkeypatch.setattr(checking, "_ask", no_more_than_one)
        monkeypatch.setattr(checking, "_LONGEST", 3.0)
        os.kill(child.pid or 0, signal.SIGCONT)
        here = []
        monkeypatch.setattr("turnout.arrivals.check", lambda *given, **named: here.append(1) or check(*given, **named))
        assert ids_of(await first) == [100]
        assert [ids_of(await each) for each in others] == [[1], [2], [3]]
        assert len(here) == 2

    run(work)


def test_whoever_ends_the_asking_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it still makes would be taken for what comes of other bodies."""
    monkeypatch.setattr(checking, "_LONGEST", 2 * PATIENCE)

    async def work(checks: Checks) -> None:
        stopped = await checks.until_beside()
        os.kill(stopped.pid or 0, signal.SIGSTOP)
        waiting = asyncio.create_task(checks.one(1))
        await asyncio.sleep(0.1)
        asking = checks.checking._beside._asking
        assert asking
        asking.cancel()
        assert ids_of(await waiting) == [1]
        await ended(stopped)
        assert ids_of(await checks.one(2)) == [2]

    run(work)


def test_what_goes_wrong_with_sending_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(checks: Checks) -> None:
        await checks.until_beside()
        monkeypatch.setattr(checking._Asked, "question", None)
        assert [ids_of(each) for each in await checks.many()] == [[id_] for id_ in range(1, 9)]

    run(work)
