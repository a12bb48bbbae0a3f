"""`turnout provider`: the businesses whose attendances are kept."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import rich_click as click

from turnout.catalog.types import WEEK_DAYS
from turnout.cli.base import Group, where
from turnout.cli.types import Id, OneOf, Zone

_PATH = "/admin/v1/providers"
_JSON_HELP = "Print the result as JSON."


@click.group("provider", cls=Group, no_args_is_help=True)
def command() -> None:
    """Add, list and change providers: the businesses whose attendances are kept."""


@command.command(
    "add",
    examples="""
    turnout provider add --id 1 --name "Harbour Yoga" --timezone Europe/London
    turnout provider add --id 2 --name Gym --timezone UTC --week-start sunday
    """,
)
@click.option("--id", "id_", type=Id(), required=True, help="The provider's id.")
@click.option("--name", required=True, help="Its name.")
@click.option("--timezone", type=Zone(), required=True, help="Its time zone (IANA), such as Europe/London.")
@click.option(
    "--week-start", type=OneOf(WEEK_DAYS), default="monday", show_default=True, help="The first day of its week."
)
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def add(*, id_: int, name: str, timezone: str, week_start: str, as_json: bool) -> None:
    """Add a provider. Makes the store, where there is none."""
    body = {"id": id_, "name": _checked(name), "timezone": timezone, "week_start": week_start}
    _send("POST", _PATH, body, "Added", as_json=as_json, create=True)


@command.command(
    "set",
    examples="""
    turnout provider set --id 1 --name "Harbour Yoga & Pilates"
    turnout provider set --id 1 --timezone Europe/Dublin --week-start sunday
    """,
)
@click.option("--id", "id_", type=Id(), required=True, help="The id of the provider to change.")
@click.option("--name", help="Its new name.")
@click.option("--timezone", type=Zone(), help="Its new time zone (IANA).")
@click.option("--week-start", type=OneOf(WEEK_DAYS), help="The new first day of its week.")
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def set_(*, id_: int, name: str | None, timezone: str | None, week_start: str | None, as_json: bool) -> None:
    """Change a provider's name, time zone or week."""
    given = {"name": name if name is None else _checked(name), "timezone": timezone, "week_start": week_start}
    body = {key: value for key, value in given.items() if value is not None}
    if not body:
        raise click.UsageError("Nothing to change: give --name, --timezone or --week-start.")
    _send("PATCH", f"{_PATH}/{id_}", body, "Changed", as_json=as_json, create=False)


@command.command("list", examples="turnout provider list\nturnout provider list --json")
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def list_(*, as_json: bool) -> None:
    """List the providers."""
    from turnout.cli.connect import print_list  # noqa: PLC0415 - the help needs no connection

    heads = ["ID", "Name", "Time zone", "Week starts"]
    print_list(where(), _PATH, heads, itemgetter("id", "name", "timezone", "week_start"), as_json=as_json)


def _checked(name: str) -> str:
    if not name.strip():
        raise click.BadParameter("a name has at least one character.", param_hint="--name")
    return name.strip()


def _send(method: str, path: str, body: dict[str, Any], done: str, *, as_json: bool, create: bool) -> None:
    from turnout.cli.api import call_json  # noqa: PLC0415 - the help needs no connection
    from turnout.cli.connect import connect  # noqa: PLC0415 - as above
    from turnout.cli.render import say, write_json  # noqa: PLC0415 - as above

    with connect(where(), create=create) as client:
        provider = call_json(client, method, path, body=body)
    if as_json:
        write_json(provider)
    say(
        f"{done} provider {provider['id']}: {provider['name']}, {provider['timezone']}, "
        f"weeks start on {provider['week_start'].capitalize()}."
    )
