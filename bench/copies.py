"""Copies of a store: its file has one owner at a time, and several programs are measured on the same rows."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Final

from bench.say import say
from turnout.reports import cursor_box
from turnout.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PART: Final = 1 << 23


def copied(database: Path, name: str) -> Path:
    """A copy of a store beside it, its own by name; the one that is there serves again while nobody has written either.

    Both open the same cursors. Nobody may have either open.
    """
    copy = database.with_name(f"copy-{name}{database.suffix}")
    if not _same(database, copy):
        with closing(open_store(str(database))) as store:
            # Makes the key of the cursors where the store has none; and a whole file of one that was left in haste.
            cursor_box(store)
        say(f"Copying the store to {copy.name}", passing=True)
        part = copy.with_name(copy.name + ".part")
        shutil.copy2(database, part)
        _log_of(copy).unlink(missing_ok=True)
        part.replace(copy)
    return copy


def read_through(files: Iterable[Path]) -> None:
    """Read files once, so that the system has them in memory as far as they fit."""
    for file in files:
        say(f"Reading {file.name}", passing=True)
        with file.open("rb", buffering=0) as content:
            while content.read(_PART):
                pass


def _same(database: Path, copy: Path) -> bool:
    """Whether the copy is one of the store as it is now, and neither has a write-ahead log to apply."""
    if not copy.exists() or _log_of(database).exists() or _log_of(copy).exists():
        return False
    one, other = database.stat(), copy.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _log_of(database: Path) -> Path:
    return database.with_name(database.name + ".wal")
