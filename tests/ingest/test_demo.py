"""The demo data set: what it promises of its rows."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from demo_sets import DAY, EPOCH, NOW, TODAY, column, instant, made, share, studio_set
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.catalog.attendances import THINGS
from turnout.catalog.types import MAX_ID, Kind
from turnout.ingest.demo import BATCH_ROWS, DEMO_PROVIDER, MAX_ROWS, demo_batches
from turnout.ingest.demo.bookings import make_bookings
from turnout.ingest.demo.chance import Purpose, generator, split
from turnout.ingest.demo.crowd import founders
from turnout.ingest.demo.events import fill, make_events
from turnout.ingest.demo.people import customers
from turnout.ingest.demo.world import make_world
from turnout.store.schema import HAS_BIT, MEMBERS, staged_members
from turnout.store.staging import STAGING

ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "Pacific/Auckland", "America/Havana", "Asia/Kathmandu")
TRUTHS = [
    (thing.reference, m.storage) for thing in THINGS if thing.reference != "instructor_ids" for m in thing.members
]


@pytest.fixture(scope="module")
def studio() -> pa.Table:
    return studio_set()


# --- the set as a whole -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 99, 2_000, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1, 120_000])
def test_it_has_exactly_the_rows_asked_for(rows):
    batches = list(demo_batches(rows, 7, NOW))
    table = pa.Table.from_batches(batches, schema=STAGING)
    table.validate(full=True)
    assert [len(batch) for batch in batches[:-1]] == [BATCH_ROWS] * (len(batches) - 1)
    assert 0 < len(batches[-1]) <= BATCH_ROWS
    assert np.array_equal(column(table, "seq"), np.arange(rows))
    assert np.array_equal(column(table, "id"), np.arange(1, rows + 1))


@pytest.mark.parametrize("rows", [0, -1, MAX_ROWS + 1])
def test_other_sizes_are_refused_at_once(rows):
    with pytest.raises(ValueError, match="rows must be from 1 to 10,000,000"):
        demo_batches(rows, 1, NOW)


def test_an_unknown_zone_is_refused_at_once():
    with pytest.raises(ZoneInfoNotFoundError):
        demo_batches(1, 1, NOW, zone="Europe/Nowhere")


def test_the_size_of_batches_changes_no_row():
    assert made(3_000, batch_rows=7).equals(made(3_000))


def test_seeds_differ():
    sets = [made(500, seed) for seed in (-1, 0, 1, 2, 2**63)]
    assert all(not one.equals(other) for n, one in enumerate(sets) for other in sets[:n])


def test_the_set_belongs_to_the_local_day():
    day = made(2_000)
    assert made(2_000, now=TODAY).equals(day)
    assert made(2_000, now=TODAY + DAY - 1).equals(day)
    assert not made(2_000, now=TODAY - 1).equals(day)
    assert not made(2_000, now=TODAY + DAY).equals(day)


def digest(table: pa.Table) -> str:
    whole = table.combine_chunks()
    return hashlib.sha256(repr([whole[name].to_pylist() for name in STAGING.names]).encode()).hexdigest()


def run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_another_process_makes_the_same_rows():
    code = (
        "import sys, hashlib, pyarrow as pa\n"
        "from turnout.ingest.demo import demo_batches\n"
        "t = pa.Table.from_batches(demo_batches(4000, 11, int(sys.argv[1]))).combine_chunks()\n"
        "print(hashlib.sha256(repr([t[n].to_pylist() for n in t.schema.names]).encode()).hexdigest())\n"
    )
    assert run(code, NOW) == digest(made(4_000, 11))


def test_memory_does_not_grow_with_the_set():
    code = (
        "from pathlib import Path\n"
        "from turnout.ingest.demo import demo_batches\n"
        "print(sum(len(b) for b in demo_batches(1_000_000, 1, 1_793_000_000_000_000)))\n"
        # Not ru_maxrss: that begins with what the process had before it became this one.
        "status = Path('/proc/self/status').read_text()\n"
        "print(status.partition('VmHWM:')[2].split()[0])\n"
    )
    rows, kibibytes = map(int, run(code).split())
    assert rows == 1_000_000
    assert kibibytes < 320 * 1024  # one million rows as Arrow alone are some 300 MiB


def test_numpy_is_loaded_only_when_a_set_is_made():
    code = (
        "import sys, turnout.ingest.demo as d\n"
        "print('numpy' in sys.modules, 'turnout.ingest.demo.generate' in sys.modules)\n"
        "next(d.demo_batches(1, 1, 0))\n"
        "print('numpy' in sys.modules, 'turnout.ingest.demo.generate' in sys.modules)\n"
    )
    assert run(code).split() == ["False", "False", "True", "True"]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 400),
    seed=st.integers(-(2**70), 2**70),
    now=st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
)
def test_any_set_keeps_its_promises(rows, seed, now, zone):
    micros = (now - EPOCH) // timedelta(microseconds=1)
    table = made(rows, seed, micros, zone=zone)
    day = now.astimezone(ZoneInfo(zone)).date().isoformat()
    check_times(table, instant(day, zone))
    assert np.array_equal(column(table, "id"), np.arange(1, rows + 1))
    assert len(set(zip(column(table, "event_id"), column(table, "customer_id"), strict=True))) == rows
    for reference, member in TRUTHS:
        assert truths(table, reference, member) == 1


# --- rows that a store accepts ------------------------------------------------------------------------------------


def test_members_are_of_the_catalogue(studio):
    for member in staged_members():
        values = studio[member.storage]
        if member.needed:
            assert values.null_count == 0, member.storage
        if member.choices:
            assert set(pc.unique(values).drop_null().to_pylist()) == set(member.choices), member.storage
        if member.kind is Kind.INTEGER:
            assert pc.min(values).as_py() >= 1
            assert pc.max(values).as_py() <= MAX_ID
        if member.kind is Kind.TEXT:
            assert "" not in pc.unique(values).to_pylist()


def test_rows_state_all_but_the_first_attendance(studio):
    assert studio["is_first_attendance"].null_count == len(studio)
    has = column(studio, "has")
    absent = {
        m.storage: pc.is_null(studio[thing.reference]).to_numpy() for thing in THINGS for m in thing.members
        if thing.reference in STAGING.names and thing.reference != "instructor_ids"
    }  # fmt: skip
    for member in MEMBERS:
        stated = has & HAS_BIT[member.storage] != 0
        if member.storage == "is_first_attendance":
            assert not stated.any()
        elif member.storage in absent:
            assert np.array_equal(stated, ~absent[member.storage]), member.storage
        else:
            assert stated.all(), member.storage


def truths(table: pa.Table, reference: str, member: str) -> int:
    """How many values of a member one thing has, at most."""
    values = table[member]
    if pa.types.is_list(values.type):
        values = pa.array([str(people) for people in values.to_pylist()])
    pairs = pa.table({"of": table[reference], "value": values})
    pairs = pairs.filter(pc.is_valid(pairs["of"]))
    if not len(pairs):
        return 1
    counted = pairs.group_by("of").aggregate([("value", "count_distinct", pc.CountOptions(mode="all"))])
    return pc.max(counted["value_count_distinct"]).as_py()


@pytest.mark.parametrize(("reference", "member"), TRUTHS)
def test_each_thing_has_one_truth(studio, reference, member):
    assert truths(studio, reference, member) == 1


def test_each_instructor_has_one_name_and_each_membership_one_owner(studio):
    people = {(p["id"], p["name"]) for row in studio["instructor_ids"].to_pylist() for p in row}
    assert len(people) == len({number for number, _ in people}) > 5
    assert truths(studio, "customer_membership_id", "customer_id") == 1


def test_people_do_not_depend_on_who_is_asked_for_with_them(studio):
    alone = customers(1, np.array([17]))
    among = customers(1, np.arange(1, 100))
    assert alone.names[0] == among.names[16]
    assert alone.emails[0] == among.emails[16]


def test_the_third_customer_is_always_a_namesake():
    for seed in range(50):
        names = customers(seed, np.arange(1, 4)).names.to_pylist()
        assert names[2] in names[:2]


# --- time ---------------------------------------------------------------------------------------------------------


def check_times(table: pa.Table, today: int) -> None:
    starts, ends = column(table, "event_starts_at"), column(table, "event_ends_at")
    updated, status = column(table, "updated_at"), np.array(table["status"].to_pylist())
    assert (updated <= today).all()
    assert (ends > starts).all()
    assert (starts < today + 30 * DAY).all()
    assert (status[ends > today] == "registered").all()
    checked = pc.is_valid(table["checkin_ocurred_at"]).to_numpy()
    assert (status[checked] == "attended").all()
    late = (pc.fill_null(table["checkin_ocurred_at"].cast(pa.int64()), 0).to_numpy() - starts)[checked] / 60e6
    assert ((late > -25) & (late < 5)).all()
    assert (updated[checked] >= starts[checked] + late * 60e6 - 1).all()
    opened = status == "registered"
    assert (updated[opened] < starts[opened]).all()
    assert (updated[opened] > starts[opened] - 28 * DAY).all()
    # Ids follow the booking, which is what an open booking was last changed by; to the second, as some are rounded.
    assert (np.diff(updated[opened]) > -1e6).all()


def test_nothing_is_known_of_the_future(studio):
    check_times(studio, TODAY)
    ahead = column(studio, "event_starts_at") > NOW
    assert 0.002 < share(ahead) < 0.02
    days = (column(studio, "event_starts_at")[ahead] - TODAY) // (DAY)
    assert set(range(10)) <= set(days.tolist())


def test_today_has_events_before_and_after_now():
    today = column(made(20_000, 3), "event_starts_at") - TODAY
    hours = today[(today >= 0) & (today < DAY)] / 3600e6
    assert hours.min() < 12 < hours.max()


# --- its parts ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**7), st.lists(st.floats(0.001, 1000), min_size=1, max_size=50))
def test_a_total_is_split_exactly(total, weights):
    parts = split(total, np.array(weights))
    assert parts.sum() == total
    assert (np.abs(parts - total * np.array(weights) / sum(weights)) < 1 + 1e-6).all()


@pytest.mark.parametrize("wanted", [0, 1, 0.5, 1.0, 1.6])
def test_events_are_filled_exactly_and_by_nobody_twice(wanted):
    world = make_world(5_000, 1, NOW, DEMO_PROVIDER.timezone)
    rng = generator(1, Purpose.BOOKING)
    crowd = founders(rng, 0, world.venues)  # so few that full events want all of them
    events = make_events(rng, world, 3, first_id=1)
    seats = int(events.seats.sum())
    rows = wanted if isinstance(wanted, int) else int(wanted * seats)
    booked = fill(rng, events, rows, len(crowd))
    assert booked.sum() == rows
    assert booked.max() <= len(crowd)
    assert (booked[events.seats == 1] <= 1).all()
    if rows <= seats:
        assert (booked <= events.seats).all()
    made = make_bookings(rng, world, crowd, events, booked)
    assert len(set(zip(made["event"].tolist(), made["customer"].tolist(), strict=True))) == rows
    assert (np.bincount(made["event"] - 1, minlength=len(booked)) == booked).all()
