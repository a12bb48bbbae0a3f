"""What the owner of the tables does, who is not the server: making them for it, and what only an owner may do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from turnout.errors import TurnoutError
from turnout.store.postgres_citus import Step, distribute, steps
from turnout.store.postgres_migrations import PREPARE, is_made, make_tables, mend_walls, owns_tables
from turnout.store.postgres_persons import is_due, overwrite
from turnout.store.postgres_schema import columns_by_table
from turnout.store.postgres_snapshot import connected, database_errors
from turnout.store.postgres_together import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_GRANTED = "SELECT, INSERT, UPDATE, DELETE"


def prepare(address: str, role: str | None = None) -> None:
    """Make the tables, or bring them up to date, and grant a role what a server needs of them, and nothing else.

    It may be done again. Raises `storage_unavailable` where it cannot be done, and `not_found` without such a role.
    """
    with _owner(address) as connection, connection.transaction():
        make_tables(connection)
        mend_walls(connection)
        if role is not None:
            _grant(connection, role)


def tidy(address: str) -> bool:
    """Overwrite what the tables' files still hold of what was forgotten; False where there is nothing to do."""
    with _owner(address) as connection:
        _check(connection)
        due = is_due(connection)
        if due:
            overwrite(connection)
    return due


def cluster_steps(address: str) -> Sequence[Step]:
    """How the tables lie on a Citus cluster, and how they are to; see `postgres_citus`."""
    with _owner(address) as connection:
        _check(connection, owned=False)
        return steps(connection)


def distribute_tables(address: str, on_step: Callable[[Step], None]) -> Sequence[Step]:
    """Bring them there, and return what was done. Raises `conflict` where that cannot be done, with the reason."""
    with _owner(address) as connection:
        _check(connection)
        return distribute(connection, on_step)


@contextmanager
def _owner(address: str) -> Iterator[psycopg.Connection[Any]]:
    with connected(address, autocommit=True) as connection, database_errors("Using the database"):
        yield connection


def _check(connection: psycopg.Connection[Any], *, owned: bool = True) -> None:
    where, user = connection.info.dbname, connection.info.user
    if not is_made(connection):
        raise TurnoutError("not_found", f"There is no store in the database {where} yet: run {PREPARE}.")
    if owned and not owns_tables(connection):
        message = f"The role {user} does not own the tables: run this as the role that prepared the database {where}."
        raise TurnoutError("conflict", message)


def _grant(connection: psycopg.Connection[Any], role: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchall():
        raise TurnoutError("not_found", f"There is no role {role}: run CREATE ROLE {role} LOGIN as the administrator.")
    name = sql.Identifier(role)
    ((schema,),) = connection.execute(
        "SELECT nspname FROM pg_namespace AS of JOIN pg_class ON relnamespace = of.oid "
        "WHERE pg_class.oid = to_regclass('attendances')"
    ).fetchall()
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), name))
    for table in (*columns_by_table(), *TABLES):
        of_table = sql.SQL(_GRANTED + " ON {} TO {}").format(sql.Identifier(table), name)
        connection.execute(sql.SQL("GRANT ") + of_table)
