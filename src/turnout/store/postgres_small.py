"""The small tables in PostgreSQL: providers, tokens, secrets, places of syncs, and what was answered.

Other processes change them too, so they are asked each time: what one revokes, no other accepts. Of providers, of which
there may be thousands, it is asked whether they have changed.
"""
# ruff: noqa: S608 - the names in the SQL are those of members, and its values are bound

from __future__ import annotations

import secrets
from dataclasses import astuple, fields, replace
from typing import TYPE_CHECKING, Any, Final

import psycopg

from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.store.base import KEPT, Answered, Provider, Standing, StoredPlace, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    Alone = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
    # Given a `postgres_walls.Scope`: it sees the rows of whom it is about.
    Transaction = Callable[..., AbstractContextManager[psycopg.Connection[Any]]]

_SECRET_BYTES: Final = 32
_LOCK: Final = 0x7475726E
"""Tells the locks of merges from others, of 32 bits."""
PATIENCE: Final = 10.0
"""So many seconds a lock is waited for in a change: several small merges are done in them, and no client gives up."""
_COME_AGAIN: Final = 5
"""Seconds after which who has waited in vain may ask again."""
_PROVIDERS: Final = "providers"
"""The name in `meta` of how often the providers have changed."""
_PROVIDERS_CHANGED: Final = f"SELECT value FROM meta WHERE name = '{_PROVIDERS}'"
_CHANGED: Final = (
    "INSERT INTO meta (name, value) VALUES (%s, '1') ON CONFLICT (name) "
    "DO UPDATE SET value = (meta.value::BIGINT + 1)::TEXT"
)
_VERSION: Final = "SELECT version FROM change WHERE provider_id = $1"
_PLACE: Final = "SELECT mark, as_of, document FROM sync WHERE provider_id = $1"
_REMEMBER: Final = (
    "INSERT INTO answered (key, request, status, body, answered_at) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (key) "
    "DO UPDATE SET (request, status, body, answered_at) "
    "= (EXCLUDED.request, EXCLUDED.status, EXCLUDED.body, EXCLUDED.answered_at) "
    "WHERE answered.answered_at < EXCLUDED.answered_at - %s"
)
_WHO: Final = (
    f"SELECT {', '.join(f'provider.{field.name}' for field in fields(Provider))}, "
    f"{', '.join(f'token.{field.name}' for field in fields(Token))} "
    "FROM provider CROSS JOIN token WHERE provider.id = $1 AND token.sha256 = $2"
)


def lock(connection: psycopg.Connection[Any], provider: int) -> None:
    """Wait until nobody else changes the provider's attendances, and keep it so until the transaction ends.

    Raises `overloaded` where others have changed them for `PATIENCE`.
    """
    # Apart from what follows, since Citus sends its workers the whole message of a setting.
    connection.execute(f"SET LOCAL lock_timeout = {PATIENCE * 1000:.0f}")
    try:
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashint8(%s))", (_LOCK, provider))
    except psycopg.errors.LockNotAvailable:
        message = f"Another process is changing the attendances of provider {provider}."
        raise TurnoutError("overloaded", message, retry_after=_COME_AGAIN) from None


def put_provider(connection: psycopg.Connection[Any], provider: Provider) -> None:
    """Add a provider, or replace the one with its id."""
    columns = _names(Provider)
    places = ", ".join(["%s"] * len(fields(Provider)))
    values = ", ".join(f"EXCLUDED.{field.name}" for field in fields(Provider))
    connection.execute(
        f"INSERT INTO provider ({columns}) VALUES ({places}) ON CONFLICT (id) DO UPDATE SET ({columns}) = ({values})",
        astuple(provider),
    )
    providers_changed(connection)


def providers_changed(connection: psycopg.Connection[Any]) -> None:
    """Let everybody see what was done to providers."""
    connection.execute(_CHANGED, (_PROVIDERS,))


def remember(connection: psycopg.Connection[Any], answered: Answered) -> None:
    """Remember an answer. Raises `conflict` where another process has answered under the same key meanwhile.

    That one's transaction is waited for, and this one's undone: what was asked for twice is done once.
    """
    if not connection.execute(_REMEMBER, (*astuple(answered), KEPT)).rowcount:
        message = "A request with this Idempotency-Key is still being answered."
        raise TurnoutError("conflict", message, retry_after=1)


def standing_statements(provider_id: int, sha256: str | None) -> list[Statement]:
    """What is to be asked for `standing_of`, of a provider, and of the token with this hash where one is given."""
    asked = [Statement(_VERSION, (provider_id,)), Statement(_PLACE, (provider_id,))]
    return asked if sha256 is None else [*asked, Statement(_WHO, (provider_id, sha256))]


def standing_of(found: Sequence[Sequence[tuple[Any, ...]]]) -> Standing:
    """What is true of a provider, and of a token, from the rows of `standing_statements`."""
    version, place, *asked = found
    who = [*asked[0]] if asked else []
    if not who:
        return Standing(_version(version), _place(place))
    provider, token = who[0][: len(fields(Provider))], who[0][len(fields(Provider)) :]
    return Standing(_version(version), _place(place), _token(token), Provider(*provider))


def _version(found: Sequence[tuple[Any, ...]]) -> int:
    """How often a provider's attendances have changed, which is nowhere where it has none."""
    return int(found[0][0]) if found else 0


class PostgresTables:
    """The part of `base.Store` that is about them. `transaction` gives the connection for what changes something.

    `alone` gives one for a single statement.
    """

    def __init__(self, transaction: Transaction, alone: Alone) -> None:
        self._transaction = transaction
        self._alone = alone
        self._secrets: dict[str, bytes] = {}
        self._known: tuple[str, dict[int, Provider]] = ("", {})

    def providers(self) -> dict[int, Provider]:
        """All providers by id, in the order of their ids; the caller's own copy."""
        found = self._rows(_PROVIDERS_CHANGED)
        return self._providers_of(found[0][0] if found else None)

    def _providers_of(self, present: str | None) -> dict[int, Provider]:
        """All providers, read anew where others are known than those of the present version; there is None of none."""
        if present is None:
            return {}
        version, known = self._known
        if present != version:
            with self._transaction() as connection:
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                ((version,),) = connection.execute(_PROVIDERS_CHANGED).fetchall()
                rows = connection.execute(f"SELECT {_names(Provider)} FROM provider ORDER BY id").fetchall()
            known = {row[0]: Provider(*row) for row in rows}
            self._known = version, known
        return dict(known)

    def tokens(self) -> Sequence[Token]:
        """All tokens, by id."""
        return [_token(row) for row in self._rows(f"SELECT {_names(Token)} FROM token ORDER BY id")]

    def token(self, sha256: str) -> Token | None:
        """The token with this hash, revoked and expired ones included."""
        found = self._rows(f"SELECT {_names(Token)} FROM token WHERE sha256 = %s", sha256)
        return _token(found[0]) if found else None

    def token_and_providers(self, sha256: str) -> tuple[Token | None, dict[int, Provider]]:
        """Both, by one question; for the providers it is only asked whether they have changed."""
        asked = f"({_PROVIDERS_CHANGED}), {_names(Token)}"
        ((version, *row),) = self._rows(
            f"SELECT {asked} FROM (VALUES (1)) AS one LEFT JOIN token ON sha256 = %s", sha256
        )
        return _token(tuple(row)) if row[0] is not None else None, self._providers_of(version)

    def add_token(self, token: Token) -> Token:
        """Add a token; return it with the id that it was given. A known hash is a `conflict`."""
        with self._transaction() as connection:
            connection.execute("LOCK TABLE token IN SHARE ROW EXCLUSIVE MODE")
            if connection.execute("SELECT 1 FROM token WHERE sha256 = %s", (token.sha256,)).fetchall():
                raise TurnoutError("conflict", "This token is there already.")
            ((number,),) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM token").fetchall()
            added = replace(token, id=number)
            values = [list(value) if isinstance(value, tuple) else value for value in astuple(added)]
            places = ", ".join(["%s"] * len(values))
            connection.execute(f"INSERT INTO token ({_names(Token)}) VALUES ({places})", values)
        return added

    def revoke_token(self, token_id: int, now: int) -> bool:
        """Revoke a token from `now` on; False where it is unknown or revoked already."""
        with self._transaction() as connection:
            revoke = "UPDATE token SET revoked_at = %s WHERE id = %s AND revoked_at IS NULL"
            return connection.execute(revoke, (now, token_id)).rowcount > 0

    def secret(self, name: str) -> bytes:
        """32 random bytes, made at the first call for a name, by whichever process, the same ever after."""
        if name in self._secrets:
            return self._secrets[name]
        with self._transaction() as connection:
            made = (name, secrets.token_bytes(_SECRET_BYTES))
            connection.execute("INSERT INTO secret (name, value) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING", made)
            ((value,),) = connection.execute("SELECT value FROM secret WHERE name = %s", (name,)).fetchall()
        return self._secrets.setdefault(name, bytes(value))

    def place(self, provider_id: int) -> StoredPlace | None:
        """How far the sync of a provider has come."""
        with self._transaction(provider_id) as connection, psycopg.RawCursor(connection) as cursor:
            return _place(cursor.execute(_PLACE, (provider_id,)).fetchall())

    def answered(self, key: str) -> Answered | None:
        """What was remembered under a key."""
        found = self._rows(f"SELECT {_names(Answered)} FROM answered WHERE key = %s", key)
        return Answered(*found[0]) if found else None

    def forget_answered(self, before: int) -> None:
        """Forget what was answered before an instant."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM answered WHERE answered_at < %s", (before,))

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._alone() as connection:
            return connection.execute(sql, values).fetchall()


def _place(found: Sequence[tuple[Any, ...]]) -> StoredPlace | None:
    return StoredPlace(*found[0]) if found else None


def _names(record: type[Provider | Token | Answered]) -> str:
    return ", ".join(field.name for field in fields(record))


def _token(row: tuple[Any, ...]) -> Token:
    token = Token(*row)
    return replace(token, providers=tuple(token.providers))
