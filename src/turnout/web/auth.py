"""Who may ask: from the headers of a request to its caller (contract sections 3 and 9)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from turnout.admin import INSTRUCTOR, ROLES, SUPER_ADMIN, TOKEN_PREFIX, hash_of
from turnout.catalog.types import MAX_ID
from turnout.errors import TurnoutError, did_you_mean, shown
from turnout.query.request import Scope
from turnout.web.by_heart import ByHeart, Known
from turnout.web.context import ask, context_of, is_trusted
from turnout.web.cookies import SessionExpired, Sessions, check_origin, session_of
from turnout.web.limits import client_key, limiter_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from turnout.admin import Reach
    from turnout.settings import Settings
    from turnout.store.base import Provider, Store, Token
    from turnout.web.context import Clock
    from turnout.web.jwks import KeySource
    from turnout.web.limits import Limiter, SharedLimiter

INGESTING: Final = "Ingest"
"""What needs the role `super_admin`, for people."""
_ADMINISTRATION: Final = "Administration"
_SCHEMES: Final = ("token", "bearer", "jwt")
_PROVIDER: Final = "TeamUp-Provider-ID"
_MODE: Final = "TeamUp-Request-Mode"
_DIGITS: Final = re.compile(r"[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request proved: the providers it covers (None: all of them), the role, and whose rate it counts on."""

    providers: tuple[int, ...] | None
    role: str
    instructor_id: int | None = None
    token_id: int | None = None
    subject: str = ""
    expires_at: int | None = None
    """Until when it is good, in microseconds since 1970; None: for ever."""

    @property
    def trusted(self) -> bool:
        return self.providers is None

    @property
    def reach(self) -> Reach:
        """What the credential may administer."""
        return None if self.providers is None else frozenset(self.providers)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a report. Where `instructor_id` is not None, only that instructor's events may be seen."""

    token_id: int | None
    provider: Provider
    role: str
    instructor_id: int | None
    subject: str = ""
    """Whose rate, and whose idempotency keys, its requests count on."""

    @property
    def scope(self) -> Scope:
        """What the caller may see."""
        provider = self.provider
        return Scope(provider.id, ZoneInfo(provider.timezone), provider.week_start, self.instructor_id)


_OWNER: Final = Credential(None, SUPER_ADMIN)


class Authenticator:
    """Finds out who asks. Use it from one event loop."""

    def __init__(
        self, store: Store, settings: Settings, clock: Clock, read_keys: Callable[[str], bytes] | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self.sessions = Sessions(store)
        """What seals and opens the page's cookies."""
        self._verifier = None
        if settings.jwt_key or settings.jwt_jwks:
            from turnout.web.jwts import Verifier  # noqa: PLC0415 - cryptography is slow to import

            self._verifier = Verifier(settings, clock.monotonic, read_keys)
        self._by_heart = ByHeart()
        self._failures = limiter_of(settings.auth_failures, store, "failures", clock.monotonic)
        self._rates = limiter_of(settings.token_rate, store, "requests", clock.monotonic)

    @property
    def key_source(self) -> KeySource | None:
        """Where the key set of JWTs comes from; None where none is set."""
        return self._verifier.source if self._verifier else None

    async def report_caller(self, request: Request, *, by_heart: bool = False) -> Caller:
        """Check credential, mode, provider and role, in this order, and return who asks for a report.

        With `by_heart`, a token may be taken for what it was when it was last asked for: `context.by_heart` is it then,
        and nothing may be answered, be it an error, before `by_heart.must_stand` has found that it still is.

        Raises the 400, 401, 403 and 429 of contract sections 3 and 4.
        """
        credential, providers = await self._known(request, by_heart=by_heart)
        _check_mode(request)
        provider = _choose_provider(request, credential, providers)
        context_of(request).provider_id = provider.id
        instructor_id = instructor_of(credential)
        return Caller(credential.token_id, provider, credential.role, instructor_id, credential.subject)

    async def writer(self, request: Request, doing: str = _ADMINISTRATION) -> tuple[Credential, Provider]:
        """The credential and the provider of a request that changes attendances: the owner, or role `super_admin`.

        Checked in the order of `report_caller`. `doing` is what needs the role, for people.
        """
        credential, providers = await self._known(request)
        _check_mode(request)
        provider = _choose_provider(request, credential, providers)
        context_of(request).provider_id = provider.id
        _check_role(credential, doing)
        return credential, provider

    async def administrator(self, request: Request) -> Credential:
        """The credential of a request that administers: the store's owner, or the role `super_admin`."""
        credential = await self.authenticate(request)
        _check_role(credential, _ADMINISTRATION)
        return credential

    async def authenticate(self, request: Request) -> Credential:
        """What the request proves, by its Authorization header, or by a cookie where it has none.

        Raises `not_authenticated`, `authentication_failed` or `throttled`, and `permission_denied` where a page of
        somebody else's would change something.
        """
        credential, _ = await self._known(request)
        return credential

    async def _known(self, request: Request, *, by_heart: bool = False) -> tuple[Credential, dict[int, Provider]]:
        """What the request proves, and the providers: a database is asked for both at once."""
        if is_trusted(request.scope):
            return _OWNER, await self._providers()
        with_cookie = not request.headers.getlist("Authorization")
        try:
            sealed = session_of(request) if with_cookie else None
            if sealed is None:
                text, until = _credential_of(request), None
            else:
                check_origin(request)
                text, until = self.sessions.open(sealed, self._clock.now())
        except TurnoutError as error:
            await self._count_failure(request, error)
            raise
        # Where requests are counted, the database is gone to for that anyway.
        asked = text if by_heart and not self._rates else None
        known = self._by_heart.known(hash_of(asked), self._clock.now()) if asked else None
        if known:
            context = context_of(request)
            context.by_heart, context.token_id = known.token, known.token.id
            credential, providers = known.credential, known.providers
        else:
            credential, providers = await self.prove(request, text)
        return credential if until is None else replace(credential, expires_at=until), providers

    def forget(self, token: Token) -> None:
        """Know nothing of a token by heart: it is asked for before anything is read for it."""
        self._by_heart.forget(token.sha256)

    async def prove(
        self, request: Request, text: str | None, *, otherwise: str | None = None
    ) -> tuple[Credential, dict[int, Provider]]:
        """What a credential proves, as if the request had been sent with it, and the providers.

        Failures are counted by address. Where there is no credential, `authentication_failed` says `otherwise`.
        """
        try:
            credential, providers = await self._verify(text, otherwise)
        except TurnoutError as error:
            await self._count_failure(request, error)
            raise
        context = context_of(request)
        context.token_id = credential.token_id
        if self._rates:
            await self._spend(request, credential, self._rates)
        return credential, providers

    async def _verify(self, text: str | None, otherwise: str | None) -> tuple[Credential, dict[int, Provider]]:
        if text is None:
            raise TurnoutError("authentication_failed", otherwise)
        if text.startswith(TOKEN_PREFIX):
            token, providers = await ask(self._store, self._store.token_and_providers, hash_of(text))
            credential = self._opaque(token)
            if token and self._store.shared:
                self._by_heart.learn(Known(token, credential, providers))
            return credential, providers
        if self._verifier is None:
            raise TurnoutError("authentication_failed")
        claims = await self._verifier.claims(text)
        return _signed(text, claims, self._verifier.until(claims)), await self._providers()

    async def _providers(self) -> dict[int, Provider]:
        return await ask(self._store, self._store.providers)

    def _opaque(self, token: Token | None) -> Credential:
        if token is None:
            raise TurnoutError("authentication_failed")
        if token.revoked_at is not None:
            raise TurnoutError("authentication_failed", "The token was revoked.")
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            raise TurnoutError("authentication_failed", "The token has expired.")
        subject = f"token {token.id}"
        return Credential(token.providers, token.role, token.instructor_id, token.id, subject, token.expires_at)

    async def _count_failure(self, request: Request, error: TurnoutError) -> None:
        """Count a failed authentication; 429 instead of the error where its address has had too many.

        A good credential is never refused for the failures of others behind the same address, and that a session is
        over is no failure.
        """
        if self._failures is None or error.code != "authentication_failed" or isinstance(error, SessionExpired):
            return
        allowance = await ask(self._store, self._failures.spend, client_key(request.scope))
        if not allowance.allowed:
            _note_throttled(request, "address")
            message = "Too many failed authentications from this address."
            raise TurnoutError("throttled", message, retry_after=allowance.retry_after) from error

    async def _spend(self, request: Request, credential: Credential, rates: Limiter | SharedLimiter) -> None:
        """Count a request of a token, and tell what it has left (draft-ietf-httpapi-ratelimit-headers, -03)."""
        allowance = await ask(self._store, rates.spend, credential.subject)
        context_of(request).headers += [
            (b"ratelimit-limit", str(rates.rate.count).encode()),
            (b"ratelimit-remaining", str(allowance.remaining).encode()),
            (b"ratelimit-reset", str(allowance.reset).encode()),
        ]
        if not allowance.allowed:
            _note_throttled(request, "token")
            message = f"The token has made more requests than {rates.rate}."
            raise TurnoutError("throttled", message, retry_after=allowance.retry_after)


def _note_throttled(request: Request, limit: str) -> None:
    metrics = context_of(request).services.metrics
    if metrics:
        metrics.throttled(limit)


def _credential_of(request: Request) -> str:
    """The credential after its scheme."""
    headers = request.headers.getlist("Authorization")
    if not any(header.strip() for header in headers):
        raise TurnoutError("not_authenticated")
    if len(headers) > 1:
        raise TurnoutError("authentication_failed", "There is more than one Authorization header.")
    scheme, *rest = headers[0].split()
    if scheme.lower() not in _SCHEMES:
        hint = did_you_mean(scheme[:20], _SCHEMES) if rest else " Write the word 'Token' in front of the token."
        raise TurnoutError("authentication_failed", f"The scheme must be Token, Bearer or JWT.{hint}")
    if len(rest) != 1:
        raise TurnoutError("authentication_failed", f"One credential is expected after {scheme.capitalize()!r}.")
    return rest[0]


def _signed(text: str, claims: dict[str, Any], until: int) -> Credential:
    """The credential that a verified JWT is. Raises `authentication_failed` where its claims are malformed."""
    providers, role, instructor = claims.get("providers", []), claims.get("role", ""), claims.get("instructor")
    if not isinstance(providers, list) or not all(map(_is_id, providers)):
        raise TurnoutError("authentication_failed", "The claim 'providers' must be a list of ids.")
    if not isinstance(role, str):
        raise TurnoutError("authentication_failed", "The claim 'role' must be a text.")
    if instructor is not None and not _is_id(instructor):
        raise TurnoutError("authentication_failed", "The claim 'instructor' must be an id.")
    # Whoever is named by the issuer has one rate, however many JWTs are made for them.
    subject = f"{claims.get('iss', '')} {claims['sub']}" if claims.get("sub") else hash_of(text)
    return Credential(tuple(dict.fromkeys(providers)), role, instructor, subject=f"jwt {subject}", expires_at=until)


def instructor_of(credential: Credential) -> int | None:
    """The instructor whose events alone the credential shows, if any; `permission_denied` where it shows nothing."""
    if credential.role not in ROLES:
        raise TurnoutError("permission_denied", f"The role {shown(credential.role)} may not read reports.")
    if credential.role != INSTRUCTOR:
        return None
    if credential.instructor_id is None:
        raise TurnoutError("permission_denied", f"The role {INSTRUCTOR} needs an instructor, and has none.")
    return credential.instructor_id


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ID


def _check_mode(request: Request) -> None:
    modes = _values(request, _MODE)
    if len(modes) > 1 or any(mode not in ("provider", "customer") for mode in modes):
        raise TurnoutError("mode_header_invalid")
    if modes == ["customer"]:
        raise TurnoutError("mode_not_allowed")


def _check_role(credential: Credential, doing: str) -> None:
    if credential.role != SUPER_ADMIN:
        raise TurnoutError("permission_denied", f"{doing} needs the role {SUPER_ADMIN}.")


def _choose_provider(request: Request, credential: Credential, known: dict[int, Provider]) -> Provider:
    """The provider that the header names, or the only one there is to choose."""
    covered = tuple(known) if credential.providers is None else credential.providers
    headers = _values(request, _PROVIDER)
    if len(headers) > 1 or (headers and not _is_id_text(headers[0])):
        raise TurnoutError("provider_header_invalid")
    if headers:
        chosen = int(headers[0])
    elif len(covered) == 1:
        chosen = covered[0]
    elif covered:
        raise TurnoutError("provider_header_missing")
    else:
        raise TurnoutError("provider_invalid", "There is no provider to choose.")
    if not credential.trusted and chosen not in covered:
        raise TurnoutError("provider_invalid")
    if chosen not in known:
        raise TurnoutError("provider_invalid", f"There is no provider {chosen}.")
    return known[chosen]


def _values(request: Request, name: str) -> list[str]:
    """A header's values; white space around one is no part of it (RFC 9110, section 5.5)."""
    return [value.strip(" \t") for value in request.headers.getlist(name)]


def _is_id_text(text: str) -> bool:
    return bool(_DIGITS.fullmatch(text)) and int(text) <= MAX_ID
