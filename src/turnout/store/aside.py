"""Directories beside a store for what is to become it, or a copy of it.

Whoever opens the store next removes those that a kill has left, since they hold what the store holds.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def made_aside(path: Path) -> Iterator[Path]:
    """An empty directory beside the store at `path`, on the same file system, until the block ends."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=_prefix(path)) as name, _locked(Path(name)):
        yield Path(name)


def sweep(path: Path) -> None:
    """Remove the directories of those who were killed. To be done by the one who has the store open."""
    for left in path.parent.glob(f"{glob.escape(_prefix(path))}*"):
        with suppress(OSError), _locked(left):
            shutil.rmtree(left)


def _prefix(path: Path) -> str:
    return f".{path.name}.aside-"


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock a directory, at most until the process ends, however it does. `OSError` where it is taken."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
