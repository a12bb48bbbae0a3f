"""`turnout token`: who may ask."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import rich_click as click

from turnout.cli.base import Group, where
from turnout.cli.types import Id, Lifetime, OneOf

_PATH: Final = "/admin/v1/tokens"
_JSON_HELP: Final = "Print the result as JSON."


def _role_option() -> list[click.Parameter]:
    from turnout.admin import ROLES  # noqa: PLC0415 - listing commands needs no administration

    help_ = f"What it may see and do: {', '.join(ROLES)}."
    return [
        click.RichOption(
            ["--role"], type=OneOf(ROLES), metavar="ROLE", default="attendances", show_default=True, help=help_
        )
    ]


@click.group("token", cls=Group, no_args_is_help=True)
def command() -> None:
    """Make, list and revoke the tokens that clients send."""


@command.command(
    "create",
    more_params=_role_option,
    examples="""
    turnout token create --provider 1
    turnout token create --provider 1 --provider 2 --expires 90d
    turnout token create --provider 1 --role super_admin
    TOKEN=$(turnout token create --provider 1)
    """,
)
@click.option("--provider", type=Id(), multiple=True, required=True, help="A provider that it covers; repeatable.")
@click.option("--instructor", type=Id(), help="Whose events it sees, with the role of an instructor.")
@click.option(
    "--expires", type=Lifetime(), metavar="90d", help="How long it lives, in s, m, h, d or w. [default: for ever]"
)
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def create(*, provider: tuple[int, ...], role: str, instructor: int | None, expires: str | None, as_json: bool) -> None:
    """Make a token, and print it alone. It is shown this once; only its hash is kept."""
    from turnout.admin import INSTRUCTOR  # noqa: PLC0415 - the help needs no administration

    if role == INSTRUCTOR and instructor is None:
        raise click.UsageError(f"--role {INSTRUCTOR} needs --instructor: the instructor whose events the token sees.")
    if role != INSTRUCTOR and instructor is not None:
        raise click.UsageError(f"--instructor goes with --role {INSTRUCTOR}; with {role}, the token sees all rows.")

    from turnout.cli.api import call_json  # noqa: PLC0415 - the help needs no connection
    from turnout.cli.connect import connect  # noqa: PLC0415 - as above
    from turnout.cli.render import say, write_json  # noqa: PLC0415 - as above

    body: dict[str, Any] = {"providers": list(dict.fromkeys(provider)), "role": role}
    if instructor is not None:
        body["instructor_id"] = instructor
    if expires is not None:
        body["expires_in"] = expires
    with connect(where()) as client:
        made = call_json(client, "POST", _PATH, body=body)
    if as_json:
        write_json(made)
    else:
        click.echo(made["token"])
    covers = ", ".join(map(str, made["providers"]))
    until = f"expires {made['expires_at']}" if made.get("expires_at") else "does not expire"
    say(f"Token {made['id']} for provider {covers}, role {made['role']}, {until}. It is shown this once.")


@command.command("list", examples="turnout token list\nturnout token list --json")
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def list_(*, as_json: bool) -> None:
    """List the tokens: never themselves, only their last characters."""
    from turnout.cli.connect import print_list  # noqa: PLC0415 - the help needs no connection

    now = datetime.now(UTC)
    heads = ["ID", "Token", "Providers", "Role", "Created", "State"]
    print_list(where(), _PATH, heads, lambda token: _cells(token, now), as_json=as_json)


@command.command("revoke", examples="turnout token revoke 3")
@click.argument("id_", metavar="ID", type=Id())
def revoke(*, id_: int) -> None:
    """Revoke a token: it is refused from the next request on."""
    from turnout.cli.api import call  # noqa: PLC0415 - the help needs no connection
    from turnout.cli.connect import connect  # noqa: PLC0415 - as above
    from turnout.cli.render import say  # noqa: PLC0415 - as above

    with connect(where()) as client:
        call(client, "DELETE", f"{_PATH}/{id_}")
    say(f"Token {id_} is revoked.")


def _cells(token: dict[str, Any], now: datetime) -> list[object]:
    providers = ", ".join(map(str, token["providers"]))
    instructor = f" ({token['instructor_id']})" if token["instructor_id"] else ""
    return [
        token["id"],
        token["hint"],
        providers,
        token["role"] + instructor,
        token["created_at"][:10],
        _state(token, now),
    ]


def _state(token: dict[str, Any], now: datetime) -> str:
    """What has become of a token, with the day in UTC."""
    if token["revoked_at"]:
        return f"revoked {token['revoked_at'][:10]}"
    if not token["expires_at"]:
        return "valid"
    expires = datetime.fromisoformat(token["expires_at"])
    return f"{'expires' if expires > now else 'expired'} {token['expires_at'][:10]}"
