"""Putting the table in order: nothing changes but where rows are, while others read and merge, and whatever ends it."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from store.look import OTHER, STUDIO, ask, wide
from store.rows import many
from turnout.errors import TurnoutError
from turnout.store import rebuild as module
from turnout.store.duckdb import DuckStore
from turnout.store.rebuild import STEP_ROWS
from turnout.upkeep import Caretaker, Due, due, tend

if TYPE_CHECKING:
    from turnout.store.layout import Layout

TESTS = Path(__file__).parent.parent
UNSORTED = (
    "SELECT count(*) FROM (SELECT (provider_id, event_starts_at, id) < lag((provider_id, event_starts_at, id)) "
    "OVER (ORDER BY rowid) AS is_low FROM attendances WHERE rowid <= "
    "(SELECT value::BIGINT FROM meta WHERE name = 'ordered_until')) WHERE is_low"
)
EVERYTHING = "SELECT count(*), count(DISTINCT (provider_id, id)), sum(hash(one))::VARCHAR FROM attendances AS one"


def disordered(store: DuckStore, rows: int = 3_000) -> None:
    """Two providers' rows, of which many were replaced: what replaced them is behind the others."""
    for provider in (STUDIO, OTHER):
        store.put_provider(provider)
        store.merge(provider, many(rows, customers=50))
    for start in range(1, rows, rows // 10):
        store.merge(STUDIO, many(rows // 20, first_id=start, updated_at=2, customers=50))


def rebuild(store: DuckStore, now: int = 7) -> int:
    return store.upkeep.rebuild(lambda: now)


def test_nothing_changes_but_the_order(store: DuckStore) -> None:
    disordered(store)
    before = wide(store), wide(store, OTHER), ask(store, EVERYTHING)
    version = store.version(STUDIO.id)
    assert rebuild(store) == 6_000
    assert (wide(store), wide(store, OTHER), ask(store, EVERYTHING)) == before
    assert store.version(STUDIO.id) == version  # kept answers stay
    found = store.upkeep.layout()
    assert (found.tail, found.loose, found.rebuilt_at) == (0, 0, 7)
    assert ask(store, UNSORTED) == [(0,)]


def test_the_tail_is_what_was_merged_since(path: Path) -> None:
    with closing(DuckStore(path)) as store:
        disordered(store)
        rebuild(store)
        store.merge(STUDIO, many(100, updated_at=3, customers=50))
        assert (store.upkeep.layout().tail, store.upkeep.layout().loose) == (100, 100)
        assert store.upkeep.sort_tail() == 100
        store.merge(OTHER, many(30, updated_at=3, customers=50))
        before = store.upkeep.layout()
        assert (before.tail, before.loose) == (130, 30)
    with closing(DuckStore(path)) as store:  # it is known in the file
        after = store.upkeep.layout()
        assert (after.tail, after.loose, after.rebuilt_at) == (130, 30, 7)


def test_a_sorted_tail_is_sorted_and_whole(store: DuckStore) -> None:
    disordered(store)
    rebuild(store)
    for start in (2_000, 1, 900):
        store.merge(STUDIO, many(200, first_id=start, updated_at=3, customers=50))
    before = ask(store, EVERYTHING)
    assert store.upkeep.sort_tail() == 600
    assert ask(store, EVERYTHING) == before
    tail = "rowid > (SELECT value::BIGINT FROM meta WHERE name = 'ordered_until')"
    rows = ask(store, f"SELECT event_starts_at, id FROM attendances WHERE {tail} ORDER BY rowid")
    assert len(rows) == 600
    assert rows == sorted(rows)


def test_a_long_tail_is_sorted_in_runs(store: DuckStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RUN_ROWS", 300)
    disordered(store)
    rebuild(store)
    moved = []
    for start in range(2_000, 2_500, 100):
        store.merge(STUDIO, many(100, first_id=start, updated_at=start, customers=50))
        moved.append(store.upkeep.sort_tail())
    assert moved == [100, 200, 300, 100, 200]
    layout = store.upkeep.layout()
    assert (layout.tail, layout.loose) == (500, 0)
    tail = "rowid > (SELECT value::BIGINT FROM meta WHERE name = 'ordered_until')"
    rows = ask(store, f"SELECT event_starts_at, id FROM attendances WHERE {tail} ORDER BY rowid")
    assert rows[:300] == sorted(rows[:300])
    assert rows[300:] == sorted(rows[300:])
    assert rows != sorted(rows)
    before = ask(store, EVERYTHING)
    rebuild(store)
    assert ask(store, EVERYTHING) == before
    store.merge(STUDIO, many(50, first_id=100, updated_at=5_000, customers=50))
    assert store.upkeep.sort_tail() == 50


def test_marks_of_a_table_that_is_no_more_are_not_believed(store: DuckStore) -> None:
    """As those that an earlier program has left: overwriting what was forgotten begins the table anew."""
    disordered(store)
    rebuild(store)
    for name in ("sorted_until", "run_after"):
        stale = f"INSERT OR REPLACE INTO meta VALUES ('{name}', '1000000')"
        store.upkeep._engine.alone(lambda work, stale=stale: work.run(stale), "Marking")
    store.merge(STUDIO, many(100, first_id=2_000, updated_at=3, customers=50))
    assert store.upkeep.layout().loose == 100
    assert store.upkeep.sort_tail() == 100
    store.merge(STUDIO, many(100, first_id=2_100, updated_at=4, customers=50))
    assert store.upkeep.layout().loose == 100
    assert store.upkeep.sort_tail() == 200


def test_what_is_sorted_is_known_after_a_table_was_put_in_order_anew(store: DuckStore) -> None:
    disordered(store)
    for _ in range(2):
        store.merge(STUDIO, many(100, first_id=2_000, updated_at=3, customers=50))
        store.upkeep.sort_tail()
        rebuild(store)
    store.upkeep._engine.alone(module.mark_ordered, "Marking")
    marks = ask(
        store, "SELECT DISTINCT value::BIGINT FROM meta WHERE name IN ('ordered_until', 'sorted_until', 'run_after')"
    )
    assert marks == ask(store, "SELECT max(rowid) FROM attendances")


def test_large_in_steps_with_merges_between_them(store: DuckStore) -> None:
    """What is merged between two steps becomes the new tail; it does not come to lie among the others."""
    rows = STEP_ROWS * 2 + 20_000
    for provider in (OTHER, STUDIO):
        store.put_provider(provider)
        store.merge(provider, many(rows // 2))
    store.merge(STUDIO, many(5_000, first_id=7_000, updated_at=2))
    steps = []

    def meanwhile(_: float) -> None:
        steps.append(store.upkeep.layout().attendances)
        store.merge(STUDIO, many(12, first_id=1_000_000 + 100 * len(steps), updated_at=3))

    store.upkeep.rebuild(lambda: 7, rest=meanwhile)
    assert steps == [rows, rows + 12, rows + 24]
    (row,) = ask(store, EVERYTHING)
    assert row[:2] == (rows + 36, rows + 36)
    assert ask(store, UNSORTED) == [(0,)]
    # Of the merged rows those of the first two steps; what they rewrote of their customers as well.
    assert store.upkeep.layout().tail < 10_000


def test_a_table_that_is_in_order_is_left_alone(store: DuckStore) -> None:
    store.put_provider(STUDIO)
    store.merge(STUDIO, many(STEP_ROWS + 1))
    assert rebuild(store) == 0
    assert (store.upkeep.layout().tail, store.upkeep.layout().rebuilt_at) == (0, 7)
    store.merge(STUDIO, many(10, updated_at=2))
    assert rebuild(store) == STEP_ROWS + 1


def test_an_open_snapshot_sees_what_it_saw(store: DuckStore) -> None:
    disordered(store)
    from turnout.query.sql import Statement

    with store.snapshot(None) as snapshot:
        before = snapshot.rows(Statement(EVERYTHING, ()))
        rebuild(store)
        assert snapshot.rows(Statement(EVERYTHING, ())) == before
    assert ask(store, EVERYTHING) == before


def test_free_space_is_given_back(path: Path) -> None:
    with closing(DuckStore(path)) as store:
        store.put_provider(STUDIO)
        store.put_provider(OTHER)
        store.merge(STUDIO, many(200_000))
        store.merge(OTHER, many(20_000))
        ids = [id_ for (id_,) in ask(store, "SELECT id FROM attendances WHERE provider_id = 1")]
        store.delete(STUDIO, ids)
        rebuild(store, 7)
        rebuild(store, 8)
        found = store.upkeep.layout()
        assert found.attendances == 20_000
        assert found.free < found.size / 2, found
        assert ask(store, "SELECT count(*) FROM customer") == [(10_000,)]


def test_a_step_that_loses_rows_is_undone(store: DuckStore, monkeypatch: pytest.MonkeyPatch) -> None:
    disordered(store)
    before = ask(store, EVERYTHING)
    one = module.Rebuild._behind
    # True as long as nothing was written: what was read is not what is deleted.
    unchanged = f"(SELECT count(*) FROM attendances) = {before[0][0]}"
    monkeypatch.setattr(module.Rebuild, "_behind", lambda self: f"{one(self)} AND {unchanged}")
    with pytest.raises(TurnoutError) as raised:
        rebuild(store)
    assert raised.value.code == "server_error"
    assert ask(store, EVERYTHING) == before


def test_closing_ends_a_rebuild(path: Path) -> None:
    store = DuckStore(path)
    disordered(store)
    before = ask(store, EVERYTHING)
    raised: list[TurnoutError] = []

    def work() -> None:
        try:
            while True:
                rebuild(store)
        except TurnoutError as error:
            raised.append(error)

    thread = Thread(target=work)
    thread.start()
    store.close()
    thread.join()
    assert raised[0].code == "storage_unavailable"
    with closing(DuckStore(path)) as again:
        assert ask(again, EVERYTHING) == before


def layout(**given: int | None) -> Layout:
    from turnout.store.layout import Layout

    return Layout(
        **{"attendances": 1_000_000, "tail": 0, "loose": 0, "size": 1 << 30, "free": 0, "rebuilt_at": 0} | given
    )


HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("given", "now", "expected"),
    [
        ({}, HOUR, Due.NOTHING),
        ({"tail": 9_999}, 100 * HOUR, Due.NOTHING),
        ({"tail": 10_000}, HOUR, Due.NOTHING),
        ({"tail": 10_000}, 24 * HOUR, Due.REBUILD),
        ({"tail": 10_000, "rebuilt_at": None}, 0, Due.REBUILD),
        ({"tail": 50_000}, 0, Due.REBUILD),
        ({"tail": 49_999, "loose": 29_999}, 0, Due.NOTHING),
        ({"tail": 49_999, "loose": 30_000}, 0, Due.SORT),
        ({"attendances": 10**9, "tail": 1_000_000, "loose": 1_000_000}, 0, Due.REBUILD),
        ({"free": 1 << 29}, HOUR, Due.REBUILD),
        ({"free": 1 << 29}, HOUR - 1, Due.NOTHING),
        ({"free": (1 << 29) - 1}, HOUR, Due.NOTHING),
        ({"free": 1 << 25, "size": 1 << 25}, HOUR, Due.NOTHING),
    ],
)
def test_what_is_due(given: dict[str, int | None], now: int, expected: Due) -> None:
    assert due(layout(**given), now) is expected


@pytest.mark.parametrize(
    ("tail", "loose", "expected"),
    [
        (50_000, 30_000, Due.SORT),
        (499_999, 30_000, Due.SORT),
        (500_000, 30_000, Due.REBUILD),
        (50_000, 29_999, Due.REBUILD),
        (49_999, 29_999, Due.NOTHING),
    ],
)
def test_while_rows_come_they_are_sorted(tail: int, loose: int, expected: Due) -> None:
    """All of the table is written anew when they have stopped, or are as many as the others."""
    assert due(layout(tail=tail, loose=loose), 0, at_rest=False) is expected


@pytest.mark.parametrize(
    ("tail", "loose", "expected"),
    [
        (3_999_999, 999_999, Due.SORT),
        (4_000_000, 999_999, Due.REBUILD),
        (3_999_999, 1_000_000, Due.REBUILD),
    ],
)
def test_more_than_can_be_sorted_at_once_is_put_in_order_in_steps(tail: int, loose: int, expected: Due) -> None:
    """Such as what a rebuild has left that was given up, or a large file."""
    assert due(layout(attendances=10**8, tail=tail, loose=loose), 0, at_rest=False) is expected


def test_a_server_sorts_what_has_just_come_and_looks_again(store: DuckStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.upkeep.LOOSE_ROWS", 1_000)
    monkeypatch.setattr("turnout.upkeep.TAIL_ROWS", 1_000)
    disordered(store, rows=12_000)
    rebuild(store)
    store.merge(STUDIO, many(6_000, updated_at=3, customers=50))
    caretaker = Caretaker(store, lambda: 8)
    found = []
    for _ in range(2):
        caretaker._once()
        assert caretaker.fault is None
        found.append((store.upkeep.layout().tail, store.upkeep.layout().loose))
    assert found == [(6_000, 0), (0, 0)]
    assert ask(store, UNSORTED) == [(0,)]


def test_tending(store: DuckStore) -> None:
    disordered(store, rows=12_000)
    assert tend(store, lambda: 7) is Due.REBUILD
    assert tend(store, lambda: 8) is Due.NOTHING
    assert ask(store, UNSORTED) == [(0,)]


# Rebuilds and merges until it is killed; says what was acknowledged.
CHURN = """
import sys
from pathlib import Path
from threading import Thread
from store.look import STUDIO
from store.rows import many
from turnout.store import rebuild as module
from turnout.store.duckdb import DuckStore

module.STEP_ROWS = 4_000
store = DuckStore(Path(sys.argv[1]))

def tidy():
    while True:
        store.upkeep.rebuild(lambda: 1)
        store.upkeep.sort_tail()

Thread(target=tidy, daemon=True).start()
number = int(sys.argv[2])
while True:
    number += 1
    store.merge(STUDIO, many(500, first_id=number * 300, updated_at=number, customers=50, called=f"Ann{number}"))
    print(number, flush=True)
"""


def test_killed_at_any_moment(path: Path) -> None:
    """After each kill every acknowledged merge is there, whole, and no row twice."""
    with closing(DuckStore(path)) as store:
        store.put_provider(STUDIO)
        store.merge(STUDIO, many(20_000, customers=50))
    chance = random.Random(3)
    number = 0
    for _ in range(6):
        command = [sys.executable, "-c", CHURN, path, str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS) as churning:
            assert churning.stdout is not None
            for _ in range(chance.randint(1, 4)):
                number = int(churning.stdout.readline())
            churning.kill()
            number = max([number, *map(int, churning.stdout.read().split())])
        with closing(DuckStore(path)) as store:
            ((rows, distinct, _),) = ask(store, EVERYTHING)
            assert rows == distinct >= 20_000
            newest = ask(store, "SELECT epoch_us(updated_at), count(*) FROM attendances GROUP BY 1 ORDER BY 1 DESC")
            assert newest[0][0] in (number, number + 1)  # one more may have been merged and not told
            assert newest[0][1] == 500
            number = newest[0][0]
            names = ask(store, "SELECT DISTINCT split_part(customer_name, ' ', 1) FROM attendances")
            assert names == [(f"Ann{number}",)]
