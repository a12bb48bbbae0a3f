"""Whole reports as XLSX: typed cells under a frozen header, and a sheet that says what was asked (contract section 9).

XlsxWriter makes the workbook (`workbook`). Of rows it writes 4,000 a second; so they, four kinds of cells in all, are
written here by columns and put into its sheets.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, BinaryIO, Final
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xlsxwriter.utility import xl_col_to_name

from turnout.catalog.types import Column, Kind
from turnout.output.files import encoded
from turnout.output.texts import TEXT, Form, Odd, data_of, instants, joined, lines, micros, names, offsets, plain, texts
from turnout.output.workbook import MOST_CHARACTERS, frame, sheet_part
from turnout.query.instants import DAY
from turnout.query.plan import stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from turnout.output.files import Whole
    from turnout.query.request import ReportRequest

MOST_ROWS: Final = 1_048_575
"""So many rows fit on a sheet, beside its header."""
MOST_BYTES: Final = 3 << 29
"""A part of a ZIP file has 2 GiB without extensions that Excel repairs; the last half is for what is under way.

A full sheet of all columns takes 1.4 GiB.
"""

_EXACT: Final = 2**53
"""Numbers in cells are floating: integers beyond this one are not exact, and become texts."""
_FIRST_DAY: Final = 25_569
"""Cells count days from 1899-12-30, which is so many before 1970."""
_LEAST_DAY: Final = 61
"""1900-03-01. Programs disagree on days before it, or know none; they become texts."""
_TEXT_CELL: Final = Form('" t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>")
_FIRST_PART: Final = "_rels/.rels"

# What XML has no character for, or a reader would change, has a form of its own: a carriage return is _x000D_.
_CODED: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
# U+FFFE begins with the byte EF.
_ODD: Final = Odd(bytes(range(0x20)) + b"&<>_\xef")


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows on their way to a sheet: which sheet, which of its rows the first is, counted from 1, and where they end."""

    sheet: int
    row: int
    batch: pa.RecordBatch


class _Places:
    """Which rows go on which sheet. A sheet is full with its rows or, where they are uncommonly wide, its bytes."""

    def __init__(self, most_rows: int, most_bytes: int) -> None:
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self.rows = [0]
        self.bytes = Counter[int]()

    def of(self, batches: Iterable[pa.RecordBatch]) -> Iterator[_Part]:
        for batch in batches:
            at = 0
            while at < batch.num_rows:
                if self.rows[-1] == self._most_rows or self.bytes[len(self.rows) - 1] > self._most_bytes:
                    self.rows.append(0)
                here = batch.slice(at, self._most_rows - self.rows[-1])
                yield _Part(len(self.rows) - 1, self.rows[-1] + 2, here)
                self.rows[-1] += here.num_rows
                at += here.num_rows


_SELECTED: Final = b' tabSelected="1"'
"""Of the first sheet alone: where several are selected, what is typed into one goes into all of them."""


def write(
    whole: Whole,
    batches: Iterable[pa.RecordBatch],
    out: BinaryIO,
    *,
    most_rows: int = MOST_ROWS,
    most_bytes: int = MOST_BYTES,
) -> None:
    """Write a report; memory holds a few batches. Texts that are cut to fit in a cell are told on the second sheet."""
    places = _Places(most_rows, most_bytes)
    empty = frame(whole, [0], [])
    encode = _encoder(whole.request, empty.date)
    cut = Counter[str]()
    with (
        ZipFile(out, "w", ZIP_DEFLATED, compresslevel=1) as packed,
        encoded(places.of(batches), encode, ahead=3) as parts,
    ):
        _put(packed, _FIRST_PART, empty.parts[_FIRST_PART])  # first, as it tells what the file is
        for number, rows in groupby(parts, lambda part: part[0]):
            with packed.open(sheet_part(number), "w") as sheet:
                sheet.write(empty.head if number == 0 else empty.head.replace(_SELECTED, b""))
                for _, text, cut_here in rows:
                    sheet.write(text)
                    places.bytes[number] += len(text)
                    cut += cut_here
                sheet.write(empty.tail)
        notes = [
            f"{count} texts of the column {label!r} are longer than the {MOST_CHARACTERS} characters that fit in a "
            "cell; they were cut. Other formats have them whole."
            for label, count in sorted(cut.items())
        ]
        done = frame(whole, places.rows, notes)
        written = set(packed.namelist())
        for name, content in done.parts.items():
            if name not in written:
                _put(packed, name, content)


def _put(packed: ZipFile, name: str, content: bytes) -> None:
    # Opened by its name, a part has no date and the file's own level of compression.
    with packed.open(name, "w") as part:
        part.write(content)


def _encoder(request: ReportRequest, date: str) -> Callable[[_Part], tuple[int, memoryview, Counter[str]]]:
    """A function from rows to their XML, and how many texts of which columns were cut."""
    cells = [_cells(request, column, date, xl_col_to_name(place)) for place, column in enumerate(request.columns)]

    def write_rows(part: _Part) -> tuple[int, memoryview, Counter[str]]:
        cut = Counter[str]()
        numbers = pa.array(np.arange(part.row, part.row + part.batch.num_rows)).cast(TEXT)
        found = [write(part.batch, numbers, cut) for write in cells]
        return part.sheet, data_of(lines(['<row r="', numbers, '">', *found, "</row>"])), cut

    return write_rows


def _cells(
    request: ReportRequest, column: Column, date: str, name: str
) -> Callable[[pa.RecordBatch, pa.Array, Counter[str]], pa.Array]:
    """A function from rows, their numbers and a count of cut texts to the XML of the column's cells."""

    def text(values: pa.Array, numbers: pa.Array, cut: Counter[str]) -> pa.Array:
        return joined(f'<c r="{name}', numbers, texts(_short(values, column, cut), _TEXT_CELL, _ODD, _inside))

    def value(attribute: str, values: pa.Array, numbers: pa.Array) -> pa.Array:
        return joined(f'<c r="{name}', numbers, f'"{attribute}><v>', values, "</v></c>")

    def typed(batch: pa.RecordBatch, numbers: pa.Array, cut: Counter[str]) -> pa.Array:
        values = batch[column.storage]
        match column.kind:
            case Kind.BOOLEAN:
                return value(' t="b"', values.cast(pa.int8()).cast(TEXT), numbers)
            case Kind.INTEGER:
                fit, written, others = pc.less_equal(values, _EXACT), value("", plain(values), numbers), plain
            case Kind.INSTANT:
                days, fit = _days(values, request)
                written, others = (
                    value(date, days, numbers),
                    lambda values: instants(values, request.reading_zone, Form()),
                )
            case _:
                return text(values, numbers, cut)
        if pc.all(fit, min_count=0).as_py():
            return written
        return pc.if_else(fit, written, text(others(values), numbers, cut))

    if column.kind is Kind.PEOPLE:
        called = stored(column)[1]
        return lambda batch, numbers, cut: text(_unless_empty(names(batch[called], "; ")), numbers, cut)
    return typed


def _days(values: pa.Array, request: ReportRequest) -> tuple[pa.Array, pa.Array]:
    """Local times as days, and whether a cell can show them; missing where they are."""
    moments = micros(values)
    local = moments + offsets(moments, request.reading_zone)
    days = local / DAY + _FIRST_DAY
    missing = values.is_null().to_numpy(zero_copy_only=False)
    return pa.array(days, mask=missing).cast(TEXT), pa.array(days >= _LEAST_DAY, mask=missing)


def _unless_empty(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(pc.binary_length(values), 0), pa.scalar(None, TEXT), values)


def _inside(text: str) -> str:
    coded = _CODED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return coded.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(values: pa.Array, column: Column, cut: Counter[str]) -> pa.Array:
    """Texts, cut where they are too long for a cell."""
    if column.kind is Kind.CHOICE or (pc.max(pc.binary_length(values)).as_py() or 0) <= MOST_CHARACTERS:
        return values
    found = []
    for text in values.to_pylist():
        units = b"" if text is None else text.encode("utf-16-le")
        if len(units) > 2 * MOST_CHARACTERS:
            cut[column.label] += 1
            found.append(units[: 2 * MOST_CHARACTERS].decode("utf-16-le", "ignore"))
        else:
            found.append(text)
    return pa.array(found, TEXT)
