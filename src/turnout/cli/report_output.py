"""The forms in which `turnout report` writes pages: a table, or CSV and JSON as the server made them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.catalog.attendances import ATTENDANCES
from turnout.cli.api import call, read_json
from turnout.cli.pages import Pairs, every_page, first_page
from turnout.cli.problems import Failure
from turnout.cli.render import Words, out, write_bytes
from turnout.cli.report_options import COUNT, asked_for
from turnout.cli.table import Head, Table, Total, summary_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

    from turnout.catalog.types import Report


_NOT_OF_ALL: Final = frozenset({"columns", "sort", "limit", "page_size", "offset", "page", "cursor", "format"})
"""The parameters that do not say which attendances match."""


_MANY: Final = 10_000
"""From so many rows on, a file made in one go is far quicker than pages."""


@dataclass(frozen=True)
class Request:
    """What to ask for: one page, or `every` one; and what takes the bytes: standard output, or the file `output`."""

    client: httpx.Client
    provider: int
    pairs: Pairs
    every: bool
    write: Callable[[bytes], object] = write_bytes
    output: str | None = None
    report: Report = ATTENDANCES

    def pages(self, *more: tuple[str, str]) -> Iterator[httpx.Response]:
        pairs = [*self.pairs, *more]
        if self.every:
            yield from every_page(self.client, self.provider, pairs, self.report.path)
        else:
            yield first_page(self.client, self.provider, pairs, self.report.path)

    def value(self, name: str) -> str | None:
        """The value of a parameter that takes one, where it is given."""
        return next((value.strip() for key, value in self.pairs if name == key and value.strip()), None)


class _Page(msgspec.Struct):
    """A page of JSON, with the parts that are written as they came left as they came."""

    total: int
    column_headers: msgspec.Raw
    rows: list[msgspec.Raw]


class _Provider(msgspec.Struct):
    id: int
    timezone: str


class _TablePage(msgspec.Struct):
    total: int
    column_headers: list[dict[str, Any]]
    rows: list[dict[str, Any]]


def write_table(request: Request) -> None:
    """Local times; the columns asked for, or the best that fit. Counts have a last row for all that matches."""
    grouped = request.report.grouped
    zone = request.value("timezone")
    own = None if zone or grouped else _own_zone(request)
    chosen = [] if grouped else asked_for(request.report, request.pairs)
    table: Table | None = None
    with _counted(request) as count:
        for response in request.pages(("format", "json"), *([("timezone", own)] if own else [])):
            page: _TablePage = read_json(response, _TablePage)
            if table is None:
                heads = [Head(header["key"], header["label"]) for header in page.column_headers]
                best = [] if chosen or grouped else summary_keys()
                shown = [head for head in heads if not chosen or head.key in chosen]
                table = Table(out(), shown, best, _all_matching(request, heads, page) if grouped else None)
            table.add(page.rows)
            count.add(response, len(page.rows), page.total)
    if table:
        table.finish()
    notes = [] if grouped else [f"times in {zone or own or 'UTC (--timezone chooses)'}"]
    if table and table.left_out:
        notes.append(f"{len(table.left_out)} more columns: --columns chooses, --format csv has all")
    count.say(*notes)


def _all_matching(request: Request, heads: list[Head], page: _TablePage) -> Total | None:
    """The row for all that matches, be it on the page or not; none where nothing is counted or grouped."""
    counted = [head.key for head in heads if head.key == COUNT]
    if not counted or not page.rows or not any(head.is_attribute for head in heads):
        return None
    pairs = [(name, value) for name, value in request.pairs if name not in _NOT_OF_ALL]
    pairs += [("columns", COUNT), ("format", "json")]
    response = first_page(request.client, request.provider, pairs, request.report.path)
    (row,) = read_json(response, _TablePage).rows or [{}]
    return Total(f"all {page.total:,} matching", row)


def write_csv(request: Request) -> None:
    """The server's bytes; of the pages after the first, without their header row."""
    with _counted(request) as count:
        for number, response in enumerate(request.pages(("format", "csv"))):
            header, _, body = response.content.partition(b"\r\n")
            request.write(body if number else header + b"\r\n" + body)
            rows = _records(body)
            count.add(response, rows, int(response.headers.get("X-Total-Count", rows)))
    count.say()


def write_json(request: Request) -> None:
    """The server's bytes; of several pages, one document with the rows of all."""
    with _counted(request) as count:
        for number, response in enumerate(request.pages(("format", "json"))):
            page: _Page = read_json(response, _Page)
            count.add(response, len(page.rows), page.total)
            if not request.every:
                request.write(response.content + (b"\n" if not request.output and sys.stdout.isatty() else b""))
                break
            if not number:
                request.write(b'{"total":%d,"column_headers":%b,"rows":[' % (page.total, bytes(page.column_headers)))
            elif page.rows:
                request.write(b",")
            request.write(b",".join(bytes(row) for row in page.rows))
    if request.every:
        request.write(b"]}\n")
    count.say()


WRITERS: Final[Mapping[str, Callable[[Request], None]]] = {"table": write_table, "csv": write_csv, "json": write_json}


def _records(body: bytes) -> int:
    """How many records some CSV has: line ends inside quotes do not count."""
    return sum(piece.count(b"\r\n") for piece in body.split(b'"')[::2])


def _own_zone(request: Request) -> str | None:
    """The provider's zone, where the server is one that says it, and to this token."""
    try:
        providers = read_json(call(request.client, "GET", "/admin/v1/providers"), list[_Provider])
    except Failure:
        return None
    return next((one.timezone for one in providers if one.id == request.provider), None)


@contextmanager
def _counted(request: Request) -> Iterator[_Count]:
    """Count pages and rows. A failure after the first page says what became of those that were there."""
    count = _Count(request)
    try:
        yield count
    except Failure as failure:
        if not count.pages:
            raise
        left = f"{request.output} was not written" if request.output else "what was written is incomplete"
        message = f"The report broke off after {count.rows:,} rows; {left}. {failure.message}"
        raise Failure(message, fields=failure.fields) from failure


class _Count:
    """What is said of the rows: how many came, of how many, and from when to when."""

    def __init__(self, request: Request) -> None:
        self.pages = 0
        self._every = request.every
        self.rows = 0
        self._total: int | None = None
        self._timeframe: str | None = None

    def add(self, response: httpx.Response, rows: int, total: int) -> None:
        self.pages += 1
        if self._total is None:
            self._total = total
            self._timeframe = response.headers.get("X-Timeframe")
        self.rows += rows

    def say(self, *notes: str) -> None:
        total = self._total or 0
        said = [f"{self.rows:,} of {total:,} rows", *notes]
        if self._timeframe:
            said.append(f"timeframe {self._timeframe}")
        if not self._every and self.rows < total:
            quicker = "; 'turnout export' is the quick way to so many" if total > _MANY else ""
            said.append(f"--all has every row{quicker}")
        Words().say("; ".join(said) + ".", "dim")
