"""The limit on one side: the engine alone, executing what the server executes, in a process without a server.

The statements are taken down while the program itself answers each question (`turnout.reports.report_page`), so they
are the server's own, values included. They are then run on a connection with the server's settings: one read-only
transaction for each question, every row fetched. It is a `worker`: a `Slice` in, milliseconds out.

`python -m bench.engine FILE` answers the questions that the file has: msgpack of a `Setup`.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import msgspec

from bench.data import ZONE
from bench.worker import serve
from turnout.catalog.attendances import ATTENDANCES, REPORTS
from turnout.output.formats import FORMATS
from turnout.query.raw import pairs_of
from turnout.query.request import Scope, parse
from turnout.reports import cursor_box, report_page
from turnout.store.duckdb_file import attach, cursor_of
from turnout.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import duckdb

    from turnout.query.sql import Statement
    from turnout.store.base import Snapshot, Store


class Asked(msgspec.Struct, frozen=True):
    """A question: its name, its provider, the query string that the server gets, and the report's name."""

    name: str
    provider: int
    query: bytes
    report: str = ATTENDANCES.name


class Setup(msgspec.Struct, frozen=True):
    """What is asked of which store; `now` is microseconds since 1970."""

    database: str
    now: int
    questions: tuple[Asked, ...]


class Slice(msgspec.Struct, frozen=True):
    """A question to be answered `count` times, or for `seconds`, each after so long a `pause`; see `client.Job`."""

    name: str
    count: int
    seconds: float
    warm_up: int = 0
    pause: float = 0.0


class _Recorder:
    """A store's snapshots, whose statements are taken down."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.statements: list[Statement] = []

    @contextmanager
    def snapshot(self, provider_id: int | None) -> Iterator[_RecordingSnapshot]:
        with self._store.snapshot(provider_id) as snapshot:
            yield _RecordingSnapshot(snapshot, self.statements)


class _RecordingSnapshot:
    def __init__(self, snapshot: Snapshot, statements: list[Statement]) -> None:
        self._snapshot = snapshot
        self._statements = statements
        self.dialect = snapshot.dialect

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        return self.together([statement])[0]

    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[list[tuple[Any, ...]]]:
        self._statements += statements
        return self._snapshot.together(statements, last=last)


def statements_of(setup: Setup) -> dict[str, list[Statement]]:
    """The statements of each question, in the order in which the program runs them."""
    found = {}
    with closing(open_store(setup.database)) as store:
        box, reports = cursor_box(store), {report.name: report for report in REPORTS}
        for asked in setup.questions:
            scope = Scope(asked.provider, ZoneInfo(ZONE))
            request = parse(reports[asked.report], pairs_of(asked.query), scope, now=setup.now, box=box)
            recorder = _Recorder(store)
            report_page(cast("Store", recorder), request, FORMATS[request.format or "json"], box)
            found[asked.name] = recorder.statements
    return found


def _once(cursor: duckdb.DuckDBPyConnection, statements: list[Statement], pause: float) -> float:
    """The milliseconds of one answer."""
    if pause:
        time.sleep(pause)
    began = time.perf_counter()
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    for statement in statements:
        cursor.execute(statement.sql, statement.values).fetchall()
    cursor.execute("ROLLBACK")
    return (time.perf_counter() - began) * 1000


def repeated(once: Callable[[], float], slice_: Slice) -> list[float]:
    """What so many calls return, or as many as begin in the time; at least one, not counting those to warm up."""
    if slice_.warm_up:
        _calls(once, slice_.warm_up, slice_.seconds / 3)
    return _calls(once, slice_.count, slice_.seconds)


def _calls(once: Callable[[], float], count: int, seconds: float) -> list[float]:
    ends = time.perf_counter() + seconds
    found = [once()]
    while len(found) < count and time.perf_counter() < ends:
        found.append(once())
    return found


def main(file: str) -> None:
    """Do slices until there are no more."""
    setup = msgspec.msgpack.decode(Path(file).read_bytes(), type=Setup)
    statements = statements_of(setup)
    path = Path(setup.database)
    spill = path.with_name(path.name + ".tmp")
    with closing(attach(path, memory_limit=None, threads=None, temp_directory=spill)) as connection:
        cursor = cursor_of(connection)
        serve(Slice, lambda slice_: repeated(lambda: _once(cursor, statements[slice_.name], slice_.pause), slice_))


if __name__ == "__main__":
    main(sys.argv[1])
