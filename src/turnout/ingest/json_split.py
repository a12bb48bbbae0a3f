"""JSON files cut into rows, in blocks: NDJSON, an array of rows, and the document that the API answers.

Rows are found, not parsed, and only the block at hand is held: an array may be of any size.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from turnout.ingest.faults import Fault, FileFaultError
from turnout.ingest.json_rows import BLANK, JsonChunk, JsonLines, leading_lines
from turnout.ingest.source import line_blocks, line_ends, refuse_longer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

DOCUMENT: Final = re.compile(rb'\s*\{\s*"(?:total|column_headers|rows)"\s*:')
"""How the document begins (contract section 2.5); a row has none of these members."""

_ROWS: Final = "rows"
_SPACE: Final = re.compile(r"[ \t\r\n]*")
# Other escapes hide neither a quote nor a backslash.
_ESCAPE: Final = re.compile(rb'\\["\\]')
_STRUCTURE: Final = bytes(byte in b'"[]{},' for byte in range(256))
_QUOTE, _COMMA, _CLOSING = b'",]'
_DEPTH: Final = np.zeros(256, np.int8)
_DEPTH[list(b"[{")] = 1
_DEPTH[list(b"]}")] = -1
_decode_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
# Numbers that are passed over may be as long as they like; Python would not read them.
_decode: Final = json.JSONDecoder(parse_int=str).raw_decode


def ndjson(blocks: Iterator[bytes], limit: int) -> Iterator[JsonLines]:
    """A row on each line."""
    return (JsonLines(line, block) for line, block in line_blocks(blocks, limit))


def array(blocks: Iterator[bytes], limit: int) -> Iterator[JsonChunk]:
    """The elements of an array that is the whole file. Raises `FileFaultError` where that is not so."""
    text = next(blocks)
    more = next(blocks, b"")
    rows = [] if more else _on_one_line(text, limit)
    if rows:
        yield JsonChunk(1 + leading_lines(text), rows, lines=False)
        return
    blocks = filter(None, chain([more], blocks))
    start = text.index(b"[") + 1
    rest, line = yield from _elements(text[start:], blocks, 1 + text.count(b"\n", 0, start), limit)
    for block in (rest, *blocks):
        if block.strip(BLANK):
            raise FileFaultError(line + leading_lines(block), Fault("", "the file goes on after the end of its array."))
        line += block.count(b"\n")


def _on_one_line(text: bytes, limit: int) -> list[bytes]:
    """The elements of an array on one line, as programs write it, in a quarter of the time; none where it is another.

    Where rows go over lines, the blanks between them tell the number of each one's line.
    """
    if len(text) > limit or b"\n" in text.strip(BLANK):
        return []
    try:
        return [bytes(row) for row in _decode_array(text)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def document(blocks: Iterator[bytes], limit: int) -> Iterator[JsonChunk]:
    """The elements of the member `rows`; other members may stand before or after it, and are passed over.

    Raises `FileFaultError` where the file is no such document.
    """
    text = next(blocks)
    # As Latin-1 a character is a byte, so that places agree; what is passed over need not make sense.
    start = _rows_start(text.decode("latin-1"))
    rest, line = yield from _elements(text[start:], blocks, 1 + text.count(b"\n", 0, start), limit)
    for block in blocks:
        rest += block
        refuse_longer(len(rest), limit, line)
    _check_rest(rest.decode("latin-1"), line)


def _elements(
    held: bytes, blocks: Iterator[bytes], line: int, limit: int
) -> Generator[JsonChunk, None, tuple[bytes, int]]:
    """The elements of an array that has been opened; returns what follows its end, and the line of that."""
    some = False
    while True:
        cuts, end = _cuts(held)
        if cuts:
            rows = [held[a + 1 : b] for a, b in pairwise([-1, *cuts])]
            # An array may be empty, but not have an empty place behind a comma.
            if some or len(rows) > 1 or end is None or rows[0].strip(BLANK):
                some = True
                chunk = JsonChunk(line, rows, lines=False)
                if len(held) > limit:
                    for row, number in zip(rows, chunk.numbers(), strict=True):
                        refuse_longer(len(row), limit, number)
                yield chunk
            line += line_ends(held, cuts[-1])
            if end is not None:
                if held[end] != _CLOSING:
                    raise FileFaultError(line, Fault("", "the JSON is malformed: '}' closes the list of rows."))
                return held[end + 1 :], line
            held = held[cuts[-1] + 1 :]
        start = line + leading_lines(held)
        refuse_longer(len(held), limit, start)
        block = next(blocks, b"")
        if not block:
            raise FileFaultError(start, Fault("", "the file ends in the middle of its rows; it is cut off."))
        held += block


def _cuts(text: bytes) -> tuple[list[int], int | None]:
    """Where the elements of an open array end: at commas of the outermost level, and at its end, which is told too.

    In well-formed JSON that is exact; where it is not well-formed, some element will not be either.
    """
    if b"\\" in text:
        text = _ESCAPE.sub(b"__", text)
    places = np.flatnonzero(np.frombuffer(text.translate(_STRUCTURE), np.bool_))
    kinds = np.frombuffer(text, np.uint8)[places]
    quotes = kinds == _QUOTE
    # Only the lowest bit counts, so a sum of bytes may run over.
    outside = (np.cumsum(quotes, dtype=np.uint8) & 1 == 0) & ~quotes
    places, kinds = np.compress(outside, places), np.compress(outside, kinds)
    depth = np.cumsum(_DEPTH[kinds], dtype=np.int64)
    cuts = (depth == 0) & (kinds == _COMMA)
    ends = np.flatnonzero(depth < 0)
    if not len(ends):
        return places[cuts].tolist(), None
    end = int(ends[0])
    return [*places[:end][cuts[:end]].tolist(), int(places[end])], int(places[end])


def _rows_start(text: str) -> int:
    """Where the first row begins, in the document's beginning."""
    with _reading(text, 1):
        at = text.index("{") + 1
        while True:
            key, at = _key(text, at)
            if key == _ROWS:
                return _expect(text, at, "[")
            _, at = _decode(text, at)
            at = _skip(text, at)
            if text[at] == "}":
                raise json.JSONDecodeError("the document has no member 'rows'", text, at)
            at = _expect(text, at, ",")


def _check_rest(text: str, line: int) -> None:
    """Check what follows the rows: other members, the end of the document, and nothing more."""
    with _reading(text, line):
        at = _skip(text, 0)
        while text[at] != "}":
            key, at = _key(text, _expect(text, at, ","))
            if key == _ROWS:
                raise json.JSONDecodeError("the document has the member 'rows' twice", text, at)
            _, at = _decode(text, at)
            at = _skip(text, at)
        at = _skip(text, at + 1)
        if at < len(text):
            raise json.JSONDecodeError("the file goes on after the end of the document", text, at)


@contextmanager
def _reading(text: str, line: int) -> Iterator[None]:
    """Turns what goes wrong in a text that begins on `line` into a fault of the file."""
    at, reason = len(text), None
    try:
        yield
    except json.JSONDecodeError as fault:
        at, reason = fault.pos, f"the JSON is malformed here: {fault.msg[:1].lower()}{fault.msg[1:]}."
    except IndexError:
        reason = "the file ends in the middle of its document; it is cut off."
    except RecursionError:
        reason = "the JSON is nested too deeply."
    if reason:
        raise FileFaultError(line + text.count("\n", 0, at), Fault("", reason))


def _key(text: str, at: int) -> tuple[str, int]:
    """The name of the member at hand, and where its value begins."""
    at = _skip(text, at)
    if text[at] != '"':
        raise json.JSONDecodeError("a member's name is expected", text, at)
    key, at = _decode(text, at)
    return key, _skip(text, _expect(text, _skip(text, at), ":"))


def _expect(text: str, at: int, character: str) -> int:
    if text[at] != character:
        raise json.JSONDecodeError(f"{character!r} is expected", text, at)
    return at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
