"""The jobs of a store: queued, carried out in threads, told of, cancelled, expired."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.background import Background, behind_others
from turnout.catalog.exports import FILE_FORMATS
from turnout.errors import TurnoutError
from turnout.jobs.files import Files, directory_of
from turnout.jobs.run import Run, broken_off, pairs_of
from turnout.query.instants import DAY, SECOND, format_utc
from turnout.store.jobs import UNFINISHED, Job, Standing, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from turnout.query.request import ReportRequest
    from turnout.settings import Settings
    from turnout.store.base import Answered, Store

_log: Final = logging.getLogger("turnout.exports")

_REMEMBERED: Final = 30 * DAY
"""So long is told of jobs that have no file."""
_TIDY_EVERY: Final = 60.0
_AGAIN: Final = 5.0
_END_WITHIN: Final = 1.0
_LOOK_AGAIN: Final = 0.005


class Jobs:
    """The export jobs of a store, and the threads that carry them out. `on_end` is told each one that has ended.

    What asks the store may wait for it: not for an event loop.
    """

    def __init__(
        self, store: Store, settings: Settings, now: Callable[[], int], on_end: Callable[[Job], None] = lambda _: None
    ) -> None:
        self._store = store
        self._now = now
        self._on_end = on_end
        self._most = settings.export_queue
        self._life = settings.export_life.seconds * SECOND
        self.files = Files(store, directory_of(settings))
        self._changed = threading.Condition()
        self._changes = 0
        self._aside = 0
        self._runs: dict[tuple[int, int], Run] = {}
        self._opening = threading.Lock()
        self._beginning = threading.Lock()
        """Held while a job begins, or is cancelled: what the store has running is then among `_runs`."""
        self._is_open = False
        self._started = False
        self._ending = False
        names = [f"export-{number}" for number in range(1, settings.export_concurrency + 1)]
        self._threads = [*(Background(name, self._work) for name in names), Background("exports", self._keep_tidy)]

    # Life

    def start(self) -> None:
        """Begin to work. Harmless when it has begun."""
        with self._changed:
            begin = not (self._started or self._ending)
            self._started = True
        for thread in self._threads if begin else ():
            thread.start()

    def stop(self) -> None:
        """Begin nothing more; what runs goes back to the queue."""
        self._ending = True
        for thread in self._threads:
            thread.stop()
        for run in list(self._runs.values()):
            run.interrupt()
        self._tell()

    def close(self) -> None:
        """Stop, and give what runs a moment to go back to the queue; what does not is put there at the next start."""
        self.stop()
        end = time.monotonic() + _END_WITHIN
        while self._runs and time.monotonic() < end:
            time.sleep(_LOOK_AGAIN)
        if self._started:
            for thread in self._threads:
                thread.close()
        self.files.close()

    def open(self) -> None:
        """Set right what a process left that did not end well. Done once, before anything else is."""
        with self._opening:
            if self._is_open:
                return
            self._take_up()
            self._expire()
            there = self.files.found()
            away = [job.id for job in self._store.jobs.of_status(Status.COMPLETE) if self.files.path(job) not in there]
            if away:
                fields = {"jobs": len(away), "directory": str(self.files.directory)}
                _log.warning("files of exports are not where they were", extra={"fields": fields})
            self._is_open = True

    def _take_up(self) -> None:
        """Put back what the store has running and no thread has: it broke off, or began as the store failed."""
        with self._beginning:
            for job in self._store.jobs.of_status(Status.RUNNING):
                if (job.id, job.run) not in self._runs:
                    self._store.jobs.change(job, broken_off(job, self._now()))

    # What is asked for

    def create(self, request: ReportRequest, remember: Callable[[int], Answered | None]) -> Job:
        """Queue a request of `catalog.exports.EXPORTS`; for `remember` see `JobTable.add`.

        Raises `overloaded` where too many wait, or too many of the provider.
        """
        self.open()
        job = Job(
            id=0,
            provider_id=request.scope.provider_id,
            instructor_id=request.scope.instructor_id,
            report=request.report.name,
            format=request.format or FILE_FORMATS[0],
            parameters=msgspec.json.encode(pairs_of(request)).decode(),
            created_at=request.now,
        )
        added = self._store.jobs.add(job, most=self._most, most_of_provider=self._most // 2, remember=remember)
        if added is None:
            raise TurnoutError("overloaded", "Too many exports wait for their turn.", retry_after=30)
        self.start()
        self._tell()
        return added

    def get(self, provider_id: int, id_: int) -> Job | None:
        """A job of a provider, as it is at this moment. One that somebody looks at is worked on."""
        self.open()
        job = self._store.jobs.get(provider_id, id_)
        if job and job.status in UNFINISHED:
            self.start()
        return job and self._as_it_is(job)

    def page(self, provider_id: int, instructor_id: int | None, limit: int, offset: int) -> tuple[int, list[Job]]:
        """How many jobs a provider has, and some of them, the newest first; of one instructor where there is one."""
        self.open()
        total, jobs = self._store.jobs.page(provider_id, instructor_id, limit, offset)
        return total, [self._as_it_is(job) for job in jobs]

    def standing(self) -> Standing:
        """How many jobs wait and run."""
        self.open()
        return self._store.jobs.standing()

    def status(self) -> dict[str, Any]:
        """What `turnout doctor` shows: how many exports wait and run, since when, and where their files are."""
        found = self.standing()
        return {
            "queued": found.queued,
            "running": found.running,
            "oldest_queued_at": None if found.oldest is None else format_utc(found.oldest),
            "files_size": found.size,
            "directory": str(self.files.directory),
        }

    def remove(self, job: Job) -> None:
        """Cancel a job that has not ended; forget one that has, and its file."""
        while known := self._store.jobs.get(job.provider_id, job.id):
            if known.status in UNFINISHED:
                cancelled = replace(self._as_it_is(known), status=Status.CANCELLED, finished_at=self._now())
                with self._beginning:
                    done = self._store.jobs.change(known, cancelled)
                    run = self._runs.get((known.id, known.run))
                if done:
                    if run:
                        run.interrupt()
                    self._end(cancelled)
                    return
            elif self._store.jobs.remove(known):
                self.files.remove(known)
                return

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While it lasts nothing is read for exports; what ran begins anew afterwards.

        For work that waits until nobody reads the store as it was. Files of jobs that it lets expire are removed.
        """
        self.open()
        with self._changed:
            self._aside += 1
        for run in list(self._runs.values()):
            run.interrupt()
        try:
            yield
        finally:
            with self._changed:
                self._aside -= 1
            self._tell()
            try:
                self._sweep()
            except TurnoutError as error:
                # The work is done, and files are swept every minute.
                _log.warning("exports cannot be tidied", extra={"fields": {"reason": str(error)}})

    def _as_it_is(self, job: Job) -> Job:
        """The job with what the store does not know yet: how far it is, and that its file is gone.

        A file that is not there may come back: its directory is another one for a while, or its disk is away.
        """
        run = self._runs.get((job.id, job.run))
        if job.status is Status.RUNNING and run:
            return replace(job, total_items=run.total, complete_items=run.done)
        if job.status is Status.COMPLETE and (self._is_over(job) or not self.files.path(job).exists()):
            return replace(job, status=Status.EXPIRED)
        return job

    def _is_over(self, job: Job) -> bool:
        return job.expires_at is not None and job.expires_at <= self._now()

    # Expiry

    def tidy(self) -> None:
        """Let jobs whose time is over be expired, remove their files, and forget what is old."""
        self.open()
        self._expire()

    def _expire(self) -> None:
        for job in self._store.jobs.of_status(Status.COMPLETE):
            if self._is_over(job):
                self._store.jobs.change(job, replace(job, status=Status.EXPIRED))
        self._store.jobs.forget(self._now() - _REMEMBERED)
        self._sweep()

    def _sweep(self) -> None:
        """Remove every file that belongs to no job. A run is kept until the store knows what became of it."""
        there = self.files.found()
        if there:
            running = [run.job for run in list(self._runs.values())]
            kept = [*running, *self._store.jobs.of_status(Status.COMPLETE)]
            self.files.sweep(there, kept, lambda: self._store.jobs.of_status(*Status))

    def _keep_tidy(self) -> None:
        tidier = self._threads[-1]
        while True:
            tidier.pause(_TIDY_EVERY)
            try:
                self.tidy()
            except (TurnoutError, OSError) as error:
                tidier.check()  # the store may have been closed under it
                _log.warning("exports cannot be tidied", extra={"fields": {"reason": str(error)}})

    # Work

    def _tell(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def _work(self) -> None:
        behind_others()  # somebody waits for an answer, and nobody for a file
        seen, failed = -1, False
        while not self._ending:
            with self._changed:
                while not self._ending and seen == self._changes:
                    self._changed.wait()
                seen = self._changes
            try:
                self.open()
                if failed:
                    self._take_up()
                    failed = False
                while run := self._begin():
                    self._carry_out(run)
            except Exception as error:  # noqa: BLE001 - the jobs to come must not suffer from one
                if self._ending:
                    return
                expected = error if not isinstance(error, TurnoutError | OSError) else None
                _log.warning("exports fail", exc_info=expected, extra={"fields": {"reason": str(error)}})
                self._threads[0].pause(_AGAIN)
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
            after = run.carry_out(self._store, self.files, self._now, self._life)
            kept = self._settle(run.job, after)
        finally:
            with self._changed:
                del self._runs[run.job.id, run.job.run]
        if not kept or after.status is not Status.COMPLETE:
            self.files.remove(run.job)
        if kept and after.status not in UNFINISHED:
            fields = {"job": after.id, "rows": after.complete_items, "seconds": round(time.monotonic() - began, 3)}
            _log.info("export ended", extra={"fields": {**fields, "status": after.status, "reason": after.error}})
            self._end(after)

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
                self._threads[0].pause(_AGAIN)

    def _end(self, job: Job) -> None:
        self._on_end(job)
