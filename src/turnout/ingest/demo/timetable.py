"""The timetable: weekly slots, which of them a season has, what they offer and who leads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from turnout.ingest.demo.chance import Bools, Floats, Ints, Purpose, generator
from turnout.ingest.demo.days import SEASON_SLICES, SLICE_DAYS, Calendar, along
from turnout.ingest.demo.studio import APPOINTMENTS, CLASSES, STYLES, Venues

APPOINTMENT_CIRCLE: Final = 6
CIRCLES: Final = 7
"""Customers have habits: each keeps mostly to one circle of slots. Early birds, mornings, midday, evenings of Monday,
Wednesday and Friday, evenings of Tuesday and Thursday, weekends, appointments."""

_APPOINTMENT_SHARE: Final = 0.07
_BUSY: Final = ((1.5, 4.5), (3.0, 14.0))
"""log10 of the rows of the busiest week, and the bookings of a class at the best time: small studios fill less."""
_FILLED: Final = 0.85
"""How much of what its slots draw a season needs at its peak: with less, slots are added."""
_SLOTS_PER_CHAIR: Final = 14
_LEAVING: Final = 0.14
_RESTYLED: Final = 0.12
_TASTE: Final = 0.45
"""How much studios differ in the times that they offer first."""
# Start of a class in minutes, and how many come, relative.
_WEEKDAY: Final = (
    (405, 0.45), (480, 0.5), (555, 0.55), (630, 0.4), (735, 0.45), (840, 0.12), (960, 0.35), (1035, 0.8), (1110, 1.0),
    (1185, 0.8), (1260, 0.25),
)  # fmt: skip
_WEEKEND: Final = ((510, 0.35), (585, 1.0), (660, 0.95), (735, 0.4), (900, 0.2), (1020, 0.4), (1095, 0.35))
_DAY_APPEAL: Final = (1.12, 1.1, 1.05, 1.0, 0.72, 0.85, 0.9)
_APPOINTMENT_HOURS: Final = range(7, 21)
_APPOINTMENT_APPEAL: Final = ((7, 0.6), (9, 0.8), (12, 0.5), (14, 0.4), (18, 0.9), (20, 0.5))
_NOON: Final = (690, 950)
_LUNCH_BREAK: Final = 50
_EVENING: Final = 990
_MORNING: Final = 540
_SATURDAY: Final = 5


class _Times(NamedTuple):
    """The times of a week at which something may start."""

    weekday: Ints
    minute: Ints
    pull: Floats
    """The bookings that a slot at this time draws in a normal week, at a venue of usual size."""


@dataclass(frozen=True)
class Slots:
    """Weekly slots of one kind, most wanted first; arrays by slot. A season uses the first so many that are open."""

    venue: Ints
    weekday: Ints
    minute: Ints
    circle: Ints
    pull: Floats
    """The bookings that it draws in a normal week."""
    style: Ints
    """By slot and season."""
    chair: Ints
    """The post whose holder leads the slot."""
    used: Bools
    """By slot and season: whether it takes place."""


@dataclass(frozen=True)
class Timetable:
    """All slots and the staff of a set."""

    slots: Slots
    holder: Ints
    """By chair and season: the number, from 0, of the instructor who holds the chair."""
    colleague: Ints
    """By chair: the chair that steps in for it, at the same venue."""
    instructors: int


def make_timetable(calendar: Calendar, venues: Venues, seed: int) -> Timetable:
    """Draw up the timetables of all seasons, as large as the demand of each asks for."""
    rng = generator(seed, Purpose.TIMETABLE)
    peaks = _peaks(calendar)
    slots = _joined(
        _slots(rng, venues, peaks * (1.0 - _APPOINTMENT_SHARE), _class_times(float(peaks.max())), appointment=False),
        _slots(rng, venues, peaks * _APPOINTMENT_SHARE, _appointment_times(), appointment=True),
    )
    in_use = np.bincount(slots.venue, slots.used.any(axis=1)).astype(np.int64)
    chairs_at = np.maximum(2, -(-in_use // _SLOTS_PER_CHAIR))
    first_at = np.cumsum(chairs_at) - chairs_at
    luck = rng.random(len(slots.venue))
    chair = first_at[slots.venue] + (luck * chairs_at[slots.venue]).astype(np.int64)
    colleague = np.concatenate([first + np.roll(np.arange(n), 1) for first, n in zip(first_at, chairs_at, strict=True)])
    holder = _holders(seed, len(colleague), calendar.seasons)
    return Timetable(replace(slots, chair=chair), holder, colleague, instructors=int(holder.max()) + 1)


def _peaks(calendar: Calendar) -> Floats:
    """Return by season the rows that a week of its busiest slice would have."""
    padded = np.zeros(calendar.seasons * SEASON_SLICES)
    padded[: calendar.slices + 1] = calendar.wanted * 7 / SLICE_DAYS
    busiest: Floats = padded.reshape(-1, SEASON_SLICES).max(axis=1)
    return busiest


def _class_times(peak: float) -> _Times:
    times = [(day, *time) for day in range(7) for time in (_WEEKDAY if day < _SATURDAY else _WEEKEND)]
    weekday, minute, appeal = (np.array(values) for values in zip(*times, strict=True))
    busy = along(_BUSY, np.log10(peak))
    return _Times(weekday, minute, busy * appeal * np.array(_DAY_APPEAL)[weekday])


def _appointment_times() -> _Times:
    weekday, hour = np.divmod(np.arange(6 * len(_APPOINTMENT_HOURS)), len(_APPOINTMENT_HOURS))
    hour = hour + _APPOINTMENT_HOURS.start
    return _Times(weekday, hour * 60, along(_APPOINTMENT_APPEAL, hour))


def _slots(rng: np.random.Generator, venues: Venues, peaks: Floats, times: _Times, *, appointment: bool) -> Slots:
    """Offer each time in each room of each venue: at each the better times first, larger venues more often."""
    count = len(times.pull)
    # Twice the slots that will be needed, in as many rooms as that takes, so that the less wanted times stay free.
    rooms = 1 + int(2.0 * peaks.max() / (times.pull.mean() * count * len(venues.crowd)))
    venue, room, time = (part.ravel() for part in np.indices((len(venues.crowd), rooms, count)))
    pull = times.pull[time] * rng.lognormal(0.0, 0.15, len(time))
    if not appointment:
        pull *= venues.room[venue]
    wanted = times.pull[time] * 0.5**room * rng.lognormal(0.0, _TASTE, len(time))
    # A second class of a day is put on after the first ones of other days; a large venue is ahead of a small one.
    wanted /= 1.0 + 0.5 * _rank(venue * 7 + times.weekday[time], wanted)
    order = np.argsort((_rank(venue, wanted) + 0.5) / venues.crowd[venue], kind="stable")
    venue, room, time, pull = venue[order], room[order], time[order], pull[order]
    # Rooms of one house begin a quarter of an hour apart: nobody waits for the same door.
    minute = times.minute[time] + (0 if appointment else 15 * (room % 4))
    weekday = times.weekday[time]
    return Slots(
        venue=venue,
        weekday=weekday,
        minute=minute,
        circle=np.full(len(time), APPOINTMENT_CIRCLE) if appointment else _circle(weekday, minute),
        pull=pull,
        style=_styles(rng, minute, len(peaks), appointment=appointment),
        chair=np.zeros_like(venue),
        used=_used(venues, venue, pull, peaks),
    )


def _rank(group: Ints, wanted: Floats) -> Ints:
    """Return by slot its place, from 0, among those of its group, the most wanted first."""
    order = np.lexsort((-wanted, group))
    grouped = group[order]
    rank = np.empty_like(group)
    rank[order] = np.arange(len(group)) - np.searchsorted(grouped, grouped)
    return rank


def _circle(weekday: Ints, minute: Ints) -> Ints:
    evening = np.where(np.isin(weekday, (0, 2, 4)), 3, 4)
    by_hour = np.select([minute < _MORNING, minute < _NOON[0], minute < _EVENING], [0, 1, 2], evening)
    return np.where(weekday >= _SATURDAY, 5, by_hour)


def _styles(rng: np.random.Generator, minute: Ints, seasons: int, *, appointment: bool) -> Ints:
    """Choose by slot and season. A slot mostly keeps its style for years; at midday only short classes are given."""
    choice = APPOINTMENTS if appointment else CLASSES
    first = len(CLASSES) if appointment else 0
    appeal = np.array([style.appeal for style in choice])
    short = appeal * np.array([style.minutes <= _LUNCH_BREAK for style in choice])
    midday = (minute >= _NOON[0]) & (minute < _NOON[1])
    changes = rng.random((len(minute), seasons)) < _RESTYLED
    changes[:, 0] = True
    drawn = rng.random((len(minute), seasons))
    longer = np.searchsorted(np.cumsum(appeal) / appeal.sum(), drawn, side="right")
    shorter = np.searchsorted(np.cumsum(short) / short.sum(), drawn, side="right")
    style = np.where(midday[:, None], shorter, longer)
    last_change = np.maximum.accumulate(np.where(changes, np.arange(seasons), 0), axis=1)
    return first + np.take_along_axis(style, last_change, axis=1)


def _used(venues: Venues, venue: Ints, pull: Floats, peaks: Floats) -> Bools:
    used = np.zeros((len(venue), len(peaks)), dtype=np.bool_)
    for season, peak in enumerate(peaks):
        opened = venues.opens[venue] <= season
        drawn = np.cumsum(pull * opened)
        enough = int(np.searchsorted(drawn, peak * _FILLED)) + 2
        used[:enough, season] = opened[:enough]
    return used


def _joined(one: Slots, other: Slots) -> Slots:
    return Slots(**{name: np.concatenate([value, getattr(other, name)]) for name, value in vars(one).items()})


def _holders(seed: int, chairs: int, seasons: int) -> Ints:
    """Draw who holds each chair in each season, numbered by arrival: people leave, others take over their classes."""
    arrives = generator(seed, Purpose.STAFF).random((seasons, chairs)) < _LEAVING
    arrives[0] = True
    number = np.where(arrives, np.cumsum(arrives.ravel()).reshape(arrives.shape) - 1, 0)
    held: Ints = np.maximum.accumulate(number, axis=0).T
    return held


def style_table() -> tuple[Ints, Ints, Floats, Bools]:
    """Return by style: minutes, usual seats, appeal, whether somebody leads it."""
    return (
        np.array([style.minutes for style in STYLES]),
        np.array([style.seats for style in STYLES]),
        np.array([style.appeal for style in STYLES]),
        np.array([style.led for style in STYLES]),
    )
