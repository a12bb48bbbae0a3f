"""Files read back by other programs, as rows of cells by column key, and what a report's JSON says they must hold."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import openpyxl
import pyarrow.parquet as pq

from oracle import calendar
from oracle.columns import BY_KEY

Row = dict[str, Any]

EXCEL_BEGINS = datetime(1900, 3, 1)


def found(row: Any, key: str) -> Any:
    """A value of a nested row; None where an object around it is null."""
    for step in key.split("."):
        row = None if row is None else row[step]
    return row


def flat(document: Row) -> list[Row]:
    """The rows of a JSON document, by dotted key."""
    keys = [header["key"] for header in document["column_headers"]]
    return [{key: found(row, key) for key in keys} for row in document["rows"]]


def parquet(data: bytes) -> list[Row]:
    rows: list[Row] = pq.read_table(io.BytesIO(data)).to_pylist()
    return rows


def as_parquet(row: Row) -> Row:
    """What a row of JSON is in Parquet."""
    return {
        key: datetime.fromisoformat(value).astimezone(UTC) if value and BY_KEY[key].kind == "date-time" else value
        for key, value in row.items()
    }


def decoded(text: str) -> str:
    """Excel's form for characters that XML does not have, undone."""
    return re.sub("_x([0-9A-F]{4})_", lambda code: chr(int(code[1], 16)), text)


def sheets(data: bytes) -> dict[str, list[list[Any]]]:
    """The cells of each sheet of a workbook, header row first."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    return {
        sheet.title: [[decoded(cell) if isinstance(cell, str) else cell for cell in row] for row in sheet.values]
        for sheet in book.worksheets
    }


def as_cell(key: str, value: Any, zone: str) -> Any:
    """What a value of JSON is in a cell: a local time, a number, or a text."""
    kind = BY_KEY[key].kind
    if value is None:
        return None
    if kind == "date-time":
        local = calendar.local(calendar.micros(value), zone).replace(tzinfo=None)
        return local if local >= EXCEL_BEGINS else calendar.text_of(calendar.micros(value), zone)
    if kind == "list":
        return "; ".join(one["name"] for one in value if one["name"] is not None) or None
    return str(value) if kind == "integer" and value > 2**53 else value


def same_cells(cells: list[list[Any]], wanted: list[list[Any]]) -> bool:
    """Whether all cells are the same; times to the millisecond, which is what a cell can tell."""
    return [len(row) for row in cells] == [len(row) for row in wanted] and all(
        _same_cell(cell, value)
        for row, values in zip(cells, wanted, strict=True)
        for cell, value in zip(row, values, strict=True)
    )


def _same_cell(cell: Any, wanted: Any) -> bool:
    if isinstance(cell, datetime) and isinstance(wanted, datetime):
        return abs(cell - wanted) <= timedelta(milliseconds=1)
    return type(cell) is type(wanted) and cell == wanted
