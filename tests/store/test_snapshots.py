"""Reading: consistent views, streams, cancelling, and errors that give nothing away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier, Event
from typing import TYPE_CHECKING

import pytest

from store.look import STUDIO, ask
from store.rows import batches, many, row
from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.store.duckdb import DuckStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

COUNT = Statement("SELECT count(*) FROM attendances", ())
ENDLESS = Statement(
    "SELECT count(*) FROM range(1000000000) AS a, range(1000000000) AS b WHERE hash(a.range, b.range) = 7", ()
)


def test_all_statements_of_a_snapshot_see_the_same_data(store: DuckStore) -> None:
    store.merge(STUDIO, batches([row(1, 10)]))
    with store.snapshot(None) as before:
        assert before.rows(COUNT) == [(1,)]
        store.merge(STUDIO, batches([row(2, 10), row(3, 10)]))
        assert before.rows(COUNT) == [(1,)]
        with store.snapshot(None) as after:
            assert after.rows(COUNT) == [(3,)]
        assert before.rows(COUNT) == [(1,)]


def test_a_stream_brings_all_rows_in_batches(store: DuckStore) -> None:
    store.merge(STUDIO, many(5_000))
    statement = Statement("SELECT id FROM attendances WHERE id > ? ORDER BY id", (10,))
    with store.snapshot(None) as snapshot:
        lists = list(snapshot.stream(statement, 700))
        assert [row for rows in lists for row in rows] == snapshot.rows(statement)
    assert {len(rows) for rows in lists[:-1]} == {700}


def test_a_stream_of_nothing(store: DuckStore) -> None:
    with store.snapshot(None) as snapshot:
        assert list(snapshot.stream(Statement("SELECT id FROM attendances", ()), 10)) == []


def test_a_stream_that_is_left_early_harms_nothing(store: DuckStore) -> None:
    store.merge(STUDIO, many(5_000))
    for _ in range(3):
        with store.snapshot(None) as snapshot:
            assert len(next(snapshot.stream(Statement("SELECT id FROM attendances", ()), 5))) == 5
    assert ask(store, COUNT.sql) == [(5_000,)]


def test_cancelling_stops_what_runs(store: DuckStore) -> None:
    starting = Event()

    def read() -> None:
        with store.snapshot(None) as snapshot:
            snapshots.append(snapshot)
            starting.set()
            snapshot.rows(ENDLESS)

    snapshots: list = []
    with ThreadPoolExecutor(1) as threads:
        # Each time the cancellation meets the statement at another moment, or just before it.
        for _ in range(10):
            starting.clear()
            reading = threads.submit(read)
            starting.wait()
            snapshots[-1].cancel()
            with pytest.raises(TurnoutError) as caught:
                reading.result()
            assert caught.value.code == "query_timeout"
    assert ask(store, COUNT.sql) == [(0,)]


def test_cancelling_between_statements_stops_the_next_one(store: DuckStore) -> None:
    store.merge(STUDIO, many(5_000))
    with store.snapshot(None) as snapshot:
        snapshot.rows(COUNT)
        snapshot.cancel()
        snapshot.cancel()
        with pytest.raises(TurnoutError, match="stopped"):
            snapshot.rows(COUNT)
    with store.snapshot(None) as snapshot:
        stream = snapshot.stream(Statement("SELECT id FROM attendances", ()), 5)
        next(stream)
        snapshot.cancel()
        with pytest.raises(TurnoutError, match="stopped"):
            next(stream)


def test_cancelling_too_late_hits_nobody(store: DuckStore) -> None:
    with store.snapshot(None) as ended:
        ended.rows(COUNT)
    with store.snapshot(None) as other:
        ended.cancel()
        assert other.rows(COUNT) == [(0,)]
        with pytest.raises(RuntimeError, match="closed"):
            ended.rows(COUNT)


@pytest.mark.parametrize(
    ("sql", "values", "code"),
    [
        ("SELECT hidden_column FROM attendances", (), "server_error"),
        ("SELECT hidden_column FRM attendances", (), "server_error"),
        ("SELECT id FROM attendances WHERE customer_name = ?::INTEGER::VARCHAR", ("hidden_value",), "server_error"),
        ("SELECT error('hidden_text')", (), "server_error"),
        ("SELECT id FROM attendances WHERE id = ?", (), "server_error"),
    ],
)
def test_errors_show_neither_sql_nor_values(store: DuckStore, sql: str, values: tuple[str, ...], code: str) -> None:
    store.merge(STUDIO, batches([row(1, 10, customer_name="x")]))
    with pytest.raises(TurnoutError) as caught, store.snapshot(None) as snapshot:
        snapshot.rows(Statement(sql, values))
    assert caught.value.code == code
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert ask(store, COUNT.sql) == [(1,)]


def test_too_little_memory_is_said(path: Path) -> None:
    much = Statement("SELECT length(list(range)) FROM range(100000000)", ())
    with (
        closing(DuckStore(path, memory_limit="60MB")) as store,
        pytest.raises(TurnoutError, match="more memory") as caught,
        store.snapshot(None) as snapshot,
    ):
        snapshot.rows(much)
    assert caught.value.code == "storage_unavailable"


def test_readers_in_many_threads_see_whole_merges_only(store: DuckStore) -> None:
    store.merge(STUDIO, many(2_000))
    ready, done = Barrier(5), Event()

    def read() -> set[tuple[int, ...]]:
        seen = set()
        ready.wait()
        while not done.is_set() or not seen:
            with store.snapshot(None) as snapshot:
                first, second = snapshot.rows(COUNT), snapshot.rows(COUNT)
                assert first == second
                seen.add(first[0])
        return seen

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read) for _ in range(4)]
        ready.wait()
        try:
            for updated_at in (2, 3):
                store.merge(STUDIO, many(3_000 * updated_at, updated_at=updated_at))
        finally:
            done.set()
        assert set.union(*(reader.result() for reader in readers)) <= {(2_000,), (6_000,), (9_000,)}


def test_closing_undoes_a_merge(path: Path) -> None:
    store = DuckStore(path)
    fed = Event()

    def feeding() -> Iterator[pa.RecordBatch]:
        yield from many(10)
        fed.set()
        (work,) = store._engine._works
        work.stopped.wait()
        yield from many(10, first_id=11)

    with ThreadPoolExecutor(1) as threads:
        merging = threads.submit(store.merge, STUDIO, feeding())
        fed.wait()
        store.close()
        with pytest.raises(TurnoutError, match="closed; nothing was merged"):
            merging.result()
    with closing(DuckStore(path)) as store:
        assert ask(store, COUNT.sql) == [(0,)]


def test_reading_and_small_writes_go_on_while_a_merge_is_fed(store: DuckStore) -> None:
    def fed() -> Iterator[pa.RecordBatch]:
        first, second = batches([row(1, 10), row(2, 10)], size=1)
        yield first
        assert ask(store, COUNT.sql) == [(0,)]
        store.put_provider(STUDIO)
        yield second

    assert store.merge(STUDIO, fed()).created == 2
    assert store.providers() == {1: STUDIO}


def test_a_large_merge_beside_a_reader_is_no_failure(store: DuckStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.store.duckdb._LARGE_MERGE", 1)
    store.merge(STUDIO, batches([row(1, 10)]))
    with store.snapshot(None) as before:
        assert before.rows(COUNT) == [(1,)]
        assert store.merge(STUDIO, batches([row(1, 11), row(2, 10)])).updated == 1
        assert before.rows(COUNT) == [(1,)]
    assert ask(store, COUNT.sql) == [(2,)]
