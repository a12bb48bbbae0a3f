"""Work that a server does beside answering, in a thread of its own, until it is told to stop."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_ENDS_WITHIN: Final = 0.3


NEAR: Final = 1
"""Behind by so much: what programs wait for. Of a processor that both want it gets four fifths of what readers get."""
FAR: Final = 10
"""And what nobody waits for: a ninth."""


def behind_others(by: int) -> None:
    """Let the process's other threads go first, but for those that this one starts; where the system can do that.

    `by` is added to the thread's niceness.
    """
    if sys.platform != "linux":
        return  # elsewhere the number of a thread may be that of another process
    with suppress(OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + by)


class Stopped(Exception):  # noqa: N818 - it is no error
    """The work is to end. Raised where it pauses or asks."""


class Background:
    """One such work. `work` does it, and ends by returning or by letting `Stopped` through."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def stopping(self) -> bool:
        """Whether it is to end."""
        return self._ending.is_set()

    def start(self) -> None:
        """Begin. A daemon: what cannot end does not keep the process."""
        self._thread = threading.Thread(target=self._run, name=f"turnout-{self._name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._ending.set()

    def close(self) -> None:
        """Stop, and give what runs a moment to end by itself; the store's end makes it short otherwise."""
        self.stop()
        if self._thread:
            self._thread.join(_ENDS_WITHIN)

    def pause(self, seconds: float) -> None:
        """Wait; raise `Stopped` as soon as the work is to end."""
        if self._ending.wait(seconds):
            raise Stopped

    def check(self) -> None:
        """Raise `Stopped` where the work is to end."""
        self.pause(0)

    def _run(self) -> None:
        with suppress(Stopped):
            self._work()
