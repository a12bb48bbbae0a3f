"""Unpacking gzip, piece by piece: what comes from a file, and what comes over the wire."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = b"\x1f\x8b"
"""What gzip begins with."""
_WINDOW: Final = zlib.MAX_WBITS | 16
# A member's end is found by copying what is left of a piece, and there may be very many members in one.
_PIECE: Final = 16 * 1024


class PackingError(Exception):
    """The data are not what gzip makes, or not all of it."""


class Gunzip:
    """Unpacks one or more gzip members that come in pieces. Zero bytes may stand between them and fill up the end."""

    def __init__(self, most: int) -> None:
        """So many bytes are handed out at once at `most`, however well they were packed."""
        self._most = most
        self._member = zlib.decompressobj(_WINDOW)
        self._begun = False

    def parts(self, piece: bytes) -> Iterator[bytes]:
        """What a piece unpacks to; now and then nothing, where there is much to do for it. Raises `PackingError`."""
        for start in range(0, len(piece), _PIECE):
            yield from self._parts(piece[start : start + _PIECE])

    def _parts(self, rest: bytes) -> Iterator[bytes]:
        part = b""
        while rest or len(part) == self._most:
            if self._member.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                self._member, self._begun = zlib.decompressobj(_WINDOW), False
            self._begun = True
            try:
                part = self._member.decompress(rest, self._most)
            except zlib.error as error:
                raise PackingError(str(error).rpartition(": ")[2]) from None
            rest = self._member.unconsumed_tail or self._member.unused_data
            if part:
                yield part
        yield b""

    def end(self) -> None:
        """Raise `PackingError` where what has begun has not ended."""
        if self._begun and not self._member.eof:
            raise PackingError("it ends in the middle")
