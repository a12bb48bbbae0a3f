"""The server and its OpenAPI document agree: schemathesis tries every operation, with all checks and no failures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import schemathesis

from databases import examples
from inside import load, new_store
from live import REPORT, Server, served
from oracle.data import make
from worlds import JWT_KEY, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

# 413 is not among what schemathesis expects, but a list of a thousand long names makes a URL that is too long.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "401", "403", "404", "409", "413"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("schemathesis")
    store = new_store(directory)
    load(store, make(1, 7, 260, date(2026, 1, 1)))
    store.close()
    with served(directory / "turnout.duckdb", jwt_key=JWT_KEY, auth_failures="none") as running:
        yield running


@pytest.fixture(scope="module")
def authorization() -> str:
    # A JWT, since the operation that revokes tokens is tried as well.
    return f"JWT {signed(role='super_admin')}"


def test_every_operation_is_as_documented(server, authorization, tmp_path):
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    report = tmp_path / "report.xml"
    # From a file, since it leaves out the operation that it takes the document from.
    document = tmp_path / "openapi.json"
    with closing(server.client()) as client:
        document.write_bytes(client.get(path="/openapi.json").body)
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--no-color", "--config-file", config),
            *("run", document, "--url", server.url, "--header", f"Authorization: {authorization}"),
            *("--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful"),
            *("--max-examples", str(examples(50)), "--generation-deterministic"),
            *("--continue-on-failure", "--report-junit-path", report),
        ],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(Path(__file__).parent)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    tried = {case.get("name") for case in ET.parse(report).iter("testcase")}
    paths = json.loads(document.read_bytes())["paths"]
    assert tried >= {f"{name.upper()} {path}" for path, item in paths.items() for name in item if name != "parameters"}


@pytest.fixture(scope="module")
def report(server):
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    return schema[REPORT]["GET"]


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_pages_that_cursors_lead_to_are_as_documented(report, authorization, format_):
    """Cursors are the one thing that cannot be generated from the document."""
    headers = {"Authorization": authorization}
    query = {"include_future": "true", "limit": "60", "sort": ["customer.name"], "columns": ["event", "event.type"]}
    pages = 0
    cursor: dict[str, str] = {}
    while True:
        case = report.Case(query={**query, "format": format_, **cursor}, headers=headers)
        answer = case.call_and_validate()
        assert answer.status_code == 200
        pages += 1
        following = re.search(r'cursor=([\w-]+)>; rel="next"', answer.headers["link"][0])
        if not following:
            break
        cursor = {"cursor": following[1]}
    assert pages > 2
    assert pages == -(-int(answer.headers["x-total-count"][0]) // 60)


def test_an_unchanged_answer_is_as_documented(report, authorization):
    headers = {"Authorization": authorization}
    first = report.Case(query={"format": "json"}, headers=headers).call_and_validate()
    again = report.Case(
        query={"format": "json"}, headers={**headers, "If-None-Match": first.headers["etag"][0]}
    ).call_and_validate()
    assert again.status_code == 304


def test_refusals_that_take_several_parameters_are_as_documented(report, authorization):
    headers = {"Authorization": authorization}
    for query in (
        {"page": 1, "offset": 0},
        {"limit": 1, "page_size": 2},
        {"cursor": "nonsense"},
        {"sort": ["id", "-id"]},
        {"event_timeframe": "2026-02-30"},
        {"no_such_parameter": "1"},
    ):
        case = report.Case(query=query, headers=headers)
        answer = case.call()
        case.validate_response(answer)
        assert answer.status_code == 400, query
        assert answer.json()["code"] == "parameter_invalid"


def test_a_lenient_answer_is_as_documented(report, authorization):
    headers = {"Authorization": authorization, "Prefer": "handling=lenient"}
    case = report.Case(query={"no_such_parameter": "1", "format": "json"}, headers=headers)
    answer = case.call()
    case.validate_response(answer)
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == ["handling=lenient"]
    assert answer.headers["x-ignored-parameters"] == ["no_such_parameter"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_other_methods_are_refused_with_those_that_are_not(server, authorization, method):
    with closing(server.client()) as client:
        answer = client.send(method, REPORT, {"Authorization": authorization})
    assert answer.error() == (405, "method_not_allowed", set())
    assert {name.strip() for name in answer.headers["allow"].split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("header", [None, "Token tk_nonsense", "Bearer nonsense", "Basic dDp0"])
def test_a_missing_or_bad_credential_is_as_documented(report, header):
    case = report.Case(query={}, headers={"Authorization": header} if header else {})
    answer = case.call()
    case.validate_response(answer)
    assert answer.status_code == 401
    assert answer.json()["code"] == ("authentication_failed" if header else "not_authenticated")
