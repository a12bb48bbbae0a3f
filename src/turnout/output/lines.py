"""Whole reports as text: CSV, and JSON in one document or a row a line (contract sections 2.5, 2.6 and 8)."""

from __future__ import annotations

import csv
import io
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow.compute as pc

from turnout.catalog.types import Column, Kind
from turnout.output.shape import ENDS_LINE, FORMULA_STARTS, Nested, column_headers, csv_header, harmless, nesting
from turnout.output.texts import (
    Form,
    Odd,
    constant,
    data_of,
    instants,
    lines,
    lists,
    names,
    plain,
    text_parts,
    texts,
    where,
)
from turnout.query.plan import stored

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from turnout.query.request import ReportRequest

_encode: Final = msgspec.json.Encoder().encode
# What a JSON text has to escape, and what a CSV cell has to be quoted for.
_JSON_ODD: Final = Odd(bytes(range(0x20)) + b'"\\')
_CSV_ODD: Final = Odd(b'",\r\n')
_CSV_FORMULA: Final = Odd(_CSV_ODD.inside, "".join(FORMULA_STARTS).encode())
_CELL: Final = Form()
_QUOTED: Final = Form('"', '"')


# CSV


def csv_start(request: ReportRequest) -> bytes:
    """What comes before the rows: the header row, after a byte-order mark where it is asked for."""
    head = "".join(_csv_line(csv_header(request)))
    return ("\ufeff" + head if request.csv.bom else head).encode()


def _csv_line(cells: list[Any]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator=ENDS_LINE).writerow(cells)
    return buffer.getvalue()


def csv_lines(request: ReportRequest) -> Callable[[pa.RecordBatch], memoryview]:
    """A function from rows to their lines; the same to the byte as `formats.write_csv` writes them."""
    cells = [_csv_cells(request, column) for column in request.columns]

    def write(batch: pa.RecordBatch) -> memoryview:
        found = [get(batch) for get in cells]
        if len(found) == 1:
            # A line must not be empty.
            empty = constant('""')
            found[0] = pc.if_else(pc.equal(pc.binary_length(found[0]), 0), empty, found[0]).fill_null(empty)
        # Of one column the end is copied faster than of whole lines.
        found[-1] = lines([found[-1], ENDS_LINE])
        return data_of(lines(found, ","))

    return write


def _csv_cells(request: ReportRequest, column: Column) -> Callable[[pa.RecordBatch], pa.Array]:
    escape = request.csv.escape and column.kind in (Kind.TEXT, Kind.PEOPLE)
    odd, write = (_CSV_FORMULA, _harmless_quoted) if escape else (_CSV_ODD, _quoted)
    match column.kind:
        case Kind.INSTANT:
            return lambda batch: instants(batch[column.storage], request.zone, _CELL)
        case Kind.TEXT | Kind.CHOICE:
            return lambda batch: texts(batch[column.storage], _CELL, odd, write)
        case Kind.PEOPLE:
            called = stored(column)[1]
            return lambda batch: texts(names(batch[called], "; "), _CELL, odd, write)
        case _:
            return lambda batch: plain(batch[column.storage])


def _quoted(text: str) -> str:
    return _csv_line([text, ""])[: -len(",\r\n")]


def _harmless_quoted(text: str) -> str:
    return _quoted(harmless(text))


# JSON


def json_start(request: ReportRequest, total: int) -> bytes:
    """What comes before the rows of the document of section 2.5."""
    return b'{"total":%d,"column_headers":%b,"rows":[' % (total, _encode(column_headers(request)))


JSON_END: Final = b"]}"


def json_lines(request: ReportRequest, *, before: str = "", after: str = "") -> Callable[[pa.RecordBatch], memoryview]:
    """A function from rows to their nested objects, each between `before` and `after`."""
    parts = [before, *_object(request, nesting(request.report, request.columns)), after]

    def write(batch: pa.RecordBatch) -> memoryview:
        return data_of(lines(_written(parts, batch), missing="null"))

    return write


# An object is put together of parts, missing ones being null: constant texts, and functions from rows to further parts.
_Parts = list["str | Callable[[pa.RecordBatch], list[pa.Array | str]]"]


def _written(parts: _Parts, batch: pa.RecordBatch) -> list[pa.Array | str]:
    found: list[pa.Array | str] = []
    for part in parts:
        found += [part] if isinstance(part, str) else part(batch)
    return found


def _object(request: ReportRequest, nested: Nested) -> _Parts:
    parts: _Parts = []
    for name, child in nested.members.items():
        before = f'{"," if parts else "{"}"{name}":'
        if isinstance(child, Column):
            parts.append(_json_values(request, child, before))
        elif child.presences:
            parts += [before, _object_or_null(child.presences, _object(request, child))]
        else:
            parts += [before, *_object(request, child)]
    return [*parts, "}"]


def _object_or_null(presences: tuple[str, ...], parts: _Parts) -> Callable[[pa.RecordBatch], list[pa.Array | str]]:
    def write(batch: pa.RecordBatch) -> list[pa.Array | str]:
        found = _written(parts, batch)
        if not all(batch[presence].null_count for presence in presences):
            return found
        there = reduce(pc.or_, (batch[presence].is_valid() for presence in presences))
        return [where(there, lines(found, missing="null"))]

    return write


def _json_values(
    request: ReportRequest, column: Column, before: str
) -> Callable[[pa.RecordBatch], list[pa.Array | str]]:
    match column.kind:
        case Kind.PEOPLE:
            ids, called = stored(column)
            return lambda batch: [before, *_people(batch[ids], batch[called])]
        case Kind.INSTANT:
            return lambda batch: [before, instants(batch[column.storage], request.zone, _QUOTED)]
        case Kind.TEXT | Kind.CHOICE:
            return lambda batch: [before, *text_parts(batch[column.storage], _QUOTED, _JSON_ODD, _json_inside)]
        case _:
            return lambda batch: [before, plain(batch[column.storage])]


def _json_inside(text: str) -> str:
    return _encode(text)[1:-1].decode()


def _people(ids: pa.ListArray, called: pa.ListArray) -> list[pa.Array | str]:
    items = called.flatten()
    if not len(items):
        return ["[]"]
    said = texts(items, _QUOTED, _JSON_ODD, _json_inside)
    people = lines(['{"id":', plain(ids.flatten()), ',"name":', said, "}"], missing="null")
    return ["[", pc.binary_join(lists(ids, people), constant(",")), "]"]
