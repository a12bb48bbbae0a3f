"""Uploads: files that are too large for one request come in parts, and can go on after a broken connection.

A part says where it belongs (`Upload-Offset`), so that one that is sent twice is refused, and nothing is there twice.
An upload belongs to its token and provider, and is forgotten a day after its last part. The files lie beside the
store, for its user alone, since they hold the same data.
"""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError, shown

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from turnout.web.auth import Credential

MOST_BYTES: Final = 64 << 30
_MOST_UPLOADS: Final = 20
_SECONDS: Final = 86_400
_SPARE_BYTES: Final = 1 << 30
_NAME: Final = re.compile(r"[A-Za-z0-9]{8,64}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way: where it lies, if anything of it is there, and how many bytes of it are."""

    id: str
    path: Path
    received: int


class Uploads:
    """The uploads of one server, in `directory`. Use it from one event loop."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writing: set[str] = set()

    def find(self, credential: Credential, provider_id: int, name: str) -> Upload:
        """What is there of the upload that a token calls `name`; `not_found` where that is no name of an upload."""
        if not _NAME.fullmatch(name):
            raise TurnoutError(
                "not_found", f"{shown(name)} is not a name of an upload: 8 to 64 letters and digits are."
            )
        hashed = sha256("\0".join((credential.subject, str(provider_id), name)).encode()).hexdigest()
        id_ = f"{provider_id}-{hashed}"
        path = self._directory / id_
        return Upload(id_, path, path.stat().st_size if path.is_file() else 0)

    async def append(self, upload: Upload, offset: int, request: Request, most: int) -> Upload:
        """Add the body of a request at its place. What arrived stays, even where the connection breaks.

        Raises `conflict` where it does not begin where the upload ends, or another part is being written.
        """
        self.check_whole(upload)
        if offset != upload.received:
            raise TurnoutError("conflict", f"The next part begins at {upload.received}, and not at {offset}.")
        self._make_room(upload, most)
        self._writing.add(upload.id)
        try:
            with upload.path.open("ab") as file:
                received = upload.received
                async for chunk in request.stream():
                    received += len(chunk)
                    if received - upload.received > most or received > MOST_BYTES:
                        raise TurnoutError("request_too_large", f"A part holds at most {most} bytes.")
                    file.write(chunk)
        finally:
            self._writing.discard(upload.id)
        return Upload(upload.id, upload.path, upload.path.stat().st_size)

    def check_whole(self, upload: Upload) -> None:
        """Raise `conflict` while a part of the upload is being received."""
        if upload.id in self._writing:
            raise TurnoutError("conflict", "A part of this upload is being received.", retry_after=1)

    def remove(self, upload: Upload) -> None:
        """Forget an upload."""
        upload.path.unlink(missing_ok=True)

    def forget(self, provider_id: int) -> None:
        """Forget what was uploaded for a provider and is not merged: whoever goes on begins anew."""
        if self._directory.is_dir():
            for path in self._directory.glob(f"{provider_id}-*"):
                if path.name not in self._writing:
                    path.unlink(missing_ok=True)

    def _make_room(self, upload: Upload, most: int) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        others = [path for path in self._directory.iterdir() if path.name != upload.id]
        for path in others:
            if path.name not in self._writing and path.stat().st_mtime < time.time() - _SECONDS:
                path.unlink(missing_ok=True)
        if sum(path.exists() for path in others) >= _MOST_UPLOADS:
            raise TurnoutError("overloaded", "Too many files are being uploaded.", retry_after=60)
        if shutil.disk_usage(self._directory).free < _SPARE_BYTES + most:
            raise TurnoutError("storage_unavailable", "The disk has no room for an upload.")
