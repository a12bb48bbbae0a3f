"""What a set is drawn up from, before anybody books anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from turnout.ingest.demo.days import make_calendar
from turnout.ingest.demo.studio import make_venues
from turnout.ingest.demo.timetable import make_timetable

if TYPE_CHECKING:
    from turnout.ingest.demo.days import Calendar
    from turnout.ingest.demo.studio import Venues
    from turnout.ingest.demo.timetable import Timetable


@dataclass(frozen=True)
class World:
    """The fixed frame of one set."""

    seed: int
    calendar: Calendar
    venues: Venues
    timetable: Timetable


def make_world(rows: int, seed: int, now: int, zone: str) -> World:
    """Draw up the frame of a set of so many rows, seen from the day of `now` in the provider's zone."""
    calendar = make_calendar(rows, seed, now, zone)
    venues = make_venues(rows, calendar)
    return World(seed, calendar, venues, make_timetable(calendar, venues, seed))
