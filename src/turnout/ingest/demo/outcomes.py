"""What becomes of bookings: attended, not, called off late, or not known yet; and when that was noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from turnout.catalog.attendances import STATUSES
from turnout.ingest.demo.days import HOUR, MINUTE, SECOND, SLICE_DAYS, Calendar
from turnout.ingest.demo.studio import STYLES

if TYPE_CHECKING:
    from turnout.ingest.demo.chance import Floats, Ints
    from turnout.ingest.demo.events import Events
    from turnout.ingest.demo.records import Records

_ATTENDED, _LATE, _NO_SHOW, _REGISTERED = (
    STATUSES.index(name) for name in ("attended", "late_cancelled", "no_show", "registered")
)
NO_CHECKIN: Final = 0

_EARLY_HOURS: Final = 10 * 60
_RAIN: Final = (0.25, 0.55)
"""The share of rainy days, in winter the second."""
_RAIN_RISK: Final = 1.4
_FORGOTTEN: Final = (0.15, 0.012)
"""The share of past bookings that nobody marks, without and with an instructor."""
_MISSED: Final = 0.058
_CALLED_OFF: Final = 0.10
_CHECKED_IN: Final = 0.91
_NOTED_AT_CHECKIN: Final = 0.7
_NEXT_MORNING: Final = 0.08


def settle(
    rng: np.random.Generator, calendar: Calendar, made: Records, events: Events, *, event: Ints, unsteady: Floats
) -> None:
    """Fill in status, check-in and `updated` of the bookings `made`.

    By booking: `event` is its place among the events, `unsteady` is around 1.
    """
    over = (events.ends + 5 * MINUTE <= calendar.cut)[event]
    status = _status(rng, calendar, events, event, unsteady)
    status = np.where(over, status, _REGISTERED)
    checkin = _checkin(rng, made["starts"])
    checked_in = (status == _ATTENDED) & (rng.random(len(made)) < _CHECKED_IN)
    noted = np.minimum(_marked(rng, calendar, events)[event] + rng.integers(0, 4 * SECOND, len(made)), calendar.cut - 1)
    at_once = checked_in & (rng.random(len(made)) < _NOTED_AT_CHECKIN)
    updated = np.select(
        [status == _REGISTERED, status == _LATE, at_once],
        [made["booked"], _called_off(rng, made), checkin + rng.integers(3_000, 600_000, len(made))],
        noted,
    )
    # Most clients write milliseconds, some microseconds, and old imports whole seconds.
    grain = np.array((SECOND, 1_000, 1))[np.searchsorted((0.04, 0.85), rng.random(len(made)), side="right")]
    made["status"] = status
    made["updated"] = updated - updated % grain
    made["checkin"] = np.where(checked_in, checkin - checkin % grain, NO_CHECKIN)


def _status(rng: np.random.Generator, calendar: Calendar, events: Events, event: Ints, unsteady: Floats) -> Ints:
    winter = calendar.winter[calendar.slice_days(events.number)]
    rain = rng.random((2, SLICE_DAYS)) < np.where(winter, _RAIN[1], _RAIN[0])
    dreary = rain[events.zone, events.day] & winter[events.day] & (events.minute < _EARLY_HOURS)
    led = np.array([style.led for style in STYLES], dtype=np.int64)[events.style]
    forgotten = np.array(_FORGOTTEN)[led]
    missed = _MISSED * (1.0 + _RAIN_RISK * dreary)
    called_off = _CALLED_OFF * (1.0 + 0.4 * dreary)
    luck = rng.random(len(event))
    edges = np.cumsum(
        [forgotten[event], (missed[event] * unsteady).clip(max=0.4), (called_off[event] * unsteady).clip(max=0.4)],
        axis=0,
    )
    return np.select([luck < edge for edge in edges], [_REGISTERED, _NO_SHOW, _LATE], _ATTENDED)


def _checkin(rng: np.random.Generator, starts: Ints) -> Ints:
    early = (rng.gamma(2.2, 3.6, len(starts)) - 2.0).clip(-4.0, 20.0)
    checkin: Ints = starts - (early * MINUTE).astype(np.int64) - rng.integers(0, SECOND, len(starts))
    return checkin


def _called_off(rng: np.random.Generator, made: Records) -> Ints:
    before = 6 * MINUTE + (rng.random(len(made)) ** 1.4 * 10 * HOUR).astype(np.int64)
    called_off: Ints = np.maximum(made["starts"] - before, made["booked"] + MINUTE)
    return called_off


def _marked(rng: np.random.Generator, calendar: Calendar, events: Events) -> Ints:
    """Draw by event when the staff went through its list: soon after it or the next morning, but before the cut."""
    count = len(events.id)
    minutes = 2.0 + rng.exponential(25.0, count) + (rng.random(count) < _NEXT_MORNING) * 720.0
    latest = (calendar.cut - events.ends) * rng.random(count)
    marked: Ints = events.ends + np.minimum(minutes * MINUTE, np.maximum(latest, 0.0)).astype(np.int64)
    return marked
