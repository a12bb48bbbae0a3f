"""`turnout export`: a whole report as a file (contract section 8)."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import rich_click as click

from turnout.catalog.exports import EXPORTS, FILE_FORMATS
from turnout.cli.base import Command, where
from turnout.cli.report_options import PANELS, check, pairs_of, report_of, report_options
from turnout.cli.types import Id, OneOf

if TYPE_CHECKING:
    from turnout.cli.exporting import Exported

STDOUT: Final = "-"


@click.command(
    "export",
    cls=Command,
    more_params=partial(report_options, tuple(EXPORTS.values())),
    panel_names=[name for name in PANELS if name != "Which page"],
    examples="""
    turnout export --provider 1 -o attendances.csv
    turnout export --provider 1 --event-timeframe 2026-Q3 -o q3.json --json
    turnout export --provider 1 --status no_show -o - --format ndjson > f.ndjson
    turnout export --provider 1 --group-by venue.name --pivot week -o weeks.xlsx
    turnout export --provider 1 -o a.csv --server https://host --token tk_x
    """,
)
@click.option("--provider", type=Id(), required=True, help="The provider whose attendances are exported.")
@click.option(
    "--format", "form", type=OneOf(FILE_FORMATS), help="The form of the file; by its ending, csv where it has none."
)
@click.option(
    "--output", "-o", metavar="FILE|-", required=True, help="The file, which appears when it is whole, or not at all."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(*, provider: int, form: str | None, output: str, as_json: bool, **given: tuple[str, ...]) -> None:
    """Export every attendance that matches, as of one moment, to a file.

    The server does it as a job, in the background of everything else; Ctrl-C cancels it. Its own copy of the file is
    there for a while, for the links of the API. Where no server runs, this command does the work itself.
    """
    if as_json and output == STDOUT:
        raise click.UsageError("--json and --output - cannot be given together: both are for standard output.")
    form = form or _format_of(output)
    pairs = pairs_of(given)
    report = EXPORTS[report_of(pairs).name]
    check(report, pairs, time.time_ns() // 1000)

    from turnout.cli.connect import connect  # noqa: PLC0415 - the help needs no connection
    from turnout.cli.exporting import export  # noqa: PLC0415 - as above

    with connect(where()) as client:
        done = export(client, provider, report, [("format", form), *pairs], output)
    _tell(done, output, as_json=as_json)


def _format_of(output: str) -> str:
    """The form that a file's ending says; the first one where it has none."""
    _, dot, ending = output.rpartition("/")[2].rpartition(".")
    if output == STDOUT or not dot:
        return FILE_FORMATS[0]
    if ending.lower() not in FILE_FORMATS:
        choices = ", ".join(f".{form}" for form in FILE_FORMATS)
        raise click.UsageError(f"No form of a file ends in {'.' + ending!r}: {choices}; or say it by --format.")
    return ending.lower()


def _tell(done: Exported, output: str, *, as_json: bool) -> None:
    from pathlib import Path  # noqa: PLC0415 - as above

    from rich import filesize  # noqa: PLC0415 - as above

    from turnout.cli.render import say, write_json  # noqa: PLC0415 - as above

    if as_json:
        members = {"job": done.job, "rows": done.rows, "size": done.size, "seconds": round(done.seconds, 3)}
        write_json({"file": str(Path(output).absolute()), "format": done.format, **members})
        return
    where_to = "" if output == STDOUT else f" in {output}"
    say(f"{done.rows:,} rows{where_to}, {filesize.decimal(done.size)} ({done.seconds:.1f} s).")
