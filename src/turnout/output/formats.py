"""The formats: each a function from batches of rows to pieces of bytes, for a page and for a whole report alike.

A new format is one function here and one entry in `FORMATS`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from turnout.output.shape import ENDS_LINE, column_headers, csv_cells, csv_header, csv_line, nester

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from turnout.output.shape import Row
    from turnout.query.plan import Plan
    from turnout.query.request import ReportRequest


_encode: Final = msgspec.json.Encoder().encode


class Writer(Protocol):
    """Writes one document: `total` is of all matching rows, `batches` are those to write, as `plan` read them."""

    def __call__(
        self, request: ReportRequest, plan: Plan, total: int, batches: Iterable[list[Row]]
    ) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    media_type: str
    write: Writer
    extension: str
    download: bool


def write_json(request: ReportRequest, plan: Plan, total: int, batches: Iterable[list[Row]]) -> Iterator[bytes]:
    """The document of section 2.5."""
    nest = nester(request, plan)
    yield b'{"total":%d,"column_headers":%b,"rows":[' % (total, _encode(column_headers(request)))
    first = True
    for batch in batches:
        if batch:
            objects = _encode([nest(row) for row in batch])[1:-1]
            yield objects if first else b"," + objects
            first = False
    yield b"]}"


def write_csv(request: ReportRequest, plan: Plan, total: int, batches: Iterable[list[Row]]) -> Iterator[bytes]:
    """RFC 4180 with a header row (section 2.6). The total has no place in the text."""
    del total
    line, cells = csv_line(request, plan), csv_cells(request, plan)
    written: list[str] = []
    write = written.append
    writer = csv.writer(SimpleNamespace(write=write), lineterminator=ENDS_LINE)
    if request.csv.bom:
        write("\ufeff")
    writer.writerow(csv_header(request))
    commas = len(request.columns) - 1
    for batch in batches:
        for row in batch:
            text = line(row)
            # Most rows have nothing to be quoted: they are written in half the time that the writer needs to find out.
            if text and text.count(",") == commas and not ('"' in text or "\r" in text or "\n" in text):
                write(text + ENDS_LINE)
            else:
                writer.writerow(cells(row))
        yield "".join(written).encode()
        written.clear()
    if written:
        yield "".join(written).encode()


FORMATS: Final[dict[str, Format]] = {
    format_.name: format_
    for format_ in (
        Format("csv", "text/csv", write_csv, extension="csv", download=True),
        Format("json", "application/json", write_json, extension="json", download=False),
    )
}
