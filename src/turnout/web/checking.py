"""Checking bodies of rows: one at a time, and in a process beside this one while many come.

Checking is the interpreter's work, of which a process does one thing at a time: a page waits for it some ten times.
What a process gains is measured in docs/adr/0009-batches.md.

The process starts when bodies wait for each other, is of use half a second later, and ends after a minute without any.
What becomes of it costs nothing but its help: a body that it did not check is checked here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from turnout.errors import TurnoutError
from turnout.settings import cores
from turnout.web.body import SMALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from turnout.arrivals import Arrival, Checked
    from turnout.store.base import Provider
    from turnout.web.body import Body

_log: Final = logging.getLogger("turnout.web")

_MANY: Final = 3
"""So many bodies at once, the one that is being checked included, are worth a process."""
_KEPT: Final = 60.0
"""Seconds without a body after which it ends; and after which another one may start where one failed."""
_LONGEST: Final = 15.0
"""Seconds that it has for a body, which take it some milliseconds."""
_TOGETHER: Final = 8
"""So many bodies are sent to it at once, of no more bytes than one may have: each time that something is sent, here and
there somebody waits for a turn of the processor."""


class Checking:
    """Whose turn it is to be checked. Use it from one event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._in_line = 0
        self._beside = _Beside()

    async def check(
        self, provider: Provider, body: Body, *, max_text: int, partial: bool, progress: Callable[..., None]
    ) -> Arrival:
        """Check a small body, in memory; see `arrivals.check`. What `progress` raises, before or after, ends it."""
        from turnout.arrivals import check  # noqa: PLC0415 - a server that only reads starts without pyarrow

        if self._beside.ready:
            arrival = await self._beside.check(provider, body, max_text=max_text, partial=partial, progress=progress)
            if arrival is not None:
                progress()
                return arrival
            body.file.seek(0)
        async with self.turn():
            progress()
            if self._in_line >= _MANY:
                self._beside.wish()
            return await asyncio.to_thread(
                check, provider, body.file, max_text=max_text, partial=partial, progress=progress
            )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until no body is being checked here, and keep it so until the block ends."""
        self._in_line += 1
        try:
            async with self._lock:
                yield
        finally:
            self._in_line -= 1

    def close(self) -> None:
        """End the process."""
        self._beside.close()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A body that is to be checked, how, and what comes of it."""

    provider: Provider
    body: Body
    max_text: int
    partial: bool
    progress: Callable[..., None]
    arrival: asyncio.Future[Arrival | None]

    def is_waited_for(self) -> bool:
        if not self.arrival.done():
            try:
                self.progress()
            except Exception as error:  # noqa: BLE001 - it is raised again where the result is awaited
                self.arrival.set_exception(error)
        return not self.arrival.done()

    def question(self) -> object:
        """What `arrivals.check_for` is asked."""
        return self.provider, self.body.file.read(), self.max_text, self.partial

    def give(self, made: Checked) -> None:
        if self.arrival.done():
            return
        if isinstance(made, TurnoutError):
            self.arrival.set_exception(made)
        else:
            self.arrival.set_result(made)


@dataclass(frozen=True, slots=True)
class _Child:
    process: BaseProcess
    pipe: Connection
    ready: asyncio.Future[Any]
    """Done when it can be asked, or never will."""


class _Beside:
    """The process, where there is one. What waits for it is sent to it together.

    Not a pool: where a child of one is killed while it sends what it made, the pool waits for the rest for ever.
    """

    def __init__(self) -> None:
        self._child: _Child | None = None
        self._line: deque[_Asked] = deque()
        self._asking: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        return self._child is not None and self._child.ready.done()

    def wish(self) -> None:
        """Start it, unless it is there, one has just failed, or there is no core for it."""
        import multiprocessing  # noqa: PLC0415 - as above

        from turnout.arrivals import check_for  # noqa: PLC0415 - as above

        loop = asyncio.get_running_loop()
        if self._child or cores() < 2 or loop.time() < self._not_before:  # noqa: PLR2004 - one is taken
            return
        try:
            context = multiprocessing.get_context("spawn")
            here, there = context.Pipe()
            process = context.Process(target=check_for, args=(there,), name="turnout-check", daemon=True)
            process.start()
        except Exception as error:  # noqa: BLE001 - whatever a system lacks for it, it is only help
            self._failed(error)
            return
        there.close()  # so that its end is heard of
        ready = loop.run_in_executor(None, here.recv)
        ready.add_done_callback(_seen)
        self._child = _Child(process, here, ready)
        self._end_later()

    async def check(
        self, provider: Provider, body: Body, *, max_text: int, partial: bool, progress: Callable[..., None]
    ) -> Arrival | None:
        """What it makes of a body, or raises of it; None where it fails."""
        loop = asyncio.get_running_loop()
        asked = _Asked(provider, body, max_text, partial, progress, loop.create_future())
        self._line.append(asked)
        if self._asking is None:
            self._asking = loop.create_task(self._ask())
        return await asked.arrival

    async def _ask(self) -> None:
        """Ask for what waits, until nothing does."""
        asked: list[_Asked] = []
        try:
            while self._line:
                asked = self._together()
                await self._checked(asked)
                for one in asked:
                    one.give(None)  # what it has not checked
        finally:
            self._asking = None
            for one in (*asked, *self._line):
                one.give(None)
            self._line.clear()

    def _together(self) -> list[_Asked]:
        """The next ones in the line, of those that are still waited for."""
        together: list[_Asked] = []
        size = 0
        while self._line and len(together) < _TOGETHER:
            size += self._line[0].body.size
            if together and size > SMALL:
                break
            one = self._line.popleft()
            if one.is_waited_for():
                together.append(one)
        return together

    async def _checked(self, asked: Sequence[_Asked]) -> None:
        """Give them what it makes of them, one after the other, as far as it does."""
        child = self._child
        if child is None or not asked:
            return
        if self._idle:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        try:
            child.ready.result()
            questions = [one.question() for one in asked]
            made: asyncio.Queue[Checked | _Lost] = asyncio.Queue()
            tell = partial(_put, loop, made)
            loop.run_in_executor(None, _ask, child.pipe, questions, tell)
            for one in asked:
                async with asyncio.timeout(_LONGEST):
                    one.give(_there(await made.get()))
        except Exception as error:  # noqa: BLE001 - it was killed, say
            self._failed(error)
        except BaseException:
            self.close()  # what it still sends is nobody else's
            raise
        else:
            self._end_later()

    def close(self) -> None:
        """End it; there may be another one later."""
        if self._idle:
            self._idle.cancel()
        child, self._child, self._idle = self._child, None, None
        if child:
            # A thread that waits for it hears that it has ended.
            child.process.kill()
            with suppress(RuntimeError):  # the loop has ended: the interpreter's end waits for it
                asyncio.get_running_loop().run_in_executor(None, child.process.join)

    def _failed(self, error: Exception) -> None:
        _log.warning("no process checks bodies beside the server for a while (%s)", type(error).__name__)
        self._not_before = asyncio.get_running_loop().time() + _KEPT
        self.close()

    def _end_later(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(_KEPT, self.close)


@dataclass(frozen=True, slots=True)
class _Lost:
    """No more comes from the process."""

    why: Exception


def _put(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Any], item: object) -> None:
    """Put something into a queue of another thread's loop."""
    loop.call_soon_threadsafe(queue.put_nowait, item)


def _there(made: Checked | _Lost) -> Checked:
    if isinstance(made, _Lost):
        raise made.why
    return made


def _ask(pipe: Connection, questions: Sequence[object], tell: Callable[[Any], object]) -> None:
    """Ask the process, and tell of each of its answers as it comes."""
    try:
        pipe.send(questions)
        for _ in questions:
            tell(pipe.recv())
    except Exception as error:  # noqa: BLE001 - it is raised again where it is awaited
        tell(_Lost(error))


def _seen(ready: asyncio.Future[Any]) -> None:
    if not ready.cancelled():
        ready.exception()  # who next wants something checked hears of it
