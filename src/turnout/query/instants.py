"""Instants: reading them, writing them, and the days of a zone's calendar (contract sections 2.2, 2.5 and 9).

An instant is an `int`: microseconds since 1970-01-01T00:00:00Z. Its size has no limit, so a local time at either end
of the calendar (years 1 to 9999) is an instant like any other, whatever its offset. Every function that reads raises
`ValueError` with a reason for the user.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from turnout.errors import did_you_mean, shown

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 86_400 * SECOND

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - civil arithmetic; zones are applied by hand, see `local_instant`
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_ZERO: Final = timedelta()
_400_YEARS: Final = 146_097 * DAY
_MOST_YEARS: Final = 9999
FIRST: Final = (date.min.toordinal() - _EPOCH_DAY) * DAY
"""The first instant of the calendar, which has the years 1 to 9999."""
END: Final = (date.max.toordinal() + 1 - _EPOCH_DAY) * DAY
"""The first instant after the calendar."""
_WHOLE_SECONDS: Final = len("2024-07-29T17:51:28+02:00")
_WITH_FRACTION: Final = len("2024-07-29T17:51:28.071000+02:00")
# No offset reaches 24 hours, so between these every instant has a local time. No zone changes its clock beyond them.
_LEAST_SAFE: Final = (date.min.toordinal() + 1 - _EPOCH_DAY) * DAY
_MOST_SAFE: Final = (date.max.toordinal() - 1 - _EPOCH_DAY) * DAY

_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DATE_TIME: Final = re.compile(
    _DATE.pattern + r"[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?"
    # A '+' that was not percent-encoded in a query string arrives as a space.
    r"([Zz]|([+\- ])([0-9]{2}):([0-9]{2}))?"
)
_FORMS: Final = "such as 2026-10-01T10:00:00Z, 2026-10-01T10:00:00+02:00 or, in local time, 2026-10-01T10:00:00"


# Reading


def parse_instant(text: str, zone: tzinfo) -> int:
    """The instant of an RFC 3339 date-time; without an offset it is local in `zone`."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        if _DATE.fullmatch(text):
            raise ValueError(f"{shown(text)} is a date without a time; RFC 3339 is expected, {_FORMS}.")
        raise ValueError(f"{shown(text)} is not a date-time; RFC 3339 is expected, {_FORMS}.")
    return _instant(text, match, zone)


def parse_from(text: str, zone: tzinfo) -> int:
    """As `parse_instant`; a date alone is the start of that local day."""
    return start_of_day(_day(text), zone) if _DATE.fullmatch(text) else _parse_bound(text, zone)


def parse_until(text: str, zone: tzinfo) -> int:
    """As `parse_instant`; a date alone is the last microsecond of that local day."""
    return end_of_day(_day(text), zone) - 1 if _DATE.fullmatch(text) else _parse_bound(text, zone)


def _parse_bound(text: str, zone: tzinfo) -> int:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is neither a date-time of RFC 3339 nor a date alone, {_FORMS}, or 2026-10-01.")
    return _instant(text, match, zone)


def _instant(text: str, match: re.Match[str], zone: tzinfo) -> int:
    year, month, day, hour, minute, second, digits, offset, sign, off_hours, off_minutes = match.groups()
    micro = int(digits[:6].ljust(6, "0")) if digits else 0
    try:
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro)  # noqa: DTZ001
    except ValueError:
        raise ValueError(f"{shown(text)} is not a date-time: {_reason(match)}.") from None
    if offset is None:
        return local_instant(local, zone)
    micros = (local - _EPOCH) // _MICROSECOND
    if sign is None:
        return micros
    if off_hours > "23" or off_minutes > "59":
        raise ValueError(f"{shown(text)} is not a date-time: an offset goes from -23:59 to +23:59.")
    shift = (int(off_hours) * 60 + int(off_minutes)) * MINUTE
    return micros + shift if sign == "-" else micros - shift


def _reason(match: re.Match[str]) -> str:
    """Why the parts of a well-formed date-time do not make one."""
    year, month, day, hour, minute, second = match.group(1, 2, 3, 4, 5, 6)
    if hour == "24":
        return "there is no hour 24; midnight is 00:00 of the next day"
    if hour > "23" or minute > "59":
        return "a time goes from 00:00 to 23:59"
    if (second or "0") > "59":
        return "seconds go from 00 to 59; leap seconds are not understood"
    return f"there is no day {year}-{month}-{day}"


def _day(text: str) -> date:
    try:
        return date(int(text[:4]), int(text[5:7]), int(text[8:]))
    except ValueError:
        raise ValueError(f"{shown(text)} is not a date: there is no such day.") from None


# Local times and days


def local_instant(local: datetime, zone: tzinfo) -> int:
    """The instant of a naive local time.

    A time that a clock change skips moves forward by the gap; one that happens twice is the first.
    """
    # With fold=0, PEP 495 gives the offset from before the change in both cases, which is exactly that.
    return (local - _EPOCH - (local.replace(tzinfo=zone, fold=0).utcoffset() or _ZERO)) // _MICROSECOND


def start_of_day(day: date, zone: tzinfo) -> int:
    """The first instant at which `zone` shows midnight of `day`, or what comes after it where midnight is skipped."""
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    before = midnight.replace(tzinfo=zone).utcoffset() or _ZERO
    after = midnight.replace(tzinfo=zone, fold=1).utcoffset() or _ZERO
    wall = (day.toordinal() - _EPOCH_DAY) * DAY
    late = wall - before // _MICROSECOND
    if before >= after:
        return late
    # Midnight lies inside a gap, and need not be its beginning: find the change between the two readings.
    early = wall - after // _MICROSECOND
    while early < late:
        middle = (early + late) // 2
        if middle + offset_at(middle, zone) < wall:
            early = middle + 1
        else:
            late = middle
    return late


def end_of_day(day: date, zone: tzinfo) -> int:
    """The start of the next day; the calendar's last day ends 24 hours of local time after its midnight."""
    if day == date.max:
        return start_of_day(day, zone) + DAY
    return start_of_day(date.fromordinal(day.toordinal() + 1), zone)


def local_date(micros: int, zone: tzinfo) -> date:
    """The day that `zone` shows at an instant; the first or the last of the calendar where it shows one beyond."""
    ordinal = (micros + offset_at(micros, zone)) // DAY + _EPOCH_DAY
    return date.fromordinal(min(max(ordinal, 1), date.max.toordinal()))


def offset_at(micros: int, zone: tzinfo) -> int:
    """The zone's offset from UTC at an instant, in microseconds."""
    safe = min(max(micros, _LEAST_SAFE), _MOST_SAFE)
    moment = (_EPOCH + timedelta(microseconds=safe)).replace(tzinfo=UTC)
    return (moment.astimezone(zone).utcoffset() or _ZERO) // _MICROSECOND


# Writing


def format_utc(micros: int) -> str:
    """`2024-07-29T15:51:28.071Z`: no fraction when it is zero, else 3 digits where they are enough, else 6."""
    return _civil(micros) + "Z"


def format_zone(micros: int, zone: tzinfo) -> str:
    """`2024-07-29T17:51:28.071+02:00`, with the zone's offset, always numeric and rounded to minutes.

    The written time is the instant at the *written* offset. An instant without a local form of four-digit years is
    written with `+00:00`.
    """
    minutes = round(offset_at(micros, zone) / MINUTE)
    local = micros + minutes * MINUTE
    if not FIRST <= local < END:
        local, minutes = micros, 0
    hours, minutes_over = divmod(abs(minutes), 60)
    return f"{_civil(local)}{'-' if minutes < 0 else '+'}{hours:02}:{minutes_over:02}"


def utc_text(moment: datetime) -> str:
    """`format_utc` for a naive UTC datetime, as a store returns it."""
    text = moment.isoformat()
    return text[:23] + "Z" if text[23:] == "000" else text + "Z"


def zone_text(moment: datetime, zone: tzinfo) -> str:
    """`format_zone` for a naive UTC datetime, as a store returns it."""
    try:
        text = moment.replace(tzinfo=UTC).astimezone(zone).isoformat()
    except OverflowError:
        text = ""
    if len(text) == _WHOLE_SECONDS:
        return text
    if len(text) == _WITH_FRACTION:
        return text[:23] + text[26:] if text[23:26] == "000" else text
    # An offset with seconds, or a local time beyond the calendar.
    return format_zone((moment - _EPOCH) // _MICROSECOND, zone)


def _civil(micros: int) -> str:
    """`2024-07-29T15:51:28.071`; years beyond four digits in the expanded form of ISO 8601 and ECMAScript."""
    cycle = 0
    try:
        moment = _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        cycle = micros // _400_YEARS
        moment = _EPOCH + timedelta(microseconds=micros - cycle * _400_YEARS)
    text = moment.isoformat()
    if moment.microsecond and moment.microsecond % 1000 == 0:
        text = text[:-3]
    if cycle:
        year = moment.year + 400 * cycle
        sign = "-" if year < 0 else "+"
        text = (f"{year:04}" if 0 <= year <= _MOST_YEARS else f"{sign}{abs(year):06}") + text[4:]
    return text


# Zones


@lru_cache(maxsize=4096)
def offsets_in(year: int, zone: tzinfo) -> tuple[tuple[int, int], ...]:
    """The zone's offsets from UTC in a year of UTC's calendar: pairs of (since when, offset), both microseconds.

    The first pair is of the year's beginning.
    """
    start, end = ((_day_of_year(number) - _EPOCH_DAY) * DAY for number in (year, year + 1))
    found = [(start, offset_at(start, zone))]
    # Looked at day by day: no zone has ever changed its offset twice within a week.
    for before in range(start, end, DAY):
        offset = offset_at(before + DAY, zone)
        if offset != found[-1][1]:
            found.append((_change_between(before, before + DAY, zone), offset))
    return tuple(pair for pair in found if pair[0] < end)


def _day_of_year(year: int) -> int:
    """The ordinal of a year's first day, as of `date.toordinal`; for years outside of its calendar as well."""
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400 + 1


def _change_between(before: int, after: int, zone: tzinfo) -> int:
    """The first instant in (before, after] that has the offset of `after`."""
    offset = offset_at(after, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if offset_at(middle, zone) == offset:
            after = middle
        else:
            before = middle
    return after


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """The zone of an exact IANA name; anything else is a `ValueError` that suggests the nearest name."""
    # The bundled list is read 15 times faster than the file system is searched for zones.
    if name in _bundled_zones() or name in _zones():
        return ZoneInfo(name)
    raise ValueError(f"{shown(name)} is not an IANA time zone, such as 'Europe/Berlin'.{_nearest_zone(name[:80])}")


@lru_cache(maxsize=1)
def _bundled_zones() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("ascii").split())


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime"})


def _nearest_zone(name: str) -> str:
    folded = name.strip().replace(" ", "_").lower()
    # A full name in another case is nearer than a city without its continent.
    alike = [known for known in sorted(_zones()) if f"/{known}".lower().endswith(f"/{folded}")]
    if alike:
        return f" Did you mean {min(alike, key=len)!r}?"
    return did_you_mean(name, _zones())
