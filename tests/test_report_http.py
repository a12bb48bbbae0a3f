"""The report on the wire, by hand: bytes, headers, formats, who may ask (sections 2.5 to 2.7, 3 and 9)."""

from __future__ import annotations

import gzip
import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jwt
import pytest

from inside import Inside, add_provider, import_file, new_store, token
from live import REPORT, Answer, parsed, raw
from oracle import calendar
from oracle.report import Tenant
from worlds import JWT_KEY, LATER, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Asking
    from oracle.data import Row
    from worlds import Studio, World

pytestmark = pytest.mark.any_store


NOW = calendar.micros("2026-06-01T22:30:00.5Z")
TENANT = Tenant(1, "Europe/Berlin", "monday")

FULL: Row = {
    "id": 7,
    "updated_at": "2024-07-29T15:51:28.071Z",
    "customer": {"id": 3, "name": 'Zoë, "Zo"', "email": "zoe@example.org", "thumbnail_url": "https://img.example/3.png"},
    "event": {"id": 11, "starts_at": "2024-07-29T18:00:00Z", "ends_at": "2024-07-29T19:00:00.000001Z", "name": "=Yoga", "type": "appointment"},
    "offering_type": {"id": 2, "name": "Yoga"},
    "venue": {"id": 5, "name": "Hall", "timezone": "Asia/Tokyo"},
    "instructors": [{"id": 9, "name": "émile"}, {"id": 8, "name": "Ann"}, {"id": 1, "name": "Emile"}],
    "booking_method": "membership",
    "customer_membership": {"id": 21, "membership": {"id": 4, "name": "Gold"}},
    "booking_source": {"id": 6, "name": "App"},
    "status": "attended",
    "checkin": {"ocurred_at": "2024-07-29T17:55:00.5Z"},
    "is_first_attendance": True,
}  # fmt: skip
BARE: Row = {
    "id": 8, "updated_at": "2024-07-30T00:00:00Z", "customer": {"id": 4}, "event": {"id": 12, "starts_at": "2024-07-28T18:00:00Z"}, "status": "no_show",
}  # fmt: skip

DOCUMENT = (
    '{"total":2,"column_headers":['
    '{"label":"ID","key":"id","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Updated At","key":"updated_at","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Customer ID","key":"customer.id","sortable":true,"holds_customer_id":true,"required":true},'
    '{"label":"Customer Name","key":"customer.name","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Customer Email","key":"customer.email","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Customer Thumbnail URL","key":"customer.thumbnail_url","sortable":false,"holds_customer_id":false,"required":false},'
    '{"label":"Event ID","key":"event.id","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Event Starts At","key":"event.starts_at","sortable":true,"holds_customer_id":false,"sorted":{"order":"desc","priority":0},"required":false},'
    '{"label":"Event Ends At","key":"event.ends_at","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Event Name","key":"event.name","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Offering Type ID","key":"offering_type.id","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Offering Type Name","key":"offering_type.name","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Venue ID","key":"venue.id","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Venue Name","key":"venue.name","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Instructors","key":"instructors","sortable":false,"holds_customer_id":false,"required":false},'
    '{"label":"Booking Method","key":"booking_method","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Customer Membership ID","key":"customer_membership.id","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Membership ID","key":"customer_membership.membership.id","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Membership Name","key":"customer_membership.membership.name","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Booking Source","key":"booking_source","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Status","key":"status","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"Checked In At","key":"checkin.ocurred_at","sortable":true,"holds_customer_id":false,"required":false},'
    '{"label":"First Attendance","key":"is_first_attendance","sortable":true,"holds_customer_id":false,"required":false}],'
    '"rows":[{"id":7,"updated_at":"2024-07-29T15:51:28.071Z","customer":{"id":3,"name":"Zoë, \\"Zo\\"","email":"zoe@example.org",'
    '"thumbnail_url":"https://img.example/3.png"},"event":{"id":11,"starts_at":"2024-07-29T18:00:00Z","ends_at":"2024-07-29T19:00:00.000001Z",'
    '"name":"=Yoga"},"offering_type":{"id":2,"name":"Yoga"},"venue":{"id":5,"name":"Hall"},"instructors":[{"id":8,"name":"Ann"},'
    '{"id":1,"name":"Emile"},{"id":9,"name":"émile"}],"booking_method":"membership","customer_membership":{"id":21,"membership":{"id":4,"name":"Gold"}},'
    '"booking_source":"App","status":"attended","checkin":{"ocurred_at":"2024-07-29T17:55:00.500Z"},"is_first_attendance":true},'
    '{"id":8,"updated_at":"2024-07-30T00:00:00Z","customer":{"id":4,"name":null,"email":null,"thumbnail_url":null},"event":{"id":12,'
    '"starts_at":"2024-07-28T18:00:00Z","ends_at":null,"name":null},"offering_type":null,"venue":null,"instructors":[],"booking_method":null,'
    '"customer_membership":null,"booking_source":null,"status":"no_show","checkin":null,"is_first_attendance":false}]}'
)  # fmt: skip
CSV = (
    "ID,Updated At,Customer ID,Customer Name,Customer Email,Customer Thumbnail URL,Event ID,Event Starts At,Event Ends At,Event Name,Offering Type ID,"
    "Offering Type Name,Venue ID,Venue Name,Instructors,Booking Method,Customer Membership ID,Membership ID,Membership Name,Booking Source,Status,"
    "Checked In At,First Attendance\r\n"
    '7,2024-07-29T15:51:28.071Z,3,"Zoë, ""Zo""",zoe@example.org,https://img.example/3.png,11,2024-07-29T18:00:00Z,2024-07-29T19:00:00.000001Z,\'=Yoga,2,Yoga,'
    "5,Hall,Ann; Emile; émile,membership,21,4,Gold,App,attended,2024-07-29T17:55:00.500Z,true\r\n"
    "8,2024-07-30T00:00:00Z,4,,,,12,2024-07-28T18:00:00Z,,,,,,,,,,,,,no_show,,false\r\n"
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    store = new_store(tmp_path_factory.mktemp("http"))
    add_provider(store, TENANT)
    add_provider(store, Tenant(2, "UTC", "sunday"))
    import_file(store, 1, [FULL, BARE])
    made = Inside(store, NOW, jwt_key=JWT_KEY, auth_failures="none")
    yield made
    made.close()
    store.close()


@pytest.fixture(scope="module")
def client(desk: Inside) -> Asking:
    return desk.as_(token(desk.store, 1))


def test_json_to_the_member(client: Asking) -> None:
    answer = client.get("format=json")
    assert answer.headers["content-type"] == "application/json"
    assert json.dumps(answer.json, sort_keys=True) == json.dumps(json.loads(DOCUMENT), sort_keys=True)
    assert list(answer.json) == ["total", "column_headers", "rows"]


def test_csv_to_the_byte(client: Asking) -> None:
    answer = client.get("format=csv")
    assert answer.body.decode() == CSV
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    # The provider's today, which began in Berlin already.
    assert 'filename="attendances-2026-06-02.csv"' in answer.headers["content-disposition"]
    assert answer.headers["x-total-count"] == "2"


def test_csv_options(client: Asking) -> None:
    query = "format=csv&columns=customer.name,event.name,instructors&sort=id&limit=1"
    assert (
        client.get(query).body.decode()
        == 'Customer ID,Customer Name,Event Name,Instructors\r\n3,"Zoë, ""Zo""",\'=Yoga,Ann; Emile; émile\r\n'
    )
    keys = client.get(query + "&csv_header=key&csv_escape=false&bom=true").body
    assert keys.startswith(b"\xef\xbb\xbfcustomer.id,customer.name,event.name,instructors\r\n")
    assert b",=Yoga," in keys


def test_a_zone_for_what_is_shown(client: Asking) -> None:
    rows = client.get("format=json&columns=event,updated_at,checkin&timezone=Asia/Kathmandu&sort=id").json["rows"]
    assert rows[0]["event"]["starts_at"] == "2024-07-29T23:45:00+05:45"
    assert rows[0]["event"]["ends_at"] == "2024-07-30T00:45:00.000001+05:45"
    assert rows[0]["checkin"]["ocurred_at"] == "2024-07-29T23:40:00.500+05:45"
    assert rows[1]["updated_at"] == "2024-07-30T05:45:00+05:45"
    assert (
        client.get("format=json&columns=updated_at&timezone=UTC&sort=id").json["rows"][1]["updated_at"]
        == "2024-07-30T00:00:00+00:00"
    )


def test_extension_columns_only_when_named(client: Asking) -> None:
    answer = client.get("format=json&columns=event,event_type,booking_source_id&sort=id").json
    assert [(one["key"], one["label"], one["sortable"]) for one in answer["column_headers"]][5:] == [
        ("event.type", "Event Type", True), ("booking_source_id", "Booking Source ID", True),
    ]  # fmt: skip
    assert answer["rows"][0]["event"]["type"] == "appointment"
    assert [row["booking_source_id"] for row in answer["rows"]] == [6, None]


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ("id", {"customer": {"id": 4}, "id": 8}),
        ("venue.name", {"customer": {"id": 4}, "venue": None}),
        ("customer_membership.membership.name", {"customer": {"id": 4}, "customer_membership": None}),
        ("checkin,instructors", {"customer": {"id": 4}, "checkin": None, "instructors": []}),
        ("event.ends_at", {"customer": {"id": 4}, "event": {"ends_at": None}}),
    ],
)
def test_rows_have_just_the_selected_members(client: Asking, columns: str, row: Row) -> None:
    assert client.get({"format": "json", "columns": columns, "customers": 4}).json["rows"] == [row]


def test_the_published_address_and_its_spellings(client: Asking) -> None:
    """With one slash and two, and with one at the end; HEAD like GET."""
    wanted = client.get("format=json").body
    for path in (
        "/api/v2/reports/attendances/data",
        "/api/v2//reports/attendances/data",
        REPORT + "/",
        "/api/v2//reports/attendances/data/",
    ):
        assert client.get("format=json", path=path).body == wanted
        assert client.get("format=json", path=path, method="HEAD").body == b""


def test_the_published_program_runs_unchanged(studio: Studio) -> None:
    """The example of the published page, with another host."""
    parts = urlsplit(studio.server.url)
    conn = http.client.HTTPConnection(parts.hostname or "", parts.port)
    payload = ""
    headers = {"Accept": "application/json", "Authorization": f"Bearer {studio.tokens['one']}"}
    conn.request("GET", "/api/v2/reports/attendances/data", payload, headers)
    res = conn.getresponse()
    data = json.loads(res.read().decode("utf-8"))
    conn.close()
    assert set(data) == {"total", "column_headers", "rows"}


ACCEPT = {
    "": "csv", "*/*": "csv", "text/csv": "csv", "text/*": "csv", "application/json": "json", "application/*": "json", "application/json, text/csv": "csv",
    "text/csv, application/json": "csv", "application/json;q=1, text/csv;q=0.9": "json", "application/json;q=0.5, text/csv;q=0.9": "csv",
    "application/json, text/plain, */*": "json", "text/html, application/json;q=0.9, */*;q=0.8": "json", "text/csv;q=0, */*": "json", "application/json;q=0, */*": "csv",
    "application/json; charset=utf-8; indent=2": "json", "APPLICATION/JSON": "json", "text/csv;header=present": "csv", "application/json;q=0.001, image/png": "json",
    "*/*;q=0.1, application/json;q=0.2": "json", "*/*, application/*;q=0.5": "csv", "text/csv, */*": "csv", "text/*;q=0.3, application/json;q=0.4": "json",
    "text/*, application/json": "json", "application/*, text/csv": "csv",
}  # fmt: skip


@pytest.mark.parametrize("accept", ACCEPT)
def test_accept(client: Asking, accept: str) -> None:
    answer = client.get("", {"Accept": accept} if accept else {"Accept": ""})
    assert answer.headers["content-type"].startswith({"csv": "text/csv", "json": "application/json"}[ACCEPT[accept]])


@pytest.mark.parametrize("accept", ["image/png", "text/csv", "*/*;q=0"])
def test_format_wins_over_accept(client: Asking, accept: str) -> None:
    assert client.get("format=json", {"Accept": accept}).headers["content-type"] == "application/json"


def test_headers_of_every_answer(client: Asking) -> None:
    for query in ("format=json", "format=csv", "limit=0"):
        headers = client.get(query).headers
        assert headers["cache-control"] == "private, no-cache"
        assert {one.strip() for one in headers["vary"].split(",")} == {
            "Accept",
            "Accept-Encoding",
            "Authorization",
            "TeamUp-Provider-ID",
        }
        assert headers["x-total-count"] == "2"
        assert "access-control-allow-origin" not in client.get(query, {"Origin": "https://elsewhere.example"}).headers


def test_request_ids(client: Asking) -> None:
    """Echoed, or made; on errors too."""
    for query in ("limit=1", "foo=1"):
        assert client.get(query, {"X-Request-ID": "abc-123"}).headers["x-request-id"] == "abc-123"
        made = {client.get(query).headers["x-request-id"] for _ in range(3)}
        assert len(made) == 3


def test_etags(client: Asking) -> None:
    """Of the body: other bodies have others, the same body the same; weak and listed ones count; 304 has no body."""
    as_json, as_csv = client.get("format=json"), client.get("format=csv")
    assert as_json.headers["etag"] != as_csv.headers["etag"]
    assert client.get("format=json&limit=49").headers["etag"] == as_json.headers["etag"]
    assert client.get("format=json&limit=1").headers["etag"] != as_json.headers["etag"]
    tag = as_json.headers["etag"]
    for given in (tag, f"W/{tag.removeprefix('W/')}", f'"x", {tag}', f'"x",{tag},"y"', "*"):
        again = client.get("format=json", {"If-None-Match": given})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "private, no-cache"
        assert "content-type" not in again.headers or again.headers.get("content-length", "0") in {
            "0",
            str(len(as_json.body)),
        }
    for given in ('"x"', tag.strip('W/"'), as_csv.headers["etag"]):
        assert client.get("format=json", {"If-None-Match": given}).status == 200
    assert client.get("foo=1", {"If-None-Match": "*"}).status == 400


def test_an_etag_changes_with_the_data(desk: Inside) -> None:
    client = desk.as_(token(desk.store, 2))
    import_file(desk.store, 2, [BARE])
    before = client.get("format=json")
    import_file(desk.store, 2, [{**BARE, "updated_at": "2024-08-01T00:00:00Z", "status": "attended"}])
    after = client.get("format=json", {"If-None-Match": before.headers["etag"]})
    assert after.status == 200
    assert after.headers["etag"] != before.headers["etag"]


def _on_the_wire(world: World, headers: dict[str, str]) -> Answer:
    return world.clients[0].get("limit=100&format=json&include_future=1", headers)


def test_compression(world: World) -> None:
    plain = _on_the_wire(world, {"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for accepted in ("gzip", "gzip, deflate, br", "br;q=0.1, gzip;q=0.5", "*", "deflate, GZIP"):
        packed = _on_the_wire(world, {"Accept-Encoding": accepted})
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body)
        assert int(packed.headers["content-length"]) == len(packed.body)
        again = _on_the_wire(world, {"Accept-Encoding": accepted, "If-None-Match": packed.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
    for refused in ("gzip;q=0", "identity", "br", "gzip;q=0, *;q=0", "identity, gzip;q=0"):
        answer = _on_the_wire(world, {"Accept-Encoding": refused})
        assert (answer.body, answer.headers.get("content-encoding")) == (plain.body, None)


# Prefer (RFC 7240) and unknown parameters.


def test_lenient_handling_ignores_and_says_so(client: Asking) -> None:
    answer = client.get("format=json&foo=1&bar[]=2&limit=1&foo=3", {"Prefer": "handling=lenient"})
    assert answer.status == 200
    assert len(answer.json["rows"]) == 1
    assert answer.headers["preference-applied"] == "handling=lenient"
    assert answer.headers["x-ignored-parameters"].replace("%5B", "[").replace("%5D", "]") == "foo, bar[]"


@pytest.mark.parametrize(
    "prefer", ["handling=lenient", "respond-async, handling=lenient", 'HANDLING="lenient"; x=y', "handling = lenient"]
)
def test_spellings_of_lenient(client: Asking, prefer: str) -> None:
    assert client.get("foo=1", {"Prefer": prefer}).status == 200


@pytest.mark.parametrize("prefer", ["handling=strict", "lenient", "handling=foo", "return=minimal", ""])
def test_without_lenient_unknown_is_an_error(client: Asking, prefer: str) -> None:
    assert client.get("foo=1", {"Prefer": prefer}).error() == (400, "parameter_invalid", {"foo"})


def test_lenient_does_not_excuse_wrong_values(client: Asking) -> None:
    answer = client.get("foo=1&limit=x&sort=y", {"Prefer": "handling=lenient"})
    assert answer.error() == (400, "parameter_invalid", {"limit", "sort"})


def test_the_setting_makes_lenient_the_default(desk: Inside) -> None:
    lenient = Inside(desk.store, NOW, unknown_parameters="ignore")
    client = lenient.as_(token(desk.store, 1))
    assert client.get("foo=1&format=json").headers["x-ignored-parameters"] == "foo"
    assert client.get("foo=1", {"Prefer": "handling=strict"}).error() == (400, "parameter_invalid", {"foo"})
    lenient.close()


# Who may ask.


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "JWT", "token", "BEARER", "jWt"])
def test_schemes_in_any_case_for_both_kinds_of_credential(desk: Inside, scheme: str) -> None:
    for text in (token(desk.store, 1), signed()):
        assert desk.send("GET", REPORT, {"Authorization": f"{scheme} {text}"}).status == 200


def _with_claims(desk: Inside, **claims: Any) -> Answer:
    return desk.as_(signed(**claims)).get("format=json")


def test_roles(desk: Inside) -> None:
    for role in ("super_admin", "attendances"):
        assert _with_claims(desk, role=role).json["total"] == 2
        assert desk.as_(token(desk.store, 1, role=role)).get("format=json").json["total"] == 2
    own = _with_claims(desk, role="instructor_attendances", instructor=8)
    assert [row["id"] for row in own.json["rows"]] == [7]
    assert _with_claims(desk, role="instructor_attendances", instructor=99).json["total"] == 0
    assert _with_claims(desk, role="instructor_attendances").error()[:2] == (403, "permission_denied")
    for role in ("customers", "", "Attendances", "admin"):
        assert _with_claims(desk, role=role).error()[:2] == (403, "permission_denied")


def test_claims_of_a_jwt(desk: Inside) -> None:
    assert _with_claims(desk, exp=LATER).status == 200
    assert _with_claims(desk, providers=[1, 2]).error()[:2] == (400, "provider_header_missing")
    assert desk.as_(signed(providers=[1, 2]), 2).get("limit=0").status == 200
    assert desk.as_(signed(providers=[1]), 2).get("limit=0").error()[:2] == (403, "provider_invalid")
    assert _with_claims(desk, exp=1).error()[:2] == (401, "authentication_failed")
    for text in (
        signed()[:-2], signed().replace(".", "x", 1), signed() + "A", ".".join(signed().split(".")[:2]) + ".",
        jwt.encode({"exp": LATER, "providers": [1], "role": "attendances"}, "another key that is long enough for it", "HS256"),
        jwt.encode({"providers": [1], "role": "attendances"}, JWT_KEY, "HS256"),
        jwt.encode({"exp": LATER, "providers": [1], "role": "attendances"}, JWT_KEY * 2, "HS512"),
        jwt.encode({"exp": LATER, "providers": [1], "role": "attendances"}, None, "none"),
    ):  # fmt: skip
        assert desk.as_(text).get("limit=0").error()[:2] == (401, "authentication_failed"), text


def test_a_revoked_token_is_refused_from_the_next_request_on(desk: Inside) -> None:
    client = desk.as_(token(desk.store, 1))
    assert client.get("limit=0").status == 200
    desk.store.revoke_token(max(one.id for one in desk.store.tokens()), NOW)
    refused = client.get("limit=0")
    assert refused.error()[:2] == (401, "authentication_failed")
    assert refused.headers["www-authenticate"]


def test_a_token_expires_at_its_moment(desk: Inside) -> None:
    client = desk.as_(token(desk.store, 1, expires_in="1h", now=NOW))
    try:
        desk.now = NOW + 3_600_000_000 - 1
        assert client.get("limit=0").status == 200
        desk.now = NOW + 3_600_000_000
        assert client.get("limit=0").error()[:2] == (401, "authentication_failed")
    finally:
        desk.now = NOW


def test_a_header_for_a_single_provider_is_optional(desk: Inside) -> None:
    text = token(desk.store, 1)
    assert desk.as_(text).get("format=json").body == desk.as_(text, 1).get("format=json").body
    for mode in ("provider", ""):
        assert desk.as_(text).get("limit=0", {"TeamUp-Request-Mode": mode}).status == 200


def test_failed_authentications_are_limited_and_good_ones_are_not(desk: Inside) -> None:
    strict = Inside(desk.store, NOW, auth_failures="3/min")
    text = token(desk.store, 1)
    statuses = [strict.as_("tk_wrong").get("limit=0").status for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    refused = strict.as_("tk_wrong").get("limit=0")
    assert refused.error()[:2] == (429, "throttled")
    assert int(refused.headers["retry-after"]) > 0
    assert strict.as_(text).get("limit=0").status == 200
    strict.close()


def test_a_limit_for_each_token(desk: Inside) -> None:
    strict = Inside(desk.store, NOW, token_rate="3/min")
    one, other = token(desk.store, 1), token(desk.store, 1)
    answers = [strict.as_(one).get("limit=0") for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].error()[:2] == (429, "throttled")
    assert int(answers[-1].headers["retry-after"]) > 0
    assert strict.as_(other).get("limit=0").status == 200
    strict.close()


# Edges.


def test_the_ends_of_time(desk: Inside) -> None:
    """Dates of years 1 and 9999 are dates like any other: in rows, filters, order, and in every zone."""
    add_provider(desk.store, Tenant(3, "Pacific/Kiritimati", "monday"))
    ends = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")
    import_file(
        desk.store,
        3,
        [{**BARE, "id": place, "event": {"id": place, "starts_at": text}} for place, text in enumerate(ends, 1)],
    )
    client = desk.as_(token(desk.store, 3))
    rows = client.get("format=json&include_future=true&sort=event.starts_at&columns=event.starts_at").json["rows"]
    assert [row["event"]["starts_at"] for row in rows] == list(ends)
    for query, total in (
        ("event_start_gte=0001-01-01&timezone=UTC", 2), ("event_start_lte=0001-01-01&timezone=UTC", 1), ("event_start_gte=9999-12-31&timezone=UTC", 1),
        ("event_start_lte=9999-12-31&timezone=UTC", 2), ("event_start_gte=9999-12-31T23:59:59.999999Z", 1), ("event_timeframe=9999&timezone=UTC", 1),
        ("event_timeframe=0001&timezone=UTC", 1), ("event_timeframe=0001-01-01..9999-12-31&timezone=UTC", 2), ("event_timeframe=9999-12-31..&timezone=UTC", 1),
    ):  # fmt: skip
        assert client.get(f"{query}&include_future=1&format=json").json["total"] == total, query
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "UTC"):
        for form in ("json", "csv"):
            answer = client.get(
                {"include_future": "1", "timezone": zone, "format": form, "limit": 1, "sort": "event.starts_at"}
            )
            assert answer.status == 200, answer.body
            assert client.follow(answer.links["next"]).status == 200


def test_an_event_that_starts_this_very_moment_has_started(desk: Inside) -> None:
    add_provider(desk.store, Tenant(4, "UTC", "monday"))
    for place, shift in enumerate((-1, 0, 1), 1):
        import_file(
            desk.store, 4, [{**BARE, "id": place, "event": {"id": place, "starts_at": calendar.text_of(NOW + shift)}}]
        )
    client = desk.as_(token(desk.store, 4))
    assert [row["id"] for row in client.get("format=json&sort=id&columns=id").json["rows"]] == [1, 2]
    assert client.get("format=json&include_future=true").json["total"] == 3
    assert client.get("format=json&event_timeframe=today").json["total"] == 2
    assert client.get("format=json&event_timeframe=today&include_future=1").json["total"] == 3
    assert client.get("format=json&event_timeframe=year_to_date&include_future=1").json["total"] == 1
    moment = calendar.text_of(NOW)
    assert (
        client.get(f"format=json&include_future=1&event_start_gte={moment}&event_start_lte={moment}").json["total"] == 1
    )


def test_clock_changes(desk: Inside) -> None:
    """A local time that is skipped moves forward by the gap; one that happens twice is the first; days keep to the clock."""
    add_provider(desk.store, Tenant(5, "Europe/Berlin", "monday"))
    starts = (
        "2025-03-30T00:59:59Z",
        "2025-03-30T01:00:00Z",
        "2025-03-30T01:30:00Z",
        "2025-10-26T00:30:00Z",
        "2025-10-26T01:30:00Z",
        "2025-10-26T23:00:00Z",
    )
    import_file(
        desk.store,
        5,
        [{**BARE, "id": place, "event": {"id": place, "starts_at": text}} for place, text in enumerate(starts, 1)],
    )
    client = desk.as_(token(desk.store, 5))
    for query, ids in (
        ("event_start_gte=2025-03-30T02:30:00&event_start_lte=2025-03-30", [3]), ("event_start_gte=2025-03-30T02:00&event_start_lte=2025-03-30", [2, 3]),
        ("event_start_gte=2025-10-26T02:30:00&event_start_lte=2025-10-26", [4, 5]), ("event_start_lte=2025-10-26T02:30:00&event_start_gte=2025-10-26", [4]),
        ("event_timeframe=2025-10-26", [4, 5]), ("event_timeframe=2025-03-30", [1, 2, 3]), ("event_start_gte=2025-10-27&event_start_lte=2025-10-27", [6]),
        ("event_start_gte=2025-10-26T01:30:00+00:00&event_start_lte=2025-10-26T01:30:00Z", [5]),
    ):  # fmt: skip
        rows = client.get(f"{query}&format=json&sort=id&columns=id").json["rows"]
        assert [row["id"] for row in rows] == ids, query


def test_days_whose_midnight_is_skipped(desk: Inside) -> None:
    """Cairo, 26 April 2024: the clock goes from 23:59:59 on the 25th to 01:00; the 26th begins there."""
    add_provider(desk.store, Tenant(6, "Africa/Cairo", "monday"))
    starts = ("2024-04-25T21:59:59Z", "2024-04-25T22:00:00Z")
    import_file(
        desk.store,
        6,
        [{**BARE, "id": place, "event": {"id": place, "starts_at": text}} for place, text in enumerate(starts, 1)],
    )
    client = desk.as_(token(desk.store, 6))
    answer = client.get("event_timeframe=2024-04-26&format=json&columns=id")
    assert answer.headers["x-timeframe"] == "2024-04-26T01:00:00+03:00/2024-04-27T00:00:00+03:00"
    assert [row["id"] for row in answer.json["rows"]] == [2]
    for query, ids in (("event_start_lte=2024-04-25", [1]), ("event_start_gte=2024-04-26", [2])):
        assert [row["id"] for row in client.get(f"{query}&format=json&columns=id").json["rows"]] == ids


def test_a_day_that_a_zone_left_out(desk: Inside) -> None:
    """Apia had no 30 December 2011."""
    client = desk.as_(token(desk.store, 1))
    answer = client.get("event_timeframe=2011-12-30&timezone=Pacific/Apia&limit=0")
    assert answer.headers["x-timeframe"] == "2011-12-31T00:00:00+14:00/2011-12-31T00:00:00+14:00"


def test_offsets_before_standard_time_are_rounded(desk: Inside) -> None:
    """Local mean time: London was 75 seconds behind until 1847; the offset is whole minutes, and the instant is kept."""
    add_provider(desk.store, Tenant(7, "UTC", "monday"))
    import_file(desk.store, 7, [{**BARE, "event": {"id": 1, "starts_at": "1840-01-01T12:00:00Z"}}])
    rows = desk.as_(token(desk.store, 7)).get("format=json&timezone=Europe/London&columns=event.starts_at").json["rows"]
    assert rows[0]["event"]["starts_at"] == "1840-01-01T11:59:00-00:01"


def test_pipelined_requests_are_answered_in_order(studio: Studio) -> None:
    """Two requests in one packet: two answers."""
    line = f"GET {REPORT}?limit=%d&format=json HTTP/1.1\r\nHost: x\r\nAuthorization: Token {studio.tokens['one']}\r\n"
    found = raw(studio.server.url, (line % 0 + "\r\n" + line % 1 + "Connection: close\r\n\r\n").encode())
    first = parsed(found)
    length = int(first.headers["content-length"])
    second = parsed(first.body[length:])
    assert len(json.loads(first.body[:length])["rows"]) == 0
    assert len(second.json["rows"]) == 1
