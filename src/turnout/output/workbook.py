"""The workbook around the rows of an XLSX file: styles, sheets with their headers, and the sheet "Report".

XlsxWriter makes it whole, with empty sheets; `xlsx` puts the rows where they belong.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZipFile

import xlsxwriter

from turnout.catalog.types import Kind
from turnout.query.instants import offset_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.output.files import Whole

MOST_CHARACTERS: Final = 32_767
"""So many UTF-16 units fit in a cell."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a sheet's dates have no zone
_DATE: Final = "yyyy-mm-dd hh:mm:ss"
_WIDTHS: Final = {Kind.INTEGER: 12, Kind.INSTANT: 20, Kind.TEXT: 28, Kind.PEOPLE: 28, Kind.CHOICE: 14, Kind.BOOLEAN: 8}
_LONGEST_NAME: Final = 31
_REPORT: Final = "Report"


@dataclass(frozen=True, slots=True)
class Frame:
    """A workbook's parts by their names. The XML of a sheet of rows is `head`, its rows, `tail`.

    `date` is the attribute of a cell that shows a date.
    """

    parts: dict[str, bytes]
    head: bytes
    tail: bytes
    date: str


def frame(whole: Whole, rows: Sequence[int], notes: Sequence[str]) -> Frame:
    """A workbook for sheets of so many rows each."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    book.set_properties({"created": (_EPOCH + timedelta(microseconds=whole.asked.at)).replace(tzinfo=UTC)})
    titles = [_title(whole, number) for number in range(len(rows))]
    _rows_sheet(book, whole, titles[0])
    _report_sheet(book, whole, dict(zip(titles, rows, strict=True)), notes)
    for title in titles[1:]:
        _rows_sheet(book, whole, title)
    book.close()
    with ZipFile(made) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    sheet = re.sub(rb"<dimension [^>]*/>", b"", parts[sheet_part(0)])
    head, end, tail = sheet.partition(b"</sheetData>")
    style = re.search(rb'<col [^>]*style="(\d+)"', head)
    return Frame(parts, head, end + tail, f' s="{int(style[1])}"' if style else "")


def sheet_part(number: int) -> str:
    """The name of the part that is the sheet of rows with this number, counted from 0; the second part is "Report"."""
    return f"xl/worksheets/sheet{number + 2 if number else 1}.xml"


def _title(whole: Whole, number: int) -> str:
    suffix = f" {number + 1}" if number else ""
    return whole.request.report.title[: _LONGEST_NAME - len(suffix)] + suffix


def _formats(book: Any) -> tuple[Any, Any]:
    """How dates and headings are shown. A workbook has each of them once, however often it is added."""
    return book.add_format({"num_format": _DATE, "align": "left"}), book.add_format({"bold": True})


def _rows_sheet(book: Any, whole: Whole, title: str) -> None:
    date, bold = _formats(book)
    sheet = book.add_worksheet(title)
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(whole.request.columns):
        width = max(_WIDTHS[column.kind], len(column.label) + 2)
        sheet.set_column(place, place, width, date if column.kind is Kind.INSTANT else None)
        sheet.write_string(0, place, column.label, bold)


def _report_sheet(book: Any, whole: Whole, rows: dict[str, int], notes: Sequence[str]) -> None:
    date, bold = _formats(book)
    sheet = book.add_worksheet(_REPORT)
    asked = whole.asked
    zone = whole.request.reading_zone
    said: list[tuple[str, Any]] = [
        ("Report", whole.request.report.title),
        ("Data of", _EPOCH + timedelta(microseconds=asked.at + offset_at(asked.at, zone))),
        ("Time zone", asked.zone),
        ("Rows", whole.total),
    ]
    if len(rows) > 1:
        said += [(f"Rows on the sheet {title!r}", count) for title, count in rows.items()]
    said += [("Asked for", "" if asked.parameters else "everything that has started")]
    for name, text in asked.parameters:
        # A text that is too long for a cell goes on in the next.
        said += [
            (name, text[at : at + MOST_CHARACTERS // 2]) for at in range(0, max(len(text), 1), MOST_CHARACTERS // 2)
        ]
    said += [("Note", note) for note in notes]
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, 80)
    for line, (label, value) in enumerate(said):
        sheet.write_string(line, 0, label, bold)
        if isinstance(value, datetime):
            sheet.write_datetime(line, 1, value, date)
        elif isinstance(value, int):
            sheet.write_number(line, 1, value)
        elif value:
            sheet.write_string(line, 1, value)
