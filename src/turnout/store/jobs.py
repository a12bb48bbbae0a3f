"""The part of the interface to a database that is about export jobs (contract section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from turnout.store.base import Answered


class Status(StrEnum):
    """What has become of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


UNFINISHED = frozenset({Status.QUEUED, Status.RUNNING})


@dataclass(frozen=True, slots=True)
class Job:
    """One export, as stored: whose, of what, and how far it came. Instants are microseconds since 1970.

    `parameters` are pairs of texts, as JSON; where `instructor_id` is not None, only that instructor's events may be in
    the file. `created_at` is also the `now` of the request. `run` counts how often it was begun, `crashes` how often
    it broke off. `size` is in bytes.
    """

    id: int
    provider_id: int
    instructor_id: int | None
    report: str
    format: str
    parameters: str
    created_at: int
    status: Status = Status.QUEUED
    run: int = 0
    crashes: int = 0
    total_items: int = 0
    complete_items: int = 0
    size: int | None = None
    error: str | None = None
    started_at: int | None = None
    finished_at: int | None = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How many jobs wait and run, since when the first of those that wait does, and the bytes of the kept files."""

    queued: int
    running: int
    oldest: int | None
    size: int


class JobTable(Protocol):
    """The jobs of a store. What returns has been committed."""

    def add(
        self, job: Job, *, most: int, most_of_provider: int, remember: Callable[[int], Answered | None]
    ) -> Job | None:
        """Add a job under an id that none ever had; None where `most` wait already, or `most_of_provider` of its own.

        `remember` tells, given the id, what `Store.answered` is to know, in the same transaction.
        """
        ...

    def get(self, provider_id: int, id_: int) -> Job | None:
        """One job of a provider."""
        ...

    def page(self, provider_id: int, instructor_id: int | None, limit: int, offset: int) -> tuple[int, Sequence[Job]]:
        """How many jobs a provider has, and some of them, the newest first; of one instructor where there is one."""
        ...

    def of_status(self, *statuses: Status) -> Sequence[Job]:
        """All jobs of these statuses, whoever's, by id."""
        ...

    def claim(self, now: int) -> Job | None:
        """Let the next job that waits be running from `now` on; None where none waits.

        That is the oldest one of the providers with the fewest running jobs.
        """
        ...

    def keep(self, job: Job, total: int, done: int) -> bool:
        """Tell that a run goes on, and how far it is; False where its job has moved on, so that it is to end.

        Where other processes carry out jobs as well, a run of which this is not told for a while counts as lost.
        """
        ...

    def lost(self) -> Sequence[Job]:
        """The running jobs that nobody carries out any more, by id.

        Where one process has the store these are all, but for those that the process knows itself to carry out.
        """
        ...

    def change(self, before: Job, after: Job) -> bool:
        """Store `after`, unless the job is no longer in the status and the run of `before`; whether that was done."""
        ...

    def remove(self, job: Job) -> bool:
        """Forget a job, unless it is no longer in this status and run; whether that was done."""
        ...

    def forget(self, before: int) -> None:
        """Forget jobs that were created before an instant and have neither a file nor work to come."""
        ...

    def standing(self) -> Standing:
        """How many jobs wait and run."""
        ...
