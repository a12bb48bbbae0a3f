"""`turnout export`: a whole report as a file (contract section 8)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import rich_click as click

from turnout.catalog.exports import EXPORTS, FILE_FORMATS, PAGES, no_page
from turnout.cli.base import Command, where
from turnout.cli.report_options import PANELS, check, export_options, pairs_of, report_of
from turnout.cli.types import Form, Id
from turnout.errors import shown

if TYPE_CHECKING:
    from turnout.cli.exporting import Exported

STDOUT: Final = "-"
_FORM: Final = Form(FILE_FORMATS)
_KNOWN: Final = ", ".join(f".{form}" for form in FILE_FORMATS)


@click.command(
    "export",
    cls=Command,
    more_params=export_options,
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
@click.option("--format", "form", type=_FORM, help="The form of the file; by its ending, csv where it has none.")
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
    pages = [name for name in given if name in PAGES and given[name]]
    pairs = pairs_of({name: values for name, values in given.items() if name not in PAGES})
    report = EXPORTS[report_of(pairs).name]
    wrong = {name: [no_page(name)] for name in sorted(pages)}
    wrong |= {"format": _FORM.faults(form)} if form else {"output": _wrong_ending(output)}
    check(report, pairs, time.time_ns() // 1000, wrong)

    from turnout.cli.connect import connect  # noqa: PLC0415 - the help needs no connection
    from turnout.cli.exporting import export  # noqa: PLC0415 - as above
    from turnout.cli.whole import must_be_replaceable  # noqa: PLC0415 - as above

    if output != STDOUT:
        must_be_replaceable(output, "--output")
    with connect(where()) as client:
        done = export(client, provider, report, [("format", form or _ending(output)), *pairs], output)
    _tell(done, output, as_json=as_json)


def _ending(output: str) -> str:
    """The ending of a file's name, without its dot; the first form's where it has none."""
    _, dot, ending = output.rpartition("/")[2].rpartition(".")
    return FILE_FORMATS[0] if output == STDOUT or not dot else ending.lower()


def _wrong_ending(output: str) -> list[str]:
    ending = _ending(output)
    if ending in FILE_FORMATS:
        return []
    return [f"No form of a file ends in {shown(f'.{ending}')}: {_KNOWN}; or say it by --format."]


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
