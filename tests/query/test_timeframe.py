from __future__ import annotations

import re
from datetime import UTC

import pytest

from turnout.query.instants import format_utc, load_zone, parse_instant
from turnout.query.timeframe import FORMS, GRAMMAR, PATTERN, Timeframe, echo, resolve

BERLIN = load_zone("Europe/Berlin")
# A Thursday of the fourth quarter, in summer time.
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


def berlin(text: str, week_start: str = "monday", now: int = NOW) -> str:
    return echo(resolve(text, BERLIN, week_start, now), BERLIN)


# Every sentence of the contract

SENTENCES = {
    "today": "2026-10-15T00:00:00+02:00/2026-10-16T00:00:00+02:00",
    "yesterday": "2026-10-14T00:00:00+02:00/2026-10-15T00:00:00+02:00",
    "tomorrow": "2026-10-16T00:00:00+02:00/2026-10-17T00:00:00+02:00",
    "all_time": "../..",
    "this_week": "2026-10-12T00:00:00+02:00/2026-10-19T00:00:00+02:00",
    "last_week": "2026-10-05T00:00:00+02:00/2026-10-12T00:00:00+02:00",
    # 169 hours: summer time ends on 2026-10-25
    "next_week": "2026-10-19T00:00:00+02:00/2026-10-26T00:00:00+01:00",
    "this_month": "2026-10-01T00:00:00+02:00/2026-11-01T00:00:00+01:00",
    "last_month": "2026-09-01T00:00:00+02:00/2026-10-01T00:00:00+02:00",
    "next_month": "2026-11-01T00:00:00+01:00/2026-12-01T00:00:00+01:00",
    "this_quarter": "2026-10-01T00:00:00+02:00/2027-01-01T00:00:00+01:00",
    "last_quarter": "2026-07-01T00:00:00+02:00/2026-10-01T00:00:00+02:00",
    "next_quarter": "2027-01-01T00:00:00+01:00/2027-04-01T00:00:00+02:00",
    "this_year": "2026-01-01T00:00:00+01:00/2027-01-01T00:00:00+01:00",
    "last_year": "2025-01-01T00:00:00+01:00/2026-01-01T00:00:00+01:00",
    "next_year": "2027-01-01T00:00:00+01:00/2028-01-01T00:00:00+01:00",
    "week_to_date": "2026-10-12T00:00:00+02:00/2026-10-15T14:34:56.789+02:00",
    "month_to_date": "2026-10-01T00:00:00+02:00/2026-10-15T14:34:56.789+02:00",
    "quarter_to_date": "2026-10-01T00:00:00+02:00/2026-10-15T14:34:56.789+02:00",
    "year_to_date": "2026-01-01T00:00:00+01:00/2026-10-15T14:34:56.789+02:00",
    "last_1_day": "2026-10-14T00:00:00+02:00/2026-10-15T00:00:00+02:00",
    "last_1_days": "2026-10-14T00:00:00+02:00/2026-10-15T00:00:00+02:00",
    "last_7_days": "2026-10-08T00:00:00+02:00/2026-10-15T00:00:00+02:00",
    "last_7_day": "2026-10-08T00:00:00+02:00/2026-10-15T00:00:00+02:00",
    "last_7_days_incl": "2026-10-08T00:00:00+02:00/2026-10-16T00:00:00+02:00",
    "next_7_days": "2026-10-16T00:00:00+02:00/2026-10-23T00:00:00+02:00",
    "next_7_days_incl": "2026-10-15T00:00:00+02:00/2026-10-23T00:00:00+02:00",
    "last_2_weeks": "2026-09-28T00:00:00+02:00/2026-10-12T00:00:00+02:00",
    "next_2_weeks_incl": "2026-10-12T00:00:00+02:00/2026-11-02T00:00:00+01:00",
    "last_10_months": "2025-12-01T00:00:00+01:00/2026-10-01T00:00:00+02:00",
    "last_10_months_incl": "2025-12-01T00:00:00+01:00/2026-11-01T00:00:00+01:00",
    "next_3_months": "2026-11-01T00:00:00+01:00/2027-02-01T00:00:00+01:00",
    "last_4_quarters": "2025-10-01T00:00:00+02:00/2026-10-01T00:00:00+02:00",
    "next_1_quarter_incl": "2026-10-01T00:00:00+02:00/2027-04-01T00:00:00+02:00",
    "last_2_years": "2024-01-01T00:00:00+01:00/2026-01-01T00:00:00+01:00",
    "next_999_years": "2027-01-01T00:00:00+01:00/3026-01-01T00:00:00+01:00",
    "last_999_years": "1026-12-31T23:59:32+00:53/2026-01-01T00:00:00+01:00",
    "2026": "2026-01-01T00:00:00+01:00/2027-01-01T00:00:00+01:00",
    "2026-Q1": "2026-01-01T00:00:00+01:00/2026-04-01T00:00:00+02:00",
    "2026-Q3": "2026-07-01T00:00:00+02:00/2026-10-01T00:00:00+02:00",
    "2026-Q4": "2026-10-01T00:00:00+02:00/2027-01-01T00:00:00+01:00",
    "2026-10": "2026-10-01T00:00:00+02:00/2026-11-01T00:00:00+01:00",
    "2026-12": "2026-12-01T00:00:00+01:00/2027-01-01T00:00:00+01:00",
    "2024-02": "2024-02-01T00:00:00+01:00/2024-03-01T00:00:00+01:00",
    "2026-W41": "2026-10-05T00:00:00+02:00/2026-10-12T00:00:00+02:00",
    "2026-W01": "2025-12-29T00:00:00+01:00/2026-01-05T00:00:00+01:00",
    "2026-W53": "2026-12-28T00:00:00+01:00/2027-01-04T00:00:00+01:00",
    "2026-10-05": "2026-10-05T00:00:00+02:00/2026-10-06T00:00:00+02:00",
    "2024-02-29": "2024-02-29T00:00:00+01:00/2024-03-01T00:00:00+01:00",
    "2026-10-01..2026-10-05": "2026-10-01T00:00:00+02:00/2026-10-06T00:00:00+02:00",
    "2026-10-05..2026-10-05": "2026-10-05T00:00:00+02:00/2026-10-06T00:00:00+02:00",
    "2026-10-05..": "2026-10-05T00:00:00+02:00/..",
    "..2026-10-05": "../2026-10-06T00:00:00+02:00",
    "..": "../..",
}


@pytest.mark.parametrize(("text", "expected"), SENTENCES.items())
def test_sentences(text: str, expected: str) -> None:
    assert berlin(text) == expected
    assert berlin(text.upper()) == expected
    assert berlin(text.lower()) == expected


@pytest.mark.parametrize("text", [text for text in SENTENCES if "_" in text])
@pytest.mark.parametrize("separator", [" ", "-"])
def test_separators_between_words_are_equal(text: str, separator: str) -> None:
    assert berlin(text.replace("_", separator)) == SENTENCES[text]
    assert berlin(text.replace("_", separator, 1).title()) == SENTENCES[text]


@pytest.mark.parametrize(
    ("week_start", "this_week", "last_2_weeks"),
    [
        ("monday", ("10-12", "10-19"), ("09-28", "10-12")),
        ("wednesday", ("10-14", "10-21"), ("09-30", "10-14")),
        ("thursday", ("10-15", "10-22"), ("10-01", "10-15")),
        ("friday", ("10-09", "10-16"), ("09-25", "10-09")),
        ("saturday", ("10-10", "10-17"), ("09-26", "10-10")),
        ("sunday", ("10-11", "10-18"), ("09-27", "10-11")),
    ],
)
def test_weeks_start_where_the_provider_says(
    week_start: str, this_week: tuple[str, str], last_2_weeks: tuple[str, str]
) -> None:
    for text, (start, end) in (("this_week", this_week), ("last_2_weeks", last_2_weeks)):
        assert berlin(text, week_start) == f"2026-{start}T00:00:00+02:00/2026-{end}T00:00:00+02:00"
    assert berlin("week to date", week_start).split("/")[0] == f"2026-{this_week[0]}T00:00:00+02:00"
    assert berlin("2026-W41", week_start) == SENTENCES["2026-W41"]


def test_today_is_the_local_day() -> None:
    late = parse_instant("2026-12-31T23:30:00Z", UTC)
    assert berlin("today", now=late) == "2027-01-01T00:00:00+01:00/2027-01-02T00:00:00+01:00"
    assert berlin("last_year", now=late) == "2026-01-01T00:00:00+01:00/2027-01-01T00:00:00+01:00"
    assert echo(resolve("this_year", UTC, "monday", late), UTC) == "2026-01-01T00:00:00+00:00/2027-01-01T00:00:00+00:00"


def test_to_date_ends_before_this_microsecond() -> None:
    assert resolve("year_to_date", BERLIN, "monday", NOW).end == NOW
    midnight = parse_instant("2026-10-01T00:00", BERLIN)
    assert resolve("month_to_date", BERLIN, "monday", midnight) == Timeframe(midnight, midnight)


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00/2026-03-30T00:00:00+02:00"),
        ("Europe/Berlin", "2026-10-25", "2026-10-25T00:00:00+02:00/2026-10-26T00:00:00+01:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00/2018-11-05T00:00:00-02:00"),
        ("America/Sao_Paulo", "2018-11-03", "2018-11-03T00:00:00-03:00/2018-11-04T01:00:00-02:00"),
        ("Africa/Cairo", "2026-04-24..2026-04-24", "2026-04-24T01:00:00+03:00/2026-04-25T00:00:00+03:00"),
        ("Asia/Beirut", "..2026-03-28", "../2026-03-29T01:00:00+03:00"),
        ("America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00/2026-11-02T00:00:00-05:00"),
        # Samoa went from the 29th to the 31st.
        ("Pacific/Apia", "2011-12-29", "2011-12-29T00:00:00-10:00/2011-12-31T00:00:00+14:00"),
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00/2011-12-31T00:00:00+14:00"),
        ("Pacific/Apia", "2011-12", "2011-12-01T00:00:00-10:00/2012-01-01T00:00:00+14:00"),
    ],
)
def test_days_of_clock_changes(zone: str, text: str, expected: str) -> None:
    assert echo(resolve(text, load_zone(zone), "monday", NOW), load_zone(zone)) == expected


# The ends of the calendar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0001", "../0002-01-01T00:00:00+00:00"),
        ("0001-W01", "../0001-01-08T00:00:00+00:00"),
        ("0001-01-01", "../0001-01-02T00:00:00+00:00"),
        ("0001-01-02", "0001-01-02T00:00:00+00:00/0001-01-03T00:00:00+00:00"),
        ("9999", "9999-01-01T00:00:00+00:00/.."),
        ("9999-Q4", "9999-10-01T00:00:00+00:00/.."),
        ("9999-12", "9999-12-01T00:00:00+00:00/.."),
        ("9999-W52", "9999-12-27T00:00:00+00:00/.."),
        ("9999-12-31", "9999-12-31T00:00:00+00:00/.."),
        ("9999-12-30", "9999-12-30T00:00:00+00:00/9999-12-31T00:00:00+00:00"),
        ("0001-01-01..9999-12-31", "../.."),
    ],
)
def test_a_side_at_an_end_of_the_calendar_is_open(text: str, expected: str) -> None:
    assert echo(resolve(text, UTC, "monday", NOW), UTC) == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("now", ["0001-01-01T06:00:00Z", "9999-12-31T06:00:00Z"])
def test_the_calendar_never_overflows(zone: str, now: str) -> None:
    info, moment = load_zone(zone), parse_instant(now, UTC)
    for unit in UNITS:
        for text in (f"last_999_{unit}s", f"next_999_{unit}s_incl", f"last_1_{unit}", f"next_1_{unit}"):
            timeframe = resolve(text, info, "sunday", moment)
            for bound in (timeframe.start, timeframe.end):
                assert bound is None or len(format_utc(bound)) == len("2026-10-15T00:00:00Z")
            before_the_calendar = now < "0002" and text.startswith("last")
            after_the_calendar = now > "9999" and text == f"next_1_{unit}"
            if before_the_calendar or after_the_calendar:
                assert timeframe.start == timeframe.end is not None


# What is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-02-30", ": there is no day 2026-02-30."),
        ("2026-04-31", ": there is no day 2026-04-31."),
        ("2025-02-29", ": there is no day 2025-02-29."),
        ("0000", ": there is no year 0."),
        ("0000-01-01", ": there is no year 0."),
        ("0000-W01", ": there is no year 0."),
        ("2025-W53", ": the year 2025 has no week 53."),
        ("9999-W53", ": the year 9999 has no week 53."),
        ("2026-10-05..2026-10-04", ": 2026-10-05 is after 2026-10-04."),
        ("2026-02-30..2026-10-04", ": there is no day 2026-02-30."),
        ("0000-01-01..", ": there is no day 0000-01-01."),
        ("last_moth", ". Did you mean 'last_month'?"),
        ("Last Moth", ". Did you mean 'last_month'?"),
        ("this_weak", ". Did you mean 'this_week'?"),
        ("todya", ". Did you mean 'today'?"),
        ("last_7_dys", ". Did you mean 'last_7_days'?"),
        ("last_30days", ". Did you mean 'last_30_days'?"),
        ("next_12_month_inc", ". Did you mean 'next_12_months_incl'?"),
        ("last_07_days", ". Did you mean 'last_7_days'?"),
        ("last__7_days", ". Did you mean 'last_7_days'?"),
        ("last - week", ". Did you mean 'last_week'?"),
        ("last_day", ". Did you mean 'yesterday'?"),
        ("ytd", ". Did you mean 'year_to_date'?"),
        ("previous_month", ". Did you mean 'last_month'?"),
        ("current week", ". Did you mean 'this_week'?"),
        ("upcoming 7 days", ". Did you mean 'next_7_days'?"),
        ("prev_quarter", ". Did you mean 'last_quarter'?"),
        ("previous_day", ". Did you mean 'yesterday'?"),
        ("current day", ". Did you mean 'today'?"),
        ("7_days", ". Did you mean 'last_7_days'?"),
        ("7days", ". Did you mean 'last_7_days'?"),
        ("week", ". Did you mean 'this_week'?"),
        ("year", ". Did you mean 'this_year'?"),
        ("2026_10", ". Did you mean '2026-10'?"),
        ("2026 q3", ". Did you mean '2026-q3'?"),
        ("2026/10/05", ". Did you mean '2026-10-05'?"),
        ("2026_10_01..2026_10_05", ". Did you mean '2026-10-01..2026-10-05'?"),
    ],
)
def test_near_misses_are_told_why_or_what(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        berlin(text)
    assert str(refused.value) == f"{text!r} is not a timeframe{reason} The forms are: {FORMS}."


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "today ", " today", "today\n", "_", "1", "26", "12026", "2026-", "-2026", "+2026", "٢٠٢٦"),
        *("2026-Q0", "2026-Q5", "2026Q3", "2026-00", "2026-13", "2026-1", "202610", "20261005", "2026-10-5"),
        *("2026-W00", "2026-W54", "2026-W1", "2026W41", "2026-W41-1", "2026-278", "2026-10-00", "2026-10-32"),
        *(
            ".",
            "...",
            "2026..2027",
            "2026-10..2026-11",
            "2026-10-01...2026-10-02",
            "2026-10-01..2026-10-02..2026-10-03",
        ),
        *(
            "2026-10-01 .. 2026-10-05",
            "2026-10-01..today",
            "today..",
            "2026-10-01/2026-10-05",
            "..2026-10-05T00:00:00Z",
        ),
        *(
            "last_0_days",
            "last_1000_days",
            "last_-1_days",
            "last_1.5_days",
            "last__days",
            "last_\u0667_days",
            "last_n_days",
        ),
        *(
            "this_7_days",
            "last_7",
            "last_7_days_inclusive",
            "last_7_days__incl",
            "7_days",
            "last_week_incl",
            "lastweek",
        ),
        *("this_day", "day_to_date", "days_to_date", "weeks_to_date", "last_weeks", "all__time", "alltime", "_today"),
        *(
            "last\tweek",
            "last\u00a0week",
            "last+week",
            "last_wee\u212a",
            "la\u017ft_week",
            "\0",
            "\ud800",
            "today,today",
        ),
        *("x" * 100_000, "_" * 100_000, "9" * 100_000, "last_" + "9" * 100_000 + "_days", "../../etc/passwd"),
    ],
)
def test_anything_else_is_an_error_that_lists_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match=" is not a timeframe") as refused:
        berlin(text)
    assert str(refused.value).endswith(f" The forms are: {FORMS}.")
    assert len(str(refused.value)) < len(FORMS) + 250
    assert not re.search(PATTERN, text.replace("\n", "$"))


def test_suggestions_are_themselves_understood() -> None:
    for text in ("las_week", "nex_3_quarter", "month2date", "yesturday", "last_999_yers_incl", "al_time"):
        with pytest.raises(ValueError) as refused:
            berlin(text)
        suggestion = re.search(r"Did you mean '(.*?)'\?", str(refused.value))
        assert suggestion is not None, text
        assert berlin(suggestion[1])


def test_the_forms_are_told_once() -> None:
    for form in GRAMMAR:
        assert f"{form.notation} ({form.meaning})" in FORMS
    for word in ("today", "all_time", "this_X", "X_to_date", "last_N_Xs", "_incl", "2026-Q3", "2026-W41", "A..B"):
        assert word in FORMS
    assert "(?P" not in PATTERN
