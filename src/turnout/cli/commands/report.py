"""`turnout report`: the report that HTTP answers, as a table, CSV or JSON."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Final

import rich_click as click

from turnout.catalog.attendances import FORMATS
from turnout.cli.base import Command, where
from turnout.cli.report_options import PANELS, check, check_every, pairs_of, report_of, report_options
from turnout.cli.types import Form, Id

TABLE: Final = "table"
_FORM: Final = Form((TABLE, *FORMATS))


@click.command(
    "report",
    cls=Command,
    more_params=report_options,
    panel_names=PANELS,
    examples="""
    turnout report --provider 1 --status attended --sort customer.name
    turnout report --provider 1 --event-timeframe last_month --columns id,status
    turnout report --provider 1 --all --format csv -o attendances.csv
    turnout report --provider 1 --event-timeframe 2026-Q3 --limit 0 --json
    turnout report --provider 1 --group-by venue.name,day_of_week --pivot month
    """,
)
@click.option("--provider", type=Id(), required=True, help="The provider whose attendances are reported.")
@click.option("--format", "form", type=_FORM, help="The form of the result. [default: table]")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every page, not just one, as a stream. Of very many rows, 'turnout export' is far quicker.",
)
@click.option(
    "--output", "-o", metavar="FILE", help="Write CSV or JSON to a file, which appears when it is whole, or not at all."
)
def command(
    *, provider: int, form: str | None, as_json: bool, every: bool, output: str | None, **given: tuple[str, ...]
) -> None:
    """Report attendances.

    The result goes to standard output, how many rows there are to standard error. The newest events come first,
    unless --sort says otherwise. A list may be repeated or separated by commas.

    With --group-by, --pivot, or 'count', 'day_of_week' or 'event.start_time' among the columns, attendances are
    counted: those with the same values make one row. A table then has bars, and a last row for all that matches.

    A timeframe is today, last_7_days, this_month, year_to_date, 2026-Q3, 2026-10-01..2026-10-15 and many more.

    Times of a table are the provider's, those of CSV and JSON UTC; --timezone chooses another zone. (A table from
    --server is in UTC where the token may not see the provider's zone.)
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} cannot be given together.")
    form = "json" if as_json else form or TABLE
    if output and form == TABLE:
        raise click.UsageError("--output goes with --format csv or --format json: a table is for reading here.")
    pairs = pairs_of(given)
    report = report_of(pairs)
    check(report, pairs, time.time_ns() // 1000, {"format": _FORM.faults(form)})
    if every:
        check_every(pairs)

    from turnout.cli.connect import connect  # noqa: PLC0415 - the help needs no connection
    from turnout.cli.render import write_bytes  # noqa: PLC0415 - as above
    from turnout.cli.report_output import WRITERS, Request  # noqa: PLC0415 - as above
    from turnout.cli.whole import whole_file  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        client = stack.enter_context(connect(where()))
        write = stack.enter_context(whole_file(output, "--output")).write if output else write_bytes
        WRITERS[form](Request(client, provider, pairs, every, write, output, report))
