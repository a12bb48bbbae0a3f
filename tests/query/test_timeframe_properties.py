from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.catalog.types import WEEK_DAYS
from turnout.query.instants import DAY, parse_instant, start_of_day
from turnout.query.timeframe import PATTERN, Timeframe, echo, resolve

NOW = parse_instant("2026-10-15T12:34:56.789Z", UTC)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
]
UNITS = ("day", "week", "month", "quarter", "year")
anywhere = st.sampled_from(ZONES).map(ZoneInfo)
week_starts = st.sampled_from(WEEK_DAYS)
instants = st.integers(parse_instant("1973-01-01T00:00Z", UTC), parse_instant("2040-01-01T00:00Z", UTC))
counts = st.integers(1, 999)


@given(text=st.from_regex(PATTERN, fullmatch=True), zone=anywhere, week_start=week_starts, now=instants)
@settings(deadline=None, max_examples=150)
def test_the_published_pattern_is_refused_by_the_calendar_alone(
    text: str, zone: ZoneInfo, week_start: str, now: int
) -> None:
    try:
        timeframe = resolve(text, zone, week_start, now)
    except ValueError as error:
        assert re.search(r"there is no (day|year 0)|has no week 53|is after", str(error))
    else:
        assert timeframe.start is None or timeframe.end is None or timeframe.start <= timeframe.end
        assert re.fullmatch(r"(\.\.|[0-9T:.+-]{25,32})/(\.\.|[0-9T:.+-]{25,32})", echo(timeframe, zone))
        assert resolve(text.swapcase(), zone, week_start, now) == timeframe


@given(text=st.text(max_size=20) | st.from_regex(r"[0-9lastnexdyiw._ -]{1,12}", fullmatch=True))
@settings(deadline=None)
def test_only_what_the_published_pattern_matches_is_understood(text: str) -> None:
    if not re.fullmatch(PATTERN, text):
        with pytest.raises(ValueError):
            resolve(text, UTC, "monday", NOW)


def is_first(day: date, unit: str, week_start: str) -> bool:
    match unit:
        case "day":
            return True
        case "week":
            return WEEK_DAYS[day.weekday()] == week_start
        case "month":
            return day.day == 1
        case "quarter":
            return day.day == 1 and day.month in {1, 4, 7, 10}
    return (day.month, day.day) == (1, 1)


def walk(day: date, unit: str, week_start: str, shift: int) -> date:
    """The oracle: the first day of the period `shift` periods from a day's own, by walking the calendar day by day."""
    one = timedelta(days=1 if shift > 0 else -1)
    while not is_first(day, unit, week_start):
        day -= timedelta(days=1)
    for _ in range(abs(shift)):
        day += one
        while not is_first(day, unit, week_start):
            day += one
    return day


@given(zone=anywhere, week_start=week_starts, now=instants, unit=st.sampled_from(UNITS), count=st.integers(1, 8))
@settings(deadline=None, max_examples=150)
def test_periods_agree_with_a_walk_through_the_calendar(
    zone: ZoneInfo, week_start: str, now: int, unit: str, count: int
) -> None:
    today = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now)).astimezone(zone).date()

    def expected(first: int, after: int) -> Timeframe:
        days = (walk(today, unit, week_start, shift) for shift in (first, after))
        return Timeframe(*(start_of_day(day, zone) for day in days))

    forms = {
        f"last_{count}_{unit}s": expected(-count, 0),
        f"last_{count}_{unit}s_incl": expected(-count, 1),
        f"next_{count}_{unit}s": expected(1, count + 1),
        f"next_{count}_{unit}s_incl": expected(0, count + 1),
    }
    if unit == "day":
        forms |= {"yesterday": expected(-1, 0), "today": expected(0, 1), "tomorrow": expected(1, 2)}
    else:
        forms |= {f"last_{unit}": expected(-1, 0), f"this_{unit}": expected(0, 1), f"next_{unit}": expected(1, 2)}
        forms[f"{unit}_to_date"] = Timeframe(expected(0, 1).start, now)
    for text, timeframe in forms.items():
        assert resolve(text, zone, week_start, now) == timeframe, text


@given(zone=anywhere, week_start=week_starts, now=instants, unit=st.sampled_from(UNITS), count=counts)
@settings(deadline=None)
def test_rolling_periods_tile(zone: ZoneInfo, week_start: str, now: int, unit: str, count: int) -> None:
    def read(text: str) -> Timeframe:
        return resolve(text, zone, week_start, now)

    last, last_incl = read(f"last_{count}_{unit}s"), read(f"last_{count}_{unit}s_incl")
    following, following_incl = read(f"next_{count}_{unit}s"), read(f"next_{count}_{unit}s_incl")
    current = read("today" if unit == "day" else f"this_{unit}")
    assert current.start <= now < current.end
    assert last.end == current.start == following_incl.start
    assert following.start == current.end == last_incl.end
    assert (last.start, following.end) == (last_incl.start, following_incl.end)
    assert None not in {last.start, following.end}


@given(zone=anywhere, year=st.integers(2, 9998))
@settings(deadline=None, max_examples=60)
def test_the_periods_of_a_year_tile(zone: ZoneInfo, year: int) -> None:
    def read(text: str) -> Timeframe:
        return resolve(text, zone, "sunday", NOW)

    whole = read(f"{year:04}")
    days = [date(year, 1, 1) + timedelta(days=n) for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]
    for parts in (
        [f"{year:04}-Q{n}" for n in range(1, 5)],
        [f"{year:04}-{n:02}" for n in range(1, 13)],
        [day.isoformat() for day in days],
    ):
        found = [read(part) for part in parts]
        assert found[0].start == whole.start
        assert found[-1].end == whole.end
        assert all(one.end == following.start for one, following in pairwise(found))
    assert read(f"{days[0]}..{days[-1]}") == whole
    weeks = dict.fromkeys(day.strftime("%G-W%V").rjust(8, "0") for day in days)
    for week in weeks:
        first = date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
        assert read(week) == read(f"{first}..{first + timedelta(days=6)}")
    assert abs(whole.end - whole.start - len(days) * DAY) <= DAY
