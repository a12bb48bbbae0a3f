"""When it all happens: the days that a set stretches over, its seasons, and how many rows fall into each slice.

A slice is four weeks. Slices end with today's start; one more slice, from today on, has the open bookings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from turnout.ingest.demo.chance import Bools, Floats, Ints, Purpose, generator, split

SLICE_DAYS: Final = 28
SEASON_SLICES: Final = 3
"""A timetable and its staff hold for so many slices."""

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = date(1970, 1, 1)
_EPOCH_WEEKDAY: Final = 3

# log10 of the rows, and the slices: 2,000 rows are ten of them, 200,000 four years, 10,000,000 six.
_SLICES: Final = ((0.0, 1), (2.0, 2), (3.3, 10), (4.3, 26), (5.3, 52), (6.0, 65), (7.0, 78))

# Day of the year, and demand: the new-year rush, the summer hole, the autumn start, the end of the year.
_SEASON: Final = (
    (1, 0.5), (4, 1.2), (8, 1.5), (18, 1.48), (31, 1.32), (50, 1.12), (75, 1.06), (120, 1.0), (150, 0.95), (180, 0.86),
    (200, 0.76), (225, 0.7), (243, 0.85), (258, 1.1), (290, 1.08), (320, 1.0), (345, 0.9), (356, 0.5), (366, 0.4),
)  # fmt: skip
_CLOSED: Final = frozenset({(12, 24), (12, 25), (12, 26), (1, 1)})

# Days before an event, and the share of its bookings that are made in them.
_LEAD: Final = (
    (0.02, 0.0), (0.08, 0.12), (0.4, 0.3), (1.0, 0.45), (2.0, 0.62), (5.0, 0.78), (9.0, 0.9), (16.0, 0.97), (26.0, 1.0),
)  # fmt: skip


def along(points: tuple[tuple[float, float], ...], x: npt.ArrayLike) -> Floats:
    """Read off a line through points (x, y); beyond its ends it is level."""
    line = np.array(points, dtype=np.float64)
    read: Floats = np.interp(np.asarray(x, dtype=np.float64), line[:, 0], line[:, 1])
    return read


def booked_later(days: Floats) -> Floats:
    """Return the share of an event's bookings that are made less than so many days before it."""
    return along(_LEAD, days)


def lead_days(share: Floats) -> Floats:
    """Invert `booked_later`."""
    return along(tuple((share, days) for days, share in _LEAD), share)


def day_start(now: int, zone: str) -> tuple[int, date]:
    """Find the start of the day in `zone` on which `now` falls, in microseconds UTC, and that day."""
    tz = ZoneInfo(zone)
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now)).astimezone(tz).date()
    start = datetime(day.year, day.month, day.day, tzinfo=tz)
    return int(start.timestamp()) * SECOND, day


@dataclass(frozen=True)
class Calendar:
    """The days of a set, numbered since 1970; arrays by day begin with `first_day`."""

    cut: int
    """The start of today in the provider's zone, in microseconds UTC: nothing is known to have happened later."""
    today: int
    slices: int
    """The slices before today; the one from today on has this number."""
    demand: Floats
    """By day: how much is asked for, relative; 0 where everything is closed."""
    winter: Bools
    """By day: whether mornings are dark and wet more often than not."""
    zones: tuple[str, str]
    """The provider's, and the one of the venues elsewhere."""
    offsets: Ints
    """By zone and day: what local time is ahead of UTC, in microseconds, after any clock change of the day."""
    wanted: Floats
    """By slice: the rows that its demand amounts to."""
    rows: Ints
    """By slice: the rows that it gets, which is less for the one that has only begun to be booked."""

    @property
    def first_day(self) -> int:
        return self.today - SLICE_DAYS * self.slices

    @property
    def seasons(self) -> int:
        return self.slices // SEASON_SLICES + 1

    def slice_days(self, number: int) -> slice:
        """Return where the days of a slice stand in the arrays by day."""
        return slice(number * SLICE_DAYS, (number + 1) * SLICE_DAYS)

    def first_weekday(self, number: int) -> int:
        """Return the weekday, 0 for Monday, on which a slice begins."""
        return (self.first_day + number * SLICE_DAYS + _EPOCH_WEEKDAY) % 7


def make_calendar(rows: int, seed: int, now: int, zone: str) -> Calendar:
    """Lay out the days of a set of so many rows, seen from the day of `now` in the provider's zone."""
    away = "America/New_York" if zone == "Europe/London" else "Europe/London"
    cut, today = day_start(now, zone)
    slices = round(float(along(_SLICES, np.log10(rows))))
    days = [today + timedelta(days=n) for n in range(-SLICE_DAYS * slices, SLICE_DAYS)]
    demand = _demand(days, seed)
    per_slice = demand.reshape(slices + 1, SLICE_DAYS)
    booked = per_slice.sum(axis=1)
    booked[-1] = per_slice[-1] @ (1.0 - booked_later(np.arange(SLICE_DAYS, dtype=np.float64) + 0.6))
    return Calendar(
        cut=cut,
        today=(today - _EPOCH).days,
        slices=slices,
        demand=demand,
        winter=np.array([day.month in {11, 12, 1, 2} for day in days]),
        zones=(zone, away),
        offsets=np.stack([_offsets(days, ZoneInfo(name)) for name in (zone, away)]),
        wanted=per_slice.sum(axis=1) * (rows / booked.sum()),
        rows=split(rows, booked),
    )


def _demand(days: list[date], seed: int) -> Floats:
    season = along(_SEASON, [day.timetuple().tm_yday for day in days])
    age = np.arange(len(days), dtype=np.float64)
    # A studio opens, fills in its first months, and from then on grows slowly.
    growth = along(((0, 0.45), (min(330.0, 0.5 * len(days)), 1.0), (len(days), 1.25)), age)
    weather = generator(seed, Purpose.CALENDAR).normal(1.0, 0.06, len(days)).clip(0.8, 1.2)
    opened = np.array([(day.month, day.day) not in _CLOSED for day in days])
    demand: Floats = season * growth * weather * opened
    return demand


def _offsets(days: list[date], zone: ZoneInfo) -> Ints:
    # Clocks change in the small hours, classes begin after them: one look at each day is enough.
    noons = (datetime(day.year, day.month, day.day, 12, tzinfo=zone).utcoffset() for day in days)
    return np.array([0 if offset is None else offset // timedelta(microseconds=1) for offset in noons], dtype=np.int64)
