"""From a checked request to what must be read: stored columns, order keys and a place in the order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.text import fold
from turnout.catalog.types import FOLDED, Column, Kind
from turnout.query.cursor import Place

if TYPE_CHECKING:
    from turnout.catalog.types import Report
    from turnout.query.dialect import Dialect
    from turnout.query.request import Condition, ReportRequest, Scope

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - stores speak naive UTC
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One stored column of the order. Missing values come last in both directions."""

    storage: str
    kind: Kind
    descending: bool
    nullable: bool

    @property
    def instant(self) -> bool:
        return self.kind is Kind.INSTANT

    @property
    def integral(self) -> bool:
        """Whether its values are integers, or instants, which count microseconds."""
        return self.kind in (Kind.INSTANT, Kind.INTEGER)


@dataclass(frozen=True, slots=True)
class Period:
    """A period that is counted: the name of the count, and the day on which it begins, counted from 1970-01-01."""

    storage: str
    first_day: int


@dataclass(frozen=True, slots=True)
class Grouping:
    """How attendances become the rows of a grouped report.

    Those with the same `attributes` are one. `folded` are the folded texts that the order compares, `periods` those
    that are counted, one after the other. A period that the order compares and nobody sees is `unshown`, and counts 0.
    """

    attributes: tuple[Column, ...]
    folded: tuple[str, ...]
    periods: tuple[Period, ...]
    unshown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one page needs. `position` has one value for each order key, and selects what follows (or precedes).

    In a grouped report, `storages` and the order are of the groups.
    """

    scope: Scope
    conditions: tuple[Condition, ...]
    storages: tuple[str, ...]
    order: tuple[OrderKey, ...]
    limit: int
    offset: int
    position: tuple[Any, ...] | None
    backwards: bool
    dialect: Dialect
    grouping: Grouping | None = None


def plan(request: ReportRequest, dialect: Dialect, *, with_order_keys: bool = True) -> Plan:
    """The plan of a request, for an engine that speaks `dialect`.

    The order keys are read as well, for cursors, unless no page follows.
    """
    order = _order(request)
    storages = dict.fromkeys(_storages(request.report, request.columns))
    if with_order_keys:
        storages.update((key.storage, None) for key in order if not key.storage.endswith(FOLDED))
    return Plan(
        scope=request.scope,
        conditions=request.conditions,
        storages=tuple(storages),
        order=order,
        limit=request.limit,
        offset=request.offset,
        position=position(order, request.place.values) if request.place else None,
        backwards=request.place is not None and request.place.backwards,
        dialect=dialect,
        grouping=_grouping(request, order) if request.report.grouped else None,
    )


def _grouping(request: ReportRequest, order: tuple[OrderKey, ...]) -> Grouping:
    pivot, periods = request.pivot, request.periods
    sorted_on = (level.column for level in request.sort)
    return Grouping(
        attributes=attributes(request),
        folded=tuple(key.storage for key in order if key.storage.endswith(FOLDED)),
        periods=tuple(Period(pivot.column(n).storage, pivot.first_day(n)) for n in periods) if pivot else (),
        unshown=tuple(one.storage for one in sorted_on if one.counts and one not in request.columns),
    )


def attributes(request: ReportRequest) -> tuple[Column, ...]:
    """The columns that tell the groups of a grouped report apart."""
    return tuple(column for column in request.columns if not column.counts)


def stored(column: Column) -> tuple[str, ...]:
    """The stored columns that hold a column's value."""
    if column.kind is Kind.PEOPLE:
        return (f"{column.storage}_ids", f"{column.storage}_names")
    return (column.storage,)


@lru_cache(maxsize=256)
def _storages(report: Report, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The stored columns that are read for columns of a report, each once."""
    return tuple(dict.fromkeys(one for column in columns for one in (*stored(column), *presences(report, column))))


def presences(report: Report, column: Column) -> tuple[str, ...]:
    """The stored columns that tell whether the objects around a column's value exist."""
    groups = report.group
    keys = (".".join(column.path[:depth]) for depth in range(1, len(column.path)))
    return tuple(groups[key].presence or "" for key in keys if key in groups and groups[key].presence)


def _order(request: ReportRequest) -> tuple[OrderKey, ...]:
    levels = [(level.column, level.descending) for level in request.sort]
    if request.report.grouped:
        sorted_on = {column for column, _ in levels}
        levels += [(column, False) for column in attributes(request) if column not in sorted_on]
    keys = [
        OrderKey(storage, column.kind, descending, column.nullable)
        for column, descending in levels
        for storage in column.order_by
    ]
    if request.report.grouped:
        return tuple(keys)
    if not any(key.storage == "id" for key in keys):
        keys.append(OrderKey("id", Kind.INTEGER, descending=False, nullable=False))
    return tuple(keys)


def place_of(request: ReportRequest, the_plan: Plan, row: tuple[Any, ...], *, backwards: bool) -> Place:
    """The place after (or before) a row that was read by `the_plan`."""
    at = {storage: index for index, storage in enumerate(the_plan.storages)}
    values = []
    for key in the_plan.order:
        if key.storage.endswith(FOLDED):
            continue  # it follows from the text itself, which is the next key
        value = row[at[key.storage]]
        values.append(as_integer(value) if key.instant and value is not None else value)
    return Place(request.now, backwards, tuple(values))


def as_integer(value: int | datetime) -> int:
    """A value that was read, as an integer: an instant becomes microseconds since 1970."""
    return (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value


def as_moment(micros: int) -> datetime | None:
    """The other way round; None where it is beyond the years that a datetime has."""
    try:
        return _EPOCH + micros * _MICROSECOND
    except OverflowError:
        return None


def position(order: tuple[OrderKey, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """One value for each order key, from a cursor's values, which leave folded texts out."""
    given = iter(values)
    found: list[Any] = []
    for key in order:
        if key.storage.endswith(FOLDED):
            found.append(None)
            continue
        value = next(given)
        if found and order[len(found) - 1].storage == key.storage + FOLDED:
            found[-1] = None if value is None else fold(value)
        found.append(value)
    return tuple(found)
