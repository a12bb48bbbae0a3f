"""The files of an embedded store: which is one, and which is its log. It needs no engine to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_LOG: Final = ".wal"
_MARK: Final = b"DUCK"
_MARK_AT: Final = 8
"""Where the engine's files say what they are, in bytes (DuckDB's storage format)."""


def log_of(path: Path) -> Path:
    """The engine's write-ahead log of a store's file."""
    return path.with_name(path.name + _LOG)


def store_of_log(path: Path) -> Path | None:
    """The store whose write-ahead log would have this name, whether or not there is one."""
    name = path.name.removesuffix(_LOG)
    return path.with_name(name) if name not in ("", path.name) else None


def holds_a_store(path: Path) -> bool:
    """Whether a file is one of the engine's."""
    try:
        with path.open("rb") as file:
            return file.read(_MARK_AT + len(_MARK))[_MARK_AT:] == _MARK
    except OSError:
        return False
