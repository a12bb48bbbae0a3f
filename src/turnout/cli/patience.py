"""What passes is waited out: a server that is busy, restarts, or cannot be reached for a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from turnout.cli.api import Refused, Unreachable
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES: Final = 8
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_SERVER_ERROR: Final = 500
BUSY: Final = frozenset({"overloaded", "throttled"})
"""Refusals that pass: nothing was done, and it may be asked for again."""


class Patience:
    """Waits, as long as the server asks for or longer each time, until something failed `TRIES` times in a row."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        self._tries = 0

    def reset(self) -> None:
        """It worked."""
        self._tries = 0

    def wait(self, error: Unreachable | Refused | TurnoutError) -> None:
        """Wait before the next try. Raises `error` where this was the last one."""
        self._tries += 1
        if self._tries == TRIES:
            raise error
        waits = error.retry_after if isinstance(error, Refused | TurnoutError) else None
        self._pause(min(_FIRST_PAUSE * 2**self._tries, _LONGEST_PAUSE) if waits is None else waits)


def passes(error: Unreachable | Refused, codes: frozenset[str] = BUSY) -> bool:
    """Whether it is no answer, a failure of the server, or one of the refusals that pass."""
    return isinstance(error, Unreachable) or error.status >= _SERVER_ERROR or error.code in codes
