"""SQL is reviewed text: one snapshot per kind of request. Update with UPDATE_SNAPSHOTS=1."""

import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED
from turnout.catalog.look_ups import LOOK_UP
from turnout.query.cursor import CursorBox, Place
from turnout.query.dialect import DUCKDB, POSTGRES
from turnout.query.groups import days_statement, every_group_statement, groups_statement, total_statement
from turnout.query.look_ups import look_up_statement, parse_look_up
from turnout.query.pivot import with_periods
from turnout.query.plan import plan, position
from turnout.query.raw import pairs_of
from turnout.query.request import ReportRequest, Scope, parse
from turnout.query.sql import (
    count_statement,
    extent_statement,
    follows_statement,
    marks_statement,
    page_statement,
    span_statement,
)
from turnout.query.window import Window

SNAPSHOTS = Path(__file__).parent / "snapshots" / "sql"
NOW = 1_790_000_000_000_000
BOX = CursorBox(bytes(32))
SCOPE = Scope(7, ZoneInfo("Europe/Berlin"))

REQUESTS = {
    "default": "",
    "columns": "columns=customer_membership,event.name",
    "sorted": "sort=-customer_name,venue.id,checkin_ocurred_at",
    "sorted_by_id": "sort=-id",
    "id_gt": "id_gt=500&limit=100",
    "lists": "status=attended,no_show&attendance_status=attended&venues=1,2&booking_methods=free&customers=5",
    "none_values": "booking_sources=none,4&instructors=none,8",
    "only_none": "booking_sources=none&instructors=none",
    "times": "event_start_gte=2026-01-01&event_start_lte=2026-01-31&updated_at_gte=2026-01-01T00:00:00Z&include_future=1",
    "timeframe": "event_timeframe=2026-10",
    "open_timeframe": "event_timeframe=all_time&include_future=true",
    "local_starts": "days_of_week=monday,sunday&start_hours=0,18,23&start_hours=18",
    "deep": "offset=500000&sort=customer_name&columns=id",
}


def ask(query: str, *, scope: Scope = SCOPE) -> ReportRequest:
    return parse(ATTENDANCES, pairs_of(query.encode()), scope, now=NOW, box=BOX)


def agree(name: str, text: str) -> None:
    file = SNAPSHOTS / f"{name}.sql"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def spelled(request: ReportRequest) -> str:
    the_plan = plan(request, DUCKDB)
    statements = (extent_statement(the_plan), page_statement(the_plan))
    return "".join(f"{s.sql.replace(' AND ', chr(10) + '  AND ')}\n-- {s.values}\n\n" for s in statements)


@pytest.mark.parametrize("name", REQUESTS)
def test_statements_of_a_request(name: str) -> None:
    agree(name, spelled(ask(REQUESTS[name])))


@pytest.mark.parametrize("name", ["default", "sorted", "sorted_by_id", "deep"])
def test_pages_of_postgresql(name: str) -> None:
    statement = page_statement(plan(ask(REQUESTS[name]), POSTGRES))
    agree(f"postgresql_{name}", f"{statement.sql}\n-- {statement.values}\n")


@pytest.mark.parametrize(
    ("name", "query", "window"),
    [
        ("window_down", "limit=10", Window(end=-1_700_000_000_000_000)),
        ("window_up", "sort=id", Window(end=500)),
        ("window_deep", "offset=500000", Window(-1_700_000_000_000_009, -1_700_000_000_000_000, 499_000)),
    ],
)
def test_statements_of_a_window(name: str, query: str, window: Window) -> None:
    the_plan = plan(ask(query), DUCKDB)
    statements = (count_statement(the_plan, window), page_statement(the_plan, window))
    agree(name, "".join(f"{s.sql.replace(' AND ', chr(10) + '  AND ')}\n-- {s.values}\n\n" for s in statements))


@pytest.mark.parametrize(
    ("name", "query", "places"),
    [
        ("span_default", "columns=id", [(1_700_000_000_000_009, 5), (1_700_000_000_000_000, 7)]),
        ("span_missing", "columns=id&sort=checkin.ocurred_at", [(1_700_000_000_000_000, 5), (None, 7)]),
        ("span_text", "columns=id&sort=-customer_name", [("Zoë", 5), ("Émile", 7)]),
    ],
)
def test_statements_of_spans(name: str, query: str, places: list[tuple[Any, ...]]) -> None:
    """A sample, the span before the first place, the one between the two, and the one from the second on."""
    the_plan = plan(ask(query), DUCKDB, with_order_keys=False)
    first, second = (position(the_plan.order, place) for place in places)
    statements = (
        marks_statement(the_plan, 1000),
        *(span_statement(the_plan, start, end) for start, end in ((None, first), (first, second), (second, None))),
    )
    agree(name, "".join(f"{s.sql.replace(' AND ', chr(10) + '  AND ')}\n-- {s.values}\n\n" for s in statements))


def test_an_instructor_is_part_of_each_statement() -> None:
    agree("instructor", spelled(ask("", scope=Scope(7, SCOPE.zone, instructor_id=3))))


@pytest.mark.parametrize(
    ("name", "query", "place"),
    [
        ("after_default", "", Place(NOW, False, (1_700_000_000_000_000, 12))),
        ("before_default", "", Place(NOW, True, (1_700_000_000_000_000, 12))),
        ("after_text", "sort=-customer.name,id", Place(NOW, False, ("Zoë", 12))),
        ("after_missing", "sort=venue.id,checkin.ocurred_at", Place(NOW, False, (None, 1_700_000_000_000_000, 12))),
        ("before_missing", "sort=venue.id,checkin.ocurred_at", Place(NOW, True, (None, None, 12))),
    ],
)
def test_statements_of_a_place(name: str, query: str, place: Place) -> None:
    request = ask(query)
    cursor = BOX.seal(place, request.belongs_to)
    agree(name, spelled(ask(f"{query}&cursor={cursor}")))


def test_whether_rows_follow() -> None:
    the_plan = plan(ask("sort=customer.name"), DUCKDB)
    statement = follows_statement(the_plan, position(the_plan.order, ("Zoë", 12)))
    agree("follows", f"{statement.sql}\n-- {statement.values}\n")


@pytest.mark.parametrize("name", REQUESTS)
def test_every_statement_names_its_provider(name: str) -> None:
    the_plan = plan(ask(REQUESTS[name]), DUCKDB)
    window = Window(1_700_000_000_000_000, 1_700_000_000_000_009, 499_000)
    for statement in (
        extent_statement(the_plan),
        count_statement(the_plan, window),
        page_statement(the_plan),
        page_statement(the_plan, window),
    ):
        assert statement.sql.count("provider_id = ?") == statement.sql.count("FROM attendances")
        assert statement.sql.count("?") == len(statement.values)


GROUPED = {
    "groups": "columns=venue.name,day_of_week,count",
    "groups_alone": "columns=count",
    "groups_without_count": "columns=status,event.start_time&sort=-event.start_time&limit=0",
    "groups_sorted": "columns=customer,count&sort=-count,customer_name&offset=20&limit=5&venues=1,2",
    "groups_by_month": "columns=offering_type.name,count&pivot=month&max_pivot_columns=2&sort=-count_by_period.2026-01,count_by_period.2019-07",
    "groups_of_periods": "columns=event.start_hour,event.start_date,event.start_week,event.start_month,event.start_year,count",
    "groups_by_week": "columns=status,count&pivot=week&max_pivot_columns=1",
}


def ask_groups(query: str, *, scope: Scope = SCOPE) -> ReportRequest:
    request = parse(ATTENDANCES_GROUPED, pairs_of(query.encode()), scope, now=NOW, box=BOX)
    return with_periods(request, 20_000, 20_500)


def lines(sql: str) -> str:
    for word in (" AND ", " FROM ", " WHERE ", " UNION ALL ", " GROUP BY ", " ORDER BY ", " LEFT JOIN "):
        sql = sql.replace(word, f"\n {word}")
    return sql


@pytest.mark.parametrize("name", GROUPED)
def test_statements_of_a_request_for_groups(name: str) -> None:
    the_plan = plan(ask_groups(GROUPED[name]), DUCKDB)
    statements = (days_statement(the_plan), groups_statement(the_plan), total_statement(the_plan))
    agree(name, "".join(f"{lines(s.sql)}\n-- {s.values}\n\n" for s in statements))


def test_statements_of_groups_beyond_a_cursor_and_of_all() -> None:
    scope = Scope(7, ZoneInfo("Europe/Berlin"), "sunday", 3)
    query = "columns=venue.name,day_of_week,count&sort=-count&pivot=year"
    first = ask_groups(query, scope=scope)
    cursor = BOX.seal(Place(NOW, backwards=True, values=(8, "Zoë", 2)), first.belongs_to)
    the_plan = plan(ask_groups(f"{query}&cursor={cursor}", scope=scope), DUCKDB)
    whole = plan(first, DUCKDB, with_order_keys=False)
    statements = (groups_statement(the_plan), every_group_statement(whole))
    agree("groups_before_cursor", "".join(f"{lines(s.sql)}\n-- {s.values}\n\n" for s in statements))


def test_every_statement_for_groups_names_its_provider() -> None:
    for query in GROUPED.values():
        the_plan = plan(ask_groups(query), DUCKDB)
        for statement in (days_statement, groups_statement, total_statement, every_group_statement):
            made = statement(the_plan)
            assert made.sql.count("provider_id = ?") == made.sql.count("FROM attendances")
            assert made.sql.count("?") == len(made.values)
            assert made.values.count(7) == made.sql.count("provider_id = ?")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("look_up", "of=venues&venues=4&status=attended&search=Hall"),
        ("look_up_of_a_list", "of=instructors&limit=5&offset=10"),
        ("look_up_of_choices", "of=status&include_future=true"),
        ("look_up_of_days_of_week", "of=days_of_week&start_hours=18"),
        ("look_up_of_hours", "of=start_hours&days_of_week=monday"),
    ],
)
def test_statements_of_a_look_up(name: str, query: str) -> None:
    asked = parse_look_up(LOOK_UP, pairs_of(query.encode()), SCOPE, now=NOW)
    statements = [look_up_statement(asked, dialect) for dialect in (DUCKDB, POSTGRES)]
    agree(name, "".join(f"{broken(s.sql)}\n-- {s.values}\n\n" for s in statements))


def broken(sql: str) -> str:
    """The statement in lines."""
    for word in ("AND", "FROM", "WHERE", "LEFT JOIN", "GROUP BY", "ORDER BY"):
        sql = sql.replace(f" {word} ", f"\n  {word} ")
    return sql
