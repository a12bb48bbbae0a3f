"""The forms in which `turnout report` writes pages: a table, or CSV and JSON as the server made them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.cli.api import Refused, call_json, read_json
from turnout.cli.pages import Pairs, every_page, first_page
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

    def given(self, name: str) -> bool:
        return any(name == key and value.strip() for key, value in self.pairs)


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
    zone = _zone(request)
    console = out()
    chosen = asked_for(request.pairs)
    best = [] if chosen else summary_keys()
    table: Table | None = None
    rows = total = 0
    timeframe = None
    for response in request.pages(("format", "json"), *([] if request.given("timezone") else [("timezone", zone)])):
        page: _TablePage = read_json(response, _TablePage)
        if table is None:
            total = page.total
            timeframe = response.headers.get("X-Timeframe")
            heads = [Head(header["key"], header["label"]) for header in page.column_headers]
            table = Table(console, [head for head in heads if not chosen or head.key in chosen], best)
        table.add(page.rows)
        rows += len(page.rows)
    notes = [f"times in {_shown_zone(request, zone)}"]
    if timeframe:
        notes.append(f"timeframe {timeframe}")
    if table and table.left_out:
        notes.append(f"{len(table.left_out)} more columns: --columns chooses, --format csv has all")
    _say_count(request, rows, total, notes)


def write_csv(request: Request) -> None:
    """The server's bytes; of the pages after the first, without their header row."""
    rows = total = 0
    for number, response in enumerate(request.pages(("format", "csv"))):
        total = total if number else int(response.headers.get("X-Total-Count", 0))
        header, _, body = response.content.partition(b"\r\n")
        write_bytes(body if number else header + b"\r\n" + body)
        rows += _records(body)
    _say_count(request, rows, total, [])


def write_json(request: Request) -> None:
    """The server's bytes; of several pages, one document with the rows of all."""
    if not request.every:
        response = next(request.pages(("format", "json")))
        page: _Page = read_json(response, _Page)
        write_bytes(response.content + (b"\n" if sys.stdout.isatty() else b""))
        _say_count(request, len(page.rows), page.total, [])
        return
    rows = total = 0
    for number, response in enumerate(request.pages(("format", "json"))):
        page = read_json(response, _Page)
        if not number:
            total = page.total
            write_bytes(b'{"total":%d,"column_headers":%b,"rows":[' % (total, bytes(page.column_headers)))
        elif page.rows:
            write_bytes(b",")
        write_bytes(b",".join(bytes(row) for row in page.rows))
        rows += len(page.rows)
    write_bytes(b"]}\n")
    _say_count(request, rows, total, [])


WRITERS: Final[Mapping[str, Callable[[Request], None]]] = {"table": write_table, "csv": write_csv, "json": write_json}


def _records(body: bytes) -> int:
    """How many records some CSV has: line ends inside quotes do not count."""
    return sum(piece.count(b"\r\n") for piece in body.split(b'"')[::2])


def _zone(request: Request) -> str:
    """The provider's zone; UTC where the token may not ask for it."""
    try:
        providers = call_json(request.client, "GET", "/admin/v1/providers")
    except Refused:
        return "UTC"
    return next((one["timezone"] for one in providers if one["id"] == request.provider), "UTC")


def _shown_zone(request: Request, zone: str) -> str:
    return next((value for name, value in request.pairs if name == "timezone" and value.strip()), zone)


def _say_count(request: Request, rows: int, total: int, notes: list[str]) -> None:
    count = f"{rows:,} of {total:,} rows"
    if not request.every and rows < total:
        notes = [*notes, "--all has every row"]
    Words().say("; ".join([count, *notes]) + ".", "dim")
