"""The grouped report (section 7 and "Grouped reports" in section 9) over flat rows: group, count, sort, write."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracle import calendar, report
from oracle.report import Ask, Row, Tenant, local

if TYPE_CHECKING:
    from datetime import date

# Key, other name, label and kind, typed in by hand.
# fmt: off
TABLE = (
    ("customer.id", "customer_id", "Customer ID", "integer"),
    ("customer.name", "customer_name", "Customer Name", "text"),
    ("customer.email", "customer_email", "Customer Email", "text"),
    ("day_of_week", None, "Day of Week", "weekday"),
    ("event.start_time", "event_start_time", "Start Time", "time"),
    ("event.start_hour", "event_start_hour", "Start Hour", "integer"),
    ("event.start_date", "event_start_date", "Start Date", "period"),
    ("event.start_week", "event_start_week", "Start Week", "period"),
    ("event.start_month", "event_start_month", "Start Month", "period"),
    ("event.start_year", "event_start_year", "Start Year", "period"),
    ("offering_type.id", "offering_type_id", "Offering Type ID", "integer"),
    ("offering_type.name", "offering_type_name", "Offering Type Name", "text"),
    ("venue.id", "venue_id", "Venue ID", "integer"),
    ("venue.name", "venue_name", "Venue Name", "text"),
    ("booking_method", None, "Booking Method", "choice"),
    ("booking_source", None, "Booking Source", "text"),
    ("status", None, "Status", "choice"),
    ("count", None, "Count", "integer"),
)
# fmt: on
GROUPS = {
    "customer": ("customer.id", "customer.name", "customer.email"),
    "event": ("event.start_time",),
    "offering_type": ("offering_type.id", "offering_type.name"),
    "venue": ("venue.id", "venue.name"),
}
KEY_OF = {name: key for key, other, _, _ in TABLE for name in (key, other) if name}
LABEL = {key: label for key, _, label, _ in TABLE}
KIND = {key: kind for key, _, _, kind in TABLE}
NAMES = (*KEY_OF, *GROUPS)
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
PERIOD = "count_by_period."


@dataclass(frozen=True)
class GroupAsk(Ask):
    """What a request for groups means. A period in `sort` has its whole key."""

    pivot: str = "all"
    most: int = 4


@dataclass
class Group:
    """The attendances with the same attributes, in the order asked for."""

    values: dict[str, Any]
    count: int = 0
    by_period: Counter[str] = field(default_factory=Counter)


def selected(names: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of the answer, without periods."""
    return tuple(dict.fromkeys(key for name in names for key in GROUPS.get(name) or (KEY_OF[name],)))


def value_of(row: Row, key: str, tenant: Tenant) -> Any:
    if key == "day_of_week":
        return calendar.WEEK_DAYS[local(row, tenant).weekday()]
    if key == "event.start_time":
        return f"{local(row, tenant):%H:%M}"
    if key == "event.start_hour":
        return local(row, tenant).hour
    if KIND[key] == "period":
        return label_of(key.removeprefix("event.start_"), local(row, tenant).date(), tenant.week_start)
    return row[key]


def label_of(unit: str, day: date, week_start: str) -> str:
    """The period of a day."""
    if unit == "date":
        return day.isoformat()
    if unit == "year":
        return f"{day.year:04}"
    if unit == "month":
        return f"{day.year:04}-{day.month:02}"
    if week_start != "monday":
        return calendar.period_start("week", day, week_start).isoformat()
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


def title_of(unit: str, label: str) -> str:
    """The label of a period's column."""
    return f"{MONTHS[int(label[-2:]) - 1]} {label[:-3]}" if unit == "month" else label


def periods(rows: list[Row], ask: GroupAsk, tenant: Tenant) -> list[str]:
    """The periods that are shown, for the rows that match: one after the other, back from the newest."""
    if ask.pivot == "all" or "count" not in selected(ask.columns) or not rows:
        return []
    days = [local(row, tenant).date() for row in rows]
    oldest = calendar.period_start(ask.pivot, min(days), tenant.week_start)
    day = calendar.period_start(ask.pivot, max(days), tenant.week_start)
    found: list[str] = []
    while day >= oldest and len(found) < ask.most:
        found.insert(0, label_of(ask.pivot, day, tenant.week_start))
        day = calendar.later(ask.pivot, day, -1)
    return found


@dataclass(frozen=True)
class Answer:
    """Every group in order, and the periods."""

    ask: GroupAsk
    groups: tuple[Group, ...]
    periods: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return (*selected(self.ask.columns), *(PERIOD + label for label in self.periods))


def answer(rows: list[Row], ask: GroupAsk, now: int, tenant: Tenant) -> Answer:
    found = report.matching(rows, ask, now, tenant)
    shown = periods(found, ask, tenant)
    keys = [key for key in selected(ask.columns) if key != "count"]
    groups: dict[tuple[Any, ...], Group] = {}
    for row in found:
        values = {key: value_of(row, key, tenant) for key in keys}
        group = groups.setdefault(tuple(values.values()), Group(values))
        group.count += 1
        if ask.pivot != "all":
            group.by_period[label_of(ask.pivot, local(row, tenant).date(), tenant.week_start)] += 1
    return Answer(ask, tuple(_ordered(list(groups.values()), ask, shown, tenant)), tuple(shown))


def levels(ask: GroupAsk) -> list[tuple[str, bool]]:
    """The levels of the order that headers show."""
    if ask.sort:
        return [(KEY_OF.get(name, name), down) for name, down in ask.sort]
    return [(key, False) for key in selected(ask.columns) if key != "count"]


def _ordered(groups: list[Group], ask: GroupAsk, shown: list[str], tenant: Tenant) -> list[Group]:
    def value(group: Group, key: str) -> Any:
        if key == "count":
            return group.count
        if key.startswith(PERIOD):
            label = key.removeprefix(PERIOD)
            return group.by_period[label] if label in shown else 0
        found = group.values[key]
        if found is not None and KIND[key] == "text":
            return (report.fold(found), found)
        if key == "day_of_week":
            days = calendar.WEEK_DAYS
            return (days.index(found) - days.index(tenant.week_start)) % 7
        return found

    order = levels(ask)
    order += [(key, False) for key in selected(ask.columns) if key != "count" and key not in dict(order)]
    for key, down in reversed(order):
        there = [group for group in groups if value(group, key) is not None]
        there.sort(key=lambda group, key=key: value(group, key), reverse=down)
        groups = there + [group for group in groups if value(group, key) is None]
    return groups


def nested(group: Group, found: Answer) -> Row:
    """One row of the JSON document."""
    result: Row = {}
    for key in found.keys:
        if key == "count":
            result["count"] = group.count
        elif key.startswith(PERIOD):
            label = key.removeprefix(PERIOD)
            result.setdefault("count_by_period", {})[label] = group.by_period[label]
        else:
            thing, _, member = key.partition(".")
            result.setdefault(thing, {})[member] = group.values[key]
            if not member:
                result[thing] = group.values[key]
    for thing in GROUPS:
        if thing in result and set(result[thing].values()) == {None}:
            result[thing] = None
    return result


def document(found: Answer) -> Row:
    order = {
        key: {"order": "desc" if down else "asc", "priority": n} for n, (key, down) in enumerate(levels(found.ask))
    }
    headers = [
        {
            "label": _label(key, found.ask),
            "key": key,
            "sortable": True,
            "holds_customer_id": key == "customer.id",
            "required": False,
        }
        | ({"sorted": order[key]} if key in order else {})
        for key in found.keys
    ]
    page = report.cut(list(found.groups), found.ask)
    return {
        "total": len(found.groups),
        "column_headers": headers,
        "rows": [nested(group, found) for group in page],
    }


def _label(key: str, ask: GroupAsk) -> str:
    return title_of(ask.pivot, key.removeprefix(PERIOD)) if key.startswith(PERIOD) else LABEL[key]


def table(found: Answer) -> list[list[str]]:
    """The cells of the CSV, header row first."""
    ask = found.ask

    def cell(group: Group, key: str) -> str:
        if key == "count":
            return str(group.count)
        if key.startswith(PERIOD):
            return str(group.by_period[key.removeprefix(PERIOD)])
        value = group.values[key]
        if value is None:
            return ""
        return report.harmless(value, ask) if KIND[key] == "text" else str(value)

    head = [key if ask.csv_header == "key" else _label(key, ask) for key in found.keys]
    return [head, *([cell(group, key) for key in found.keys] for group in report.cut(list(found.groups), ask))]
