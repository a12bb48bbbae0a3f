"""The files of jobs: where they lie, and how they get there whole."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from turnout.store.open import kept_beside, store_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from turnout.settings import Settings
    from turnout.store.base import Store
    from turnout.store.jobs import Job

_log: Final = logging.getLogger("turnout.exports")
_PART: Final = ".part"
_BLOCK: Final = 1 << 20
SECRET: Final = "exports"  # noqa: S105 - its name
"""The name of the store's secret that its files are called by."""


def directory_of(settings: Settings) -> Path:
    """Where the files of a server's jobs are kept."""
    if settings.export_directory:
        return store_path(settings.export_directory)
    return kept_beside(settings.database, "exports", settings.data_directory)


class Files:
    """The files of one store's jobs. They are for its user alone, as the store is."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.directory = directory
        self._store = store
        self._own: str | None = None
        self._lock: int | None = None

    def path(self, job: Job) -> Path:
        """Where the file of a job's run lies when it is whole."""
        return self.directory / f"{self._prefix}{job.id}-{job.created_at}-{job.run}.{job.format}"

    @contextmanager
    def making(self, job: Job) -> Iterator[Path]:
        """A path to write a job's file to; it gets its name when the block ends well, and is gone where it raises.

        The file and its name are on the disk then. Raises `OSError` where that cannot be done.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._are_ours()
        path = self.path(job)
        part = path.with_name(path.name + _PART)
        try:
            part.touch(mode=0o600)
            yield part
            part.chmod(0o600)
            _keep(part)
            part.replace(path)
            _keep(self.directory)
        finally:
            part.unlink(missing_ok=True)

    def found(self) -> set[Path]:
        """The files that are there, whole or not. Several stores may have theirs in one directory."""
        return set(self.directory.glob(self._prefix + "*"))

    def _are_ours(self) -> bool:
        """Whether nobody else keeps files of this store here, from now on until the process ends or `close`.

        A copy of a store, such as a restored backup, calls its files as the original does, and knows fewer of them.
        """
        if self._lock is None:
            try:
                lock = os.open(self.directory / f".{self._prefix}lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                return False
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                return False
            self._lock = lock
        return True

    def close(self) -> None:
        """Let others keep files of this store here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def of(self, jobs: Iterable[Job]) -> set[Path]:
        """The files that jobs may have, be they whole or being made."""
        paths = {self.path(job) for job in jobs}
        return paths | {path.with_name(path.name + _PART) for path in paths}

    def remove(self, job: Job) -> None:
        """Remove a job's file, if it is there."""
        _unlink(self.path(job))

    def sweep(self, there: set[Path], kept: Iterable[Job], known: Callable[[], Iterable[Job]]) -> None:
        """Remove, of the files that are `there`, those of no job that is `kept`.

        Where another store may have files of the same names, only those of jobs that are `known`.
        """
        useless = there - self.of(kept)
        if not self._are_ours():
            useless &= self.of(known())
        for path in useless:
            _unlink(path)

    def fault(self) -> str | None:
        """Why no files can be kept, or why others may read them."""
        place = next(path for path in (self.directory, *self.directory.parents) if path.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            return f"Exports cannot be written: this user may not write in {place}."
        if place == self.directory and stat.S_IMODE(place.stat().st_mode) & 0o077:
            return f"Other users may look into {place}; `chmod 700 {place}` keeps exports private."
        return None

    @property
    def _prefix(self) -> str:
        if self._own is None:
            self._own = _prefix_of(self._store.secret(SECRET))
        return self._own


def carry_files(source: Path, target: Path, secret: bytes) -> int:
    """Copy the whole files of a store from one directory to another; return how many. Those that are there stay.

    Each is there as a whole or not at all. Raises `OSError` where that cannot be done.
    """
    names = sorted(path.name for path in source.glob(_prefix_of(secret) + "*") if path.suffix != _PART)
    if names:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        if not (target / name).exists():
            part = target / (name + _PART)
            with (
                (source / name).open("rb") as read,
                os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written,
            ):
                shutil.copyfileobj(read, written, _BLOCK)
            _keep(part)
            part.replace(target / name)
    if names:
        _keep(target)
    return len(names)


def _prefix_of(secret: bytes) -> str:
    return sha256(secret).hexdigest()[:12] + "-"


def _keep(path: Path) -> None:
    """Have what was written to a file or a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(path: Path) -> None:
    """Remove a file that is of no use. Where that fails it is swept some time later; nothing else suffers from it."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("a file of an export cannot be removed", extra={"fields": {"reason": error.strerror}})
