"""`turnout cluster`: a PostgreSQL database on the nodes of a Citus cluster."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import rich_click as click

from turnout.cli.base import Group, database_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from turnout.store.postgres_citus import Step

_JSON_HELP = "Print the result as JSON."


@click.group("cluster", cls=Group, local=True, no_args_is_help=True)
def command() -> None:
    """Spread a PostgreSQL database over the nodes of a Citus cluster, by provider."""


@command.command(
    "plan",
    local=True,
    examples="""
    turnout cluster plan --database postgresql://owner@db.example.com/turnout
    """,
)
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def plan(*, as_json: bool) -> None:
    """Show how each table lies, how it is to lie, and the statement that 'turnout cluster apply' brings it there with.

    Changes nothing.
    """
    from turnout.cli.render import print_table, write_json  # noqa: PLC0415 - the help needs no store
    from turnout.store.postgres_owner import cluster_steps  # noqa: PLC0415 - as above

    steps = cluster_steps(database_address("cluster plan"))
    if as_json:
        write_json(_document(steps))
        return
    rows = [[step.table, step.now, step.wanted, step.statement or "nothing"] for step in steps]
    print_table(["Table", "Now", "Wanted", "To do"], rows)


@command.command(
    "apply",
    local=True,
    examples="""
    turnout cluster apply --database postgresql://owner@db.example.com/turnout
    """,
)
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def apply(*, as_json: bool) -> None:
    """Spread the tables over the cluster's nodes, while the server goes on.

    Tables with a provider's rows are distributed by provider, beside each other; the others are copied to each node.
    What is done already is passed over, so that it can be run again, and goes on after an interruption.
    """
    from turnout.cli.render import say, write_json  # noqa: PLC0415 - the help needs no store
    from turnout.store.postgres_owner import distribute_tables  # noqa: PLC0415 - as above

    done = distribute_tables(
        database_address("cluster apply"), lambda step: say(f"{step.table}: {step.now}, to be {step.wanted} ...")
    )
    if as_json:
        write_json(_document(done))
    say(f"{len(done)} tables were brought where they are to lie." if done else "Every table lies where it is to.")


def _document(steps: Iterable[Step]) -> list[dict[str, str | None]]:
    return [asdict(step) for step in steps]
