"""The version of the tables in PostgreSQL: they are made, or brought from an older version to the present one.

The first version that there was in PostgreSQL is `FIRST_VERSION`. A statement of `MIGRATIONS` says what a version was,
whatever the catalogue says today; a test holds an upgraded database to equal a new one. Who comes first does it, in one
transaction, while the others wait.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import psycopg

from turnout.errors import TurnoutError
from turnout.store.postgres_schema import definitions
from turnout.store.postgres_walls import missing_walls, openings, walls
from turnout.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_VERSION: Final = 4
MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    5: (
        """CREATE TABLE saved_view (
            provider_id BIGINT, id BIGINT, owner TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL,
            state TEXT COLLATE "C" NOT NULL, shared BOOLEAN NOT NULL, is_default BOOLEAN NOT NULL,
            updated_at BIGINT NOT NULL, PRIMARY KEY (provider_id, id))""",
    ),
}
"""By the version that they lead to, the statements that make it from the one before.

They run as the owner of the tables, before whom the walls are open meanwhile. The walls of new tables are put up by
themselves.
"""

_VERSION: Final = "schema_version"
"""The name of the version in the table `meta`, as in the embedded store."""
_TURN: Final = 500
"""For so many milliseconds a table is waited for at a time."""
_PAUSE: Final = 1.0
_PATIENCE: Final = 60.0
_MAKING: Final = 0x74756D6B
"""Tells the lock of who makes the tables from others."""
PREPARE: Final = "'turnout database prepare --database postgresql://OWNER@HOST/DATABASE --grant-to ROLE'"
TIDY: Final = "'turnout database tidy --database postgresql://OWNER@HOST/DATABASE'"


def make_tables(connection: psycopg.Connection[Any], *, create: bool = True) -> None:
    """Make the tables where there are none, upgrade older ones, and check the others; in the open transaction.

    Raises `not_found` where there are none and none may be made, and `storage_unavailable` where they are of a newer
    Turnout, or the connection's role may not do what is needed.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
    where, user = connection.info.dbname, connection.info.user
    version = _version(connection)
    if version is None:
        if not create:
            raise TurnoutError("not_found", f"There is no store in the database {where} yet.")
        if not _told(connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')"):
            raise _unfit(
                f"The database {where} has no tables of Turnout's, and the role {user} may not make them", PREPARE
            )
        _run(connection, definitions())
        connection.execute("INSERT INTO meta (name, value) VALUES (%s, %s)", (_VERSION, str(SCHEMA_VERSION)))
        _run(connection, walls())
    elif version > SCHEMA_VERSION:
        raise _unfit(
            f"The database {where} was made by a newer Turnout (schema {version}; this one knows {SCHEMA_VERSION})",
            "the newer Turnout",
        )
    elif version < SCHEMA_VERSION:
        if not owns_tables(connection):
            raise _unfit(
                f"The tables in the database {where} are of an older Turnout (schema {version}; this one needs "
                f"{SCHEMA_VERSION}), and the role {user} does not own them",
                PREPARE,
            )
        _upgrade(connection, version)


def mend_walls(connection: psycopg.Connection[Any]) -> None:
    """Put the walls up again where one is missing, as the owner of the tables."""
    if missing_walls(connection):
        _run(connection, walls())


def owns_tables(connection: psycopg.Connection[Any]) -> bool:
    """Whether the role of a connection may do what only the owner of the tables may."""
    return _told(
        connection,
        "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('attendances')",
    )


def is_made(connection: psycopg.Connection[Any]) -> bool:
    """Whether the database has the tables."""
    return _told(connection, "SELECT to_regclass('attendances') IS NOT NULL")


def _version(connection: psycopg.Connection[Any]) -> int | None:
    if not is_made(connection):
        return None
    found = connection.execute("SELECT value FROM meta WHERE name = %s", (_VERSION,)).fetchall()
    return int(found[0][0]) if found else FIRST_VERSION


def _upgrade(connection: psycopg.Connection[Any], version: int) -> None:
    """Bring the tables to the present version, in turns: behind a lock that is waited for, all readers queue.

    Raises `storage_unavailable` where others have used a table for so long that there was none.
    """
    end = time.monotonic() + _PATIENCE
    while not _upgraded(connection, version):
        if time.monotonic() > end:
            what = f"The tables in the database {connection.info.dbname} are of an older Turnout, and in use"
            raise _unfit(what, "it again when nobody reads for long, such as an export")
        time.sleep(_PAUSE)


def _upgraded(connection: psycopg.Connection[Any], version: int) -> bool:
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = {_TURN}")
            _run(connection, openings())
            for reached in range(version + 1, SCHEMA_VERSION + 1):
                _run(connection, MIGRATIONS[reached])
            _run(connection, walls())
            connection.execute("UPDATE meta SET value = %s WHERE name = %s", (str(SCHEMA_VERSION), _VERSION))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _run(connection: psycopg.Connection[Any], statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _told(connection: psycopg.Connection[Any], question: str) -> bool:
    found = connection.execute(question).fetchall()
    return bool(found and found[0][0])


def _unfit(what: str, remedy: str) -> TurnoutError:
    return TurnoutError("storage_unavailable", f"{what}: run {remedy}.")
