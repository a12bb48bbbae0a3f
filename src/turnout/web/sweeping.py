"""Forgetting what is kept for a day, also where nobody comes again: answers to keys, and unfinished uploads."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from turnout.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.web.context import Clock

_log: Final = logging.getLogger("turnout.sweep")

_EVERY: Final = 3_600.0


class Sweeping:
    """Calls each of `expire` with the present (microseconds since 1970), at the start and then hourly.

    It runs in a thread of its own. What fails is tried again an hour later.
    """

    def __init__(self, clock: Clock, *expire: Callable[[int], None]) -> None:
        self._clock = clock
        self._expire = expire
        self.background = Background("sweep", self._work)

    def once(self) -> None:
        """Do it now."""
        for expire in self._expire:
            try:
                expire(self._clock.now())
            except Exception:  # noqa: BLE001 - it is logged, and tried again
                self.background.check()  # the store may have been closed under it
                _log.warning("what is too old could not be forgotten", exc_info=True)

    def _work(self) -> None:
        while True:
            self.once()
            self.background.pause(_EVERY)
