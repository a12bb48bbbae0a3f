"""Requests that may be sent again: with one `Idempotency-Key`, one request is carried out once (contract section 8)."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from turnout.errors import TurnoutError
from turnout.store.base import KEPT, Answered
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from turnout.store.base import Store

KEY: Final = "Idempotency-Key"
_LONGEST: Final = 255


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that has a key; see `base.Answered`.

    `key` is made of the key and whose it is, `request` of all that was asked.
    """

    key: str
    request: str

    def answered(self, status: int, body: bytes, now: int) -> Answered:
        """What is to be remembered of the answer."""
        return Answered(self.key, self.request, status, body, now)


def repeatable(request: Request, subject: str, provider_id: int, body_sha256: str) -> Repeatable | None:
    """The request of a `Credential.subject` as one that may be sent again; None where it has no `KEY`.

    The body's SHA-256 is looked at only where it has one. Raises `parameter_invalid`.
    """
    keys = request.headers.getlist(KEY)
    if not keys:
        return None
    key = keys[0].strip()
    if len(keys) > 1 or not 0 < len(key) <= _LONGEST or not key.isprintable():
        message = f"One text of 1 to {_LONGEST} printable characters is expected."
        raise TurnoutError("parameter_invalid", fields={KEY: [message]})
    asked = (request.method, request.url.path, request.url.query, str(provider_id), body_sha256)
    return Repeatable(_hash(subject, key), f"{provider_id}-{_hash(*asked)}")


def _hash(*texts: str) -> str:
    return sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


class Repeats:
    """Knows which repeatable requests are being answered, and what was answered. Use it from one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: set[str] = set()

    @contextmanager
    def running(self, repeat: Repeatable | None) -> Iterator[None]:
        """While it lasts, the same key is a `conflict`: its answer is not known yet."""
        if repeat is None:
            yield
            return
        if repeat.key in self._running:
            message = "A request with this Idempotency-Key is still being answered."
            raise TurnoutError("conflict", message, retry_after=1)
        self._running.add(repeat.key)
        try:
            yield
        finally:
            self._running.discard(repeat.key)

    def expire(self, now: int) -> None:
        """Forget what was answered more than a day ago."""
        self._store.forget_answered(now - KEPT)

    async def known(self, repeat: Repeatable | None, now: int) -> Response | None:
        """What was answered within a day to the same request; `conflict` where the key was another request's."""
        if repeat is None:
            return None
        found = await asyncio.to_thread(self._store.answered, repeat.key)
        if found is None or found.answered_at < now - KEPT:
            return None
        if found.request != repeat.request:
            raise TurnoutError("conflict", "This Idempotency-Key was used for another request.")
        headers = {**API_HEADERS, "Content-Type": "application/json", "Idempotency-Replayed": "true"}
        return Response(found.body, found.status, headers)
