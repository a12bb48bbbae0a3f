"""Files that are served as they are: named by a hash, compressed once, and kept by browsers for good."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from turnout.web.respond import accepts_gzip, matches

if TYPE_CHECKING:
    from starlette.requests import Request

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
FOR_GOOD: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"


@dataclass(frozen=True)
class File:
    """Bytes that are served as they are."""

    name: str
    body: bytes

    @cached_property
    def hash(self) -> str:
        return sha256(self.body).hexdigest()[:16]

    @cached_property
    def hashed_name(self) -> str:
        return hashed(self.name, self.hash)

    @cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.body, mtime=0)

    def answer(self, request: Request, cache_control: str, headers: dict[str, str] | None = None) -> Response:
        """The file, or 304 where the client has it already."""
        packed = accepts_gzip(request.headers.getlist("Accept-Encoding"))
        tag = f'"{self.hash}"'
        common = {
            "Cache-Control": cache_control,
            "ETag": f"W/{tag}" if packed else tag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        }
        if matches(request.headers.getlist("If-None-Match"), tag):
            return Response(status_code=304, headers=common)
        if packed:
            common["Content-Encoding"] = "gzip"
        media_type = MEDIA_TYPES[PurePosixPath(self.name).suffix]
        return Response(self.gzipped if packed else self.body, headers={**common, "Content-Type": media_type})


def hashed(name: str, hash_: str) -> str:
    """The name of a file with a hash in it, without its folder: `NAME.HASH.ext`."""
    path = PurePosixPath(name)
    return f"{path.stem}.{hash_}{path.suffix}"
