"""The files of an embedded store: which is one, and which is its log. It needs no engine to tell."""

from __future__ import annotations

import fcntl
import re
from typing import TYPE_CHECKING, Final

from turnout.store.owner import StoreOwned

if TYPE_CHECKING:
    from pathlib import Path

_LOG: Final = ".wal"
_LOGS: Final = re.compile(r"(.+)\.wal(\.checkpoint|\.recovery)?")
"""The names of the engine's logs, those of a checkpoint and of a recovery included."""
_MARK: Final = b"DUCK"
_MARK_AT: Final = 8
"""Where the engine's files say what they are, in bytes (DuckDB's storage format)."""


def log_of(path: Path) -> Path:
    """The engine's write-ahead log of a store's file."""
    return path.with_name(path.name + _LOG)


def store_of_log(path: Path) -> Path | None:
    """The store one of whose logs would have this name, whether or not there is one."""
    found = _LOGS.fullmatch(path.name)
    return path.with_name(found[1]) if found else None


def holds_a_store(path: Path) -> bool:
    """Whether a file is one of the engine's. `OSError` where it cannot be read."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(_MARK_AT + len(_MARK))[_MARK_AT:] == _MARK


def must_be_free(path: Path) -> None:
    """Raise `StoreOwned` where an engine that may change it has a store's file open, but for one of this process."""
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            raise StoreOwned(path, None, None) from None
