"""The threads that carry jobs out, and what they know of the jobs at hand."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from turnout.background import FAR, Background, behind_others
from turnout.errors import TurnoutError
from turnout.jobs.run import Run, broken_off
from turnout.store.jobs import UNFINISHED, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from turnout.jobs.files import Files
    from turnout.store.base import Store
    from turnout.store.jobs import Job

_log: Final = logging.getLogger("turnout.exports")

_AGAIN: Final = 5.0
_END_WITHIN: Final = 1.0
_LOOK_AGAIN: Final = 0.005
_LOOK_EVERY: Final = 2.0
"""Seconds after which is looked for jobs that other processes have queued: nothing tells that here."""
_KEEP_EVERY: Final = 1.0
_LOST_EVERY: Final = 5.0


class Crew:
    """Begins the jobs of a store one after the other, `count` of them at once.

    `life` is how long a file is kept, in microseconds. `prepare` is called before anything is begun, `on_end` with each
    job that has ended here.
    """

    def __init__(
        self,
        store: Store,
        files: Files,
        now: Callable[[], int],
        *,
        count: int,
        life: int,
        prepare: Callable[[], None],
        on_end: Callable[[Job], None],
    ) -> None:
        self._store = store
        self._files = files
        self._now = now
        self._life = life
        self._prepare = prepare
        self._on_end = on_end
        self._changed = threading.Condition()
        self._changes = 0
        self._aside = 0
        self._runs: dict[tuple[int, int], Run] = {}
        self._beginning = threading.Lock()
        """Held while a job begins, or is cancelled: what runs here is then among `_runs`."""
        self._started = False
        self._ending = False
        self._workers = [Background(f"export-{number}", self._work) for number in range(1, count + 1)]
        self._keeper = Background("export-keeper", self._keep)

    # Life

    def start(self) -> bool:
        """Begin to work; whether it had not begun before."""
        with self._changed:
            begin = not (self._started or self._ending)
            self._started = True
        for thread in self._threads if begin else ():
            thread.start()
        return begin

    def stop(self) -> None:
        """Begin nothing more; what runs goes back to the queue."""
        self._ending = True
        for thread in self._threads:
            thread.stop()
        self._interrupt()
        self.tell()

    def close(self) -> None:
        """Stop, and give what runs a moment to go back to the queue; what does not is taken up later, as lost."""
        self.stop()
        end = time.monotonic() + _END_WITHIN
        while self._runs and time.monotonic() < end:
            time.sleep(_LOOK_AGAIN)
        if self._started:
            for thread in self._threads:
                thread.close()

    @property
    def _threads(self) -> list[Background]:
        # Where nobody else changes the store there is nothing to tell them, nor to learn from them.
        return [*self._workers, self._keeper] if self._store.shared else self._workers

    # The jobs at hand

    @property
    def running(self) -> list[Job]:
        """The jobs that are carried out here, until the store knows what became of them."""
        return [run.job for run in list(self._runs.values())]

    def run_of(self, job: Job) -> Run | None:
        """The job's run, where it is carried out here."""
        return self._runs.get((job.id, job.run))

    def tell(self) -> None:
        """Tell those who wait that there may be something to do."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def take_up(self) -> None:
        """Put back what nobody carries out any more: it broke off, or began as the store failed."""
        with self._beginning:
            lost = [job for job in self._store.jobs.lost() if not self.run_of(job)]
            for job in lost:
                if self._store.jobs.change(job, broken_off(job, self._now())):
                    _log.warning("an export broke off", extra={"fields": {"job": job.id, "crashes": job.crashes + 1}})
        if lost:
            self.tell()

    def cancel(self, known: Job, cancelled: Job) -> bool:
        """Store a job as cancelled, and end its run; False where it has moved on from what is known of it."""
        with self._beginning:
            done = self._store.jobs.change(known, cancelled)
            run = self.run_of(known)
        if done and run:
            run.interrupt()
        return done

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While it lasts nothing is read for exports; what ran begins anew afterwards."""
        with self._changed:
            self._aside += 1
        self._interrupt()
        try:
            yield
        finally:
            with self._changed:
                self._aside -= 1
            self.tell()

    def _interrupt(self) -> None:
        for run in list(self._runs.values()):
            run.interrupt()

    # What the threads do

    def _keep(self) -> None:
        """Tell other processes that what runs here goes on, learn from them that it is to end, and take up theirs."""
        looked, failing = time.monotonic(), False
        while True:
            self._keeper.pause(_KEEP_EVERY)
            try:
                for run in list(self._runs.values()):
                    if not self._store.jobs.keep(run.job, run.total, run.done):
                        run.interrupt()
                if time.monotonic() - looked >= _LOST_EVERY:
                    looked = time.monotonic()
                    self.take_up()
                failing = False
            except TurnoutError as error:
                self._keeper.check()  # the store may have been closed under it
                if not failing:
                    _log.warning("exports cannot be kept", extra={"fields": {"reason": error.message}})
                failing = True

    def _work(self) -> None:
        behind_others(FAR)  # somebody waits for an answer, and nobody for a file
        seen, failed = -1, False
        while not self._ending:
            with self._changed:
                while not self._ending and seen == self._changes:
                    if not self._changed.wait(_LOOK_EVERY if self._store.shared else None):
                        break
                seen = self._changes
            try:
                self._prepare()
                if failed:
                    self.take_up()
                    failed = False
                while run := self._begin():
                    self._carry_out(run)
            except Exception as error:  # noqa: BLE001 - the jobs to come must not suffer from one
                if self._ending:
                    return
                expected = error if not isinstance(error, TurnoutError | OSError) else None
                _log.warning("exports fail", exc_info=expected, extra={"fields": {"reason": str(error)}})
                self._workers[0].pause(_AGAIN)
                seen, failed = -1, True

    def _begin(self) -> Run | None:
        """Claim the next job, unless nothing is to begin now."""
        if self._ending or self._aside:
            return None
        with self._beginning:
            job = self._store.jobs.claim(self._now())
            if job is None:
                return None
            run = Run(job)
            with self._changed:
                self._runs[job.id, job.run] = run
                late = self._ending or self._aside > 0
        if late:
            run.interrupt()
        return run

    def _carry_out(self, run: Run) -> None:
        began = time.monotonic()
        try:
            after = run.carry_out(self._store, self._files, self._now, self._life)
            kept = self._settle(run.job, after)
        finally:
            with self._changed:
                del self._runs[run.job.id, run.job.run]
        if not kept or after.status is not Status.COMPLETE:
            self._files.remove(run.job)
        if kept and after.status not in UNFINISHED:
            fields = {"job": after.id, "rows": after.complete_items, "seconds": round(time.monotonic() - began, 3)}
            _log.info("export ended", extra={"fields": {**fields, "status": after.status, "reason": after.error}})
            self._on_end(after)

    def _settle(self, before: Job, after: Job) -> bool:
        """Store what became of a job; a store that cannot be written now is asked again until the end."""
        failed = False
        while True:
            try:
                if self._store.jobs.change(before, after):
                    return True
                # Where noting it failed, it may have been noted all the same.
                return failed and self._store.jobs.get(after.provider_id, after.id) == after
            except TurnoutError as error:
                failed = True
                _log.warning("a job cannot be noted", extra={"fields": {"job": after.id, "reason": error.message}})
                self._workers[0].pause(_AGAIN)
