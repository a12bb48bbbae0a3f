"""Uploads: files that are too large for one request come in parts, and can go on after a broken connection.

A part says where it belongs (`Upload-Offset`), so that one that is sent twice is refused, and nothing is there twice.
An upload belongs to its token and provider, and is forgotten a day after its last part. The files lie beside the
store, for its user alone, since they hold the same data.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Final

from starlette.requests import ClientDisconnect

from turnout.errors import TurnoutError, shown
from turnout.web.limits import kept_on_disk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.requests import Request

    from turnout.web.auth import Credential

MOST_BYTES: Final = 64 << 30
_MOST_UPLOADS: Final = 20
"""Of one provider, so that nobody takes the others' room."""
_DAY: Final = 86_400 * 1_000_000
_SPARE_BYTES: Final = 1 << 30
_SILENCE: Final = 30.0
"""So many seconds without a byte, and the client of a part is taken for gone: it may go on with another connection."""
_NAME: Final = re.compile(r"[A-Za-z0-9]{8,64}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way: whose it is, where it lies, if anything of it is there, and how many bytes of it are."""

    provider_id: int
    path: Path
    received: int


class Uploads:
    """The uploads of one store, in `directory`, which its processes share. Instants are microseconds since 1970.

    Who has an upload in use has its file locked, so that all of them know.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, credential: Credential, provider_id: int, name: str, now: int) -> Upload:
        """What is there of the upload that a token calls `name`; `not_found` where that is no name of an upload."""
        if not _NAME.fullmatch(name):
            raise TurnoutError(
                "not_found", f"{shown(name)} is not a name of an upload: 8 to 64 letters and digits are."
            )
        hashed = sha256("\0".join((credential.subject, str(provider_id), name)).encode()).hexdigest()
        path = self._directory / f"{provider_id}-{hashed}"
        self._expire(path, now)
        return Upload(provider_id, path, path.stat().st_size if path.is_file() else 0)

    async def append(self, upload: Upload, offset: int, request: Request, most: int, now: int) -> Upload:
        """Add the body of a request at its place. What arrived stays, even where the connection breaks.

        Raises `conflict` where it does not begin where the upload ends, or another part is being written, and
        `storage_unavailable` where the disk does not take it.
        """
        self.check_free(upload)
        if offset != upload.received:
            raise TurnoutError("conflict", f"The next part begins at {upload.received}, and not at {offset}.")
        with kept_on_disk():
            self._make_room(upload, most, now)
            upload.path.touch(mode=0o600)
            with self.in_use(upload):
                await self._receive(upload, request, most)
            try:
                os.utime(upload.path, ns=(now * 1_000, now * 1_000))
                received = upload.path.stat().st_size
            except FileNotFoundError:
                raise _forgotten() from None
        return Upload(upload.provider_id, upload.path, received)

    @contextmanager
    def in_use(self, upload: Upload) -> Iterator[None]:
        """While it lasts, everybody else who wants the upload gets a `conflict`, as one does who comes too late."""
        try:
            file = upload.path.open("rb")
        except FileNotFoundError:
            raise _forgotten() from None
        with file:
            if not _lock(file):
                message = "A part of this upload is being received, or it is being merged."
                raise TurnoutError("conflict", message, retry_after=5)
            if not os.fstat(file.fileno()).st_nlink:
                raise _forgotten()
            yield

    async def _receive(self, upload: Upload, request: Request, most: int) -> None:
        with upload.path.open("ab") as file:
            if file.tell() != upload.received:
                raise _forgotten()
            received = upload.received
            async for chunk in _steady(request.stream()):
                received += len(chunk)
                if received - upload.received > most:
                    raise TurnoutError("request_too_large", f"A part holds at most {most} bytes.")
                if received > MOST_BYTES:
                    raise TurnoutError("request_too_large", f"An upload holds at most {MOST_BYTES} bytes.")
                file.write(chunk)

    def check_free(self, upload: Upload) -> None:
        """Raise `conflict` while a part of the upload is being received, or it is being merged."""
        if upload.path.exists():
            with self.in_use(upload):
                return

    def remove(self, upload: Upload) -> None:
        """Forget an upload."""
        upload.path.unlink(missing_ok=True)

    def forget(self, provider_id: int) -> None:
        """Forget what was uploaded for a provider and is not merged: whoever goes on, or is at it, begins anew."""
        for path in self._directory.glob(f"{provider_id}-*"):
            path.unlink(missing_ok=True)

    def expire(self, now: int) -> None:
        """Forget every upload that had no part for a day."""
        for path in self._directory.glob("*"):
            self._expire(path, now)

    def _expire(self, path: Path, now: int) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            if path.stat().st_mtime_ns // 1_000 >= now - _DAY:
                return
            with path.open("rb") as file:
                if _lock(file):
                    path.unlink()

    def _make_room(self, upload: Upload, most: int, now: int) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.expire(now)
        others = {path.name for path in self._directory.glob(f"{upload.provider_id}-*")} - {upload.path.name}
        if len(others) >= _MOST_UPLOADS:
            raise TurnoutError("overloaded", "Too many files are being uploaded.", retry_after=60)
        if shutil.disk_usage(self._directory).free < _SPARE_BYTES + most:
            raise TurnoutError("storage_unavailable", "The disk has no room for an upload.")


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; False where somebody has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _forgotten() -> TurnoutError:
    return TurnoutError("conflict", "This upload was forgotten meanwhile; begin anew.")


async def _steady(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What a client sends. Raises `ClientDisconnect` where it sends nothing for a while: its network may be gone."""
    while True:
        try:
            async with asyncio.timeout(_SILENCE):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise ClientDisconnect from None
        if chunk is None:
            return
        yield chunk
