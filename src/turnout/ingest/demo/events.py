"""The events of one slice: when and where they take place, what they are, who leads them, how many book them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from turnout.ingest.demo.days import DAY, MINUTE, SEASON_SLICES, SLICE_DAYS, booked_later
from turnout.ingest.demo.studio import CLASSES
from turnout.ingest.demo.timetable import Timetable, style_table

if TYPE_CHECKING:
    from turnout.ingest.demo.chance import Bools, Floats, Ints
    from turnout.ingest.demo.world import World

_SUBSTITUTES: Final = 0.06
_PAIRS: Final = 0.05
_UNSTAFFED: Final = 0.015
_FILLING_ROUNDS: Final = 8


@dataclass(frozen=True)
class Events:
    """Arrays by event, in the order of their starts. Instants are microseconds UTC."""

    number: int
    """The slice's."""
    id: Ints
    starts: Ints
    ends: Ints
    day: Ints
    """The local day, counted from the slice's first."""
    minute: Ints
    """The local start, in minutes of the day."""
    venue: Ints
    zone: Ints
    circle: Ints
    style: Ints
    lead: Ints
    """The instructor's id, or 0."""
    second: Ints
    """Another instructor's id, or 0."""
    seats: Ints
    pull: Floats
    """How many bookings it draws by now, relative."""


def make_events(rng: np.random.Generator, world: World, number: int, first_id: int) -> Events:
    """Draw up all events of slice `number`; ids go on from `first_id`."""
    calendar, venues, slots = world.calendar, world.venues, world.timetable.slots
    season = number // SEASON_SLICES
    used = np.flatnonzero(slots.used[:, season])
    first_day = calendar.first_day + number * SLICE_DAYS
    once = (slots.weekday[used] - calendar.first_weekday(number)) % 7
    slot = np.repeat(used, SLICE_DAYS // 7)
    day = (once[:, None] + np.arange(0, SLICE_DAYS, 7)).ravel()
    demand = calendar.demand[calendar.slice_days(number)]
    takes_place = demand[day] > 0
    slot, day = slot[takes_place], day[takes_place]
    offset = calendar.offsets[:, calendar.slice_days(number)][venues.zone[slots.venue[slot]], day]
    starts = (first_day + day) * DAY + slots.minute[slot] * MINUTE - offset
    order = np.argsort(starts, kind="stable")
    slot, day, starts = slot[order], day[order], starts[order]

    minutes, seats, appeal, led = style_table()
    style, venue = slots.style[slot, season], slots.venue[slot]
    one_to_one = style >= len(CLASSES)
    still_open = 1.0 - booked_later(np.maximum(starts - calendar.cut, 0) / DAY)
    lead, second = _staff(rng, world.timetable, season, slots.chair[slot], one_to_one)
    return Events(
        number=number,
        id=first_id + np.arange(len(slot)),
        starts=starts,
        ends=starts + minutes[style] * MINUTE,
        day=day,
        minute=slots.minute[slot],
        venue=venue,
        zone=venues.zone[venue],
        circle=slots.circle[slot],
        style=style,
        lead=np.where(led[style], lead, 0),
        second=np.where(led[style], second, 0),
        seats=np.where(one_to_one, 1, np.rint(seats[style] * venues.room[venue])).astype(np.int64),
        pull=slots.pull[slot] * appeal[style] * demand[day] * still_open * rng.lognormal(0.0, 0.18, len(slot)),
    )


def _staff(
    rng: np.random.Generator, timetable: Timetable, season: int, chair: Ints, one_to_one: Bools
) -> tuple[Ints, Ints]:
    """Choose by event its instructor and, for some classes, a second one; 0 for none."""
    luck = rng.random((2, len(chair)))
    other = timetable.colleague[chair]
    holder = timetable.holder[:, season] + 1
    substituted = (luck[0] < _SUBSTITUTES) & ~one_to_one
    lead = np.where(substituted, holder[other], holder[chair])
    staffed = one_to_one | (luck[1] >= _UNSTAFFED)
    pair = ~one_to_one & ~substituted & (luck[1] > 1.0 - _PAIRS)
    return np.where(staffed, lead, 0), np.where(pair, holder[other], 0)


def fill(rng: np.random.Generator, events: Events, rows: int, people: int) -> Ints:
    """Draw by event how many book it: `rows` in all, never more than `people`, and than seats if all find one."""
    open_for_booking = events.pull > 0
    seats = np.where(open_for_booking, events.seats, 0)
    missing = rows - int(seats.sum())
    if missing > 0:  # more is asked for than a timetable of whole slots can hold: places are added, in classes
        classes = open_for_booking & (events.seats > 1)
        roomy = classes if classes.any() else open_for_booking
        seats = seats + roomy * -(-missing // int(roomy.sum()))
    seats = np.minimum(seats, people)
    booked = np.zeros(len(seats), dtype=np.int64)
    for _ in range(_FILLING_ROUNDS):
        left = rows - int(booked.sum())
        wish = events.pull * (booked < seats)
        if left == 0 or not wish.any():
            break
        booked = np.minimum(booked + rng.multinomial(left, wish / wish.sum()), seats)
    free = np.repeat(np.arange(len(seats)), seats - booked)
    rest = rng.permutation(free)[: rows - int(booked.sum())]
    return booked + np.bincount(rest, minlength=len(seats))
