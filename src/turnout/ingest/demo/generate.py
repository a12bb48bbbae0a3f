"""The set, slice by slice: memory holds two slices of bookings, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from turnout.ingest.demo.bookings import BOOKING, make_bookings
from turnout.ingest.demo.chance import Purpose, generator
from turnout.ingest.demo.crowd import USUAL_DROPINS, WAVE_DROPINS, cohort, cohort_sizes, founders, gone, present
from turnout.ingest.demo.days import DAY, SLICE_DAYS
from turnout.ingest.demo.events import fill, make_events
from turnout.ingest.demo.records import joined
from turnout.ingest.demo.tables import Tables
from turnout.ingest.demo.world import make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from turnout.ingest.demo.days import Calendar
    from turnout.ingest.demo.records import Records
    from turnout.ingest.demo.world import World


def generate(rows: int, seed: int, now: int, zone: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Do what `turnout.ingest.demo.demo_batches` says, its arguments checked."""
    return _batches(make_world(rows, seed, now, zone), batch_rows)


def _batches(world: World, batch_rows: int) -> Iterator[pa.RecordBatch]:
    tables = Tables(world)
    first = 0
    for bookings in _cut(_in_order(world.calendar, _slices(world)), batch_rows):
        yield tables.batch(bookings, first)
        first += len(bookings)


def _slices(world: World) -> Iterator[Records]:
    """Make the bookings for the events of each slice in turn."""
    calendar, venues = world.calendar, world.venues
    sizes, waves = cohort_sizes(calendar, venues, world.seed)
    crowd = founders(generator(world.seed, Purpose.JOINING), int(sizes[0]), venues)
    next_customer, next_event = len(crowd) + 1, 1
    for number in range(calendar.slices + 1):
        if number > 0:
            newcomers = cohort(
                generator(world.seed, Purpose.JOINING, number),
                venues,
                first_id=next_customer,
                size=int(sizes[number]),
                joined=number,
                dropins=WAVE_DROPINS if waves[number] else USUAL_DROPINS,
            )
            next_customer += len(newcomers)
            crowd = joined([crowd.take(np.flatnonzero(~gone(crowd, number))), newcomers])
        here = crowd.take(np.flatnonzero(present(crowd, number)))
        rng = generator(world.seed, Purpose.BOOKING, number)
        events = make_events(rng, world, number, next_event)
        next_event += len(events.id)
        booked = fill(rng, events, int(calendar.rows[number]), len(here))
        yield make_bookings(rng, world, here, events, booked)


def _in_order(calendar: Calendar, slices: Iterator[Records]) -> Iterator[Records]:
    """Bring all bookings into the order in which they were made. The earliest for a slice are of the one before."""
    waiting = np.zeros(0, dtype=BOOKING)
    for number, made in enumerate(slices):
        waiting = joined([waiting, made])
        waiting = waiting.take(np.argsort(waiting["booked"], kind="stable"))
        slice_start = calendar.cut - (calendar.slices - number) * SLICE_DAYS * DAY
        settled = int(np.searchsorted(waiting["booked"], slice_start))
        yield waiting[:settled]
        waiting = waiting[settled:]
    yield waiting


def _cut(parts: Iterator[Records], size: int) -> Iterator[Records]:
    """Cut the bookings into parts of `size`; the last may be smaller."""
    held: list[Records] = []
    count = 0
    for part in parts:
        held.append(part)
        count += len(part)
        if count >= size:
            whole = joined(held)
            full = count - count % size
            yield from (whole[start : start + size] for start in range(0, full, size))
            held, count = [whole[full:]], count - full
    if count:
        yield joined(held)
