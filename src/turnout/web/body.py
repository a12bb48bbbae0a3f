"""Bodies of rows: received into a file, so that memory does not grow with them, and never larger than allowed."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from turnout.errors import TurnoutError, shown
from turnout.web.limits import kept_on_disk, too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

SMALL: Final = 8 * 1024 * 1024
"""Bodies up to this many bytes are kept in memory."""
ANY_FILE: Final = "application/octet-stream"
"""A file as `turnout import` takes it: its content tells its form, and whether it is packed."""
MEDIA_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/json", "text/csv", ANY_FILE)
_GZIP: Final = zlib.MAX_WBITS | 16
_MAGIC: Final = b"\x1f\x8b"
_PLAIN: Final = ("", "identity")
_PACKED: Final = ("gzip", "x-gzip")


@dataclass(frozen=True)
class Body:
    """A received body: its bytes, unpacked, from the start; their number; and the SHA-256 of what was sent.

    One that is `packed` still, as a file may be, is of unknown size when it is read.
    """

    file: BinaryIO
    size: int
    sha256: str
    packed: bool = False

    @property
    def small(self) -> bool:
        return self.size <= SMALL and not self.packed


@asynccontextmanager
async def received(request: Request, most: int | None) -> AsyncIterator[Body]:
    """Receive the body of a request; it is gone when the block ends.

    `most` bounds its bytes, packed and unpacked; a large one goes to a nameless file in the system's directory for
    temporary files. Raises `unsupported_media_type`, `request_too_large`, `storage_unavailable` where it finds no room
    there, and `parameter_invalid` where the packing is damaged.
    """
    _check_type(request)
    unpacker = _unpacker(request)
    digest = sha256()
    sent = size = 0
    with SpooledTemporaryFile(max_size=SMALL) as spool:
        async for chunk in request.stream():
            sent += len(chunk)
            digest.update(chunk)
            for part in unpacker.parts(chunk) if unpacker else (chunk,):
                size += len(part)
                if most is not None and max(sent, size) > most:
                    raise too_large(most, unpacked=sent <= most)
                with kept_on_disk():
                    spool.write(part)
                await asyncio.sleep(0)  # a chunk may unpack to very much
        if unpacker:
            unpacker.end()
        spool.seek(0)
        packed = spool.read(len(_MAGIC)) == _MAGIC
        spool.seek(0)
        yield Body(cast("BinaryIO", spool), size, digest.hexdigest(), packed)


def _check_type(request: Request) -> None:
    given = request.headers.get("Content-Type", "")
    media_type, _, parameters = given.partition(";")
    if media_type.strip().lower() not in MEDIA_TYPES:
        expected = ", ".join(MEDIA_TYPES)
        raise TurnoutError("unsupported_media_type", f"The Content-Type {shown(given)} is not one of {expected}.")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8"):
        message = f"The charset of the Content-Type {shown(given)} must be utf-8, and there is no other parameter."
        raise TurnoutError("unsupported_media_type", message)


def _unpacker(request: Request) -> _Unpacker | None:
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding in _PLAIN:
        return None
    if encoding in _PACKED:
        return _Unpacker()
    raise TurnoutError("unsupported_media_type", f"The Content-Encoding {shown(encoding)} is not gzip.")


class _Unpacker:
    """Unpacks gzip members that come in chunks, into parts of bounded size."""

    _PART: Final = 1024 * 1024

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    def parts(self, chunk: bytes) -> Iterator[bytes]:
        """What a chunk unpacks to."""
        try:
            while chunk:
                if self._member.eof:
                    self._member = zlib.decompressobj(_GZIP)
                part = self._member.decompress(chunk, self._PART)
                chunk = self._member.unconsumed_tail or self._member.unused_data
                yield part
                while len(part) == self._PART and not chunk:
                    part = self._member.decompress(b"", self._PART)
                    yield part
        except zlib.error as error:
            raise _damaged(str(error)) from None

    def end(self) -> None:
        """Raise where the packed data end in the middle."""
        if not self._member.eof:
            raise _damaged("they end in the middle")


def _damaged(reason: str) -> TurnoutError:
    return TurnoutError("parameter_invalid", fields={"Content-Encoding": [f"The gzip data are damaged: {reason}."]})
