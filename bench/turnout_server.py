"""Turnout itself, as it is measured: `turnout serve` on a port of the loopback address.

Once with its defaults, *as served*, and once without the memory for answers, so that each is worked out *anew*.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.children import BIN, Answer, BenchError, ask, running
from bench.client import Call
from bench.peers import Found
from bench.questions import DEEP_PAGE, Kind, depth, get, target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bench.children import Server
    from bench.data import DataSet
    from bench.questions import Question

_NEXT: Final = re.compile(r'<([^>]*)>; rel="next"')
_ID_HEADER: Final = "X-Request-ID"
ONE: Final = "one"
"""How the ids of requests begin that are made with one connection; the log tells them apart by that."""
MANY: Final = "many"


AS_SERVED: Final[tuple[str, ...]] = ()
ANEW: Final = ("--answer-cache", "0")
"""What the two are started with."""


def serve(database: Path | str, log: Path, options: Sequence[str]) -> AbstractContextManager[Server]:
    """The server on a store: a file, or the address of a database."""
    return running([BIN / "turnout", "serve", "--port", "0", "--database", database, *options], log, {})


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


def phases(log: Path) -> dict[str, dict[str, list[float]]]:
    """Of the requests with one connection, by question (without blanks): each phase's milliseconds, from the log."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in log.read_text("utf-8").splitlines():
        noted = json.loads(line)
        label, _, name = str(noted.get("id", "")).partition("/")
        if label == ONE:
            for phase, milliseconds in {**noted["phases"], "all": noted["ms"]}.items():
                found.setdefault(name, {}).setdefault(phase, []).append(milliseconds)
    return found
