"""Waiting out what passes: how long, how often, and what a server's `Retry-After` means."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from turnout.sync.errors import SyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FIRST: Final = 1.0
_LONGEST: Final = 60.0
_LONGEST_ASKED: Final = 3600.0
_SECOND: Final = 1_000_000


def _microseconds() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True)
class Patience:
    """How failures are waited out: pauses double from one second to a minute, each shortened by chance up to a half.

    A server that says when to come again is taken at its word, up to an hour. `tries` failures in a row end it; where
    nothing was ever answered, `first_tries` do, since then the address may be wrong. `now` is microseconds since 1970.
    """

    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    now: Callable[[], int] = _microseconds
    tries: int = 12
    first_tries: int = 5
    on_wait: Callable[[str, float], None] = lambda _reason, _seconds: None

    def wait(self, reason: str, tried: int, *, answered: bool, asked: float | None = None) -> None:
        """Wait after the failure number `tried` in a row, `asked` seconds where the server said so.

        Raises `SyncError` with the reason where it has been enough.
        """
        if tried >= (self.tries if answered else self.first_tries):
            raise SyncError(f"{reason} It was tried {tried} times.")
        if asked is not None and asked > _LONGEST_ASKED:
            raise SyncError(f"{reason} It asks to come again in {asked / 60:,.0f} minutes.")
        pause = min(_LONGEST, _FIRST * 2 ** (tried - 1)) * (1 - self.chance() / 2)
        if asked:
            # Never sooner than asked, and not all clients at the same moment.
            pause = asked + min(asked, _FIRST) * self.chance()
        self.on_wait(reason, pause)
        self.sleep(pause)


def asked_pause(headers: Mapping[str, str], now: int) -> float | None:
    """The seconds that `Retry-After` asks for, in either of its forms (RFC 9110, section 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    until = http_instant(text)
    if until is None:
        return None
    said = http_instant(headers.get("Date", ""))
    return max(0.0, (until - (now if said is None else said)) / _SECOND)


def http_instant(text: str) -> int | None:
    """An HTTP-date in microseconds since 1970; None where it is none."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return int(found.timestamp()) * _SECOND
