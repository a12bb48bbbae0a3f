"""Following pages, against a server that the test plays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import httpx
import pytest

from turnout.cli.api import Unreachable
from turnout.cli.pages import PATH, every_page, first_page
from turnout.cli.problems import Failure, Misuse
from turnout.cli.report_output import Request, write_csv, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Callable

HEADERS = [{"label": "Customer ID", "key": "customer.id"}, {"label": "ID", "key": "id"}]


def client(
    answer: Callable[[httpx.Request], httpx.Response], base: str = "https://reports.example.com/base"
) -> httpx.Client:
    headers = {"Authorization": "Bearer tk_secret"}
    return httpx.Client(base_url=base, headers=headers, transport=httpx.MockTransport(answer))


def error(status: int, code: str, headers: dict[str, str] | None = None, **fields: list[str]) -> httpx.Response:
    document = {
        "code": code,
        "type": "t",
        "message": f"It is {code}.",
        "field_errors": {**fields, "non_field_errors": []},
    }
    return httpx.Response(status, json=document, headers=headers)


class Server:
    """Answers `pages` of ids, each with a link to the next."""

    def __init__(self, *pages: list[int], link: str = "http://elsewhere.example.org/other?cursor={}&limit=2") -> None:
        self.pages = pages
        self.link = link
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        query = parse_qs(request.url.query.decode())
        number = int(query.get("cursor", ["0"])[0])
        total = sum(map(len, self.pages))
        headers = {"X-Total-Count": str(total)}
        if number + 1 < len(self.pages):
            headers["Link"] = f'<{self.link.format(number + 1)}>; rel="next", <x>; rel="first"'
        if query.get("format") == ["csv"] or (number and "format" not in query and self.csv):
            body = b"\xef\xbb\xbfCustomer ID,Note\r\n" + b"".join(b'%d,"a\r\n""b"\r\n' % n for n in self.pages[number])
            return httpx.Response(200, content=body, headers=headers)
        rows = [{"customer": {"id": n * 10}, "id": n} for n in self.pages[number]]
        document = {"total": total, "column_headers": HEADERS, "rows": rows}
        return httpx.Response(200, json=document, headers=headers)

    csv = False


def test_every_page_is_asked_for_once_and_only_of_the_server_that_has_the_token() -> None:
    server = Server([3, 2], [1], link="http://evil.example.org/api?cursor={}&limit=2&status=a%2Cb&sort=")
    pages = list(every_page(client(server), 8, [("status", "a,b")]))
    assert [page.json()["rows"][0]["id"] for page in pages] == [3, 1]
    assert [request.url.host for request in server.asked] == ["reports.example.com"] * 2
    assert {request.url.path for request in server.asked} == {"/base" + PATH}
    first, second = (parse_qs(request.url.query.decode()) for request in server.asked)
    assert first == {"status": ["a,b"], "limit": ["100"]}
    assert second == {"cursor": ["1"], "limit": ["2"], "status": ["a,b"]}
    assert {request.headers["TeamUp-Provider-ID"] for request in server.asked} == {"8"}


def test_a_size_that_was_asked_for_stays() -> None:
    for name in ("limit", "page_size"):
        server = Server([1])
        list(every_page(client(server), 1, [(name, "7")]))
        assert parse_qs(server.asked[0].url.query.decode()) == {name: ["7"]}


@pytest.mark.parametrize(("status", "code"), [(429, "throttled"), (503, "overloaded")])
def test_a_busy_server_is_waited_for(status: int, code: str) -> None:
    answers = [error(status, code, {"Retry-After": "7"}), error(status, code), httpx.Response(200, json={"rows": []})]
    waited: list[float] = []
    pages = list(every_page(client(lambda _: answers.pop(0)), 1, [], sleep=waited.append))
    assert len(pages) == 1
    assert waited == [7, 1]


def test_a_server_that_stays_busy_is_given_up() -> None:
    waited: list[float] = []
    with pytest.raises(Failure, match="It is throttled"):
        list(every_page(client(lambda _: error(429, "throttled", {"Retry-After": "9999"})), 1, [], sleep=waited.append))
    assert waited == [60.0] * 7


def test_one_page_is_not_waited_for() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return error(429, "throttled")

    with pytest.raises(Failure, match="It is throttled"):
        first_page(client(answer), 1, [])
    assert len(asked) == 1


def test_what_the_parser_of_the_server_refuses_makes_the_command_wrong() -> None:
    with pytest.raises(Misuse) as caught:
        first_page(client(lambda _: error(400, "parameter_invalid", id_gt=["'x' is no id."])), 1, [])
    assert caught.value.exit_code == 2
    assert caught.value.lines() == ["It is parameter_invalid.", "  --id-gt: 'x' is no id."]


@pytest.mark.parametrize("code", ["authentication_failed", "provider_invalid", "query_timeout", "server_error"])
def test_other_refusals_are_failures(code: str) -> None:
    with pytest.raises(Failure) as caught:
        first_page(client(lambda _: error(403, code)), 1, [])
    assert caught.value.exit_code == 1
    assert caught.value.lines() == [f"It is {code}."]


def refuse(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Connection refused")


def hang_up(_: httpx.Request) -> httpx.Response:
    raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


def stall(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("")


@pytest.mark.parametrize(
    ("answer", "said", "kind"),
    [
        (lambda _: httpx.Response(502, text="<html>Bad gateway"), "answered 502 Bad Gateway, and not as", Unreachable),
        (lambda _: httpx.Response(301, headers={"Location": "https://x"}), "answered 301 Moved Permanently", Failure),
        (lambda _: httpx.Response(500, json=["?"]), "answered 500", Unreachable),
        (refuse, "https://reports.example.com/base could not be reached: Connection refused.", Unreachable),
        (hang_up, "could not be reached: Server disconnected without sending a response.", Unreachable),
        (stall, "did not answer within", Unreachable),
    ],
)
def test_what_is_no_answer_of_turnout(
    answer: Callable[[httpx.Request], httpx.Response], said: str, kind: type[Failure]
) -> None:
    with pytest.raises(Failure) as caught:
        first_page(client(answer), 1, [])
    assert said in caught.value.message
    assert ".." not in caught.value.message
    assert type(caught.value) is kind
    assert "tk_secret" not in caught.value.message


class Asked(Request):
    """A request whose bytes are kept."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response], *pairs: tuple[str, str], every: bool) -> None:
        self.written: list[bytes]
        object.__setattr__(self, "written", [])
        super().__init__(client(answer), 1, list(pairs), every, self.written.append)

    @property
    def text(self) -> bytes:
        return b"".join(self.written)


def test_json_of_every_page_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    request = Asked(Server([3, 2], [1], []), every=True)
    write_json(request)
    document = json.loads(request.text)
    assert list(document) == ["total", "column_headers", "rows"]
    assert document["total"] == 3
    assert document["column_headers"] == HEADERS
    assert [row["id"] for row in document["rows"]] == [3, 2, 1]
    assert capsys.readouterr().err == "3 of 3 rows.\n"


def test_json_of_every_page_without_rows() -> None:
    request = Asked(Server([]), every=True)
    write_json(request)
    assert json.loads(request.text) == {"total": 0, "column_headers": HEADERS, "rows": []}


def test_csv_of_every_page_has_one_header(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server([3, 2], [1])
    server.csv = True
    request = Asked(server, ("bom", "true"), every=True)
    write_csv(request)
    record = b',"a\r\n""b"\r\n'
    assert request.text == b"\xef\xbb\xbfCustomer ID,Note\r\n3" + record + b"2" + record + b"1" + record
    assert capsys.readouterr().err == "3 of 3 rows.\n"


def test_one_page_is_written_as_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server([3, 2], [1])
    request = Asked(server, every=False)
    write_json(request)
    assert json.loads(request.text)["total"] == 3
    assert len(server.asked) == 1
    assert capsys.readouterr().err == "2 of 3 rows; --all has every row.\n"


def test_a_table_asks_for_the_providers_own_time(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server([3, 2], [1])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/providers"):
            return httpx.Response(200, json=[{"id": 1, "timezone": "Europe/London"}])
        return server(request)

    write_table(Request(client(answer), 1, [], every=True))
    said = capsys.readouterr()
    assert parse_qs(server.asked[0].url.query.decode())["timezone"] == ["Europe/London"]
    assert said.out.splitlines() == [
        "Customer ID  ID",
        "───────────  ──",
        *(f"{n * 10:>11}  {n:>2}" for n in (3, 2, 1)),
    ]
    assert said.err == "3 of 3 rows; times in Europe/London.\n"


def test_a_table_for_one_who_may_not_ask_for_the_zone_is_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server([1])

    def answer(request: httpx.Request) -> httpx.Response:
        return error(403, "permission_denied") if request.url.path.endswith("/providers") else server(request)

    write_table(Request(client(answer), 1, [("columns", "id")], every=False))
    assert "timezone" not in parse_qs(server.asked[0].url.query.decode())
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "ID", "the required column was not asked for"
    assert said.err == "1 of 1 rows; times in UTC (--timezone chooses).\n"


@pytest.mark.parametrize(
    "later",
    [
        error(400, "parameter_invalid", cursor=["This cursor is damaged."]),
        error(503, "query_timeout"),
        error(401, "authentication_failed"),
        httpx.Response(200, text="<html>"),
    ],
    ids=lambda answer: str(answer.status_code),
)
@pytest.mark.parametrize("write", [write_json, write_table])
def test_a_report_that_breaks_off_is_said_to_be_incomplete(
    write: Callable[[Request], None], later: httpx.Response, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server([3, 2], [1])

    def answer(request: httpx.Request) -> httpx.Response:
        return server(request) if "cursor" not in request.url.query.decode() else later

    with pytest.raises(Failure, match=r"broke off after 2 rows; what was written is incomplete\. ") as caught:
        write(Asked(answer, every=True))
    assert caught.value.exit_code == 1
    assert "of 3 rows" not in capsys.readouterr().err
