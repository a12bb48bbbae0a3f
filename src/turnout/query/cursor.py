"""Opaque cursors: a place in an ordered report, sealed (contract section 2.3).

A cursor names the key values of one row, so that the next page is found without counting rows that were passed over.
Those values can be personal (a report sorted by e-mail), and addresses end up in logs: the text is encrypted and
authenticated with a key of the store (AES-SIV, RFC 5297: deterministic, so equal answers have equal links). The
request that it belongs to is authenticated with it: in another one it does not open.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_NAME: Final = "cursor"


@dataclass(frozen=True, slots=True)
class Place:
    """Before or after the row with these key values (one for each order key; instants in microseconds).

    `now` is the moment of the paging run's first page: a run that crosses midnight stays one report.
    """

    now: int
    backwards: bool
    values: tuple[Any, ...]


class CursorBox:
    """Seals and opens cursors with the store's key (32 bytes)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def seal(self, place: Place, belongs_to: Sequence[bytes]) -> str:
        packed = msgspec.msgpack.encode([place.now, place.backwards, *place.values])
        return _encoded(self._cipher.encrypt(packed, list(belongs_to)))

    def open(self, text: str, belongs_to: Sequence[bytes]) -> Place:
        """Raise `ValueError` where the text is damaged or belongs to another request."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            packed = self._cipher.decrypt(sealed, list(belongs_to)) if _encoded(sealed) == text else b""
            now, backwards, *values = msgspec.msgpack.decode(packed)
        except (ValueError, InvalidTag) as error:
            raise ValueError(
                "This cursor is damaged, or belongs to another request; follow the links of an answer as they are, "
                "and change only 'limit', and 'columns' where they do not make groups."
            ) from error
        return Place(now, backwards, tuple(values))


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")
