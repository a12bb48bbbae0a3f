"""Links and cursors (section 2.3): pages put together are the whole, whatever the sort, and whatever comes meanwhile."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databases import examples
from inside import Inside, add_provider, import_file, new_store, token
from oracle import calendar, report
from oracle.judge import compare_page
from oracle.report import Ask, Tenant
from oracle.requests import asks, columns, sorts, written
from oracle.truth import Truth

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from live import Answer, Asking
    from oracle.requests import DataSet, Pairs
    from worlds import Calendar, World

pytestmark = pytest.mark.any_store


MOST_PAGES = 10


def changed(url: str, **parameters: object) -> str:
    """The address with some parameters set to other values, or left out where they are None."""
    parts = urlsplit(url)
    pairs = dict(parse_qsl(parts.query, keep_blank_values=True)) | parameters
    return f"{parts.path}?{urlencode({name: value for name, value in pairs.items() if value is not None})}"


def walk(client: Asking, answer: Answer, relation: str) -> Iterator[Answer]:
    """The pages that follow in one direction."""
    for _ in range(5000):
        if relation not in answer.links:
            return
        answer = client.follow(answer.links[relation])
        assert answer.status == 200, answer.body
        yield answer
    raise AssertionError("the links go round in circles")


def start(client: Asking, ask: Ask, bounds: Pairs, spelling: random.Random, form: str) -> Answer:
    answer = client.get([*written(ask, spelling), *bounds, ("format", form)])
    assert answer.status == 200, answer.body
    return answer


def _size(data: DataSet, wanted: int) -> int:
    return max(wanted, -(-len(data.rows) // MOST_PAGES))


@pytest.mark.parametrize("number", range(9))
@settings(max_examples=examples(12))
@given(st.data())
def test_pages_put_together_are_the_whole(calendars: tuple[Calendar, ...], number: int, data: st.DataObject) -> None:
    """Forward by `next` to the end, and back by `prev` over the same pages."""
    one = calendars[number]
    ask, bounds = data.draw(asks(one.data, paging=False))
    ask = replace(ask, limit=_size(one.data, data.draw(st.integers(1, 9))))
    form = data.draw(st.sampled_from(("json", "csv")))
    client = one.ask()
    found = report.all_rows(list(one.data.rows), ask, one.now, one.data.tenant)
    first = start(client, ask, bounds, data.draw(st.randoms()), form)
    pages = [first, *walk(client, first, "next")]
    assert len(pages) == max(1, -(-len(found) // ask.limit))
    for place, page in enumerate(pages):
        rows = found[place * ask.limit : (place + 1) * ask.limit]
        compare_page(page, rows, len(found), ask, as_csv=form == "csv")
        assert ("next" in page.links) == (place + 1 < len(pages))
        assert ("prev" in page.links) == (place > 0)
        assert page.headers.get("x-timeframe") == first.headers.get("x-timeframe")
    if "first" in pages[-1].links:
        assert client.follow(pages[-1].links["first"]).body == first.body
    back = list(walk(client, pages[-1], "prev"))
    assert [page.body for page in back] == [page.body for page in reversed(pages[:-1])]


@pytest.mark.parametrize("number", [0, 4])
@settings(max_examples=examples(10))
@given(st.data())
def test_pages_of_the_real_server(world: World, number: int, data: st.DataObject) -> None:
    """The same over a socket, and for a token that sees one instructor's rows."""
    who, limited = world.instructors[number]
    instructor, client = data.draw(st.sampled_from(((None, world.clients[number]), (who, limited))))
    rows, tenant = list(world.data[number].rows), world.data[number].tenant
    ask = Ask(
        sort=data.draw(sorts()),
        include_future=True,
        limit=data.draw(st.sampled_from((13, 40, 99))),
        instructor=instructor,
    )
    found = report.all_rows(rows, ask, 0, tenant)
    first = start(client, ask, (), data.draw(st.randoms()), "json")
    pages = [first, *walk(client, first, "next")]
    for place, page in enumerate(pages):
        compare_page(page, found[place * ask.limit :][: ask.limit], len(found), ask, as_csv=False)
    assert len(pages) == max(1, -(-len(found) // ask.limit))


@pytest.mark.parametrize("number", range(9))
@settings(max_examples=examples(10))
@given(st.data())
def test_limit_and_columns_may_change_on_the_way(
    calendars: tuple[Calendar, ...], number: int, data: st.DataObject
) -> None:
    one = calendars[number]
    client = one.ask()
    ask = Ask(sort=data.draw(sorts()), include_future=True, limit=data.draw(st.integers(2, 20)))
    found = report.all_rows(list(one.data.rows), ask, one.now, one.data.tenant)
    answer, seen = start(client, ask, (), data.draw(st.randoms()), "json"), 0
    while True:
        compare_page(answer, found[seen : seen + ask.limit], len(found), ask, as_csv=False)
        seen += ask.limit
        if "next" not in answer.links:
            break
        ask = replace(ask, limit=data.draw(st.integers(2, 20)), columns=data.draw(columns()))
        given_columns = ",".join(ask.columns) or None
        size = data.draw(st.sampled_from(("limit", "page_size")))
        sizes = {"limit": None, "page_size": None, size: ask.limit}
        answer = client.follow(changed(answer.links["next"], columns=given_columns, **sizes))
        assert answer.status == 200, answer.body
    assert seen >= len(found)


@pytest.mark.parametrize("number", range(9))
@settings(max_examples=examples(10))
@given(st.data())
def test_a_page_by_offset_has_neighbours(calendars: tuple[Calendar, ...], number: int, data: st.DataObject) -> None:
    """From any offset: `next` goes on where the page ends, `prev` ends where it begins and repeats none of its rows."""
    one = calendars[number]
    client = one.ask()
    ask = Ask(
        sort=data.draw(sorts()), include_future=True, limit=data.draw(st.integers(4, 12)), offset=data.draw(st.integers(0, 60)),
        columns=("id",),
    )  # fmt: skip
    found = [row["id"] for row in report.all_rows(list(one.data.rows), ask, one.now, one.data.tenant)]
    answer = start(client, ask, (), data.draw(st.randoms()), "json")
    here = [row["id"] for row in answer.json["rows"]]
    assert here == found[ask.offset : ask.offset + ask.limit]
    after = [row["id"] for page in walk(client, answer, "next") for row in page.json["rows"]]
    assert after == found[ask.offset + ask.limit :]
    before = [[row["id"] for row in page.json["rows"]] for page in walk(client, answer, "prev")]
    assert [one for page in reversed(before) for one in page] == found[: ask.offset]


TENANT = Tenant(1, "Europe/London", "monday")
NOW = calendar.micros("2026-06-01T12:00:00Z")


def _row(row_id: int, customer: int, minute: int, **more: object) -> dict[str, object]:
    """An attendance with an event and a customer of its own, so that nothing else changes with it."""
    starts_at = calendar.text_of(NOW - minute * 60_000_000)
    return {
        "id": row_id,
        "updated_at": "2026-05-01T00:00:00Z",
        "customer": {"id": customer, "name": ("Zoë", "zoe", "ZOE", None, "Anna")[customer % 5]},
        "event": {"id": row_id, "starts_at": starts_at, "name": ("Yoga", None, "yoga")[minute % 3]},
        "status": ("attended", "no_show")[row_id % 2],
        "booking_method": ("free", "dropin", None)[row_id % 3],
        **more,
    }


def _gone(number: int) -> dict[str, object]:
    """The same row when it has left the report: the booking methods that are asked for no longer hold it."""
    return _row(number, number, (number * 7) % 40, booking_method=None, updated_at="2026-05-02T00:00:00Z")


SORTS = (
    "", "id", "-id", "event.starts_at", "customer.name", "-customer.name", "-event.name,customer.name", "booking_method,-event.starts_at",
    "-booking_method", "status,-customer.name,event.name", "checkin.ocurred_at", "-updated_at",
)  # fmt: skip


@pytest.mark.parametrize("sort", SORTS)
def test_rows_that_arrive_and_leave_meanwhile(tmp_path: Path, sort: str) -> None:
    """Between any two pages rows come and rows go: those that stay are seen once each, in order, and the total is of now."""
    store = new_store(tmp_path)
    inside = Inside(store, NOW)
    add_provider(store, TENANT)
    truth = Truth()

    def bring(rows: list[dict[str, object]]) -> None:
        truth.take_all(rows)
        import_file(store, TENANT.id, rows)

    bring([_row(number, number, (number * 7) % 40) for number in range(2, 80, 2)])
    client = inside.as_(token(store, 1))
    leaving = iter(range(4, 80, 10))
    arriving = iter(range(1, 80, 4))
    stay = [number for number in range(2, 80, 2) if number % 10 != 4]
    query = {"sort": sort, "limit": 6, "columns": "id", "booking_methods": "free,dropin,membership", "format": "json"}
    seen, totals = [], []
    answer = client.get(query)
    while True:
        assert answer.status == 200, answer.body
        rows = [row for row in truth.flat() if row["booking_method"] is not None]
        totals.append((answer.json["total"], len(rows)))
        seen += [row["id"] for row in answer.json["rows"]]
        if "next" not in answer.links:
            break
        coming = [_row(number, number, (number * 7) % 40) for number in islice(arriving, 3)]
        going = [_gone(number) for number in islice(leaving, 1)]
        bring(coming + going)
        answer = client.follow(answer.links["next"])
    levels = tuple((name.removeprefix("-"), name.startswith("-")) for name in sort.split(",") if name)
    order = [row["id"] for row in report.ordered(truth.flat(), Ask(sort=levels)) if row["id"] in stay]
    kept = {row["id"] for row in truth.flat() if row["booking_method"] is not None} & set(stay)
    assert [one for one in seen if one in kept] == [one for one in order if one in kept]
    assert len(seen) == len(set(seen))
    assert all(got == wanted for got, wanted in totals)
    inside.close()
    store.close()


def test_total_and_rows_are_of_one_snapshot(tmp_path: Path) -> None:
    """While rows are imported, three at a time, no answer has a total that is not the number of its rows."""
    store = new_store(tmp_path)
    inside = Inside(store, NOW)
    add_provider(store, TENANT)
    client = inside.as_(token(store, 1))
    files = [[_row(number, 1, number) for number in range(first, first + 3)] for first in range(1, 61, 3)]
    importing = Thread(target=lambda: [import_file(store, 1, file) for file in files])
    importing.start()
    totals = []
    while importing.is_alive() or not totals:
        answer = client.get("format=json&limit=100&columns=id&sort=-customer.name")
        totals.append(answer.json["total"])
        assert totals[-1] == len(answer.json["rows"])
        assert totals[-1] % 3 == 0
    importing.join()
    assert totals == sorted(totals)
    assert client.get("format=json&limit=0").json["total"] == 60
    inside.close()
    store.close()


@pytest.mark.parametrize("number", [0, 4])
def test_a_copy_by_id_gt_has_every_row_once(world: World, number: int) -> None:
    """What `turnout sync` and other copies do: the last id seen is the next `id_gt`, until nothing comes."""
    client, seen, last = world.clients[number], [], 0
    while rows := client.get({"id_gt": last, "limit": 37, "include_future": 1, "format": "json"}).json["rows"]:
        seen += [row["id"] for row in rows]
        last = seen[-1]
    assert seen == sorted(row["id"] for row in world.data[number].rows)


def test_a_cursor_whose_row_has_gone_still_works(tmp_path: Path) -> None:
    """The row at the edge of the page leaves before the next page is asked for, in both directions."""
    store = new_store(tmp_path)
    inside = Inside(store, NOW)
    add_provider(store, TENANT)
    import_file(store, 1, [_row(number, number, number) for number in range(1, 10)])
    client = inside.as_(token(store, 1))
    query = {"sort": "id", "limit": 3, "columns": "id", "status": "attended,no_show", "format": "json"}
    second = client.follow(client.get(query).links["next"])
    assert [row["id"] for row in second.json["rows"]] == [4, 5, 6]
    gone = [_row(n, n, n, status="registered", updated_at="2026-05-02T00:00:00Z") for n in (4, 6)]
    import_file(store, 1, gone)
    assert [row["id"] for row in client.follow(second.links["next"]).json["rows"]] == [7, 8, 9]
    assert [row["id"] for row in client.follow(second.links["prev"]).json["rows"]] == [1, 2, 3]
    inside.close()
    store.close()


@pytest.fixture
def second_page(calendars: tuple[Calendar, ...]) -> tuple[Asking, str]:
    client = calendars[0].ask()
    answer = client.get(
        {"sort": "customer.name", "limit": 2, "include_future": "1", "format": "json", "status": "attended,no_show"}
    )
    return client, answer.links["next"]


def test_a_next_link_repeats_every_parameter(calendars: tuple[Calendar, ...]) -> None:
    query = {
        "sort": "-customer.name", "limit": "2", "include_future": "true", "status": "attended,no_show", "columns": "id,customer_name",
        "format": "csv", "csv_header": "key", "event_timeframe": "all time", "timezone": "Asia/Kathmandu", "bom": "true",
    }  # fmt: skip
    for relation in ("next", "first"):
        target = calendars[0].ask().get(query).links[relation]
        given_back = dict(parse_qsl(urlsplit(target).query))
        assert {name: given_back.get(name) for name in query} == query
    assert "cursor" in dict(parse_qsl(urlsplit(calendars[0].ask().get(query).links["next"]).query))


def test_links_are_addresses_of_this_server(world: World) -> None:
    answer = world.clients[0].get("limit=1&include_future=1", {"Host": "reports.example:8080"})
    assert answer.links["next"].startswith("http://reports.example:8080/api/v2/reports/attendances/data?")
    assert re.fullmatch(r'(<[^<>" ]+>; rel="[a-z]+"(, )?)+', answer.headers["link"])


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "customer.email"}, {"sort": "-customer.name"}, {"sort": None}, {"status": "attended"}, {"status": None}, {"include_future": None},
        {"customers": "1"}, {"event_timeframe": "all_time"}, {"id_gt": "1"},
    ],
    ids=str,
)  # fmt: skip
def test_a_cursor_of_another_report_is_an_error(second_page: tuple[Asking, str], other: dict[str, object]) -> None:
    client, link = second_page
    assert client.follow(link).status == 200
    assert client.follow(changed(link, **other)).error() == (400, "parameter_invalid", {"cursor"})


def test_a_cursor_takes_no_offset_and_no_page(second_page: tuple[Asking, str]) -> None:
    client, link = second_page
    for other in ({"offset": 0}, {"offset": 5}, {"page": 1}, {"page": 2}):
        assert client.follow(changed(link, **other)).error() == (400, "parameter_invalid", {"non_field_errors"})
    assert client.follow(changed(link, offset="", page="")).status == 200


def test_a_damaged_cursor_is_an_error(second_page: tuple[Asking, str]) -> None:
    """Every single character of it counts."""
    client, link = second_page
    cursor = dict(parse_qsl(urlsplit(link).query))["cursor"]
    damaged = [
        cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :] for place in range(len(cursor))
    ]
    damaged += [cursor[:-1], cursor + "A", cursor[1:], cursor * 2, cursor.swapcase(), cursor[::-1]]
    for one in damaged:
        assert client.follow(changed(link, cursor=one)).error() == (400, "parameter_invalid", {"cursor"}), one


def test_a_cursor_tells_nothing(calendars: tuple[Calendar, ...]) -> None:
    """It is opaque: neither the names nor the ids of the rows at its edge can be read from it."""
    import base64

    answer = (
        calendars[0]
        .ask()
        .get({"sort": "customer.name", "limit": 1, "include_future": "1", "format": "json", "columns": "customer"})
    )
    cursor = dict(parse_qsl(urlsplit(answer.links["next"]).query))["cursor"]
    plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    name = answer.json["rows"][0]["customer"]["name"]
    assert name
    assert name.encode() not in plain
    assert name not in cursor


def test_size_zero_has_the_total_and_no_links(world: World) -> None:
    answer = world.clients[0].get("limit=0&include_future=true&format=json")
    assert (answer.json["rows"], answer.json["total"]) == ([], len(world.data[0].rows))
    assert "link" not in answer.headers


def test_far_beyond_the_end(world: World) -> None:
    """Offsets past the last row, and pages whose offset is more than any integer: no rows, and the total."""
    for query in ("offset=100000", f"offset={2**63 - 1}", f"page={2**63 - 1}&page_size=100", "page=9000"):
        answer = world.clients[0].get(f"{query}&include_future=true&format=json")
        assert answer.status == 200
        assert (answer.json["rows"], answer.json["total"]) == ([], len(world.data[0].rows))
        assert "next" not in answer.links


def test_deep_pages_by_offset(tmp_path: Path) -> None:
    """Beyond the offset from which rows are chosen first and read afterwards."""
    store = new_store(tmp_path)
    inside = Inside(store, NOW)
    add_provider(store, TENANT)
    rows = [_row(number, number, number % 97) for number in range(1, 2401)]
    import_file(store, 1, rows)
    truth = Truth()
    truth.take_all(rows)
    client = inside.as_(token(store, 1))
    ask = Ask(sort=(("customer.name", True), ("event.name", False)), limit=100)
    found = report.all_rows(truth.flat(), ask, NOW, TENANT)
    for offset in (999, 1000, 1001, 2300, 2399, 2400):
        answer = client.get({"sort": "-customer.name,event_name", "limit": 100, "offset": offset, "format": "json"})
        compare_page(answer, found[offset : offset + 100], len(found), ask, as_csv=False)
    inside.close()
    store.close()
