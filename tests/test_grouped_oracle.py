"""Random requests for groups against random data: whole documents and files, compared with the oracle's (section 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databases import examples
from live import GROUPED
from oracle import calendar, groups, report
from oracle.groups import GroupAsk
from oracle.judge import compare_links, same_document, shown_window
from oracle.requests import Case, group_cases

if TYPE_CHECKING:
    from live import Answer, Asking
    from oracle.requests import DataSet
    from worlds import Calendar, World

pytestmark = pytest.mark.any_store


PROVIDERS = range(8)
LARGE = (0, 1, 4, 5)


def check(client: Asking, data: DataSet, case: Case, now: int | None = None) -> None:
    """Send a request and compare its answer. Without a fixed `now`, the moment was somewhere during the request."""
    headers = {"Accept": case.accept} if case.accept else {}
    before = calendar.now_micros() if now is None else now
    answer = client.get(case.query, headers, path=GROUPED)
    after = calendar.now_micros() if now is None else now
    assert answer.status == 200, answer.body.decode()
    if case.ask.timeframe and case.ask.timeframe.endswith("to_date"):
        before = after = calendar.micros(answer.headers["x-timeframe"].partition("/")[2])
    try:
        compare(answer, data, case, before)
    except AssertionError:
        if before == after:
            raise
        compare(answer, data, case, after)


def compare(answer: Answer, data: DataSet, case: Case, now: int) -> None:
    ask = case.ask
    found = groups.answer(list(data.rows), ask, now, data.tenant)
    assert answer.headers["x-total-count"] == str(len(found.groups))
    assert answer.headers.get("x-timeframe") == shown_window(ask, now, data.tenant)
    compare_links(answer, list(found.groups), ask)
    if not case.as_csv:
        assert answer.headers["content-type"] == "application/json"
        same_document(answer.json, groups.document(found))
        return
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    today = calendar.local(now, data.tenant.zone).date()
    assert f'filename="attendances-grouped-{today}.csv"' in answer.headers["content-disposition"]
    text = answer.body.decode()
    assert text.startswith("\ufeff") == ask.bom
    assert report.read_csv(text.removeprefix("\ufeff")) == groups.table(found)


@pytest.mark.parametrize("number", PROVIDERS)
@settings(max_examples=examples(80))
@given(st.data())
def test_any_request(world: World, number: int, data: st.DataObject) -> None:
    """The real server: every parameter, alone and together, in every spelling."""
    check(world.clients[number], world.data[number], data.draw(group_cases(world.data[number])))


@pytest.mark.parametrize("number", LARGE)
@settings(max_examples=examples(60))
@given(st.data())
def test_an_instructor_counts_own_events_only(world: World, number: int, data: st.DataObject) -> None:
    who, client = world.instructors[number]
    case = data.draw(group_cases(world.data[number]))
    check(client, world.data[number], replace(case, ask=replace(case.ask, instructor=who)))


@pytest.mark.parametrize("number", range(9))
@settings(max_examples=examples(80))
@given(st.data())
def test_any_request_at_moments_when_calendars_turn(
    calendars: tuple[Calendar, ...], number: int, data: st.DataObject
) -> None:
    one = calendars[number]
    check(one.ask(), one.data, data.draw(group_cases(one.data)), one.now)


def followed(client: Asking, pairs: list[tuple[str, str]], rel: str, start: Answer) -> tuple[list[Any], Answer]:
    """The rows of all pages that links lead to, the given one first, and the last answer."""
    rows, answer = list(start.json["rows"]), start
    for _ in range(500):
        link = answer.links.get(rel)
        if not link:
            return rows, answer
        answer = client.get(link.partition("?")[2], path=GROUPED)
        assert answer.status == 200, answer.body
        assert answer.json["column_headers"] == start.json["column_headers"]
        rows = [*rows, *answer.json["rows"]] if rel == "next" else [*answer.json["rows"], *rows]
    raise AssertionError(f"there is no end to {pairs}")


@pytest.mark.parametrize("number", LARGE)
@settings(max_examples=examples(60))
@given(st.data())
def test_links_lead_to_every_group_once(calendars: tuple[Calendar, ...], number: int, data: st.DataObject) -> None:
    """Forward from the first page, and backward from the last one."""
    one = calendars[number]
    case = data.draw(group_cases(one.data, paging=False))
    size = data.draw(st.sampled_from((1, 2, 3, 7)))
    known = ("limit", "page_size", "offset", "page", "format")
    pairs = [pair for pair in case.pairs if pair[0] not in known]
    pairs += [("limit", str(size)), ("format", "json"), ("pivot", case.ask.pivot)]
    wanted = groups.answer(list(one.data.rows), case.ask, one.now, one.data.tenant)
    expected = [groups.nested(group, wanted) for group in wanted.groups]
    first = one.ask().get(pairs, path=GROUPED)
    rows, last = followed(one.client, pairs, "next", first)
    assert rows == expected
    back, _ = followed(one.client, pairs, "prev", last)
    assert back == expected


@pytest.mark.parametrize("number", LARGE)
@settings(max_examples=examples(40))
@given(st.data())
def test_head_and_conditional_requests(world: World, number: int, data: st.DataObject) -> None:
    client, case = world.clients[number], data.draw(group_cases(world.data[number]))
    if case.ask.timeframe and case.ask.timeframe.endswith("to_date"):
        case = replace(case, pairs=tuple(pair for pair in case.pairs if pair[0] != "event_timeframe"))
    headers = {"Accept": case.accept} if case.accept else {}
    answer = client.get(case.query, headers, path=GROUPED)
    head = client.get(case.query, headers, method="HEAD", path=GROUPED)
    varying = dict.fromkeys(("date", "x-request-id", "link"))
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, **varying} == {**answer.headers, **varying}
    again = client.get(case.query, {**headers, "If-None-Match": answer.headers["etag"]}, path=GROUPED)
    assert (again.status, again.body) == (304, b"")


def test_the_oracle_by_example(calendars: tuple[Calendar, ...]) -> None:
    """Written down by hand, so that the oracle and the server are not wrong together."""
    tenant = replace(calendars[0].data.tenant, zone="Europe/Berlin", week_start="sunday")
    rows = [
        {"event.starts_at": calendar.micros(when), "venue.timezone": zone, "status": status}
        for when, zone, status in (
            ("2025-12-31T22:30:00Z", None, "attended"),
            ("2025-12-31T23:30:00Z", None, "attended"),
            ("2025-12-31T23:30:00Z", "America/New_York", "no_show"),
            ("2026-02-01T04:30:00Z", "America/New_York", "attended"),
        )
    ]
    ask = GroupAsk(columns=("day_of_week", "count"), pivot="month", most=2, sort=(("count", True),))
    found = groups.answer(rows, ask, calendar.micros("2027-01-01T00:00:00Z"), tenant)
    assert groups.document(found)["rows"] == [
        {"day_of_week": "wednesday", "count": 2, "count_by_period": {"2025-12": 2, "2026-01": 0}},
        {"day_of_week": "thursday", "count": 1, "count_by_period": {"2025-12": 0, "2026-01": 1}},
        {"day_of_week": "saturday", "count": 1, "count_by_period": {"2025-12": 0, "2026-01": 1}},
    ]
    weekly = replace(ask, pivot="week", most=12)
    labels = groups.answer(rows, weekly, calendar.micros("2027-01-01T00:00:00Z"), tenant).periods
    assert labels == ("2025-12-28", "2026-01-04", "2026-01-11", "2026-01-18", "2026-01-25")
