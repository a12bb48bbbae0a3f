"""JSON Web Tokens: HS256 with the shared key only, asymmetric algorithms with the key set only (RFC 7519, RFC 8725)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import jwt
from jwt.exceptions import PyJWTError
from jwt.warnings import InsecureKeyLengthWarning

from turnout.errors import TurnoutError
from turnout.query.instants import SECOND
from turnout.web.jwks import ASYMMETRIC, KeySource

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.settings import Settings

_LEEWAY: Final = 30
_LATEST: Final = 253_402_300_799
"""The last second of the calendar."""
_SYMMETRIC: Final = "HS256"
# The rest of what a token says of itself is up to its issuer.
_REQUIRED: Final = ["exp"]
_TIMES: Final = ("exp", "nbf", "iat")


class Verifier:
    """Checks JWTs as the settings say."""

    def __init__(
        self, settings: Settings, monotonic: Callable[[], float], read: Callable[[str], bytes] | None = None
    ) -> None:
        self._shared_key = settings.jwt_key.get_secret_value().encode() if settings.jwt_key else None
        self.source = KeySource(settings.jwt_jwks, monotonic, read) if settings.jwt_jwks else None
        """Where the key set comes from; None where none is set."""
        self._audience = list(settings.jwt_audience) or None
        self._issuer = settings.jwt_issuer
        # A short key is named once, at start-up and by `turnout doctor`, and not at every request.
        warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)

    async def claims(self, token: str) -> dict[str, Any]:
        """The claims of a JWT whose signature, times, audience and issuer are right.

        Raises `authentication_failed`, which says no more than the issuer may know, or `overloaded` while no key
        set can be read.
        """
        try:
            header = jwt.get_unverified_header(token)
        except PyJWTError as error:
            raise TurnoutError("authentication_failed", "The credential is neither a token nor a JWT.") from error
        algorithm = header.get("alg")
        if algorithm == _SYMMETRIC and self._shared_key is not None:
            return self._decode(token, self._shared_key, _SYMMETRIC)
        if isinstance(algorithm, str) and algorithm in ASYMMETRIC and self.source is not None:
            kid = header.get("kid")
            for key in await self.source.find(kid if isinstance(kid, str) else None, algorithm):
                try:
                    return self._decode(token, key, algorithm)
                except _WrongKeyError:
                    continue
            raise TurnoutError("authentication_failed", "No known key has signed the JWT.")
        raise TurnoutError("authentication_failed", "JWTs of this algorithm are not accepted.")

    def until(self, claims: dict[str, Any]) -> int:
        """Until when a JWT with these claims, which were verified, is accepted; in microseconds since 1970."""
        return min(int(claims["exp"]) + _LEEWAY, _LATEST) * SECOND

    def _decode(self, token: str, key: bytes | jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        # The algorithm is one that this very kind of key is used with, whatever else the token's header claims.
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY,
                options={"require": _REQUIRED},
            )
        except jwt.InvalidSignatureError as error:
            raise _WrongKeyError from error
        except PyJWTError as error:
            raise TurnoutError("authentication_failed", f"The JWT is not valid: {_reason(error)}.") from error
        for name in _TIMES:
            # The library takes whatever can be made an integer, a text too; RFC 7519 has numbers alone.
            if isinstance(claims.get(name), str | bool):
                raise TurnoutError("authentication_failed", f"The claim {name!r} must be a number.")
        return claims


class _WrongKeyError(TurnoutError):
    """The signature does not fit the key."""

    def __init__(self) -> None:
        super().__init__("authentication_failed", "The JWT is not valid: its signature is wrong.")


_REASONS: Final[dict[type[PyJWTError], str]] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "its time has not come",
    jwt.InvalidAudienceError: "it is for somebody else (aud)",
    jwt.InvalidIssuerError: "it is from somebody else (iss)",
}


def _reason(error: PyJWTError) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it lacks the claim {error.claim!r}"
    return _REASONS.get(type(error), "it is malformed")
