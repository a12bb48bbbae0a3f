"""The bookings of one slice: who books which event, when, how, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from turnout.catalog.attendances import BOOKING_METHODS
from turnout.ingest.demo import crowd as crowds
from turnout.ingest.demo.days import DAY, HOUR, SECOND, SLICE_DAYS, Calendar, booked_later, lead_days
from turnout.ingest.demo.outcomes import settle
from turnout.ingest.demo.studio import SOURCES, Venues
from turnout.ingest.demo.timetable import CIRCLES

if TYPE_CHECKING:
    from turnout.ingest.demo.chance import Ints
    from turnout.ingest.demo.events import Events
    from turnout.ingest.demo.records import Records
    from turnout.ingest.demo.world import World

BOOKING: Final = np.dtype(
    [
        ("booked", np.int64),  # instants in microseconds UTC
        ("updated", np.int64),
        ("starts", np.int64),
        ("checkin", np.int64),  # 0 for none
        ("event", np.int32),
        ("customer", np.int32),
        ("instance", np.int32),  # the customer's membership, 0 for none
        ("lead", np.int16),  # instructors, 0 for none
        ("second", np.int16),
        ("venue", np.int16),
        ("style", np.int8),
        ("membership", np.int8),  # -1 for none
        ("method", np.int8),
        ("source", np.int8),  # -1 for none
        ("status", np.int8),
    ],
    align=True,
)

_METHODS: Final = tuple(BOOKING_METHODS.index(name) for name in ("dropin", "free", "membership"))
_MEMBERSHIP: Final = 2

_KEEPS_CIRCLE: Final = 0.70
_KEEPS_VENUE: Final = 0.94
_KEEPS_ZONE: Final = 0.995
_EVERYWHERE: Final = 3
_ONE_A_DAY_ROUNDS: Final = 3
_ROUNDS: Final = 5

# By customer segment: the shares of the methods. By method: the shares of the sources, then of none.
_METHOD_SHARE: Final = ((0.035, 0.015, 0.95), (0.93, 0.07, 0.0), (0.2, 0.8, 0.0))
_SOURCE_SHARE: Final = ((0.25, 0.25, 0.40, 0.10), (0.28, 0.45, 0.12, 0.15), (0.63, 0.20, 0.02, 0.15))


class _Scopes:
    """Where an event's customers are looked for: its circle, its venue, its zone, everywhere, each wider than the last.

    The crowd stands in the order of zone, venue and circle, so that each scope is a range of it.
    """

    def __init__(self, crowd: Records, venues: Venues, events: Events) -> None:
        count = len(venues.crowd)
        code = crowds.circle_code(venues.zone[crowd["venue"]], crowd["venue"], crowd["circle"], count)
        order = np.argsort(code, kind="stable")
        self.crowd = crowd.take(order)
        code = code[order]
        self._drawn = np.concatenate([[0.0], np.cumsum(crowds.weights(self.crowd, events.number))])
        nobody = np.zeros_like(events.venue)
        circle = crowds.circle_code(events.zone, events.venue, events.circle, count)
        venue = crowds.circle_code(events.zone, events.venue, nobody, count)
        zone = crowds.circle_code(events.zone, nobody, nobody, count)
        first = (circle, venue, zone, nobody)
        last = (circle + 1, venue + CIRCLES, zone + CIRCLES * count, nobody + code[-1] + 1)
        self._low = np.stack([np.searchsorted(code, edge) for edge in first])
        self._high = np.stack([np.searchsorted(code, edge) for edge in last])

    def narrowest(self, booked: Ints) -> Ints:
        """Return by event the narrowest scope that has people enough for so many bookings."""
        too_few: Ints = (self._high - self._low < 2 * booked).sum(axis=0)
        return np.minimum(too_few, _EVERYWHERE)

    def draw(self, rng: np.random.Generator, event: Ints, scope: Ints) -> Ints:
        """Choose somebody from the scope of each event, the keen ones more often. Answers places in the crowd."""
        low, high = self._low[scope, event], self._high[scope, event]
        begin = self._drawn[low]
        target = begin + rng.random(len(event)) * (self._drawn[high] - begin)
        place: Ints = np.searchsorted(self._drawn, target, side="right") - 1
        return np.clip(place, low, high - 1)


def _twice_a_day(day: Ints, chosen: Ints, people: int) -> Ints:
    """Find the bookings of people who have another one, further on, of the same day."""
    key = day * people + chosen
    last = np.zeros(SLICE_DAYS * people, dtype=np.int32)
    last[key] = np.arange(len(key))
    return np.flatnonzero(last[key] != np.arange(len(key)))


def _twice_an_event(event: Ints, chosen: Ints, people: int) -> Ints:
    """Find the bookings of people who have another one, further back, of the same event."""
    key = event * people + chosen
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    again: Ints = order[1:][ranked[1:] == ranked[:-1]]
    return again


def _choose_customers(rng: np.random.Generator, scopes: _Scopes, events: Events, booked: Ints, event: Ints) -> Ints:
    """Choose by booking a place in the crowd. Nobody books an event twice, and few have two events on one day."""
    people = len(scopes.crowd)
    luck = rng.random(len(event))
    scope = np.searchsorted((_KEEPS_CIRCLE, _KEEPS_VENUE, _KEEPS_ZONE), luck, side="right")
    scope = np.maximum(scope, scopes.narrowest(booked)[event])
    chosen = scopes.draw(rng, event, scope)
    day = events.day[event]
    for attempt in range(_ROUNDS):
        one_a_day = attempt < _ONE_A_DAY_ROUNDS
        clash = _twice_a_day(day, chosen, people) if one_a_day else _twice_an_event(event, chosen, people)
        scope[clash] = np.minimum(scope[clash] + 1, _EVERYWHERE)
        chosen[clash] = scopes.draw(rng, event[clash], scope[clash])
    # Whoever still stands twice in one event makes room for the next in the crowd who is not in it.
    for place in _twice_an_event(event, chosen, people):
        there = set(chosen[event == event[place]].tolist())
        chosen[place] = next(
            n % people for n in range(chosen[place], chosen[place] + people) if n % people not in there
        )
    return chosen


def _draw_shares(rng: np.random.Generator, shares: tuple[tuple[float, ...], ...], row: Ints) -> Ints:
    """Draw a column of a table of shares for each row number."""
    edges = np.cumsum(shares, axis=1)[:, :-1]
    column: Ints = (rng.random(len(row))[:, None] >= edges[row]).sum(axis=1)
    return column


def _booked_at(rng: np.random.Generator, calendar: Calendar, starts: Ints, offset: Ints) -> Ints:
    """Draw when each booking was made: before the cut, half an hour or more before the event, rarely at night."""
    earliest = booked_later(np.maximum(starts - calendar.cut, 0) / DAY)
    share = earliest + rng.random(len(starts)) * (1.0 - earliest)
    booked = starts - (lead_days(share) * DAY).astype(np.int64) - rng.integers(1, SECOND, len(starts))
    hour = (booked + offset) % DAY
    return np.where((hour > HOUR // 2) & (hour < 6 * HOUR), booked - 6 * HOUR, booked)


def make_bookings(rng: np.random.Generator, world: World, crowd: Records, events: Events, booked: Ints) -> Records:
    """Make the bookings of a slice, `booked` of each event, in the order of booking; `crowd` are the ones present."""
    calendar = world.calendar
    scopes = _Scopes(crowd, world.venues, events)
    event = np.repeat(np.arange(len(booked)), booked)
    place = _choose_customers(rng, scopes, events, booked, event)
    made = np.zeros(len(event), dtype=BOOKING)
    offset = calendar.offsets[:, calendar.slice_days(events.number)][events.zone, events.day]
    made["booked"] = _booked_at(rng, calendar, events.starts[event], offset[event])
    order = np.argsort(made["booked"], kind="stable")
    event, place = event[order], place[order]
    made["booked"] = made["booked"][order]
    for name in ("starts", "style", "venue", "lead", "second"):
        made[name] = getattr(events, name)[event]
    made["event"] = events.id[event]
    made["customer"] = scopes.crowd["id"][place]
    method = _draw_shares(rng, _METHOD_SHARE, scopes.crowd["segment"][place])
    source = _draw_shares(rng, _SOURCE_SHARE, method)
    made["method"] = np.array(_METHODS)[method]
    made["source"] = np.where(source < len(SOURCES), source, -1)
    kind, instance = crowds.membership(scopes.crowd, events.number)
    paid = method == _MEMBERSHIP
    made["membership"] = np.where(paid, kind[place], -1)
    made["instance"] = np.where(paid, instance[place], 0)
    settle(rng, calendar, made, events, event=event, unsteady=scopes.crowd["unsteady"][place])
    return made
