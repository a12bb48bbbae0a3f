"""How the process ends: at the first signal in good order, at the second at once, and always in time."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import FrameType, TracebackType

_log: Final = logging.getLogger("turnout.server")

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# A supervisor kills after ten seconds; a store that is cut off here is whole when it is opened again.
_AT_THE_LATEST: Final = 9.4


class Ending:
    """Takes SIGTERM and SIGINT while its block lasts. Use it in the main thread.

    Before `when_asked`, a signal raises `SystemExit(0)`. `flush`, which takes some tenths of a second at the most, is
    called where the process ends without returning.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._asked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._watchdog = threading.Timer(_AT_THE_LATEST, self._give_up)
        self._watchdog.daemon = True

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._watchdog.cancel()

    def when_asked(self, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        """From now on, the first signal sets `event`."""
        self._loop, self._event = loop, event

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            self._leave()
        self._asked = True
        self._watchdog.start()
        if self._loop is None or self._event is None:
            sys.exit(0)
        # Where the loop has ended by itself, there is nothing left to ask for.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    def _give_up(self) -> None:
        _log.error("the process ends with requests unfinished")
        self._flush()
        self._leave()

    def _leave(self) -> None:
        os._exit(0)
