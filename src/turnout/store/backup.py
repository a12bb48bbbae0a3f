"""Copies of a store: how one is made of a store in use, looked at, and put in a store's place.

Between two checkpoints the engine changes nothing that the file's header leads to, and a checkpoint comes only with a
change. So a copy is made while nothing may change: the log is emptied by a checkpoint, and then the file is copied as
it is; where the file system can share blocks that takes no time at all. Readers do not wait for it.

A store is replaced by renaming, and what was there keeps another name: at any moment there is a whole store, the one
before or the new one.
"""
# ruff: noqa: S608 - the names in the SQL are those of `schema`

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

import duckdb

from turnout.errors import TurnoutError
from turnout.store.duckdb_file import attach, attach_file, engine_errors, schema_version, unreadable
from turnout.store.files import log_of
from turnout.store.owner import StoreOwned
from turnout.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HEADERS: Final = 3 * 4096
_BLOCK: Final = 1 << 20
_SPARE: Final = 64 << 20
"""So many bytes of the disk are left to everything else."""
_CLONE: Final = 0x40049409
"""Linux' FICLONE: the copy shares the blocks of the original until one of them is changed."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds. `size` is bytes."""

    size: int
    schema_version: int
    attendances: int
    providers: int


def has_log(path: Path) -> bool:
    """Whether anything that was committed is not in the file yet."""
    log = log_of(path)
    return log.exists() and log.stat().st_size > 0


def copy_of(source: BinaryIO, path: Path) -> BinaryIO:
    """Copy a store's open file, at `path`, into a nameless one beside it, while nothing may change.

    Raises `storage_unavailable` where the disk has no room.
    """
    size = os.fstat(source.fileno()).st_size
    room_for(size, path.parent)
    try:
        made = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - the caller's
    except OSError as error:
        raise _failed("made", error) from None
    try:
        before = os.pread(source.fileno(), _HEADERS, 0)
        try:
            fcntl.ioctl(made, _CLONE, source.fileno())
        except OSError:
            source.seek(0)
            shutil.copyfileobj(source, made, _BLOCK)
        made.flush()
        made.seek(0)
    except OSError as error:
        made.close()
        raise _failed("written", error) from None
    if os.pread(source.fileno(), _HEADERS, 0) != before:
        made.close()
        raise TurnoutError("server_error", "The copy was given up: the store changed while it was made.")
    return made


def room_for(size: int, directory: Path) -> None:
    """Raise `storage_unavailable` where a directory's disk has no room for so many bytes more."""
    free = shutil.disk_usage(directory).free
    if free < size + _SPARE:
        raise TurnoutError(
            "storage_unavailable",
            f"The disk of {directory} has no room for a copy: {size >> 20} MiB are needed, {free >> 20} MiB are free.",
        )


def look_at(path: Path) -> Copied:
    """What a copy holds, all of which is read; changes nothing. Raises `StoreUnfit` where it is no sound store."""
    with duckdb.connect(":memory:") as connection:
        attach_file(connection, path, read_only=True)
        found = _counts(connection, path)
        with engine_errors("Reading the copy"):
            _read_whole(connection, path)
        return found


def prepare(
    source: BinaryIO, log: BinaryIO | None, made: Path, progress: Callable[[int], None] = lambda _: None
) -> Copied:
    """Copy a backup (and its log, if it has one) to `made`, upgrade it where it is older, and read all of it.

    Raises `StoreUnfit` where it is no store, damaged, or of a newer Turnout.
    """
    for given, target in ((source, made), (log, log_of(made))):
        if given:
            _write(given, target, progress)
    connection = attach(made, memory_limit=None, threads=None, temp_directory=made.with_name("tmp"))
    try:
        found = _counts(connection, made)
        with engine_errors("Reading the backup"):
            _read_whole(connection, made)
            connection.execute("CHECKPOINT")
    finally:
        connection.close()
    with made.open("rb") as file:
        os.fsync(file.fileno())
    return found


def _read_whole(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Read every table; the engine compares each block with its checksum."""
    try:
        for table in tables():
            connection.execute(f"SELECT bit_xor(hash(one)) FROM {table} AS one")
            connection.fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise unreadable(path, str(error)) from None


def put_in_place(made: Path, path: Path, now: int) -> Path | None:
    """Let the store `made` be the one at `path`; return under which name the one before is kept, if there was one.

    Nobody may have it open: raises `StoreOwned` where somebody has. `made` is on the same file system, and closed.
    """
    if not path.exists():
        if log_of(path).exists():
            raise TurnoutError("storage_unavailable", f"{log_of(path)} belongs to a store that is gone; move it away.")
        try:
            path.hardlink_to(made)
        except FileExistsError:
            raise TurnoutError("conflict", f"Another process has just made {path}.") from None
        _keep_name(path)
        return None
    _settle(path)
    at = datetime.fromtimestamp(now / 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = path.with_name(f"{path.name}.replaced-{at}")
    with _locked(path):
        log = log_of(path)
        kept.hardlink_to(path)
        if log.exists():  # of a store that is damaged: it cannot be got into the file
            log_of(kept).hardlink_to(log)
            _keep_name(path)
            log.unlink()
        made.replace(path)
        _keep_name(path)
    return kept


def _settle(path: Path) -> None:
    """Get what is in the log into the file, where the store is sound; what is damaged stays as it is."""
    with duckdb.connect(":memory:") as connection:
        try:
            attach_file(connection, path)
        except StoreOwned:
            raise
        except TurnoutError:
            return
        with suppress(duckdb.Error):
            connection.execute("CHECKPOINT")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep every engine from opening the file, with the lock that it takes itself."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreOwned(path, None, None) from None
        yield


def _counts(connection: duckdb.DuckDBPyConnection, path: Path) -> Copied:
    version = schema_version(connection, path)
    with engine_errors("Reading the backup"):
        counts = connection.execute("SELECT (SELECT count(*) FROM attendances), (SELECT count(*) FROM provider)")
        ((attendances, providers),) = counts.fetchall()
    return Copied(path.stat().st_size, version, attendances, providers)


def _write(source: BinaryIO, target: Path, progress: Callable[[int], None]) -> None:
    done = 0
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while block := source.read(_BLOCK):
            file.write(block)
            done += len(block)
            progress(done)


def _keep_name(path: Path) -> None:
    """Have the names in a file's directory written to the disk."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _failed(doing: str, error: OSError) -> TurnoutError:
    return TurnoutError("storage_unavailable", f"The copy could not be {doing}: {error.strerror}.")
