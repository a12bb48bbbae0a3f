"""Tokens by heart: of a store that is shared, who asks is found out on the way to the answer, not before it.

Other processes change tokens as well, so that each request asks for its own; but that is a way to the database and a
thread of its own, a tenth of a small page's time. Instead a request goes on with the token as it was when it was last
asked for, asks for it together with what it needs anyway, in the same snapshot, and is answered only where it still is
so. Otherwise it begins again, with a token that is asked for first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError
from turnout.web.context import context_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.store.base import Provider, Standing, Token
    from turnout.web.auth import Caller, Credential

_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """A good token, what it proved, and the providers that there were, when it was last asked for."""

    token: Token
    credential: Credential
    providers: dict[int, Provider]


class ByHeart:
    """The good tokens that were last asked for, by their hashes. Use it from one event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()

    def learn(self, known: Known) -> None:
        """Keep a token, in place of what was known of it."""
        self._known[known.token.sha256] = known
        self._known.move_to_end(known.token.sha256)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def forget(self, sha256: str) -> None:
        """Know nothing of the token with a hash."""
        self._known.pop(sha256, None)

    def known(self, sha256: str, now: int) -> Known | None:
        """The token with a hash, unless it has expired at `now` (microseconds since 1970)."""
        known = self._known.get(sha256)
        if known is None or (known.token.expires_at is not None and known.token.expires_at <= now):
            return None
        return known


def must_stand(request: Request, caller: Caller, standing: Standing) -> None:
    """Raise `authentication_failed` where what is known by heart of the caller is no longer so."""
    context = context_of(request)
    if context.by_heart and (standing.token, standing.provider) != (context.by_heart, caller.provider):
        raise TurnoutError("authentication_failed")
    context.by_heart = None


def must_be_known(request: Request) -> None:
    """Raise `authentication_failed` where it was not found out on the way whether the caller still stands."""
    if context_of(request).by_heart:
        raise TurnoutError("authentication_failed")
