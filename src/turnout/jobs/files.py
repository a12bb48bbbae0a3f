"""The files of jobs: what they are called, how they get where they are kept, and which of them are of no use."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from turnout.jobs.homes import is_part, parts_of
from turnout.query.instants import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from turnout.jobs.homes import Home
    from turnout.store.base import Store
    from turnout.store.jobs import Job

_log: Final = logging.getLogger("turnout.exports")
SECRET: Final = "exports"  # noqa: S105 - its name
"""The name of the store's secret that its files are called by."""
_NAME: Final = re.compile(r"(?P<id>[0-9]+)-(?P<created>[0-9]+)-(?P<run>[0-9]+)\.")


class Files:
    """The files of one store's jobs in a home; `life` is how long they are kept, in microseconds.

    A name says of which run of which job a file is: of two processes that both believe to carry out a job, neither
    touches the other's file.
    """

    def __init__(self, store: Store, home: Home, life: int) -> None:
        self.home = home
        self._store = store
        self._life = life
        self._own: str | None = None

    def name(self, job: Job) -> str:
        """What the file of a job's run is called when it is whole."""
        return f"{self._prefix}{job.id}-{job.created_at}-{job.run}.{job.format}"

    @contextmanager
    def making(self, job: Job, check: Callable[[], None]) -> Iterator[Path]:
        """A path to write a job's file to; see `Home.making`."""
        with self.home.making(self.name(job), check) as path:
            self._alone()
            yield path

    def found(self) -> set[str]:
        """The files that are there, whole or not. Several stores may have theirs in one place."""
        return self.home.names(self._prefix)

    def lacks(self, job: Job) -> bool:
        """Whether a job's file is known not to be there. Nobody waits for a network to learn it."""
        if self.home.far:
            return False
        try:
            self.home.size(self.name(job))
        except OSError:
            return True
        return False

    def size(self, job: Job) -> int:
        """How many bytes a job's file has; see `Home.size`."""
        return self.home.size(self.name(job))

    def read(self, job: Job, start: int, end: int) -> Iterator[bytes]:
        """A part of a job's file; see `Home.read`."""
        return self.home.read(self.name(job), start, end)

    def remove(self, job: Job) -> None:
        """Remove a job's file, if it is there."""
        self._remove(self.name(job))

    def sweep(self, kept: Callable[[], Iterable[Job]], known: Callable[[], Iterable[Job]], now: int) -> None:
        """Remove the files of no job that is `kept`; where others may have files of the same names, see `_may_go`.

        The jobs are asked for after the files are: what others make meanwhile is not among the files, and what was
        being made then is of a job that runs, or has its file.
        """
        self.home.tidy()
        there = self.found()
        if not there:
            return
        names = {self.name(job) for job in kept()}
        useless = there - names - parts_of(names)
        if useless and not self._alone():
            runs = {(job.id, job.created_at): job.run for job in known()}
            useless = {name for name in useless if self._may_go(name, runs, now)}
        for name in useless:
            self._remove(name)

    def _may_go(self, name: str, runs: dict[tuple[int, int], int], now: int) -> bool:
        """Whether a file of no use here is of no use to anybody.

        A copy of a store, such as a restored backup, calls its files as the original does, and knows fewer of them. Of
        jobs that nobody here knows it takes a day more than the life of a file to be sure.
        """
        match = _NAME.match(name, len(self._prefix))
        if match is None:
            return False
        id_, created, run = (int(part) for part in match.groups())
        return run <= runs.get((id_, created), -1) or created < now - self._life - DAY

    def _alone(self) -> bool:
        """Whether nobody else keeps files of this store here."""
        return not self._store.shared and self.home.alone(self._prefix)

    def _remove(self, name: str) -> None:
        """Remove a file that is of no use. Where that fails it is swept some time later; nothing else suffers."""
        try:
            self.home.remove(name)
        except OSError as error:
            _log.warning("a file of an export cannot be removed", extra={"fields": {"reason": error.strerror}})

    @property
    def _prefix(self) -> str:
        if self._own is None:
            self._own = _prefix_of(self._store.secret(SECRET))
        return self._own


def carry_files(source: Home, target: Home, secret: bytes) -> int:
    """Copy the whole files of a store from one home to another; return how many there are. Those that are there stay.

    Each is there as a whole or not at all. Raises `OSError` where that cannot be done.
    """
    prefix = _prefix_of(secret)
    names = {name for name in source.names(prefix) if not is_part(name)}
    for name in sorted(names - target.names(prefix)):
        with target.making(name, lambda: None) as path, path.open("wb") as written:
            for block in source.read(name, 0, source.size(name)):
                written.write(block)
    return len(names)


def _prefix_of(secret: bytes) -> str:
    return sha256(secret).hexdigest()[:12] + "-"
