"""The page that a browser is shown at the server's own address, and the files that it loads: `static/page/`.

There is no build: the files are what is in the package, and one that is made of the catalogue. They refer to each
other by relative addresses in quotes or `url()`, beginning with `./` or `../`, and those are replaced by addresses that
hold a hash of all of the page's files. One hash for all, since a file's own would have to tell of those that it refers
to as well: with a new version of any of them, the page loads the new ones together. Nothing of the page is inline, so
that its policy needs no exceptions.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from turnout.errors import TurnoutError
from turnout.web.files import ASK_AGAIN, FOR_GOOD, MEDIA_TYPES, File, hashed
from turnout.web.page_catalogue import NAME, catalogue_script
from turnout.web.page_joined import REFERENCE, joined, target_of

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from starlette.requests import Request
    from starlette.responses import Response

PAGE: Final = "index.html"
PREFIX: Final = "page/static/"
_TEXTS: Final = frozenset({".css", ".html", ".js"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Accept-Encoding",
}


def page(request: Request) -> Response:
    """The page itself; browsers ask each time whether it has changed."""
    return _served()[PAGE].answer(request, ASK_AGAIN, _HEADERS)


def page_routes() -> list[Route]:
    """The routes of what the page loads; open to everyone. An unknown name raises `TurnoutError("not_found")`."""
    return [Route(f"/{PREFIX}{{name}}", _asset, name="page-asset")]


def _asset(request: Request) -> Response:
    """What the page loads, which never changes under its name."""
    found = _served().get(request.path_params["name"])
    if found is None or found.name == PAGE:
        raise TurnoutError("not_found")
    return found.answer(request, FOR_GOOD, {"Cross-Origin-Resource-Policy": "same-origin"})


@cache
def _served() -> Mapping[str, File]:
    root = files("turnout.web").joinpath("static", "page")
    return served(joined({**dict(_read(root, "")), NAME: catalogue_script()}))


def served(raw: Mapping[str, bytes]) -> Mapping[str, File]:
    """The page under `PAGE`, and the others by their hashed names; from their bytes by their paths.

    Raises `ValueError` where two of them have the same name in different folders: they are all served from one.
    """
    shipped = {path: body for path, body in sorted(raw.items()) if PurePosixPath(path).suffix in MEDIA_TYPES}
    whole = sha256()
    for path, body in shipped.items():
        whole.update(b"%d %s %d " % (len(path), path.encode(), len(body)) + body)
    mark = whole.hexdigest()[:16]
    names = {path: PAGE if path == PAGE else hashed(path, mark) for path in shipped}
    if len(set(names.values())) < len(names):
        raise ValueError("two files of the page have the same name")
    return {name: File(path, _linked(path, shipped[path], names)) for path, name in names.items()}


def _linked(path: str, body: bytes, names: Mapping[str, str]) -> bytes:
    """The file with its references to others by their hashed names."""
    if PurePosixPath(path).suffix not in _TEXTS:
        return body
    before = PREFIX if path == PAGE else "./"

    def link(match: re.Match[str]) -> str:
        target = target_of(path, match)
        if target not in names or target == PAGE:
            return match[0]
        return f"{match['before']}{before}{names[target]}{match['after']}"

    return REFERENCE.sub(link, body.decode()).encode()


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()
