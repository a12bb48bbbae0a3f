"""What every connection to a PostgreSQL database is made with, whoever makes it, and which databases are fit."""

from __future__ import annotations

import os
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from turnout.errors import TurnoutError

_ENCODING: Final = "UTF8"
_PLANNED: Final = (
    "-c jit=off "
    # Rows of a provider lie together, and mostly in memory. With the default, 4, a page of a provider with 1,500,000 of
    # 10,000,000 rows read all of them: 3.9 s instead of 0.3.
    "-c random_page_cost=1.1"
)
"""How the database is to plan, unless the address says otherwise."""
NO_ADDRESS: Final = "This is not an address of a database: postgresql://USER@HOST:PORT/DATABASE."


def parameters(address: str, settings: str = "") -> dict[str, Any]:
    """The parameters of a connection to `address` that has these `settings`, such as `-c TimeZone=UTC`, beside its own.

    It speaks UTF-8, whatever the environment, the role or the database says: COPY brings bytes as they are. Raises
    `psycopg.ProgrammingError` where it is no address.
    """
    own = conninfo_to_dict(address).get("options", os.environ.get("PGOPTIONS", ""))
    return {"client_encoding": _ENCODING, "options": f"{_PLANNED} {own} {settings}".strip()}


def identity(address: str) -> tuple[str, ...]:
    """What of an address says which database it is, and which tables in it: the same for whoever it names.

    Raises `storage_unavailable` where it is no address.
    """
    try:
        known = conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        raise TurnoutError("storage_unavailable", NO_ADDRESS) from None
    return tuple(str(known.get(name, "")) for name in ("host", "hostaddr", "port", "dbname", "options", "service"))


def must_be_fit(connection: psycopg.Connection[Any]) -> None:
    """Raise `storage_unavailable` where the database does not hold every text, or does not know what its bytes mean."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != _ENCODING:
        raise TurnoutError(
            "storage_unavailable",
            f"The database {connection.info.dbname} has the encoding {encoding}, in which not every text can be kept: "
            f"make one by CREATE DATABASE ... ENCODING '{_ENCODING}' TEMPLATE template0.",
        )
