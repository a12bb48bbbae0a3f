"""Finishing an answer: ETag and 304, compression, and the headers that caches need (contract section 2.7)."""

from __future__ import annotations

import asyncio
import gzip
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

API_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "Vary": "Accept, Accept-Encoding, Authorization, TeamUp-Provider-ID",
}
"""On every answer of the API, errors included."""

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
_WEIGHT: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
# Below this, gzip saves less than its header costs; above, compressing would hold up other requests.
_LEAST_COMPRESSED: Final = 1024
_MOST_ON_THE_LOOP: Final = 64 * 1024
# Level 2 halves the time of level 6 for a tenth more bytes.
_LEVEL: Final = 2


async def finish(
    request: Request, body: bytes, *, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Make the response that answers `request` with `body`, or 304 where the client has it already.

    `media_type` is the whole `Content-Type`, charset included; `headers` are further ones. The ETag is of the body: a
    strong one as it is, a weak one compressed.
    """
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    compressed = len(body) >= _LEAST_COMPRESSED and accepts_gzip(request.headers.getlist("Accept-Encoding"))
    common = {**API_HEADERS, **(headers or {}), "ETag": f"W/{tag}" if compressed else tag}
    if matches(request.headers.getlist("If-None-Match"), tag):
        return Response(status_code=304, headers=common)
    common["Content-Type"] = media_type
    if compressed:
        common["Content-Encoding"] = "gzip"
        if len(body) > _MOST_ON_THE_LOOP:
            body = await asyncio.to_thread(_compress, body)
        else:
            body = _compress(body)
    return Response(body, headers=common)


def _compress(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)


def matches(if_none_match: Iterable[str], tag: str) -> bool:
    """Whether `If-None-Match` names the quoted `tag`, by weak comparison (RFC 9110, section 13.1.2)."""
    return any(header.strip() == "*" or tag[1:-1] in _TAG.findall(header) for header in if_none_match)


def accepts_gzip(accept_encoding: Iterable[str]) -> bool:
    """Whether `Accept-Encoding` prefers gzip over the body as it is (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for element in (element for header in accept_encoding for element in header.split(",")):
        name, _, parameter = element.partition(";")
        key, _, value = parameter.partition("=")
        weight = 1.0
        if key.strip().lower() == "q":
            # A weight that cannot be read is taken for a refusal: the body as it is can always be read.
            weight = float(value) if _WEIGHT.fullmatch(value := value.strip()) else 0.0
        weights[name.strip().lower()] = weight
    gzip_weight = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip_weight > 0 and gzip_weight >= weights.get("identity", 0.0)
