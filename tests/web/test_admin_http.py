"""Administration over HTTP: who may, what is answered, what a body must be (extension; contract sections 3, 4, 9)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from web.fakes import NOW, FakeStore, error_of, fields_of, make_app, new_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.fakes import Client

PROVIDERS, TOKENS = "/admin/v1/providers", "/admin/v1/tokens"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def owner(asking: Callable[..., Client]) -> Client:
    return asking(trusted=True)


class Someone:
    """A client with a token."""

    def __init__(self, client: Client, token: str) -> None:
        self.client, self.token = client, token

    def send(self, method: str, path: str, **given: Any) -> Any:
        return self.client.send(method, path, headers={"Authorization": f"Token {self.token}"}, **given)


@pytest.fixture
def first(asking: Callable[..., Client], store: FakeStore) -> Someone:
    """An administrator of the provider 1, and of the not yet existing 7."""
    return Someone(asking(), new_token(store, 1, role="super_admin"))


def test_providers(owner: Client) -> None:
    new = {"id": 9, "name": "Harbour Yoga", "timezone": "Europe/London", "week_start": "sunday"}
    made = owner.send("POST", PROVIDERS, json=new)
    assert (made.status_code, made.json()) == (201, new)
    assert made.headers["location"] == "/admin/v1/providers/9"
    assert owner.get(PROVIDERS).json()[-1] == new
    changed = owner.send("PATCH", f"{PROVIDERS}/9", json={"name": "Harbour"})
    assert (changed.status_code, changed.json()) == (200, {**new, "name": "Harbour"})
    assert error_of(owner.send("POST", PROVIDERS, json=new)) == (409, "conflict")
    assert error_of(owner.send("PATCH", f"{PROVIDERS}/99", json={"name": "x"})) == (404, "not_found")


def test_all_faults_together(owner: Client) -> None:
    answer = owner.send(
        "POST", PROVIDERS, json={"id": "x", "timezone": "Berlin", "week_start": "someday", "extra": None}
    )
    assert error_of(answer) == (400, "parameter_invalid")
    assert fields_of(answer) == {"id", "name", "timezone", "week_start", "extra"}


def test_tokens(owner: Client, asking: Callable[..., Client]) -> None:
    given = {"providers": [1, 2], "role": "instructor_attendances", "instructor_id": 5, "expires_in": "90d"}
    made = owner.send("POST", TOKENS, json=given)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    document = made.json()
    token = document.pop("token")
    assert document == {
        "id": 1,
        "hint": "…" + token[-4:],
        "providers": [1, 2],
        "role": "instructor_attendances",
        "instructor_id": 5,
        "created_at": "2026-09-21T14:13:20Z",
        "expires_at": "2026-12-20T14:13:20Z",
        "revoked_at": None,
    }
    listed = owner.get(TOKENS)
    assert listed.json() == [document]
    assert token not in listed.text
    answer = asking().get(Authorization=f"Token {token}", **{"TeamUp-Provider-ID": "2"})
    assert answer.json()["instructor"] == 5
    for _ in range(2):
        revoked = owner.send("DELETE", f"{TOKENS}/1")
        assert (revoked.status_code, revoked.content) == (204, b"")
    assert owner.get(TOKENS).json()[0]["revoked_at"] == "2026-09-21T14:13:20Z"
    assert error_of(asking().get(Authorization=f"Token {token}")) == (401, "authentication_failed")
    assert error_of(owner.send("DELETE", f"{TOKENS}/9")) == (404, "not_found")


@pytest.mark.parametrize("id_", ["x", "-1", "0x1", "9" * 30, "9" * 5000, "%D9%A3", "1.0"])
def test_paths_that_are_no_ids(owner: Client, id_: str) -> None:
    assert error_of(owner.send("DELETE", f"{TOKENS}/{id_}")) == (404, "not_found")
    assert error_of(owner.send("PATCH", f"{PROVIDERS}/{id_}", json={})) == (404, "not_found")


def test_what_the_owner_is(owner: Client) -> None:
    assert owner.get("/admin/v1/owner").json() == {"pid": os.getpid(), "command": "turnout serve"}


def test_status(owner: Client, first: Someone) -> None:
    status = owner.get("/admin/v1/status").json()
    assert status["store"]["location"] == "/secret/place"
    assert status["settings"]["database"] == ":none:"
    assert (status["providers"], status["uptime"], status["faults"]) == (3, 0.0, ["It is a fake."])
    own = first.send("GET", "/admin/v1/status")
    assert own.json()["store"] is None
    assert "/secret/place" not in own.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PROVIDERS),
        ("POST", PROVIDERS),
        ("PATCH", f"{PROVIDERS}/1"),
        ("GET", TOKENS),
        ("POST", TOKENS),
        ("DELETE", f"{TOKENS}/1"),
        ("GET", "/admin/v1/status"),
        ("GET", "/admin/v1/owner"),
    ],
)
def test_who_may_not_administer(asking: Callable[..., Client], store: FakeStore, method: str, path: str) -> None:
    client = asking(auth_failures="none")
    before = store.tokens()
    assert error_of(client.send(method, path, content=b"x")) == (401, "not_authenticated")
    assert error_of(Someone(client, "tk_x").send(method, path)) == (401, "authentication_failed")
    for given in ({"role": "attendances"}, {"role": "instructor_attendances", "instructor_id": 1}):
        assert error_of(Someone(client, new_token(store, 1, 2, 3, **given)).send(method, path)) == (
            403,
            "permission_denied",
        )
    assert len(store.tokens()) == len(before) + 2


def test_an_administrator_reaches_own_providers_only(first: Someone, owner: Client, store: FakeStore) -> None:
    both, other = (new_token(store, *covered) for covered in ((1, 2), (2,)))
    assert [provider["id"] for provider in first.send("GET", PROVIDERS).json()] == [1]
    assert [token["id"] for token in first.send("GET", TOKENS).json()] == [1]
    refused = (403, "provider_invalid")
    new = {"name": "x", "timezone": "UTC"}
    assert error_of(first.send("POST", PROVIDERS, json={"id": 2, **new})) == refused
    assert error_of(first.send("POST", PROVIDERS, json={"id": 50, **new})) == refused
    assert error_of(first.send("PATCH", f"{PROVIDERS}/2", json={"name": "x"})) == refused
    assert error_of(first.send("PATCH", f"{PROVIDERS}/50", json={"name": "x"})) == refused
    assert error_of(first.send("POST", TOKENS, json={"providers": [1, 2]})) == refused
    # A token that exists and one that does not look the same from outside.
    hidden, missing = (first.send("DELETE", f"{TOKENS}/{id_}") for id_ in (2, 3))
    assert error_of(hidden) == (404, "not_found")
    assert hidden.json()["message"].replace("2", "N") == missing.json()["message"].replace("3", "N")
    assert all(store.token(token.sha256).revoked_at is None for token in store.tokens())
    assert both != other
    made = first.send("POST", TOKENS, json={"providers": [1]})
    assert made.status_code == 201
    assert first.send("PATCH", f"{PROVIDERS}/1", json={"name": "Mine"}).status_code == 200
    assert first.send("DELETE", f"{TOKENS}/{made.json()['id']}").status_code == 204
    assert owner.get(PROVIDERS).json()[0]["name"] == "Mine"


def test_an_administrator_may_add_a_provider_that_the_token_covers(asking: Callable[..., Client]) -> None:
    store = FakeStore(1, 7)
    someone = Someone(asking(app=make_app(store)), new_token(store, 1, 7, role="super_admin"))
    del store._providers[7]
    new = {"id": 7, "name": "x", "timezone": "UTC"}
    assert someone.send("POST", PROVIDERS, json=new).status_code == 201


NO_OBJECTS = [
    *(b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a": 1,}', b"{'a': 1}", b'{"id": NaN}', b"[" * 100_000),
    *(b'{"name": "\xed\xa0\x80"}', b'{"name": "\\ud800"}'),
]
BAD_BODIES: list[tuple[bytes, dict[str, str], tuple[int, str]]] = [
    (b"{}", {}, (415, "unsupported_media_type")),
    (b"{}", {"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
    (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, (415, "unsupported_media_type")),
    (b"{}", {**JSON, "Content-Encoding": "gzip"}, (415, "unsupported_media_type")),
    *((body, JSON, (400, "parameter_invalid")) for body in NO_OBJECTS),
]


@pytest.mark.parametrize(("body", "headers", "expected"), BAD_BODIES)
def test_bodies_that_are_no_object(
    owner: Client, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    for path in (PROVIDERS, TOKENS):
        assert error_of(owner.send("POST", path, content=body, headers=headers)) == expected


def test_media_type_parameters_and_case_do_not_matter(owner: Client) -> None:
    headers = {"Content-Type": "Application/JSON ; charset=utf-8"}
    assert owner.send("POST", TOKENS, content=b'{"providers": [1]}', headers=headers).status_code == 201


def test_changes_are_logged_without_the_token(owner: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "turnout")
    token = owner.send("POST", TOKENS, json={"providers": [1]}).json()["token"]
    owner.send("DELETE", f"{TOKENS}/1")
    changes = [record for record in caplog.records if record.name == "turnout.admin"]
    assert [record.getMessage() for record in changes] == ["token created", "token revoked"]
    assert all((record.fields["by"], record.fields["token"]) == ("owner", 1) for record in changes)
    assert token not in str([record.__dict__ for record in caplog.records])


def test_a_token_expires_by_the_servers_clock(owner: Client) -> None:
    made = owner.send("POST", TOKENS, json={"providers": [1], "expires_in": 30}).json()
    assert made["expires_at"] == "2026-09-21T14:13:50Z"
    assert NOW % 1_000_000 == 0
