"""Timeframes: words for an interval of a provider's calendar (contract section 2.4, and 'Timeframes' in section 9).

`GRAMMAR` declares each form once: its notation, its regular expression and its meaning. The parser, the text that
lists the forms (`FORMS`) and the expression for OpenAPI (`PATTERN`) come from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import TYPE_CHECKING, Final

from turnout.catalog.types import WEEK_DAYS
from turnout.errors import did_you_mean, shown
from turnout.query.instants import format_zone, local_date, start_of_day

if TYPE_CHECKING:
    from collections.abc import Callable


_DAYS: Final = {"day": 1, "week": 7}
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_LAST_DAY: Final = date.max.toordinal()


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The instants in [start, end), in microseconds; None is an open side.

    A side that lies at the very beginning or end of the calendar (years 1 to 9999) is open, so that every bound can be
    written as RFC 3339.
    """

    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class _Calendar:
    """Where and when a timeframe is read. Days are ordinals as of `date.toordinal`; they may leave the calendar."""

    zone: tzinfo
    first_weekday: int
    now: int
    today: date

    def first_day(self, unit: str, shift: int) -> int:
        """The first day of the period that is `shift` periods after the current one."""
        if unit in _DAYS:
            # Day 1 is a Monday; every day begins a period of one day.
            today, length = self.today.toordinal(), _DAYS[unit]
            return today - (today - 1 - self.first_weekday) % length + shift * length
        length = _MONTHS[unit]
        return _first_of_month(((self.today.year * 12 + self.today.month - 1) // length + shift) * length)

    def span(self, first: int, after: int) -> Timeframe:
        """The days from `first` to before `after`, as instants."""
        if first > _LAST_DAY or after <= 1:
            edge = start_of_day(date.fromordinal(_LAST_DAY if first > _LAST_DAY else 2), self.zone)
            return Timeframe(edge, edge)
        return Timeframe(
            None if first <= 1 else start_of_day(date.fromordinal(first), self.zone),
            None if after > _LAST_DAY else start_of_day(date.fromordinal(after), self.zone),
        )

    def periods(self, unit: str, first: int, after: int) -> Timeframe:
        """The periods from `first` to before `after`, counted from the current one."""
        return self.span(self.first_day(unit, first), self.first_day(unit, after))


def _first_of_month(month: int) -> int:
    """The first day of a month, counted from January of the year 0; a day outside where the calendar has none."""
    year, index = divmod(month, 12)
    if date.min.year <= year <= date.max.year:
        return date(year, index + 1, 1).toordinal()
    return 0 if year < date.min.year else _LAST_DAY + 1


# The forms: each function gets a match of its expression, lower-cased.

_WHICH: Final = {"last": (-1, 0), "this": (0, 1), "next": (1, 2)}
_NAMED_DAYS: Final = {"yesterday": (-1, 0), "today": (0, 1), "tomorrow": (1, 2)}


def _named_day(match: re.Match[str], calendar: _Calendar) -> Timeframe:
    return calendar.periods("day", *_NAMED_DAYS[match["day"]])


def _all_time(_match: re.Match[str], _calendar: _Calendar) -> Timeframe:
    return Timeframe(None, None)


def _one(match: re.Match[str], calendar: _Calendar) -> Timeframe:
    return calendar.periods(match["unit"], *_WHICH[match["which"]])


def _to_date(match: re.Match[str], calendar: _Calendar) -> Timeframe:
    # Half-open as every timeframe: what starts at this very microsecond is not in it.
    return Timeframe(calendar.periods(match["unit"], 0, 1).start, calendar.now)


def _rolling(match: re.Match[str], calendar: _Calendar) -> Timeframe:
    count, current = int(match["count"]), 1 if match["incl"] else 0
    if match["which"] == "last":
        return calendar.periods(match["unit"], -count, current)
    return calendar.periods(match["unit"], 1 - current, count + 1)


def _period(match: re.Match[str], calendar: _Calendar) -> Timeframe:
    year = int(match["year"])
    if year < date.min.year:
        raise ValueError("there is no year 0")
    if match["day"]:
        first = _existing_day(match["period"]).toordinal()
        return calendar.span(first, first + 1)
    if match["week"]:
        try:
            first = date.fromisocalendar(year, int(match["week"]), 1).toordinal()
        except ValueError:
            raise ValueError(f"the year {year} has no week {match['week']}") from None
        return calendar.span(first, first + 7)
    month, length = year * 12, _MONTHS["year"]
    if match["quarter"]:
        month, length = month + (int(match["quarter"]) - 1) * 3, _MONTHS["quarter"]
    elif match["month"]:
        month, length = month + int(match["month"]) - 1, _MONTHS["month"]
    return calendar.span(_first_of_month(month), _first_of_month(month + length))


def _range(match: re.Match[str], calendar: _Calendar) -> Timeframe:
    first, last = match["first"], match["last"]
    first_day = _existing_day(first).toordinal() if first else 0
    last_day = _existing_day(last).toordinal() if last else _LAST_DAY
    if first_day > last_day:
        raise ValueError(f"{first} is after {last}")
    return calendar.span(first_day, last_day + 1)


def _existing_day(text: str) -> date:
    try:
        return date(int(text[:4]), int(text[5:7]), int(text[8:]))
    except ValueError:
        raise ValueError(f"there is no day {text}") from None


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a timeframe. `source` is a regular expression in lower case; no letter in it is an operator."""

    notation: str
    meaning: str
    source: str
    resolve: Callable[[re.Match[str], _Calendar], Timeframe]

    def match(self, text: str) -> re.Match[str] | None:
        return re.fullmatch(self.source, text)


_UNIT: Final = "(?P<unit>week|month|quarter|year)"
_DAY: Final = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"

GRAMMAR: Final = (
    Form("today, yesterday, tomorrow", "one day", "(?P<day>today|yesterday|tomorrow)", _named_day),
    Form("all_time", "no limit", "all[ _-]time", _all_time),
    Form(
        "this_X, last_X, next_X",
        "X is week, month, quarter or year",
        f"(?P<which>this|last|next)[ _-]{_UNIT}",
        _one,
    ),
    Form("X_to_date", "from the start of X until now", f"{_UNIT}[ _-]to[ _-]date", _to_date),
    Form(
        "last_N_Xs, next_N_Xs",
        "N whole Xs before or after the current one, which a following _incl adds; X may also be day, N is 1 to 999",
        "(?P<which>last|next)[ _-](?P<count>[1-9][0-9]{0,2})[ _-]"
        "(?P<unit>day|week|month|quarter|year)s?(?P<incl>[ _-]incl)?",
        _rolling,
    ),
    Form(
        "2026, 2026-Q3, 2026-10, 2026-W41, 2026-10-05",
        "a year, quarter, month, ISO week or day",
        "(?P<period>(?P<year>[0-9]{4})(?:-q(?P<quarter>[1-4])|-w(?P<week>0[1-9]|[1-4][0-9]|5[0-3])"
        "|-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>0[1-9]|[12][0-9]|3[01]))?)?)",
        _period,
    ),
    Form(
        "A..B",
        "two days such as 2026-10-05, both included; either side may be empty",
        rf"(?P<first>{_DAY})?\.\.(?P<last>{_DAY})?",
        _range,
    ),
)

FORMS: Final = "; ".join(f"{form.notation} ({form.meaning})" for form in GRAMMAR)
"""The forms of a timeframe in one line, for error texts, help and documentation."""


def _published(source: str) -> str:
    """The expression without group names and flags, as ECMA-262 and so OpenAPI understand it."""
    anonymous = re.sub(r"\(\?P<[a-z]+>", "(?:", source)
    return re.sub("[a-z]", lambda letter: f"[{letter[0].upper()}{letter[0]}]", anonymous)


PATTERN: Final = "^(?:" + "|".join(_published(form.source) for form in GRAMMAR) + ")$"
"""Matches every timeframe. What only a calendar can tell is beyond it: days and weeks that do not exist, A after B."""


def resolve(text: str, zone: tzinfo, week_start: str, now: int) -> Timeframe:
    """The interval that a timeframe means in `zone` at the instant `now`.

    `week_start` is a name of `WEEK_DAYS`; ISO weeks (`2026-W41`) begin on Monday whatever it says. Raises `ValueError`
    with a reason for the user that lists the forms.
    """
    calendar = _Calendar(zone, WEEK_DAYS.index(week_start), now, local_date(now, zone))
    found = _match(text)
    if found is None:
        raise ValueError(f"{shown(text)} is not a timeframe.{_suggestion(text[:80])} {_understood()}")
    form, match = found
    try:
        return form.resolve(match, calendar)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is not a timeframe: {error}. {_understood()}") from None


def echo(timeframe: Timeframe, zone: tzinfo) -> str:
    """`START/END` for `X-Timeframe`: RFC 3339 with the zone's numeric offset, `..` for an open side."""
    bounds = (timeframe.start, timeframe.end)
    return "/".join(".." if bound is None else format_zone(bound, zone) for bound in bounds)


def _match(text: str) -> tuple[Form, re.Match[str]] | None:
    if not text.isascii():
        return None  # some letters outside of ASCII have lower-case forms inside it
    lowered = text.lower()
    return next(((form, match) for form in GRAMMAR if (match := form.match(lowered))), None)


def _understood() -> str:
    return f"The forms are: {FORMS}."


# Suggestions

_NAMES: Final = (
    *_NAMED_DAYS,
    "all_time",
    *(f"{which}_{unit}" for which in _WHICH for unit in ("week", *_MONTHS)),
    *(f"{unit}_to_date" for unit in ("week", *_MONTHS)),
)
_COUNTED: Final = tuple(
    f"{which}_N_{unit}s{incl}" for which in ("last", "next") for unit in (*_DAYS, *_MONTHS) for incl in ("", "_incl")
)
_OTHER_WORDS: Final = {
    "last_day": "yesterday",
    "this_day": "today",
    "next_day": "tomorrow",
    "all": "all_time",
    "wtd": "week_to_date",
    "mtd": "month_to_date",
    "qtd": "quarter_to_date",
    "ytd": "year_to_date",
}
_OTHER_WHICH: Final = {
    "previous": "last",
    "prev": "last",
    "past": "last",
    "prior": "last",
    "current": "this",
    "coming": "next",
    "upcoming": "next",
    "following": "next",
}


def _suggestion(text: str) -> str:
    """' Did you mean X?' for the nearest timeframe, or an empty text."""
    dashed = re.sub("[ _/]", "-", text)
    if _match(dashed):
        return f" Did you mean {dashed!r}?"
    words = re.sub("[ _-]+", "_", text.strip().lower())
    which, blank, rest = words.partition("_")
    if re.match("0*[1-9][0-9]{0,2}_?[a-z]", words):
        words = f"last_{words}"
    elif blank and which in _OTHER_WHICH:
        words = f"{_OTHER_WHICH[which]}_{rest}"
    if words in _OTHER_WORDS:
        return f" Did you mean {_OTHER_WORDS[words]!r}?"
    number = re.search("(?<![0-9])0*([1-9][0-9]{0,2})(?![0-9])", words)
    counted = (name.replace("N", number[1]) for name in _COUNTED) if number else ()
    return did_you_mean(words, (*_NAMES, *counted))
