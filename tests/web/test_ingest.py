"""Rows over HTTP: checked and merged as from a file, on disk when they are answered, never half."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from inside import Inside, add_provider, new_store, token
from oracle.report import Tenant
from turnout.arrivals import check
from turnout.imports import import_rows
from turnout.query.instants import format_utc
from turnout.query.sql import Statement
from turnout.settings import Settings
from turnout.store.base import Provider
from turnout.store.open import open_store
from turnout.web.app import create_app
from turnout.web.body import _Unpacking
from turnout.web.context import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Answer
    from turnout.store.base import Store

pytestmark = pytest.mark.any_store


SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND
DAY = 86_400 * SECOND
PATH = "/ingest/v1/attendances"
NDJSON = "application/x-ndjson"


def row(row_id: int, version: int = 1, **members: object) -> dict[str, Any]:
    plain = {"id": row_id, "updated_at": format_utc(NOW - DAY + version * SECOND), "status": "attended"}
    event = {"id": row_id, "starts_at": format_utc(NOW - row_id * SECOND)}
    return {**plain, "customer": {"id": row_id}, "event": event, **members}


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


CSV = "\r\n".join(
    [
        "id,updated_at,customer.id,event.id,event.starts_at,status",
        *(f"{n},{row(n)['updated_at']},{n},{n},{row(n)['event']['starts_at']},attended" for n in (1, 2)),
    ]
).encode()


class Ingest:
    """An application with two providers, and a token for the first."""

    def __init__(self, store: Store) -> None:
        self.store = store
        for number in (1, 2):
            add_provider(store, Tenant(number, "Europe/Berlin", "monday"))
        self.app = Inside(store, NOW, max_body=1_000_000)
        self.client = self.app.as_(token(store, 1, role="super_admin"), 1)

    def post(self, body: bytes, query: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.send("POST", PATH + query, {"Content-Type": NDJSON, **named}, body)

    def delete(self, id_: object) -> Answer:
        return self.client.send("DELETE", f"{PATH}/{id_}")

    def ids(self) -> list[int]:
        answer = self.client.send("GET", "/api/v2/reports/attendances/data?format=json&sort=id&columns=id")
        return [found["id"] for found in answer.json["rows"]]


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    with closing(new_store(tmp_path)) as store:
        made = Ingest(store)
        with closing(made.app):
            yield made


def test_rows_are_created_updated_and_left_unchanged(ingest: Ingest) -> None:
    answer = ingest.post(lines(row(1), row(2)))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"created": 2, "updated": 0, "unchanged": 0, "rejected": [], "rejected_count": 0}
    answer = ingest.post(lines(row(1, 2), row(2), row(3)))
    assert answer.json == {"created": 1, "updated": 1, "unchanged": 1, "rejected": [], "rejected_count": 0}
    assert ingest.ids() == [1, 2, 3]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (lines(row(1), row(2)), "application/x-ndjson"),
        (lines(row(1), row(2)), "application/ndjson; charset=UTF-8"),
        (json.dumps([row(1), row(2)]).encode(), "application/json"),
        (json.dumps({"total": 2, "rows": [row(1), row(2)]}).encode(), "Application/JSON"),
        (CSV, "text/csv"),
        (CSV, "application/json"),
        (lines(row(1), row(2)), "text/csv"),
        (gzip.compress(lines(row(1), row(2))), "application/octet-stream"),
    ],
)
def test_forms_of_a_body(ingest: Ingest, body: bytes, media_type: str) -> None:
    assert ingest.post(body, Content_Type=media_type).json["created"] == 2
    assert ingest.post(gzip.compress(body), Content_Type=media_type, Content_Encoding="gzip").json["unchanged"] == 2
    two = gzip.compress(body[:40]) + gzip.compress(body[40:])
    assert ingest.post(two, Content_Type=media_type, Content_Encoding="x-gzip").json["unchanged"] == 2


def test_one_bad_row_leaves_everything_as_it_was(ingest: Ingest) -> None:
    bad = [row(2, status="there"), {"id": "x"}]
    answer = ingest.post(lines(row(1), *bad))
    assert (answer.status, answer.json["code"]) == (400, "rows_rejected")
    assert answer.json["rejected_count"] == 2
    assert [(found["line"], found["column"]) for found in answer.json["rejected"]] == [(2, "status"), (3, "id")]
    assert all(found["reason"] for found in answer.json["rejected"])
    assert answer.json["field_errors"] == {"non_field_errors": []}
    assert ingest.ids() == []


def test_a_body_that_cannot_be_read_on(ingest: Ingest) -> None:
    answer = ingest.post(b"[{},")
    assert answer.json["message"] == "The body cannot be read beyond line 1; nothing was changed."


def test_a_body_of_bad_rows_alone_is_not_read_to_its_end(ingest: Ingest) -> None:
    answer = ingest.post(gzip.compress(b"{}\n" * 30_000), Content_Encoding="gzip")
    assert (answer.status, answer.json["code"]) == (400, "rows_rejected")
    assert 10_000 <= answer.json["rejected_count"] < 11_000
    assert answer.json["message"].startswith(f"At least {answer.json['rejected_count']:,} rows were rejected")
    assert len(answer.json["rejected"]) == 100


@pytest.mark.parametrize("query", ["", "&dry_run=true"], ids=["in memory", "as a file"])
def test_nothing_is_checked_for_a_client_that_has_gone(ingest: Ingest, query: str) -> None:
    body = b"{}\n" * 30_000
    messages: list[dict[str, object]] = []
    sent = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, object]:
        return sent[0] if len(sent) == 1 else sent.pop(0)

    async def send(message: dict[str, object]) -> None:
        messages.append(message)

    headers = {"content-type": NDJSON, "authorization": f"Token {token(ingest.store, 1, role='super_admin')}"}
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"partial=true" + query.encode(),
    }
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    app = create_app(ingest.store, Settings())
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    assert messages == []


def test_partial_takes_the_good_rows(ingest: Ingest) -> None:
    answer = ingest.post(lines(row(1), row(2, status="there"), row(3)), "?partial=true")
    assert answer.status == 200
    assert (answer.json["created"], answer.json["rejected_count"]) == (2, 1)
    assert answer.json["rejected"][0]["line"] == 2
    assert ingest.ids() == [1, 3]


def test_the_first_hundred_bad_rows_are_listed(ingest: Ingest) -> None:
    answer = ingest.post(lines(*({"id": number} for number in range(1, 151))))
    assert (len(answer.json["rejected"]), answer.json["rejected_count"]) == (100, 150)


def test_a_dry_run_changes_nothing(ingest: Ingest) -> None:
    assert ingest.post(lines(row(1)), "?dry_run=1").json["created"] == 1
    assert ingest.ids() == []


def test_an_empty_body_has_no_rows(ingest: Ingest) -> None:
    assert ingest.post(b"").json["created"] == 0


def test_what_is_packed_inside_is_never_taken_for_small(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes may be very many rows, which are not to be held in memory."""
    packed = gzip.compress(lines(row(1)))
    monkeypatch.setattr("turnout.arrivals.check", None)
    monkeypatch.setattr("turnout.web.body.SMALL", len(packed) + 10)
    assert ingest.post(packed).json["created"] == 1
    assert ingest.post(gzip.compress(packed), Content_Encoding="gzip").json["unchanged"] == 1


def test_what_is_packed_and_how(ingest: Ingest) -> None:
    packed = gzip.compress(lines(row(1)))
    for body, headers in (
        (gzip.compress(packed), {}),
        (gzip.compress(gzip.compress(packed)), {"Content_Encoding": "gzip"}),
        (packed[:-9], {}),
        (packed[:2], {}),
        (packed + b"\0x", {}),
        (gzip.compress(packed[:-9]), {"Content_Encoding": "gzip"}),
    ):
        answer = ingest.post(body, **headers)
        assert (answer.status, answer.json["code"]) == (400, "parameter_invalid")
        assert "The gzip data is damaged: " in answer.json["field_errors"]["non_field_errors"][0]
    assert ingest.ids() == []
    for body, headers in (
        (packed + bytes(20), {}),
        (packed + bytes(20) + gzip.compress(lines(row(1))) + bytes(1), {"Content_Encoding": "gzip"}),
        # Of a packed file only the first byte, and then the rest.
        (gzip.compress(packed[:1]) + gzip.compress(packed[1:]), {"Content_Encoding": "gzip"}),
        (gzip.compress(b"") * 3 + packed, {}),
    ):
        assert ingest.post(body, **headers).status == 200
    assert ingest.ids() == [1]
    for body in (b"", gzip.compress(b"")):
        assert ingest.post(body, Content_Encoding="gzip").json["created"] == 0


@pytest.mark.parametrize("size", [1, 2, 3, 10_000])
@pytest.mark.parametrize("text", [b"", b"x", b"\x1f", b"xy", b"some text that is longer"])
def test_pieces_of_any_size(text: bytes, size: int) -> None:
    packed = gzip.compress(text)
    for file, inside in ((text, text), (packed, text), (packed + packed + bytes(3), text + text)):
        for encoding, sent in (("", file), ("gzip", gzip.compress(file))):
            unpacking = _Unpacking(encoding, 1_000_000)
            pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
            found = b"".join(part for piece in pieces for part in unpacking.parts(piece)) + unpacking.end()
            assert found == inside


def test_nothing_between_two_packings_is_without_a_limit(ingest: Ingest) -> None:
    """A file's head may hold a long name, and a file very many empty members, of which nothing is left in the end."""
    members = gzip.compress(b"") * 60_000
    assert len(members) > 1_000_000 > len(gzip.compress(members))
    answer = ingest.post(gzip.compress(members), Content_Encoding="gzip")
    assert answer.json["message"] == "The unpacked body is larger than 1000000 bytes."


@pytest.mark.parametrize(
    ("query", "name", "expected"),
    [
        ("?partail=true", "partail", "Did you mean 'partial'?"),
        ("?partial=maybe", "partial", "'true', 'false'"),
        ("?partial=1&partial=0", "partial", "more than once"),
        ("?partial[]=1", "partial[]", "takes one value"),
    ],
)
def test_parameters_are_checked(ingest: Ingest, query: str, name: str, expected: str) -> None:
    answer = ingest.post(lines(row(1)), query)
    assert (answer.status, answer.json["code"]) == (400, "parameter_invalid")
    assert expected in answer.json["field_errors"][name][0]
    assert ingest.ids() == []


@pytest.mark.parametrize(
    ("media_type", "said"),
    [
        ("", "is not one of application/x-ndjson, application/ndjson, "),
        ("text/plain", "is not one of "),
        ("multipart/form-data; charset=latin-1", "is not one of "),
        (
            "application/json; charset=latin-1",
            "The charset of the Content-Type 'application/json; charset=latin-1' must be utf-8, ",
        ),
        ('text/csv;charset="UTF-16"', "must be utf-8, "),
        ("application/json; version=2", "must be utf-8, and there is no other parameter."),
    ],
)
def test_media_types_that_are_not_understood(ingest: Ingest, media_type: str, said: str) -> None:
    answer = ingest.post(lines(row(1)), Content_Type=media_type)
    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")
    assert said in answer.json["message"]


def test_encodings_that_are_not_understood(ingest: Ingest) -> None:
    answer = ingest.post(lines(row(1)), Content_Encoding="br")
    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")
    for damaged in (b"no gzip", gzip.compress(lines(row(1)))[:-9]):
        answer = ingest.post(damaged, Content_Encoding="gzip")
        assert (answer.status, answer.json["code"]) == (400, "parameter_invalid")
    assert ingest.ids() == []


@pytest.mark.parametrize("packed", [0, 1, 2])
@pytest.mark.parametrize("told", [False, True])
def test_a_body_that_is_too_large_is_refused(ingest: Ingest, packed: int, *, told: bool) -> None:
    """Whether or not a header says that it is packed."""
    if told > packed or packed - told > 1:
        return
    body = lines(row(1)) + b" " * 1_000_000
    for _ in range(packed):
        body = gzip.compress(body)
    answer = ingest.post(body, **({"Content_Encoding": "gzip"} if told else {}))
    assert (answer.status, answer.json["code"]) == (413, "request_too_large")
    assert answer.json["message"] == f"The {'unpacked ' if packed else ''}body is larger than 1000000 bytes."
    assert ingest.ids() == []


def test_who_may_write(ingest: Ingest) -> None:
    store, app = ingest.store, ingest.app
    for role, status in (("attendances", 403), ("super_admin", 200)):
        client = app.as_(token(store, 1, role=role), 1)
        answer = client.send("POST", PATH, {"Content-Type": NDJSON}, lines(row(1)))
        assert answer.status == status
        if status == 403:
            refused = [answer, client.send("DELETE", f"{PATH}/1"), client.send("GET", "/ingest/v1/uploads/abcdefgh")]
            assert {each.json["message"] for each in refused} == {"Ingest needs the role super_admin."}
    assert app.as_(token(store, 2, role="super_admin"), 1).send("POST", PATH, {}, b"").status == 403
    assert app.send("POST", PATH, {}, b"").status == 401
    assert app.as_(token(store, 2, role="super_admin"), 2).send("DELETE", f"{PATH}/1").status == 404
    assert ingest.ids() == [1]
    assert ingest.client.send("GET", PATH).status == 405


def test_the_header_chooses_the_provider(ingest: Ingest) -> None:
    both = token(ingest.store, 1, 2, role="super_admin")
    answer = ingest.app.as_(both).send("POST", PATH, {"Content-Type": NDJSON}, lines(row(7)))
    assert answer.json["code"] == "provider_header_missing"
    assert ingest.app.as_(both, 2).send("POST", PATH, {"Content-Type": NDJSON}, lines(row(7))).status == 200
    assert ingest.ids() == []


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("provider", 200, None),
        ("customer", 403, "mode_not_allowed"),
        ("Provider", 400, "mode_header_invalid"),
        ("x", 400, "mode_header_invalid"),
    ],
)
def test_the_mode_is_looked_at_before_the_provider(ingest: Ingest, mode: str, status: int, code: str | None) -> None:
    answer = ingest.post(lines(row(1)), TeamUp_Request_Mode=mode)
    assert (answer.status, answer.json.get("code")) == (status, code)
    assert ingest.ids() == ([] if code else [1])
    if code:
        answer = ingest.client.send("DELETE", f"{PATH}/1", {"TeamUp-Request-Mode": mode, "TeamUp-Provider-ID": "x"})
        assert (answer.status, answer.json["code"]) == (status, code)


def test_the_provider_is_looked_at_before_the_role(ingest: Ingest) -> None:
    reader = ingest.app.as_(token(ingest.store, 1, 2, role="attendances"))
    assert reader.send("POST", PATH, {"Content-Type": NDJSON}, b"").json["code"] == "provider_header_missing"


def test_a_row_is_deleted(ingest: Ingest) -> None:
    ingest.post(lines(row(1, customer={"id": 5}), row(2, customer={"id": 5})))
    assert ingest.delete(2).status == 204  # the earlier of the two
    assert ingest.ids() == [1]
    answer = ingest.client.send("GET", "/api/v2/reports/attendances/data?format=json")
    assert answer.json["rows"][0]["is_first_attendance"] is True
    assert ingest.delete(2).json["code"] == "not_found"
    assert ingest.post(lines(row(2))).json["created"] == 1


@pytest.mark.parametrize("id_", ["0", "-1", "x", "9223372036854775808", "1.0", "٣"])
def test_ids_that_no_row_has(ingest: Ingest, id_: str) -> None:
    assert ingest.delete(id_).status == 404


def test_a_deletion_takes_no_parameters(ingest: Ingest) -> None:
    ingest.post(lines(row(1)))
    answer = ingest.client.send("DELETE", f"{PATH}/1?force=1")
    assert (answer.status, "force" in answer.json["field_errors"]) == (400, True)
    assert ingest.ids() == [1]


def test_the_same_key_is_carried_out_once(ingest: Ingest) -> None:
    first = ingest.post(lines(row(1)), Idempotency_Key="abc")
    again = ingest.post(lines(row(1)), Idempotency_Key="abc")
    assert (again.status, again.body) == (200, first.body)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    packed = ingest.post(gzip.compress(lines(row(1))), Idempotency_Key="abc", Content_Encoding="gzip")
    assert (packed.status, packed.body) == (200, first.body)  # the same rows, however they are sent
    other = ingest.post(lines(row(2)), Idempotency_Key="abc")
    assert (other.status, other.json["code"]) == (409, "conflict")
    assert ingest.post(lines(row(1)), "?partial=true", Idempotency_Key="abc").status == 409
    assert ingest.ids() == [1]


def test_a_key_belongs_to_its_token_and_lives_for_a_day(ingest: Ingest) -> None:
    ingest.post(lines(row(1)), Idempotency_Key="abc")
    other = ingest.app.as_(token(ingest.store, 1, role="super_admin"), 1)
    answer = other.send("POST", PATH, {"Content-Type": NDJSON, "Idempotency-Key": "abc"}, lines(row(2)))
    assert answer.json["created"] == 1
    ingest.app.now = NOW + DAY
    assert ingest.post(lines(row(3)), Idempotency_Key="abc").status == 409
    ingest.app.now = NOW + DAY + 1
    assert ingest.post(lines(row(3)), Idempotency_Key="abc").json["created"] == 1


def test_answers_are_forgotten_after_a_day_also_where_nobody_comes_again(ingest: Ingest) -> None:
    ingest.post(lines(row(1)), Idempotency_Key="old")
    ingest.app.now = NOW + DAY
    ingest.post(lines(row(2)), Idempotency_Key="new")
    ingest.app.services.sweeping.once()
    assert kept(ingest.store) == 2
    ingest.app.now += 1
    ingest.app.services.sweeping.once()
    assert kept(ingest.store) == 1
    assert ingest.post(lines(row(2)), Idempotency_Key="new").headers["idempotency-replayed"] == "true"


def kept(store: Store) -> int:
    with store.snapshot(1) as snapshot:
        ((found,),) = snapshot.rows(Statement("SELECT count(*) FROM answered", ()))
    return int(found)


def test_a_refused_request_does_not_use_a_key_up(ingest: Ingest) -> None:
    assert ingest.post(lines({"id": 1}), Idempotency_Key="abc").status == 400
    assert ingest.post(lines(row(1)), Idempotency_Key="abc").json["created"] == 1


@pytest.mark.parametrize("key", [" ", "x" * 256, "a\tb"])
def test_keys_that_are_none(ingest: Ingest, key: str) -> None:
    answer = ingest.post(lines(row(1)), Idempotency_Key=key)
    assert (answer.status, list(answer.json["field_errors"])) == (400, ["non_field_errors", "Idempotency-Key"][::-1])


def test_a_key_survives_a_restart(tmp_path: Path) -> None:
    answers = []
    for _ in range(2):
        with closing(new_store(tmp_path)) as store:
            if not answers:
                ingest = Ingest(store)
                text = token(store, 1, role="super_admin")
            app = Inside(store, NOW)
            with closing(app):
                headers = {"Content-Type": NDJSON, "Idempotency-Key": "abc"}
                answers.append(app.as_(text, 1).send("POST", PATH, headers, lines(row(1))))
            if len(answers) == 1:
                ingest.app.close()
    assert answers[0].body == answers[1].body
    assert answers[0].json["created"] == 1


def ids_in(store: Store) -> set[int]:
    """The ids of a store's rows, without a server."""
    with store.snapshot(1) as snapshot:
        return {id_ for (id_,) in snapshot.rows(Statement("SELECT id FROM attendances", ()))}


def gather(store: Store, bodies: list[bytes], **settings: Any) -> list[httpx.Response]:
    """The answers to bodies that are sent at the same time."""
    text = token(store, 1, role="super_admin")
    headers = {"Authorization": f"Token {text}", "TeamUp-Provider-ID": "1", "Content-Type": NDJSON}

    async def ask() -> list[httpx.Response]:
        app = create_app(store, Settings(**settings), clock=Clock(now=lambda: NOW))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://inside", headers=headers) as client:
            return await asyncio.gather(*(client.post(PATH, content=body) for body in bodies))

    return asyncio.run(ask())


def test_batches_that_wait_are_merged_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(new_store(tmp_path)) as store:
        add_provider(store, Tenant(1, "Europe/Berlin", "monday"))
        groups = []
        merge = store.merge_together

        def counted(provider: Any, inputs: Any, *rest: Any) -> Any:
            groups.append(len(inputs))
            return merge(provider, inputs, *rest)

        monkeypatch.setattr(store, "merge_together", counted)
        bodies = [lines(row(number), row(100, number), row(200)) for number in range(1, 21)]
        answers = [answer.json() for answer in gather(store, bodies)]
        assert sum(groups) == 20
        assert len(groups) < 20
        # Whatever the order of arrival: each batch has one new row, one of them made the shared rows.
        assert sum(answer["created"] for answer in answers) == 22
        assert sum(answer["unchanged"] + answer["updated"] for answer in answers) == 38


def test_names_without_ids_are_as_if_one_batch_came_after_the_other(tmp_path: Path) -> None:
    """A name that a later batch gives an id is not that one for the earlier."""
    with closing(new_store(tmp_path)) as store:
        add_provider(store, Tenant(1, "Europe/Berlin", "monday"))
        names = [row(number, venue={"name": f"Hall {number}"}) for number in range(1, 6)]
        named = row(6, venue={"id": 77, "name": "Hall 1"})
        answers = gather(store, [lines(one) for one in (*names, named)])
        assert [answer.json()["created"] for answer in answers] == [1] * 6
        with store.snapshot(1) as snapshot:
            found = snapshot.rows(Statement("SELECT id, venue_id, venue_name FROM attendances", ()))
        ids = {id_: venue for id_, venue, _ in found}
        assert ids[6] == 77
        # Whoever came before the one with the id: no two names have one id, and only 'Hall 1' may have two.
        assert len({(venue, name) for _, venue, name in found}) == len(set(ids.values())) in (5, 6)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ({"venue": {"name": "A"}}, {"venue": {"name": "A"}}, True),
        ({"venue": {"id": 1, "name": "A"}}, {"venue": {"id": 2, "name": "A"}}, True),
        ({"venue": {"name": "A"}}, {"venue": {"id": 1}}, False),
        ({"venue": {"name": "A"}}, {"venue": {"id": 1, "name": None}}, False),
        ({"instructors": [{"name": "A"}]}, {"instructors": [{"id": 1}]}, False),
        ({"venue": {"name": "A"}}, {"venue": None}, True),
        ({"venue": {"name": "A"}}, {"venue": {"id": 1, "name": "B"}}, False),
        ({"instructors": [{"name": "A"}]}, {"instructors": [{"id": 1, "name": "B"}]}, False),
        ({"instructors": [{"name": "A"}]}, {"venue": {"id": 1, "name": "B"}}, True),
        ({"booking_source": "A"}, {"booking_source": "B", "booking_source_id": 5}, False),
        ({"booking_source": "A"}, {"venue": {"id": 1, "name": "B"}, "booking_source": "A"}, True),
    ],
)
def test_whose_names_are_independent(one: dict[str, Any], other: dict[str, Any], together: bool) -> None:
    provider = Provider(1, "Studio", "UTC")
    naming = [
        check(provider, io.BytesIO(lines(row(1, **members))), max_text=100, partial=False).naming
        for members in (one, other)
    ]
    assert naming[0].independent_of(naming[1]) is together
    assert naming[1].independent_of(naming[0]) is together


def test_what_cannot_be_merged_is_no_fault_of_the_others(tmp_path: Path) -> None:
    with closing(new_store(tmp_path)) as store:
        add_provider(store, Tenant(1, "Europe/Berlin", "monday"))
        last = row(1, venue={"id": 2**63 - 1, "name": "Last"})
        import_rows(store, 1, io.BytesIO(lines(last)), "rows.ndjson", max_text=100)
        answers = gather(store, [lines(row(2)), lines(row(3, venue={"name": "One more"})), lines(row(4))])
        assert [answer.status_code for answer in answers] == [200, 409, 200]


def test_batches_that_would_take_too_much_memory_are_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is let in whatever its size; the others fit beside it, or come again."""
    monkeypatch.setattr("turnout.web.merging._MOST_BYTES", 1)
    with closing(new_store(tmp_path)) as store:
        add_provider(store, Tenant(1, "Europe/Berlin", "monday"))
        answers = gather(store, [lines(row(number)) for number in range(1, 21)])
        statuses = [answer.status_code for answer in answers]
        assert 200 in statuses
        assert set(statuses) <= {200, 503}
        assert ids_in(store) == {number for number, status in enumerate(statuses, start=1) if status == 200}


def test_too_many_batches_are_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.merging._MOST_WAITING", 0)
    with closing(new_store(tmp_path)) as store:
        add_provider(store, Tenant(1, "Europe/Berlin", "monday"))
        (answer,) = gather(store, [lines(row(1))])
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0


def test_a_large_body_is_merged_without_being_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes the way of a file, with the same answers and keys."""
    monkeypatch.setattr("turnout.web.body.SMALL", 100)
    with closing(open_store(str(tmp_path / "turnout.duckdb"))) as store:
        ingest = Ingest(store)
        with closing(ingest.app):
            rows = [row(number) for number in range(1, 30)]
            first = ingest.post(lines(*rows), Idempotency_Key="k")
            assert first.json["created"] == 29
            assert ingest.post(lines(*rows), Idempotency_Key="k").body == first.body
            bad = ingest.post(lines(*rows, {"id": 1}))
            assert (bad.status, bad.json["rejected_count"], bad.json["rejected"][0]["line"]) == (400, 1, 30)
            partial = ingest.post(lines(*rows, {"id": 1}), "?partial=true", Idempotency_Key="p")
            assert (partial.json["unchanged"], partial.json["rejected_count"]) == (29, 1)
            again = ingest.post(lines(*rows, {"id": 1}), "?partial=true", Idempotency_Key="p")
            assert again.body == partial.body
