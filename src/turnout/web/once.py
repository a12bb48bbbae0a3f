"""Links that sign in by themselves, once: codes that stand for a token for a few minutes, in memory alone."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

from turnout.query.instants import SECOND

_LIVES: Final = 600 * SECOND
_BYTES: Final = 32


class Once:
    """Makes codes and takes them, from one thread; of a code, only the hash is kept."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[str, int]] = {}

    def make(self, credential: str, now: int) -> str:
        """A new code for a credential, good for one use within ten minutes of `now` (microseconds since 1970)."""
        code = secrets.token_urlsafe(_BYTES)
        self._known[_hash(code)] = (credential, now + _LIVES)
        return code

    def take(self, code: str, now: int) -> str | None:
        """The credential of a code, which is good no more; None where it was not."""
        credential, until = self._known.pop(_hash(code), (None, 0))
        return credential if now < until else None


def _hash(code: str) -> bytes:
    return sha256(code.encode("utf-8", "replace")).digest()
