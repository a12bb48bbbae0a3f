"""Days, zones and timeframes (sections 2.2, 2.4 and 2.5), one step at a time."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
WEEK_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Window = tuple[int | None, int | None]


def micros(text: str) -> int:
    """An RFC 3339 text with an offset, as an instant."""
    moment = datetime.fromisoformat(text.upper())
    return (moment.replace(tzinfo=None) - moment.utcoffset() - EPOCH) // MICROSECOND


def now_micros() -> int:
    return (datetime.now(UTC).replace(tzinfo=None) - EPOCH) // MICROSECOND


def local(instant: int, zone: str) -> datetime:
    return (EPOCH + instant * MICROSECOND).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))


def from_local(naive: datetime, zone: str) -> int:
    """A local time as an instant: the first of two, moved forward by the gap where a clock change skips it.

    Both are what an offset taken from before the change gives, which is Python's `fold=0`.
    """
    offset = naive.replace(tzinfo=ZoneInfo(zone), fold=0).utcoffset()
    return (naive - offset - EPOCH) // MICROSECOND


def start_of_day(day: date, zone: str) -> int:
    """Midnight; where that is skipped, the end of the gap."""
    midnight = datetime(day.year, day.month, day.day)
    start = from_local(midnight, zone)
    if local(start, zone).replace(tzinfo=None) == midnight:
        return start
    # Skipped. The change lies within the day before `start`: halve until it is found.
    before, after = start - 26 * 3_600_000_000, start
    while after - before > 1:
        middle = (before + after) // 2
        if local(middle, zone).date() >= day:
            after = middle
        else:
            before = middle
    return after


def _offset_minutes(instant: int, zone: str) -> int:
    seconds = local(instant, zone).utcoffset().total_seconds()
    return round(seconds / 60)


def text_of(instant: int, zone: str | None = None) -> str:
    """The written form: UTC with `Z`, or a zone's time with its offset in whole minutes."""
    minutes = _offset_minutes(instant, zone) if zone else 0
    moment = EPOCH + instant * MICROSECOND + timedelta(minutes=minutes)
    if moment.microsecond == 0:
        digits = "seconds"
    elif moment.microsecond % 1000 == 0:
        digits = "milliseconds"
    else:
        digits = "microseconds"
    if zone is None:
        return moment.isoformat(timespec=digits) + "Z"
    sign = "-" if minutes < 0 else "+"
    return f"{moment.isoformat(timespec=digits)}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def window_text(window: Window, zone: str) -> str:
    """The `X-Timeframe` header."""
    return "/".join(".." if side is None else text_of(side, zone) for side in window)


def period_start(unit: str, day: date, week_start: str) -> date:
    if unit == "day":
        return day
    if unit == "week":
        return day - timedelta(days=(day.weekday() - WEEK_DAYS.index(week_start)) % 7)
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def later(unit: str, day: date, count: int) -> date:
    """The first day of the period that comes `count` periods after the one that starts on `day`."""
    if unit in {"day", "week"}:
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    months = day.year * 12 + day.month - 1 + count * {"month": 1, "quarter": 3, "year": 12}[unit]
    return date(months // 12, months % 12 + 1, 1)


def days_of(timeframe: str, today: date, week_start: str) -> tuple[date | None, date | None]:
    """First day and the day after the last, for every timeframe that consists of whole days.

    `timeframe` is spelled in the plain way: lower case, with `_`.
    """
    single = {"today": 0, "yesterday": -1, "tomorrow": 1}
    if timeframe == "all_time":
        return None, None
    if timeframe in single:
        first = today + timedelta(days=single[timeframe])
        return first, first + timedelta(days=1)
    if ".." in timeframe:
        left, right = timeframe.split("..")
        first = date.fromisoformat(left) if left else None
        return first, date.fromisoformat(right) + timedelta(days=1) if right else None
    if found := re.fullmatch(r"(this|last|next)_(week|month|quarter|year)", timeframe):
        unit = found[2]
        start = later(unit, period_start(unit, today, week_start), {"this": 0, "last": -1, "next": 1}[found[1]])
        return start, later(unit, start, 1)
    if found := re.fullmatch(r"(last|next)_(\d+)_(day|week|month|quarter|year)s?(_incl)?", timeframe):
        unit, count, current = found[3], int(found[2]), period_start(found[3], today, week_start)
        following = later(unit, current, 1)
        if found[1] == "last":
            return later(unit, current, -count), following if found[4] else current
        return current if found[4] else following, later(unit, following, count)
    return _written_period(timeframe)


def _written_period(text: str) -> tuple[date, date]:
    if re.fullmatch(r"\d{4}", text):
        return date(int(text), 1, 1), date(int(text) + 1, 1, 1)
    if re.fullmatch(r"\d{4}-q\d", text):
        first = date(int(text[:4]), int(text[6]) * 3 - 2, 1)
        return first, later("quarter", first, 1)
    if re.fullmatch(r"\d{4}-w\d\d", text):
        first = date.fromisocalendar(int(text[:4]), int(text[6:]), 1)
        return first, first + timedelta(days=7)
    if re.fullmatch(r"\d{4}-\d\d", text):
        first = date(int(text[:4]), int(text[5:]), 1)
        return first, later("month", first, 1)
    first = date.fromisoformat(text)
    return first, first + timedelta(days=1)


def window_of(timeframe: str, now: int, zone: str, week_start: str) -> Window:
    """`[start, end)` of a timeframe in its plain spelling."""
    today = local(now, zone).date()
    if found := re.fullmatch(r"(week|month|quarter|year)_to_date", timeframe):
        return start_of_day(period_start(found[1], today, week_start), zone), now
    first, after = days_of(timeframe, today, week_start)
    return (
        None if first is None else start_of_day(first, zone),
        None if after is None else start_of_day(after, zone),
    )
