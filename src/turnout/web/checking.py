"""Checking bodies of rows: one at a time, and in a process beside this one while many come.

Checking is the interpreter's work, of which a process does one thing at a time: a page waits for it some ten times.
Beside 8 readers, 64 connections that send batches got 30 of them a second checked by a thread, and 33 by a process,
while readers' p99 was 2.5 and 2.1 times theirs alone (10,000,000 rows, 2 cores).

The process starts when bodies wait for each other, is of use half a second later, and ends after a minute without any.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import BrokenExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from turnout.settings import cores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import ProcessPoolExecutor
    from typing import BinaryIO

    from turnout.arrivals import Arrival
    from turnout.store.base import Provider

_MANY: Final = 3
"""So many bodies at once, the one that is being checked included, are worth a process."""
_KEPT: Final = 60.0
"""Seconds without a body after which it ends."""


class Checking:
    """Whose turn it is to be checked. Use it from one event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._in_line = 0
        self._beside = _Beside()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until no body is being checked, and keep it so until the block ends."""
        self._in_line += 1
        try:
            async with self._lock:
                yield
        finally:
            self._in_line -= 1

    async def check(
        self, provider: Provider, body: BinaryIO, *, max_text: int, partial: bool, progress: Callable[..., None]
    ) -> Arrival:
        """Check a body whole, in memory; see `arrivals.check`. What `progress` raises ends the checking."""
        from turnout.arrivals import check  # noqa: PLC0415 - a server that only reads starts without pyarrow

        async with self.turn():
            if self._in_line >= _MANY:
                self._beside.wish()
            arrival = await self._beside.check(provider, body, max_text=max_text, partial=partial)
            if arrival is not None:
                progress()
                return arrival
            body.seek(0)
            return await asyncio.to_thread(check, provider, body, max_text=max_text, partial=partial, progress=progress)

    def close(self) -> None:
        """Let the process end."""
        self._beside.close()


class _Beside:
    """The process, where there is one."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._ready: asyncio.Future[int] | None = None
        self._idle: asyncio.TimerHandle | None = None

    def wish(self) -> None:
        """Start it, unless it is there or there is no core for it."""
        from turnout.ingest.beside import settle, started  # noqa: PLC0415 - as above

        if self._pool is None and cores() > 1:
            try:
                self._pool = started(1, settle)
                self._ready = asyncio.get_running_loop().run_in_executor(self._pool, int)  # anything, to start it
                self._ready.add_done_callback(_forget_error)
            except (OSError, BrokenExecutor):
                self.close()

    async def check(self, provider: Provider, body: BinaryIO, *, max_text: int, partial: bool) -> Arrival | None:
        """What it makes of a body; None where it is not ready, ended, or found something to refuse."""
        from turnout.arrivals import checked  # noqa: PLC0415 - as above

        if self._pool is None or self._ready is None or not self._ready.done():
            return None
        loop = asyncio.get_running_loop()
        try:
            self._ready.result()
            checking = functools.partial(checked, provider, body.read(), max_text=max_text, partial=partial)
            return await loop.run_in_executor(self._pool, checking)
        except (OSError, BrokenExecutor):  # it was killed, say for want of memory
            self.close()
            return None
        finally:
            if self._idle:
                self._idle.cancel()
            self._idle = loop.call_later(_KEPT, self.close)

    def close(self) -> None:
        """Let it end; there may be another one later."""
        if self._idle:
            self._idle.cancel()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._ready = self._idle = None


def _forget_error(ready: asyncio.Future[int]) -> None:
    if not ready.cancelled():
        ready.exception()  # who next wants something checked hears of it
