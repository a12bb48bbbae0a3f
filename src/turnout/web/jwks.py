"""The keys that sign JWTs, from a JSON Web Key Set in a file or at an address (RFC 7517).

Keys are read again every few minutes, and at once for a key id that is not known, though not too often. While they
cannot be read, the ones that were read last are good for an hour: a key that was taken out of the set must not be good
for ever because somebody keeps the set from being read.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
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
_GOOD_FOR: Final = 3600.0
_LEAST_INTERVAL: Final = 10.0
_READ_WITHIN: Final = 5.0
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
        self.usable = sum(
            any(_verifies(key, algorithm) and self._key(place, algorithm) for algorithm in ASYMMETRIC)
            for place, key in enumerate(self._keys)
            if isinstance(key, dict)
        )
        """How many keys can check a signature."""

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


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """How a key set is: how many of its keys can check JWTs, and what is wrong with it, if anything."""

    keys: int
    fault: str | None


class KeySource:
    """Where the key set comes from, and what was read from there last. Use it from one event loop."""

    def __init__(
        self, location: str, monotonic: Callable[[], float], read: Callable[[str], bytes] | None = None
    ) -> None:
        self._location = location
        self._monotonic = monotonic
        self._read = read or read_location
        self._keys: KeySet | None = None
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._trying: asyncio.Task[None] | None = None
        self._fault: str | None = None

    async def find(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        """The keys that may have signed a JWT. Raises `overloaded` while there are none that are good."""
        if self._good() is None or self._since(self._tried_at) >= _FRESH_FOR:
            await self._refresh()
        keys = self._good()
        found = keys.find(kid, algorithm) if keys else []
        if not found and self._since(self._tried_at) >= _LEAST_INTERVAL:
            await self._refresh()
            keys = self._good()
            found = keys.find(kid, algorithm) if keys else []
        if keys is None:
            message = "The keys that sign JWTs cannot be read at the moment; try again shortly."
            raise TurnoutError("overloaded", message, retry_after=int(_LEAST_INTERVAL))
        return found

    async def status(self) -> KeyStatus:
        """How the key set is, as read just now, or a few seconds ago."""
        await self._refresh()
        late = f"it has not been read within {_READ_WITHIN:g} seconds" if self._trying else None
        keys = self._good()
        return KeyStatus(keys.usable if keys else 0, late or self._fault)

    def begin(self) -> None:
        """Read the keys, without waiting for them. What is wrong with them is logged."""
        if self._trying is None:
            self._tried_at = self._monotonic()
            self._trying = asyncio.create_task(self._load())

    def _good(self) -> KeySet | None:
        """The keys that were read last, unless that is too long ago."""
        return self._keys if self._since(self._read_at) < _GOOD_FOR else None

    def _since(self, moment: float | None) -> float:
        return float("inf") if moment is None else self._monotonic() - moment

    async def _refresh(self) -> None:
        """Wait for the keys to be read, though not for long; whoever comes meanwhile waits for the same reading."""
        if self._trying is None and self._since(self._tried_at) >= _LEAST_INTERVAL:
            self.begin()
        if self._trying:
            # A client that goes, or has waited long enough, must not stop the reading that others wait for.
            await asyncio.wait([self._trying], timeout=_READ_WITHIN)

    async def _load(self) -> None:
        try:
            self._keys = await asyncio.to_thread(lambda: KeySet(self._read(self._location)))
            self._read_at = self._monotonic()
            self._fault = None if self._keys.usable else "it has no key that can check the signature of a JWT"
        except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on with the keys that it has
            self._fault = _reason(error)
        finally:
            self._trying = None
        if self._fault:
            _log.warning("jwt_jwks cannot be used: %s", self._fault)


def read_location(location: str) -> bytes:
    """The bytes of a key set, from a file or over HTTP, within a time and a size; blocks.

    Raises `OSError`, `ValueError` or an error of httpx.
    """
    if location.startswith(("http://", "https://")):
        return asyncio.run(_fetch(location))
    path = Path(location)
    if path.exists() and not path.is_file():
        raise ValueError("it is not a file")  # reading a pipe or a device might never end
    with path.open("rb") as file:
        return _bounded(file.read(_MOST_BYTES + 1))


async def _fetch(address: str) -> bytes:
    """What is at an address. Times of the client are for one read each; this one is for all."""
    import httpx  # noqa: PLC0415 - slow to import, and not needed where keys come from a file

    body = b""
    async with asyncio.timeout(_READ_WITHIN), httpx.AsyncClient() as client, client.stream("GET", address) as response:
        response.raise_for_status()
        async for chunk in response.aiter_bytes():
            body = _bounded(body + chunk)
    return body


def _bounded(body: bytes) -> bytes:
    if len(body) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
    return body


def _reason(error: Exception) -> str:
    """Why the keys cannot be read, without their address, which may hold a password."""
    if isinstance(error, TimeoutError):
        return f"it has not been read within {_READ_WITHIN:g} seconds"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status:
        return f"its server answered {status}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
