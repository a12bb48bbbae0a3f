"""The queue of batches that wait to be merged: those of one provider that wait at the same time are merged together."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.arrivals import Arrival
    from turnout.store.base import Answered, Merged, Store
    from turnout.web.writing import Writing

    Remember = Callable[[Merged], Answered | None]

_MOST_TOGETHER: Final = 64
_MOST_ROWS: Final = 100_000
_MOST_WAITING: Final = 256
_MOST_BYTES: Final = 256 << 20
"""What is over either is told to come again: its rows would wait in memory."""


@dataclass(frozen=True)
class _Waiting:
    arrival: Arrival
    remember: Remember
    merged: asyncio.Future[Merged]


class MergeQueue:
    """Merges arrivals in their order, one group after the other. Use it from one event loop.

    A merge that began goes on when its client has gone: its rows are merged, whether or not anybody hears of it.
    """

    def __init__(self, store: Store, writing: Writing) -> None:
        self._store = store
        self._writing = writing
        self._waiting: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def merge(self, arrival: Arrival, remember: Remember) -> Merged:
        """Merge a checked batch; return its counts when it is on disk, with what `remember` makes of them."""
        held = sum(waiting.arrival.size for waiting in self._waiting)
        if len(self._waiting) >= _MOST_WAITING or held + arrival.size > max(_MOST_BYTES, arrival.size):
            raise TurnoutError("overloaded", "Too many batches wait to be merged.")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(arrival, remember, loop.create_future())
        self._waiting.append(waiting)
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        return await asyncio.shield(waiting.merged)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._merge(self._next_group())
        finally:
            self._worker = None

    def _next_group(self) -> list[_Waiting]:
        """The next arrival, and those after it that can be merged with it, in order."""
        group = [self._waiting.popleft()]
        first = group[0].arrival
        rows, naming = first.rows, first.naming
        left, closed = deque[_Waiting](), False
        while self._waiting:
            waiting = self._waiting.popleft()
            arrival = waiting.arrival
            if arrival.provider.id != first.provider.id:
                left.append(waiting)
                continue
            rows += arrival.rows
            # Nothing of a provider overtakes what came before it.
            closed = (
                closed or len(group) == _MOST_TOGETHER or rows > _MOST_ROWS or not arrival.naming.independent_of(naming)
            )
            naming |= arrival.naming
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
            for one in group:
                one.merged.set_exception(error)
                one.merged.exception()  # where nobody waits any more, it has been seen
            return
        for one, counts in zip(group, merged, strict=True):
            one.merged.set_result(counts)
