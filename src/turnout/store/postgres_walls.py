"""A second wall between providers: the database itself shows a transaction the rows of one provider (ADR 0014).

Each transaction says which provider it is about, in a setting that ends with it. A policy on every table that holds a
provider's data compares the rows with it, whatever a statement asks for; without the setting there are none. What the
server does for all providers at once, such as taking the next job, says so, and only the tables of `ACROSS` answer it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from turnout.store.postgres_schema import columns_by_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

SETTING: Final = "turnout.provider"
EVERY: Final = "*"
"""The scope of what is done for all providers at once."""
Scope = int | Literal["*"] | None
"""Whose rows a transaction sees: a provider's, by its id, those of `ACROSS` of every one, or nobody's."""
ACROSS: Final = frozenset({"job", "job_alive", "retention"})
"""The tables that are also read and changed for all providers at once."""
COUNTED: Final = "change"
"""The table that anybody may read: it counts changes and rows, on every request, and says nothing else."""
POLICY: Final = "of_provider"

_SAID: Final = f"NULLIF(current_setting('{SETTING}', true), '')"
_MINE: Final = f"provider_id = NULLIF({_SAID}, '{EVERY}')::BIGINT"
# For a transaction that a connection pooler or the like hands on: what an earlier one said has ended with it.
_LOCAL: Final = f"SET LOCAL {SETTING} = '{{}}'"


def walled() -> list[str]:
    """The tables that hold data of providers: each row names the one that it belongs to."""
    return [table for table, columns in columns_by_table().items() if "provider_id" in columns]


def walls() -> Iterator[str]:
    """The statements that put the policies up. They may be repeated."""
    for table in walled():
        own = f"{_MINE} OR {_SAID} = '{EVERY}'" if table in ACROSS else _MINE
        yield f"DROP POLICY IF EXISTS {POLICY} ON {table}"
        yield f"CREATE POLICY {POLICY} ON {table} USING ({own})"
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        # Its owner is no exception.
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    yield f"DROP POLICY IF EXISTS counted ON {COUNTED}"
    yield f"CREATE POLICY counted ON {COUNTED} FOR SELECT USING (true)"


def openings() -> Iterator[str]:
    """The statements that let the owner of the tables see all rows again, until `walls` are put up."""
    return (f"ALTER TABLE IF EXISTS {table} NO FORCE ROW LEVEL SECURITY" for table in walled())


def saying(scope: int | Literal["*"]) -> str:
    """The statement by which a transaction says whose rows it is about."""
    return _LOCAL.format(EVERY if scope == EVERY else f"{scope:d}")


def say(connection: psycopg.Connection[Any], scope: Scope) -> None:
    """Say in the open transaction whose rows it is about."""
    if scope is not None:
        connection.execute(saying(scope))


def passes_walls(connection: psycopg.Connection[Any]) -> bool:
    """Whether no policy holds for the role of a connection."""
    found = connection.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
    return bool(found.fetchall()[0][0])


def missing_walls(connection: psycopg.Connection[Any]) -> list[str]:
    """The tables of providers' data on which no policy holds, or not for their owner."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relname = ANY (%s) AND relnamespace = "
        "(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('attendances')) "
        "AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname",
        (walled(),),
    )
    return [table for (table,) in found.fetchall()]


def faults_of_walls(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Where the walls do not hold, and what to do about it."""
    if passes_walls(connection):
        yield (
            f"The server's role {connection.info.user} passes row-level security, so that the database keeps no "
            "provider's rows from another's: give the server a role of its own, by 'turnout database prepare "
            "--grant-to ROLE'."
        )
    if missing := missing_walls(connection):
        yield (
            f"Row-level security is off for {', '.join(missing)}: 'turnout database prepare', as the tables' owner, "
            "puts it up again."
        )
