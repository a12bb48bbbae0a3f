"""`turnout doctor`: what is configured, which store, its size, what is wrong with it (contract section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from turnout.cli.base import Command, where
from turnout.errors import EXIT_FAILED

if TYPE_CHECKING:
    from turnout.cli.examine import Findings


@click.command(
    "doctor",
    cls=Command,
    examples="""
    turnout doctor
    turnout --database /var/lib/turnout/turnout.duckdb doctor --json
    turnout doctor --server https://reports.example.com --token tk_...
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(*, as_json: bool) -> None:
    """Say what is configured, which store it is, and what is wrong with it.

    Ends with status 1 where something is wrong. Where a server has the store, it is the server that answers.
    """
    from turnout.cli.examine import examine  # noqa: PLC0415 - the help needs no store
    from turnout.cli.render import write_json  # noqa: PLC0415 - as above

    findings = examine(where())
    if as_json:
        write_json(findings.document())
    else:
        _tell(findings)
    if findings.faults:
        raise Exit(EXIT_FAILED)


def _tell(findings: Findings) -> None:
    from rich import filesize  # noqa: PLC0415 - as above

    from turnout import __version__  # noqa: PLC0415 - as above
    from turnout.cli.render import print_facts, print_table, visible  # noqa: PLC0415 - as above

    print_facts("Turnout", {"version": __version__, **findings.program})
    known = [name for name in ("size", "free") if name in findings.store]
    sizes: dict[str, object] = {name: filesize.decimal(findings.store[name]) for name in known}
    never = {name: "never" for name in ("rebuilt_at", "retained_at") if findings.store.get(name, "") is None}
    kept = {"kept": ", ".join(findings.store["kept"])} if findings.store.get("kept") else {}
    shown = {name: value for name, value in findings.store.items() if name != "kept"}
    print_facts("Store", {**shown, **sizes, **never, **kept})
    if findings.exports:
        size = {"files_size": filesize.decimal(findings.exports["files_size"])}
        first = {"oldest_queued_at": findings.exports["oldest_queued_at"] or "none"}
        print_facts("Exports", {**findings.exports, **size, **first})
    if findings.settings:
        rows = [[name, _shown(value), source] for name, (value, source) in findings.settings.items()]
        print_table(["Setting", "Value", "From"], rows)
    click.echo()
    for fault in findings.faults:
        click.echo(f"Wrong: {visible(' '.join(filter(None, [fault.what, fault.remedy])))}")
    if not findings.faults:
        click.echo("Nothing is wrong.")


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
