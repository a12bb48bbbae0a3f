"""A server in a process of its own, with the real store, or with a fake one whose reads can be made to hang.

`python serving.py real`, or `fake` with any of: `wait` (a read ends when there is a file `go`), `hold` (it ends when
its query is cancelled), `deaf` (it never ends), `merge` (a merge ends when the store is closed), `stuck` (closing the
store hangs), `late` (the end is forced half a second after the signal).
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from turnout.errors import TurnoutError
from turnout.settings import Settings
from turnout.web import server, shutdown
from turnout.web.app import create_app
from web.fakes import PAGES, FakeSnapshot, FakeStore, who

if TYPE_CHECKING:
    from turnout.query.sql import Statement
    from turnout.store.base import Store
    from turnout.web.app import Application

FOR_EVER = 1000.0


class Deaf(FakeSnapshot):
    def cancel(self) -> None:
        """Go on."""


class Waiting(FakeSnapshot):
    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        while not Path("go").exists():
            time.sleep(0.005)
        return super().rows(statement)


def store_that(ways: set[str]) -> FakeStore:
    store = FakeStore(1)
    if ways & {"hold", "deaf"}:
        store.free.clear()
    store.snapshot_class = Deaf if "deaf" in ways else Waiting if "wait" in ways else FakeSnapshot
    if "merge" in ways:
        ended = threading.Event()

        def merge(*_: object) -> None:
            Path("merging").touch()
            ended.wait()
            raise TurnoutError("storage_unavailable", "The store was closed.")

        store.merge_together = merge
        store.answered = store.forget_answered = lambda _: None
        store.close = ended.set
    if "stuck" in ways:
        store.close = lambda: time.sleep(FOR_EVER)
    return store


def main(kind: str, *ways: str) -> None:
    if kind == "fake":

        def app(store: Store, settings: Settings, **given: Any) -> Application:
            return create_app(store, settings, report=who, pages=PAGES, **given)

        server.open_own = lambda _: store_that(set(ways))
        server.create_app = app
    if "late" in ways:
        shutdown._AT_THE_LATEST = 0.5
    try:
        server.serve(Settings.load())
    except TurnoutError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
