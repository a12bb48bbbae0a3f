"""Local starts: where the day and the minute come from, and that they follow events, venues, zones and upgrades."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb
import pytest

from store.look import OTHER, STUDIO, ask, wide
from store.rows import EPOCH, batches, many, row
from turnout.query.instants import offset_at, offsets_in
from turnout.store.duckdb import DuckStore

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = 60_000_000
SPRING = 1_774_746_000_000_000  # 2026-03-29T01:00Z: clocks go forward in Europe
NEW_YEAR = 1_767_225_600_000_000  # 2026-01-01T00:00Z
ZONES = resources.files("tzdata").joinpath("zones").read_text("ascii").split()


def start(store: DuckStore, row_id: int = 1) -> str:
    """A row's local start, as people write it."""
    found = wide(store)[row_id]
    return f"{found['event_day']} {found['event_minute'] // 60:02}:{found['event_minute'] % 60:02}"


@pytest.mark.parametrize("name", ZONES)
def test_offsets_are_those_of_the_zone(name: str) -> None:
    """In each year with a change, every instant on either side of each found change, and the days between."""
    zone = ZoneInfo(name)
    for year in (1883, 1919, 1943, 1966, 2000, 2011, 2026, 2087):
        pairs = offsets_in(year, zone)
        assert pairs[0] == ((datetime(year, 1, 1) - EPOCH) // timedelta(microseconds=1), pairs[0][1])
        assert [since for since, _ in pairs] == sorted({since for since, _ in pairs})
        for n, (since, offset) in enumerate(pairs):
            before = offset if n == 0 else pairs[n - 1][1]
            assert offset_at(since, zone) == offset
            assert n == 0 or (offset_at(since - 1, zone) == before != offset)
        for half_day in range(0, 730, 7):
            instant = pairs[0][0] + half_day * 720 * MINUTE + 11
            wanted = [offset for since, offset in pairs if since <= instant][-1]
            assert offset_at(instant, zone) == wanted


@pytest.mark.parametrize("year", [-1, 0, 1, 1970, 9999, 10_000])
def test_years_at_the_ends_of_the_calendar_have_offsets(year: int) -> None:
    # The calendar repeats itself after 400 years.
    like = 2000 + year % 400
    since = (datetime(like, 1, 1) - EPOCH - (like - year) // 400 * timedelta(days=146_097)) // timedelta(microseconds=1)
    for zone in (UTC, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Kiritimati")):
        assert offsets_in(year, zone)[0] == (since, offset_at(since, zone))


def test_a_local_start_is_of_the_venues_clock_and_else_of_the_providers(store: DuckStore) -> None:
    said = {"event_starts_at": SPRING - MINUTE}
    store.merge(
        STUDIO,
        batches(
            [
                row(1, 1, event_id=1, **said),
                row(2, 1, event_id=2, venue_id=1, venue_timezone="Asia/Tokyo", **said),
                row(3, 1, event_id=3, venue_id=2, venue_timezone=None, **said),
                row(4, 1, event_id=4, venue_id=3, **said),
                row(5, 1, event_id=5, venue_id=1, event_starts_at=SPRING),
                row(6, 1, event_id=6, event_starts_at=SPRING),
                row(7, 1, event_id=7, event_starts_at=NEW_YEAR - 1),
            ]
        ),
    )
    assert [start(store, id_) for id_ in range(1, 8)] == [
        "2026-03-29 01:59", "2026-03-29 09:59", "2026-03-29 01:59", "2026-03-29 01:59",
        "2026-03-29 10:00", "2026-03-29 03:00", "2026-01-01 00:59",
    ]  # fmt: skip


def test_it_follows_the_event_and_its_venue(store: DuckStore) -> None:
    """Other rows say that the event moved, is at another venue, and where that is; and that it has no zone."""
    store.merge(STUDIO, batches([row(1, 1, event_starts_at=NEW_YEAR)]))
    assert start(store) == "2026-01-01 01:00"
    store.merge(STUDIO, batches([row(2, 2, event_starts_at=NEW_YEAR - 90 * MINUTE)]))
    assert start(store) == "2025-12-31 23:30"
    store.merge(STUDIO, batches([row(3, 3, event_starts_at=NEW_YEAR, venue_id=7)]))
    assert start(store) == "2026-01-01 01:00"
    store.merge(STUDIO, batches([row(4, 4, event_id=9, venue_id=7, venue_timezone="America/New_York")]))
    assert start(store) == "2025-12-31 19:00"
    assert store.merge(STUDIO, batches([row(4, 5, event_id=9, venue_id=7, venue_timezone="Asia/Tokyo")])).updated == 1
    assert start(store) == "2026-01-01 09:00"
    store.merge(STUDIO, batches([row(4, 6, event_id=9, venue_id=7, venue_timezone=None)]))
    assert start(store) == "2026-01-01 01:00"
    store.delete(STUDIO, [2, 3, 4])
    assert start(store) == "2026-01-01 01:00"


def test_a_dry_run_changes_none(store: DuckStore) -> None:
    store.merge(STUDIO, batches([row(1, 1, event_starts_at=NEW_YEAR, venue_id=1)]))
    store.merge(STUDIO, batches([row(2, 2, venue_id=1, venue_timezone="Asia/Tokyo")]), dry_run=True)
    assert start(store) == "2026-01-01 01:00"


def test_another_zone_of_the_provider_moves_its_rows_alone(path: Path) -> None:
    with closing(DuckStore(path)) as store:
        for provider in (STUDIO, OTHER):
            store.put_provider(provider)
            store.merge(
                provider,
                batches(
                    [
                        row(1, 1, event_starts_at=NEW_YEAR),
                        row(2, 1, event_id=2, venue_id=1, venue_timezone="Asia/Tokyo", event_starts_at=NEW_YEAR),
                    ]
                ),
            )
        others, versions = wide(store, OTHER), [store.version(1), store.version(2)]
        store.put_provider(replace(STUDIO, name="New", week_start="sunday"))
        assert [store.version(1), store.version(2)] == versions
        store.put_provider(replace(STUDIO, timezone="America/New_York"))
        assert [start(store, id_) for id_ in (1, 2)] == ["2025-12-31 19:00", "2026-01-01 09:00"]
        assert wide(store, OTHER) == others
        assert (store.version(1) != versions[0], store.version(2) == versions[1]) == (True, True)
        # Whoever still has the provider as it was brings rows by its present clock.
        store.merge(STUDIO, batches([row(3, 1, event_id=3, event_starts_at=NEW_YEAR)]))
        assert start(store, 3) == "2025-12-31 19:00"
    with closing(DuckStore(path)) as store:
        assert store.providers()[1].timezone == "America/New_York"
        assert [start(store, id_) for id_ in (1, 2)] == ["2025-12-31 19:00", "2026-01-01 09:00"]


def test_a_zone_changed_during_a_merge_holds_for_its_rows(store: DuckStore) -> None:
    """The provider's change waits for the merge, or the merge has the new zone: never a mixture."""
    store.put_provider(STUDIO)
    read, go_on = threading.Event(), threading.Event()
    rows = [row(1, 1, event_starts_at=NEW_YEAR), row(2, 1, event_id=2, event_starts_at=NEW_YEAR)]

    def slowly():
        first, second = batches(rows, size=1)
        yield first
        read.set()
        assert go_on.wait(30)
        yield second

    merging = threading.Thread(target=lambda: store.merge(STUDIO, slowly()))
    merging.start()
    assert read.wait(30)
    moving = threading.Thread(target=lambda: store.put_provider(replace(STUDIO, timezone="Asia/Tokyo")))
    moving.start()
    go_on.set()
    merging.join(30)
    moving.join(30)
    assert [start(store, id_) for id_ in (1, 2)] == ["2026-01-01 09:00"] * 2


def test_a_provider_whose_rows_cannot_be_moved_stays_as_it_is(
    store: DuckStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_provider(STUDIO)
    store.merge(STUDIO, batches([row(1, 1, event_starts_at=NEW_YEAR)]))

    def fail(_work: object) -> int:
        raise duckdb.OutOfMemoryException

    monkeypatch.setattr("turnout.store.local_starts.move_starts", fail)
    with pytest.raises(Exception, match="memory"):
        store.put_provider(replace(STUDIO, timezone="Asia/Tokyo"))
    monkeypatch.undo()
    assert store.providers()[1] == STUDIO
    assert start(store) == "2026-01-01 01:00"


def test_putting_the_table_in_order_erasing_and_copies_keep_them(path: Path) -> None:
    with closing(DuckStore(path)) as store:
        store.put_provider(STUDIO)
        store.merge(STUDIO, many(3_000))
        before = wide(store)
        store.upkeep.sort_tail()
        store.upkeep.rebuild(lambda: 1)
        assert wide(store) == before
        store.persons.erase(STUDIO, [7], at=1, by="test")
        assert store.persons.overwrite()
        after = wide(store)
        assert all(after[id_]["event_day"] == row_["event_day"] for id_, row_ in before.items())
        assert all(after[id_]["event_minute"] == row_["event_minute"] for id_, row_ in before.items())
        with store.upkeep.copy() as copy:
            path.with_name("copy.duckdb").write_bytes(copy.read())
    with closing(DuckStore(path.with_name("copy.duckdb"))) as store:
        assert wide(store) == after


def test_an_older_store_gets_them(path: Path) -> None:
    """Of two providers, one with venues in two zones: the same as when the rows are merged anew."""
    third = replace(OTHER, id=3, timezone="America/St_Johns")
    with closing(DuckStore(path)) as store:
        for provider in (STUDIO, OTHER, third):
            store.put_provider(provider)
            zones = {1: "Asia/Tokyo", 2: None, 3: "no such zone"}
            store.merge(
                provider,
                batches(
                    [
                        row(
                            n,
                            1,
                            event_id=n,
                            event_starts_at=SPRING + n * 977 * MINUTE * (-1) ** n,
                            venue_id=n % 4,
                            venue_timezone=zones.get(n % 4),
                        )
                        for n in range(1, 60)
                    ]
                ),
            )
        wanted = {provider.id: wide(store, provider) for provider in (STUDIO, OTHER, third)}
    with duckdb.connect(path) as old:
        old.execute("ALTER TABLE attendances DROP COLUMN event_day; ALTER TABLE attendances DROP COLUMN event_minute")
        old.execute("DROP TABLE saved_view")
        old.execute("UPDATE meta SET value = '3' WHERE name = 'schema_version'")
    with closing(DuckStore(path)) as store:
        for provider in (STUDIO, OTHER, third):
            assert wide(store, provider) == wanted[provider.id]
        assert ask(store, "SELECT count(*) FROM attendances WHERE event_day IS NULL") == [(0,)]
        store.merge(STUDIO, batches([row(1, 2, event_starts_at=NEW_YEAR)]))
        assert start(store) == "2026-01-01 09:00"


@pytest.mark.parametrize(("instant", "year"), [(-62_135_596_800_000_000, 1), (253_402_300_799_999_999, 10_000)])
def test_dates_at_the_ends_of_time(store: DuckStore, instant: int, year: int) -> None:
    store.merge(STUDIO, batches([row(1, 1, event_starts_at=instant)]))
    ((shown, minutes),) = ask(store, "SELECT event_day::VARCHAR, event_minute FROM attendances")
    local = instant + offset_at(instant, ZoneInfo(STUDIO.timezone))
    assert (int(shown.split("-")[0]), minutes) == (year, local // MINUTE % 1440)
