"""Saved views: each owner's own, shared where they say so, at most one default; over HTTP, on the real store."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cluster import new_database
from inside import Inside, add_provider, new_store, token
from oracle import calendar
from oracle.report import Tenant
from turnout.store.duckdb import DuckStore
from turnout.store.postgres import PostgresStore
from turnout.store.views import View
from worlds import JWT_KEY, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from live import Answer

pytestmark = pytest.mark.any_store


NOW = calendar.micros("2026-06-01T12:00:00Z")
VIEWS = "/page/v1/views"
JSON = {"Content-Type": "application/json"}


class House:
    """An application with two providers, and clients by name."""

    def __init__(self, directory: Path) -> None:
        self.store = new_store(directory)
        self.inside = Inside(self.store, NOW, jwt_key=JWT_KEY)
        for provider in (1, 2):
            add_provider(self.store, Tenant(provider, "UTC", "monday"))
        self.clients = {
            "ana": self.inside.as_(token(self.store, 1)),
            "bob": self.inside.as_(token(self.store, 1)),
            "boss": self.inside.as_(token(self.store, 1, role="super_admin")),
            "teacher": self.inside.as_(token(self.store, 1, role="instructor_attendances", instructor=3)),
            "far": self.inside.as_(token(self.store, 2)),
            "jwt": self.inside.as_(signed(sub="zoe")),
            "jwt again": self.inside.as_(signed(sub="zoe", jti="2")),
            "nobody": self.inside.as_(signed(role="customers")),
        }
        both = token(self.store, 1, 2)
        self.clients |= {"both 1": self.inside.as_(both, 1), "both 2": self.inside.as_(both, 2)}

    def send(self, who: str, method: str, path: str = "", body: Any = None) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        return self.clients[who].send(method, VIEWS + path, JSON, content)

    def save(self, who: str, name: str, **more: Any) -> int:
        answer = self.send(who, "POST", "", {"name": name, "state": "a=b", **more})
        assert answer.status == 201, answer.body
        assert answer.headers["location"] == f"{VIEWS}/{answer.json['id']}"
        return answer.json["id"]

    def names(self, who: str) -> list[str]:
        return [one["name"] for one in self.send(who, "GET").json]

    def defaults(self, who: str) -> list[str]:
        return [one["name"] for one in self.send(who, "GET").json if one["default"]]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.inside.close()
    made.store.close()


def test_a_view_is_what_was_saved(house: House) -> None:
    state = "event_timeframe=last_30_days&venues=1,2&sort=-event.starts_at&q=%C3%A9"
    answer = house.send("ana", "POST", "", {"name": "  No-shows, Zoë ", "state": state})
    id_ = answer.json["id"]
    expected = {
        "id": id_,
        "name": "No-shows, Zoë",
        "state": state,
        "shared": False,
        "default": False,
        "mine": True,
        "updated_at": "2026-06-01T12:00:00Z",
    }
    assert (answer.status, answer.json) == (201, expected)
    assert 1 <= id_ < 2**53
    assert house.send("ana", "GET").json == [expected]
    house.inside.now = NOW + 1_000_000
    answer = house.send("ana", "PATCH", f"/{id_}", {"name": "Late", "shared": True, "state": None})
    assert answer.json == {**expected, "name": "Late", "shared": True, "updated_at": "2026-06-01T12:00:01Z"}
    assert house.send("ana", "DELETE", f"/{id_}").status == 204
    assert house.send("ana", "DELETE", f"/{id_}").error()[:2] == (404, "not_found")
    assert house.send("ana", "GET").json == []


def test_views_come_by_name(house: House) -> None:
    for name in ("Zoë", "äpfel", "Apfel", "zoe", "10", "B"):
        house.save("ana", name)
    assert house.names("ana") == ["10", "Apfel", "äpfel", "B", "Zoë", "zoe"]


def test_who_sees_what(house: House) -> None:
    house.save("ana", "private")
    house.save("ana", "shared", shared=True, default=True)
    house.save("bob", "bob's")
    assert house.names("ana") == ["private", "shared"]
    for who in ("boss", "teacher", "jwt"):
        assert house.names(who) == ["shared"]
    assert house.names("bob") == ["bob's", "shared"]
    (shared,) = (one for one in house.send("bob", "GET").json if one["name"] == "shared")
    assert (shared["mine"], shared["default"], shared["shared"]) == (False, False, True)
    assert house.names("far") == []
    house.save("both 1", "here", shared=True)
    assert house.names("both 2") == house.names("far") == []
    assert house.names("ana") == ["here", "private", "shared"]


def test_own_is_by_the_subject(house: House) -> None:
    """Of a JWT, its issuer and subject; whichever JWT it is."""
    id_ = house.save("jwt", "mine")
    assert house.names("jwt again") == ["mine"]
    assert house.send("jwt again", "PATCH", f"/{id_}", {"name": "ours"}).status == 200
    assert house.names("bob") == []


def test_what_others_may_change(house: House) -> None:
    private, shared = house.save("ana", "private"), house.save("ana", "shared", shared=True)
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        for who in ("bob", "boss", "teacher"):
            assert house.send(who, method, f"/{private}", body).error()[:2] == (404, "not_found")
        for who in ("bob", "teacher", "jwt"):
            assert house.send(who, method, f"/{shared}", body).error()[:2] == (403, "permission_denied")
        for id_ in (private, shared):
            for who in ("far", "both 2"):
                assert house.send(who, method, f"/{id_}", body).error()[:2] == (404, "not_found")
    assert house.names("ana") == ["private", "shared"]
    assert house.send("boss", "PATCH", f"/{shared}", {"default": True}).error() == (
        400,
        "parameter_invalid",
        {"default"},
    )
    answer = house.send("boss", "PATCH", f"/{shared}", {"name": "renamed"})
    assert (answer.status, answer.json["name"], answer.json["mine"]) == (200, "renamed", False)
    assert house.send("boss", "DELETE", f"/{shared}").status == 204
    assert house.names("ana") == ["private"]


def test_a_private_view_is_answered_as_one_that_is_not_there(house: House) -> None:
    id_ = house.save("ana", "private")
    found, missing = (house.send("bob", "DELETE", f"/{one}") for one in (id_, id_ - 1))
    assert found.body.replace(str(id_).encode(), b"N") == missing.body.replace(str(id_ - 1).encode(), b"N")


def test_at_most_one_default_of_an_owner_and_provider(house: House) -> None:
    first, _ = house.save("ana", "first", default=True), house.save("bob", "bob's", default=True)
    house.save("ana", "second", default=True)
    assert house.defaults("ana") == ["second"]
    assert house.send("ana", "PATCH", f"/{first}", {"default": True}).json["default"] is True
    assert house.defaults("ana") == ["first"]
    assert house.defaults("bob") == ["bob's"]
    house.send("ana", "PATCH", f"/{first}", {"default": False})
    assert house.defaults("ana") == []
    for where in (1, 2):
        house.save(f"both {where}", f"of {where}", default=True)
    assert (house.defaults("both 1"), house.defaults("both 2")) == (["of 1"], ["of 2"])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name", "state"}),
        ({"name": " ", "state": ""}, {"name"}),
        ({"name": "x" * 101, "state": "x" * 8001}, {"name", "state"}),
        ({"name": 1, "state": ["a"], "shared": "yes", "default": 1}, {"name", "state", "shared", "default"}),
        ({"name": "a\0b", "state": "a\nb"}, {"name", "state"}),
        ({"name": "a", "state": "b", "shard": True}, {"shard"}),
        ({"name": "a", "state": "b", "id": 1}, {"id"}),
    ],
)
def test_faults_are_told_together(house: House, body: dict[str, Any], fields: set[str]) -> None:
    assert house.send("ana", "POST", "", body).error() == (400, "parameter_invalid", fields)
    assert house.names("ana") == []


def test_the_longest(house: House) -> None:
    house.save("ana", "é" * 100, state="x" * 8000)
    house.save("ana", "no filter", state="")


def test_ids_that_are_none_and_methods_that_are_none(house: House) -> None:
    for path in ("/0", "/x", "/-1", f"/{2**63}", "/1.0"):
        assert house.send("ana", "DELETE", path).error()[:2] == (404, "not_found")
    assert house.send("ana", "PUT").headers["allow"] == "GET, HEAD, POST"
    assert house.send("ana", "GET", "/1").headers["allow"] == "DELETE, PATCH"


def test_who_may_not_read_reports_has_no_views(house: House) -> None:
    assert house.send("nobody", "GET").error()[:2] == (403, "permission_denied")
    assert house.inside.send("GET", VIEWS).error()[:2] == (401, "not_authenticated")


def test_with_a_session(house: House) -> None:
    text = token(house.store, 1)
    body = json.dumps({"token": text}).encode()
    signed_in = house.inside.send("POST", "/page/v1/session", JSON, body)
    cookie = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0], **JSON}
    view = json.dumps({"name": "mine", "state": ""}).encode()
    assert house.inside.send("POST", VIEWS, cookie, view).error()[:2] == (403, "permission_denied")
    made = house.inside.send("POST", VIEWS, {**cookie, "Sec-Fetch-Site": "same-origin"}, view)
    assert made.status == 201
    # The cookie jar of the client has it by now as well; a token goes before it.
    assert [one["name"] for one in house.inside.as_(text).send("GET", VIEWS).json] == ["mine"]


def test_two_hundred_of_one_owner_and_provider(house: House) -> None:
    for number in range(200):
        house.save("both 1", str(number))
    assert house.send("both 1", "POST", "", {"name": "one more", "state": ""}).error()[:2] == (409, "conflict")
    assert house.send("both 2", "POST", "", {"name": "elsewhere", "state": ""}).status == 201
    assert house.send("ana", "POST", "", {"name": "of another", "state": ""}).status == 201
    house.send("both 1", "DELETE", f"/{house.send('both 1', 'GET').json[0]['id']}")
    house.save("both 1", "one more")


def test_nothing_personal_is_stored_of_the_owner(house: House) -> None:
    house.save("jwt", "mine", shared=True)
    (view,) = house.store.views.seen_by(1, "")
    assert "zoe" not in view.owner


# The stores themselves

VIEW = View(1, 7, "a", 'Zoë\'s "view"', "x=1", shared=False, is_default=True, updated_at=5)


@pytest.fixture(params=["embedded", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], DuckStore | PostgresStore]:
    if request.param == "embedded":
        return lambda: DuckStore(tmp_path / "turnout.duckdb", threads=2)
    address = new_database(request.getfixturevalue("postgres"))
    return lambda: PostgresStore(address, spilled=tmp_path)


def test_views_are_kept(opened: Callable[[], DuckStore | PostgresStore]) -> None:
    other = replace(VIEW, id=8, owner="b", shared=True)
    with closing(opened()) as store:
        assert store.views.add(VIEW, 1)
        assert not store.views.add(replace(VIEW, id=9), 1)
        assert store.views.add(other, 1)
        assert store.views.add(replace(VIEW, provider_id=2), 1)
    with closing(opened()) as store:
        assert sorted(store.views.seen_by(1, "a"), key=lambda view: view.id) == [VIEW, other]
        assert store.views.seen_by(1, "b") == [other]
        assert store.views.get(1, 7) == VIEW
        assert store.views.get(3, 7) is None
        moved = replace(VIEW, name="n", state="s", shared=True, is_default=False, updated_at=6)
        assert store.views.change(moved)
        assert not store.views.change(replace(moved, id=99))
        assert store.views.get(1, 7) == moved
        assert store.views.get(2, 7) == replace(VIEW, provider_id=2)
        assert store.views.remove(1, 7)
        assert not store.views.remove(1, 7)
        assert store.views.get(2, 7) == replace(VIEW, provider_id=2)
