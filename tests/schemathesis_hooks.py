"""What schemathesis has to be told: values that no pattern can describe, and what the document says in words only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

import schemathesis
from hypothesis import strategies as st
from schemathesis.core import NotSet

from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED
from turnout.query.pivot import Pivot
from turnout.query.timeframe import PATTERN, resolve

if TYPE_CHECKING:
    from schemathesis import Case, HookContext

NOW = 1_790_000_000_000_000


def is_timeframe(text: str) -> bool:
    """Whether a text of the right form also is one in the calendar: no 30th of February, no A after B."""
    try:
        resolve(text, UTC, "monday", NOW)
    except ValueError:
        return False
    return True


def local(moment: datetime) -> str:
    return moment.isoformat(timespec="auto" if moment.second else "minutes")


days = st.dates().map(str)
schemathesis.openapi.format("iana-time-zone", st.sampled_from(sorted(available_timezones() - {"localtime"})))
schemathesis.openapi.format("date-time-local", st.datetimes().map(local))
schemathesis.openapi.format(
    "timeframe",
    st.one_of(
        st.from_regex(PATTERN, fullmatch=True, alphabet=st.characters(codec="ascii")).filter(is_timeframe),
        days,
        st.tuples(days, days).map(sorted).map("..".join),
    ),
)


@schemathesis.hook
def map_case(context: HookContext, case: Case) -> Case:
    """Make a request that is valid parameter by parameter valid as a whole. Requests with faults stay as they are."""
    if case.meta and case.meta.generation.mode.is_positive:
        if isinstance(case.query, dict):
            case.query = agreeing(case.query)
            if case.path == ATTENDANCES_GROUPED.path:
                case.query = agreeing_groups(case.query)
        if not isinstance(case.body, NotSet):  # to set nothing would be taken for a fault
            case.body = with_integers(case.body)
            if case.path == "/ingest/v1/attendances" and isinstance(case.body, list):
                case.body = [agreeing_row(row) for row in case.body]
        if case.path.endswith("/export") and isinstance(case.body, dict):
            case.body = agreeing(case.body if case.media_type == "application/json" else without_nulls(case.body))
            if case.path == ATTENDANCES_GROUPED.export_path:
                case.body = agreeing_groups(case.body)
            if isinstance(case.query, dict) and "format" in case.body:
                case.query.pop("format", None)
    return case


def agreeing(query: dict[str, Any]) -> dict[str, Any]:
    """The query without parameters that contradict others, and without a cursor, which only the server can make."""
    query = {name: value for name, value in query.items() if name != "cursor"}
    if "page" in query:
        query.pop("offset", None)
    if "limit" in query:
        query.pop("page_size", None)
    if isinstance(query.get("sort"), list):
        named = [key for key in query["sort"] if key and key.strip()]
        names = ATTENDANCES.by_name | ATTENDANCES_GROUPED.by_name
        query["sort"] = list({names.get(name := key.removeprefix("-"), name): key for key in named}.values())
    return query


def agreeing_groups(query: dict[str, Any]) -> dict[str, Any]:
    """The query whose order is of columns that it selects, and of periods of its pivot."""
    sort, named = (one if isinstance(one, list) else [one] for one in (query.get("sort"), query.get("columns")))
    selected = {column for name in named for column in ATTENDANCES_GROUPED.by_name[name]}
    pivot = query.get("pivot") if any(column.counts for column in selected) else None

    def holds(key: str) -> bool:
        name = key.removeprefix("-")
        if name in ATTENDANCES_GROUPED.by_name:
            return ATTENDANCES_GROUPED.by_name[name][0] in selected
        try:
            return pivot in ("year", "month", "week") and bool(
                Pivot(pivot, 1, "monday").read(name.removeprefix("count_by_period."))
            )
        except ValueError:
            return False

    kept = [key for key in sort if isinstance(key, str) and holds(key.strip())]
    return {name: value for name, value in query.items() if name != "sort"} | ({"sort": kept} if kept else {})


def agreeing_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row without an id that another place contradicts, and without what is said of a thing that it does not name.

    A null names nothing.
    """
    row = dict(row)
    if isinstance(row.get("booking_source"), dict):
        row.pop("booking_source_id", None)
    for name, needed in (
        ("venue", ("id", "name")),
        ("offering_type", ("id", "name")),
        ("customer_membership", ("id",)),
    ):
        thing = row.get(name)
        if isinstance(thing, dict) and all(thing.get(member) is None for member in needed):
            row[name] = None
    return row


def without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """The body as a form can say it: a null would be sent as a text."""
    lists = {
        name: [item for item in value if item is not None] for name, value in body.items() if isinstance(value, list)
    }
    return {name: value for name, value in (body | lists).items() if value is not None}


def with_integers(value: Any) -> Any:
    """The value with 7 for 7.0: to JSON Schema both are integers, to a program that writes JSON only one is."""
    match value:
        case dict():
            return {name: with_integers(member) for name, member in value.items()}
        case list():
            return [with_integers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
