"""`turnout report`: the report that HTTP answers, as a table, CSV or JSON."""

from __future__ import annotations

import time
from typing import Final

import rich_click as click

from turnout.catalog.attendances import FORMATS
from turnout.cli.base import Command, where
from turnout.cli.report_options import PANELS, check, pairs_of, report_options
from turnout.cli.types import Id, OneOf

TABLE: Final = "table"


@click.command(
    "report",
    cls=Command,
    more_params=report_options,
    panel_names=PANELS,
    examples="""
    turnout report --provider 1 --status attended --sort -event.starts_at
    turnout report --provider 1 --event-timeframe last_month --columns id,status
    turnout report --provider 1 --all --format csv > attendances.csv
    turnout report --provider 1 --all --format json | jq .total
    """,
)
@click.option("--provider", type=Id(), required=True, help="The provider whose attendances are reported.")
@click.option("--format", "form", type=OneOf((TABLE, *FORMATS)), help="The form of the result. [default: table]")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--all", "every", is_flag=True, help="Every page, not just one, as a stream.")
def command(*, provider: int, form: str | None, as_json: bool, every: bool, **given: tuple[str, ...]) -> None:
    """Report attendances.

    The result goes to standard output, how many rows there are to standard error. A list may be repeated or
    separated by commas. Times are the provider's local times in a table, and UTC elsewhere, unless --timezone is given.
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} cannot be given together.")
    pairs = pairs_of(given)
    check(pairs, time.time_ns() // 1000)

    from turnout.cli.connect import connect  # noqa: PLC0415 - the help needs no connection
    from turnout.cli.report_output import WRITERS, Request  # noqa: PLC0415 - as above

    with connect(where()) as client:
        request = Request(client, provider, pairs, every=every)
        WRITERS["json" if as_json else form or TABLE](request)
