"""`turnout database`: what the owner of a PostgreSQL database does for the server that works in it."""

from __future__ import annotations

import rich_click as click

from turnout.cli.base import Group, database_address


@click.group("database", cls=Group, local=True, no_args_is_help=True)
def command() -> None:
    """Prepare a PostgreSQL database for a server, and do there what only the owner of its tables may."""


@command.command(
    "prepare",
    local=True,
    examples="""
    turnout database prepare --database postgresql://owner@db/x --grant-to web
    """,
)
@click.option("--grant-to", "role", metavar="ROLE", help="Let this role, the server's, use the tables.")
def prepare(*, role: str | None) -> None:
    """Make the tables in the database, or bring those of an older Turnout up to date.

    With --grant-to, the role may read and change their rows, and nothing else; run it with the same role after each
    update. It can be run at any time, and again.
    """
    from turnout.cli.render import say  # noqa: PLC0415 - the help needs no store
    from turnout.store.postgres_owner import prepare as prepare_it  # noqa: PLC0415 - as above

    prepare_it(database_address("database prepare"), role)
    say("The tables are there, and up to date." + (f" The role {role} may use them." if role else ""))


@command.command(
    "tidy", local=True, examples="turnout database tidy --database postgresql://owner@db.example.com/turnout"
)
def tidy() -> None:
    """Overwrite what the tables' files still hold of persons who were erased.

    The tables that held it are written anew, each closed to everybody while that takes: about a minute for 10,000,000
    attendances. 'turnout doctor' says when it is due.
    """
    from turnout.cli.render import say  # noqa: PLC0415 - the help needs no store
    from turnout.store.postgres_owner import tidy as tidy_it  # noqa: PLC0415 - as above

    done = tidy_it(database_address("database tidy"))
    say("What was forgotten is overwritten." if done else "Nothing is to be done.")
