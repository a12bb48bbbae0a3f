"""Who may ask, by opaque tokens: credentials, modes, providers, roles, rates (contract sections 3 and 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from web.fakes import NOW, SECOND, FakeStore, Times, error_of, make_app, new_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.fakes import Client

MODE, PROVIDER = "TeamUp-Request-Mode", "TeamUp-Provider-ID"


@pytest.fixture
def client(asking: Callable[..., Client]) -> Client:
    return asking(auth_failures="none")


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "JWT", "token", "BEARER", "jWt"])
def test_every_scheme_in_any_case(client: Client, store: FakeStore, scheme: str) -> None:
    answer = client.get(Authorization=f"{scheme} {new_token(store, 1)}")
    assert answer.status_code == 200
    assert answer.json() == {"provider": 1, "role": "attendances", "instructor": None, "token": 1, "rows": [[1]]}


def test_blanks_around_the_credential_do_not_matter(client: Client, store: FakeStore) -> None:
    assert client.get(Authorization=f"  Token   {new_token(store, 1)}  ").status_code == 200


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_credential(client: Client, value: str | None) -> None:
    answer = client.get(**({} if value is None else {"Authorization": value}))
    assert error_of(answer) == (401, "not_authenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="turnout", Token realm="turnout"'


@pytest.mark.parametrize(
    "value",
    [
        "Token",
        "Token ",
        "Bearer x y",
        "Basic dTpw",
        "tk_abc",
        "Token tk_",
        "Token tk_unknown",
        "Tokn x",
        "Token \xff",
        "Bearer a.b.c",
    ],
)
def test_bad_credentials(client: Client, value: str) -> None:
    answer = client.get(Authorization=value)
    assert error_of(answer) == (401, "authentication_failed")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert "tk_abc" not in answer.text


def test_two_authorization_headers_are_refused(client: Client, store: FakeStore) -> None:
    credential = f"Token {new_token(store, 1)}"
    answer = client.send("GET", "/api/v2/reports/attendances/data", headers=[("Authorization", credential)] * 2)
    assert error_of(answer) == (401, "authentication_failed")


def test_a_revoked_token_is_refused_from_the_next_request_on(client: Client, store: FakeStore) -> None:
    credential = f"Token {new_token(store, 1)}"
    assert client.get(Authorization=credential).status_code == 200
    store.revoke_token(1, NOW)
    assert error_of(client.get(Authorization=credential)) == (401, "authentication_failed")


def test_a_token_lives_as_long_as_it_was_given(client: Client, store: FakeStore, times: Times) -> None:
    credential = f"Token {new_token(store, 1, expires_in='1h')}"
    times.now = NOW + 3600 * SECOND - 1
    assert client.get(Authorization=credential).status_code == 200
    times.now += 1
    assert error_of(client.get(Authorization=credential)) == (401, "authentication_failed")


# What a request is, beside its token: mode, provider, role.

CASES: list[tuple[str, dict[str, str], int | tuple[int, str]]] = [
    ("one", {}, 1),
    ("one", {PROVIDER: "1"}, 1),
    ("one", {PROVIDER: "0001"}, 1),
    ("one", {PROVIDER: "2"}, (403, "provider_invalid")),
    ("one", {PROVIDER: "0"}, (403, "provider_invalid")),
    ("one", {PROVIDER: str(2**63 - 1)}, (403, "provider_invalid")),
    ("one", {PROVIDER: str(2**63)}, (400, "provider_header_invalid")),
    ("one", {PROVIDER: "9" * 5000}, (400, "provider_header_invalid")),
    ("several", {}, (400, "provider_header_missing")),
    ("several", {PROVIDER: "1"}, 1),
    ("several", {PROVIDER: "2"}, 2),
    ("several", {PROVIDER: "3"}, (403, "provider_invalid")),
    *(
        ("several", {PROVIDER: value}, (400, "provider_header_invalid"))
        for value in ("", "x", "1.0", "-1", "+1", "1,2", "1 2", "1_0", "0x1", "\xb2", "none")
    ),
    ("one", {MODE: "provider"}, 1),
    ("one", {MODE: "customer"}, (403, "mode_not_allowed")),
    *(
        ("one", {MODE: value}, (400, "mode_header_invalid"))
        for value in ("", "Provider", "CUSTOMER", "x", "provider,customer")
    ),
    ("gone", {}, (403, "provider_invalid")),
    ("gone", {PROVIDER: "3"}, (403, "provider_invalid")),
    ("super", {PROVIDER: "2"}, 2),
    # The first fault in the order of checks counts: mode, provider, role.
    ("several", {MODE: "customer", PROVIDER: "x"}, (403, "mode_not_allowed")),
    ("several", {MODE: "x"}, (400, "mode_header_invalid")),
    ("odd", {}, (403, "permission_denied")),
    ("odd", {PROVIDER: "2"}, (403, "provider_invalid")),
    ("odd", {PROVIDER: "x"}, (400, "provider_header_invalid")),
]


@pytest.mark.parametrize(("who", "headers", "expected"), CASES)
def test_mode_provider_and_role(
    asking: Callable[..., Client], who: str, headers: dict[str, str], expected: int | tuple[int, str]
) -> None:
    store = FakeStore(1, 2, 3)
    tokens = {
        "one": new_token(store, 1),
        "several": new_token(store, 1, 2),
        "gone": new_token(store, 3),
        "super": new_token(store, 1, 2, role="super_admin"),
        "odd": new_token(store, 1),
    }
    del store._providers[3]
    # A role that this version does not know, as a later one might have stored it.
    odd = store._tokens[5]
    store._tokens[5] = type(odd)(**{name: getattr(odd, name) for name in odd.__slots__} | {"role": "auditor"})
    client = asking(app=make_app(store, Times()))
    answer = client.get(Authorization=f"Token {tokens[who]}", **headers)
    if isinstance(expected, int):
        assert (answer.status_code, answer.json()["provider"]) == (200, expected)
    else:
        assert error_of(answer) == expected


@pytest.mark.parametrize("header", [PROVIDER, MODE])
def test_repeated_headers_are_refused(client: Client, store: FakeStore, header: str) -> None:
    value = {PROVIDER: "1", MODE: "provider"}[header]
    headers = [("Authorization", f"Token {new_token(store, 1)}"), (header, value), (header, value)]
    answer = client.send("GET", "/api/v2/reports/attendances/data", headers=headers)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("provider_header_invalid", "mode_header_invalid")


def test_an_instructor_sees_as_that_instructor(client: Client, store: FakeStore) -> None:
    token = new_token(store, 1, role="instructor_attendances", instructor_id=12)
    assert client.get(Authorization=f"Token {token}").json()["instructor"] == 12


# The owner of the store, over its socket


def test_the_owner_needs_no_token_and_may_ask_for_any_provider(asking: Callable[..., Client]) -> None:
    client = asking(trusted=True)
    assert error_of(client.get()) == (400, "provider_header_missing")
    answer = client.get(**{PROVIDER: "2"})
    assert answer.json() == {"provider": 2, "role": "super_admin", "instructor": None, "token": None, "rows": [[1]]}
    assert error_of(client.get(**{PROVIDER: "9"})) == (403, "provider_invalid")
    assert error_of(client.get(**{PROVIDER: "x"})) == (400, "provider_header_invalid")
    assert error_of(client.get(**{MODE: "customer"})) == (403, "mode_not_allowed")


def test_the_only_provider_needs_not_be_chosen_by_the_owner(asking: Callable[..., Client]) -> None:
    assert asking(trusted=True, app=make_app(FakeStore(7))).get().json()["provider"] == 7
    assert error_of(asking(trusted=True, app=make_app(FakeStore())).get()) == (403, "provider_invalid")


def test_no_header_makes_a_client_the_owner(client: Client) -> None:
    answer = client.get(**{"turnout.trusted": "true", "Turnout-Trusted": "1", "X-Forwarded-For": "127.0.0.1"})
    assert error_of(answer) == (401, "not_authenticated")


# Rates


def test_failed_authentications_are_limited_by_address(
    asking: Callable[..., Client], store: FakeStore, times: Times
) -> None:
    app = make_app(store, times)
    client, neighbour = asking(app=app), asking("192.0.2.2", app=app)
    bad, good = {"Authorization": "Token tk_bad"}, {"Authorization": f"Token {new_token(store, 1)}"}
    for _ in range(10):
        assert error_of(client.get(**bad)) == (401, "authentication_failed")
    refused = client.get(**bad)
    assert error_of(refused) == (429, "throttled")
    assert refused.headers["retry-after"] == "6"
    assert "www-authenticate" not in refused.headers
    # Neither a good token from the same address is refused, nor a bad one from elsewhere, nor none at all.
    assert client.get(**good).status_code == 200
    assert error_of(client.get()) == (401, "not_authenticated")
    assert error_of(neighbour.get(**bad)) == (401, "authentication_failed")
    times.move(6)
    assert error_of(client.get(**bad)) == (401, "authentication_failed")
    assert error_of(client.get(**bad)) == (429, "throttled")


def test_ipv6_clients_are_limited_by_network(asking: Callable[..., Client], store: FakeStore, times: Times) -> None:
    app = make_app(store, times, auth_failures="2/min")
    codes = [error_of(asking(f"2001:db8::{n}", app=app).get(Authorization="Token x"))[0] for n in range(1, 4)]
    assert codes == [401, 401, 429]
    assert error_of(asking("2001:db8:0:1::1", app=app).get(Authorization="Token x"))[0] == 401


def test_a_token_has_its_own_rate(asking: Callable[..., Client], store: FakeStore, times: Times) -> None:
    client = asking(token_rate="3/min")
    first, second = ({"Authorization": f"Token {new_token(store, 1)}"} for _ in range(2))
    for remaining in ("2", "1", "0"):
        answer = client.get(**first)
        assert answer.status_code == 200
        assert answer.headers["ratelimit-limit"] == "3"
        assert answer.headers["ratelimit-remaining"] == remaining
    assert answer.headers["ratelimit-reset"] == "60"
    refused = client.get(**first)
    assert error_of(refused) == (429, "throttled")
    assert (refused.headers["retry-after"], refused.headers["ratelimit-remaining"]) == ("20", "0")
    assert client.get(**second).status_code == 200
    times.move(20)
    assert client.get(**first).status_code == 200


def test_without_a_rate_nothing_is_said_of_one(client: Client, store: FakeStore) -> None:
    assert "ratelimit-limit" not in client.get(Authorization=f"Token {new_token(store, 1)}").headers
