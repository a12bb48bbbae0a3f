"""The page's session: a sealed cookie, good as long as its credential, for this server's own page alone."""

from __future__ import annotations

import base64
import logging
import re
import time
from typing import TYPE_CHECKING

import pytest

from live import joined
from turnout.web.once import Once
from web.fakes import NOW, SECOND, FakeStore, Times, error_of, fields_of, live, make_app, new_token, raw
from worlds import JWT_KEY, signed

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from web.fakes import Client

SESSION = "/page/v1/session"
HOUR = 3600
SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(asking: Callable[..., Client]) -> Client:
    return asking(auth_failures="none", jwt_key=JWT_KEY)


def sign_in(client: Client, token: str, **headers: str) -> httpx.Response:
    return client.send("POST", SESSION, json={"token": token}, headers=named(headers))


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def cookie_of(answer: httpx.Response) -> tuple[str, str, dict[str, str]]:
    """Name, value and attributes of the one cookie that an answer sets."""
    (header,) = answer.headers.get_list("set-cookie")
    first, *rest = header.split("; ")
    name, _, value = first.partition("=")
    return name, value, dict([*part.split("=", 1), ""][:2] for part in rest)


def as_cookie(answer: httpx.Response) -> str:
    name, value, _ = cookie_of(answer)
    return f"{name}={value}"


def changed(client: Client, cookie: str, **headers: str) -> httpx.Response:
    """A request that changes something, by cookie."""
    body = {"providers": [1]}
    return client.send("POST", "/admin/v1/tokens", json=body, headers={"Cookie": cookie, **named(headers)})


def test_signing_in_answers_what_is_seen_and_sets_a_cookie(client: Client, store: FakeStore) -> None:
    token = new_token(store, 1, 2, expires_in="30d")
    answer = sign_in(client, f"  {token}\n")
    assert answer.status_code == 200
    expected = {
        "providers": [
            {"id": id_, "name": f"Provider {id_}", "timezone": "Europe/Berlin", "week_start": "monday"}
            for id_ in (1, 2)
        ],
        "role": "attendances",
        "instructor_id": None,
        "expires_at": "2026-09-22T02:13:20Z",
    }
    assert answer.json() == expected
    name, value, attributes = cookie_of(answer)
    assert name == "turnout_session"
    assert attributes == {"Path": "/", "Max-Age": str(12 * HOUR), "HttpOnly": "", "SameSite": "Strict"}
    assert answer.headers["cache-control"] == "no-store"
    again = client.get(SESSION, Cookie=f"a=b; {name}={value}; c=d")
    assert (again.status_code, again.json()) == (200, expected)
    assert "set-cookie" not in again.headers
    assert client.get(Cookie=f"{name}={value}", TeamUp_Provider_ID="2").json()["provider"] == 2
    assert token not in answer.text + str(answer.headers) + again.text


@pytest.mark.parametrize("given", ["1h", "11h", "12h", "13h", None])
def test_a_session_lives_as_long_as_its_token_and_twelve_hours_at_most(
    client: Client, store: FakeStore, times: Times, given: str | None
) -> None:
    answer = sign_in(client, new_token(store, 1, expires_in=given))
    life = min(int(given[:-1]) if given else 99, 12) * HOUR
    assert cookie_of(answer)[2]["Max-Age"] == str(life)
    times.now = NOW + life * SECOND - 1
    assert client.get(Cookie=as_cookie(answer)).status_code == 200
    times.now += 1
    over = client.get(SESSION, Cookie=as_cookie(answer))
    assert error_of(over) == (401, "authentication_failed")
    assert "expired" in over.json()["message"]


def test_a_jwt_signs_in_until_it_would_be_refused(client: Client, times: Times) -> None:
    present = int(time.time())
    times.now = present * SECOND
    answer = sign_in(client, signed(exp=present + 600, role="instructor_attendances", instructor=7))
    assert (answer.json()["instructor_id"], answer.json()["role"]) == (7, "instructor_attendances")
    assert cookie_of(answer)[2]["Max-Age"] == "630"
    assert client.get(Cookie=as_cookie(answer)).json()["instructor"] == 7
    times.move(630)
    assert error_of(client.get(Cookie=as_cookie(answer))) == (401, "authentication_failed")


def test_providers_that_are_gone_are_not_told(client: Client, store: FakeStore) -> None:
    token = new_token(store, 1, 3)
    del store._providers[3]
    assert [one["id"] for one in sign_in(client, token).json()["providers"]] == [1]


def test_a_revoked_token_ends_its_session(client: Client, store: FakeStore) -> None:
    cookie = as_cookie(sign_in(client, new_token(store, 1)))
    store.revoke_token(1, NOW)
    for path in (SESSION, "/api/v2/reports/attendances/data"):
        refused = client.get(path, Cookie=cookie)
        assert error_of(refused) == (401, "authentication_failed")
        assert "revoked" in refused.json()["message"]


def test_without_a_session(client: Client) -> None:
    for cookie in (
        "",
        "other=1",
        "turnout_sessio=x",
        "xturnout_session=x",
        "turnout_session=",
        "__Host-turnout_session=x",
    ):
        expected = "not_authenticated" if cookie != "turnout_session=" else "authentication_failed"
        assert error_of(client.get(SESSION, Cookie=cookie)) == (401, expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value[:-1],
        lambda value: value + "A",
        lambda value: ("B" if value[0] == "A" else "A") + value[1:],
        lambda value: value[:20] + ("B" if value[20] == "A" else "A") + value[21:],
        lambda value: value[::-1],
        lambda value: "tk_" + value,
        lambda value: base64.urlsafe_b64encode(b"\x92\xcf" + bytes(40)).decode(),
        lambda value: "%00",
        lambda value: "\xff",
        lambda value: "a" * 10_000,
        lambda value: value + "; turnout_session=" + value[::-1],
    ],
)
def test_a_tampered_cookie_is_refused(client: Client, store: FakeStore, change: Callable[[str], str]) -> None:
    name, value, _ = cookie_of(sign_in(client, new_token(store, 1)))
    refused = client.get(SESSION, Cookie=f"{name}={change(value)}")
    assert error_of(refused) == (401, "authentication_failed")
    assert "expired" not in refused.json()["message"]


def test_a_cookie_of_another_store_and_a_token_as_cookie_are_refused(
    asking: Callable[..., Client], client: Client, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new_token(store, 1)
    other = FakeStore(1)
    monkeypatch.setattr(other, "secret", lambda name: name.encode().ljust(32, b"!"))
    foreign = as_cookie(sign_in(asking(app=make_app(other, Times())), new_token(other, 1)))
    for cookie in (foreign, f"turnout_session={token}"):
        assert error_of(client.get(SESSION, Cookie=cookie)) == (401, "authentication_failed")


def test_a_cookie_is_looked_at_only_without_authorization(client: Client, store: FakeStore) -> None:
    cookie, other = as_cookie(sign_in(client, new_token(store, 1))), new_token(store, 2)
    assert client.get(Cookie=cookie, Authorization=f"Token {other}").json()["provider"] == 2
    assert error_of(client.get(Cookie=cookie, Authorization="Token tk_bad")) == (401, "authentication_failed")
    assert error_of(client.get(Cookie=cookie, Authorization=" ")) == (401, "not_authenticated")
    assert client.get(Cookie="turnout_session=bad", Authorization=f"Token {other}").status_code == 200


def test_signing_in_again_is_another_session_whatever_cookie_was_brought(client: Client, store: FakeStore) -> None:
    """Nobody can fix beforehand in which session somebody will be."""
    fixed = as_cookie(sign_in(client, new_token(store, 1)))
    answer = sign_in(client, new_token(store, 2), Cookie=fixed)
    assert as_cookie(answer) != fixed
    assert client.get(Cookie=fixed).json()["provider"] == 1
    assert client.get(Cookie=as_cookie(answer)).json()["provider"] == 2
    planted = sign_in(client, new_token(store, 2), Cookie="turnout_session=planted")
    assert cookie_of(planted)[1] != "planted"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"token"}),
        ({"token": None}, {"token"}),
        ({"token": 1}, {"token"}),
        ({"once": ["x"]}, {"once"}),
        ({"token": "x", "once": "y"}, {"token"}),
        ({"tokn": "x"}, {"token", "tokn"}),
        ({"token": "x" * 4000}, None),
    ],
)
def test_what_signing_in_takes(client: Client, body: object, fields: set[str] | None) -> None:
    answer = client.send("POST", SESSION, json=body)
    if fields is None:
        assert error_of(answer) == (401, "authentication_failed")
    else:
        assert (error_of(answer), fields_of(answer)) == ((400, "parameter_invalid"), fields)
    assert "set-cookie" not in answer.headers
    form = client.send("POST", SESSION, content=b"token=x", headers={"Content-Type": "text/plain"})
    assert error_of(form) == (415, "unsupported_media_type")


def test_what_no_cookie_can_hold_is_refused(client: Client) -> None:
    answer = sign_in(client, signed(name="x" * 4000))
    assert (error_of(answer), fields_of(answer)) == ((400, "parameter_invalid"), {"token"})


def test_who_may_read_nothing_is_not_signed_in(client: Client) -> None:
    for claims in ({"role": "customers"}, {"role": "instructor_attendances"}):
        answer = sign_in(client, signed(**claims))
        assert error_of(answer) == (403, "permission_denied")
        assert "set-cookie" not in answer.headers


def test_failures_are_counted_by_address_and_sessions_that_are_over_are_not(
    asking: Callable[..., Client], store: FakeStore, times: Times
) -> None:
    app = make_app(store, times, auth_failures="3/min")
    client = asking(app=app)
    cookie = as_cookie(sign_in(client, new_token(store, 1)))
    times.move(12 * HOUR)
    for _ in range(5):
        assert error_of(client.get(SESSION, Cookie=cookie)) == (401, "authentication_failed")
    for request in (
        lambda: sign_in(client, "tk_bad"),
        lambda: client.send("POST", SESSION, json={"once": "bad"}),
        lambda: client.get(SESSION, Cookie="turnout_session=bad"),
    ):
        assert error_of(request()) == (401, "authentication_failed")
    refused = sign_in(client, "tk_bad")
    assert error_of(refused) == (429, "throttled")
    assert int(refused.headers["retry-after"]) > 0
    assert sign_in(client, new_token(store, 1)).status_code == 200


# TLS


@pytest.mark.parametrize(
    ("given", "base", "secure"),
    [
        ({}, "http://inside", False),
        ({}, "https://inside", True),
        ({"public_url": "https://reports.example.com"}, "http://inside", True),
        ({"public_url": "http://reports.example.com"}, "http://inside", False),
    ],
)
def test_behind_tls_the_cookie_is_secure_and_its_name_says_so(
    asking: Callable[..., Client], store: FakeStore, given: dict[str, str], base: str, secure: bool
) -> None:
    client = asking(**given)
    answer = client.send("POST", f"{base}{SESSION}", json={"token": new_token(store, 1)})
    name, value, attributes = cookie_of(answer)
    assert name == ("__Host-turnout_session" if secure else "turnout_session")
    assert ("Secure" in attributes) == secure
    assert {"HttpOnly": "", "SameSite": "Strict", "Path": "/"}.items() <= attributes.items()
    assert "Domain" not in attributes
    assert client.get(f"{base}{SESSION}", Cookie=f"{name}={value}").status_code == 200
    # A cookie of the other name, which somebody in between could have set, is none.
    other = "turnout_session" if secure else "__Host-turnout_session"
    assert error_of(client.get(f"{base}{SESSION}", Cookie=f"{other}={value}")) == (401, "not_authenticated")
    gone = client.send("DELETE", f"{base}{SESSION}", headers={"Cookie": f"{name}={value}", **SAME})
    assert cookie_of(gone)[0] == name
    assert ("Secure" in cookie_of(gone)[2]) == secure


@pytest.mark.parametrize("believed", [True, False])
def test_only_a_trusted_proxy_says_that_there_is_tls(store: FakeStore, believed: bool) -> None:
    trusted = "127.0.0.1" if believed else "192.0.2.0/24"
    body = f'{{"token": "{new_token(store, 1)}"}}'.encode()
    head = (
        f"POST {SESSION} HTTP/1.1\r\nHost: reports.example.com\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    )
    more = "Content-Type: application/json\r\nX-Forwarded-Proto: https\r\nOrigin: https://reports.example.com\r\n\r\n"
    with live(make_app(store, Times(), trusted_proxies=trusted)) as address:
        answer = raw(address, (head + more).encode() + body).decode().lower()
    if believed:
        assert "set-cookie: __host-turnout_session=" in answer
        assert "; secure" in answer
    else:
        assert " 403 " in answer.splitlines()[0], "what it says of itself is https, and the request came by http"
        assert "set-cookie" not in answer


# Requests of others' pages


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        (SAME, True),
        ({"Origin": "http://inside"}, True),
        ({"Origin": "http://inside:80"}, True),
        ({"Origin": "http://inside", "Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://inside.example.com"}, False),
        ({"Origin": "https://inside"}, False),
        ({"Origin": "http://inside:8000"}, False),
        ({"Origin": "http://other", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "http://[bad"}, False),
        ({"Referer": "http://inside/"}, False),
    ],
)
def test_changes_by_cookie_come_from_the_own_page(
    client: Client, store: FakeStore, headers: dict[str, str], allowed: bool
) -> None:
    token = new_token(store, 1, role="super_admin")
    cookie = as_cookie(sign_in(client, token))
    answer = changed(client, cookie, **headers)
    if allowed:
        assert answer.status_code == 201
    else:
        assert error_of(answer) == (403, "permission_denied")
        assert len(store.tokens()) == 1
    assert client.get(Cookie=cookie, **headers).status_code == 200, "reading changes nothing"
    with_token = client.send(
        "POST", "/admin/v1/tokens", json={"providers": [1]}, headers={"Authorization": f"Token {token}", **headers}
    )
    assert with_token.status_code == 201, "no browser sends a token by itself"


def test_the_own_address_may_be_another_one_outside(asking: Callable[..., Client], store: FakeStore) -> None:
    client = asking(public_url="https://reports.example.com/attendance")
    cookie = as_cookie(sign_in(client, new_token(store, 1, role="super_admin")))
    assert changed(client, cookie, Origin="https://reports.example.com").status_code == 201
    assert error_of(changed(client, cookie, Origin="https://example.com")) == (403, "permission_denied")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("headers", [{"Origin": "http://other"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
def test_nobody_is_signed_in_or_out_by_others_pages(
    client: Client, store: FakeStore, method: str, headers: dict[str, str]
) -> None:
    answer = client.send(method, SESSION, json={"token": new_token(store, 1)}, headers=headers)
    assert error_of(answer) == (403, "permission_denied")
    assert "set-cookie" not in answer.headers


def test_cors_never_allows_credentials(asking: Callable[..., Client], store: FakeStore) -> None:
    for origins in ("https://app.example.com", "*"):
        client = asking(cors_origins=origins)
        cookie = as_cookie(sign_in(client, new_token(store, 1)))
        answer = client.get(Cookie=cookie, Origin="https://app.example.com")
        assert "access-control-allow-credentials" not in answer.headers
        asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
        before = client.send("OPTIONS", SESSION, headers=asked)
        assert "access-control-allow-credentials" not in before.headers
        assert "POST" not in before.headers.get("access-control-allow-methods", "")


# Signing out, and links that sign in


def test_signing_out_takes_the_cookie_away(client: Client, store: FakeStore) -> None:
    cookie = as_cookie(sign_in(client, new_token(store, 1)))
    for headers in ({"Cookie": cookie, **SAME}, {"Cookie": "turnout_session=bad"}, {}):
        answer = client.send("DELETE", SESSION, headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        name, value, attributes = cookie_of(answer)
        assert (name, value, attributes["Max-Age"]) == ("turnout_session", "", "0")


def test_other_methods(client: Client) -> None:
    answer = client.send("PUT", SESSION)
    assert error_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, POST"


@pytest.fixture
def once(client: Client) -> Once:
    return client._app.services.once


def with_code(client: Client, code: str, **headers: str) -> httpx.Response:
    return client.send("POST", SESSION, json={"once": code}, headers=named(headers))


def test_a_link_signs_in_once(client: Client, store: FakeStore, once: Once) -> None:
    token = new_token(store, 2)
    code = once.make(token, NOW)
    assert len(base64.urlsafe_b64decode(code + "=")) == 32
    answer = with_code(client, code)
    assert client.get(Cookie=as_cookie(answer)).json()["provider"] == 2
    refused = with_code(client, code)
    assert error_of(refused) == (401, "authentication_failed")
    assert "once" in refused.json()["message"] or "already" in refused.json()["message"]
    assert "set-cookie" not in refused.headers
    assert code not in str(vars(once))


def test_a_link_is_good_for_ten_minutes(client: Client, store: FakeStore, once: Once, times: Times) -> None:
    early, late = (once.make(new_token(store, 1), NOW) for _ in range(2))
    times.now = NOW + 600 * SECOND - 1
    assert with_code(client, early).status_code == 200
    times.now += 1
    assert error_of(with_code(client, late)) == (401, "authentication_failed")
    times.now = NOW
    assert error_of(with_code(client, late)) == (401, "authentication_failed"), "a late code is gone as well"


def test_a_link_of_a_revoked_token_signs_nobody_in(client: Client, store: FakeStore, once: Once) -> None:
    code = once.make(new_token(store, 1), NOW)
    store.revoke_token(1, NOW)
    assert error_of(with_code(client, code)) == (401, "authentication_failed")


def test_nothing_secret_is_logged_or_told(
    client: Client, store: FakeStore, once: Once, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = new_token(store, 1, role="super_admin")
    code = once.make(token, NOW)
    answers = [sign_in(client, token), with_code(client, code), sign_in(client, token + "x"), with_code(client, code)]
    cookie = as_cookie(answers[0])
    answers += [
        client.get(SESSION, Cookie=cookie),
        changed(client, cookie, **SAME),
        client.get(SESSION, Cookie=cookie + "x"),
    ]
    answers.append(client.get(f"/?once={code}"))
    logged = "\n".join(
        f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name.startswith("turnout")
    )
    assert '"route"' in logged.replace("'", '"')
    for secret in (token, code, cookie.partition("=")[2]):
        assert secret not in logged
        for answer in answers:
            assert secret not in answer.text
            shown = [value for name, value in joined(answer.headers.multi_items()).items() if name != "set-cookie"]
            assert not any(secret in value for value in shown)
    assert not re.search(r"tk_\w{8}", logged)
