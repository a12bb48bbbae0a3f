"""The queue of batches that wait to be merged: those of one provider that wait at the same time are merged together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError
from turnout.web.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from turnout.arrivals import Arrival
    from turnout.store.base import Answered, Merged, Store

    Remember = Callable[[Merged], Answered | None]

AT_ONCE: Final = 4
"""Of so many providers batches are merged at once, on a store that can: each takes a thread and a connection."""
_MOST_TOGETHER: Final = 64
_MOST_ROWS: Final = 100_000
_MOST_WAITING: Final = 256
_MOST_BYTES: Final = 256 << 20
"""What is over either is told to come again: its rows would wait in memory."""
_LONGEST_WAIT: Final = 1.5
"""Seconds that one batch waits for others, at the most."""
_MOMENT: Final = 0.1
"""Such a part of that."""
_SHARE: Final = 2
"""One provider may have this part of them, where others need not wait for it."""


@dataclass(frozen=True)
class _Waiting:
    arrival: Arrival
    remember: Remember
    merged: asyncio.Future[Merged]

    @property
    def provider(self) -> int:
        return self.arrival.provider.id


@dataclass(frozen=True, eq=False, slots=True)
class _Announced:
    provider: int
    since: float


class MergeQueue:
    """Merges arrivals in their order, one group of a provider after the other. Use it from one event loop.

    A store that is one file changes one thing at a time. On one that is shared, groups of several providers are merged
    at once: what keeps one of them, such as a long import by another process, does not keep the others.

    A merge that began goes on when its client has gone: its rows are merged, whether or not anybody hears of it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.at_once = AT_ONCE if store.shared else 1
        """So many threads are its own."""
        self._share = _SHARE if store.shared else 1
        self._writing = Writing(self.at_once)
        self._waiting: deque[_Waiting] = deque()
        self._merging: set[int] = set()
        self._workers: set[asyncio.Task[None] | None] = set()
        self._announced: set[_Announced] = set()
        self._arrived = asyncio.Event()
        self._took = 0.0

    @contextmanager
    def announced(self, provider: int) -> Iterator[Callable[[], None]]:
        """A batch is received and checked: those of its provider that wait are merged with it, if that is soon.

        Yields what is called when it comes to `merge`, or never will.
        """
        one = _Announced(provider, time.monotonic())
        self._announced.add(one)

        def end() -> None:
            self._announced.discard(one)
            self._arrived.set()

        try:
            yield end
        finally:
            end()

    async def merge(self, arrival: Arrival, remember: Remember) -> Merged:
        """Merge a checked batch; return its counts when it is on disk, with what `remember` makes of them."""
        own = [one for one in self._waiting if one.provider == arrival.provider.id]
        for waiting, share in ((self._waiting, 1), (own, self._share)):
            held = sum(one.arrival.size for one in waiting)
            if len(waiting) >= _MOST_WAITING // share or held + arrival.size > max(_MOST_BYTES // share, arrival.size):
                raise TurnoutError("overloaded", "Too many batches wait to be merged.")
        loop = asyncio.get_running_loop()
        one = _Waiting(arrival, remember, loop.create_future())
        self._waiting.append(one)
        self._arrived.set()
        if len(self._workers) < self.at_once:
            self._workers.add(loop.create_task(self._work()))
        return await asyncio.shield(one.merged)

    def close(self) -> None:
        """Begin nothing more. What runs ends with the store."""
        self._writing.close()

    async def _work(self) -> None:
        """Merge until nothing is left but what comes after a merge under way, whose own worker goes on with it."""
        last = None
        try:
            while provider := next((one.provider for one in self._waiting if one.provider not in self._merging), None):
                self._merging.add(provider)
                try:
                    await self._gathered(provider, again=provider == last)
                    began = time.monotonic()
                    await self._merge(self._next_group(provider))
                    self._took = time.monotonic() - began
                finally:
                    self._merging.remove(provider)
                last = provider
        finally:
            self._workers.remove(asyncio.current_task())

    async def _gathered(self, provider: int, *, again: bool) -> None:
        """Wait for what is announced of a provider, for no longer than twice what the last merge took.

        A merge costs nearly the same for one batch as for several; and checking and merging do not take two cores from
        readers at once. `again` where some of it were answered just now: who sends one batch after the other needs a
        moment.
        """
        now = time.monotonic()
        longest = min(2 * self._took, _LONGEST_WAIT)
        until, moment = now + longest, now + longest * _MOMENT if again else now
        while not self._enough(provider):
            now = time.monotonic()
            left = (until if self._is_announced(provider) else moment) - now
            if left <= 0:
                return
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._arrived.wait()

    def _is_announced(self, provider: int) -> bool:
        """Whether something is announced of a provider; nobody waits for one who sends slowly."""
        since = time.monotonic() - _LONGEST_WAIT
        return any(one.provider == provider and one.since > since for one in self._announced)

    def _enough(self, provider: int) -> bool:
        """Whether a group is full, or what others sent waits meanwhile and there is nobody else to merge it."""
        if len(self._workers) >= self.at_once and any(one.provider not in self._merging for one in self._waiting):
            return True
        own = [one.arrival for one in self._waiting if one.provider == provider]
        return (
            len(own) >= _MOST_TOGETHER
            or sum(arrival.rows for arrival in own) >= _MOST_ROWS
            or sum(one.arrival.size for one in self._waiting) >= _MOST_BYTES // (2 * self._share)
        )

    def _next_group(self, provider: int) -> list[_Waiting]:
        """The first arrival of a provider, and what can be merged with it, in order."""
        group: list[_Waiting] = []
        rows, naming = 0, None
        left, closed = deque[_Waiting](), False
        for waiting in self._waiting:
            arrival = waiting.arrival
            if waiting.provider != provider:
                left.append(waiting)
                continue
            rows += arrival.rows
            # Nothing of a provider overtakes what came before it.
            closed = naming is not None and (
                closed or len(group) == _MOST_TOGETHER or rows > _MOST_ROWS or not arrival.naming.independent_of(naming)
            )
            naming = arrival.naming if naming is None else naming | arrival.naming
            (left if closed else group).append(waiting)
        self._waiting = left
        return group

    async def _merge(self, group: list[_Waiting]) -> None:
        from turnout.arrivals import merge_arrivals  # noqa: PLC0415 - whoever has an arrival has loaded it

        try:
            merged = await self._writing.run(
                merge_arrivals, self._store, [one.arrival for one in group], [one.remember for one in group]
            )
        except Exception as error:  # noqa: BLE001 - it is raised again where the result is awaited
            if len(group) > 1 and isinstance(error, TurnoutError) and error.code in ("conflict", "server_error"):
                # What is wrong with one of them is no fault of the others.
                for one in group:
                    await self._merge([one])
                return
            if isinstance(error, TurnoutError) and error.code == "overloaded":
                # Who waited for the provider did so for all of its batches.
                group = [*group, *self._take(group[0].provider)]
            for one in group:
                one.merged.set_exception(error)
                one.merged.exception()  # where nobody waits any more, it has been seen
            return
        for one, counts in zip(group, merged, strict=True):
            one.merged.set_result(counts)

    def _take(self, provider: int) -> list[_Waiting]:
        """All that waits of a provider, which then waits no more."""
        taken = [one for one in self._waiting if one.provider == provider]
        self._waiting = deque(one for one in self._waiting if one.provider != provider)
        return taken
