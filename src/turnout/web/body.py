"""Bodies of rows: received into a file, so that memory does not grow with them, and never larger than allowed."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from turnout.errors import NON_FIELD, TurnoutError, shown
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

    One that is `packed` still, as a file of the owner's may be, is of unknown size when it is read.
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

    `most` bounds its bytes, packed and unpacked, so that what is packed is unpacked here, whether or not a header says
    so; a large one goes to a nameless file in the system's directory for temporary files. Raises
    `unsupported_media_type`, `request_too_large`, `storage_unavailable` where it finds no room there, and
    `parameter_invalid` where the packing is damaged, or is not the only one.
    """
    _check_type(request)
    unpacking = _Unpacking(_unpacker(request), whatever=most is not None)
    digest = sha256()
    sent = size = 0
    with SpooledTemporaryFile(max_size=SMALL) as spool:
        async for chunk in _chunks(request):
            sent += len(chunk)
            digest.update(chunk)
            for part in unpacking.parts(chunk):
                size += len(part)
                if most is not None and max(sent, size) > most:
                    raise too_large(most, unpacked=sent <= most)
                with kept_on_disk():
                    spool.write(part)
                await asyncio.sleep(0)  # a chunk may unpack to very much
        unpacking.end()
        body = body_of(cast("BinaryIO", spool), size, digest.hexdigest())
        if body.packed and most is not None:
            raise _damaged(NON_FIELD, "they are packed twice")
        yield body


def body_of(file: BinaryIO, size: int, digest: str = "") -> Body:
    """What was received into a file, of so many bytes and with this SHA-256."""
    file.seek(0)
    packed = file.read(len(_MAGIC)) == _MAGIC
    file.seek(0)
    return Body(file, size, digest, packed)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The chunks of a body; the first one has what tells whether it is packed, or all of it."""
    first: bytes | None = b""
    async for chunk in request.stream():
        if first is None:
            yield chunk
        elif len(first := first + chunk) >= len(_MAGIC):
            yield first
            first = None
    if first:
        yield first


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
        return _Unpacker("Content-Encoding")
    raise TurnoutError("unsupported_media_type", f"The Content-Encoding {shown(encoding)} is not gzip.")


class _Unpacking:
    """Takes off the packing that a header tells of, and then, of `whatever` it is, that of a file."""

    def __init__(self, told: _Unpacker | None, *, whatever: bool) -> None:
        self._layers = [told] if told else []
        self._whatever = whatever

    def parts(self, chunk: bytes, depth: int = 0) -> Iterator[bytes]:
        """What a chunk unpacks to."""
        if chunk and depth == len(self._layers) and self._whatever:
            self._whatever = False
            if chunk.startswith(_MAGIC):
                self._layers.append(_Unpacker(NON_FIELD))
        if depth == len(self._layers):
            yield chunk
            return
        for part in self._layers[depth].parts(chunk):
            yield from self.parts(part, depth + 1)

    def end(self) -> None:
        """Raise where packed data end in the middle."""
        for layer in self._layers:
            layer.end()


class _Unpacker:
    """Unpacks gzip members that come in chunks, into parts of bounded size; `said_by` says that they are packed."""

    _PART: Final = 1024 * 1024

    def __init__(self, said_by: str) -> None:
        self._said_by = said_by
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
            raise _damaged(self._said_by, str(error)) from None

    def end(self) -> None:
        """Raise where the packed data end in the middle."""
        if not self._member.eof:
            raise _damaged(self._said_by, "they end in the middle")


def _damaged(field: str, reason: str) -> TurnoutError:
    return TurnoutError("parameter_invalid", fields={field: [f"The gzip data cannot be read: {reason}."]})
