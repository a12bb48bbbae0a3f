"""The forms in which `turnout report` writes pages: a table, or CSV and JSON as the server made them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.cli.api import call_json, read_json
from turnout.cli.pages import Pairs, every_page, first_page
from turnout.cli.problems import Failure
from turnout.cli.render import Words, out, write_bytes
from turnout.cli.report_options import asked_for
from turnout.cli.table import Head, Table, summary_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx


@dataclass(frozen=True)
class Request:
    """What to ask for: one page, or `every` one."""

    client: httpx.Client
    provider: int
    pairs: Pairs
    every: bool

    def pages(self, *more: tuple[str, str]) -> Iterator[httpx.Response]:
        pairs = [*self.pairs, *more]
        if self.every:
            yield from every_page(self.client, self.provider, pairs)
        else:
            yield first_page(self.client, self.provider, pairs)

    def value(self, name: str) -> str | None:
        """The value of a parameter that takes one, where it is given."""
        return next((value.strip() for key, value in self.pairs if name == key and value.strip()), None)


class _Page(msgspec.Struct):
    """A page of JSON, with the parts that are written as they came left as they came."""

    total: int
    column_headers: msgspec.Raw
    rows: list[msgspec.Raw]


class _TablePage(msgspec.Struct):
    total: int
    column_headers: list[dict[str, Any]]
    rows: list[dict[str, Any]]


def write_table(request: Request) -> None:
    """Local times; the columns asked for, or the best that fit."""
    zone = request.value("timezone")
    own = None if zone else _own_zone(request)
    chosen = asked_for(request.pairs)
    table: Table | None = None
    count = _Count(request)
    for response in request.pages(("format", "json"), *([("timezone", own)] if own else [])):
        page: _TablePage = read_json(response, _TablePage)
        if table is None:
            heads = [Head(header["key"], header["label"]) for header in page.column_headers]
            best = [] if chosen else summary_keys()
            table = Table(out(), [head for head in heads if not chosen or head.key in chosen], best)
        table.add(page.rows)
        count.add(response, len(page.rows), page.total)
    notes = [f"times in {zone or own or 'UTC'}"]
    if table and table.left_out:
        notes.append(f"{len(table.left_out)} more columns: --columns chooses, --format csv has all")
    count.say(*notes)


def write_csv(request: Request) -> None:
    """The server's bytes; of the pages after the first, without their header row."""
    count = _Count(request)
    for number, response in enumerate(request.pages(("format", "csv"))):
        header, _, body = response.content.partition(b"\r\n")
        write_bytes(body if number else header + b"\r\n" + body)
        rows = _records(body)
        count.add(response, rows, int(response.headers.get("X-Total-Count", rows)))
    count.say()


def write_json(request: Request) -> None:
    """The server's bytes; of several pages, one document with the rows of all."""
    count = _Count(request)
    for number, response in enumerate(request.pages(("format", "json"))):
        page: _Page = read_json(response, _Page)
        count.add(response, len(page.rows), page.total)
        if not request.every:
            write_bytes(response.content + (b"\n" if sys.stdout.isatty() else b""))
            break
        if not number:
            write_bytes(b'{"total":%d,"column_headers":%b,"rows":[' % (page.total, bytes(page.column_headers)))
        elif page.rows:
            write_bytes(b",")
        write_bytes(b",".join(bytes(row) for row in page.rows))
    if request.every:
        write_bytes(b"]}\n")
    count.say()


WRITERS: Final[Mapping[str, Callable[[Request], None]]] = {"table": write_table, "csv": write_csv, "json": write_json}


def _records(body: bytes) -> int:
    """How many records some CSV has: line ends inside quotes do not count."""
    return sum(piece.count(b"\r\n") for piece in body.split(b'"')[::2])


def _own_zone(request: Request) -> str | None:
    """The provider's zone, where the server is one that says it, and to this token."""
    try:
        providers = call_json(request.client, "GET", "/admin/v1/providers")
    except Failure:
        return None
    return next((one["timezone"] for one in providers if one["id"] == request.provider), None)


class _Count:
    """What is said of the rows: how many came, of how many, and from when to when."""

    def __init__(self, request: Request) -> None:
        self._every = request.every
        self._rows = 0
        self._total: int | None = None
        self._timeframe: str | None = None

    def add(self, response: httpx.Response, rows: int, total: int) -> None:
        if self._total is None:
            self._total = total
            self._timeframe = response.headers.get("X-Timeframe")
        self._rows += rows

    def say(self, *notes: str) -> None:
        total = self._total or 0
        said = [f"{self._rows:,} of {total:,} rows", *notes]
        if self._timeframe:
            said.append(f"timeframe {self._timeframe}")
        if not self._every and self._rows < total:
            said.append("--all has every row")
        Words().say("; ".join(said) + ".", "dim")
