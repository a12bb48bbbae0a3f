"""Random requests against random data: whole JSON documents and CSV files, compared with the oracle's (section 2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databases import examples
from oracle import calendar, report
from oracle.columns import BY_KEY, DEFAULT, GROUPS, KEY_OF, PUBLISHED_NAMES, SORTABLE_NAMES, TABLE, selected
from oracle.judge import check, same_document
from oracle.report import Ask
from oracle.requests import Case, cases, timeframes

if TYPE_CHECKING:
    from oracle.data import Row
    from worlds import Calendar, World

pytestmark = pytest.mark.any_store


PROVIDERS = range(8)
LARGE = (0, 1, 4, 5)


@pytest.mark.parametrize("number", PROVIDERS)
@settings(max_examples=examples(150))
@given(st.data())
def test_any_request(world: World, number: int, data: st.DataObject) -> None:
    """The real server: every parameter, alone and together, in every spelling."""
    check(world.clients[number], world.data[number], data.draw(cases(world.data[number])))


@pytest.mark.parametrize("number", LARGE)
@settings(max_examples=examples(80))
@given(st.data())
def test_an_instructor_sees_own_events_only(world: World, number: int, data: st.DataObject) -> None:
    """Rows, totals, headers and links of a token that is limited to one instructor."""
    who, client = world.instructors[number]
    case = data.draw(cases(world.data[number]))
    check(client, world.data[number], replace(case, ask=replace(case.ask, instructor=who)))


@pytest.mark.parametrize("number", LARGE)
@settings(max_examples=examples(40))
@given(st.data())
def test_head_and_conditional_requests(world: World, number: int, data: st.DataObject) -> None:
    """HEAD has the headers of GET; the ETag is of the body, so the same body is not sent twice."""
    client, case = world.clients[number], data.draw(cases(world.data[number]))
    # What has an end at now changes from request to request.
    if case.ask.timeframe and case.ask.timeframe.endswith("to_date"):
        case = replace(case, pairs=tuple(pair for pair in case.pairs if pair[0] != "event_timeframe"))
    headers = {"Accept": case.accept} if case.accept else {}
    answer = client.get(case.query, headers)
    head = client.get(case.query, headers, method="HEAD")
    varying = {"date", "x-request-id", "link"}
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, **dict.fromkeys(varying)} == {**answer.headers, **dict.fromkeys(varying)}
    assert set(head.links) == set(answer.links)
    for tags in (answer.headers["etag"], f'"nothing", {answer.headers["etag"]}', "*"):
        again = client.get(case.query, {**headers, "If-None-Match": tags})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert client.get(case.query, {**headers, "If-None-Match": '"nothing"'}).body == answer.body


def as_cells(document: Row, ask: Ask) -> list[list[str]]:
    """The CSV that a JSON document amounts to, worked out from the document alone."""
    keys = [header["key"] for header in document["column_headers"]]
    head = keys if ask.csv_header == "key" else [header["label"] for header in document["column_headers"]]
    return [head, *([_as_cell(_found(row, key), key, ask) for key in keys] for row in document["rows"])]


def _found(row: Any, key: str) -> Any:
    for step in key.split("."):
        row = None if row is None else row[step]
    return row


def _as_cell(value: Any, key: str, ask: Ask) -> str:
    if isinstance(value, list):
        value = "; ".join(one["name"] for one in value if one["name"] is not None)
    text = {None: "", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    runs = BY_KEY[key].kind in {"text", "list"} and text.startswith(("=", "+", "-", "@", "\t", "\r"))
    return "'" + text if runs and ask.csv_escape else text


@pytest.mark.parametrize("number", range(9))
@settings(max_examples=examples(40))
@given(st.data())
def test_csv_and_json_agree_cell_for_cell(calendars: tuple[Calendar, ...], number: int, data: st.DataObject) -> None:
    """Two answers of the server, without the oracle: the same page, total and links, and the same values."""
    one = calendars[number]
    case = data.draw(cases(one.data))
    pairs = [pair for pair in case.pairs if pair[0] != "format"]
    as_json = one.ask().get([*pairs, ("format", "json")])
    as_csv = one.ask().get([*pairs, ("format", "csv")])
    assert as_json.headers["x-total-count"] == as_csv.headers["x-total-count"] == str(as_json.json["total"])
    assert set(as_json.links) == set(as_csv.links)
    cells = report.read_csv(as_csv.body.decode().removeprefix("\ufeff"))
    assert cells == as_cells(as_json.json, case.ask)


@pytest.mark.parametrize("number", range(9))
@settings(max_examples=examples(80))
@given(st.data())
def test_any_request_at_moments_when_calendars_turn(
    calendars: tuple[Calendar, ...], number: int, data: st.DataObject
) -> None:
    """The application with a clock that stands still at a leap day, a change of clocks, the turn of a year."""
    one = calendars[number]
    check(one.ask(), one.data, data.draw(cases(one.data)), one.now)


@pytest.mark.parametrize("number", range(9))
@settings(max_examples=examples(100))
@given(st.data())
def test_timeframes_at_moments_when_calendars_turn(
    calendars: tuple[Calendar, ...], number: int, data: st.DataObject
) -> None:
    """Every form of a timeframe alone, in the provider's zone and in another."""
    one = calendars[number]
    zone = data.draw(st.sampled_from((None, None, "America/Havana", "Africa/Cairo", "Pacific/Apia", "UTC")))
    plain = data.draw(timeframes(one.data, zone or one.data.tenant.zone))
    ask = Ask(timeframe=plain, timezone=zone, include_future=data.draw(st.booleans()))
    pairs = [("event_timeframe", plain), ("format", "json"), ("include_future", str(ask.include_future))]
    pairs += [("timezone", zone)] if zone else []
    check(one.ask(), one.data, Case(ask, tuple(pairs), as_csv=False, accept=None, raw=False), one.now)


def _timeframe_answer(one: Calendar, text: str) -> str:
    return one.ask().get({"event_timeframe": text, "limit": 0}).headers["x-timeframe"]


SPELLED = {
    # At 2024-02-29T12:00Z in London, weeks from Monday.
    "today": "2024-02-29T00:00:00+00:00/2024-03-01T00:00:00+00:00",
    "Last 7 Days": "2024-02-22T00:00:00+00:00/2024-02-29T00:00:00+00:00",
    "last-7-days-incl": "2024-02-22T00:00:00+00:00/2024-03-01T00:00:00+00:00",
    "next_1_month": "2024-03-01T00:00:00+00:00/2024-04-01T00:00:00+01:00",
    "year_to_date": "2024-01-01T00:00:00+00:00/2024-02-29T12:00:00+00:00",
    "last_quarter": "2023-10-01T00:00:00+01:00/2024-01-01T00:00:00+00:00",
    "2023-Q2": "2023-04-01T00:00:00+01:00/2023-07-01T00:00:00+01:00",
    "2024-03": "2024-03-01T00:00:00+00:00/2024-04-01T00:00:00+01:00",
    "2020-W53": "2020-12-28T00:00:00+00:00/2021-01-04T00:00:00+00:00",
    "2024-03-31": "2024-03-31T00:00:00+00:00/2024-04-01T00:00:00+01:00",
    "2024-02-28..2024-02-29": "2024-02-28T00:00:00+00:00/2024-03-01T00:00:00+00:00",
    "..2024-02-29": "../2024-03-01T00:00:00+00:00",
    "2024-07-01..": "2024-07-01T00:00:00+01:00/..",
    "..": "../..",
    "ALL-TIME": "../..",
}


@pytest.mark.parametrize("text", SPELLED)
def test_timeframes_by_example(calendars: tuple[Calendar, ...], text: str) -> None:
    """Written down by hand, so that the oracle and the server are not wrong together."""
    one = calendars[0]
    other = replace(one, now=calendar.micros("2024-02-29T12:00:00Z"))
    answer = other.ask().get({"event_timeframe": text, "limit": 0, "timezone": "Europe/London"})
    assert answer.headers["x-timeframe"] == SPELLED[text]


def test_the_default_columns_are_the_published_ones_in_order(world: World) -> None:
    answer = world.clients[0].get({"format": "json", "limit": 1}).json
    assert [header["key"] for header in answer["column_headers"]] == list(DEFAULT)
    assert [header["label"] for header in answer["column_headers"]] == [c.label for c in TABLE if not c.extension]


@pytest.mark.parametrize("name", [*PUBLISHED_NAMES, "event.type", "event_type", "booking_source_id"])
def test_every_published_name_selects_its_columns(world: World, name: str) -> None:
    answer = world.clients[0].get({"format": "json", "columns": name}).json
    keys = GROUPS.get(name) or (KEY_OF[name],)
    wanted = keys if "customer.id" in keys else ("customer.id", *keys)
    assert [header["key"] for header in answer["column_headers"]] == list(wanted)


def test_the_published_names_are_the_table() -> None:
    """The oracle's table and groups against the published list."""
    named = {name for name, key in KEY_OF.items() if not BY_KEY[key].extension} | set(GROUPS)
    assert named == set(PUBLISHED_NAMES)
    assert selected(("venue", "venue_id", "customer_id")) == ("venue.id", "venue.name", "customer.id")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", SORTABLE_NAMES)
def test_every_column_sorts(world: World, name: str, *, descending: bool) -> None:
    """One level on each column, all pages in one: folded text, missing values last, ties by id."""
    ask = Ask(sort=((name, descending),), include_future=True, limit=100, columns=(name, "id"))
    sign = "-" if descending else ""
    for offset in (0, 100, 200):
        pairs = {"sort": sign + name, "include_future": "1", "limit": 100, "columns": f"{name},id", "format": "json"}
        answer = world.clients[0].get({**pairs, "offset": offset})
        rows = report.ordered(list(world.data[0].rows), ask)
        page = report.cut(rows, replace(ask, offset=offset))
        same_document(answer.json, report.document(len(rows), page, ask))


def test_a_list_can_be_long(world: World) -> None:
    """1,000 values of one list, repeated and with commas."""
    ids = sorted({row["customer.id"] for row in world.data[0].rows})
    others = list(range(10**9, 10**9 + 1000))[: 1000 - len(ids)]
    wanted = report.matching(list(world.data[0].rows), Ask(include_future=True), 0, world.data[0].tenant)
    for pairs in (
        [("customers", ",".join(map(str, ids + others)))],
        [("customers[]", str(one)) for one in ids + others],
    ):
        answer = world.clients[0].get([*pairs, ("include_future", "true"), ("limit", "0"), ("format", "json")])
        assert answer.json["total"] == len(wanted)
