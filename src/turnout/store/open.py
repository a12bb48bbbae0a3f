"""Choosing a store by its URL. A new backend is one line here."""

from __future__ import annotations

import re
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from platformdirs import user_data_path

from turnout.errors import TurnoutError
from turnout.store.duckdb import DuckStore
from turnout.store.owner import StoreOwned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.store.base import Store
    from turnout.store.raw import RawStore

__all__ = ["StoreOwned", "is_file", "kept_beside", "open_raw", "open_store", "store_path"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
CONNECTIONS: Final = 8
"""So many are enough for one command."""
_TELLING: Final = frozenset({"dbname", "hostaddr", "options", "port", "service"})
"""What behind the `?` of an address, beside its host, says which database it is, and which tables in it."""
_SERVERS: Final = frozenset({"postgresql", "postgres"})


def open_store(
    url: str,
    *,
    create: bool = True,
    memory_limit: str | None = None,
    threads: int | None = None,
    temp_directory: str | None = None,
    connections: int = CONNECTIONS,
    limit: float | None = None,
) -> Store:
    """Open the store at `url`: a file's path, or `duckdb:///PATH`, is the embedded store, `postgresql://` a database.

    With `create` it is made where there is none. `memory_limit` (such as `1GB`) and `threads` bound what the engine of
    this process takes; what does not fit in memory goes to `temp_directory`, by default what `kept_beside` says. To a
    database there are at most so many `connections`, and it ends a page's statement after `limit` seconds. Raises
    `TurnoutError` `storage_unavailable`, of which `StoreOwned` names the process that has the file open, and
    `not_found`.
    """
    spilled = Path(temp_directory) if temp_directory else None
    if is_file(url):
        return DuckStore(store_path(url), memory_limit=memory_limit, threads=threads, temp_directory=spilled)
    with _driver():
        from turnout.store.postgres import PostgresStore  # noqa: PLC0415 - the embedded store needs no driver
    return PostgresStore(
        url,
        spilled=spilled or kept_beside(url, "tmp"),
        create=create,
        memory_limit=memory_limit,
        connections=connections,
        limit=limit,
    )


@contextmanager
def _driver() -> Iterator[None]:
    """Say what to install where that of PostgreSQL is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"The driver of PostgreSQL is not installed ({error.name}): pip install 'turnout[postgresql]'."
        raise TurnoutError("storage_unavailable", message) from error


def is_file(url: str) -> bool:
    """Whether the store at `url` is an embedded one. Raises `storage_unavailable` where none has such an address."""
    match = _SCHEME.match(url)
    if match is None:
        return True
    if match[1] in _SERVERS:
        return False
    parts = urlsplit(url)
    if match[1] == "duckdb" and not parts.netloc and len(parts.path) > 1:
        return True
    raise TurnoutError(
        "storage_unavailable",
        f"There is no store for '{match[1]}://' addresses; give the path of a file, or postgresql://HOST/DATABASE.",
    )


def open_raw(url: str, *, written: bool, memory_limit: str | None = None) -> RawStore:
    """Open the store at `url` for a move out of it or, `written`, into it: then it is made where there is none.

    Raises as `open_store`, and where a store that is only to be read is missing, of an older Turnout, or not whole.
    """
    if not is_file(url):
        with _driver():
            from turnout.store.postgres_raw import PostgresRaw  # noqa: PLC0415 - as in `open_store`
        return PostgresRaw(url, written=written)
    from turnout.store.duckdb_raw import DuckRaw  # noqa: PLC0415 - a server has no use for it

    return DuckRaw(store_path(url), written=written, memory_limit=memory_limit)


def store_path(url: str) -> Path:
    """The absolute path of an embedded store's file."""
    if not is_file(url):
        raise TurnoutError(
            "storage_unavailable",
            "This store is a database and no file: it has its own tools for backups, and 'turnout move' fills it.",
        )
    return _absolute(unquote(urlsplit(url).path) if _SCHEME.match(url) else url)


def kept_beside(url: str, what: str, directory: str | None = None) -> Path:
    """Where those who use a store keep files of a kind: beside an embedded store's file; a database's in `directory`.

    Without one, that is a directory of the database's own in the user's data directory.
    """
    if is_file(url):
        file = store_path(url)
        return file.with_name(f"{file.name}.{what}")
    if directory:
        return _absolute(directory) / what
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    whose = (parts.netloc.rpartition("@")[2], parts.path, *sorted(asked.get("host", ())))
    if asked.keys() & _TELLING:  # the others keep the directory that they have
        with _driver():
            from turnout.store.postgres_address import identity  # noqa: PLC0415 - as in `open_store`
        whose = identity(url)
    return user_data_path("turnout") / f"postgresql-{sha256(repr(whose).encode()).hexdigest()[:12]}" / what


def _absolute(path: str) -> Path:
    if not path or "\0" in path:
        raise TurnoutError("storage_unavailable", "The store's path is empty or not a path.")
    return Path(path).expanduser().absolute()
