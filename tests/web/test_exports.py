"""Exports over HTTP: asking, waiting, fetching, cancelling; who may, and what is refused (sections 8 and 9)."""

from __future__ import annotations

import csv
import errno
import io
import json
import pathlib
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest

import turnout.exports
from inside import Inside, add_provider, import_file, new_store, token
from live import REPORT, until
from oracle.report import Tenant
from turnout.catalog.attendances import ATTENDANCES
from turnout.catalog.exports import EXPORTS, FILE_FORMATS
from turnout.errors import TurnoutError
from turnout.exports import FILES
from turnout.jobs import crew
from turnout.query.instants import DAY, load_zone, parse_instant
from turnout.store import postgres_jobs
from turnout.store.jobs import Status
from turnout.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from live import Answer, Asking
    from turnout.store.base import Store
    from turnout.store.jobs import Job

pytestmark = pytest.mark.any_store


NOW = parse_instant("2026-11-23T10:00:00Z", load_zone("UTC"))
EXPORT, JOBS = "/api/v2/reports/attendances/export", "/api/v2/jobs"
MEMBERS = (
    "id", "object", "result_url", "total_items", "complete_items", "status", "error", "format", "size", "created_at",
    "finished_at", "expires_at",
)  # fmt: skip
ROWS = 230


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "updated_at": "2026-10-02T00:00:00Z",
        "customer": {"id": 1 + number % 9, "name": f"=Zoë {number % 9}", "email": f"z{number % 9}@example.org"},
        "event": {"id": number, "starts_at": f"2026-10-{1 + number % 28:02}T10:00:00Z"},
        "status": ("attended", "no_show", "registered")[number % 3],
        "instructors": [{"id": 1 + number % 2, "name": f"Teacher {number % 2}"}],
    } | more


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(new_store(tmp_path)) as opened:
        for id_ in (1, 2):
            add_provider(opened, Tenant(id_, "America/Chicago", "monday"))
            import_file(opened, id_, [row(number) for number in range(1, ROWS + 1)])
        yield opened


@pytest.fixture
def start(store: Store, tmp_path: Path) -> Iterator[Callable[..., Inside]]:
    """Starts the application with settings."""
    started: list[Inside] = []

    def begin(**settings: object) -> Inside:
        started.append(Inside(store, NOW, database=str(tmp_path / "turnout.duckdb"), **settings))
        return started[-1]

    yield begin
    for inside in started:
        inside.close()


@pytest.fixture
def inside(start: Callable[..., Inside]) -> Inside:
    return start()


@pytest.fixture
def client(inside: Inside, store: Store) -> Asking:
    return inside.as_(token(store, 1))


class Gate:
    """Holds exports back after they have opened their snapshot and told their total; counts those that got there."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)

    def wait_for(self, exports: int = 1) -> None:
        for _ in range(exports):
            assert self.reached.acquire(timeout=20)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    found = Gate()
    write_file = turnout.exports.write_file

    def held(*args: Any, on_total: Callable[[int], None], check: Callable[[], None], **given: Any) -> int:
        def on_total_then_wait(total: int) -> None:
            on_total(total)
            found.reached.release()
            while not found.open.wait(0.002):
                check()

        try:
            return write_file(*args, on_total=on_total_then_wait, check=check, **given)
        finally:
            found.ended.release()

    monkeypatch.setattr(turnout.exports, "write_file", held)
    yield found
    found.open.set()


def post(
    asking: Asking, body: object = None, headers: Mapping[str, str] | None = None, query: str = "", path: str = EXPORT
) -> Answer:
    sent = {"Content-Type": "application/json", **(headers or {})}
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return asking.send("POST", f"{path}?{query}" if query else path, sent, data)


def job_of(answer: Answer) -> int:
    assert answer.status == 200, answer.body
    assert list(answer.json) == ["job"]
    return int(answer.json["job"])


def look(asking: Asking, job: int) -> dict[str, Any]:
    answer = asking.get(path=f"{JOBS}/{job}")
    assert answer.status == 200, answer.body
    return dict(answer.json)


def ended(asking: Asking, job: int) -> dict[str, Any]:
    """The job when it has ended."""
    for _ in until():
        found = look(asking, job)
        if found["status"] not in ("queued", "running"):
            return found
    raise AssertionError


def fetched(asking: Asking, job: dict[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """The file, for somebody without a token."""
    return asking.follow(job["result_url"], {"Authorization": "", **(headers or {})})


def exported(asking: Asking, body: object = None, **how: Any) -> Answer:
    job = ended(asking, job_of(post(asking, body, **how)))
    assert job["status"] == "complete", job
    answer = fetched(asking, job)
    assert answer.status == 200
    return answer


def files(inside: Inside) -> list[str]:
    return sorted(path.name for path in Path(inside.services.jobs.files.home.place).glob("[!.]*"))


# The life of a job


@pytest.mark.parametrize("format_", FILES)
def test_a_job_from_start_to_end(inside: Inside, store: Store, gate: Gate, format_: str) -> None:
    client = inside.as_(token(store, 1))
    number = job_of(post(client, {"format": format_, "status": ["attended", "no_show"]}))
    gate.wait_for()
    job = look(client, number)
    total = client.get({"status": "attended,no_show", "format": "json", "limit": 0}).json["total"]
    assert tuple(job) == MEMBERS
    assert (job["id"], job["object"], job["status"], job["format"]) == (number, "job", "running", format_)
    assert (job["total_items"], job["complete_items"]) == (total, 0)
    assert [job[name] for name in ("result_url", "error", "size", "finished_at", "expires_at")] == [None] * 5
    assert job["created_at"] == "2026-11-23T10:00:00Z"
    gate.open.set()
    job = ended(client, number)
    assert tuple(job) == MEMBERS
    assert (job["status"], job["total_items"], job["complete_items"]) == ("complete", total, total)
    assert (job["finished_at"], job["expires_at"]) == ("2026-11-23T10:00:00Z", "2026-11-30T10:00:00Z")
    answer = fetched(client, job)
    assert answer.status == 200
    assert len(answer.body) == job["size"] == int(answer.headers["content-length"])
    assert answer.headers["content-type"] == FILES[format_].media_type
    assert answer.headers["content-disposition"] == f'attachment; filename="attendances-2026-11-23.{format_}"'
    assert answer.headers["accept-ranges"] == "bytes"


def test_the_rows_are_those_of_the_report_in_its_order(client: Asking) -> None:
    asked = {"sort": "customer.name,-id", "columns": "id,customer.name", "status": "attended"}
    pages = [client.get({**asked, "format": "json", "limit": 100, "offset": at}).json for at in (0, 100)]
    rows = [one for page in pages for one in page["rows"]]
    lines = exported(client, {**asked, "format": "ndjson"}).body.splitlines()
    assert [json.loads(line) for line in lines] == rows
    document = json.loads(exported(client, {**asked, "format": "json"}).body)
    assert document == {**pages[0], "rows": rows}
    cells = list(csv.reader(io.StringIO(exported(client, asked).body.decode())))
    assert cells[0] == ["Customer ID", "ID", "Customer Name"]
    assert [cells_[1] for cells_ in cells[1:]] == [str(one["id"]) for one in rows]


def test_an_empty_body_exports_everything_as_csv(client: Asking) -> None:
    for headers in ({}, {"Content-Type": ""}, {"Content-Type": "application/x-www-form-urlencoded"}):
        answer = exported(client, headers=headers)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert len(answer.body.splitlines()) == 1 + ROWS
    assert client.get("limit=0&format=json").json["total"] == ROWS


def test_the_forms_of_parameters(client: Asking) -> None:
    """JSON, a form and multipart, lists as arrays or as in the query: all say the same."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    multipart = {"Content-Type": 'multipart/form-data; boundary="x"'}
    parts = [("customers", "1,2"), ("customers[]", "3"), ("format", "ndjson"), ("include_future", "TRUE")]
    lines = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts]
    expected = client.get({"customers": "1,2,3", "limit": 0, "format": "json", "include_future": "true"}).json["total"]
    bodies: list[tuple[object, dict[str, str]]] = [
        ({"customers": [1, 2, 3], "format": "ndjson", "include_future": True}, {}),
        ({"customers": "1,2,3", "format": "ndjson", "include_future": "1"}, {}),
        ({"customers": ["1,2", 3], "format": "ndjson", "include_future": 1, "venues": None, "id_gt": 0}, {}),
        ({"customers[]": ["1", "2", "3"], "format": " ndjson ", "status": [], "instructors": ""}, {}),
        (b'{"customers":1,"customers":[2,3],"format":"ndjson"}', {}),
        (urlencode(parts).encode(), form),
        (urlencode(parts).encode(), {"Content-Type": form["Content-Type"] + "; charset=UTF-8"}),
        (("".join(lines) + "--x--\r\n").encode(), multipart),
    ]
    for body, headers in bodies:
        assert len(exported(client, body, headers=headers).body.splitlines()) == expected, body


def test_the_format_may_be_in_the_query(client: Asking) -> None:
    assert exported(client, query="format=json").headers["content-type"] == "application/json"
    assert exported(client, {"format": "json"}, query="format=json").headers["content-type"] == "application/json"
    answer = post(client, {"format": "json"}, query="format=csv")
    assert answer.error() == (400, "parameter_invalid", {"format"})
    answer = post(client, {"venues": ["x"]}, query="status=attended&format=xml&limit=5")
    assert answer.error() == (400, "parameter_invalid", {"status", "format", "limit", "venues"})
    assert "belongs into the body" in answer.json["field_errors"]["status"][0]
    assert post(client, query="statuss=x").error() == (400, "parameter_invalid", {"statuss"})
    answer = post(client, headers={"Prefer": "handling=lenient"}, query="statuss=x")
    assert (answer.status, answer.headers["x-ignored-parameters"]) == (200, "statuss")


def test_all_faults_are_reported_together(client: Asking) -> None:
    body = {
        "status": ["attendet"], "limit": 5, "page": 1, "cursor": "x", "page_size[]": 3, "offset": 0, "venue": 1,
        "sort": "nothing", "customers": {"id": 1}, "memberships": [[1]], "event_start_gte": "yesterday", "id_gt": 1.5,
    }  # fmt: skip
    faults = post(client, body).error()
    assert faults == (400, "parameter_invalid", {*body})
    assert client.get(path=JOBS).json["total"] == 0


@pytest.mark.parametrize("name", [one.name for one in ATTENDANCES.parameters if one.paging])
@pytest.mark.parametrize("lenient", [False, True])
def test_paging_parameters_are_errors_whatever_the_preference(client: Asking, name: str, lenient: bool) -> None:
    headers = {"Prefer": "handling=lenient"} if lenient else {}
    assert post(client, {name: ""}, headers).error() == (400, "parameter_invalid", {name})


def test_an_unknown_parameter_is_ignored_on_request(client: Asking) -> None:
    assert post(client, {"statuses": "x"}).error() == (400, "parameter_invalid", {"statuses"})
    answer = post(client, {"statuses": "x", "format": "ndjson"}, {"Prefer": "handling=lenient"})
    assert answer.headers["preference-applied"] == "handling=lenient"
    assert answer.headers["x-ignored-parameters"] == "statuses"
    assert ended(client, job_of(answer))["total_items"] == ROWS


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"[1]"), ("application/json", b'"x"'), ("application/json", b"{"), ("application/json", b"\xff"),
        ("application/json", b'{"id_gt":NaN}'), ("application/json", b"[" * 100_000),
        ("multipart/form-data", b"--x--\r\n"), ("multipart/form-data; boundary=x", b"x"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="status"\r\n\r\nattended\r\n'),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nattended\r\n--x--\r\n"),
    ],
)  # fmt: skip
def test_bodies_that_are_damaged(client: Asking, content_type: str, body: bytes) -> None:
    answer = post(client, body, {"Content-Type": content_type})
    assert answer.error() == (400, "parameter_invalid", {"non_field_errors"})


@pytest.mark.parametrize("name", ["timezone", "columns", "sort", "customers", "format", "status", "limit"])
def test_half_a_character_is_no_text(client: Asking, name: str) -> None:
    """JSON can say it, and no text can hold it."""
    for half in (b"\\ud800", b"x\\udc80", b"\\udfff\\ud800"):
        assert post(client, b'{"%b":"%b"}' % (name.encode(), half)).error() == (400, "parameter_invalid", {name})
        assert post(client, b'{"%b":1}' % half).error()[:2] == (400, "parameter_invalid")


def test_a_file_among_the_parts_is_no_value(client: Asking) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="status"; filename="a"\r\n\r\nattended\r\n--x--\r\n'
    answer = post(client, body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.error() == (400, "parameter_invalid", {"status"})


def test_what_is_no_body_of_parameters(client: Asking) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Type": "application/json; charset=x"},
                    {"Content-Encoding": "gzip"}):  # fmt: skip
        assert post(client, {"status": "attended"}, headers).error()[:2] == (415, "unsupported_media_type"), headers
    assert post(client, b" " * (1 << 20) + b"{}").error()[:2] == (413, "request_too_large")


def test_the_order_of_checks(inside: Inside, store: Store) -> None:
    """404, 405, 401, mode, provider, role, parameters."""
    both = inside.as_(token(store, 1, 2))
    bad = b"{"
    assert inside.send("POST", "/api/v2/reports/nothing/export", body=bad).error()[:2] == (404, "not_found")
    answer = inside.send("GET", EXPORT)
    assert (answer.error()[:2], answer.headers["allow"]) == ((405, "method_not_allowed"), "POST")
    assert post(inside, bad).error()[:2] == (401, "not_authenticated")
    mode = {"TeamUp-Request-Mode": "customer"}
    assert post(both, bad, mode).error()[:2] == (403, "mode_not_allowed")
    assert post(both, bad).error()[:2] == (400, "provider_header_missing")
    assert post(both, bad, {"TeamUp-Provider-ID": "3"}).error()[:2] == (403, "provider_invalid")
    assert post(both, bad, {"TeamUp-Provider-ID": "1"}).error()[:2] == (400, "parameter_invalid")


@pytest.mark.parametrize("path", [EXPORT.replace("v2/", "v2//"), EXPORT + "/", EXPORT.replace("v2/", "v2//") + "/"])
def test_other_spellings_of_the_address(client: Asking, path: str) -> None:
    number = job_of(post(client, path=path))
    assert client.get(path=f"/api/v2//jobs/{number}/").json["id"] == number
    assert client.get(path="/api/v2//jobs/").json["total"] == 1


def test_every_report_of_the_catalogue_can_be_exported() -> None:
    assert {*EXPORTS} >= {"attendances"}
    assert tuple(FILES) == FILE_FORMATS
    for report in EXPORTS.values():
        assert not any(parameter.paging for parameter in report.parameters)
        assert report.parameter["format"].choices == FILE_FORMATS


# Whose


def test_only_those_who_could_have_asked_see_a_job(inside: Inside, store: Store) -> None:
    full, other = inside.as_(token(store, 1)), inside.as_(token(store, 2))
    both = inside.as_(token(store, 1, 2), 1)
    one = inside.as_(token(store, 1, role="instructor_attendances", instructor=1))
    two = inside.as_(token(store, 1, role="instructor_attendances", instructor=2))
    whole = job_of(post(full, {"format": "json"}))
    own = job_of(post(one, {"format": "json"}))
    for asking, seen in ((full, [own, whole]), (both, [own, whole]), (one, [own]), (two, []), (other, [])):
        listed = asking.get(path=JOBS).json
        assert ([job["id"] for job in listed["jobs"]], listed["total"]) == (seen, len(seen))
        for number in {whole, own} - {*seen}:
            for method in ("GET", "HEAD", "DELETE"):
                answer = asking.send(method, f"{JOBS}/{number}")
                assert answer.status == 404
                if method != "HEAD":
                    assert answer.error()[1] == "not_found"
    for method, path in (("GET", JOBS), ("GET", f"{JOBS}/{own}"), ("DELETE", f"{JOBS}/{own}")):
        assert inside.send(method, path).error()[:2] == (401, "not_authenticated")
    mine = json.loads(fetched(one, ended(one, own)).body)
    assert mine["total"] == len(mine["rows"]) == one.get("limit=0&format=json").json["total"] < ROWS
    assert {row["instructors"][0]["id"] for row in mine["rows"]} == {1}
    assert one.send("DELETE", f"{JOBS}/{own}").status == 204
    assert ended(full, whole)["status"] == "complete"  # what has not ended would be cancelled, and stay
    assert full.send("DELETE", f"{JOBS}/{whole}").status == 204
    assert full.get(path=JOBS).json == {"total": 0, "jobs": []}


def test_a_revoked_token_sees_nothing_more(inside: Inside, store: Store) -> None:
    client = inside.as_(token(store, 1))
    job = ended(client, job_of(post(client)))
    store.revoke_token(max(one.id for one in store.tokens()), NOW)
    assert client.get(path=f"{JOBS}/{job['id']}").error()[:2] == (401, "authentication_failed")
    assert fetched(client, job).status == 200, "the link is good until it expires"


def test_the_list_is_paged(client: Asking) -> None:
    numbers = [job_of(post(client, {"format": "json"})) for _ in range(5)]
    newest = numbers[::-1]
    assert [job["id"] for job in client.get(path=JOBS).json["jobs"]] == newest
    page = client.get("limit=2&offset=1", path=JOBS).json
    assert ([job["id"] for job in page["jobs"]], page["total"]) == (newest[1:3], 5)
    assert all(tuple(job) == MEMBERS for job in page["jobs"])
    assert client.get("limit=0", path=JOBS).json == {"total": 5, "jobs": []}
    assert client.get("offset=9223372036854775807", path=JOBS).json == {"total": 5, "jobs": []}
    assert client.get("limit=101&offset=-1&page=1", path=JOBS).error() == (
        400, "parameter_invalid", {"limit", "offset", "page"},
    )  # fmt: skip
    assert client.get("limit=1", path=f"{JOBS}/{numbers[0]}").error()[2] == {"limit"}


@pytest.mark.parametrize("id_", ["0", "2", "x", "-1", "1x", "9223372036854775808", "1" * 5000])
def test_jobs_that_there_are_not(client: Asking, id_: str) -> None:
    job_of(post(client))
    path = f"{JOBS}/{id_}"
    assert client.get(path=path).error()[:2] == (404, "not_found")
    assert client.send("DELETE", path).error()[:2] == (404, "not_found")
    assert client.get(path=f"{path}/result").error()[:2] == (404, "not_found")


# Links


def test_a_link_that_was_changed_is_not_found(inside: Inside, store: Store) -> None:
    client, other = inside.as_(token(store, 1)), inside.as_(token(store, 2))
    job = ended(client, job_of(post(client)))
    strange = ended(other, job_of(post(other)))
    link = urlsplit(job["result_url"])
    assert (link.scheme, link.netloc, link.path) == ("http", "inside", f"{JOBS}/{job['id']}/result")
    query = link.query
    signature = query.partition("signature=")[2]
    changed = [
        "", "signature=" + signature, query[:-1], query + "A", query + "&", query + "&x=1", "x=1&" + query, query.lower(),
        query.replace("provider=1", "provider=2"), query.replace("provider=1", "provider=01"),
        query.replace("expires=", "expires=9"), query.replace(signature, ""), query.replace(signature, "A" * 43),
        query.replace(signature, urlsplit(strange["result_url"]).query.partition("signature=")[2]),
        query.replace(signature, "%C3%A9"), query.replace("=", "%3D"), "provider=x&expires=y&signature=z", "&&", "%ff",
    ]  # fmt: skip
    for text in changed:
        for method in ("GET", "HEAD"):
            assert inside.send(method, f"{link.path}?{text}").status == 404, text
        assert inside.send("GET", f"{link.path}?{text}", {"Range": "bytes=0-0"}).error()[:2] == (404, "not_found")
    assert inside.send("GET", f"{JOBS}/{strange['id']}/result?{query}").error()[:2] == (404, "not_found")
    assert inside.send("GET", f"{JOBS}/0{job['id']}/result?{query}").error()[:2] == (404, "not_found")
    assert inside.send("GET", f"/api/v2//jobs/{job['id']}/result/?{query}").status == 200
    assert inside.send("POST", f"{link.path}?{query}").error()[:2] == (405, "method_not_allowed")


def test_a_link_is_absolute_and_says_the_address_of_the_settings(start: Callable[..., Inside], store: Store) -> None:
    inside = start(public_url="https://reports.example.com/turnout")
    client = inside.as_(token(store, 1))
    job = ended(client, job_of(post(client)))
    assert job["result_url"].startswith(f"https://reports.example.com/turnout{JOBS}/{job['id']}/result?")


def test_a_host_that_is_none_is_not_repeated_in_a_link(client: Asking) -> None:
    job = ended(client, job_of(post(client)))
    answer = client.get(path=f"{JOBS}/{job['id']}", headers={"Host": "evil.example/?"})
    assert "evil" not in answer.json["result_url"]
    assert urlsplit(answer.json["result_url"]).netloc


def test_parts_of_a_file(client: Asking) -> None:
    job = ended(client, job_of(post(client)))
    whole = fetched(client, job)
    size, tag = len(whole.body), whole.headers["etag"]

    def part(range_: str, **more: str) -> Answer:
        return fetched(
            client, job, {"Range": range_, **{name.replace("_", "-"): value for name, value in more.items()}}
        )

    for range_, expected in (
        ("bytes=0-0", whole.body[:1]), ("bytes=5-9", whole.body[5:10]), ("bytes=100-", whole.body[100:]),
        ("bytes=-7", whole.body[-7:]), (f"bytes=-{size + 9}", whole.body), (f"bytes=3-{size + 99}", whole.body[3:]),
    ):  # fmt: skip
        answer = part(range_)
        assert (answer.status, answer.body) == (206, expected)
        start = whole.body.rindex(expected) if len(expected) > 1 else 0
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{size}"
        assert answer.headers["content-length"] == str(len(expected))
        assert answer.headers["etag"] == tag
    for range_ in (f"bytes={size}-", "bytes=-0", f"bytes={size + 5}-{size + 9}"):
        answer = part(range_)
        assert answer.error()[:2] == (416, "range_not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{size}"
    for range_ in ("bytes=9-5", "bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=a-b", "0-1"):
        answer = part(range_)
        assert (answer.status, answer.body) == (200, whole.body), range_
    assert part("bytes=0-4", If_Range=tag).status == 206
    for other in ('"another"', f"W/{tag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert (part("bytes=0-4", If_Range=other).status, part("bytes=0-4", If_Range=other).body) == (200, whole.body)
    again = fetched(client, job, {"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    head = client.send(
        "HEAD", urlsplit(job["result_url"]).path + "?" + urlsplit(job["result_url"]).query, {"Range": "bytes=0-0"}
    )
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(size))


# Ends


def test_a_queued_and_a_running_job_are_cancelled(start: Callable[..., Inside], store: Store, gate: Gate) -> None:
    inside = start(export_concurrency=1)
    client = inside.as_(token(store, 1))
    running, queued = job_of(post(client)), job_of(post(client))
    gate.wait_for()
    assert [look(client, number)["status"] for number in (running, queued)] == ["running", "queued"]
    for number in (queued, running):
        answer = client.send("DELETE", f"{JOBS}/{number}")
        assert (answer.status, answer.body) == (204, b"")
        job = look(client, number)
        assert (job["status"], job["result_url"], job["finished_at"]) == ("cancelled", None, "2026-11-23T10:00:00Z")
    assert gate.ended.acquire(timeout=20), "the work goes on"
    for _ in until():
        if files(inside) == []:
            break
    assert ended(client, running)["status"] == "cancelled"
    assert client.send("DELETE", f"{JOBS}/{running}").status == 204
    assert client.get(path=f"{JOBS}/{running}").error()[:2] == (404, "not_found")
    gate.open.set()
    assert ended(client, job_of(post(client)))["status"] == "complete"


def test_a_removed_job_has_no_file(inside: Inside, client: Asking) -> None:
    job = ended(client, job_of(post(client)))
    assert len(files(inside)) == 1
    assert client.send("DELETE", f"{JOBS}/{job['id']}").status == 204
    assert files(inside) == []
    assert fetched(client, job).error()[:2] == (404, "not_found")
    assert client.send("DELETE", f"{JOBS}/{job['id']}").error()[:2] == (404, "not_found")
    assert job_of(post(client)) == job["id"] + 1, "an id is never used again"


def test_a_job_expires(inside: Inside, client: Asking) -> None:
    job = ended(client, job_of(post(client)))
    inside.now += 7 * DAY - 1
    assert fetched(client, job).status == 200
    inside.now += 1
    assert fetched(client, job).error()[:2] == (404, "not_found")
    found = look(client, job["id"])
    assert (found["status"], found["result_url"], found["size"]) == ("expired", None, job["size"])
    assert len(files(inside)) == 1
    inside.services.jobs.tidy()
    assert files(inside) == []
    assert look(client, job["id"]) == found
    inside.now += 31 * DAY
    inside.services.jobs.tidy()
    assert client.get(path=f"{JOBS}/{job['id']}").error()[:2] == (404, "not_found")


def test_how_long_files_are_kept_and_where_is_a_setting(
    start: Callable[..., Inside], store: Store, tmp_path: Path
) -> None:
    inside = start(export_life="2h", export_directory=str(tmp_path / "made" / "here"))
    client = inside.as_(token(store, 1))
    job = ended(client, job_of(post(client)))
    assert job["expires_at"] == "2026-11-23T12:00:00Z"
    (file,) = (tmp_path / "made" / "here").glob("[!.]*")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    (file.parent / "another.csv").touch()
    inside.now += 3 * DAY
    inside.services.jobs.tidy()
    left = [one.name for one in file.parent.glob("[!.]*")]
    assert left == ["another.csv"], "what is not ours stays"


def test_a_file_that_cannot_be_written_fails_the_job(
    start: Callable[..., Inside], store: Store, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    inside = start(export_directory=str(tmp_path / "file" / "inside"))
    client = inside.as_(token(store, 1))
    job = ended(client, job_of(post(client)))
    assert (job["status"], job["result_url"]) == ("failed", None)
    assert job["error"] == "The file cannot be written: Not a directory."
    admin = inside.as_(token(store, 1, 2, role="super_admin"))
    (fault,) = admin.get(path="/admin/v1/status").json["faults"]
    assert "Exports cannot be written" in fault
    assert client.get("limit=1").status == 200


def test_work_that_goes_wrong_fails_the_job_and_says_nothing_of_the_inside(
    client: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("a secret detail")

    with monkeypatch.context() as patched:
        patched.setattr(turnout.exports, "write_file", broken)
        job = ended(client, job_of(post(client)))
    assert (job["status"], job["error"]) == ("failed", "Something went wrong on the server.")
    assert ended(client, job_of(post(client)))["status"] == "complete"


# The queue


def test_a_hundred_jobs_at_once(start: Callable[..., Inside], store: Store, gate: Gate) -> None:
    """At most two run; a hundred wait, half of them of one provider; then 503, and each of those is made whole."""
    inside = start()
    one, two = inside.as_(token(store, 1)), inside.as_(token(store, 2))
    running = [job_of(post(one, {"format": "ndjson"})) for _ in range(2)]
    gate.wait_for(2)
    numbers = [job_of(post(one, {"format": "ndjson"})) for _ in range(50)]
    refused = post(one)
    assert refused.error()[:2] == (503, "overloaded")
    assert int(refused.headers["retry-after"]) > 0
    numbers += [job_of(post(two, {"format": "ndjson"})) for _ in range(50)]
    for client in (one, two):
        assert post(client).error()[:2] == (503, "overloaded")
    standing = inside.services.jobs.standing()
    assert (standing.queued, standing.running, standing.oldest) == (100, 2, NOW)
    assert not gate.reached.acquire(timeout=0.05), "no third one runs"
    gate.open.set()
    for number in [*running, *numbers]:
        client = one if number <= 52 else two
        job = ended(client, number)
        assert (job["status"], job["total_items"]) == ("complete", ROWS)
        assert len(fetched(client, job).body.splitlines()) == ROWS
    assert len(files(inside)) == 102
    assert job_of(post(one)) > max(numbers)


def test_providers_take_turns(start: Callable[..., Inside], store: Store, gate: Gate) -> None:
    inside = start(export_concurrency=2, export_queue=20)
    one, two = inside.as_(token(store, 1)), inside.as_(token(store, 2))
    first = job_of(post(one))
    gate.wait_for()
    inside.services.jobs.get(1, first)
    others = [job_of(post(one)) for _ in range(3)]
    gate.wait_for()  # the second worker takes the first of these
    last = job_of(post(two))
    assert one.send("DELETE", f"{JOBS}/{others[0]}").status == 204
    gate.wait_for()
    assert look(two, last)["status"] == "running", "who has none running comes first"
    assert [look(one, number)["status"] for number in others[1:]] == ["queued", "queued"]


# Idempotency


def test_the_same_key_and_request_is_the_same_job(inside: Inside, store: Store) -> None:
    text = token(store, 1)
    client, other = inside.as_(text), inside.as_(token(store, 1))
    key = {"Idempotency-Key": "abc"}
    first = post(client, {"status": "attended"}, key)
    again = post(client, {"status": "attended"}, key)
    assert job_of(first) == job_of(again)
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert post(client, {"status": "no_show"}, key).error()[:2] == (409, "conflict")
    assert post(client, {"status": "attended"}, key, query="format=csv").error()[:2] == (409, "conflict")
    assert job_of(post(other, {"status": "attended"}, key)) != job_of(first), "a key is its token's"
    assert job_of(post(client, {"status": "attended"}, {"Idempotency-Key": "b"})) != job_of(first)
    assert post(client, {"status": "attended"}, {"Idempotency-Key": "x" * 256}).error()[2] == {"Idempotency-Key"}
    inside.now += DAY
    assert job_of(post(client, {"status": "attended"}, key)) == job_of(first)
    inside.now += 1
    assert job_of(post(client, {"status": "no_show"}, key)) != job_of(first)


def test_a_refused_request_does_not_use_a_key_up(start: Callable[..., Inside], store: Store, gate: Gate) -> None:
    inside = start(export_queue=2, export_concurrency=1)
    client = inside.as_(token(store, 1))
    key = {"Idempotency-Key": "abc"}
    assert post(client, {"status": "x"}, key).error()[:2] == (400, "parameter_invalid")
    assert post(client, b"{", key).error()[:2] == (400, "parameter_invalid")
    assert post(client, b"{}", {**key, "Content-Type": "text/plain"}).error()[:2] == (415, "unsupported_media_type")
    running = job_of(post(client))
    gate.wait_for()
    job_of(post(client))
    assert post(client, {"status": "attended"}, key).error()[:2] == (503, "overloaded")
    gate.open.set()
    ended(client, running)
    for _ in until():
        answer = post(client, {"status": "no_show"}, key)
        if answer.status == 200:
            break
    assert post(client, {"status": "no_show"}, key).json == answer.json


# Data


def test_a_file_is_of_one_snapshot_while_rows_land(inside: Inside, store: Store, gate: Gate) -> None:
    client = inside.as_(token(store, 1))
    number = job_of(post(client, {"format": "ndjson", "columns": "id,customer.name"}))
    gate.wait_for()
    changed = [
        row(at, updated_at="2026-11-01T00:00:00Z", customer={"id": 1 + at % 9, "name": "Later"}) for at in range(1, 400)
    ]
    import_file(store, 1, changed)
    assert client.get("limit=0&format=json").json["total"] == 399
    gate.open.set()
    job = ended(client, number)
    rows = [json.loads(line) for line in fetched(client, job).body.splitlines()]
    assert len(rows) == job["total_items"] == job["complete_items"] == ROWS
    assert "Later" not in {one["customer"]["name"] for one in rows}


def test_data_is_of_the_start_and_now_of_the_request(start: Callable[..., Inside], store: Store, gate: Gate) -> None:
    inside = start(export_concurrency=1)
    client = inside.as_(token(store, 1))
    job_of(post(client))
    gate.wait_for()
    number = job_of(post(client, {"format": "ndjson", "columns": "id"}))
    soon = {"id": 9_001, "starts_at": "2026-11-23T10:00:00.000001Z"}
    import_file(store, 1, [row(9_000), row(9_001, event=soon)])
    inside.now += DAY
    gate.open.set()
    job = ended(client, number)
    ids = {json.loads(line)["id"] for line in fetched(client, job).body.splitlines()}
    assert 9_000 in ids, "it came before the job began"
    assert 9_001 not in ids, "its event had not begun when the export was asked for"
    assert (job["created_at"], job["finished_at"]) == ("2026-11-23T10:00:00Z", "2026-11-24T10:00:00Z")


def test_erasing_a_customer_removes_the_provider_s_earlier_files(inside: Inside, store: Store, gate: Gate) -> None:
    gate.open.set()
    admin = inside.as_(token(store, 1, 2, role="super_admin"), 1)
    two = inside.as_(token(store, 2))
    one = ended(admin, job_of(post(admin, {"format": "ndjson"})))
    other = ended(two, job_of(post(two, {"format": "ndjson"})))
    assert b"Zo\xc3\xab 4" in fetched(admin, one).body
    gate.open.clear()
    while gate.reached.acquire(blocking=False):
        pass
    running = job_of(post(admin, {"format": "ndjson"}))
    gate.wait_for()
    erase = {"Content-Type": "application/json"}
    body = json.dumps({"customers": [5], "dry_run": True}).encode()
    assert admin.send("POST", "/admin/v1/erasures", erase, body).status == 200
    assert fetched(admin, one).status == 200
    answer = admin.send("POST", "/admin/v1/erasures", erase, json.dumps({"customers": [5]}).encode())
    assert answer.status == 200, answer.body
    assert look(admin, one["id"])["status"] == "expired"
    assert fetched(admin, one).error()[:2] == (404, "not_found")
    assert fetched(two, other).status == 200
    gate.wait_for()
    gate.open.set()
    again = ended(admin, running)
    assert again["status"] == "complete"
    text = fetched(admin, again).body
    assert b"(Deleted Customer)" in text
    assert b"Zo\xc3\xab 4" not in text
    for _ in until():
        if len(files(inside)) == 2:
            break


@pytest.mark.embedded
def test_a_backup_does_not_wait_for_an_export(inside: Inside, store: Store, gate: Gate) -> None:
    admin = inside.as_(token(store, 1, 2, role="super_admin"), 1)
    number = job_of(post(admin))
    gate.wait_for()
    import_file(store, 1, [row(5_000)])
    assert admin.get(path="/admin/v1/backup").status == 200
    gate.wait_for()
    gate.open.set()
    job = ended(admin, number)
    assert (job["status"], job["total_items"]) == ("complete", ROWS + 1), "it began anew"


# After a crash


def test_what_a_process_left_is_set_right(start: Callable[..., Inside], store: Store, gate: Gate) -> None:
    inside = start()
    client = inside.as_(token(store, 1))
    gate.open.set()
    kept, lost = ended(client, job_of(post(client))), ended(client, job_of(post(client)))
    jobs = inside.services.jobs
    jobs.files.remove(store.jobs.get(1, lost["id"]))
    left = Path(jobs.files.home.place) / (jobs.files._prefix + "9-9-9.csv.part")
    left.touch()
    running = job_of(post(client))
    ended(client, running)
    job = store.jobs.get(1, running)
    inside.services.jobs.close()
    assert store.jobs.change(
        job, type(job)(**{**{name: getattr(job, name) for name in job.__slots__}, "status": Status.RUNNING})
    )
    again = start()
    client = again.as_(token(store, 1))
    assert ended(client, running)["status"] == "complete"
    assert store.jobs.get(1, running).crashes == 1
    assert not left.exists()
    assert look(client, lost["id"])["status"] == "expired"
    assert fetched(client, look(client, kept["id"])).status == 200
    assert len(files(again)) == 2


def test_files_that_were_away_are_there_again(
    start: Callable[..., Inside], store: Store, gate: Gate, tmp_path: Path
) -> None:
    """Another directory, or a disk that is not mounted at one start, loses nothing."""
    gate.open.set()
    inside = start()
    client = inside.as_(token(store, 1))
    done = ended(client, job_of(post(client)))
    inside.services.jobs.close()
    elsewhere = start(export_directory=str(tmp_path / "elsewhere"))
    client = elsewhere.as_(token(store, 1))
    found = look(client, done["id"])
    assert (found["status"], found["result_url"]) == ("expired", None)
    elsewhere.services.jobs.tidy()
    elsewhere.services.jobs.close()
    client = start().as_(token(store, 1))
    found = look(client, done["id"])
    assert found["status"] == "complete"
    assert fetched(client, found).status == 200


def test_a_multipart_body_without_a_boundary_is_told_so(client: Asking) -> None:
    answer = post(client, b"--X\r\nfoo", {"Content-Type": "multipart/form-data"})
    assert answer.status == 400
    assert "has no boundary" in answer.json["field_errors"]["non_field_errors"][0]


def failing_once(monkeypatch: pytest.MonkeyPatch, store: Store, name: str) -> list[str]:
    """The next call of a method of the jobs does what it should, and raises all the same; so does an engine whose
    commit is on disk, and whose checkpoint then finds no room."""
    method, raised = getattr(store.jobs, name), list[str]()

    def once(*given: Any, **named: Any) -> Any:
        found = method(*given, **named)
        if found and not raised:
            raised.append(name)
            raise TurnoutError("storage_unavailable", "Writing the store failed.")
        return found

    monkeypatch.setattr(store.jobs, name, once)
    return raised


def test_an_end_that_was_noted_though_it_seemed_not_so(
    start: Callable[..., Inside], store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_AGAIN", 0.01)
    inside = start()
    client = inside.as_(token(store, 1))
    number = job_of(post(client))
    gate.wait_for()
    raised = failing_once(monkeypatch, store, "change")
    gate.open.set()
    for _ in until():
        if raised and not inside.services.jobs._crew.running:
            break
    job = look(client, number)
    assert job["status"] == "complete"
    assert fetched(client, job).status == 200


@pytest.mark.usefixtures("at_once")
def test_a_job_that_began_though_it_seemed_not_so(
    start: Callable[..., Inside], store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_AGAIN", 0.01)
    gate.open.set()
    client = start().as_(token(store, 1))
    raised = failing_once(monkeypatch, store, "claim")
    assert ended(client, job_of(post(client)))["status"] == "complete"
    assert raised


def test_a_job_that_is_cancelled_as_it_begins_ends(
    start: Callable[..., Inside], store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = start(export_concurrency=1)
    jobs, claim = inside.services.jobs, store.jobs.claim
    others: list[threading.Thread] = []

    def claimed(now: int) -> Job | None:
        job = claim(now)
        if job and not others:
            others.append(threading.Thread(target=jobs.remove, args=(job,)))
            others[0].start()
        return job

    monkeypatch.setattr(store.jobs, "claim", claimed)
    client = inside.as_(token(store, 1))
    assert ended(client, job_of(post(client)))["status"] == "cancelled"
    assert gate.ended.acquire(timeout=20), "the work goes on"


@pytest.mark.embedded
def test_a_copy_of_the_store_leaves_the_original_s_files(
    start: Callable[..., Inside], store: Store, gate: Gate, tmp_path: Path
) -> None:
    """A restored backup has the original's secrets, and calls its files alike; here they share the directory, too."""
    store.secret("exports")
    with store.upkeep.copy() as copied:
        (tmp_path / "copy.duckdb").write_bytes(copied.read())
    gate.open.set()
    there = str(tmp_path / "exports")
    original = start(export_directory=there)
    client = original.as_(token(store, 1))
    job = ended(client, job_of(post(client)))
    with closing(open_store(str(tmp_path / "copy.duckdb"))) as opened:
        copy = Inside(opened, NOW, database=str(tmp_path / "copy.duckdb"), export_directory=there)
        with closing(copy):
            copy.services.jobs.tidy()
            assert copy.services.jobs.status()["queued"] == 0
    assert fetched(client, job).status == 200


def test_a_file_that_cannot_be_removed_spoils_nothing(
    start: Callable[..., Inside], store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.open.set()
    inside = start()
    client = inside.as_(token(store, 1))
    first, second = (ended(client, job_of(post(client))) for _ in range(2))

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "unlink", refused)
        assert client.send("DELETE", f"{JOBS}/{first['id']}").status == 204
        assert client.get(path=f"{JOBS}/{first['id']}").status == 404
        inside.services.jobs.tidy()
        with inside.services.jobs.aside():
            pass
        inside.services.jobs._is_open = False
        assert look(client, second["id"])["status"] == "complete"
        assert len(files(inside)) == 2
    inside.services.jobs.tidy()
    assert len(files(inside)) == 1 + store.shared, "what others may know of goes with its time"
    inside.now += 9 * DAY
    inside.services.jobs.tidy()
    assert files(inside) == []


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is lost at once, as where one process has the store; and nobody looks by himself."""
    monkeypatch.setattr(postgres_jobs, "_LOST_AFTER", 0)
    for name in ("_KEEP_EVERY", "_LOOK_EVERY"):
        monkeypatch.setattr(crew, name, 3_600.0)


@pytest.mark.usefixtures("at_once")
def test_a_job_that_breaks_off_again_and_again_is_given_up(
    start: Callable[..., Inside], store: Store, gate: Gate
) -> None:
    client = start(export_concurrency=1).as_(token(store, 1))
    number = job_of(post(client))
    gate.wait_for()
    for crashes in range(1, 6):
        # As if the process had gone: nobody stops the job, and another one opens the store.
        inside = start()
        inside.services.jobs.open()
        job = store.jobs.get(1, number)
        assert job is not None
        assert job.crashes == crashes
        if crashes < 5:
            assert store.jobs.claim(NOW) is not None
    found = inside.as_(token(store, 1)).get(path=f"{JOBS}/{number}").json
    assert (found["status"], found["error"]) == ("failed", "It broke off 5 times, and was given up.")


def test_a_stop_puts_what_runs_back_into_the_queue(start: Callable[..., Inside], store: Store, gate: Gate) -> None:
    inside = start()
    client = inside.as_(token(store, 1))
    number = job_of(post(client))
    gate.wait_for()
    inside.services.jobs.close()
    job = store.jobs.get(1, number)
    assert job is not None
    assert (job.status, job.crashes, job.started_at) == (Status.QUEUED, 0, None)
    assert files(inside) == []
    gate.open.set()
    assert ended(start().as_(token(store, 1)), number)["status"] == "complete"


def test_metrics_and_doctor(inside: Inside, store: Store, gate: Gate) -> None:
    admin = inside.as_(token(store, 1, 2, role="super_admin"), 1)
    for _ in range(3):
        job_of(post(admin))
    gate.wait_for(2)
    inside.now += 5_000_000

    def samples() -> dict[str, float]:
        lines = inside.send("GET", "/metrics").body.decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    found = samples()
    assert (found["turnout_exports_queued"], found["turnout_exports_running"]) == (1, 2)
    assert found["turnout_exports_oldest_seconds"] == 5
    status = admin.get(path="/admin/v1/status").json["exports"]
    assert (status["queued"], status["running"], status["oldest_queued_at"]) == (1, 2, "2026-11-23T10:00:00Z")
    assert status["directory"] == inside.services.jobs.files.home.place
    assert admin.send("DELETE", f"{JOBS}/3").status == 204
    gate.open.set()
    sizes = sum(ended(admin, number)["size"] for number in (1, 2))
    for _ in until():
        found = samples()
        if found['turnout_exports_total{outcome="complete"}'] == 2:
            break
    assert found['turnout_exports_total{outcome="cancelled"}'] == 1
    assert found['turnout_exports_total{outcome="failed"}'] == 0
    assert found["turnout_export_bytes_total"] == found["turnout_export_files_bytes"] == sizes
    assert found["turnout_exports_oldest_seconds"] == 0


def test_reports_are_answered_while_exports_run(client: Asking, gate: Gate) -> None:
    for _ in range(4):
        job_of(post(client))
    gate.wait_for(2)
    assert client.get("limit=1", path=REPORT).status == 200
