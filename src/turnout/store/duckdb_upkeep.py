"""The embedded store's `Upkeep`: each step has the store's changes to itself, for as short as can be."""

from __future__ import annotations

import glob
import shutil
import stat
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

import duckdb

from turnout.errors import TurnoutError
from turnout.query.sql import TABLE as ATTENDANCES
from turnout.query.sql import Statement
from turnout.store.backup import copy_of, has_log
from turnout.store.base import StoreStatus
from turnout.store.files import log_of, store_of_log
from turnout.store.rebuild import Rebuild, layout, sort_tail, write_anew
from turnout.store.schema import SCHEMA_VERSION, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from turnout.store.duckdb_engine import Engine
    from turnout.store.layout import Layout
    from turnout.store.merge import Work

PATIENCE: Final = 30.0
"""So many seconds are given to those who read what was there before a change, until a copy is given up."""
_PAUSE: Final = 0.1
_LITTLE_SPACE: Final = 256 << 20
_LITTLE_USED: Final = 4
"""Where so much of the file is free, a quarter, what keeps its end from being cut off is moved as well."""


class DuckUpkeep:
    """See `base.Upkeep`."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self._path = path
        self._engine = engine
        self._source: BinaryIO | None = None

    def layout(self) -> Layout:
        """How far the attendances are in order."""
        with self._engine.snapshot() as snapshot:
            return layout(lambda sql: snapshot.rows(Statement(sql, ())))

    def status(self, providers: int, retained_at: int | None, *, holds_forgotten: bool) -> StoreStatus:
        """What the store is and holds, and what is wrong with it."""
        found = self.layout()
        parts = (self._path, log_of(self._path))
        size = sum(part.stat().st_size for part in parts if part.exists())
        forgotten = size if holds_forgotten else 0
        return StoreStatus(
            engine="DuckDB",
            version=duckdb.__version__,
            location=str(self._path),
            size=size,
            schema_version=SCHEMA_VERSION,
            attendances=found.attendances,
            providers=providers,
            faults=tuple(_faults_of(self._path, forgotten=forgotten, damaged=self._engine.damaged())),
            retained_at=retained_at,
            tail=found.tail,
            free=found.free,
            rebuilt_at=found.rebuilt_at,
            kept=_kept_of(self._path),
        )

    def sort_tail(self) -> int:
        """Sort what is not in order; return how many rows that were."""

        def step(work: Work) -> int:
            moved = sort_tail(work)
            self._checkpoint(work)
            return moved

        return self._engine.alone(step, "Sorting")

    def rebuild(self, now: Callable[[], int], *, rest: Callable[[float], None] = lambda _: None) -> int:
        """Put all attendances in order; return how many rows were moved."""
        rebuild = Rebuild()

        def step(work: Work) -> bool:
            done = rebuild.step(work, now())
            self._checkpoint(work)
            return done

        done = False
        while not done:
            began = time.monotonic()
            done = self._engine.alone(step, "Rebuilding")
            rest(time.monotonic() - began)
        found = self.layout()
        if found.free * _LITTLE_USED >= found.size:
            for table in tables():
                if table != ATTENDANCES:
                    began = time.monotonic()
                    self._engine.alone(partial(self._write_anew, table), "Rebuilding")
                    rest(time.monotonic() - began)
        return rebuild.moved

    def _write_anew(self, table: str, work: Work) -> None:
        with self._engine.small:
            write_anew(work, table)
        self._checkpoint(work)

    def copy(self) -> BinaryIO:
        """A whole copy of the store, which is gone when it is closed.

        Waits for those who read what was there before a change. Raises `storage_unavailable` where they take too long.
        """

        def step(work: Work) -> BinaryIO | None:
            with self._engine.small:
                self._checkpoint(work, locked=True)
                if has_log(self._path):
                    return None  # somebody kept the checkpoint from being made
                if self._source is None:
                    # Never closed before the engine is: that would take the engine's lock off the file.
                    self._source = self._path.open("rb")
                return copy_of(self._source, self._path)

        end = time.monotonic() + PATIENCE
        while not (copied := self._engine.alone(step, "Copying")):
            if time.monotonic() > end:
                raise TurnoutError(
                    "storage_unavailable",
                    "No copy was made: for a long time, somebody has been reading what was there before a change.",
                    retry_after=10,
                )
            time.sleep(_PAUSE)
        return copied

    def close(self) -> None:
        """To be called when the engine has let go of the file."""
        if self._source:
            self._source.close()

    def _checkpoint(self, work: Work, *, locked: bool = False) -> None:
        """Write what is committed into the file, so that what was let go can be used again, unless others keep it."""
        with suppress(duckdb.TransactionException):
            if locked:
                work.run("CHECKPOINT")
                return
            with self._engine.small:
                work.run("CHECKPOINT")


def _faults_of(path: Path, *, forgotten: int, damaged: bool) -> Iterator[str]:
    """What is wrong with the store's file, or with where and how it lies; and that it is to be overwritten.

    `forgotten` are the bytes in which there may be something that was forgotten.
    """
    if damaged:
        yield "A part of the file is damaged: what is in it cannot be read, and backups fail. Restore a backup."
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield f"Other users may open the file (mode {mode:o}); `chmod 600 {path}` keeps it private."
    free = shutil.disk_usage(path.parent).free
    if free < _LITTLE_SPACE:
        yield f"Only {free >> 20} MiB are free on the disk."
    if forgotten:
        yield (
            "The file still holds what was forgotten, though nobody can read it. A server overwrites it by itself, as "
            f"`turnout erase` does when it is run again; up to {(forgotten >> 20) + 1} MiB have to be free."
        )


def _kept_of(path: Path) -> tuple[str, ...]:
    """Older states of the store beside it: what restores have replaced, and copies from before an upgrade."""
    name = glob.escape(path.name)
    found = [kept for kind in ("replaced", "schema") for kept in path.parent.glob(f"{name}.{kind}-*")]
    return tuple(sorted(str(kept) for kept in found if not store_of_log(kept)))
