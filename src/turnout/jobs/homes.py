"""Where the files of jobs lie: in a directory, or in a bucket of S3-compatible storage."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from turnout.store.open import kept_beside, store_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from turnout.settings import Settings

BLOCK: Final = 1 << 18
"""Bytes of a file that are read at a time."""
_PART: Final = ".part"


class Home(Protocol):
    """Keeps files under names. Raises `OSError` where it cannot; its `strerror` is fit for whoever asked for a file."""

    @property
    def place(self) -> str:
        """Where that is, for people; without secrets."""
        ...

    @property
    def far(self) -> bool:
        """Whether asking it takes a network, and so its time."""
        ...

    def making(self, name: str, check: Callable[[], None]) -> AbstractContextManager[Path]:
        """A path to write a file to; it is kept as `name` when the block ends well, and is gone where it raises.

        It is there whole, or not at all. `check` is called while that takes long, and raises to stop it.
        """
        ...

    def names(self, prefix: str) -> set[str]:
        """The names that begin so, of all that is there, be it whole or not."""
        ...

    def size(self, name: str) -> int:
        """How many bytes a file has. Raises `FileNotFoundError`."""
        ...

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes of a file from `start` until before `end`. Raises `FileNotFoundError` at once, not later."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def alone(self, prefix: str) -> bool:
        """Whether no other process keeps files of this prefix here, from now on until `close`; False if in doubt."""
        ...

    def tidy(self) -> None:
        """Remove what those who were killed have left elsewhere than under a name."""
        ...

    def fault(self) -> str | None:
        """Why no files can be kept, or why others may read them."""
        ...

    def close(self) -> None:
        """Let others keep files here."""
        ...


def parts_of(names: set[str]) -> set[str]:
    """The names under which a home may have what is to become files of these names."""
    return {name + _PART for name in names}


def is_part(name: str) -> bool:
    """Whether a name is that of what is to become a file."""
    return name.endswith(_PART)


def home_of(settings: Settings) -> Home:
    """Where the files of a server's jobs are kept. Raises `parameter_invalid` where the setting is no such place."""
    chosen = settings.export_directory
    beside = kept_beside(settings.database, "exports", settings.data_directory)
    if not chosen:
        return Folder(beside)
    if "://" not in chosen:
        return Folder(store_path(chosen))
    from turnout.jobs.bucket import bucket_of  # noqa: PLC0415 - who has a directory needs none

    return bucket_of(chosen, beside)


class Folder:
    """A directory. Its files are for its user alone, as the store is."""

    far = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock: int | None = None

    @property
    def place(self) -> str:
        """The directory's path."""
        return str(self.directory)

    @contextmanager
    def making(self, name: str, check: Callable[[], None]) -> Iterator[Path]:  # noqa: ARG002 - renaming takes no time
        """A path to write a file to; the file and its name are on the disk when the block has ended well."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.directory / name
        part = path.with_name(name + _PART)
        try:
            part.touch(mode=0o600)
            yield part
            part.chmod(0o600)
            _keep(part)
            part.replace(path)
            _keep(self.directory)
        finally:
            part.unlink(missing_ok=True)

    def names(self, prefix: str) -> set[str]:
        """The names that begin so."""
        return {path.name for path in self.directory.glob(prefix + "*")}

    def size(self, name: str) -> int:
        """How many bytes a file has."""
        return (self.directory / name).stat().st_size

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """A part of a file, which stays readable when it is removed meanwhile."""
        return _blocks((self.directory / name).open("rb"), start, end)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.directory / name).unlink(missing_ok=True)

    def alone(self, prefix: str) -> bool:
        """Whether nobody else has the lock of this prefix; it is held until the process ends, or `close`."""
        if self._lock is None:
            try:
                lock = os.open(self.directory / f".{prefix}lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                return False
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                return False
            self._lock = lock
        return True

    def tidy(self) -> None:
        """Nothing is left elsewhere."""

    def fault(self) -> str | None:
        """Why no files can be kept, or why others may read them."""
        place = next(path for path in (self.directory, *self.directory.parents) if path.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            return f"Exports cannot be written: this user may not write in {place}."
        if place == self.directory and stat.S_IMODE(place.stat().st_mode) & 0o077:
            return f"Other users may look into {place}; `chmod 700 {place}` keeps exports private."
        return None

    def close(self) -> None:
        """Let others keep files of this prefix here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _keep(path: Path) -> None:
    """Have what was written to a file or a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while start < end and (block := file.read(min(BLOCK, end - start))):
            start += len(block)
            yield block
