"""Opening the store as the settings say, where another command may have it for a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from turnout.store.open import is_file, kept_beside, open_store
from turnout.store.owner import StoreOwned

if TYPE_CHECKING:
    from turnout.settings import Settings
    from turnout.store.base import Store

PATIENCE: Final = 5.0
"""How many seconds are given to an owner that may soon be done, such as the other end of a pipe."""
PAUSE: Final = 0.02
_LATER: Final = 5.0
"""So many seconds after this process should have ended a statement, the database does."""
_OTHERS: Final = 12
"""Connections beside those of queries and exports: for merges, and whoever is asked who they are."""

SERVER: Final = "turnout serve"
"""The command that keeps the store until it is told to go."""


def open_own(settings: Settings, *, create: bool = True, patience: float = PATIENCE) -> Store:
    """Open the store; raise `StoreOwned` where another process has an embedded one, and keeps it.

    A server is not waited for: it stays until it is told to go. Without `create`, a database without a store is
    `not_found`.
    """
    limit = f"{settings.memory_limit}B" if settings.memory_limit else None
    temporary = None
    if not is_file(settings.database) and settings.data_directory:
        temporary = str(kept_beside(settings.database, "tmp", settings.data_directory))
    began = time.monotonic()
    while True:
        try:
            return open_store(
                settings.database,
                create=create,
                memory_limit=limit,
                threads=settings.threads,
                temp_directory=temporary,
                connections=settings.query_concurrency + settings.export_concurrency + _OTHERS,
                limit=settings.query_timeout + _LATER,
            )
        except StoreOwned as owned:
            if owned.command == SERVER or time.monotonic() - began >= patience:
                raise
            time.sleep(PAUSE)
