"""Work that one process does for all that share a store: which one that is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.store.base import Store

LEAD_SECONDS: Final = 60.0
"""After so many seconds of silence another process does a work."""


class Lead:
    """Which of the processes that share a store does some work. Where only one process has it, that one does.

    Asked often: the store is asked again when half of the time is over for which it said yes.
    """

    def __init__(self, store: Store, work: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._together = store.together
        self._work = work
        self._monotonic = monotonic
        self._until = 0.0

    def __call__(self) -> bool:
        """Whether it is this process. Raises `storage_unavailable`."""
        if self._together is None:
            return True
        now = self._monotonic()
        if now > self._until - LEAD_SECONDS / 2:
            self._until = now + LEAD_SECONDS if self._together.lead(self._work, LEAD_SECONDS) else 0.0
        return self._until > 0
