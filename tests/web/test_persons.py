"""Customers as persons over HTTP: erasing, exporting, retention; who may, and what stays in memory (extension)."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from inside import Inside, import_file, new_store, token
from live import REPORT
from turnout.background import Stopped
from turnout.errors import TurnoutError
from turnout.persons import cutoff
from turnout.query.instants import load_zone, parse_instant
from turnout.settings import Period, Settings
from turnout.store.base import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Answer, Asking
    from turnout.store.base import Store

pytestmark = pytest.mark.any_store


NOW = parse_instant("2026-11-23T10:00:00Z", load_zone("UTC"))
ERASURES, CUSTOMERS, RETENTION = "/admin/v1/erasures", "/admin/v1/customers", "/admin/v1/retention"


def row(id_: int, customer: int, name: str, starts: str = "2026-10-01T10:00:00Z", **more: Any) -> dict[str, Any]:
    person = {"id": customer, "name": name, "email": f"{name}@example.com".lower(), "thumbnail_url": f"http://x/{name}"}
    event = {"id": id_, "starts_at": starts, "type": "appointment"}
    return {
        "id": id_,
        "updated_at": "2026-10-02T00:00:00Z",
        "customer": person,
        "event": event,
        "status": "attended",
    } | more


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(new_store(tmp_path)) as opened:
        for id_ in (1, 2):
            opened.put_provider(Provider(id_, f"Studio {id_}", "Europe/Berlin"))
            rows = [row(1, 5, "Needleman"), row(2, 6, "Other"), row(3, 5, "Needleman", "2022-03-01T10:00:00Z")]
            import_file(opened, id_, rows)
        yield opened


@pytest.fixture
def inside(store: Store, tmp_path: Path) -> Iterator[Inside]:
    database = str(tmp_path / "turnout.duckdb")
    with closing(Inside(store, NOW, database=database, retention="3y")) as opened:
        yield opened


@pytest.fixture
def admin(inside: Inside, store: Store) -> Asking:
    return inside.as_(token(store, 1, 2, role="super_admin"), 1)


def post(asking: Asking, path: str, body: object = None) -> Answer:
    return asking.send("POST", path, {"Content-Type": "application/json"}, json.dumps(body).encode())


def names(asking: Asking) -> list[str | None]:
    answer = asking.get({"columns": "customer.name", "sort": "id", "format": "json"})
    return [found["customer"]["name"] for found in answer.json["rows"]]


def test_erased(admin: Asking, inside: Inside, store: Store) -> None:
    assert names(admin) == ["Needleman", "Other", "Needleman"]
    receipt = {
        "provider": 1,
        "customer": 5,
        "erased_at": "2026-11-23T10:00:00Z",
        "erased_by": "token 1",
        "attendances": 2,
    }
    asked = post(admin, ERASURES, {"customers": [5], "dry_run": True})
    assert (asked.status, asked.json) == (200, [receipt])
    assert names(admin) == ["Needleman", "Other", "Needleman"]
    done = post(admin, ERASURES, {"customers": [5]})
    assert (done.status, done.json, done.headers["cache-control"]) == (200, [receipt], "no-store")
    assert names(admin) == ["(Deleted Customer)", "Other", "(Deleted Customer)"]
    assert admin.send("GET", ERASURES).json == [receipt]
    for sort, expected in (
        ("customer.name", [1, 3, 2]),
        ("-customer.name,id", [2, 1, 3]),
        ("customer.email,id", [2, 1, 3]),
    ):
        query = urlencode({"columns": "id", "sort": sort, "format": "json"})
        assert [found["id"] for found in admin.get(query).json["rows"]] == expected
    assert admin.get({"customers": 5, "format": "json"}).json["total"] == 2
    inside.now += 1
    assert post(admin, ERASURES, {"customers": [5]}).json == [receipt]
    other = inside.as_(token(store, 2), 2)
    assert names(other) == ["Needleman", "Other", "Needleman"]


def test_erased_while_the_disk_is_full(
    admin: Asking, inside: Inside, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done and what was not is said, and said again until it is done."""

    def full(*_: object, **__: object) -> bool:
        raise TurnoutError("storage_unavailable", "Overwriting failed: the disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(store.persons, "overwrite", full)
        failed = post(admin, ERASURES, {"customers": [5]})
        assert failed.error()[:2] == (503, "storage_unavailable")
        message = failed.json["message"]
        assert message.startswith(
            "Customer 5 is erased. Nothing of that can be read any more, but the store's file still holds it: "
            "Overwriting failed: the disk is full. It is overwritten when the command is run again, or by a server"
        )
        assert "MiB have to be free on the disk" in message
        assert post(admin, RETENTION).json["message"].startswith("What is too old has forgotten its customers. Nothing")
        inside.services.retaining.once()
    assert names(admin) == ["(Deleted Customer)", "Other", "(Deleted Customer)"]
    (fault,) = store.status().faults
    assert "still holds what was forgotten" in fault
    if not store.shared:
        assert f"up to {(store.status().size >> 20) + 1} MiB have to be free" in fault
    why = "What was forgotten could not be overwritten: Overwriting failed: the disk is full."
    assert admin.send("GET", "/admin/v1/status").json["faults"] == [fault, why]
    assert post(admin, ERASURES, {"customers": [5]}).status == 200
    # A command has done what the server could not do, which is no fault any more.
    assert admin.send("GET", "/admin/v1/status").json["faults"] == []


def test_what_arrives_does_not_bring_them_back_until_it_may(admin: Asking) -> None:
    post(admin, ERASURES, {"customers": [5]})
    newer = row(1, 5, "Needleman", updated_at="2026-11-01T00:00:00Z")
    answer = post(admin, "/ingest/v1/attendances", [newer])
    assert answer.json == {"created": 0, "updated": 1, "unchanged": 0, "rejected": [], "rejected_count": 0, "erased": 1}
    assert "erased" not in post(admin, "/ingest/v1/attendances", [row(9, 6, "Other")]).json
    assert names(admin)[0] == "(Deleted Customer)"
    assert admin.send("DELETE", f"{ERASURES}/5").status == 204
    assert admin.send("DELETE", f"{ERASURES}/5").error()[:2] == (404, "not_found")
    post(admin, "/ingest/v1/attendances", [{**newer, "updated_at": "2026-11-02T00:00:00Z"}])
    assert names(admin)[0] == "Needleman"


def test_nothing_of_the_person_stays_in_memory(admin: Asking, inside: Inside, store: Store) -> None:
    other = inside.as_(token(store, 2), 2)
    for asking in (admin, other):
        names(asking)
    answers = inside.services.answers
    kept = {key[1].provider_id: kept.page.body for key, kept in answers._kept.items()}
    assert all(b"Needleman" in body for body in kept.values())
    post(admin, ERASURES, {"customers": [5]})
    assert {key[1].provider_id for key in answers._kept} == {2}
    assert 0 < answers.size < 2 * sum(len(body) + 4096 for body in kept.values())


def test_uploads_of_the_provider_go(admin: Asking, inside: Inside, store: Store, tmp_path: Path) -> None:
    other = inside.as_(token(store, 2, role="super_admin"), 2)
    for asking in (admin, other):
        sent = asking.send("PATCH", "/ingest/v1/uploads/abcdefgh", {"Upload-Offset": "0"}, b"Needleman")
        assert sent.json == {"received": 9}
    post(admin, ERASURES, {"customers": [5]})
    assert admin.send("GET", "/ingest/v1/uploads/abcdefgh").json == {"received": 0}
    assert other.send("GET", "/ingest/v1/uploads/abcdefgh").json == {"received": 9}


def test_a_refused_erasure_forgets_nothing(admin: Asking, inside: Inside) -> None:
    admin.send("PATCH", "/ingest/v1/uploads/abcdefgh", {"Upload-Offset": "0"}, b"Needleman")
    names(admin)
    assert post(admin, ERASURES, {"customers": [77]}).status == 404
    assert post(admin, ERASURES, {"customers": [5], "dry_run": True}).status == 200
    assert admin.send("GET", "/ingest/v1/uploads/abcdefgh").json == {"received": 9}
    assert inside.services.answers.size > 0


def test_erased_and_not_overwritten_yet(
    admin: Asking, inside: Inside, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in memory and in uploads goes, whatever becomes of the file."""

    def fail(*_: object, **__: object) -> bool:
        raise TurnoutError("storage_unavailable", "Somebody reads.")

    monkeypatch.setattr(store.persons, "overwrite", fail)
    admin.send("PATCH", "/ingest/v1/uploads/abcdefgh", {"Upload-Offset": "0"}, b"Needleman")
    names(admin)
    assert post(admin, ERASURES, {"customers": [5]}).error()[:2] == (503, "storage_unavailable")
    assert admin.send("GET", "/ingest/v1/uploads/abcdefgh").json == {"received": 0}
    assert inside.services.answers.size == 0


def test_refused(admin: Asking, inside: Inside, store: Store) -> None:
    assert post(admin, ERASURES, {"customers": [5, 77]}).error()[:2] == (404, "not_found")
    assert names(admin)[0] == "Needleman"
    for body in ({}, {"customers": []}, {"customers": "5"}, {"customers": [0]}, {"customers": [True]}):
        assert post(admin, ERASURES, body).error() == (400, "parameter_invalid", {"customers"})
    wrong = post(admin, ERASURES, {"customers": [5], "dry_run": 1, "extra": 2})
    assert wrong.error() == (400, "parameter_invalid", {"dry_run", "extra"})
    for id_ in ("0", "x", str(2**63), "9" * 19):
        assert admin.send("DELETE", f"{ERASURES}/{id_}").error()[:2] == (404, "not_found")
        assert admin.send("GET", f"{CUSTOMERS}/{id_}").error()[:2] == (404, "not_found")
    for path in (ERASURES, f"{CUSTOMERS}/5"):
        assert admin.send("GET", f"{path}?x=1").error()[:2] == (400, "parameter_invalid")
        reader = inside.as_(token(store, 1), 1)
        assert reader.send("GET", path).error()[:2] == (403, "permission_denied")
    for method, path in (
        ("POST", ERASURES),
        ("POST", RETENTION),
        ("DELETE", f"{ERASURES}/5"),
        ("GET", f"{CUSTOMERS}/5"),
    ):
        elsewhere = inside.as_(token(store, 2, role="super_admin"), 1)
        assert elsewhere.send(method, path).error()[:2] == (403, "provider_invalid")
        many = inside.as_(token(store, 1, 2, role="super_admin"))
        assert many.send(method, path).error()[:2] == (400, "provider_header_missing")


def test_exported(admin: Asking) -> None:
    assert admin.send("GET", f"{CUSTOMERS}/77").error()[:2] == (404, "not_found")
    document = admin.send("GET", f"{CUSTOMERS}/5").json
    everything = ",".join(["event.type", "booking_source_id", *_default_columns(admin)])
    query = urlencode({"columns": everything, "customers": 5, "format": "json"})
    said = {"said_at": "2026-10-02T00:00:00Z", "said_by_attendance": 3}
    rows = {found["id"]: found for found in admin.get(query).json["rows"]}
    assert {found["id"]: found for found in document.pop("attendances")} == rows
    assert document == {
        "provider": {"id": 1, "name": "Studio 1"},
        "exported_at": "2026-11-23T10:00:00Z",
        "customer": {
            "id": 5,
            "name": {"value": "Needleman", **said},
            "email": {"value": "needleman@example.com", **said},
            "thumbnail_url": {"value": "http://x/Needleman", **said},
        },
        "erased": None,
        "total": 2,
    }
    (receipt,) = post(admin, ERASURES, {"customers": [5]}).json
    answer = admin.send("GET", f"{CUSTOMERS}/5")
    nothing = {"said_at": None, "said_by_attendance": None}
    assert answer.json["erased"] == receipt
    assert answer.json["customer"] == {
        "id": 5,
        "name": {"value": "(Deleted Customer)", **nothing},
        "email": {"value": None, **nothing},
        "thumbnail_url": {"value": None, **nothing},
    }
    assert b"eedleman" not in answer.body


def _default_columns(asking: Asking) -> list[str]:
    return [header["key"] for header in asking.get({"format": "json", "limit": 0}).json["column_headers"]]


def test_one_who_has_many_attendances_or_none_is_exported(admin: Asking, store: Store) -> None:
    import_file(store, 1, [row(id_, 8, "Often") for id_ in range(100, 2_300)])
    document = admin.send("GET", f"{CUSTOMERS}/8").json
    assert (document["total"], len({found["id"] for found in document["attendances"]})) == (2_200, 2_200)
    store.delete(store.providers()[1], [2])
    document = admin.send("GET", f"{CUSTOMERS}/6").json
    assert (document["total"], document["attendances"]) == (0, [])
    assert document["customer"]["name"]["value"] == "Other"


def test_retention(admin: Asking, inside: Inside, store: Store) -> None:
    names(admin)
    before = admin.send("GET", "/admin/v1/status").json["store"]["retained_at"]
    done = post(admin, RETENTION)
    assert (before, done.status) == (None, 200)
    assert done.json == {"provider": 1, "before": "2023-11-22T23:00:00Z", "attendances": 1}
    assert names(admin) == ["Needleman", "Other", None]
    assert admin.send("GET", "/admin/v1/status").json["store"]["retained_at"] == "2026-11-23T10:00:00Z"
    inside.services.retaining.once()
    assert names(inside.as_(token(store, 2), 2)) == ["Needleman", "Other", None]


def test_what_an_erasure_left_to_do_is_done_soon(
    admin: Asking, inside: Inside, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    retaining = inside.services.retaining
    retaining.once()
    asked: list[float] = []

    def pause(seconds: float) -> None:
        asked.append(seconds)
        if len(asked) == 4:
            store.persons.erase(store.providers()[1], [5], at=1, by="owner")
        if len(asked) == 7:
            raise Stopped

    monkeypatch.setattr(retaining.background, "pause", pause)
    with pytest.raises(Stopped):
        retaining._work()
    assert not store.persons.unfinished()
    assert asked == [2.0, *[600.0] * 6]


@pytest.mark.parametrize(
    ("period", "now", "expected"),
    [
        ("3y", "2026-11-23T10:00:00+00:00", "2023-11-22T23:00:00+00:00"),
        ("1y", "2024-02-29T12:00:00+00:00", "2023-02-27T23:00:00+00:00"),
        ("1mo", "2026-03-31T12:00:00+00:00", "2026-02-27T23:00:00+00:00"),
        ("90d", "2026-06-01T12:00:00+00:00", "2026-03-02T23:00:00+00:00"),
        ("2w", "2026-11-22T23:30:00+00:00", "2026-11-08T23:00:00+00:00"),
        ("9999y", "2026-11-22T23:30:00+00:00", "0001-01-01T00:00:00+00:53"),
    ],
)
def test_a_period_ends_with_a_day_of_the_provider(period: str, now: str, expected: str) -> None:
    chosen = Settings(retention=period).retention
    assert isinstance(chosen, Period)
    zone = load_zone("Europe/Berlin")
    found = cutoff(chosen, parse_instant(now, zone), zone)
    assert abs(found - parse_instant(expected, zone)) < 60_000_000


def test_the_report_is_where_it_was(admin: Asking) -> None:
    post(admin, ERASURES, {"customers": [5]})
    rows = admin.send("GET", f"{REPORT}?columns=customer,is_first_attendance&sort=id&format=json").json["rows"]
    assert rows[0]["customer"] == {"id": 5, "name": "(Deleted Customer)", "email": None, "thumbnail_url": None}
    assert [found["is_first_attendance"] for found in rows] == [False, True, True]
