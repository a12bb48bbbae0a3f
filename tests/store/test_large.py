"""Merges of several groups of rows and several chunks of input: engines do other things there than in small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.look import STUDIO, ask
from store.rows import many
from turnout.store.base import Merged

if TYPE_CHECKING:
    from turnout.store.duckdb import DuckStore

ROWS, CUSTOMERS = 200_000, 5_000
UNSORTED = (
    "SELECT count(*) FROM (SELECT (event_starts_at, id) < lag((event_starts_at, id)) OVER (ORDER BY rowid) AS is_low "
    "FROM attendances) WHERE is_low"
)


def test_large_merges(store: DuckStore) -> None:
    assert store.merge(STUDIO, many(ROWS)) == Merged(ROWS, 0, 0)
    assert _wrong(store, "Ann") == (ROWS, 0, 0, CUSTOMERS)
    assert ask(store, UNSORTED) == [(0,)]
    # Each customer is named once more: every row is written anew.
    assert store.merge(STUDIO, many(CUSTOMERS, updated_at=2, called="Bo")) == Merged(0, CUSTOMERS, 0)
    assert _wrong(store, "Bo") == (ROWS, 0, 0, CUSTOMERS)
    assert store.merge(STUDIO, many(ROWS, updated_at=2, called="Bo")) == Merged(0, ROWS - CUSTOMERS, CUSTOMERS)
    assert _wrong(store, "Bo") == (ROWS, 0, 0, CUSTOMERS)
    assert store.merge(STUDIO, many(ROWS, updated_at=2)) == Merged(0, 0, ROWS)


def _wrong(store: DuckStore, called: str) -> tuple[int, ...]:
    """(rows, rows with a wrong name, rows with a wrong event, first attendances)."""
    (found,) = ask(
        store,
        "SELECT count(*), count(*) FILTER (WHERE customer_name IS DISTINCT FROM ? || ' ' || customer_id "
        "OR customer_name_folded <> lower(customer_name)), "
        "count(*) FILTER (WHERE event_id <> id // 12 + 1 "
        "OR epoch_us(event_starts_at) IS DISTINCT FROM (id // 12 * 7919 % 10007) * 1000000), "
        "count(*) FILTER (WHERE is_first_attendance) FROM attendances",
        called,
    )
    return found
