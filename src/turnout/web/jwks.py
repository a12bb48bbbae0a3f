"""The keys that sign JWTs, from a JSON Web Key Set in a file or at an address (RFC 7517).

Keys are read again every few minutes, and at once for a key id that is not known, though not too often. While they
cannot be read, the ones that were read last are good.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable

_log: Final = logging.getLogger("turnout.web")

_FRESH_FOR: Final = 300.0
_LEAST_INTERVAL: Final = 10.0
_FETCH_TIMEOUT: Final = 5.0
_MOST_BYTES: Final = 1024 * 1024

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_FITS: Final = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
ASYMMETRIC: Final = _RSA.union(*_FITS.values())
"""The algorithms that a key set may be used with. A symmetric key has no place in one that others can read."""


class _Document(msgspec.Struct):
    keys: list[Any]


class KeySet:
    """The public keys of a key set. Keys for encryption, symmetric and malformed ones are passed over."""

    def __init__(self, document: bytes) -> None:
        """Read a key set; a `ValueError` where it is none."""
        try:
            self._keys = msgspec.json.decode(document, type=_Document).keys
        except msgspec.DecodeError as error:
            raise ValueError(f"it is not a JSON Web Key Set: {error}") from error
        self._made: dict[tuple[int, str], PyJWK | None] = {}

    def find(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        """The keys that may have signed a JWT of this key id and algorithm."""
        places = [
            place
            for place, key in enumerate(self._keys)
            if isinstance(key, dict) and (kid is None or key.get("kid") == kid) and _verifies(key, algorithm)
        ]
        return [key for key in (self._key(place, algorithm) for place in places) if key]

    def _key(self, place: int, algorithm: str) -> PyJWK | None:
        if (place, algorithm) not in self._made:
            try:
                self._made[place, algorithm] = PyJWK(self._keys[place], algorithm)
            except (PyJWTError, ValueError, TypeError):
                self._made[place, algorithm] = None
        return self._made[place, algorithm]


def _verifies(key: dict[str, Any], algorithm: str) -> bool:
    """Whether a key is for checking signatures made with `algorithm`."""
    fits = _RSA if key.get("kty") == "RSA" else _FITS.get((str(key.get("kty")), str(key.get("crv"))), frozenset())
    operations = key.get("key_ops", ["verify"])
    return (
        algorithm in fits
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )


class KeySource:
    """Where the key set comes from, and what was read from there last. Use it from one event loop."""

    def __init__(
        self, location: str, monotonic: Callable[[], float], read: Callable[[str], bytes] | None = None
    ) -> None:
        self._location = location
        self._monotonic = monotonic
        self._read = read or read_location
        self._keys: KeySet | None = None
        self._tried_at: float | None = None
        self._trying: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        """The keys that may have signed a JWT. Raises `overloaded` while no keys could be read at all."""
        age = self._age()
        if self._keys is None:
            await self._refresh()
        elif age >= _FRESH_FOR:
            self._start()
        found = self._keys.find(kid, algorithm) if self._keys else []
        if not found and self._age() >= _LEAST_INTERVAL:
            await self._refresh()
            found = self._keys.find(kid, algorithm) if self._keys else []
        if self._keys is None:
            message = "The keys that sign JWTs cannot be read at the moment; try again shortly."
            raise TurnoutError("overloaded", message, retry_after=int(_LEAST_INTERVAL))
        return found

    def _age(self) -> float:
        return float("inf") if self._tried_at is None else self._monotonic() - self._tried_at

    async def _refresh(self) -> None:
        """Wait for the keys to be read; whoever comes meanwhile waits for the same reading."""
        if self._trying is None and self._age() >= _LEAST_INTERVAL:
            self._start()
        if self._trying:
            # A client that goes must not stop the reading that others wait for.
            await asyncio.shield(self._trying)

    def _start(self) -> None:
        if self._trying is None:
            self._tried_at = self._monotonic()
            self._trying = asyncio.create_task(self._load())

    async def _load(self) -> None:
        try:
            self._keys = KeySet(await asyncio.to_thread(self._read, self._location))
        except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on with the keys that it has
            _log.warning("the JSON Web Key Set cannot be read: %s: %s", type(error).__name__, error)
        finally:
            self._trying = None


def read_location(location: str) -> bytes:
    """The bytes of a key set, from a file or over HTTP; blocks."""
    if not location.startswith(("http://", "https://")):
        return Path(location).read_bytes()
    import httpx  # noqa: PLC0415 - slow to import, and not needed where keys come from a file

    body = bytearray()
    with httpx.stream("GET", location, timeout=_FETCH_TIMEOUT) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
    return bytes(body)
