from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.query.instants import (
    DAY,
    MINUTE,
    SECOND,
    end_of_day,
    format_utc,
    format_zone,
    load_zone,
    local_date,
    local_instant,
    offset_at,
    parse_from,
    parse_instant,
    parse_until,
    start_of_day,
    utc_text,
    zone_text,
)

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = sorted(available_timezones() - {"localtime"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

anywhere = st.sampled_from(ZONES).map(ZoneInfo)
moments = (
    st.datetimes().map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)) | st.datetimes()
)
# Before 1973 some clocks differed from UTC by odd seconds, which the scan below would step over.
modern_days = st.dates(date(1973, 1, 1), date(2040, 12, 31))


def at(*parts: int) -> int:
    return (datetime(*parts, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def naive(*parts: int) -> datetime:
    return datetime(*parts)


def micros(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def walls(day: date, zone: ZoneInfo) -> list[tuple[int, datetime]]:
    """The oracle: what the zone's clock shows at each minute around a day, by conversion from UTC alone."""
    first = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=40)
    utc = (first + timedelta(minutes=n) for n in range(80 * 60))
    return [(micros(moment.replace(tzinfo=None)), moment.astimezone(zone).replace(tzinfo=None)) for moment in utc]


# Reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01T10:00:00Z", at(2026, 10, 1, 10)),
        ("2026-10-01t10:00:00z", at(2026, 10, 1, 10)),
        ("2026-10-01 10:00:00Z", at(2026, 10, 1, 10)),
        ("2026-10-01T10:00Z", at(2026, 10, 1, 10)),
        ("2026-10-01T10:00:00+02:00", at(2026, 10, 1, 8)),
        ("2026-10-01T10:00:00-02:30", at(2026, 10, 1, 12, 30)),
        ("2026-10-01T10:00:00-00:00", at(2026, 10, 1, 10)),
        ("2026-10-01T10:00:00+23:59", at(2026, 9, 30, 10, 1)),
        ("2026-10-01T10:00:00-23:59", at(2026, 10, 2, 9, 59)),
        # A '+' that arrived as a space.
        ("2026-10-01T10:00:00 02:00", at(2026, 10, 1, 8)),
        ("2026-10-01T10:00 02:00", at(2026, 10, 1, 8)),
        ("2026-10-01 10:00 02:00", at(2026, 10, 1, 8)),
        ("2026-10-01 10:00:00.5 02:00", at(2026, 10, 1, 8, 0, 0, 500_000)),
        # Local, in summer and in winter.
        ("2026-10-01 02:00", at(2026, 10, 1, 0)),
        ("2026-10-01T10:00:00", at(2026, 10, 1, 8)),
        ("2026-12-01T10:00", at(2026, 12, 1, 9)),
        # Fractions: the digits after the sixth are cut, also before 1970.
        ("2026-10-01T10:00:00.1Z", at(2026, 10, 1, 10, 0, 0, 100_000)),
        ("2026-10-01T10:00:00.000001Z", at(2026, 10, 1, 10, 0, 0, 1)),
        ("2026-10-01T10:00:00.1234569Z", at(2026, 10, 1, 10, 0, 0, 123_456)),
        ("1969-12-31T23:59:59.9999999Z", -1),
        ("2026-10-01T10:00:00." + "9" * 500 + "+00:00", at(2026, 10, 1, 10, 0, 0, 999_999)),
        # A skipped local time moves forward by the gap, one that happens twice is the first.
        ("2026-03-29T02:00:00", at(2026, 3, 29, 1)),
        ("2026-03-29T02:30:00", at(2026, 3, 29, 1, 30)),
        ("2026-03-29T03:30:00", at(2026, 3, 29, 1, 30)),
        ("2026-10-25T02:30:00", at(2026, 10, 25, 0, 30)),
        ("2026-10-25T03:00:00", at(2026, 10, 25, 2)),
        # The ends of time.
        ("0001-01-01T00:00:00Z", at(1, 1, 1)),
        ("0001-01-01T00:00:00+23:59", at(1, 1, 1) - 1439 * MINUTE),
        ("0001-01-01T00:00:00", at(1, 1, 1) - 53 * MINUTE - 28 * SECOND),
        ("9999-12-31T23:59:59.999999-23:59", at(9999, 12, 31) + DAY - 1 + 1439 * MINUTE),
        ("2024-02-29T00:00Z", at(2024, 2, 29)),
    ],
)
def test_date_times(text: str, expected: int) -> None:
    assert parse_instant(text, BERLIN) == expected
    assert parse_from(text, BERLIN) == expected
    assert parse_until(text, BERLIN) == expected


NOT_DATE_TIMES = {
    "": "is not a date-time; RFC 3339 is expected, such as 2026-10-01T10:00:00Z",
    "2026-10-01T24:00:00Z": "there is no hour 24; midnight is 00:00 of the next day",
    "2026-10-01T25:00:00Z": "a time goes from 00:00 to 23:59",
    "2026-10-01T10:60:00Z": "a time goes from 00:00 to 23:59",
    "2016-12-31T23:59:60Z": "seconds go from 00 to 59",
    "2026-10-01T10:00:00+24:00": "an offset goes from -23:59 to +23:59",
    "2026-10-01T10:00:00-02:60": "an offset goes from -23:59 to +23:59",
    "0000-01-01T00:00:00Z": "there is no day 0000-01-01",
    "2026-02-29T00:00:00Z": "there is no day 2026-02-29",
    "2026-13-01T00:00:00Z": "there is no day 2026-13-01",
    "2026-00-10T00:00:00Z": "there is no day 2026-00-10",
}

OTHER_FORMS = [
    *("now", "1790841600", "2026-10", "2026-W40-4T10:00"),
    *("2026-274T10:00", "20261001T100000Z", "2026-10-01T10", "2026-10-01T1000Z"),
    *("2026-10-01T10:00:00.Z", "2026-10-01T10:00.5Z", "2026-10-01T10:00:00,5Z", "2026-10-01T10:00:00+0200"),
    *(
        "2026-10-01T10:00:00+02",
        "2026-10-01T10:00:00+2:00",
        "2026-10-01T10:00:00+02:00:00",
        "2026-10-01T10:00:00Z+02:00",
    ),
    *("2026-10-01T10:00:00 Z", "2026-10-01T10:00:00Z ", "2026-10-01T10:00:00Z\n", "2026-10-01  10:00:00Z"),
    *("2026-10-01_10:00:00Z", "2026-10-01T10:00:00[Europe/Berlin]", "+2026-10-01T10:00:00Z", "12026-10-01T10:00:00Z"),
    *("٢٠٢٦-10-01T10:00:00Z", "2026-10-01T10:0\uff10:00Z"),
]


@pytest.mark.parametrize(
    ("text", "reason"), [*NOT_DATE_TIMES.items(), *((text, "RFC 3339 is expected") for text in OTHER_FORMS)]
)
def test_what_is_no_date_time(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_instant(text, BERLIN)
    assert reason in str(refused.value)
    assert str(refused.value).startswith(f"{text!r} is not a date-time")
    for bound in (parse_from, parse_until):
        with pytest.raises(ValueError):
            bound(text, BERLIN)


def test_a_date_alone_is_no_instant_but_a_bound() -> None:
    with pytest.raises(ValueError, match="is a date without a time"):
        parse_instant("2026-10-01", BERLIN)
    with pytest.raises(ValueError, match="there is no such day"):
        parse_from("2026-02-29", BERLIN)
    with pytest.raises(ValueError, match="neither a date-time of RFC 3339 nor a date alone"):
        parse_until("2026-10", BERLIN)


@pytest.mark.parametrize(
    ("zone", "text", "start", "last"),
    [
        ("UTC", "2026-10-01", "2026-10-01T00:00:00Z", "2026-10-01T23:59:59.999999Z"),
        ("Europe/Berlin", "2026-10-01", "2026-09-30T22:00:00Z", "2026-10-01T21:59:59.999999Z"),
        # 23 and 25 hours
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999999Z"),
        # 23.5 and 24.5 hours
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z", "2026-10-04T12:59:59.999999Z"),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", "2026-04-05T13:29:59.999999Z"),
        # midnight is skipped
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T01:59:59.999999Z"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", "2026-04-24T20:59:59.999999Z"),
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z", "2026-03-29T20:59:59.999999Z"),
        # midnight is inside a gap from 23:30 to 00:30: the day starts after it, not an hour after midnight
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00Z", "1919-04-01T03:59:59.999999Z"),
        # midnight happens twice: the day of 25 hours starts at the first
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59.999999Z"),
        # the hour before midnight happens twice
        ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", "2018-02-18T02:59:59.999999Z"),
        # the day that Samoa left out, and its neighbours
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T09:59:59.999999Z"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", "2011-12-30T09:59:59.999999Z"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", "2011-12-31T09:59:59.999999Z"),
        # the ends of time
        ("UTC", "0001-01-01", "0001-01-01T00:00:00Z", "0001-01-01T23:59:59.999999Z"),
        ("UTC", "9999-12-31", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("Asia/Tokyo", "9999-12-31", "9999-12-30T15:00:00Z", "9999-12-31T14:59:59.999999Z"),
        ("America/New_York", "9999-12-31", "9999-12-31T05:00:00Z", "+010000-01-01T04:59:59.999999Z"),
        ("Europe/Berlin", "0001-01-01", "0000-12-31T23:06:32Z", "0001-01-01T23:06:31.999999Z"),
    ],
)
def test_a_date_alone_is_the_whole_local_day(zone: str, text: str, start: str, last: str) -> None:
    assert format_utc(parse_from(text, load_zone(zone))) == start
    assert format_utc(parse_until(text, load_zone(zone))) == last


@given(day=modern_days, zone=anywhere, minute=st.integers(0, 1439))
@settings(deadline=None, max_examples=60)
def test_local_times_agree_with_a_scan_of_every_minute(day: date, zone: ZoneInfo, minute: int) -> None:
    seen = walls(day, zone)
    local = naive(day.year, day.month, day.day) + timedelta(minutes=minute)
    shown_at = next((instant for instant, wall in seen if wall == local), None)
    if shown_at is None:
        before, wall = next(pair for pair, after in pairwise(seen) if pair[1] < local < after[1])
        shown_at = before + micros(local) - micros(wall)
    assert local_instant(local, zone) == shown_at
    midnight = next(instant for instant, wall in seen if wall.date() >= day)
    assert start_of_day(day, zone) == midnight


@pytest.mark.parametrize(
    ("zone", "year"),
    [("America/St_Johns", 2010), ("Pacific/Apia", 2011), ("Asia/Gaza", 2011), ("America/Scoresbysund", 2024)],
)
def test_the_days_of_a_year_agree_with_a_scan_of_every_minute(zone: str, year: int) -> None:
    info = load_zone(zone)
    shown: dict[date, int] = {}
    latest = date.min
    for instant in range(at(year - 1, 12, 30), at(year + 1, 1, 3), MINUTE):
        day = (EPOCH + timedelta(microseconds=instant)).astimezone(info).date()
        if day > latest:
            shown[day] = instant
            latest = day
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(366)]
    expected = [min(instant for day, instant in shown.items() if day >= wanted) for wanted in days]
    assert [start_of_day(day, info) for day in days] == expected
    assert [end_of_day(day, info) for day in days[:-1]] == expected[1:]


# Writing


@pytest.mark.parametrize(
    ("instant", "utc", "berlin"),
    [
        (0, "1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00"),
        (-1, "1969-12-31T23:59:59.999999Z", "1970-01-01T00:59:59.999999+01:00"),
        (at(2024, 7, 29, 15, 51, 28, 71_000), "2024-07-29T15:51:28.071Z", "2024-07-29T17:51:28.071+02:00"),
        (at(2024, 7, 29, 15, 51, 28, 71_200), "2024-07-29T15:51:28.071200Z", "2024-07-29T17:51:28.071200+02:00"),
        (at(2024, 7, 29, 15, 51, 28, 500_000), "2024-07-29T15:51:28.500Z", "2024-07-29T17:51:28.500+02:00"),
        (at(2024, 7, 29, 15, 51, 28, 1), "2024-07-29T15:51:28.000001Z", "2024-07-29T17:51:28.000001+02:00"),
        # Until 1893 Berlin was 53 minutes and 28 seconds ahead.
        (at(1890, 1, 1), "1890-01-01T00:00:00Z", "1890-01-01T00:53:00+00:53"),
        (at(1890, 1, 1, 0, 0, 0, 5000), "1890-01-01T00:00:00.005Z", "1890-01-01T00:53:00.005+00:53"),
        (at(1, 1, 1), "0001-01-01T00:00:00Z", "0001-01-01T00:53:00+00:53"),
        (at(9999, 12, 31, 23, 30), "9999-12-31T23:30:00Z", "9999-12-31T23:30:00+00:00"),
    ],
)
def test_forms(instant: int, utc: str, berlin: str) -> None:
    assert format_utc(instant) == utc
    assert format_zone(instant, BERLIN) == berlin
    moment = naive(1970, 1, 1) + timedelta(microseconds=instant)
    assert utc_text(moment) == utc
    assert zone_text(moment, BERLIN) == berlin


def test_offsets_are_numeric_and_rounded() -> None:
    instant = at(1900, 1, 1, 12)
    assert format_zone(instant, load_zone("UTC")) == "1900-01-01T12:00:00+00:00"
    assert format_zone(instant, UTC) == "1900-01-01T12:00:00+00:00"
    assert format_zone(instant, load_zone("Asia/Kathmandu")) == "1900-01-01T17:41:00+05:41"  # +05:41:16
    assert format_zone(instant, load_zone("Asia/Calcutta")) == "1900-01-01T17:21:00+05:21"  # +05:21:10
    assert format_zone(instant, load_zone("America/Caracas")) == "1900-01-01T07:32:00-04:28"  # -04:27:40
    assert format_zone(instant, timezone(timedelta(hours=-9, minutes=-30))) == "1900-01-01T02:30:00-09:30"


def test_what_is_beyond_four_digit_years_still_has_a_form() -> None:
    assert format_utc(at(1, 1, 1) - 1) == "0000-12-31T23:59:59.999999Z"
    assert format_utc(at(1, 1, 1) - 146_097 * DAY) == "-000399-01-01T00:00:00Z"
    assert format_utc(at(9999, 12, 31) + DAY) == "+010000-01-01T00:00:00Z"
    assert format_zone(at(9999, 12, 31) + DAY, load_zone("Asia/Tokyo")) == "+010000-01-01T00:00:00+00:00"
    assert format_zone(at(9999, 12, 31) + DAY, load_zone("America/New_York")) == "9999-12-31T19:00:00-05:00"
    assert format_zone(at(1, 1, 1) - DAY // 2, load_zone("Asia/Tokyo")) == "0000-12-31T12:00:00+00:00"


@given(moment=moments, zone=anywhere)
@settings(deadline=None, max_examples=300)
def test_what_is_written_reads_back(moment: datetime, zone: ZoneInfo) -> None:
    instant = micros(moment)
    utc, local = format_utc(instant), format_zone(instant, zone)
    assert parse_instant(utc, zone) == parse_instant(local, UTC) == instant
    assert (utc_text(moment), zone_text(moment, zone)) == (utc, local)
    assert datetime.fromisoformat(local) == moment.replace(tzinfo=UTC)
    assert local[-6] in "+-"
    exact = offset_at(instant, zone)
    written = datetime.fromisoformat(local).utcoffset() // timedelta(microseconds=1)
    assert abs(exact - written) <= MINUTE // 2 or written == 0


@given(moment=st.datetimes(naive(1973, 1, 1), naive(2040, 1, 1)), zone=anywhere)
@settings(deadline=None)
def test_local_dates(moment: datetime, zone: ZoneInfo) -> None:
    assert local_date(micros(moment), zone) == moment.replace(tzinfo=UTC).astimezone(zone).date()


def test_local_dates_stay_in_the_calendar() -> None:
    assert local_date(at(9999, 12, 31, 23), BERLIN) == date.max
    assert local_date(at(1, 1, 1), load_zone("America/New_York")) == date.min


# Zones


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"])
def test_zones_have_exact_names(name: str) -> None:
    assert load_zone(name).key == name


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("EUROPE/BERLIN", "Europe/Berlin"),
        ("Europe/Berlim", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("America/New York", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_near_misses_of_zones_are_refused_with_a_suggestion(name: str, suggested: str) -> None:
    with pytest.raises(ValueError) as refused:
        load_zone(name)
    assert str(refused.value).endswith(f"Did you mean {suggested!r}?")


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "localtime", "posix/UTC", "right/UTC", "posixrules", "zone.tab", "tzdata.zi", "+02:00"),
        *(
            "/etc/localtime",
            "/usr/share/zoneinfo/UTC",
            "../zoneinfo/UTC",
            "Europe/../UTC",
            "Europe/",
            "Europe",
            "./UTC",
        ),
        *("UTC\0", "UTC\n", "\ud800", "Europe\\Berlin", "x" * 100_000),
    ],
)
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="is not an IANA time zone, such as 'Europe/Berlin'"):
        load_zone(name)
