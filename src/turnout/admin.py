"""Administration: providers, tokens, and what `turnout doctor` says (contract sections 3, 6 and 9).

What a caller may touch is its `Reach`: the providers that its credential covers, or everything for the store's owner.
A checked change happens under one lock, since every change to a store goes through the process that owns it.
"""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from turnout import __version__
from turnout.catalog.types import MAX_ID, WEEK_DAYS
from turnout.errors import Faults, TurnoutError, did_you_mean, shown
from turnout.query.instants import SECOND, format_utc, load_zone
from turnout.settings import SAFE_KEY_LENGTH
from turnout.store.base import Provider, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from turnout.settings import Settings
    from turnout.store.base import Store

SUPER_ADMIN: Final = "super_admin"
INSTRUCTOR: Final = "instructor_attendances"
ROLES: Final = (SUPER_ADMIN, "attendances", INSTRUCTOR)
TOKEN_PREFIX: Final = "tk_"  # noqa: S105 - how tokens begin, not one of them

Reach = frozenset[int] | None
"""The ids of the providers that a caller may administer; None is all of them, and whatever is yet to come."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LIFETIME: Final = re.compile(r"([1-9][0-9]{0,11})([smhdw])")
_LONGEST: Final = 1000 * 366 * 86_400
_HINT: Final = "…"
_HINT_LENGTH: Final = 4
_change: Final = threading.Lock()

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made. `text` is what clients send; it is stored nowhere and cannot be had again."""

    text: str
    token: Token


def hash_of(token: str) -> str:
    """The stored form of an opaque token. It has 256 random bits, so that a plain hash cannot be turned back."""
    return sha256(token.encode()).hexdigest()


def parse_lifetime(text: str) -> int:
    """Microseconds of a lifetime such as `30s`, `15m`, `12h`, `90d` or `2w`; a `ValueError` has the reason."""
    match = _LIFETIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{shown(text)} is not a length of time such as 30s, 15m, 12h, 90d or 2w.")
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST:
        raise ValueError(f"{shown(text)} is longer than a thousand years.")
    return seconds * SECOND


# Providers


def list_providers(store: Store, reach: Reach) -> list[Provider]:
    """The providers within reach, by id."""
    return [provider for id_, provider in sorted(store.providers().items()) if reach is None or id_ in reach]


def add_provider(store: Store, reach: Reach, given: Mapping[str, object], *, max_text: int) -> Provider:
    """Add a provider from `id`, `name`, `timezone` and optionally `week_start`.

    Raises `parameter_invalid` with all faults, `provider_invalid` beyond reach, `conflict` where the id is taken.
    """
    faults = Faults()
    faults.only(given, ("id", "name", "timezone", "week_start"))
    for name in ("id", "name", "timezone"):
        if given.get(name) is None:
            faults.add(name, "It is needed.")
    id_ = _id(given["id"], "id", faults) if given.get("id") is not None else 0
    provider = _changed(Provider(id_, "", "UTC"), given, faults, max_text)
    faults.raise_if_any()
    _check_reach(reach, [id_])
    with _change:
        if id_ in store.providers():
            raise TurnoutError("conflict", f"Provider {id_} is there already.")
        store.put_provider(provider)
    return provider


def set_provider(store: Store, reach: Reach, id_: int, given: Mapping[str, object], *, max_text: int) -> Provider:
    """Change a provider's `name`, `timezone` or `week_start`. Raises as `add_provider`, and `not_found`."""
    _check_reach(reach, [id_])
    faults = Faults()
    if "id" in given and given["id"] != id_:
        faults.add("id", "The id of a provider cannot be changed.")
    faults.only(given, ("id", "name", "timezone", "week_start"))
    with _change:
        known = store.providers().get(id_)
        if known is None:
            raise TurnoutError("not_found", f"There is no provider {id_}.")
        provider = _changed(known, given, faults, max_text)
        faults.raise_if_any()
        if provider != known:
            store.put_provider(provider)
    return provider


def _changed(provider: Provider, given: Mapping[str, object], faults: Faults, max_text: int) -> Provider:
    """The provider with the members that are given and not null; what is wrong with them is added to `faults`."""
    name = _text(given, "name", faults)
    if name is not None and not 1 <= len(name) <= max_text:
        faults.add("name", f"It must have 1 to {max_text} characters.")
    zone = _text(given, "timezone", faults)
    if zone is not None:
        try:
            load_zone(zone)
        except ValueError as error:
            faults.add("timezone", str(error))
    day = _text(given, "week_start", faults)
    if day is not None and day not in WEEK_DAYS:
        faults.add("week_start", _not_one_of(day, "a day", WEEK_DAYS))
    return replace(
        provider,
        name=provider.name if name is None else name,
        timezone=zone or provider.timezone,
        week_start=day or provider.week_start,
    )


def _text(given: Mapping[str, object], field: str, faults: Faults) -> str | None:
    value = given.get(field)
    if value is None or isinstance(value, str):
        return value if value is None else value.strip()
    faults.add(field, "It must be a text.")
    return None


# Tokens


def list_tokens(store: Store, reach: Reach) -> list[Token]:
    """The tokens whose every provider is within reach, by id, expired and revoked ones included."""
    return sorted((token for token in store.tokens() if _covers(reach, token)), key=lambda token: token.id)


def create_token(store: Store, reach: Reach, given: Mapping[str, object], now: int, *, hint: str = _HINT) -> NewToken:
    """Make a token from `providers`, and optionally `role`, `instructor_id` and `expires_in`.

    `expires_in` is a number of seconds, or a text such as `90d`. The token's last characters are put behind `hint`.
    Raises `parameter_invalid` with all faults, and `provider_invalid` where a provider is beyond reach.
    """
    faults = Faults()
    faults.only(given, ("providers", "role", "instructor_id", "expires_in"))
    providers = _provider_ids(given.get("providers"), faults)
    role = _role(given.get("role"), faults)
    instructor = None
    if given.get("instructor_id") is not None:
        instructor = _id(given["instructor_id"], "instructor_id", faults)
    if role == INSTRUCTOR and given.get("instructor_id") is None:
        faults.add("instructor_id", f"The role {INSTRUCTOR} needs it: the instructor whose events the token sees.")
    elif role != INSTRUCTOR and instructor is not None:
        faults.add("instructor_id", f"It goes with the role {INSTRUCTOR} only.")
    lifetime = _lifetime(given.get("expires_in"), faults)
    faults.raise_if_any()
    _check_reach(reach, providers)
    for id_ in providers:
        if id_ not in store.providers():
            faults.add("providers", f"There is no provider {id_}.")
    faults.raise_if_any()
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires = None if lifetime is None else now + lifetime
    token = Token(0, hash_of(text), hint + text[-_HINT_LENGTH:], providers, role, instructor, now, expires, None)
    return NewToken(text, store.add_token(token))


def revoke_token(store: Store, reach: Reach, id_: int, now: int) -> None:
    """Revoke a token, which is then refused from the next request on. Doing it twice is no error.

    Raises `not_found` where there is no such token within reach.
    """
    if not any(token.id == id_ for token in list_tokens(store, reach)):
        raise TurnoutError("not_found", f"There is no token {id_}.")
    store.revoke_token(id_, now)


def _covers(reach: Reach, token: Token) -> bool:
    return reach is None or reach.issuperset(token.providers)


def _check_reach(reach: Reach, providers: Iterable[int]) -> None:
    beyond = [] if reach is None else [id_ for id_ in providers if id_ not in reach]
    if beyond:
        raise TurnoutError("provider_invalid", f"The token does not cover provider {', '.join(map(str, beyond))}.")


# Members of a request


def _id(value: object, field: str, faults: Faults) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ID:
        return value
    faults.add(field, f"{shown(str(value))} is not an id: a whole number from 1 to {MAX_ID}.")
    return 0


def _provider_ids(value: object, faults: Faults) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        faults.add("providers", "It must be a list of at least one provider's id.")
        return ()
    return tuple(dict.fromkeys(_id(id_, "providers", faults) for id_ in value))


def _role(value: object, faults: Faults) -> str:
    role = "attendances" if value is None else value
    if isinstance(role, str) and role in ROLES:
        return role
    faults.add("role", _not_one_of(str(role), "a role", ROLES))
    return ""


def _not_one_of(value: str, what: str, known: Sequence[str]) -> str:
    return f"{shown(value)} is not {what}; the choices are: {', '.join(known)}.{did_you_mean(value, known)}"


def _lifetime(value: object, faults: Faults) -> int | None:
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return parse_lifetime(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return parse_lifetime(f"{value}s")
    except ValueError as error:
        faults.add("expires_in", str(error))
        return None
    faults.add("expires_in", "It must be a number of seconds, or a text such as 90d.")
    return None


# What is seen from outside


def provider_document(provider: Provider) -> Json:
    """A provider as JSON."""
    return {
        "id": provider.id,
        "name": provider.name,
        "timezone": provider.timezone,
        "week_start": provider.week_start,
    }


def token_document(token: Token) -> Json:
    """A token as JSON, with instants of RFC 3339; neither itself nor its hash."""
    return {
        "id": token.id,
        "hint": token.hint,
        "providers": list(token.providers),
        "role": token.role,
        "instructor_id": token.instructor_id,
        "created_at": format_utc(token.created_at),
        "expires_at": None if token.expires_at is None else format_utc(token.expires_at),
        "revoked_at": None if token.revoked_at is None else format_utc(token.revoked_at),
    }


def status(
    store: Store,
    settings: Settings,
    reach: Reach,
    *,
    uptime: float,
    jwt_keys: int | None = None,
    exports: Json | None = None,
    more_faults: Sequence[str] = (),
) -> Json:
    """What `turnout doctor` shows: version, uptime in seconds, settings without secrets, the store, what is wrong.

    `jwt_keys` is how many keys of the key set can check JWTs, None where no key set is configured. `exports` is what is
    said of export jobs.

    A caller who does not reach every provider sees nothing of the whole store: no settings, sizes or totals.
    """
    found = store.status()
    own = list_providers(store, reach)
    document: Json = {"version": __version__, "uptime": round(uptime, 3), "providers": len(own)}
    if reach is not None and len(own) < found.providers:
        return {**document, "settings": None, "jwt_keys": None, "store": None, "exports": None, "faults": []}
    return {
        **document,
        "settings": settings.public(),
        "jwt_keys": jwt_keys,
        "store": {
            "engine": found.engine,
            "version": found.version,
            "location": found.location,
            "size": found.size,
            "schema_version": found.schema_version,
            "attendances": found.attendances,
            "providers": found.providers,
            "tail": found.tail,
            "free": found.free,
            "rebuilt_at": None if found.rebuilt_at is None else format_utc(found.rebuilt_at),
            "retained_at": None if found.retained_at is None else format_utc(found.retained_at),
            "kept": list(found.kept),
        },
        "exports": exports,
        "faults": [*found.faults, *setting_faults(settings), *more_faults],
    }


def _sync_faults(settings: Settings) -> list[str]:
    """What is unwise about the settings of the sync."""
    needed = {name: getattr(settings, name) for name in ("sync_from", "sync_token", "sync_providers")}
    missing = [name for name, value in needed.items() if not value]
    if 0 < len(missing) < len(needed):
        return [f"Nothing is synced: {' and '.join(missing)} must be set as well."]
    parts = urlsplit(settings.sync_from or "")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        return ["sync_from is asked without TLS; whoever sits between can read its token."]
    return []


def setting_faults(settings: Settings) -> list[str]:
    """What is unwise about settings that are valid."""
    faults = []
    key = settings.jwt_key.get_secret_value().encode() if settings.jwt_key else None
    if key is not None and len(key) < SAFE_KEY_LENGTH:
        faults.append(f"jwt_key has {len(key)} bytes; with fewer than {SAFE_KEY_LENGTH} it can be guessed from a JWT.")
    faults += _sync_faults(settings)
    if settings.jwt_jwks and settings.jwt_jwks.startswith("http://"):
        faults.append("jwt_jwks is fetched without TLS; whoever sits between can make valid JWTs.")
    return faults
