"""`turnout customer`: what is stored of a person."""

from __future__ import annotations

from typing import Final

import rich_click as click

from turnout.cli.base import Group, where
from turnout.cli.types import Id

_PATH: Final = "/admin/v1/customers"


@click.group("customer", cls=Group, no_args_is_help=True)
def command() -> None:
    """Tell what is stored of a customer."""


@command.command(
    "export",
    examples="""
    turnout customer export 4711 --provider 1
    turnout customer export 4711 --provider 1 -o customer-4711.json
    """,
)
@click.argument("id_", metavar="ID", type=Id())
@click.option("--provider", type=Id(), required=True, help="The provider whose customer it is.")
@click.option("--output", "-o", metavar="FILE", help="Write to a file, which appears when it is whole, or not at all.")
def export(*, id_: int, provider: int, output: str | None) -> None:
    """Print all that is stored of a customer, as one JSON document.

    It has the customer's members with the time and the attendance that said each, every attendance with all columns,
    and the receipt where the customer was erased; and nothing of anybody else but the instructors' names.
    """
    from contextlib import ExitStack  # noqa: PLC0415 - the help needs no connection

    from turnout.cli.api import answered  # noqa: PLC0415 - as above
    from turnout.cli.connect import connect  # noqa: PLC0415 - as above
    from turnout.cli.render import write_bytes  # noqa: PLC0415 - as above
    from turnout.cli.whole import whole_file  # noqa: PLC0415 - as above

    headers = {"TeamUp-Provider-ID": str(provider)}
    with ExitStack() as stack:
        client = stack.enter_context(connect(where()))
        write = stack.enter_context(whole_file(output, "--output")).write if output else write_bytes
        response = stack.enter_context(answered(client, "GET", f"{_PATH}/{id_}", whole=False, headers=headers))
        for piece in response.iter_bytes():
            write(piece)
        write(b"\n")
