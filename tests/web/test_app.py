"""Routes, spellings of addresses, errors of every kind, CORS, ids and log lines (contract sections 2.7 and 4)."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import StreamingResponse
from starlette.routing import Route

from turnout.errors import ERRORS, TurnoutError
from turnout.settings import Settings
from turnout.web.app import create_app
from turnout.web.logs import JsonFormatter, TextFormatter
from turnout.web.problems import error_response
from web.fakes import PATIENCE, FakeStore, error_of, fields_of, make_app, new_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.fakes import Client

REPORT = "/api/v2/reports/attendances/data"


@pytest.fixture
def client(asking: Callable[..., Client]) -> Client:
    return asking(max_body=2048, auth_failures="none")


@pytest.mark.parametrize(
    "path",
    [
        REPORT,
        "/api/v2//reports/attendances/data",
        REPORT + "/",
        "/api///v2/reports/attendances//data//",
        REPORT + "///",
    ],
)
def test_one_route_in_several_spellings(client: Client, store: FakeStore, path: str) -> None:
    answer = client.send("GET", path, headers={"Authorization": f"Token {new_token(store, 1)}"})
    assert (answer.status_code, answer.json()["provider"]) == (200, 1)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/v2", "/api/v2/reports/attendances/data/x", "/%00", "/%ff", REPORT + "%20"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PROPFIND"])
def test_unknown_paths(client: Client, method: str, path: str) -> None:
    assert error_of(client.send(method, path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (REPORT, "GET, HEAD"),
        (REPORT + "/", "GET, HEAD"),
        ("/live", "GET, HEAD"),
        ("/", "GET, HEAD"),
        ("/echo", "GET, HEAD, POST"),
        ("/admin/v1/providers", "GET, HEAD, POST"),
        ("/admin/v1/providers/1", "PATCH"),
        ("/admin/v1/tokens/1", "DELETE"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "FOO"])
def test_other_methods(client: Client, method: str, path: str, allow: str) -> None:
    answer = client.send(method, path, headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"})
    assert error_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allow
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_fault_of_the_program_says_nothing_of_itself(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    answer = client.send("GET", "/broken", headers={"X-Request-ID": "ask-me"})
    assert error_of(answer) == (500, "server_error")
    assert answer.json()["message"].endswith("The request's id is ask-me.")
    assert "secret" not in answer.text
    assert "RuntimeError: a secret detail" in caplog.text
    assert client.send("GET", "/live").status_code == 200


def test_a_body_that_says_it_is_too_large_is_not_read(client: Client) -> None:
    # 404 and 405 come first, in the order of checks; then this, before anyone is asked who they are.
    for method, path, expected in (
        ("POST", "/admin/v1/tokens", (413, "request_too_large")),
        ("GET", REPORT, (413, "request_too_large")),
        ("POST", REPORT, (405, "method_not_allowed")),
        ("POST", "/nowhere", (404, "not_found")),
    ):
        assert error_of(client.send(method, path, content=b"x" * 2049)) == expected


def test_a_body_that_turns_out_too_large_is_not_read_on(asking: Callable[..., Client]) -> None:
    client = asking(trusted=True, max_body=2048)
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1024
            yield b" " * 1024

    answer = client.send("POST", "/admin/v1/tokens", content=endless(), headers={"Content-Type": "application/json"})
    assert error_of(answer) == (413, "request_too_large")
    assert sent <= 4096


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_is_the_same_form(code: str) -> None:
    response = error_response(TurnoutError(code, fields={"a": ["b\udcff"]}))
    document = json.loads(bytes(response.body))
    assert (document["code"], document["type"]) == (code, ERRORS[code].type)
    assert document["field_errors"] == {"a": ["b?"], "non_field_errors": []}
    assert response.headers["cache-control"] == "private, no-cache"
    assert ("www-authenticate" in response.headers) == (response.status_code == 401)
    assert ("retry-after" in response.headers) == (response.status_code in (429, 503))


def test_an_error_may_say_when_to_come_back() -> None:
    assert error_response(TurnoutError("overloaded", retry_after=7)).headers["retry-after"] == "7"


def test_a_slow_query_and_a_busy_server(asking: Callable[..., Client], store: FakeStore) -> None:
    headers = {"Authorization": f"Token {new_token(store, 1)}"}
    slow = asking(query_timeout=0.05)
    store.free.clear()
    answer = slow.get(**headers)
    assert error_of(answer) == (503, "query_timeout")
    assert store.stopped.acquire(timeout=20)

    busy = asking(query_concurrency=1, queue_length=0, query_timeout=1000)

    async def two() -> tuple[Any, Any]:
        first = asyncio.create_task(busy.asking("GET", REPORT, headers=headers))
        await asyncio.to_thread(store.reading.acquire, timeout=PATIENCE)
        second = await busy.asking("GET", REPORT, headers=headers)
        store.free.set()
        return await first, second

    store.reading.acquire(blocking=False)
    first, second = busy.run(two())
    assert first.status_code == 200
    assert error_of(second) == (503, "overloaded")
    assert int(second.headers["retry-after"]) >= 1


# Ids, headers, log lines


@pytest.mark.parametrize("given", ["a", "x" * 128, "0b8f-4_A.~:/+=@", "4bf92f3577b34da6a3ce929d0e0e4736"])
def test_a_harmless_id_is_echoed(client: Client, given: str) -> None:
    assert client.send("GET", "/live", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "\xe9", '"', "<b>", "{}", "a,b"])
def test_any_other_id_is_replaced(client: Client, given: str) -> None:
    made = client.send("GET", "/nowhere", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert made != given
    assert len(made) == 16
    assert made != client.send("GET", "/nowhere").headers["x-request-id"]


@pytest.mark.parametrize("path", ["/live", "/nowhere", "/broken", REPORT, "/large"])
def test_headers_of_every_answer(client: Client, path: str) -> None:
    headers = client.send("GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"] == "no-referrer"
    assert headers.get_list("x-request-id")[1:] == []


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.fields for record in caplog.records if record.name == "turnout.request"]


def test_one_line_for_each_request_without_secrets_or_personal_data(
    client: Client, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "turnout")
    token = new_token(store, 1)
    address = REPORT + "?customers=4711&foo=anna@example.com"
    answer = client.send("GET", address, headers={"Authorization": f"Token {token}", "X-Request-ID": "id-1"})
    client.send("GET", "/secret/path?x=y", headers={"Authorization": "Token tk_guess"})
    first, second = lines(caplog)
    assert (first["id"], first["method"], first["route"], first["status"]) == ("id-1", "GET", REPORT, 200)
    assert (first["provider"], first["token"], first["bytes"]) == (1, 1, len(answer.content))
    assert first["ms"] >= first["phases"]["authenticate"] >= 0
    assert (second["route"], second["status"]) == ("unmatched", 404)
    text = " ".join(JsonFormatter().format(record) + TextFormatter().format(record) for record in caplog.records)
    for secret in (token, token[3:], "4711", "anna", "tk_guess", "/secret", "192.0.2.1"):
        assert secret not in text


def test_log_lines_are_json_or_text(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "turnout")
    client.send("GET", "/broken")
    error, request = caplog.records
    as_json = [json.loads(JsonFormatter().format(record)) for record in (error, request)]
    assert [line["level"] for line in as_json] == ["error", "info"]
    assert as_json[0]["id"] == as_json[1]["id"]
    assert "Traceback" in as_json[0]["error"]
    assert as_json[1]["time"].endswith("Z")
    assert TextFormatter().format(request).split()[1:3] == ["info", "request"]
    assert "Traceback" in TextFormatter().format(error)


def test_a_client_that_goes_is_noted_and_not_answered(
    asking: Callable[..., Client], store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "turnout")
    app = make_app(store)
    store.free.clear()
    sent: list[Any] = []

    async def go() -> None:
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Token {new_token(store, 1)}".encode())]
        scope = {
            "type": "http",
            "method": "GET",
            "path": REPORT,
            "query_string": b"",
            "headers": headers,
            "client": None,
        }
        task = asyncio.create_task(app(scope, receive, send))
        await asyncio.to_thread(store.reading.acquire, timeout=PATIENCE)
        gone.set()
        await task

    asking(app=app).run(go())
    assert store.stopped.acquire(timeout=20)
    assert not sent
    assert lines(caplog)[0]["status"] == 499


def test_half_an_answer_is_not_followed_by_an_error(client: Client) -> None:
    async def half(_: object) -> StreamingResponse:
        async def parts() -> Any:
            yield b"some"
            raise OSError("disk")

        return StreamingResponse(parts())

    app = create_app(FakeStore(), Settings(), report=half, pages=[Route("/half", half)])
    sent: list[Any] = []

    async def go() -> None:
        async def send(message: Any) -> None:
            sent.append(message["type"])

        scope = {"type": "http", "method": "GET", "path": "/half", "query_string": b"", "headers": [], "client": None}
        with pytest.raises((OSError, ExceptionGroup)):
            await app(scope, asyncio.Event().wait, send)

    client.run(go())
    assert sent == ["http.response.start", "http.response.body"]


# CORS


@pytest.fixture
def cors(asking: Callable[..., Client]) -> Client:
    return asking(cors_origins="https://a.example")


def preflight(
    client: Client, origin: str = "https://a.example", method: str = "GET", headers: str = "Authorization"
) -> Any:
    given = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return client.send("OPTIONS", REPORT, headers=given)


def test_a_page_of_an_allowed_origin_may_ask_and_read(cors: Client, store: FakeStore) -> None:
    answer = preflight(cors, headers="authorization, teamup-provider-id, if-none-match, prefer")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    given = {"Origin": "https://a.example", "Authorization": f"Token {new_token(store, 1)}"}
    answer = cors.send("GET", REPORT, headers=given)
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert {"Link", "ETag", "X-Total-Count", "X-Timeframe", "X-Request-ID"} <= set(
        answer.headers["access-control-expose-headers"].split(", ")
    )
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


def test_errors_can_be_read_by_an_allowed_origin_as_well(cors: Client) -> None:
    for path, status in ((REPORT, 401), ("/nowhere", 404), ("/broken", 500)):
        answer = cors.send("GET", path, headers={"Origin": "https://a.example"})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "https://a.example"


@pytest.mark.parametrize(
    "given", [{"origin": "https://b.example"}, {"method": "DELETE"}, {"headers": "X-Other"}, {"origin": "null"}]
)
def test_a_refused_preflight_is_an_error_as_any_other(cors: Client, given: dict[str, str]) -> None:
    answer = preflight(cors, **given)
    assert error_of(answer) == (400, "parameter_invalid")
    assert fields_of(answer) == {"non_field_errors"}
    if "origin" in given:
        assert "access-control-allow-origin" not in answer.headers


def test_another_origin_gets_no_permission(cors: Client) -> None:
    assert (
        "access-control-allow-origin" not in cors.send("GET", "/live", headers={"Origin": "https://b.example"}).headers
    )


def test_options_that_is_no_preflight_is_405_with_cors_too(cors: Client) -> None:
    assert error_of(cors.send("OPTIONS", REPORT, headers={"Origin": "https://a.example"})) == (
        405,
        "method_not_allowed",
    )


def test_any_origin(asking: Callable[..., Client]) -> None:
    answer = preflight(asking(cors_origins="*"), origin="https://anything.example")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")


def test_a_server_starts_without_what_only_some_need() -> None:
    program = (
        "import sys, turnout.web.server\n"
        "found = {'boto3', 'httpx', 'numpy', 'psycopg', 'pyarrow'} & set(sys.modules)\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
