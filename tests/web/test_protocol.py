"""HTTP/1.1 on a real socket: what is malformed, too long, unusual or split up (contract section 4)."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.web.protocol import split_target
from turnout.web.server import Listener
from web.fakes import PATIENCE, FakeStore, live, make_app, raw

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = tuple[str, int]
INVALID = (400, "parameter_invalid")
TOO_LARGE = (413, "request_too_large")
NOTHING = (404, "not_found")
NOT_ALLOWED = (405, "method_not_allowed")
REPORT = "/api/v2/reports/attendances/data"


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with live(make_app(FakeStore(1), max_body=4096, auth_failures="none")) as address:
        yield address


def answers(found: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """The responses on a connection, one after the other."""
    got = []
    while found:
        head, _, rest = found.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        got.append((int(first.split(" ")[1]), headers, rest[:length]))
        found = rest[length:]
    return got


def error(found: bytes) -> tuple[int, str]:
    """The one answer, after a look at its envelope."""
    ((status, headers, body),) = answers(found)
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"]
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    document = json.loads(body)
    assert set(document) == {"code", "type", "message", "field_errors"}
    return status, document["code"]


def get(target: str = "/live", *lines: str, method: str = "GET", close: bool = True) -> bytes:
    closing = ["Connection: close"] if close else []
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *closing, *lines, "", ""]).encode("latin-1")


MALFORMED = [
    (b"\r\n\r\n\r\n", INVALID),
    (b"FOO\r\n\r\n", INVALID),
    (b"GET\r\n\r\n", INVALID),
    (b"GET /live\r\n\r\n", INVALID),
    (b"GET /live HTTP/0.9\r\nHost: x\r\n\r\n", INVALID),
    (b"GET /live HTTP/2.0\r\nHost: x\r\n\r\n", INVALID),
    (b"GET /live HTTP/9.9\r\n\r\n", INVALID),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", INVALID),
    (b"GET /live HTTQ/1.1\r\nHost: x\r\n\r\n", INVALID),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", INVALID),
    (b"GET /live HTTP/1.1\r\n\r\n", INVALID),
    (b"GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", INVALID),
    (b"GET /live HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", INVALID),
    (b"GET /live HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n", INVALID),
    (b"GET /live HTTP/1.1\r\nHost : x\r\n\r\n", INVALID),
    (b"GET /live HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", INVALID),
    (b"GET /live HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", INVALID),
    (b"GET /live HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n", INVALID),
    (b"GET /live HTTP/1.1\nHost: x\n\n", INVALID),
    (b"GET /live\x00 HTTP/1.1\r\nHost: x\r\n\r\n", INVALID),
    (b"GET /li ve HTTP/1.1\r\nHost: x\r\n\r\n", INVALID),
    (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", INVALID),
    (b"GET /live?\xff HTTP/1.1\r\nHost: x\r\n\r\n", INVALID),
    (b"GE\x00T /live HTTP/1.1\r\nHost: x\r\n\r\n", INVALID),
    (b"G(T /live HTTP/1.1\r\nHost: x\r\n\r\n", INVALID),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", INVALID),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\nab", INVALID),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", INVALID),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", INVALID),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", INVALID),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", INVALID),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", INVALID),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n", INVALID),
    (b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nHost: x\r\n\r\n", TOO_LARGE),
    (b"GET /live?" + b"a" * 1_000_000, TOO_LARGE),
    (b"GET /live HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", TOO_LARGE),
    (b"GET /live HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1_000_000, TOO_LARGE),
    (b"GET /live HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 300 + b"\r\n", TOO_LARGE),
    (b"G" * 100_000, INVALID),
    (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", NOT_ALLOWED),
    (b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", INVALID),
]


@pytest.mark.parametrize(("data", "expected"), MALFORMED, ids=lambda value: repr(value[:40]))
def test_malformed_requests(server: Address, data: bytes, expected: tuple[int, str]) -> None:
    assert error(raw(server, data)) == expected
    # However it arrives.
    assert error(raw(server, *[data[n : n + 7] for n in range(0, len(data[:70]), 7)], data[70:])) in (expected, INVALID)


@settings(max_examples=150)
@given(st.binary(min_size=1, max_size=80).map(lambda data: data + b"\r\n\r\n\r\n\r\n"))
def test_random_bytes_are_answered_in_the_envelope(server: Address, data: bytes) -> None:
    status, _ = error(raw(server, data))
    assert 400 <= status < 500


@settings(max_examples=100)
@given(st.binary(max_size=40).filter(lambda data: not set(b" \r\n\0") & set(data)))
def test_random_targets_are_answered_in_the_envelope(server: Address, data: bytes) -> None:
    found = raw(server, b"GET /nowhere" + data + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert error(found) in (INVALID, NOTHING)


@pytest.mark.parametrize("target", ["/live?search=Zoë", "/Zoë"])
def test_how_other_letters_are_written_is_said(server: Address, target: str) -> None:
    ((status, _, body),) = answers(raw(server, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    assert status == 400
    assert "is written by its bytes in UTF-8: 'Zo%C3%AB' for 'Zoë'." in json.loads(body)["message"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("FOO /live", NOT_ALLOWED),
        ("foo /nowhere", NOTHING),
        ("get /live", NOT_ALLOWED),
        ("G!#$%&'*+-.^_`|~9 /live", NOT_ALLOWED),
        ("PROPFIND /live", NOT_ALLOWED),
        ("TRACE /live", NOT_ALLOWED),
        ("OPTIONS *", NOTHING),
        ("UNLINK /live", NOT_ALLOWED),
    ],
)
def test_methods_of_every_kind(server: Address, line: str, expected: tuple[int, str]) -> None:
    method, _, target = line.partition(" ")
    found = raw(server, get(target, method=method))
    assert error(found) == expected
    if expected == NOT_ALLOWED:
        assert answers(found)[0][1]["allow"] == "GET, HEAD"


def test_an_unknown_method_keeps_the_connection(server: Address) -> None:
    found = raw(server, get(method="FOO", close=False), get())
    assert [status for status, _, _ in answers(found)] == [405, 200]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/echo?a=b%20c&a=d", "/echo", "a=b+c&a=d"),
        ("//echo", "/echo", ""),
        ("/echo/", "/echo", ""),
        ("/e%63ho", "/echo", ""),
        ("/echo?x=/y//z/?", "/echo", "x=%2Fy%2F%2Fz%2F%3F"),
        ("http://elsewhere.example/echo?a=1", "/echo", "a=1"),
        ("HTTP://x:81//echo", "/echo", ""),
        ("/echo#part?a=1", "/echo", ""),
        ("/echo?", "/echo", ""),
    ],
)
def test_targets_of_every_form(server: Address, target: str, path: str, query: str) -> None:
    ((status, _, body),) = answers(raw(server, get(target)))
    assert status == 200
    assert (json.loads(body)["path"], json.loads(body)["query"]) == (path, query)


def test_an_absolute_target_without_a_path_is_the_root(server: Address) -> None:
    assert answers(raw(server, get("http://x")))[0][0] == 307
    assert split_target(b"http://x?a=1") == (b"/", b"a=1")


def test_the_longest_url_is_answered(server: Address) -> None:
    base = "/live?x="
    assert answers(raw(server, get(base + "y" * (65_536 - len(base)))))[0][0] == 200
    assert error(raw(server, get(base + "y" * (65_537 - len(base))))) == TOO_LARGE
    assert error(raw(server, get("/" + "y" * 65_535))) == NOTHING


def test_http_1_0(server: Address) -> None:
    ((status, headers, body),) = answers(raw(server, b"GET /live HTTP/1.0\r\n\r\n"))
    assert (status, headers["connection"], body) == (200, "close", b'{"status":"live"}')
    assert error(raw(server, b"GET /nowhere HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")) == NOTHING


def test_head_has_no_body(server: Address) -> None:
    for target in ("/live", "/nowhere", REPORT):
        found = raw(server, get(target, method="HEAD"))
        head, _, body = found.partition(b"\r\n\r\n")
        assert body == b""
        length = answers(raw(server, get(target)))[0][1]["content-length"]
        # The message of a 500 names its request; these do not, so that the lengths agree.
        assert f"content-length: {length}".encode() in head


def test_pipelined_requests_are_answered_in_order(server: Address) -> None:
    found = raw(server, get("/echo?n=1", close=False) + get("/nowhere", close=False) + get("/echo?n=3"))
    assert [status for status, _, _ in answers(found)] == [200, 404, 200]


def test_rubbish_after_a_good_request_ends_the_connection_after_its_answer(server: Address) -> None:
    for rubbish in (b"\x00\x01\x02rubbish\r\n\r\n", b"GET /live HTTP/1.1\r\nbad header\r\n\r\n"):
        got = answers(raw(server, get("/echo?n=1", close=False) + rubbish))
        assert [status for status, _, _ in got] == [200]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_request_split_into_pieces(size: int) -> None:
    """Each piece is parsed by itself: the protocol is driven without a socket, which would join them."""
    data = b"\r\n" + get("/echo?a=1", "Content-Length: 3", method="POST") + b"abc"
    assert pieces_parsed([data[n : n + size] for n in range(0, len(data), size)]) == [("POST", "/echo", b"a=1", b"abc")]
    two = get("/a", close=False) + get("/b", close=False)
    seen = pieces_parsed([two[n : n + size] for n in range(0, len(two), size)])
    assert [path for _, path, _, _ in seen] == ["/a", "/b"]


def pieces_parsed(pieces: list[bytes]) -> list[tuple[str, str, bytes, bytes]]:
    """What an application gets to see when bytes arrive in these pieces."""
    seen: list[tuple[str, str, bytes, bytes]] = []

    class Transport(asyncio.Transport):
        def write(self, data: bytes) -> None:
            assert not data or data.startswith(b"HTTP/1.1 200"), data

        def pause_reading(self) -> None:
            """Pieces come all the same."""

        resume_reading = close = pause_reading

        def is_closing(self) -> bool:
            return False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["more_body"]:
            body += message["body"]
        seen.append((scope["method"], scope["path"], scope["query_string"], body + message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def run() -> None:
        listener = Listener(make_app(FakeStore()), app, [], False)
        listener.config.load()
        protocol = listener.config.http_protocol_class(listener.config, listener.server_state, {})
        protocol.connection_made(Transport())
        for piece in pieces:
            protocol.data_received(piece)
            await asyncio.sleep(0)
        while listener.server_state.tasks:
            await asyncio.gather(*listener.server_state.tasks)
        protocol.connection_lost(None)

    asyncio.run(run())
    return seen


def test_an_empty_line_before_a_request_is_forgiven(server: Address) -> None:
    assert answers(raw(server, b"\r\n" + get()))[0][0] == 200


# Upgrades are ignored: the request is answered as it would be without


@pytest.mark.parametrize(
    "upgrade",
    [
        (
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==",
        ),
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    ],
)
def test_upgrades(server: Address, upgrade: tuple[str, ...]) -> None:
    found = raw(
        server,
        get("/echo?n=1", *upgrade, close=False),
        get("/echo?n=2", *upgrade, "Content-Length: 5", method="POST", close=False) + b"he",
        b"llo",
        get("/echo?n=3", *upgrade, "Transfer-Encoding: chunked", method="POST", close=False) + b"2\r\nyo\r\n0\r\n\r\n",
        get("/nowhere", *upgrade, close=False) + get("/live"),
    )
    got = answers(found)
    assert [status for status, _, _ in got] == [200, 200, 200, 404, 200]
    assert [json.loads(body).get("body") for _, _, body in got[:3]] == ["", "hello", "yo"]


def test_many_pipelined_upgrades(server: Address) -> None:
    one = get("/live", "Upgrade: h2c", "Connection: Upgrade", close=False)
    assert len(answers(raw(server, one * 2000 + get()))) == 2001


# Bodies


def test_expect_100_continue(server: Address) -> None:
    head = get("/echo", "Content-Length: 2", "Expect: 100-continue", method="POST")
    with socket.create_connection(server, timeout=PATIENCE) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ok")
        found = b""
        while part := connection.recv(65536):
            found += part
    assert json.loads(answers(found)[0][2])["body"] == "ok"


def test_a_refused_expectation_is_answered_without_asking_for_the_body(server: Address) -> None:
    head = get("/admin/v1/tokens", "Content-Length: 5000", "Expect: 100-continue", method="POST", close=False)
    with socket.create_connection(server, timeout=PATIENCE) as connection:
        connection.sendall(head)
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_refused_body_is_read_away_so_that_the_answer_arrives(server: Address) -> None:
    with httpx.Client(base_url=f"http://{server[0]}:{server[1]}", timeout=PATIENCE) as client:
        for _ in range(2):
            answer = client.post("/admin/v1/tokens", content=b"x" * 7000, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == TOO_LARGE
        assert client.get("/live").status_code == 200


def test_an_endless_body_is_not_read_without_end(server: Address) -> None:
    head = get("/nowhere", "Transfer-Encoding: chunked", method="POST", close=False)
    with socket.create_connection(server, timeout=PATIENCE) as connection:
        connection.sendall(head)
        with pytest.raises(ConnectionError):
            connection.sendall((b"400\r\n" + b"x" * 1024 + b"\r\n") * 100_000)


def test_a_slow_head_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.web.protocol._HEAD_TIMEOUT", 0.05)
    with live(make_app(FakeStore())) as address:
        assert raw(address, b"") == b""
        assert error(raw(address, b"GET /live HTTP/1.1\r\nHost: x\r\n")) == INVALID
        # Between two requests the connection may rest for longer.
        with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=PATIENCE) as client:
            assert client.get("/live").status_code == 200


def test_forwarded_headers_count_only_from_a_trusted_proxy() -> None:
    statuses = []
    for trusted in ("", "127.0.0.0/8"):
        with live(make_app(FakeStore(), auth_failures="1/min", trusted_proxies=trusted)) as address:
            for client in ("192.0.2.1", "192.0.2.2"):
                asked = get(REPORT, "Authorization: Token x", f"X-Forwarded-For: {client}")
                statuses.append(answers(raw(address, asked))[0][0])
    assert statuses == [401, 429, 401, 401]
