"""The limit on one side: the engine alone, executing what the server executes, in a process without a server.

The statements are taken down while the program itself answers each question (`turnout.reports.report_page`), so they
are the server's own, values included. They are then run on a connection with the server's settings: one read-only
transaction for each question, every row fetched.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import msgspec

from bench.client import BenchError, hand_over
from bench.data import ZONE
from turnout.catalog.attendances import ATTENDANCES
from turnout.output.formats import FORMATS
from turnout.query.raw import pairs_of
from turnout.query.request import Scope, parse
from turnout.reports import cursor_box, report_page
from turnout.store.duckdb_file import attach, cursor_of
from turnout.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

    from turnout.query.sql import Statement
    from turnout.store.base import Snapshot, Store


class Asked(msgspec.Struct, frozen=True):
    """A question: its name, its provider, and the query string that the server gets."""

    name: str
    provider: int
    query: bytes


class EngineJob(msgspec.Struct, frozen=True):
    """Questions to be answered `count` times each, or for `seconds`; `now` is microseconds since 1970."""

    database: str
    now: int
    questions: tuple[Asked, ...]
    count: int
    seconds: float
    warm_up: int


def run(job: EngineJob) -> dict[str, list[float]]:
    """Run a job in a process of its own: milliseconds by question."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.engine"], input=msgspec.msgpack.encode(job), stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise BenchError(f"the engine's process ended with {done.returncode}")
    return msgspec.msgpack.decode(done.stdout, type=dict[str, list[float]])


class _Recorder:
    """A store's snapshots, whose statements are taken down."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.statements: list[Statement] = []

    @contextmanager
    def snapshot(self) -> Iterator[_RecordingSnapshot]:
        with self._store.snapshot() as snapshot:
            yield _RecordingSnapshot(snapshot, self.statements)


class _RecordingSnapshot:
    def __init__(self, snapshot: Snapshot, statements: list[Statement]) -> None:
        self._snapshot = snapshot
        self._statements = statements

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        self._statements.append(statement)
        return self._snapshot.rows(statement)


def _statements(job: EngineJob) -> dict[str, list[Statement]]:
    """The statements of each question, in the order in which the program runs them."""
    found = {}
    with closing(open_store(job.database)) as store:
        box = cursor_box(store)
        for asked in job.questions:
            scope = Scope(asked.provider, ZoneInfo(ZONE))
            request = parse(ATTENDANCES, pairs_of(asked.query), scope, now=job.now, box=box)
            recorder = _Recorder(store)
            report_page(cast("Store", recorder), request, FORMATS[request.format or "json"], box)
            found[asked.name] = recorder.statements
    return found


def _measure(cursor: duckdb.DuckDBPyConnection, statements: list[Statement], job: EngineJob) -> list[float]:
    def once() -> float:
        began = time.perf_counter()
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        for statement in statements:
            cursor.execute(statement.sql, statement.values).fetchall()
        cursor.execute("ROLLBACK")
        return (time.perf_counter() - began) * 1000

    return repeated(once, job.count, job.seconds, job.warm_up)


def repeated(once: Callable[[], float], count: int, seconds: float, warm_up: int) -> list[float]:
    """The results of `count` calls, or of those that fit into `seconds`; at least one. The first ones do not count."""
    for _ in range(warm_up):
        once()
    ends = time.perf_counter() + seconds
    found = [once()]
    while len(found) < count and time.perf_counter() < ends:
        found.append(once())
    return found


def main() -> None:
    """Read a job, do it, write the milliseconds."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=EngineJob)
    statements = _statements(job)
    path = Path(job.database)
    spill = path.with_name(path.name + ".tmp")
    with closing(attach(path, memory_limit=None, threads=None, temp_directory=spill)) as connection:
        cursor = cursor_of(connection)
        found = {name: _measure(cursor, of_question, job) for name, of_question in statements.items()}
    hand_over(found)


if __name__ == "__main__":
    main()
