"""Whose turn it is to change attendances: what can be done before holds nobody up, and nothing keeps the store open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

import pytest

from store.look import OTHER, STUDIO, wide
from store.rows import batches, many, row
from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.store.base import Merged, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from turnout.store.duckdb import DuckStore

PATIENCE = 60.0


class Slow:
    """An input that says when it is asked for its rows, and waits until it may go on."""

    def __init__(self, rows: int) -> None:
        self.asked, self.go_on = Event(), Event()
        self._rows = rows

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        self.asked.set()
        assert self.go_on.wait(PATIENCE)
        yield from many(self._rows)


def test_rows_that_are_still_read_hold_nobody_up(store: DuckStore) -> None:
    slow = Slow(10)
    with ThreadPoolExecutor(1) as other:
        running = other.submit(store.merge, STUDIO, slow)
        assert slow.asked.wait(PATIENCE)
        assert store.merge(STUDIO, batches([row(5, 9), row(700, 9)])) == Merged(2, 0, 0)
        assert store.merge(OTHER, many(3)).created == 3
        assert store.delete(STUDIO, [700]) == 1
        store.put_provider(Provider(STUDIO.id, STUDIO.name, "Asia/Tokyo"))
        assert store.upkeep.rebuild(lambda: 1) == 4
        store.upkeep.copy().close()
        slow.go_on.set()
        # What came meanwhile is there: the row 5 is newer than the one that was read before.
        assert running.result(PATIENCE) == Merged(9, 0, 1)
    assert {str(one["event_day"]) for one in wide(store).values()} == {str(wide(store)[1]["event_day"])}


def test_several_are_read_at_once_and_merged_one_after_the_other(store: DuckStore) -> None:
    inputs = [Slow(40) for _ in range(3)]
    with ThreadPoolExecutor(3) as others:
        running = [others.submit(store.merge, STUDIO, slow) for slow in inputs]
        for slow in inputs:
            assert slow.asked.wait(PATIENCE)
        for slow in reversed(inputs):
            slow.go_on.set()
        merged = [one.result(PATIENCE) for one in running]
    assert sorted(one.created for one in merged) == [0, 0, 40]
    assert len(wide(store)) == 40


def test_closing_ends_what_waits_for_its_turn(store: DuckStore) -> None:
    first, second = Slow(10), Slow(10)
    with ThreadPoolExecutor(3) as others:
        waiting = [others.submit(store.merge, STUDIO, slow) for slow in (first, second)]
        for slow in (first, second):
            assert slow.asked.wait(PATIENCE)
        closing = others.submit(store.close)
        while not closing.running():
            pass
        first.go_on.set()
        second.go_on.set()
        closing.result(PATIENCE)
        ended = [one.exception(PATIENCE) for one in waiting]
    # One may have been merged before the store was told to close.
    for error in filter(None, ended):
        assert isinstance(error, TurnoutError)
        assert error.code == "storage_unavailable"
    with pytest.raises(TurnoutError, match="closed"):
        store.merge(STUDIO, many(1))


def test_a_copy_waits_for_those_who_read_what_was_there(store: DuckStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.merge(STUDIO, many(50, customers=5))
    with ThreadPoolExecutor(1) as other:
        with store.snapshot(None) as snapshot:
            assert snapshot.rows(Statement("SELECT count(*) FROM attendances", ())) == [(50,)]
            store.persons.erase(STUDIO, [1], at=1, by="owner")
            with monkeypatch.context() as patched:
                patched.setattr("turnout.store.duckdb_upkeep.PATIENCE", 0.0)
                with pytest.raises(TurnoutError, match="has been reading") as refused:
                    store.upkeep.copy()
            assert (refused.value.code, refused.value.retry_after) == ("storage_unavailable", 10)
            copying = other.submit(store.upkeep.copy)
            assert store.merge(STUDIO, many(1, first_id=900)).created == 1, "nobody else waits"
        copying.result(PATIENCE).close()
