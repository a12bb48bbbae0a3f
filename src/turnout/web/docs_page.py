"""`/openapi.json` and the page `/docs` that shows it. Everything that the page loads is shipped with the package.

Assets have their content's hash in their names, so that browsers keep them for good and a new version is fetched at
once. The page runs scripts of this server only: its Content-Security-Policy allows no inline script and no inline
style. Addresses are relative, so that the page also works behind a proxy that adds a prefix.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from turnout.errors import TurnoutError
from turnout.web.openapi import openapi_document
from turnout.web.respond import accepts_gzip, matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_ASSETS: Final = (
    "docs.css",
    "docs.js",
    "favicon.svg",
    "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui/swagger-ui.css",
)
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class _File:
    """Bytes that are served as they are."""

    name: str
    body: bytes

    @cached_property
    def hash(self) -> str:
        return sha256(self.body).hexdigest()[:16]

    @cached_property
    def hashed_name(self) -> str:
        path = PurePosixPath(self.name)
        return f"{path.stem}.{self.hash}{path.suffix}"

    @cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.body, mtime=0)

    def answer(self, request: Request, cache_control: str, headers: dict[str, str] | None = None) -> Response:
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
        media_type = _MEDIA_TYPES[PurePosixPath(self.name).suffix]
        return Response(self.gzipped if packed else self.body, headers={**common, "Content-Type": media_type})


def _packaged(name: str) -> _File:
    return _File(name, files("turnout.web").joinpath("static", *name.split("/")).read_bytes())


@cache
def _assets() -> dict[str, _File]:
    """The page's assets by their hashed names."""
    return {asset.hashed_name: asset for asset in map(_packaged, _ASSETS)}


@cache
def _page() -> _File:
    addresses = {asset.name: f"docs/{hashed}" for hashed, asset in _assets().items()}
    template = _packaged("docs.html").body.decode()
    return _File("docs.html", re.sub(r"\{([\w./-]+)\}", lambda match: addresses[match[1]], template).encode())


def docs_routes(*, version: str, server_url: str | None = None) -> list[Route]:
    """The routes of `/openapi.json`, `/docs` and what that page loads; open to everyone.

    An unknown asset raises `TurnoutError("not_found")`.
    """

    @cache
    def document() -> _File:
        return _File("openapi.json", msgspec.json.encode(openapi_document(version=version, server_url=server_url)))

    def serve(get: Callable[[], _File], headers: dict[str, str]) -> Callable[[Request], Response]:
        return lambda request: get().answer(request, _ASK_AGAIN, headers)

    return [
        Route("/openapi.json", serve(document, {}), name="openapi"),
        Route("/docs", serve(_page, _PAGE_HEADERS), name="docs"),
        Route("/docs/", _to_page, name="docs-slash"),
        Route("/docs/{name}", _asset, name="docs-asset"),
    ]


def _to_page(_request: Request) -> Response:
    return RedirectResponse("../docs", status_code=308)


def _asset(request: Request) -> Response:
    asset = _assets().get(request.path_params["name"])
    if asset is None:
        raise TurnoutError("not_found")
    return asset.answer(request, _FOR_GOOD)
