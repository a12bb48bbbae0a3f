"""What every connection to a PostgreSQL database is made with, whoever makes it, and which databases are fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    import psycopg

_ENCODING: Final = "UTF8"


def parameters(settings: str = "") -> dict[str, Any]:
    """The parameters of a connection that has these `settings`, such as `-c jit=off`.

    It speaks UTF-8, whatever the environment, the role or the database says: COPY brings bytes as they are.
    """
    return {"client_encoding": _ENCODING, "options": settings}


def must_be_fit(connection: psycopg.Connection[Any]) -> None:
    """Raise `storage_unavailable` where the database does not hold every text, or does not know what its bytes mean."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != _ENCODING:
        raise TurnoutError(
            "storage_unavailable",
            f"The database {connection.info.dbname} has the encoding {encoding}, in which not every text can be kept: "
            f"make one by CREATE DATABASE ... ENCODING '{_ENCODING}' TEMPLATE template0.",
        )
