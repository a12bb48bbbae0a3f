"""Random requests: what they mean, for the oracle, and one of the ways to write them down, for the server."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from oracle import calendar, groups, report
from oracle.columns import GROUPS, KEY_OF, SORTABLE_NAMES
from oracle.groups import GroupAsk
from oracle.report import Ask, Row, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

Pairs = tuple[tuple[str, str], ...]

CHOICES = {
    "status": ("attended", "registered", "no_show", "late_cancelled"),
    "attendance_status": ("attended", "registered", "no_show", "late_cancelled"),
    "booking_methods": ("membership", "dropin", "free"),
    "event_types": ("appointment", "class"),
    "days_of_week": calendar.WEEK_DAYS,
    "start_hours": tuple(range(24)),
}
IDS = {
    "customers": "customer.id",
    "customer_memberships": "customer_membership.id",
    "memberships": "customer_membership.membership.id",
    "offering_types": "offering_type.id",
    "venues": "venue.id",
    "booking_sources": "booking_source_id",
}
BOUNDS = {
    "event_start_gte": "event.starts_at",
    "event_start_lte": "event.starts_at",
    "updated_at_gte": "updated_at",
    "updated_at_lte": "updated_at",
}
FILTERS = (*CHOICES, *IDS, *BOUNDS, "instructors", "id_gt", "timeframe")
SHOWN_ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Africa/Cairo")


class DataSet:
    """One provider as the oracle knows it."""

    def __init__(self, tenant: Tenant, rows: tuple[Row, ...]) -> None:
        self.tenant, self.rows = tenant, rows

    def __repr__(self) -> str:
        # Not the rows: hypothesis prints every argument of a test that fails.
        return f"<{self.tenant} with {len(self.rows)} rows>"

    @cached_property
    def values(self) -> dict[str, list[Any]]:
        """What occurs in each column that requests filter by; always something."""
        found = {key: sorted({row[key] for row in self.rows} - {None}) for key in {*IDS.values(), *BOUNDS.values()}}
        found["instructors"] = sorted({one for row in self.rows for one, _ in row["instructors"]})
        found["id"] = sorted(row["id"] for row in self.rows)
        return {key: values or [1] for key, values in found.items()}


@dataclass(frozen=True)
class Case:
    """One request: its meaning, and the parameters that say it. `raw` leaves `+` and brackets as they are."""

    ask: Ask
    pairs: Pairs
    as_csv: bool
    accept: str | None
    raw: bool

    @property
    def query(self) -> str:
        return urlencode(self.pairs, quote_via=quote, safe="+,:[]" if self.raw else "")


def columns() -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from([*KEY_OF, *GROUPS]), max_size=6).map(tuple)


def sorts(*, most: int = 3) -> st.SearchStrategy[tuple[tuple[str, bool], ...]]:
    level = st.tuples(st.sampled_from(SORTABLE_NAMES), st.booleans())
    return st.lists(level, max_size=most, unique_by=lambda one: KEY_OF[one[0]]).map(tuple)


def _zone(ask: Ask, data: DataSet) -> str:
    return ask.timezone or data.tenant.zone


@st.composite
def _id_filter(draw: Callable, data: DataSet, name: str) -> Any:
    there = st.sampled_from(data.values["instructors" if name == "instructors" else IDS[name]])
    one = st.one_of(there, there, there, st.integers(1, 2**63 - 1))
    if name in {"booking_sources", "instructors"}:
        one = st.one_of(one, st.none())
    return draw(st.frozensets(one, min_size=1, max_size=4))


@st.composite
def _bound(draw: Callable, data: DataSet, name: str, zone: str) -> tuple[int, str]:
    """A bound as an instant, and one of its spellings."""
    instant = draw(st.sampled_from(data.values[BOUNDS[name]])) + draw(st.sampled_from((0, 0, 0, -1, 1, 3_600_000_000)))
    form = draw(st.sampled_from(("utc", "offset", "local", "date")))
    if form == "utc":
        return instant, calendar.text_of(instant)
    if form == "offset":
        return instant, calendar.text_of(instant, draw(st.sampled_from(SHOWN_ZONES)))
    naive = calendar.local(instant, zone).replace(tzinfo=None) + draw(
        st.sampled_from((timedelta(), timedelta(hours=1)))
    )
    if form == "local":
        return calendar.from_local(naive, zone), naive.isoformat()
    if name.endswith("gte"):
        return calendar.start_of_day(naive.date(), zone), naive.date().isoformat()
    return calendar.start_of_day(naive.date() + timedelta(days=1), zone) - 1, naive.date().isoformat()


@st.composite
def timeframes(draw: Callable, data: DataSet, zone: str) -> str:
    """A timeframe in its plain spelling, most of them with something in them."""
    form = draw(st.sampled_from(("named", "whole", "to_date", "rolling", "period", "range")))
    unit = draw(st.sampled_from(("week", "month", "quarter", "year")))
    if form == "named":
        return draw(st.sampled_from(("today", "yesterday", "tomorrow", "all_time")))
    if form == "whole":
        return f"{draw(st.sampled_from(('this', 'last', 'next')))}_{unit}"
    if form == "to_date":
        return f"{unit}_to_date"
    if form == "rolling":
        count = draw(st.integers(1, 999))
        side, end = draw(st.sampled_from(("last", "next"))), draw(st.sampled_from(("s", "", "s_incl", "_incl")))
        return f"{side}_{count}_{draw(st.sampled_from(('day', unit)))}{end}"
    days = st.sampled_from(data.values["event.starts_at"]).map(lambda instant: calendar.local(instant, zone).date())
    day = draw(days)
    if form == "range":
        other = draw(days)
        left, right = min(day, other).isoformat(), max(day, other).isoformat()
        return draw(st.sampled_from((f"{left}..{right}", f"{left}..", f"..{right}", "..")))
    year, week, _ = day.isocalendar()
    quarter = f"{day.year:04}-q{(day.month + 2) // 3}"
    return draw(st.sampled_from((f"{day.year:04}", quarter, f"{day:%Y-%m}", f"{year:04}-w{week:02}", day.isoformat())))


@st.composite
def asks(draw: Callable, data: DataSet, *, paging: bool = True) -> tuple[Ask, Pairs]:
    """A request's meaning, and the pairs for its bounds, whose spelling is part of the choice."""
    ask = Ask(
        columns=draw(columns()),
        sort=draw(sorts()),
        include_future=draw(st.booleans()),
        timezone=draw(st.sampled_from((None, None, *SHOWN_ZONES))),
        limit=draw(st.sampled_from((50, 50, 100, 7, 3, 1, 0))) if paging else 50,
        offset=draw(st.sampled_from((0, 0, 1, 3, 20, 150))) if paging else 0,
    )
    zone = _zone(ask, data)
    filters: dict[str, Any] = {}
    pairs = []
    for name in draw(st.lists(st.sampled_from(FILTERS), max_size=3, unique=True)):
        if name in CHOICES:
            filters[name] = draw(st.frozensets(st.sampled_from(CHOICES[name]), min_size=1))
        elif name in BOUNDS:
            filters[name], text = draw(_bound(data, name, zone))
            pairs.append((name, text))
        elif name == "id_gt":
            filters[name] = draw(st.sampled_from([0, *data.values["id"]]))
        elif name == "timeframe":
            ask = replace(ask, timeframe=draw(timeframes(data, zone)))
        else:
            filters[name] = draw(_id_filter(data, name))
    return replace(ask, filters=filters), tuple(pairs)


@st.composite
def cases(draw: Callable, data: DataSet, *, paging: bool = True) -> Case:
    ask, bounds = draw(asks(data, paging=paging))
    as_csv = draw(st.booleans())
    if as_csv:
        ask = replace(
            ask,
            csv_header=draw(st.sampled_from(("label", "key"))),
            csv_escape=draw(st.booleans()),
            bom=draw(st.booleans()),
        )
    spelling = random.Random(draw(st.integers(0, 2**20)))
    pairs, accept = _format(as_csv, spelling)
    pairs += [(name, _respelled(text, spelling)) for name, text in bounds]
    pairs += written(ask, spelling)
    return Case(ask, _interleaved(pairs, spelling), as_csv, accept, raw=spelling.random() < 0.3)


def group_columns() -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from((*groups.NAMES, "count", "count")), min_size=1, max_size=5).map(tuple)


@st.composite
def group_asks(draw: Callable, data: DataSet, *, paging: bool = True) -> tuple[GroupAsk, Pairs]:
    """What to ask of the grouped report; the bounds as text, as `asks`."""
    ask, bounds = draw(asks(data, paging=paging))
    named = draw(group_columns())
    keys = groups.selected(named)
    pivot = draw(st.sampled_from(("all", "year", "month", "week")))
    names = [name for name, key in groups.KEY_OF.items() if key in keys]
    if pivot != "all" and "count" in keys:
        days = [report.local(row, data.tenant).date() for row in data.rows] or [date(2026, 1, 1)]
        labels = {groups.label_of(pivot, day, data.tenant.week_start) for day in (*days, date(1999, 12, 31))}
        names += [groups.PERIOD + label for label in sorted(labels)]
    level = st.tuples(st.sampled_from(names), st.booleans())
    sort = st.lists(level, max_size=3, unique_by=lambda one: groups.KEY_OF.get(one[0], one[0]))
    more = {"pivot": pivot, "most": draw(st.sampled_from((4, 4, 1, 2, 12)))}
    given = {**vars(ask), "columns": named, "sort": tuple(draw(sort))}
    return GroupAsk(**given, **more), bounds


@st.composite
def group_cases(draw: Callable, data: DataSet, *, paging: bool = True) -> Case:
    """A request for groups."""
    ask, bounds = draw(group_asks(data, paging=paging))
    as_csv = draw(st.booleans())
    if as_csv:
        ask = replace(ask, csv_header=draw(st.sampled_from(("label", "key"))), csv_escape=draw(st.booleans()))
    spelling = random.Random(draw(st.integers(0, 2**20)))
    pairs, accept = _format(as_csv, spelling)
    pairs += [(name, _respelled(text, spelling)) for name, text in bounds]
    pairs += written(ask, spelling)
    if ask.pivot != "all" or spelling.random() < 0.2:
        pairs.append(("pivot", ask.pivot))
    if ask.most != 4 or spelling.random() < 0.2:
        pairs.append(("max_pivot_columns", str(ask.most)))
    return Case(ask, _interleaved(pairs, spelling), as_csv, accept, raw=spelling.random() < 0.3)


def _interleaved(pairs: list[tuple[str, str]], spelling: random.Random) -> Pairs:
    """The parameters in any order; the values of one list stay in theirs."""
    places = [name.removesuffix("[]") for name, _ in pairs]
    spelling.shuffle(places)
    queues = {place: iter([pair for pair in pairs if pair[0].removesuffix("[]") == place]) for place in set(places)}
    return tuple(next(queues[place]) for place in places)


def _format(as_csv: bool, spelling: random.Random) -> tuple[list[tuple[str, str]], str | None]:
    """The ways to choose a format; the parameter wins over `Accept`."""
    if as_csv:
        return spelling.choice((
            ([("format", "csv")], "application/json"), ([("format", " csv ")], None), ([], None), ([], "*/*"),
            ([], "text/csv, application/json;q=0.9"), ([("format", "")], "text/*"),
        ))  # fmt: skip
    return spelling.choice((
        ([("format", "json")], "text/csv"), ([("format", "json")], "image/png"), ([], "application/json"),
        ([], "application/json, text/plain, */*"), ([], "text/csv;q=0.2, application/*;q=0.5"),
    ))  # fmt: skip


def _respelled(text: str, spelling: random.Random) -> str:
    """Another form of the same date-time that section 9 allows."""
    if "T" not in text:
        return text
    time, cut = text.partition("T")[2], spelling.random()
    if cut < 0.2:
        text = text.replace("T", " ")
    elif cut < 0.4:
        text = text.lower()
    if "." in time and len(time.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0]) == 6:
        head, digits = text.partition(".")[0], text.partition(".")[2]
        text = f"{head}.{digits[:6]}{spelling.choice(('', '9', '0001'))}{digits[6:]}"
    elif ":00Z" in text and "." not in time and time.count(":") == 2:
        text = spelling.choice((text, text.replace(":00Z", "Z")))
    return spelling.choice((text, f" {text} "))


def _listed(name: str, values: list[str], spelling: random.Random) -> list[tuple[str, str]]:
    """A list, repeated, with commas, with brackets, and mixed; blanks and empty values do not count."""
    values = list(values)
    pairs = []
    while values:
        take = spelling.randrange(1, len(values) + 1)
        here, values = values[:take], values[take:]
        blanks = spelling.choice(("{}", "{}", " {} ", "{},", ",{}"))
        key = name + spelling.choice(("", "", "[]"))
        if spelling.random() < 0.5:
            pairs.append((key, spelling.choice((",", ", ", ",,")).join(blanks.format(value) for value in here)))
        else:
            pairs += [(key, blanks.format(value)) for value in here]
    if spelling.random() < 0.1:
        pairs.append((name, spelling.choice(("", ",", " , "))))
    return pairs


def written(ask: Ask, spelling: random.Random) -> list[tuple[str, str]]:
    """The parameters for everything but the bounds and the format; the order within a list is kept."""
    pairs = _listed("columns", list(ask.columns), spelling)
    pairs += _listed("sort", [("-" if down else "") + name for name, down in ask.sort], spelling)
    for name, value in ask.filters.items():
        if name == "id_gt":
            pairs.append((name, str(value)))
        elif name not in BOUNDS:
            texts = sorted("none" if one is None else str(one) for one in value)
            pairs += _listed(name, texts, spelling)
    if ask.timeframe is not None:
        pairs.append(("event_timeframe", _timeframe_text(ask.timeframe, spelling)))
    yes, no = spelling.choice((("true", "false"), ("1", "0"), ("True", "FALSE"), (" tRUE ", "faLse")))
    for name, value, default in (
        ("include_future", ask.include_future, False),
        ("csv_escape", ask.csv_escape, True),
        ("bom", ask.bom, False),
    ):
        if value != default or spelling.random() < 0.1:
            pairs.append((name, yes if value else no))
    if ask.csv_header != "label":
        pairs.append(("csv_header", ask.csv_header))
    if ask.timezone:
        pairs.append(("timezone", ask.timezone))
    return pairs + _paged(ask, spelling)


def _timeframe_text(plain: str, spelling: random.Random) -> str:
    text = "".join(spelling.choice((c, spelling.choice("_- "))) if c == "_" else c for c in plain)
    return spelling.choice((text, text.upper(), text.capitalize()))


def _paged(ask: Ask, spelling: random.Random) -> list[tuple[str, str]]:
    size = [] if ask.limit == 50 else [(spelling.choice(("limit", "page_size")), str(ask.limit))]
    if spelling.random() < 0.05:
        size = [("limit", str(ask.limit)), ("page_size", str(ask.limit))]
    if ask.limit and ask.offset % ask.limit == 0 and spelling.random() < 0.5:
        page = ask.offset // ask.limit + 1
        return [*size, ("page", str(page))]
    return size if ask.offset == 0 else [*size, ("offset", str(ask.offset))]
