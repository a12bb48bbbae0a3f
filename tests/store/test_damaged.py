"""A part of the file that is not what was written: it is told by its name, and the rest is read on."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store.look import STUDIO, ask, damage
from store.rows import many
from turnout.errors import TurnoutError
from turnout.store.backup import look_at
from turnout.store.duckdb import DuckStore
from turnout.store.duckdb_file import DAMAGE, StoreUnfit

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 200_000


@pytest.fixture
def damaged(path: Path) -> Path:
    with closing(DuckStore(path)) as store:
        store.merge(STUDIO, many(ROWS))
    damage(path, "event_id")
    return path


def test_what_needs_the_part_says_so_and_the_rest_is_read(damaged: Path) -> None:
    with closing(DuckStore(damaged)) as store:
        assert not store.status().faults
        with pytest.raises(TurnoutError) as raised:
            ask(store, "SELECT max(event_id::VARCHAR) FROM attendances")
        assert (raised.value.code, raised.value.message) == (
            "storage_unavailable",
            f"Reading the store failed: {DAMAGE}.",
        )
        assert ask(store, "SELECT count(*) FROM attendances") == [(ROWS,)]
        (fault,) = store.status().faults
        assert "damaged" in fault


def test_a_merge_that_needs_it_changes_nothing(damaged: Path) -> None:
    with closing(DuckStore(damaged)) as store:
        with pytest.raises(TurnoutError) as raised:
            store.merge(STUDIO, many(ROWS, updated_at=2))
        assert DAMAGE in raised.value.message
        assert ask(store, "SELECT count(*), max(epoch_us(updated_at)) FROM attendances") == [(ROWS, 1)]
        assert store.status().faults


def test_a_copy_is_read_from_end_to_end(damaged: Path) -> None:
    with pytest.raises(StoreUnfit, match="damaged"):
        look_at(damaged)
