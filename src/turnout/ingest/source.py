"""The bytes of a file: counted, unpacked, in blocks. A source need not be seekable, and is read once."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from turnout.ingest.faults import Fault, FileFaultError
from turnout.ingest.packing import MAGIC, Gunzip, PackingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

BLOCK: Final = 6 * 1024 * 1024

_LF: Final = 10
_BOM: Final = b"\xef\xbb\xbf"
_FOREIGN: Final = {
    MAGIC: "gzip inside gzip; unpack it once",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV UTF-8",
    b"PAR1": "a Parquet file; CSV, JSON and NDJSON are understood",
    b"BZh": "packed with bzip2; gzip is understood",
    b"\xfd7zXZ": "packed with xz; gzip is understood",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard; gzip is understood",
    b"%PDF": "a PDF document; CSV, JSON and NDJSON are understood",
}


class Source:
    """Reads a binary file in blocks. `consumed` counts the bytes read from the file itself, packed as they are."""

    def __init__(self, file: BinaryIO, size: int = BLOCK) -> None:
        self.consumed = 0
        self._file = file
        self._size = size

    def blocks(self) -> Iterator[bytes]:
        """Unpacked blocks without a byte-order mark, none of them empty, all but the last of at least the block size.

        Raises `FileFaultError` where the file is none of ours, or its packing is damaged.
        """
        raw = self._raw()
        first = next(raw, b"")
        blocks: Iterator[bytes] = chain([first], raw)
        if first.startswith(MAGIC):
            blocks = _regrouped(_unpacked(blocks), self._size)
            first = next(blocks, b"")
            blocks = chain([first], blocks)
        for magic, what in _FOREIGN.items():
            if first.startswith(magic):
                raise FileFaultError(1, Fault("", f"the file is {what}."))
        first = next(blocks).removeprefix(_BOM)
        return filter(None, chain([first], blocks))

    def _raw(self) -> Iterator[bytes]:
        return _regrouped(iter(self._read, b""), self._size)

    def _read(self) -> bytes:
        block = self._file.read(self._size)
        self.consumed += len(block)
        return block


def _regrouped(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Pieces joined to at least `size` bytes: a pipe hands out what it has, however little."""
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if length:
        yield b"".join(held)


def _unpacked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of one or more gzip members."""
    unpacking = Gunzip(BLOCK)
    line = 1
    try:
        for block in blocks:
            for piece in unpacking.parts(block):
                line += line_ends(piece)
                yield piece
        unpacking.end()
    except PackingError as fault:
        raise FileFaultError(line, Fault("", f"the gzip data is damaged from here on: {fault}.")) from None


def line_blocks(blocks: Iterator[bytes], limit: int) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, with the number of their first line. Only the file's last line may lack its end.

    Raises `FileFaultError` on a line longer than `limit` bytes.
    """
    line = 1
    held = b""
    for block in blocks:
        end = block.rfind(b"\n") + 1
        whole, held = (b"".join((held, memoryview(block)[:end])), block[end:]) if end else (b"", held + block)
        if whole:
            if len(whole) > limit:
                for n, each in enumerate(whole.split(b"\n")):
                    refuse_longer(len(each), limit, line + n)
            yield line, whole
            line += line_ends(whole)
        refuse_longer(len(held), limit, line)
    if held:
        yield line, held


def line_ends(text: bytes, end: int | None = None) -> int:
    """How many lines end in a text, before `end`: `bytes.count` in a tenth of the time."""
    codes = np.frombuffer(text, np.uint8, len(text) if end is None else end)
    return int(np.count_nonzero(codes == _LF))


def refuse_longer(length: int, limit: int, line: int) -> None:
    """Refuse a row that is too long, however much of it has been read."""
    if length > limit:
        raise FileFaultError(line, Fault("", f"the row that starts here is longer than {limit} bytes."))
