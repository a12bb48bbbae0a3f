"""`/openapi.json` and the page `/docs` that shows it. Everything that the page loads is shipped with the package.

Assets have their content's hash in their names, so that browsers keep them for good and a new version is fetched at
once. The page runs scripts of this server only: its Content-Security-Policy allows no inline script and no inline
style. Addresses are relative, so that the page also works behind a proxy that adds a prefix.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import RedirectResponse
from starlette.routing import Route

from turnout.errors import TurnoutError
from turnout.web.files import ASK_AGAIN, FOR_GOOD, File
from turnout.web.openapi import openapi_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

_ASSETS: Final = (
    "docs.css",
    "docs.js",
    "favicon.svg",
    "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui/swagger-ui.css",
)
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def _packaged(name: str) -> File:
    return File(name, files("turnout.web").joinpath("static", *name.split("/")).read_bytes())


@cache
def _assets() -> dict[str, File]:
    """The page's assets by their hashed names."""
    return {asset.hashed_name: asset for asset in map(_packaged, _ASSETS)}


@cache
def _page() -> File:
    addresses = {asset.name: f"docs/{hashed}" for hashed, asset in _assets().items()}
    template = _packaged("docs.html").body.decode()
    return File("docs.html", re.sub(r"\{([\w./-]+)\}", lambda match: addresses[match[1]], template).encode())


def docs_routes(*, version: str, server_url: str | None = None) -> list[Route]:
    """The routes of `/openapi.json`, `/docs` and what that page loads; open to everyone.

    An unknown asset raises `TurnoutError("not_found")`.
    """

    @cache
    def document() -> File:
        return File("openapi.json", msgspec.json.encode(openapi_document(version=version, server_url=server_url)))

    def serve(get: Callable[[], File], headers: dict[str, str]) -> Callable[[Request], Response]:
        return lambda request: get().answer(request, ASK_AGAIN, headers)

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
    return asset.answer(request, FOR_GOOD)
