"""Pivots: the periods by which a grouped report splits its counts (contract section 7, and 'Grouped reports' in 9).

Periods of a unit are numbered in time order, and days by `date.toordinal` less that of 1970-01-01; both may lie beyond
the calendar of `date`, as local days do where a zone turns the first or the last of its days into another year.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from turnout.catalog.attendances import PERIODS, period_column
from turnout.catalog.types import WEEK_DAYS
from turnout.errors import shown

if TYPE_CHECKING:
    from turnout.catalog.types import Column
    from turnout.query.request import ReportRequest

# After so many years, and days, the calendar repeats itself to the day of the week.
_CYCLE: Final = 400
_CYCLE_DAYS: Final = 146_097
_EPOCH: Final = date(1970, 1, 1)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONDAY: Final = 3
"""How many days before 1970-01-01 its week began, where weeks begin on Monday."""


def _civil(day: int) -> tuple[int, date]:
    """The year of a day, and the day as a date in a year that is like it."""
    cycle, rest = divmod(day, _CYCLE_DAYS)
    like = _EPOCH + timedelta(days=rest)
    return like.year + cycle * _CYCLE, like


def _day(year: int, month: int = 1, day: int = 1) -> int:
    """A day by its number; `ValueError` where there is none."""
    cycle, rest = divmod(year - _EPOCH.year, _CYCLE)
    return (date(_EPOCH.year + rest, month, day) - _EPOCH).days + cycle * _CYCLE_DAYS


class _Unit(ABC):
    """One of the ways to divide time. `pattern` is what labels look like."""

    pattern: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def number(self, day: int) -> int:
        """The period that a day is in."""

    @abstractmethod
    def first_day(self, number: int) -> int: ...

    @abstractmethod
    def label(self, number: int) -> str: ...

    @abstractmethod
    def read(self, match: re.Match[str]) -> int:
        """The number of a period by its label; `ValueError` where there is none."""

    def title(self, number: int) -> str:
        """The label of its column."""
        return self.label(number)


class _Years(_Unit):
    pattern = "([0-9]{4,5})"
    example = "2026"

    def number(self, day: int) -> int:
        return _civil(day)[0]

    def first_day(self, number: int) -> int:
        return _day(number)

    def label(self, number: int) -> str:
        return f"{number:04}"

    def read(self, match: re.Match[str]) -> int:
        return int(match[1])


class _Months(_Unit):
    pattern = "([0-9]{4,5})-(0[1-9]|1[0-2])"
    example = "2026-10"

    def number(self, day: int) -> int:
        year, like = _civil(day)
        return year * 12 + like.month - 1

    def first_day(self, number: int) -> int:
        return _day(number // 12, number % 12 + 1)

    def label(self, number: int) -> str:
        return f"{number // 12:04}-{number % 12 + 1:02}"

    def title(self, number: int) -> str:
        return f"{_MONTHS[number % 12]} {number // 12:04}"

    def read(self, match: re.Match[str]) -> int:
        return int(match[1]) * 12 + int(match[2]) - 1


class _IsoWeeks(_Unit):
    """Weeks that begin on Monday: called by ISO 8601."""

    pattern = "([0-9]{4,5})-W(0[1-9]|[1-4][0-9]|5[0-3])"
    example = "2026-W41"

    def number(self, day: int) -> int:
        return (day + MONDAY) // 7

    def first_day(self, number: int) -> int:
        return number * 7 - MONDAY

    def label(self, number: int) -> str:
        # A week is of the year, and has the number, of its Thursday.
        year, like = _civil(self.first_day(number) + 3)
        return f"{year:04}-W{like.isocalendar().week:02}"

    def read(self, match: re.Match[str]) -> int:
        # The 4th of January is in the first week.
        return self.number(_day(int(match[1]), 1, 4)) + int(match[2]) - 1


class _Weeks(_Unit):
    """Weeks that begin on another day: called by that day's date."""

    pattern = "([0-9]{4,5})-(0[1-9]|1[0-2])-([0-9]{2})"
    example = "2026-10-04"

    def __init__(self, first: int) -> None:
        self._first = first

    def number(self, day: int) -> int:
        return (day + MONDAY - self._first) // 7

    def first_day(self, number: int) -> int:
        return number * 7 - MONDAY + self._first

    def label(self, number: int) -> str:
        year, like = _civil(self.first_day(number))
        return f"{year:04}-{like.month:02}-{like.day:02}"

    def read(self, match: re.Match[str]) -> int:
        return self.number(_day(int(match[1]), int(match[2]), int(match[3])))


PATTERN: Final = "(?:{})".format("|".join(unit.pattern for unit in (_Weeks, _IsoWeeks, _Months, _Years)))
"""Matches every label of a period."""


@dataclass(frozen=True, slots=True)
class Pivot:
    """A division of the count: a unit of `PIVOTS` other than `all`, at most so many periods, the provider's week."""

    name: str
    most: int
    week_start: str

    def shown(self, oldest: int, newest: int) -> range:
        """The periods that an answer shows, whose oldest and newest attendance are of these days."""
        last = self._unit.number(newest)
        return range(max(self._unit.number(oldest), last - self.most + 1), last + 1)

    def first_day(self, period: int) -> int:
        """The day on which a period begins."""
        return self._unit.first_day(period)

    def column(self, period: int) -> Column:
        """The column of a period."""
        storage = f"{self.name}_{period}".replace("-", "before_")
        return period_column(self._unit.label(period), self._unit.title(period), storage)

    def read(self, label: str) -> Column:
        """The column of the period with a label, be it shown or not; `ValueError` where there is no such period."""
        unit = self._unit
        match = re.fullmatch(unit.pattern, label)
        try:
            column = self.column(unit.read(match)) if match else None
        except ValueError:
            column = None
        if column is None or column.key != f"{PERIODS}.{label}":
            near = f" Did you mean {column.key!r}?" if column else ""
            what = f"a {self.name}" + (f" that begins on {self.week_start.capitalize()}" if self.name == "week" else "")
            raise ValueError(f"{shown(label)} is not {what}, such as {unit.example}.{near}")
        return column

    @property
    def _unit(self) -> _Unit:
        if self.name != "week":
            return _Years() if self.name == "year" else _Months()
        return _IsoWeeks() if self.week_start == WEEK_DAYS[0] else _Weeks(WEEK_DAYS.index(self.week_start))


def with_periods(request: ReportRequest, oldest: int | None, newest: int | None) -> ReportRequest:
    """The request with the columns of its pivot; `oldest` and `newest` are the days of what matches it, if anything."""
    if request.pivot is None or oldest is None or newest is None:
        return request
    periods = request.pivot.shown(oldest, newest)
    return replace(request, columns=(*request.columns, *map(request.pivot.column, periods)), periods=tuple(periods))
