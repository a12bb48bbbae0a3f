"""`turnout erase`: forgetting who customers are (contract section 6)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from turnout.cli.base import Group, where
from turnout.cli.types import Id

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

_PATH: Final = "/admin/v1/erasures"
_JSON_HELP: Final = "Print the result as JSON."


@click.group("erase", cls=Group, no_args_is_help=True)
def command() -> None:
    """Erase who customers are: names, e-mail addresses and pictures. Attendances and counts stay."""


@command.command(
    "customer",
    examples="""
    turnout erase customer 4711 --provider 1
    turnout erase customer 4711 4712 4713 --provider 1 --yes --json
    turnout erase customer 4711 --provider 1 --undo
    """,
)
@click.argument("customers", metavar="ID...", type=Id(), nargs=-1, required=True)
@click.option("--provider", type=Id(), required=True, help="The provider whose customers they are.")
@click.option("--yes", is_flag=True, help="Do not ask before.")
@click.option("--undo", is_flag=True, help="Let rows that are imported from now on say again who the customer is.")
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def customer(*, customers: tuple[int, ...], provider: int, yes: bool, undo: bool, as_json: bool) -> None:
    """Erase customers, for good, and print a dated receipt for each.

    Name, e-mail address and picture are gone from all rows, from what the server keeps in memory and from the store's
    files. The customer is shown as "(Deleted Customer)", and stays so when newer rows arrive. Several customers at once
    take hardly longer than one: the store is written anew. Backups that you made still hold them.

    --undo brings nothing back; it lets rows that are imported afterwards say who the customer is.
    """
    ids = list(dict.fromkeys(customers))
    if not (yes or undo or sys.stdin.isatty()):
        raise click.UsageError("There is no terminal to ask on; give --yes to erase without being asked.")

    from turnout.cli.connect import connect  # noqa: PLC0415 - the help needs no connection

    with connect(where()) as client:
        if undo:
            _lift(client, provider, ids)
            return
        if not yes:
            _confirm(_erase(client, provider, ids, dry_run=True))
        _tell(_erase(client, provider, ids), as_json=as_json)


@command.command(
    "expired",
    examples="""
    turnout erase expired --provider 1
    TURNOUT_RETENTION=3y turnout erase expired --provider 1 --json
    """,
)
@click.option("--provider", type=Id(), required=True, help="The provider whose attendances they are.")
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def expired(*, provider: int, as_json: bool) -> None:
    """Erase who the customers of attendances are that are older than the setting 'retention'.

    A server does this by itself, at its start and daily. Newer attendances of the same customers stay as they are.
    """
    from turnout.cli.connect import connect  # noqa: PLC0415 - the help needs no connection
    from turnout.cli.render import write_json  # noqa: PLC0415 - as above

    with connect(where()) as client:
        done = _ask(client, "POST", "/admin/v1/retention", provider)
    if as_json:
        write_json(done)
    elif done["before"] is None:
        click.echo("Nothing is too old: the setting 'retention' has no period.")
    else:
        click.echo(f"{_rows(done['attendances'])} of events before {done['before']} forgot their customers.")


def _erase(client: httpx.Client, provider: int, ids: Sequence[int], *, dry_run: bool = False) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _ask(
        client, "POST", _PATH, provider, body={"customers": ids, **({"dry_run": True} if dry_run else {})}
    )
    return found


def _lift(client: httpx.Client, provider: int, ids: Sequence[int]) -> None:
    from turnout.cli.render import say  # noqa: PLC0415 - as above

    for id_ in ids:
        _ask(client, "DELETE", f"{_PATH}/{id_}", provider)
        say(f"Customer {id_} is erased no more: rows that are imported from now on may say who it is.")


def _confirm(planned: Sequence[dict[str, Any]]) -> None:
    """Ask whether to go on; end the command where not."""
    from turnout.cli.render import say  # noqa: PLC0415 - as above

    for one in planned:
        say(f"Customer {one['customer']}: {_rows(one['attendances'])} will show nobody.")
    click.confirm("Erase name, e-mail address and picture for good?", abort=True, err=True)


def _tell(receipts: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    from turnout.cli.render import write_json  # noqa: PLC0415 - as above

    if as_json:
        write_json({"erasures": receipts})
        return
    for one in receipts:
        click.echo(
            f"Erased customer {one['customer']} of provider {one['provider']} at {one['erased_at']}, "
            f"by {one['erased_by']}: {_rows(one['attendances'])}."
        )


def _ask(client: httpx.Client, method: str, path: str, provider: int, *, body: object = None) -> Any:
    """One request about a provider. The store may be written anew for it, which is waited for."""
    import msgspec  # noqa: PLC0415 - as above

    from turnout.cli.api import answered  # noqa: PLC0415 - as above

    headers = {"TeamUp-Provider-ID": str(provider), "Content-Type": "application/json"}
    content = None if body is None else msgspec.json.encode(body)
    with answered(client, method, path, headers=headers, content=content, timeout=None) as response:
        return msgspec.json.decode(response.content) if response.content else None


def _rows(count: int) -> str:
    return f"{count:,} attendance" if count == 1 else f"{count:,} attendances"
