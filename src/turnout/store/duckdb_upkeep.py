"""The embedded store's `Upkeep`: each step has the store's changes to itself, for as short as can be."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, TypeVar

import duckdb

from turnout.query.sql import TABLE as ATTENDANCES
from turnout.query.sql import Statement
from turnout.store.backup import copy_of, has_log
from turnout.store.base import StoreStatus
from turnout.store.duckdb_file import faults_of
from turnout.store.rebuild import Rebuild, layout, sort_tail, write_anew
from turnout.store.schema import SCHEMA_VERSION, tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from turnout.store.base import Snapshot
    from turnout.store.layout import Layout
    from turnout.store.merge import Work

T = TypeVar("T")

_LITTLE_USED: Final = 4
"""Where so much of the file is free, a quarter, what keeps its end from being cut off is moved as well."""


class Alone(Protocol):
    """Runs a step while nothing else changes attendances. `doing` is what it is called in errors."""

    def __call__(self, step: Callable[[Work], T], doing: str) -> T: ...


class DuckUpkeep:
    """See `base.Upkeep`. `small` is held while nothing may be written into the small tables either."""

    def __init__(
        self,
        path: Path,
        alone: Alone,
        snapshot: Callable[[], AbstractContextManager[Snapshot]],
        small: AbstractContextManager[object],
    ) -> None:
        self._path = path
        self._alone = alone
        self._snapshot = snapshot
        self._small = small
        self._source: BinaryIO | None = None

    def layout(self) -> Layout:
        """How far the attendances are in order."""
        with self._snapshot() as snapshot:
            return layout(lambda sql: snapshot.rows(Statement(sql, ())))

    def status(self, providers: int, retained_at: int | None, *, holds_forgotten: bool) -> StoreStatus:
        """What the store is and holds, and what is wrong with it."""
        found = self.layout()
        parts = (self._path, self._path.with_name(self._path.name + ".wal"))
        return StoreStatus(
            engine="DuckDB",
            version=duckdb.__version__,
            location=str(self._path),
            size=sum(part.stat().st_size for part in parts if part.exists()),
            schema_version=SCHEMA_VERSION,
            attendances=found.attendances,
            providers=providers,
            faults=tuple(faults_of(self._path, holds_forgotten=holds_forgotten)),
            retained_at=retained_at,
            tail=found.tail,
            free=found.free,
            rebuilt_at=found.rebuilt_at,
        )

    def sort_tail(self) -> int:
        """Sort what is not in order; return how many rows that were."""

        def step(work: Work) -> int:
            moved = sort_tail(work)
            self._checkpoint(work)
            return moved

        return self._alone(step, "Sorting")

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
            done = self._alone(step, "Rebuilding")
            rest(time.monotonic() - began)
        found = self.layout()
        if found.free * _LITTLE_USED >= found.size:
            for table in tables():
                if table != ATTENDANCES:
                    began = time.monotonic()
                    self._alone(partial(self._write_anew, table), "Rebuilding")
                    rest(time.monotonic() - began)
        return rebuild.moved

    def _write_anew(self, table: str, work: Work) -> None:
        with self._small:
            write_anew(work, table)
        self._checkpoint(work)

    def copy(self) -> BinaryIO:
        """A whole copy of the store, which is gone when it is closed."""

        def step(work: Work) -> BinaryIO:
            with self._small:
                self._checkpoint(work, locked=True)
                if self._source is None:
                    # Never closed before the engine is: that would take the engine's lock off the file.
                    self._source = self._path.open("rb")
                return copy_of(self._source, self._path, has_log(self._path))

        return self._alone(step, "Copying")

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
            with self._small:
                work.run("CHECKPOINT")
