"""Opening the store as the settings say, where another command may have it for a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from turnout.store.open import open_store
from turnout.store.owner import StoreOwned

if TYPE_CHECKING:
    from turnout.settings import Settings
    from turnout.store.base import Store

PATIENCE: Final = 5.0
"""How many seconds are given to an owner that may soon be done, such as the other end of a pipe."""
PAUSE: Final = 0.02

SERVER: Final = "turnout serve"
"""The command that keeps the store until it is told to go."""


def open_own(settings: Settings, *, patience: float = PATIENCE) -> Store:
    """Open the store for this process alone; raise `StoreOwned` where another one has it, and keeps it.

    A server is not waited for: it stays until it is told to go.
    """
    limit = f"{settings.memory_limit}B" if settings.memory_limit else None
    began = time.monotonic()
    while True:
        try:
            return open_store(settings.database, memory_limit=limit, threads=settings.threads)
        except StoreOwned as owned:
            if owned.command == SERVER or time.monotonic() - began >= patience:
                raise
            time.sleep(PAUSE)
