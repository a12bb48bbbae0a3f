"""Choosing a store by its URL. A new backend is one line here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from turnout.errors import TurnoutError
from turnout.store.duckdb import DuckStore
from turnout.store.owner import StoreOwned

if TYPE_CHECKING:
    from turnout.store.base import Store

__all__ = ["StoreOwned", "open_store", "store_path"]


def open_store(
    url: str, *, memory_limit: str | None = None, threads: int | None = None, temp_directory: str | None = None
) -> Store:
    """Open the store at `url`: a file's path, or `duckdb:///PATH`, is the embedded store; it is made if missing.

    `memory_limit` (such as `1GB`) and `threads` bound what its engine takes; what does not fit in memory goes to
    `temp_directory`, by default `PATH.tmp`. Raises `TurnoutError` `storage_unavailable`, of which `StoreOwned` names
    the process that has the file open.
    """
    return DuckStore(
        store_path(url),
        memory_limit=memory_limit,
        threads=threads,
        temp_directory=Path(temp_directory) if temp_directory else None,
    )


def store_path(url: str) -> Path:
    """The absolute path of the embedded store's file."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        return _absolute(url)
    parts = urlsplit(url)
    if parts.scheme == "duckdb" and not parts.netloc and len(parts.path) > 1:
        return _absolute(unquote(parts.path))
    raise TurnoutError(
        "storage_unavailable",
        f"There is no store for '{parts.scheme}://' addresses; give the path of a file, or duckdb:///PATH.",
    )


def _absolute(path: str) -> Path:
    if not path or "\0" in path:
        raise TurnoutError("storage_unavailable", "The store's path is empty or not a path.")
    return Path(path).expanduser().absolute()
