"""Two providers with the same ids, names and times: nothing of one is ever learnt through the other (section 3).

Provider 1 and provider 2 hold rows of the same ids about customers, events and things of the same ids and names; what
differs is what must not be seen. Provider 3 is empty. Every parameter is asked with every value of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from inside import Inside, add_provider, import_file, new_store, token
from oracle import calendar, look_ups, report
from oracle.columns import SORTABLE_NAMES, TABLE
from oracle.judge import same_document
from oracle.report import Ask, Tenant
from oracle.requests import IDS
from oracle.truth import Truth
from worlds import JWT_KEY, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Answer, Asking
    from oracle.data import Row

pytestmark = pytest.mark.any_store


NOW = calendar.micros("2026-06-01T12:00:00Z")
ZONES = {1: "Europe/London", 2: "America/New_York", 3: "UTC"}
VALUES = "/api/v2/reports/attendances/values"
EVERY = ",".join(column.key for column in TABLE)
SECRETS = {1: "first-secret", 2: "second-secret"}


def _rows(provider: int) -> list[Row]:
    """Ids 1 to 30 at both, with the same names; statuses, times, people and the secret differ."""
    found = []
    for number in range(1, 31):
        shifted = number + (provider - 1) * 7
        found.append(
            {
                "id": number,
                "updated_at": f"2026-05-{1 + shifted % 28:02}T00:00:00Z",
                "customer": {
                    "id": 1 + shifted % 9, "name": f"Customer {shifted % 4}", "email": f"{SECRETS[provider]}-{number}@example.org",
                },
                "event": {
                    "id": 1 + number % 11, "name": f"Event {number % 3}", "type": ("class", "appointment")[number % 11 % 2],
                    "starts_at": f"2026-04-{1 + (number % 11 + provider * 3) % 28:02}T10:00:00Z",
                },
                "offering_type": {"id": 1 + number % 11 % 3, "name": "Yoga"},
                "venue": {"id": 1 + number % 11 % 2, "name": f"Hall {provider}"},
                "instructors": [{"id": 1 + (number % 11 + provider) % 3, "name": f"Teacher {provider}"}],
                "booking_method": ("membership", "dropin", "free")[shifted % 3],
                "customer_membership": {"id": 1 + shifted % 5, "membership": {"id": 1 + shifted % 5 % 2, "name": "Gold"}},
                "booking_source": {"id": 1 + shifted % 2, "name": f"App {provider}"},
                "status": ("attended", "no_show", "registered", "late_cancelled")[shifted % 4],
            }
        )  # fmt: skip
    return found


@dataclass
class House:
    """A store with three providers, clients of each, and the truth of the first two."""

    inside: Inside
    truths: dict[int, Truth]
    texts: dict[str, str]

    def client(self, name: str, provider: int | None = None) -> Asking:
        return self.inside.as_(self.texts[name], provider)

    def bring(self, provider: int, rows: list[Row]) -> None:
        self.truths[provider].take_all(rows)
        import_file(self.inside.store, provider, rows)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    store = new_store(tmp_path_factory.mktemp("house"))
    inside = Inside(store, NOW, jwt_key=JWT_KEY)
    for provider, zone in ZONES.items():
        add_provider(store, Tenant(provider, zone, "monday"))
    texts = {
        "one": token(store, 1), "two": token(store, 2), "three": token(store, 3), "both": token(store, 1, 2), "admin": token(store, 1, role="super_admin"),
        "teacher": token(store, 1, role="instructor_attendances", instructor=2), "jwt": signed(providers=[1]),
        "jwt_teacher": signed(providers=[1], role="instructor_attendances", instructor=2),
    }  # fmt: skip
    made = House(inside, {1: Truth(), 2: Truth(), 3: Truth()}, texts)
    made.bring(1, _rows(1))
    made.bring(2, _rows(2))
    yield made
    inside.close()
    store.close()


# Every parameter of section 2.2, with values that mean something at both providers.
QUERIES = [
    "", "columns=customer", "include_future=true", "include_future=false", "limit=0", "limit=3", "limit=7&offset=5", "page=2&page_size=9", "id_gt=0", "id_gt=15",
    *(f"{name}={value}" for name, value in product(IDS, (1, 2, 3, "1,2,3,4,5,6,7,8,9", 99))),
    "booking_sources=none", *(f"instructors={value}" for value in (1, 2, 3, "1,2,3", "none", 99)),
    *(f"status={value}" for value in ("attended", "no_show", "registered", "late_cancelled", "attended,no_show")), "attendance_status=attended",
    *(f"booking_methods={value}" for value in ("membership", "dropin", "free")), "event_types=class", "event_types=appointment",
    "event_start_gte=2026-04-10", "event_start_lte=2026-04-10", "updated_at_gte=2026-05-10", "updated_at_lte=2026-05-10T00:00:00Z",
    "event_timeframe=2026-04", "event_timeframe=last_2_months", "event_timeframe=2026-04-05..2026-04-20", "timezone=Asia/Tokyo", "event_timeframe=2026-04-10&timezone=Asia/Tokyo",
    "csv_header=key", "csv_escape=false", "bom=true",
    *(f"sort={sign}{name}&limit=100" for name, sign in product(SORTABLE_NAMES, ("", "-"))),
]  # fmt: skip


def asked(client: Asking, query: str, form: str = "json") -> Answer:
    return client.get("&".join(filter(None, (query, f"format={form}"))))


def ids_of(house: House, provider: int, document: Any) -> None:
    """Every row of a document is a row of the provider, member for member."""
    flat = {row["id"]: row for row in house.truths[provider].flat()}
    keys = tuple(header["key"] for header in document["column_headers"])
    for row in document["rows"]:
        same_document(row, report.nested(flat[row["id"]], keys, None))


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(("mine", "theirs"), [(1, 2), (2, 1)])
def test_every_parameter_sees_the_own_provider_alone(house: House, query: str, mine: int, theirs: int) -> None:
    """Rows, totals and headers: as if nobody else were there."""
    client = house.client({1: "one", 2: "two"}[mine])
    answer = asked(client, query)
    assert answer.status == 200, answer.body
    other = SECRETS[theirs].encode()
    for seen in (
        answer.body,
        asked(client, query, "csv").body,
        asked(client, f"{query}&columns={EVERY}" if "columns" not in query else query).body,
    ):
        assert other not in seen
        assert f"Hall {theirs}".encode() not in seen
        assert f"Teacher {theirs}".encode() not in seen
    if "columns" not in query and "timezone" not in query:
        ids_of(house, mine, answer.json)


@pytest.mark.parametrize("query", QUERIES)
def test_answers_do_not_change_with_another_providers_data(
    tmp_path_factory: pytest.TempPathFactory, query: str, lone: LoneHouse
) -> None:
    """The bytes, the ETag, the links and the total of provider 2 are the same, whether provider 1 has data or not."""
    for form in ("json", "csv"):
        alone, together = lone.before[query, form], asked(lone.client, query, form)
        assert together.body == alone.body
        for header in ("etag", "x-total-count", "x-timeframe", "content-type", "content-length"):
            assert together.headers.get(header) == alone.headers.get(header)
        assert set(together.links) == set(alone.links)
        assert asked(lone.client, query, form).status == 200


@dataclass
class LoneHouse:
    """What provider 2 was answered while it was the only one with data; provider 1 has its own by now."""

    client: Asking
    before: dict[tuple[str, str], Answer]


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneHouse]:
    store = new_store(tmp_path_factory.mktemp("lone"))
    inside = Inside(store, NOW)
    for provider, zone in ZONES.items():
        add_provider(store, Tenant(provider, zone, "monday"))
    import_file(store, 2, _rows(2))
    client = inside.as_(token(store, 2))
    before = {(query, form): asked(client, query, form) for query in QUERIES for form in ("json", "csv")}
    import_file(store, 1, _rows(1))
    yield LoneHouse(client, before)
    inside.close()
    store.close()


@pytest.mark.parametrize(
    "sort", ["", "id", "-customer.name", "event.name,-status", "booking_source", "-checkin.ocurred_at"]
)
def test_cursors_of_one_are_errors_at_the_other(house: House, sort: str) -> None:
    """The same request at both: each goes on from its own cursors only, and says the same of every other one."""
    query = f"sort={sort}&limit=4&format=json"
    links = {name: house.client(name).get(query).links["next"] for name in ("one", "two")}
    refusals = set()
    for mine, theirs in (("one", "two"), ("two", "one")):
        client = house.client(mine)
        assert client.follow(links[mine]).status == 200
        foreign = client.follow(links[theirs])
        assert foreign.error() == (400, "parameter_invalid", {"cursor"})
        cursor = dict(parse_qsl(urlsplit(links[theirs]).query))["cursor"]
        damaged = client.get(f"{query}&{urlencode({'cursor': cursor[::-1]})}")
        assert damaged.error() == (400, "parameter_invalid", {"cursor"})
        refusals.add(foreign.body)
    assert len(refusals) == 1


def test_a_token_of_both_keeps_them_apart(house: House) -> None:
    """The header chooses; a cursor of one provider is foreign at the other, for the same token too."""
    one, two = house.client("both", 1), house.client("both", 2)
    query = f"columns={EVERY}&limit=100&format=json"
    assert SECRETS[2].encode() not in one.get(query).body
    assert SECRETS[1].encode() not in two.get(query).body
    link = one.get("limit=4&format=json").links["next"]
    assert one.follow(link).status == 200
    assert two.follow(link).error() == (400, "parameter_invalid", {"cursor"})
    assert one.get(query).headers["etag"] != two.get(query).headers["etag"]
    assert two.get(query, {"If-None-Match": one.get(query).headers["etag"]}).status == 200


@pytest.mark.parametrize("name", ["one", "admin", "teacher", "jwt", "jwt_teacher"])
@pytest.mark.parametrize("provider", [2, 3, 99, 2**63 - 1])
def test_other_providers_are_refused_alike(house: House, name: str, provider: int) -> None:
    """A provider with data, an empty one and one that is not there: the same refusal, to the byte."""
    answer = house.client(name, provider).get("format=json")
    assert answer.error()[:2] == (403, "provider_invalid")
    assert answer.body == house.client("one", 98).get("format=json").body


def test_an_empty_provider_is_empty(house: House) -> None:
    for query in QUERIES:
        answer = asked(house.client("three"), query)
        assert (answer.json["total"], answer.json["rows"], answer.links.get("next")) == (0, [], None)


@pytest.mark.parametrize("query", QUERIES)
def test_an_instructor_sees_own_rows_alone(house: House, query: str) -> None:
    """Totals and rows: what everyone sees with `instructors=2`, to the byte, whatever else is asked."""
    if query.startswith("instructors"):
        wanted = set(query.partition("=")[2].split(","))
        if "2" not in wanted:
            # Who asks for others' events asks for those that both instruct, and there are none.
            answer = asked(house.client("teacher"), query)
            assert (answer.json["total"], answer.json["rows"]) == (0, [])
            return
        query = ""
    for form in ("json", "csv"):
        everyones = asked(house.client("one"), f"{query}&instructors=2" if query else "instructors=2", form)
        for name in ("teacher", "jwt_teacher"):
            own = asked(house.client(name), query, form)
            assert own.body == everyones.body
            assert own.headers["etag"] == everyones.headers["etag"]
            assert own.headers["x-total-count"] == everyones.headers["x-total-count"]
            assert set(own.links) == set(everyones.links)


def test_an_instructor_pages_through_own_rows(house: House) -> None:
    client = house.client("teacher")
    flat = house.truths[1].flat()
    ask = Ask(instructor=2, sort=(("customer.name", True),))
    wanted = [row["id"] for row in report.all_rows(flat, ask, NOW, Tenant(1, ZONES[1], "monday"))]
    answer = client.get("sort=-customer.name&limit=2&format=json&columns=id")
    seen = [row["id"] for row in answer.json["rows"]]
    while "next" in answer.links:
        answer = client.follow(answer.links["next"])
        assert answer.json["total"] == len(wanted)
        seen += [row["id"] for row in answer.json["rows"]]
    assert seen == wanted


def test_a_cursor_made_with_more_rights_shows_no_more(house: House) -> None:
    """An instructor who gets hold of a colleague's link sees own rows alone, or an error."""
    link = house.client("one").get("limit=2&format=json&columns=id").links["next"]
    answer = house.client("teacher").follow(link)
    if answer.status == 200:
        own = {row["id"] for row in house.truths[1].flat() if any(one == 2 for one, _ in row["instructors"])}
        assert {row["id"] for row in answer.json["rows"]} <= own
        assert answer.json["total"] == len(own)
    else:
        assert answer.error() == (400, "parameter_invalid", {"cursor"})


def test_error_texts_tell_nothing_of_data(house: House) -> None:
    """Wrong requests are answered alike by a provider with data, by another, and by an empty one."""
    for query in (
        "sort=Hall",
        "customers=x",
        "venues=Hall%201",
        "booking_sources=App%202",
        "foo=1",
        "cursor=abc",
        "event_timeframe=x",
        "limit=-1",
    ):
        bodies = {house.client(name).get(query).body for name in ("one", "two", "three", "teacher")}
        assert len(bodies) == 1


def test_counts_of_shared_ids_are_the_oracles(house: House) -> None:
    """For every filter and every id, the total of each provider is the oracle's for that provider alone."""
    for provider, name in ((1, "one"), (2, "two")):
        tenant = Tenant(provider, ZONES[provider], "monday")
        for parameter, value in product((*IDS, "instructors"), range(1, 12)):
            ask = Ask(filters={parameter: {value}})
            total = len(report.matching(house.truths[provider].flat(), ask, NOW, tenant))
            answer = house.client(name).get({parameter: value, "limit": 0, "format": "json"})
            assert answer.json["total"] == total


def test_a_change_at_one_changes_nothing_at_the_other(house: House) -> None:
    """A rename, a move and new rows at provider 1, between two pages of provider 2."""
    two = house.client("two")
    query = f"columns={EVERY}&sort=customer.name&limit=5&format=json"
    first = two.get(query)
    pages = [first.body, two.follow(first.links["next"]).body]
    changes = [
        {**row, "updated_at": "2026-05-31T00:00:00Z", "customer": {**row["customer"], "name": "Renamed"}, "venue": {"id": 1, "name": "Hall 1b"}}
        for row in _rows(1)
    ]  # fmt: skip
    house.bring(1, [*changes, {**changes[0], "id": 31}])
    assert [two.get(query).body, two.follow(first.links["next"]).body] == pages
    assert b"Renamed" in house.client("one").get(query).body


@pytest.mark.parametrize("of", sorted(look_ups.OF))
def test_look_ups_see_the_own_provider_alone(house: House, of: str) -> None:
    """Values, labels and counts of each provider, under every filter, are the oracle's for that provider alone."""
    for provider, name in ((1, "one"), (2, "two")):
        tenant, rows = Tenant(provider, ZONES[provider], "monday"), house.truths[provider].flat()
        for parameter, value in (("limit", 50), *product((*IDS, "instructors"), (1, 2, 3, 99))):
            ask = Ask(filters={} if parameter == "limit" else {parameter: {value}})
            answer = house.client(name).get({"of": of, parameter: value}, path=VALUES)
            assert answer.json == look_ups.answer(rows, of, ask, "", now=NOW, tenant=tenant)
    for query in (f"of={of}", f"of={of}&search=hall%202", f"of={of}&search=app%202&status=attended"):
        own, everyones = (
            house.client("teacher").get(query, path=VALUES),
            house.client("one").get(f"{query}&instructors=2", path=VALUES),
        )
        assert own.body == everyones.body or of == "instructors"
        assert house.client("three").get(query, path=VALUES).json == {"total": 0, "values": [], "missing": 0}
        assert house.client("one", 2).get(query, path=VALUES).error()[:2] == (403, "provider_invalid")
