"""CSV cut into records: RFC 4180, lines ended by CRLF or LF.

A block that is well-formed is recognised by its quotes alone, at the speed of memory. In any other, records are found
one by one: a malformed one is its physical line, and reading goes on with the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from turnout.ingest.source import line_blocks, line_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_QUOTED: Final = rb'"(?:[^"]++|"")*+"'
_BARE: Final = rb'[^",\r\n]*+'
_CELL: Final = re.compile(_QUOTED + b"|" + _BARE)
_RECORD: Final = re.compile(rb"(?:%b|%b)(?:,(?:%b|%b))*+\r?\n" % (_QUOTED, _BARE, _QUOTED, _BARE))
_UNCLOSED: Final = re.compile(rb'(?:(?:%b|%b),)*+"(?:[^"]++|"")*+\Z' % (_QUOTED, _BARE))
_QUOTE, _COMMA, _CR, _LF = b'",\r\n'


@dataclass(frozen=True, slots=True)
class CsvBlock:
    """Whole records as they came, blank lines among them."""

    first_line: int
    data: bytes
    well_formed: bool


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One record with its line's end, or one physical line that is none."""

    line: int
    data: bytes
    malformed: bool

    @property
    def blank(self) -> bool:
        return not self.data.strip(b"\r\n")


def csv_blocks(blocks: Iterator[bytes], limit: int) -> Iterator[CsvBlock]:
    """The records of a file. Raises `FileFaultError` on a physical line longer than `limit` bytes."""
    held = b""
    line = 1
    for _, block in line_blocks(blocks, limit):
        # The last line of a file may lack its end.
        held += block if block.endswith(b"\n") else block + b"\n"
        end = well_formed(held)
        fine = end is not None and len(held) - end <= limit
        if end is None or not fine:
            end = sum(len(record.data) for record in each_record(held, line, limit))
        if end:
            yield CsvBlock(line, held[:end], fine)
            line += line_ends(held, end)
            held = held[end:]
    if held:
        # A quote was never closed.
        yield CsvBlock(line, held, well_formed=False)


def well_formed(text: bytes) -> int | None:
    """Where the last record that is complete ends, or None where some record before is not well-formed.

    In well-formed text a quote that opens a cell follows a separator, one that closes it precedes one, and two that
    stand for one are neighbours; and where that holds for all of them, the text is well-formed.
    """
    end = text.rfind(b"\n") + 1
    if b'"' in text:
        codes = np.frombuffer(text, np.uint8)
        quotes = np.flatnonzero(codes == _QUOTE)
        end = _last_outside(codes, quotes)
        quotes = quotes[: np.searchsorted(quotes, end)]
        if not _well_quoted(codes, quotes[0::2], quotes[1::2]):
            return None
    if b"\r" in text and text.count(b"\r", 0, end) != text.count(b"\r\n", 0, end):
        return None
    return end


def _last_outside(codes: NDArray[np.uint8], quotes: NDArray[np.int64]) -> int:
    """Where the last line ends that has an even number of quotes before its end."""
    ends = np.flatnonzero(codes == _LF)
    outside = ends[np.searchsorted(quotes, ends) & 1 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


def _well_quoted(codes: NDArray[np.uint8], opening: NDArray[np.int64], closing: NDArray[np.int64]) -> bool:
    before = codes[np.maximum(opening - 1, 0)]
    after = codes[closing + 1]
    opens = (opening == 0) | (before == _COMMA) | (before == _LF) | (before == _QUOTE)
    closes = (after == _COMMA) | (after == _LF) | (after == _CR) | (after == _QUOTE)
    return bool(opens.all() and closes.all())


def each_record(text: bytes, line: int, open_limit: int = 0) -> Iterator[CsvRecord]:
    """The records of a text one by one; its first is on `line`.

    Ends before one whose quote is still open, where more of the file could complete it within `open_limit` bytes.
    """
    at = 0
    while at < len(text):
        match = _RECORD.match(text, at)
        end = match.end() if match else text.find(b"\n", at) + 1
        if not match and len(text) - at <= open_limit and _UNCLOSED.match(text, at):
            return
        yield CsvRecord(line, text[at:end], malformed=not match)
        line += text.count(b"\n", at, end)
        at = end


def cells(record: bytes) -> list[bytes]:
    """The cells of a well-formed record."""
    record = record.removesuffix(b"\n").removesuffix(b"\r")
    found = []
    at = 0
    while True:
        match = _CELL.match(record, at)
        assert match  # noqa: S101 - a bare cell may be empty, so something always matches
        cell = match.group()
        found.append(cell[1:-1].replace(b'""', b'"') if cell[:1] == b'"' else cell)
        at = match.end() + 1
        if at > len(record):
            return found


def malformation(record: bytes) -> tuple[int, str]:
    """Which cell of a malformed record is at fault, counted from 0, and why."""
    number = at = 0
    while True:
        match = _CELL.match(record, at)
        assert match  # noqa: S101 - as above
        quoted, end = match.group()[:1] == b'"', match.end()
        if record[end : end + 1] == b",":
            number, at = number + 1, end + 1
        elif quoted:
            return number, "something stands between the closing quote and the next comma."
        elif record[at : at + 1] == b'"':
            return number, "the cell is opened with a quote that is not closed."
        elif record[end : end + 1] == b'"':
            return number, "a quote stands inside the cell; the whole cell has to be quoted, and the quote doubled."
        else:
            return number, "a carriage return stands alone in the cell, which is not quoted."
