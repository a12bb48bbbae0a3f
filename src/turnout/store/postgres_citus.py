"""A Citus cluster: which tables are spread over its nodes by their provider, and which are whole on each of them.

A provider's rows of all spread tables are on one node, beside each other: what is asked of one provider is asked of one
shard. The other tables are small, or read for all providers at once; each node has a copy of them (reference tables).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from turnout.errors import TurnoutError
from turnout.store.postgres_schema import columns_by_table
from turnout.store.postgres_together import TABLES
from turnout.store.postgres_walls import ACROSS, passes_walls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import psycopg

BY: Final = "provider_id"
ANCHOR: Final = "attendances"
"""The table beside whose shards those of the others lie."""
REFERENCE: Final = "reference"
SPREAD: Final = "distributed"
LOCAL: Final = "local"
WITHOUT_CITUS: Final = (
    "The database has no Citus: install the package postgresql-VERSION-citus-13.x on every node, add citus to the "
    "setting shared_preload_libraries, and run CREATE EXTENSION citus in the database, as its administrator."
)


@dataclass(frozen=True, slots=True)
class Step:
    """How a table lies in the database, how it is to lie, and the statement that brings it there, if it is not."""

    table: str
    now: str
    wanted: str
    statement: str | None


def is_citus(connection: psycopg.Connection[Any]) -> bool:
    """Whether the database is one of a Citus cluster."""
    return bool(connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchall())


def spread() -> list[str]:
    """The tables that are distributed by provider, `ANCHOR` before those that lie beside it."""
    found = [table for table, columns in columns_by_table().items() if BY in columns and table not in ACROSS]
    return sorted(found, key=lambda table: table != ANCHOR)


def steps(connection: psycopg.Connection[Any]) -> list[Step]:
    """What is there, and what is to be done, in its order. Without Citus, every table is still to be done."""
    now = _lying(connection)
    # Copies first: they are small, and what reads them beside a spread table needs them on every node.
    copies = [table for table in columns_by_table() if table not in spread()]
    found = []
    for table in [*copies, *spread()]:
        wanted, statement = _wanted(table)
        there = now.get(table, LOCAL)
        found.append(Step(table, there, wanted, None if there == wanted else statement))
    # Changed by each request, and of no provider: they stay where all requests come by.
    return [*found, *(Step(table, now.get(table, LOCAL), LOCAL, None) for table in TABLES)]


def distribute(connection: psycopg.Connection[Any], on_step: Callable[[Step], None] = lambda _: None) -> Sequence[Step]:
    """Bring every table where it is to lie, on a connection of the owner's in autocommit, and return what was done.

    Reports are answered meanwhile, and rows arrive: only a small table is closed to changes while it is copied. What
    was interrupted goes on where it was. Raises `conflict` where it cannot be done, with the reason.
    """
    _check(connection)
    done = [step for step in steps(connection) if step.statement]
    for step in done:
        on_step(step)
        if step.now not in (LOCAL, _ALONE):
            raise TurnoutError("conflict", f"The table {step.table} is {step.now}, and is to be {step.wanted}.")
        connection.execute(step.statement or "")
    return done


_ALONE: Final = "local, in the metadata"
"""What a table is whose distribution was interrupted: Citus knows of it already, and goes on."""


def _wanted(table: str) -> tuple[str, str]:
    if table not in spread():
        return REFERENCE, f"SELECT create_reference_table('{table}')"
    beside = "none" if table == ANCHOR else ANCHOR
    wanted = f"{SPREAD} by {BY}" + ("" if table == ANCHOR else f", beside {ANCHOR}")
    return wanted, f"SELECT create_distributed_table_concurrently('{table}', '{BY}', colocate_with => '{beside}')"


def _lying(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """How each table lies that Citus knows of."""
    if not is_citus(connection):
        return {}
    rows = connection.execute(
        "SELECT table_name::TEXT, citus_table_type, distribution_column, colocation_id FROM citus_tables"
    ).fetchall()
    beside = {colocation for table, _, _, colocation in rows if table == ANCHOR}
    return {table: _described(table, kind, by, colocation in beside) for table, kind, by, colocation in rows}


def _described(table: str, kind: str, by: str, is_beside: bool) -> str:
    if kind == LOCAL:
        return _ALONE
    if kind != SPREAD:
        return kind
    return f"{kind} by {by}" + (f", beside {ANCHOR}" if is_beside and table != ANCHOR else "")


def _check(connection: psycopg.Connection[Any]) -> None:
    """Raise where the tables cannot be distributed."""
    for reason in _reasons(connection):
        raise TurnoutError("conflict", reason)


def _reasons(connection: psycopg.Connection[Any]) -> Iterator[str]:
    user = connection.info.user
    if not is_citus(connection):
        yield WITHOUT_CITUS
        return
    if not passes_walls(connection):
        # Citus copies rows as the owner of the table, and would find none of them.
        yield (
            f"The role {user} is held by row-level security, by which Citus would leave all rows behind: "
            f"run ALTER ROLE {user} BYPASSRLS as the database's administrator (the server's own role stays as it is)."
        )
    ((nodes,),) = connection.execute(
        "SELECT count(*) FROM pg_dist_node WHERE isactive AND shouldhaveshards AND noderole = 'primary'"
    ).fetchall()
    if not nodes:
        yield "The cluster has no node that may hold shards: add one with SELECT citus_add_node('HOST', 5432)."
    ((level,),) = connection.execute("SELECT current_setting('wal_level')").fetchall()
    if level != "logical":
        yield "The setting wal_level has to be 'logical' on every node, so that rows can arrive while they are copied."
