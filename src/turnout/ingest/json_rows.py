"""Rows that came as JSON: all at once where they are plainly right, else one by one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from turnout.ingest.faults import BadRow, Fault
from turnout.ingest.json_typed import from_json
from turnout.ingest.rows import RowError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.ingest.columns import Columns
    from turnout.ingest.rows import RowChecker, Stated

BLANK: Final = b" \t\r\n"

# No number that may stand in a row has nearly so many digits, and Python refuses to read very many.
_MOST_DIGITS: Final = 1_000
_ENDLESS: Final = re.compile(rb"[0-9]{%d}" % (_MOST_DIGITS + 1))


def leading_lines(row: bytes) -> int:
    """How many lines end before a row begins."""
    return row.count(b"\n", 0, len(row) - len(row.lstrip(BLANK)))


@dataclass(frozen=True, slots=True)
class JsonChunk:
    """Some rows of a file as they came, one JSON value each, with blanks around it.

    On `lines`, each row ends its line, and a blank row is none.
    """

    first_line: int
    rows: list[bytes]
    lines: bool

    def columns(self) -> Columns:
        """All rows at once. Raises `UnfitError`."""
        return from_json(list(filter(None, self.rows)) if self.lines else self.rows)

    def pieces(self, size: int) -> Iterator[JsonChunk]:
        """The same rows, `size` at a time."""
        # Blanks in front of a piece's first row are counted in its line already.
        numbers = self.numbers()
        for n in range(0, len(self.rows), size):
            yield JsonChunk(numbers[n], [self.rows[n].lstrip(BLANK), *self.rows[n + 1 : n + size]], self.lines)

    def each(self, checker: RowChecker) -> Iterator[Stated | BadRow]:
        """One by one."""
        for line, row in zip(self.numbers(), self.rows, strict=True):
            if not self.lines or row.strip(BLANK):
                yield _checked(line, row, checker)

    def numbers(self) -> list[int]:
        """The physical line where each row starts."""
        breaks = (row.count(b"\n") + self.lines for row in self.rows[:-1])
        starts = accumulate(breaks, initial=self.first_line)
        return [start + leading_lines(row) for start, row in zip(starts, self.rows, strict=True)]


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Some lines of a file as they came, a row on each. Cut into rows by who checks them, maybe elsewhere."""

    first_line: int
    text: bytes

    def columns(self) -> Columns:
        """All rows at once. Raises `UnfitError`."""
        return self._rows().columns()

    def pieces(self, size: int) -> Iterator[JsonChunk]:
        """The same rows, `size` at a time."""
        return self._rows().pieces(size)

    def _rows(self) -> JsonChunk:
        rows = self.text.split(b"\n")
        if not rows[-1]:
            rows.pop()  # behind the last line's end; to cut that off before would copy all of them
        return JsonChunk(self.first_line, rows, lines=True)


def _checked(line: int, row: bytes, checker: RowChecker) -> Stated | BadRow:
    try:
        value = read_value(row)
    except ValueError as fault:
        return BadRow(line, (Fault("", str(fault)),), as_text(row))
    try:
        return checker.json(value)
    except RowError as error:
        return BadRow(line, error.faults, _as_came(row, value))


def read_value(row: bytes) -> object:
    """A JSON value, read exactly, but an endless integer, which fits nowhere, to as many digits as are plenty.

    Raises `ValueError` with a reason for the user.
    """
    if not row.strip(BLANK):
        raise ValueError("there is no row between two commas, or after the last.")
    try:
        return json.loads(row.decode(), parse_constant=_refuse, parse_int=_integer)
    except UnicodeDecodeError as fault:
        raise ValueError(not_utf8(fault)) from None
    except json.JSONDecodeError as fault:
        raise ValueError(f"not valid JSON: {fault.msg} (character {fault.pos + 1} of the row).") from None
    except RecursionError:
        raise ValueError("the row is nested too deeply.") from None
    except ValueError as fault:
        raise ValueError(f"not valid JSON: {fault}") from None


def _integer(text: str) -> int:
    return int(text[:_MOST_DIGITS])


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number.")


def _as_came(row: bytes, value: object) -> bytes:
    """A row as JSON on one line."""
    try:
        return msgspec.json.format(row, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        pass
    if _ENDLESS.search(row):
        return as_text(row)
    try:
        # What only Python's reader takes, such as half a surrogate pair, its writer can write.
        return json.dumps(value, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return as_text(row)


def as_text(row: bytes) -> bytes:
    """What could not be read, as a JSON text."""
    return msgspec.json.encode(row.decode(errors="backslashreplace").strip("\r\n"))


def not_utf8(fault: UnicodeDecodeError) -> str:
    return f"the byte 0x{fault.object[fault.start]:02x} is not UTF-8, which the whole file has to be."
