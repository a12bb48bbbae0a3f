"""The jobs of a store: queued, told of, cancelled, expired. A crew carries them out."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.background import Background
from turnout.catalog.exports import FILE_FORMATS
from turnout.errors import TurnoutError
from turnout.jobs.crew import Crew
from turnout.jobs.files import Files
from turnout.jobs.homes import home_of
from turnout.jobs.run import pairs_of
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
        life = settings.export_life.seconds * SECOND
        self.files = Files(store, home_of(settings), life)
        self._crew = Crew(
            store,
            self.files,
            now,
            count=settings.export_concurrency,
            life=life,
            prepare=self.open,
            on_end=on_end,
        )
        self._opening = threading.Lock()
        self._is_open = False
        self._tidier = Background("exports", self._keep_tidy)

    # Life

    def start(self) -> None:
        """Begin to work. Harmless when it has begun."""
        if self._crew.start():
            self._tidier.start()

    def stop(self) -> None:
        """Begin nothing more; what runs goes back to the queue."""
        self._tidier.stop()
        self._crew.stop()

    def close(self) -> None:
        """Stop, and give what runs a moment to go back to the queue; what does not is taken up later."""
        self._crew.close()
        self._tidier.close()
        self.files.home.close()

    def open(self) -> None:
        """Set right what a process left that did not end well. Done once, before anything else is."""
        with self._opening:
            if self._is_open:
                return
            self._crew.take_up()
            self._expire()
            if not self.files.home.far:
                self._sweep()
                self._look_for_files()
            self._is_open = True

    def _look_for_files(self) -> None:
        away = [job.id for job in self._store.jobs.of_status(Status.COMPLETE) if self.files.lacks(job)]
        if away:
            fields = {"jobs": len(away), "directory": self.files.home.place}
            _log.warning("files of exports are not where they were", extra={"fields": fields})

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
        self._crew.tell()
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
            "directory": self.files.home.place,
        }

    def remove(self, job: Job) -> None:
        """Cancel a job that has not ended; forget one that has, and its file."""
        while known := self._store.jobs.get(job.provider_id, job.id):
            if known.status in UNFINISHED:
                cancelled = replace(self._as_it_is(known), status=Status.CANCELLED, finished_at=self._now())
                if self._crew.cancel(known, cancelled):
                    self._on_end(cancelled)
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
        try:
            with self._crew.aside():
                yield
        finally:
            self._sweep()

    def _as_it_is(self, job: Job) -> Job:
        """The job with what the store does not know yet: how far it is, and that its file is gone.

        How far a job is that another process carries out is as the store says, which is told every second. A file that
        is not there may come back: its directory is another one for a while, or its disk is away.
        """
        run = self._crew.run_of(job)
        if job.status is Status.RUNNING and run:
            return replace(job, total_items=run.total, complete_items=run.done)
        if job.status is Status.COMPLETE and (self._is_over(job) or self.files.lacks(job)):
            return replace(job, status=Status.EXPIRED)
        return job

    def _is_over(self, job: Job) -> bool:
        return job.expires_at is not None and job.expires_at <= self._now()

    # Expiry

    def tidy(self) -> None:
        """Let jobs whose time is over be expired, remove their files, and forget what is old."""
        self.open()
        self._expire()
        self._sweep()
        self._store.jobs.forget(self._now() - _REMEMBERED)

    def _expire(self) -> None:
        for job in self._store.jobs.of_status(Status.COMPLETE):
            if self._is_over(job):
                self._store.jobs.change(job, replace(job, status=Status.EXPIRED))

    def _sweep(self) -> None:
        """Remove the files that belong to no job. Nothing suffers where that fails: they are swept every minute."""
        jobs = self._store.jobs
        try:
            self.files.sweep(
                lambda: [*self._crew.running, *jobs.of_status(Status.RUNNING, Status.COMPLETE)],
                lambda: jobs.of_status(*Status),
                self._now(),
            )
        except (TurnoutError, OSError) as error:
            _log.warning("files of exports cannot be swept", extra={"fields": {"reason": str(error)}})

    def _keep_tidy(self) -> None:
        pause = 0.0 if self.files.home.far else _TIDY_EVERY  # what is near was swept as the jobs were opened
        while True:
            self._tidier.pause(pause)
            pause = _TIDY_EVERY
            try:
                self.tidy()
            except TurnoutError as error:
                self._tidier.check()  # the store may have been closed under it
                _log.warning("exports cannot be tidied", extra={"fields": {"reason": error.message}})
