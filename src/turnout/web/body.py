"""Bodies of rows: received into a file, so that memory does not grow with them, and never larger than allowed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import file_digest
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from turnout.errors import NON_FIELD, TurnoutError, shown
from turnout.ingest.packing import MAGIC, Gunzip, PackingError
from turnout.web.limits import kept_on_disk, too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

SMALL: Final = 8 * 1024 * 1024
"""Bodies up to this many bytes are kept in memory."""
ANY_FILE: Final = "application/octet-stream"
"""A file as `turnout import` takes it: its content tells its form, and whether it is packed."""
MEDIA_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/json", "text/csv", ANY_FILE)
_PART: Final = 1024 * 1024
_PLAIN: Final = ("", "identity")
_PACKED: Final = ("gzip", "x-gzip")


@dataclass(frozen=True)
class Body:
    """A received body: its bytes, unpacked, from the start; and their number.

    One that is `packed` still, as a file of the owner's may be, is of unknown size when it is read.
    """

    file: BinaryIO
    size: int
    packed: bool = False

    @property
    def small(self) -> bool:
        return self.size <= SMALL and not self.packed

    async def sha256(self) -> str:
        """The SHA-256 of its bytes. Worked out when it is wanted: few clients say that they may send a body again."""

        def work() -> str:
            digest = file_digest(self.file, "sha256").hexdigest()  # type: ignore[arg-type]  # any file will do
            self.file.seek(0)
            return digest

        return await asyncio.to_thread(work)


@asynccontextmanager
async def received(request: Request, most: int | None) -> AsyncIterator[Body]:
    """Receive the body of a request; it is gone when the block ends.

    `most` bounds its bytes, packed and unpacked, so that what is packed is unpacked here, whether or not a header says
    so; a large one goes to a nameless file in the system's directory for temporary files. Raises
    `unsupported_media_type`, `request_too_large`, `storage_unavailable` where it finds no room there, and
    `parameter_invalid` where the packing is damaged, or is not the only one.
    """
    _check_type(request)
    unpacking = _Unpacking(_encoding(request), most)
    sent = size = 0
    with SpooledTemporaryFile(max_size=SMALL) as spool:
        async for chunk in request.stream():
            sent += len(chunk)
            for number, part in enumerate(unpacking.parts(chunk)):
                if number:
                    await asyncio.sleep(0)  # a chunk may unpack to very much
                size += len(part)
                if most is not None and max(sent, size) > most:
                    raise too_large(most, unpacked=sent <= most)
                with kept_on_disk():
                    spool.write(part)
        rest = unpacking.end()
        spool.write(rest)
        size += len(rest)
        body = body_of(cast("BinaryIO", spool), size)
        if body.packed and most is not None:
            raise _damaged(NON_FIELD, "what is in it is packed once more")
        yield body


def body_of(file: BinaryIO, size: int) -> Body:
    """What was received into a file, of so many bytes."""
    file.seek(0)
    packed = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    return Body(file, size, packed)


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


def _encoding(request: Request) -> str:
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in (*_PLAIN, *_PACKED):
        raise TurnoutError("unsupported_media_type", f"The Content-Encoding {shown(encoding)} is not gzip.")
    return encoding


class _Unpacking:
    """Takes off the packing that `Content-Encoding` tells of, and then that of a file, where `most` bytes are allowed.

    None of them may hand out more. Without a limit a file stays as it is: it is unpacked as it is read.
    """

    def __init__(self, encoding: str, most: int | None) -> None:
        self._layers = [_Layer("Content-Encoding")] if encoding in _PACKED else []
        self._most = most
        self._first: bytes | None = None if most is None else b""
        """What came so far, until it is enough to tell whether it is a packed file."""

    def parts(self, chunk: bytes, depth: int = 0) -> Iterator[bytes]:
        """What a chunk unpacks to, which may be nothing."""
        if depth < len(self._layers):
            layer = self._layers[depth]
            for part in layer.parts(chunk):
                if self._most is not None and layer.size > self._most:
                    raise too_large(self._most, unpacked=True)
                yield from self.parts(part, depth + 1)
            return
        if self._first is not None:
            self._first += chunk
            if len(self._first) < len(MAGIC):
                yield b""
                return
            chunk, self._first = self._first, None
            if chunk.startswith(MAGIC):
                self._layers.append(_Layer(NON_FIELD))
                yield from self.parts(chunk, depth)
                return
        yield chunk

    def end(self) -> bytes:
        """What is left. Raises where packed data end in the middle."""
        for layer in self._layers:
            layer.end()
        return self._first or b""


class _Layer:
    """One packing; `said_by` says that there is one. `size` is what it has handed out so far, in bytes."""

    def __init__(self, said_by: str) -> None:
        self.size = 0
        self._said_by = said_by
        self._inside = Gunzip(_PART)

    def parts(self, chunk: bytes) -> Iterator[bytes]:
        try:
            for part in self._inside.parts(chunk):
                self.size += len(part)
                yield part
        except PackingError as error:
            raise _damaged(self._said_by, str(error)) from None

    def end(self) -> None:
        try:
            self._inside.end()
        except PackingError as error:
            raise _damaged(self._said_by, str(error)) from None


def _damaged(field: str, reason: str) -> TurnoutError:
    return TurnoutError("parameter_invalid", fields={field: [f"The gzip data is damaged: {reason}."]})
