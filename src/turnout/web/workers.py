"""Several processes that serve one address: a parent starts them, replaces those that end, and ends with all of them.

They share the sockets, which are bound before; each opens the store for itself. The parent does nothing else: it forks,
and what has threads must not. Where it is killed, they end as well.
"""

from __future__ import annotations

import logging
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from turnout.web.logs import plain_logging

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from turnout.settings import Settings
    from turnout.store.base import Store

_log: Final = logging.getLogger("turnout.server")

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_READY: Final = b"+"
_SHORT_LIFE: Final = 5.0
_PAUSE: Final = 1.0
"""A process that lived for less than the first is replaced after the second, in seconds."""
_END_WITHIN: Final = 9.7
"""A little longer than a process gives itself, in seconds."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes, as it knows itself. `directory` is theirs alone, for the sockets where they ask each other.

    The one that is `first` prepares the store, and tells that the server is up.
    """

    number: int
    count: int
    first: bool
    directory: Path
    ready: int

    def part(
        self, prepare: Callable[[Store], None] | None, announce: Callable[[str], None]
    ) -> tuple[Callable[[Store], None] | None, Callable[[str], None]]:
        """What this process does of what a server does at its start; the parent starts the others after the first."""

        def tell(url: str) -> None:
            if self.first:
                announce(url)
            with suppress(OSError):  # the parent may have ended just now
                os.write(self.ready, _READY)

        return (prepare if self.first else None), tell

    @property
    def socket(self) -> Path:
        """Where this process answers the others."""
        return self.directory / f"{self.number}.sock"

    @property
    def others(self) -> dict[int, Path]:
        """Where each of the others answers, by number."""
        numbers = set(range(1, self.count + 1)) - {self.number}
        return {number: self.directory / f"{number}.sock" for number in sorted(numbers)}


def divide(settings: Settings) -> Worker:
    """Become `settings.workers` processes. Returns in each of them; the parent stays inside, and exits.

    It exits with 0 after SIGTERM or SIGINT, and with the status of the first process where that one cannot begin.
    """
    directory = Path(tempfile.mkdtemp(prefix="turnout-"))
    parent = _Parent(settings, directory)
    worker = None
    try:
        worker = parent.work()
    finally:
        if worker is None:
            shutil.rmtree(directory, ignore_errors=True)
    if worker is None:
        sys.exit(parent.status)
    return worker


class _Parent:
    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._running: dict[int, tuple[int, float]] = {}
        """The number of each process, and since when it runs, by its pid."""
        self._due: dict[int, float] = {}
        """When a process is to be started, by its number."""
        self._life: tuple[int, int] = os.pipe()
        self._ready: tuple[int, int] = os.pipe()
        self._wake: tuple[int, int] = os.pipe()
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        self._begun = False
        self._stop_by: float | None = None
        self.status = 0

    def work(self) -> Worker | None:
        """Run the processes until the end; a `Worker` in each of them, None in the parent."""
        plain_logging(self._settings)
        os.set_blocking(self._wake[1], False)
        for each in _SIGNALS:
            signal.signal(each, self._take)
        signal.set_wakeup_fd(self._wake[1])
        self._due = {1: 0.0}
        while self._due or self._running:
            now = time.monotonic()
            for number in [number for number, at in self._due.items() if at <= now]:
                worker = self._start(number)
                if worker:
                    return worker
            self._wait()
            self._reap()
            if self._stop_by and time.monotonic() > self._stop_by:
                self._send(signal.SIGKILL)
        return None

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stop()

    def _stop(self) -> None:
        self._due = {}
        if self._stop_by is None:
            self._stop_by = time.monotonic() + _END_WITHIN
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _start(self, number: int) -> Worker | None:
        """Start a process, unless all are to end; in it, return what it is."""
        # Whatever comes meanwhile is for one of the two, whole: a parent that knows its child, or a child as such.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            if self._due.pop(number, None) is None:
                return None
            pid = os.fork()
            if pid:
                self._running[pid] = number, time.monotonic()
                return None
            signal.set_wakeup_fd(-1)
            for taken, handler in self._before.items():
                signal.signal(taken, handler)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        # What a terminal sends to all of a command's processes is for the parent to pass on.
        os.setpgid(0, 0)
        for descriptor in (*self._wake, self._life[1], self._ready[0]):
            os.close(descriptor)
        _end_with(self._life[0])
        return Worker(number, self._settings.workers, not self._begun, self._directory, self._ready[1])

    def _wait(self) -> None:
        """Wait until something has happened, or is due."""
        moments = [*self._due.values(), *([self._stop_by] if self._stop_by else [])]
        patience = max(0.0, min(moments) - time.monotonic()) if moments else None
        found, _, _ = select.select([self._wake[0], self._ready[0]], [], [], patience)
        if self._wake[0] in found:
            os.read(self._wake[0], 4096)
        if self._ready[0] in found:
            os.read(self._ready[0], 4096)
            if not self._begun:
                self._begun = True
                if self._stop_by is None:
                    self._due |= dict.fromkeys(range(2, self._settings.workers + 1), 0.0)

    def _reap(self) -> None:
        """See which processes have ended, and have those replaced that should not have."""
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid not in self._running:
                continue  # to the first process of a container come orphans of others
            number, since = self._running.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._stop_by is not None:
                continue
            if not self._begun:
                self.status = code if code > 0 else 1
                return
            lived = time.monotonic() - since
            fields = {"worker": number, "pid": pid, "status": code, "seconds": round(lived, 1)}
            _log.error("a process ended, and is replaced", extra={"fields": fields})
            self._due[number] = time.monotonic() + (_PAUSE if lived < _SHORT_LIFE else 0.0)


def _end_with(life: int) -> None:
    """End this process in good order where the parent, which has the other end of a pipe, is there no more."""

    def watch() -> None:
        with suppress(OSError):
            os.read(life, 1)
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="turnout-parent", daemon=True).start()
