"""Where the stores of the tests are: files, or, with `--store postgresql`, databases of a server of this run's own.

A test names its store by the path of a file, in a directory of its own; `address_of` says what that stands for.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import psycopg

from cluster import OWNER, as_role, beside, make_role

if TYPE_CHECKING:
    from pathlib import Path

EMBEDDED, POSTGRESQL = "embedded", "postgresql"

server: str | None = None
"""The address of the server; None where stores are files."""
share = 4
"""Of the random cases of a test, one in so many is tried."""


def try_cases(store: str, *, search: bool) -> None:
    """All of them when more are searched for; half as many on databases, where each takes ten times as long."""
    global share  # noqa: PLW0603 - said once, before any test is read
    share = (1 if search else 4) * (2 if store == POSTGRESQL else 1)


def examples(number: int) -> int:
    """How many random cases a test tries, of the `number` of `make search`."""
    return max(4, number // share)


def address_of(path: Path) -> str:
    """The address of the store that a test calls `path`; a database is made when it is first asked for."""
    if server is None:
        return str(path)
    name = f"t_{sha256(bytes(path)).hexdigest()[:24]}"
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchall():
            make_role(connection, OWNER)
            connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    return as_role(beside(server, name), OWNER)


def settings_of(path: Path) -> dict[str, str]:
    """The settings by which a server or a command reaches the store, and keeps its files in the test's directory."""
    return {"database": address_of(path), **({"data_directory": str(path.parent)} if server else {})}
