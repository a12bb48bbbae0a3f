"""Turnout itself, as it is measured: `turnout serve` with its defaults, on a port of the loopback address."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.children import BIN, Answer, ask, running
from bench.client import BenchError, Call
from bench.peers import Found
from bench.questions import DEEP_PAGE, Kind, depth, get, target

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bench.children import Server
    from bench.data import DataSet
    from bench.questions import Question

_NEXT: Final = re.compile(r'<([^>]*)>; rel="next"')
_ID_HEADER: Final = "X-Request-ID"
ONE: Final = "one"
"""How the ids of requests begin that are made with one connection; the log tells them apart by that."""


def serve(data: DataSet) -> AbstractContextManager[Server]:
    """The server on a data set; its log goes to a file beside that."""
    command = [BIN / "turnout", "serve", "--port", "0", "--database", data.database]
    return running(command, log_of(data), {})


def log_of(data: DataSet) -> Path:
    return data.directory / "turnout.log"


def headers(data: DataSet, question: Question) -> dict[str, str]:
    return {"Authorization": f"Token {data.token}", "TeamUp-Provider-ID": str(question.size.provider)}


def address(server: Server, data: DataSet, question: Question) -> str:
    """The question's path and query; a cursor is taken from the page before."""
    if question.kind != Kind.CURSOR:
        return target(question.parameters)
    before = {**question.parameters, "offset": str(max(depth(question.size) - DEEP_PAGE, 0))}
    link = ask(server, "GET", target(before), headers(data, question)).headers.get("link", "")
    found = _NEXT.search(link)
    if not found:
        raise BenchError(f"{question.name}: no next page is linked to: {link!r}")
    parts = urlsplit(found[1])
    return f"{parts.path}?{parts.query}"


def call(data: DataSet, question: Question, path: str, label: str) -> Call:
    """The question as the client asks it; the request's id begins with `label`."""
    named = {**headers(data, question), _ID_HEADER: f"{label}/{question.name.replace(' ', '')}"}
    return Call(question.name, (get(path, named),))


def read(question: Question, answer: Answer) -> Found:
    """What an answer says."""
    total = int(answer.headers["x-total-count"])
    if question.kind == Kind.CSV:
        rows = csv.DictReader(io.StringIO(answer.body.decode(), newline=""))
        return Found([int(row["ID"]) for row in rows], total)
    return Found([row["id"] for row in json.loads(answer.body)["rows"]], total)


def phases(data: DataSet) -> dict[str, dict[str, list[float]]]:
    """Of the requests with one connection, by question (without blanks): each phase's milliseconds, from the log."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in log_of(data).read_text("utf-8").splitlines():
        noted = json.loads(line)
        label, _, name = str(noted.get("id", "")).partition("/")
        if label == ONE:
            for phase, milliseconds in {**noted["phases"], "all": noted["ms"]}.items():
                found.setdefault(name, {}).setdefault(phase, []).append(milliseconds)
    return found
