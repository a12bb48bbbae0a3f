"""The embedded store's engine: its connection to the file, and who may do what when.

Work on attendances has a cursor of its own, and what it changes is changed when it is its turn: one after the other.
What can be done before, such as staging rows, holds nobody up. Short statements on the small tables take turns among
themselves. Where the engine gives the file up, as it does when a checkpoint fails, it is opened anew: what was
committed is in its log.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Condition, Lock
from typing import TYPE_CHECKING, Final, TypeVar

import duckdb

from turnout.errors import TurnoutError
from turnout.store.duckdb_file import EngineLost, StoreDamaged, attach_when_free, cursor_of, engine_errors
from turnout.store.duckdb_snapshot import Snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from turnout.store.base import Snapshot
    from turnout.store.merge import Work

T = TypeVar("T")
_INSIST_SECONDS: Final = 0.01


class Engine:
    """Safe for use by several threads. Who holds several of its locks takes them in this order: turn, gate, small.

    `opened` gets a cursor each time that the file has been opened, before anybody else uses it.
    """

    def __init__(
        self,
        attach: Callable[[], duckdb.DuckDBPyConnection],
        opened: Callable[[duckdb.DuckDBPyConnection], None],
    ) -> None:
        self._attach = attach
        self._opened = opened
        self._turn = Lock()
        self._gate = Condition()
        self._works: set[Work] = set()
        self._closed = False
        self._opening = False
        self.small = Lock()
        """To be held within work that also changes small tables; else see `briefly`."""
        self._use(attach())

    def _use(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        with engine_errors("Reading the store"):
            self._cursor = cursor_of(connection)
            self._opened(self._cursor)
        self._snapshots = Snapshots(connection)

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A consistent view; see `base.Snapshot`."""
        return self._present().open()

    @contextmanager
    def briefly(self, doing: str = "Writing the store") -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for short statements on the small tables, which nobody else changes until the block ends."""
        present = self._present()
        try:
            with engine_errors(doing), self.small:
                yield self._cursor
        except EngineLost:
            self._open_again(present)
            raise

    def damaged(self) -> bool:
        """Whether a part of the file was found to be damaged since it was opened."""
        return self._snapshots.damaged

    def checkpoint(self) -> None:
        """Put the file in its final, compact form, unless somebody reads what was there before; it is only later then.

        All that was committed is on disk already.
        """
        with suppress(EngineLost, duckdb.TransactionException), self.briefly() as cursor:
            cursor.execute("CHECKPOINT")

    @contextmanager
    def work(self, provider: int, doing: str = "Merging") -> Iterator[Work]:
        """Work on the attendances of one provider, that changes nothing but its own temporary tables before its `turn`.

        What it did not commit is undone at its end.
        """
        from turnout.store.merge import Work  # noqa: PLC0415 - a server that only reads starts without pyarrow

        present = self._present()
        try:
            with engine_errors(doing), ThreadPoolExecutor(1, "turnout-merge") as thread:
                with self._gate:
                    self._gate.wait_for(lambda: not self._opening)
                    if self._closed:
                        raise self._ended()
                    work = Work(cursor_of(self._connection), provider, thread)
                    self._works.add(work)
                try:
                    yield work
                except duckdb.InterruptException:
                    raise self._ended() from None
                finally:
                    work.cursor.close()
                    with self._gate:
                        self._works.discard(work)
                        self._gate.notify_all()
        except EngineLost:
            self._open_again(present)
            raise
        except StoreDamaged:
            present.damaged = True
            raise

    @contextmanager
    def turn(self, work: Work) -> Iterator[None]:
        """Wait until nobody else changes attendances, and keep it so until the block ends."""
        while not self._turn.acquire(timeout=_INSIST_SECONDS):
            if work.stopped.is_set():
                raise duckdb.InterruptException
        try:
            if work.stopped.is_set():
                raise duckdb.InterruptException
            yield
        finally:
            self._turn.release()

    def alone(self, step: Callable[[Work], T], doing: str) -> T:
        """Run a step of no provider while nothing is merged."""
        with self.work(0, doing) as work, self.turn(work):
            return step(work)

    def close(self) -> None:
        """Stop what runs, undo what has not ended, and give the file free. Harmless when done twice.

        Waits for work whose input is waited for.
        """
        self._snapshots.close()
        with self._gate:
            self._closed = True
            self._end_works()
            with self.small:
                self._cursor.close()
                self._connection.close()

    def _present(self) -> Snapshots:
        """The snapshots of the engine at work: of a new one where this one has given the file up."""
        present = self._snapshots
        if present.lost:
            self._open_again(present)
        return self._snapshots

    def _open_again(self, lost: Snapshots) -> None:
        """Open the file anew, unless somebody has done it already."""
        with self._turn, self._gate:
            if self._closed or self._snapshots is not lost:
                return
            lost.lost = True
            self._opening = True
            try:
                self._end_works()
                with self.small:
                    lost.close()
                    self._cursor.close()
                    self._connection.close()
                    self._use(attach_when_free(self._attach))
            finally:
                self._opening = False
                self._gate.notify_all()

    def _end_works(self) -> None:
        """Stop all work, and wait until it has ended. Hold the gate."""
        while self._works:
            for work in self._works:
                with suppress(duckdb.Error):  # it has just ended
                    work.stop()
            self._gate.wait(_INSIST_SECONDS)

    def _ended(self) -> TurnoutError:
        what = "closed" if self._closed else "opened anew"
        return TurnoutError("storage_unavailable", f"The store was {what}; nothing was merged.")
