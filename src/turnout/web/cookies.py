"""The page's session: a cookie that holds a credential, sealed, so that nothing is stored and nothing can be forged.

The credential is checked on every request, as if it had been sent itself: revoked, it is refused at once. A cookie is
sent by browsers whoever made them ask, so that what changes something must come from a page of this server's own.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from turnout.errors import TurnoutError
from turnout.query.instants import SECOND
from turnout.web.context import context_of, reached

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.store.base import Store

LONGEST: Final = 12 * 3600 * SECOND
"""The longest life of a session, in microseconds."""
LARGEST: Final = 3_800
"""So many characters a cookie's value may have: browsers drop one of more than 4,096 bytes, name and all."""
_KEY_NAME: Final = "session"
_NAME: Final = "turnout_session"
_BEHIND_TLS: Final = "__Host-"
"""No other host, and nobody in between who speaks plain HTTP, can set a cookie whose name begins so."""
_SAFE: Final = frozenset({"GET", "HEAD"})
_PORTS: Final = {"http": 80, "https": 443}


class Sessions:
    """Seals and opens the values of cookies with a key of the store, by AES-SIV (RFC 5297)."""

    def __init__(self, store: Store) -> None:
        self._cipher = AESSIV(store.secret(_KEY_NAME))

    def seal(self, credential: str, until: int) -> str:
        """The value for a credential, good until an instant in microseconds since 1970."""
        packed = msgspec.msgpack.encode([until, credential])
        return base64.urlsafe_b64encode(self._cipher.encrypt(packed, [_NAME.encode()])).decode().rstrip("=")

    def open(self, value: str, now: int) -> tuple[str, int]:
        """The credential, and until when the session lasts. Raises `authentication_failed`, or `SessionExpired`."""
        try:
            sealed = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
            until, credential = msgspec.msgpack.decode(self._cipher.decrypt(sealed, [_NAME.encode()]))
        except (ValueError, InvalidTag) as error:
            raise TurnoutError("authentication_failed", "The session is not valid; sign in again.") from error
        if until <= now:
            raise SessionExpired
        return credential, until


class SessionExpired(TurnoutError):  # noqa: N818 - it is what happened, and nobody's fault
    """The session was a good one, and is over."""

    def __init__(self) -> None:
        super().__init__("authentication_failed", "The session has expired; sign in again.")


def session_of(request: Request) -> str | None:
    """The value of the request's session cookie. Raises `authentication_failed` where there are several."""
    name = _name(request)
    pairs = (part.partition("=") for header in request.headers.getlist("Cookie") for part in header.split(";"))
    values = {value.strip().strip('"') for key, _, value in pairs if key.strip() == name}
    if len(values) > 1:
        raise TurnoutError("authentication_failed", "There is more than one session cookie; sign in again.")
    return values.pop() if values else None


def cookie(request: Request, value: str, seconds: int) -> str:
    """A `Set-Cookie` header: the session for so many seconds; with 0, none from now on."""
    secure = "; Secure" if _is_secure(request) else ""
    return f"{_name(request)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def check_origin(request: Request, *, said: bool = True) -> None:
    """Raise `permission_denied` where a request that changes something does not come from a page of this server.

    A browser says where it comes from. Without `said`, a request that says nothing of it is let pass.
    """
    if request.method in _SAFE:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is None and not said:
        return
    if site == "same-origin" or (origin is not None and _origin(origin) in _own_origins(request)):
        return
    raise TurnoutError(
        "permission_denied", "With a session, changes are made from this server's own page; programs send a token."
    )


def _name(request: Request) -> str:
    return _BEHIND_TLS + _NAME if _is_secure(request) else _NAME


def _is_secure(request: Request) -> bool:
    """Whether the browser speaks TLS, to this server or to a proxy that is believed."""
    public = context_of(request).services.settings.public_url or ""
    return request.url.scheme == "https" or public.startswith("https:")


def _own_origins(request: Request) -> set[tuple[str, str, int]]:
    addresses = (reached(request), context_of(request).services.settings.public_url or "")
    return {origin for origin in map(_origin, addresses) if origin}


def _origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address; None where it is none, as for the origin `null`."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
