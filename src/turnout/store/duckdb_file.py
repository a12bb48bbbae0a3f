"""The embedded store's file: opening it safely, and saying clearly why it cannot be opened.

The file is attached to an in-memory DuckDB, which is the way to choose the row groups' size. After that the engine is
locked: no other file, no extension, no network and no change of settings is possible from SQL.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from turnout.errors import TurnoutError
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
_LITTLE_SPACE: Final = 256 << 20
_FULL: Final = ("No space left", "File too large", "Disk quota exceeded")


class EngineLost(TurnoutError):  # noqa: N818 - it says what is so
    """The engine has given the file up, because a checkpoint failed; what was committed is in the log."""


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
        raise EngineLost("storage_unavailable", f"{doing} failed ({type(error).__name__}).") from None
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError) as error:
        raise TurnoutError("server_error", f"{doing} failed ({type(error).__name__}).") from None
    except duckdb.Error as error:
        full = " The disk is full." if any(sign in str(error) for sign in _FULL) else ""
        kind = EngineLost if "has been invalidated" in str(error) else TurnoutError
        raise kind("storage_unavailable", f"{doing} failed ({type(error).__name__}).{full}") from None


def attach(
    path: Path, *, memory_limit: str | None, threads: int | None, temp_directory: Path
) -> duckdb.DuckDBPyConnection:
    """Open the store's file, creating it where there is none; return the one connection to it.

    Raises `StoreOwned` where another process has it, and `TurnoutError` `storage_unavailable` where it is damaged, is
    not a Turnout store, was written by a newer Turnout, or cannot be read and written.
    """
    # The write-ahead log and temporary files hold personal data too, and the engine makes them by the umask.
    os.umask(os.umask(0o077) | 0o077)
    _check_place(path)
    if not path.exists():
        _create(path)
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        # Also keeps clear of an engine fault: see `merge._must_equal`.
        "preserve_insertion_order": False,
        # Rows stay where they were written until `rebuild` moves them: left to itself, the engine fills up the groups
        # of the ordered part with rows of the tail.
        "max_vacuum_tasks": 0,
        "temp_directory": str(temp_directory),
    }
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = threads
    try:
        connection = duckdb.connect(":memory:", config=config)
    except duckdb.Error:
        raise TurnoutError(
            "storage_unavailable",
            f"The memory limit {memory_limit!r} or the number of threads {threads!r} is not understood.",
        ) from None
    try:
        attach_file(connection, path)
        version = schema_version(connection, path)
        if version < SCHEMA_VERSION:
            _upgrade(connection, path, version)
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


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


def faults_of(path: Path) -> Iterator[str]:
    """What is unwise about where and how the store's file lies."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield f"Other users may open the file (mode {mode:o}); `chmod 600 {path}` keeps it private."
    free = shutil.disk_usage(path.parent).free
    if free < _LITTLE_SPACE:
        yield f"Only {free >> 20} MiB are free on the disk."


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
        (path, os.R_OK | os.W_OK, "read and write"),
        (path.parent, os.W_OK | os.X_OK, "write in"),
    ):
        if not os.access(place, rights):
            raise _unavailable(f"The store {path} cannot be opened: this user may not {doing} {place}.")


def _create(path: Path) -> None:
    """Make an empty store, whole or not at all: it is made aside and then linked to its name."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".turnout-") as aside:
            made = Path(aside, "new.duckdb")
            with duckdb.connect(":memory:") as connection:
                connection.execute(_attach_sql(made))
                connection.execute(f"USE {CATALOG}")
                connection.execute("BEGIN TRANSACTION")
                for name, columns in tables().items():
                    described = ", ".join(f"{column} {kind}" for column, kind in columns.items())
                    connection.execute(f"CREATE TABLE {name} ({described})")
                connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(SCHEMA_VERSION)])
                connection.execute("COMMIT")
            _name(made, path)
    except (OSError, duckdb.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
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
        raise _unavailable(_reason(path, text)) from None


def _reason(path: Path, text: str) -> str:
    """What the engine's error text means for the one who wants to open the file."""
    if "not a valid DuckDB database" in text:
        return f"{path} is not a Turnout store, so it is left alone."
    if "version number" in text or "newer" in text:
        return f"The store {path} was written by a newer version of the database engine; use the newer Turnout."
    for sign, meaning in (
        ("Permission denied", "permission denied"),
        ("Read-only file system", "the file system is read-only"),
        ("No space left", "the disk is full"),
        ("Too many open files", "too many files are open"),
    ):
        if sign in text:
            return f"The store {path} cannot be opened: {meaning}."
    return f"The store {path} is damaged and cannot be opened; restore it from a backup."


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
        raise _unavailable(f"The store {path} is of an older Turnout. {_reason(path, str(error))}") from None


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
        raise _unavailable(_reason(path, str(error))) from None
    if not found:
        raise _unavailable(f"{path} is a database of something else, not a Turnout store, so it is left alone.")
    version = int(found[0][0])
    if version > SCHEMA_VERSION:
        raise _unavailable(
            f"The store {path} was written by a newer Turnout (schema {version}; this one knows {SCHEMA_VERSION})."
        )
    return version
