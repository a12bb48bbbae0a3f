"""One job while it is worked on, and what becomes of it."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from turnout.catalog.exports import EXPORTS
from turnout.errors import TurnoutError
from turnout.query.request import Scope, parse
from turnout.reports import cursor_box
from turnout.store.jobs import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.jobs.files import Files
    from turnout.query.raw import Pairs
    from turnout.query.request import ReportRequest
    from turnout.store.base import Provider, Snapshot, Store
    from turnout.store.jobs import Job

_log: Final = logging.getLogger("turnout.exports")

MOST_CRASHES: Final = 5
"""A job that broke off so often is not begun again: it may be what breaks the server."""
_STARTED: Final[dict[str, Any]] = {"total_items": 0, "complete_items": 0, "started_at": None}


class Interrupted(Exception):  # noqa: N818 - it is no error
    """The work on a file is to end."""


class Run:
    """How far a job is that is worked on, and what makes it end; for any thread."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.total = 0
        self.done = 0
        self._interrupted = False
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    @property
    def interrupted(self) -> bool:
        return self._interrupted

    def interrupt(self) -> None:
        """End the work at the next moment; harmless when it has ended."""
        with self._lock:
            self._interrupted = True
            if self._snapshot:
                self._snapshot.cancel()

    def carry_out(self, store: Store, files: Files, now: Callable[[], int], life: int) -> Job:
        """Write the file; return what the job is to be from here on. `life` is how long it is kept, in microseconds."""
        from turnout.exports import FILES, Asked, write_file  # noqa: PLC0415 - what makes files comes with the first one

        job = self.job
        try:
            provider = store.providers()[job.provider_id]
            request = request_of(store, provider, job)
            with files.making(job, self._check) as part:
                rows = write_file(
                    store,
                    request,
                    FILES[job.format],
                    part,
                    asked=Asked(tuple(pairs_of(request)), str(request.reading_zone), job.started_at or job.created_at),
                    on_snapshot=self._attach,
                    on_total=self._set_total,
                    progress=self._set_done,
                    check=self._check,
                )
                size = part.stat().st_size
        except Exception as error:  # noqa: BLE001 - whatever it is, the job says so
            return self._broken_off(error, now(), again=store.shared)
        ended = now()
        return replace(
            job,
            status=Status.COMPLETE,
            total_items=rows,
            complete_items=rows,
            size=size,
            finished_at=ended,
            expires_at=ended + life,
        )

    def _broken_off(self, error: Exception, now: int, *, again: bool) -> Job:
        """What a job is to be whose work has failed. Where others have the store as well, it may come `again`."""
        if self._interrupted:
            return replace(self.job, status=Status.QUEUED, **_STARTED)
        # Nobody limits its time: the store was opened anew. And a database that went away comes back.
        passing = ("query_timeout", "storage_unavailable") if again else ("query_timeout",)
        if isinstance(error, TurnoutError) and error.code in passing:
            return broken_off(self.job, now)
        if isinstance(error, TurnoutError):
            reason = error.message
        elif isinstance(error, OSError):
            reason = f"The file cannot be written: {error.strerror or type(error).__name__}."
        else:
            reason = "Something went wrong on the server."
            _log.error("unexpected error", exc_info=error, extra={"fields": {"job": self.job.id}})
        return failed(replace(self.job, total_items=self.total, complete_items=self.done), reason, now)

    def _attach(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._snapshot = snapshot
        self._check()

    def _set_total(self, total: int) -> None:
        self.total = total

    def _set_done(self, done: int) -> None:
        self.done = done

    def _check(self) -> None:
        if self._interrupted:
            raise Interrupted


def failed(job: Job, reason: str, now: int) -> Job:
    """The job as one that failed."""
    return replace(job, status=Status.FAILED, error=reason, finished_at=now)


def broken_off(job: Job, now: int) -> Job:
    """The job after something broke it off: it waits again, unless that has happened too often."""
    crashes = job.crashes + 1
    if crashes >= MOST_CRASHES:
        return failed(replace(job, crashes=crashes), f"It broke off {crashes} times, and was given up.", now)
    return replace(job, status=Status.QUEUED, crashes=crashes, **_STARTED)


def request_of(store: Store, provider: Provider, job: Job) -> ReportRequest:
    """The request of a job, as it was when it was asked for. Raises `parameter_invalid` where it is one no more."""
    pairs: Pairs = msgspec.json.decode(job.parameters, type=list[tuple[str, str]])
    scope = Scope(provider.id, ZoneInfo(provider.timezone), provider.week_start, job.instructor_id)
    return parse(EXPORTS[job.report], pairs, scope, now=job.created_at, box=cursor_box(store))


def pairs_of(request: ReportRequest) -> Pairs:
    """The parameters of a request, each once."""
    return [(name, ",".join(texts)) for name, texts in request.cleaned.texts.items()]
