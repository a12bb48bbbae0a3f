"""What can be filtered by: the values of each filter under all the others, compared with the oracle's counts."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databases import examples
from inside import Inside, add_provider, import_file, new_store, token
from oracle import calendar, look_ups
from oracle.judge import shown_window
from oracle.report import Ask, Tenant
from oracle.requests import asks, written
from turnout.catalog.look_ups import LOOK_UP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from live import Answer, Asking
    from oracle.requests import DataSet
    from worlds import Calendar, World

pytestmark = pytest.mark.any_store


VALUES = "/api/v2/reports/attendances/values"
LARGE = (0, 1, 4, 5)
KNOWN = {parameter.name for parameter in LOOK_UP.parameters}


def labels(data: DataSet) -> list[str]:
    """Parts of what things are called, and ids."""
    names = {row[label] for row in data.rows for _, label in look_ups.OF.values() if label and row[label]}
    names |= {name for row in data.rows for _, name in row["instructors"] if name}
    return sorted(names)


@st.composite
def cases(draw: Callable[..., Any], data: DataSet) -> tuple[str, Ask, str, str]:
    """What is looked up, under which filters, for which search, and the query that says so."""
    ask, bounds = draw(asks(data, paging=False))
    of = draw(st.sampled_from(sorted(look_ups.OF)))
    words = labels(data)
    search = ""
    if words and draw(st.booleans()):
        word = draw(st.sampled_from([*words, "1", "att", "e"]))
        start = draw(st.integers(0, len(word)))
        search = word[start : start + draw(st.integers(0, 4))].strip()
        search = draw(st.sampled_from((search, search.upper(), search.casefold())))
    ask = replace(ask, columns=(), sort=())
    spelling = random.Random(draw(st.integers(0, 2**20)))
    pairs = [pair for pair in (*bounds, *written(ask, spelling)) if pair[0].removesuffix("[]") in KNOWN]
    pairs = [pair for pair in pairs if pair[0] not in {"limit", "offset"}]
    ask = replace(ask, limit=draw(st.sampled_from((50, 100, 3, 1, 0))), offset=draw(st.sampled_from((0, 0, 1, 5, 200))))
    pairs += [("of", of), ("search", search), ("limit", str(ask.limit)), ("offset", str(ask.offset))]
    return of, ask, search, urlencode(pairs, quote_via=quote)


def check(client: Asking, data: DataSet, case: tuple[str, Ask, str, str], now: int | None = None) -> None:
    """Ask, and compare. Without a fixed `now`, the moment was somewhere during the request."""
    of, ask, search, query = case
    before = calendar.now_micros() if now is None else now
    answer = client.get(query, path=VALUES)
    after = calendar.now_micros() if now is None else now
    assert answer.status == 200, answer.body.decode()
    if ask.timeframe and ask.timeframe.endswith("to_date"):
        before = after = calendar.micros(answer.headers["x-timeframe"].partition("/")[2])
    expected = [
        (
            look_ups.answer(list(data.rows), of, ask, search, now=at, tenant=data.tenant),
            shown_window(ask, at, data.tenant),
        )
        for at in (before, after)
    ]
    assert (answer.json, answer.headers.get("x-timeframe")) in expected, expected[0]


@pytest.mark.parametrize("number", range(8))
@settings(max_examples=examples(50))
@given(st.data())
def test_any_look_up(world: World, number: int, data: st.DataObject) -> None:
    """The real server: every filter, under every other one."""
    check(world.clients[number], world.data[number], data.draw(cases(world.data[number])))


@pytest.mark.parametrize("number", LARGE)
@settings(max_examples=examples(30))
@given(st.data())
def test_an_instructor_sees_what_occurs_in_own_events_only(world: World, number: int, data: st.DataObject) -> None:
    who, client = world.instructors[number]
    of, ask, search, query = data.draw(cases(world.data[number]))
    check(client, world.data[number], (of, replace(ask, instructor=who), search, query))


@pytest.mark.parametrize("number", range(9))
@settings(max_examples=examples(20))
@given(st.data())
def test_any_look_up_at_moments_when_calendars_turn(
    calendars: tuple[Calendar, ...], number: int, data: st.DataObject
) -> None:
    one = calendars[number]
    check(one.ask(), one.data, data.draw(cases(one.data)), one.now)


# By example, so that the oracle and the server are not wrong together.

NOW = calendar.micros("2026-06-01T12:00:00Z")


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "updated_at": "2026-05-01T00:00:00Z",
        "customer": {"id": number % 3 + 1, "name": ("Ana", "Émile", "Zoë")[number % 3]},
        "event": {"id": number, "starts_at": "2026-04-01T10:00:00Z"},
        "status": "attended",
        **more,
    }


ROWS = [
    row(1, venue={"id": 7, "name": "Hall"}, instructors=[{"id": 1, "name": "Mara"}, {"id": 2, "name": "Ole"}]),
    row(2, venue={"id": 7, "name": "Hall"}, instructors=[{"id": 2, "name": "Ole"}], status="no_show"),
    row(3, venue={"id": 8, "name": "Ärmel Room"}, booking_method="dropin"),
    row(4, customer_membership={"id": 5, "membership": {"id": 6, "name": "Gold"}}),
    row(5, event={"id": 5, "starts_at": "2026-08-01T10:00:00Z"}, venue={"id": 9}),
]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    store = new_store(tmp_path_factory.mktemp("small"))
    made = Inside(store, NOW)
    for provider, name in ((1, "Hall"), (2, "Secret")):
        add_provider(store, Tenant(provider, "Europe/Berlin", "monday"))
        import_file(
            store, provider, [one | ({"venue": {"id": 7, "name": name}} if provider == 2 else {}) for one in ROWS]
        )
    yield made
    made.close()
    store.close()


@pytest.fixture(scope="module")
def client(inside: Inside) -> Asking:
    return inside.as_(token(inside.store, 1))


def found(client: Asking, query: str) -> tuple[int, list[tuple[Any, Any, int]], int]:
    answer = client.get(query, path=VALUES)
    assert answer.status == 200, answer.body
    document = answer.json
    assert set(document) == {"total", "values", "missing"}
    return document["total"], [tuple(one.values()) for one in document["values"]], document["missing"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("of=venues", (2, [(7, "Hall", 2), (8, "Ärmel Room", 1)], 1)),
        ("of=venues&include_future=true", (3, [(7, "Hall", 2), (8, "Ärmel Room", 1), (9, None, 1)], 1)),
        ("of=venues&search=ARM", (1, [(8, "Ärmel Room", 1)], 1)),
        ("of=venues&search=9&include_future=true", (1, [(9, None, 1)], 1)),
        ("of=venues&search=hallo", (0, [], 1)),
        ("of=venues&venues=8", (2, [(7, "Hall", 2), (8, "Ärmel Room", 1)], 1)),
        ("of=venues&status=no_show", (1, [(7, "Hall", 1)], 0)),
        ("of=venues&limit=1&offset=1", (2, [(8, "Ärmel Room", 1)], 1)),
        ("of=venues&limit=0", (2, [], 1)),
        ("of=venues&offset=9223372036854775807", (2, [], 1)),
        ("of=venues&event_timeframe=2020", (0, [], 0)),
        ("of=instructors", (2, [(2, "Ole", 2), (1, "Mara", 1)], 2)),
        ("of=instructors&instructors=1", (2, [(2, "Ole", 2), (1, "Mara", 1)], 2)),
        ("of=instructors&search=m", (1, [(1, "Mara", 1)], 2)),
        ("of=customers&search=%c3%a9mi", (1, [(2, "Émile", 2)], 0)),
        ("of=customers&search=emi", (1, [(2, "Émile", 2)], 0)),
        ("of=status", (2, [("attended", None, 3), ("no_show", None, 1)], 0)),
        ("of=status&attendance_status=no_show", (1, [("no_show", None, 1)], 0)),
        ("of=booking_methods", (1, [("dropin", None, 1)], 3)),
        ("of=event_types", (1, [("class", None, 4)], 0)),
        ("of=memberships", (1, [(6, "Gold", 1)], 3)),
        ("of=customer_memberships", (1, [(5, "Gold", 1)], 3)),
        ("of=booking_sources", (0, [], 4)),
        ("of=offering_types", (0, [], 4)),
        ("of=days_of_week", (1, [("wednesday", None, 4)], 0)),
        ("of=days_of_week&include_future=1", (2, [("wednesday", None, 4), ("saturday", None, 1)], 0)),
        ("of=days_of_week&include_future=1&search=SAT&days_of_week=wednesday", (1, [("saturday", None, 1)], 0)),
        ("of=start_hours&days_of_week=wednesday", (1, [(12, None, 4)], 0)),
        ("of=start_hours&days_of_week=sunday", (0, [], 0)),
        ("of=venues&start_hours=12&days_of_week=saturday,wednesday", (2, [(7, "Hall", 2), (8, "Ärmel Room", 1)], 1)),
        ("of=venues&start_hours=10", (0, [], 0)),
    ],
)
def test_by_example(client: Asking, query: str, expected: tuple[Any, ...]) -> None:
    assert found(client, query) == expected


@pytest.mark.parametrize(
    ("query", "fields", "said"),
    [
        ("", {"of"}, "the choices are: status, booking_methods"),
        ("of=", {"of"}, "It is needed"),
        ("of=venue", {"of"}, "Did you mean 'venues'?"),
        ("of=attendance_status", {"of"}, "not one of the choices"),
        ("of=event_start_gte", {"of"}, "not one of the choices"),
        ("of=venues&columns=id", {"columns"}, "not a known parameter"),
        ("of=venues&sort=id&page=1&cursor=x&format=csv", {"sort", "page", "cursor", "format"}, "not a known parameter"),
        ("of=venues&venues=x&limit=101&serch=a", {"venues", "limit", "serch"}, "Did you mean 'search'?"),
        ("of=venues&search=a&search=b", {"search"}, "different values"),
        ("of=venues&search=a%00b", {"search"}, "NUL"),
        ("of=venues&search=%ff", {"search"}, "UTF-8"),
    ],
)
def test_faults_are_told_together(client: Asking, query: str, fields: set[str], said: str) -> None:
    answer = client.get(query, path=VALUES)
    assert answer.error() == (400, "parameter_invalid", fields)
    assert said in answer.body.decode()


def test_lenient_requests(client: Asking) -> None:
    answer = client.get("of=venues&columns=id", {"Prefer": "handling=lenient"}, path=VALUES)
    assert (answer.status, answer.headers["x-ignored-parameters"]) == (200, "columns")


def test_conditional_requests_head_and_other_methods(client: Asking) -> None:
    answer = client.get("of=venues", path=VALUES)
    assert answer.headers["cache-control"] == "private, no-cache"
    again = client.get("of=venues", {"If-None-Match": answer.headers["etag"]}, path=VALUES)
    assert (again.status, again.body) == (304, b"")
    head = client.get("of=venues", path=VALUES, method="HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    assert client.send("POST", VALUES).error()[:2] == (405, "method_not_allowed")


def test_who_may_ask(inside: Inside, client: Asking) -> None:
    assert inside.send("GET", f"{VALUES}?of=venues").error()[:2] == (401, "not_authenticated")
    other = inside.as_(token(inside.store, 2))
    assert found(other, "of=venues") == (1, [(7, "Secret", 4)], 0)
    both = token(inside.store, 1, 2)
    assert inside.as_(both).get("of=venues", path=VALUES).error()[:2] == (400, "provider_header_missing")
    assert found(inside.as_(both, 1), "of=venues") == found(client, "of=venues")
    assert inside.as_(token(inside.store, 1), 2).get("of=venues", path=VALUES).error()[:2] == (403, "provider_invalid")


def test_a_name_is_learnt_from_an_attendance_that_may_be_seen_alone(tmp_path: Path) -> None:
    """Old attendances show nobody: who sees those alone does not learn a name from a newer one of the same person."""
    store = new_store(tmp_path)
    inside = Inside(store, NOW)
    add_provider(store, Tenant(1, "UTC", "monday"))
    old = row(3, event={"id": 1, "starts_at": "2020-01-01T10:00:00Z"}, instructors=[{"id": 1, "name": "Mara"}])
    import_file(store, 1, [old, row(6, instructors=[{"id": 2, "name": "Ole"}])])
    provider = store.providers()[1]
    store.persons.retain(provider, calendar.micros("2026-01-01T00:00:00Z"), at=NOW, go_on=lambda: True)
    everyone = inside.as_(token(store, 1))
    teacher = inside.as_(token(store, 1, role="instructor_attendances", instructor=1))
    assert found(everyone, "of=customers") == (1, [(1, "Ana", 2)], 0)
    assert found(everyone, "of=customers&event_timeframe=2020") == (1, [(1, None, 1)], 0)
    assert found(teacher, "of=customers") == (1, [(1, None, 1)], 0)
    assert found(teacher, "of=customers&search=ana") == (0, [], 0)
    inside.close()
    store.close()


def test_total_and_values_are_of_one_moment(client: Asking) -> None:
    answer: Answer = client.get("of=customers&include_future=true", path=VALUES)
    document = answer.json
    assert sum(one["count"] for one in document["values"]) + document["missing"] == len(ROWS)
