"""Which batches are merged together, and how long they wait for each other."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from turnout.arrivals import Arrival
from turnout.store.base import Merged, Provider
from turnout.store.staging import Naming
from turnout.web.merging import MergeQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import pytest

ONE, OTHER = (Provider(id_, "Studio", "UTC", "GBP") for id_ in (1, 2))


class Stored:
    """A store that notes what is merged together, and takes as long as it is told."""

    shared = False

    def __init__(self) -> None:
        self.groups: list[tuple[int, list[str]]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.at_work = threading.Event()

    def merge_together(self, provider: Provider, inputs: Sequence[Any], remember: Callable[..., Any]) -> list[Merged]:
        self.at_work.set()
        assert self.go_on.wait(10)
        self.groups.append((provider.id, [batch.name for (batch,) in inputs]))
        merged = [Merged(created=1, updated=0, unchanged=0) for _ in inputs]
        remember(merged)
        return merged


def arrival(name: str, provider: Provider = ONE, rows: int = 1) -> Arrival:
    batch = SimpleNamespace(name=name, num_rows=rows, nbytes=1)
    return Arrival(provider, [batch], (), 0, Naming())


class Queue:
    """A queue on such a store."""

    def __init__(self) -> None:
        self.store = Stored()
        self.merges = MergeQueue(cast("Any", self.store))

    def sent(
        self, name: str, provider: Provider = ONE, rows: int = 1, arrived: Callable[[], None] = lambda: None
    ) -> asyncio.Task[Merged]:
        async def send() -> Merged:
            arrived()
            return await self.merges.merge(arrival(name, provider, rows), lambda _: None)

        return asyncio.create_task(send())

    async def begun(self, name: str) -> asyncio.Task[Merged]:
        """Let a merge begin, which ends when the store may `go_on`."""
        self.store.go_on.clear()
        self.store.at_work.clear()
        sent = self.sent(name)
        await asyncio.to_thread(self.store.at_work.wait)
        return sent

    async def took(self, seconds: float) -> None:
        """Let a merge take so long."""
        first = await self.begun("first")
        await asyncio.sleep(seconds)
        self.store.go_on.set()
        await first
        self.store.groups.clear()


def run(work: Callable[[Queue], Awaitable[None]]) -> None:
    async def whole() -> None:
        queue = Queue()
        try:
            await asyncio.wait_for(work(queue), 20)
        finally:
            queue.merges.close()

    asyncio.run(whole())


def test_what_is_announced_is_merged_together_with_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.merging._LONGEST_WAIT", 1_000.0)

    async def work(queue: Queue) -> None:
        queue.merges._took = 1_000.0
        with queue.merges.announced(1) as second, queue.merges.announced(1) as third:
            one = queue.sent("one")
            await asyncio.sleep(0.05)
            two = queue.sent("two", arrived=second)
            await asyncio.sleep(0.05)
            assert queue.store.groups == []
            three = queue.sent("three", arrived=third)
            await asyncio.gather(one, two, three)
        assert queue.store.groups == [(1, ["one", "two", "three"])]

    run(work)


def test_what_is_announced_and_never_comes_is_not_waited_for_long() -> None:
    async def work(queue: Queue) -> None:
        await queue.took(0.1)
        with queue.merges.announced(1):
            await queue.sent("one")
        queue.merges._took = 1_000.0
        with queue.merges.announced(1):
            two = queue.sent("two")
            await asyncio.sleep(0.05)
            assert len(queue.store.groups) == 1
        await two
        assert queue.store.groups == [(1, ["one"]), (1, ["two"])]

    run(work)


def test_nobody_waits_for_others_or_before_the_first_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(queue: Queue) -> None:
        with queue.merges.announced(1):
            await queue.sent("one")
        queue.merges._took = 1_000.0
        monkeypatch.setattr("turnout.web.merging._LONGEST_WAIT", 1_000.0)
        with queue.merges.announced(2):
            await queue.sent("two")
        assert queue.store.groups == [(1, ["one"]), (1, ["two"])]

    run(work)


def test_nobody_waits_for_one_who_sends_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.merging._LONGEST_WAIT", 1_000.0)

    async def work(queue: Queue) -> None:
        queue.merges._took = 1_000.0
        with monkeypatch.context() as earlier:
            earlier.setattr("time.monotonic", lambda: -1_000.0)
            announced = queue.merges.announced(1)
            announced.__enter__()
        await queue.sent("one")
        announced.__exit__(None, None, None)
        assert queue.store.groups == [(1, ["one"])]

    run(work)


def test_a_full_group_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.merging._LONGEST_WAIT", 1_000.0)

    async def work(queue: Queue) -> None:
        queue.merges._took = 1_000.0
        with queue.merges.announced(1):
            await asyncio.gather(*(queue.sent(str(number)) for number in range(64)))
            await queue.sent("many", rows=100_000)
        assert [len(names) for _, names in queue.store.groups] == [64, 1]

    run(work)


def test_who_was_answered_has_a_moment_to_send_the_next_one() -> None:
    async def work(queue: Queue) -> None:
        await queue.took(0.5)
        one = await queue.begun("one")
        two = queue.sent("two")
        await asyncio.sleep(0.5)
        queue.store.go_on.set()
        await one
        with queue.merges.announced(1) as arrived:
            await asyncio.sleep(0.1)
            await asyncio.gather(queue.sent("three", arrived=arrived), two)
        assert queue.store.groups == [(1, ["one"]), (1, ["two", "three"])]

    run(work)


def test_groups_are_of_one_provider_and_in_order() -> None:
    async def work(queue: Queue) -> None:
        first = await queue.begun("first")
        later = [queue.sent(name, provider) for name, provider in (("a", ONE), ("x", OTHER), ("b", ONE), ("y", OTHER))]
        await asyncio.sleep(0)
        queue.store.go_on.set()
        await asyncio.gather(first, *later)
        assert queue.store.groups == [(1, ["first"]), (1, ["a", "b"]), (2, ["x", "y"])]

    run(work)


def test_others_do_not_wait_for_what_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.merging._LONGEST_WAIT", 1_000.0)

    async def work(queue: Queue) -> None:
        queue.merges._took = 1_000.0
        with queue.merges.announced(1):
            one = queue.sent("one")
            await asyncio.sleep(0.05)
            assert queue.store.groups == []
            await asyncio.gather(one, queue.sent("other", OTHER))
        assert queue.store.groups == [(1, ["one"]), (2, ["other"])]

    run(work)


def test_a_moment_is_for_those_who_were_just_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.merging._LONGEST_WAIT", 1_000.0)

    async def work(queue: Queue) -> None:
        first = await queue.begun("first")
        other = queue.sent("other", OTHER)
        await asyncio.sleep(0)
        monkeypatch.setattr("turnout.web.merging._MOMENT", 1_000.0)
        queue.store.go_on.set()
        await asyncio.gather(first, other)
        assert queue.store.groups == [(1, ["first"]), (2, ["other"])]

    run(work)
