"""The embedded store's file: opening it safely, and saying clearly why it cannot be opened.

The file is attached to an in-memory DuckDB, which is the way to choose the row groups' size. After that the engine is
locked: no other file, no extension, no network and no change of settings is possible from SQL.
"""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from turnout.errors import TurnoutError
from turnout.store.aside import made_aside, sweep
from turnout.store.layout import MARK, unfinished
from turnout.store.migrations import copy_beside, upgrade
from turnout.store.owner import StoreOwned
from turnout.store.schema import ROW_GROUP, SCHEMA_VERSION, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CATALOG: Final = "turnout"
_FIRST_TABLES: Final = {"meta", "secret", "provider", "token", "attendances"}
"""Tables that stores of all versions have."""
_PATIENCE: Final = 5.0
_PAUSE: Final = 0.01
_LOGGED: Final = "64MB"
"""So long the write-ahead log grows. Reading it after a crash takes less than a second."""
_LEFT_ALONE: Final = ", so it is left alone"
_FULL: Final = "the disk is full"
_CAUSES: Final = {
    "No space left": _FULL,
    "File too large": _FULL,
    "Disk quota exceeded": _FULL,
    "Read-only file system": "the file system is read-only",
    "Permission denied": "permission denied",
    "Too many open files": "too many files are open",
}
"""What of the system's reasons is in an error of the engine, and what it means."""


class EngineLost(TurnoutError):  # noqa: N818 - it says what is so
    """The engine has given the file up, because a checkpoint failed; what was committed is in the log."""


class StoreDamaged(TurnoutError):  # noqa: N818 - as above
    """A part of the file is not what was written; what needs no other part can still be read."""


class StoreUnfit(TurnoutError):  # noqa: N818 - as above
    """A file cannot be opened because of what is in it: `why` says what. `remedy` is what to do about a store."""

    def __init__(self, path: Path, why: str, remedy: str = "") -> None:
        super().__init__("storage_unavailable", f"{path} {why}{remedy}.")
        self.why = why
        self.remedy = remedy


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn the engine's errors into `TurnoutError`s that hold neither SQL nor values.

    `query_timeout` where a statement was interrupted; `storage_unavailable` where the file, the disk or the memory
    failed; `server_error` for what only a mistake in this program can cause.
    """
    try:
        yield
    except duckdb.InterruptException:
        raise TurnoutError("query_timeout") from None
    except duckdb.OutOfMemoryException:
        raise TurnoutError(
            "storage_unavailable", f"{doing} needs more memory or temporary disk space than the store may use."
        ) from None
    except duckdb.FatalException as error:
        given_up = _cause(str(error)) or "the engine has given the file up, which is opened anew"
        raise EngineLost("storage_unavailable", f"{doing} failed: {given_up}.") from None
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError) as error:
        raise TurnoutError("server_error", f"{doing} failed ({type(error).__name__}).") from None
    except duckdb.Error as error:
        if _DAMAGED in str(error):
            raise StoreDamaged("storage_unavailable", f"{doing} failed: {DAMAGE}.", retry_after=_LATER) from None
        cause = _cause(str(error))
        kind = EngineLost if any(sign in str(error) for sign in _LOST) else TurnoutError
        raise kind(
            "storage_unavailable", f"{doing} failed{f': {cause}' if cause else f' ({type(error).__name__})'}."
        ) from None


_DAMAGED: Final = "Corrupt database file"
DAMAGE: Final = "the store's file is damaged; it is to be restored from a backup"
_LATER: Final = 3_600
"""Seconds: nothing passes by itself here."""
_LOST: Final = ("has been invalidated", "autocheckpoint failed")
"""What the engine says when it has given the file up. A commit whose checkpoint failed is durable all the same."""


def _cause(text: str) -> str | None:
    """Why the system refused the engine something, where that is known."""
    return next((meaning for sign, meaning in _CAUSES.items() if sign in text), None)


def attach(
    path: Path, *, memory_limit: str | None, threads: int | None, temp_directory: Path, in_part: bool = False
) -> duckdb.DuckDBPyConnection:
    """Open the store's file, creating it where there is none; return the one connection to it.

    `temp_directory`, for what the memory does not hold, is this store's alone.
    Raises `StoreOwned` where another process has it, and `TurnoutError` `storage_unavailable` where it is damaged, is
    not a Turnout store, was written by a newer Turnout, or cannot be read and written; unless it may be `in_part`,
    also where it holds a part of a store that is being moved.
    """
    # The write-ahead log and temporary files hold personal data too, and the engine makes them by the umask.
    os.umask(os.umask(0o077) | 0o077)
    _check_place(path)
    if not path.exists():
        _create(path)
    connection = new_engine(memory_limit, threads, temp_directory, in_order=False)
    spilled = list(temp_directory.glob("duckdb_temp_*"))
    try:
        attach_file(connection, path)
        # The file is this process's alone from here on. What those who were killed have left holds personal data.
        sweep(path)
        for left in spilled:
            left.unlink(missing_ok=True)
        version = schema_version(connection, path)
        if version < SCHEMA_VERSION:
            _upgrade(connection, path, version)
        lock_up(connection, path, in_part=in_part)
    except BaseException:
        connection.close()
        raise
    return connection


def new_engine(
    memory_limit: str | None, threads: int | None, temp_directory: Path, *, in_order: bool
) -> duckdb.DuckDBPyConnection:
    """An engine without a file. `in_order` reads tables as they lie."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        # Also keeps clear of an engine fault: see `merge._must_equal`.
        "preserve_insertion_order": in_order,
        # Rows stay where they were written until `rebuild` moves them: left to itself, the engine fills up the groups
        # of the ordered part with rows of the tail.
        "max_vacuum_tasks": 0,
        # What small merges have logged gets into the file at once: each time, the last group of rows is written anew.
        "checkpoint_threshold": _LOGGED,
        "temp_directory": str(temp_directory),
    }
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = threads
    try:
        return duckdb.connect(":memory:", config=config)
    except duckdb.Error:
        raise TurnoutError(
            "storage_unavailable",
            f"The memory limit {memory_limit!r} or the number of threads {threads!r} is not understood.",
        ) from None


def lock_up(connection: duckdb.DuckDBPyConnection, path: Path, *, in_part: bool) -> None:
    """Let the engine do nothing but work on its file. Refuse one that holds a part of a store that is being moved."""
    with engine_errors("Reading the store"):
        found = connection.execute("SELECT value FROM meta WHERE name = ?", [MARK]).fetchall()
    if found and not in_part:
        raise _unavailable(unfinished(str(path), found[0][0]))
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def attach_when_free(attach_it: Callable[[], duckdb.DuckDBPyConnection]) -> duckdb.DuckDBPyConnection:
    """Attach a file that this process has just closed: whoever was reading it has to notice that first."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return attach_it()
        except StoreOwned:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE)


def cursor_of(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Another connection to the same store, for one thread at a time."""
    cursor = connection.cursor()
    cursor.execute(f"USE {CATALOG}")
    return cursor


def _unavailable(message: str) -> TurnoutError:
    return TurnoutError("storage_unavailable", message)


def _check_place(path: Path) -> None:
    """Make the file's directory where it is missing; refuse what is not a plain file, or may not be used."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unavailable(f"The directory {path.parent} cannot be made: {error.strerror}.") from None
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unavailable(f"The store {path} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(mode):
        raise _unavailable(f"{path} is not a file, so it cannot be the store.")
    for place, rights, doing in (
        (path, os.R_OK | os.W_OK, "read and write it"),
        (path.parent, os.W_OK | os.X_OK, f"write in {path.parent}"),
    ):
        if not os.access(place, rights):
            read_only = os.statvfs(place).f_flag & os.ST_RDONLY
            why = "the file system is read-only" if read_only else f"this user may not {doing}"
            raise _unavailable(f"The store {path} cannot be opened: {why}.")


def _create(path: Path) -> None:
    """Make an empty store, whole or not at all: it is made aside and then linked to its name."""
    try:
        with made_aside(path) as aside:
            made = aside / "new.duckdb"
            with duckdb.connect(":memory:") as connection:
                connection.execute(_attach_sql(made))
                connection.execute(f"USE {CATALOG}")
                connection.execute("BEGIN TRANSACTION")
                for name, columns in tables().items():
                    described = ", ".join(f"{column} {kind}" for column, kind in columns.items())
                    connection.execute(f"CREATE TABLE {name} ({described})")
                connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(SCHEMA_VERSION)])
                connection.execute("COMMIT")
                connection.execute("CHECKPOINT")  # a full disk is not told of when it is closed
            _name(made, path)
    except (OSError, duckdb.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else _cause(str(error)) or type(error).__name__
        raise _unavailable(f"The store {path} cannot be made: {reason}.") from None


def _name(made: Path, path: Path) -> None:
    """Give the new store its name, without ever replacing one that another process made meanwhile."""
    try:
        path.hardlink_to(made)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            made.rename(path)


def _attach_sql(path: Path, *, read_only: bool = False) -> str:
    quoted = str(path).replace("'", "''")
    how = "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {ROW_GROUP}"
    return f"ATTACH '{quoted}' AS {CATALOG} (TYPE duckdb, {how})"


def attach_file(connection: duckdb.DuckDBPyConnection, path: Path, *, read_only: bool = False) -> None:
    """Attach a file that is there to an engine that is not locked yet. Raises as `attach` does."""
    try:
        connection.execute(_attach_sql(path, read_only=read_only))
        connection.execute(f"USE {CATALOG}")
    except duckdb.Error as error:
        text = str(error)
        if "Unique file handle conflict" in text:
            raise StoreOwned(path, os.getpid(), None) from None
        if "Could not set lock" in text:
            found = re.search(r"held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)", text)
            raise StoreOwned(
                path, int(found["pid"]) if found else None, Path(found["program"]).name if found else None
            ) from None
        raise unreadable(path, text) from None


def unreadable(path: Path, text: str) -> TurnoutError:
    """What the engine's error text means for the one who wants to open the file."""
    if "not a valid DuckDB database" in text:
        return StoreUnfit(path, "is not a Turnout store", _LEFT_ALONE)
    if "version number" in text or "newer" in text:
        return StoreUnfit(path, "was written by a newer version of the database engine; use the newer Turnout")
    if cause := _cause(text):
        return _unavailable(f"The store {path} cannot be opened: {cause}.")
    return StoreUnfit(path, "is damaged and cannot be opened", "; restore it from a backup")


def _upgrade(connection: duckdb.DuckDBPyConnection, path: Path, version: int) -> None:
    """Copy the file of an older Turnout, and bring it up to date."""
    try:
        connection.execute("USE memory")
        connection.execute(f"DETACH {CATALOG}")  # what is in the write-ahead log gets into the file
        copy_beside(path, version)
        attach_file(connection, path)
        upgrade(connection, version)
    except OSError as error:
        raise _unavailable(
            f"The store {path} is of an older Turnout, and cannot be copied before it is upgraded: {error.strerror}."
        ) from None
    except duckdb.Error as error:
        raise unreadable(path, str(error)) from None


def schema_version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """The version of the store; refuse a database that is not one, or is one that this program does not know."""
    try:
        names = {
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = ?", [CATALOG]
            ).fetchall()
        }
        found = (
            connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchall()
            if names >= _FIRST_TABLES
            else []
        )
    except duckdb.Error as error:
        raise unreadable(path, str(error)) from None
    if not found:
        raise StoreUnfit(path, "is a database of something else, not a Turnout store", _LEFT_ALONE)
    version = int(found[0][0])
    if version > SCHEMA_VERSION:
        raise StoreUnfit(path, f"was written by a newer Turnout (schema {version}; this one knows {SCHEMA_VERSION})")
    return version
