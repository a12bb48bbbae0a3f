"""`turnout import`: rows from a file into the store, all or none (contract section 5)."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import rich_click as click
from click.exceptions import Exit

from turnout.cli.base import Command, where
from turnout.cli.problems import Failure
from turnout.cli.types import Id
from turnout.errors import EXIT_FAILED, TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from turnout.imports import ImportResult
    from turnout.settings import Settings

STDIN: Final = "-"
_MANY: Final = 100_000
"""After so many new rows the command puts the store in order itself; a server does it after fewer."""


@click.command(
    "import",
    cls=Command,
    examples="""
    turnout import attendances.csv --provider 1
    turnout import rows.ndjson.gz --provider 1 --rejects bad.ndjson
    zcat rows.csv.gz | turnout import - --provider 1 --dry-run
    turnout import rows.csv --provider 1 --server http://host:8000 --token tk_x
    """,
)
@click.argument("file", metavar="FILE|-")
@click.option("--provider", type=Id(), required=True, help="The provider whose attendances they are.")
@click.option("--rejects", type=click.Path(), metavar="FILE", help="Import the good rows, and write the bad ones here.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(*, file: str, provider: int, rejects: str | None, dry_run: bool, as_json: bool) -> None:
    """Import attendances from a file, or from standard input.

    The file is JSON (an answer of the report, or an array of rows), NDJSON (a row on each line) or CSV (whose header
    has the report's keys, other names or labels), plain or compressed with gzip; its content tells which.

    A row is known by its id, and replaces an older one. With one bad row nothing is changed, unless --rejects has a
    file for the bad ones. Where a server has the store, the rows go through it; to a server elsewhere a large file goes
    in parts, and one that was interrupted goes on when the command is run again.
    """
    from turnout.cli.render import progress  # noqa: PLC0415 - as above
    from turnout.cli.whole import must_be_replaceable  # noqa: PLC0415 - as above

    remote = where().remote()
    if rejects:
        must_be_replaceable(rejects, "--rejects")  # before all of standard input is read
    began = time.monotonic()
    with ExitStack() as stack:
        beside = None if remote else _beside(where().settings())
        source = stack.enter_context(_source(file, beside))
        rejected = stack.enter_context(_rejects(rejects, file)) if rejects else None
        work = _through_a_server if remote else _here
        report = stack.enter_context(progress("Importing", os.fstat(source.fileno()).st_size, in_bytes=True))
        result = work(source, file, provider, rejected, dry_run=dry_run, report=report)
    _tell(result, file, rejects, seconds=time.monotonic() - began, dry_run=dry_run, as_json=as_json)
    if result.rejected_count:
        raise Exit(EXIT_FAILED)


def _beside(settings: Settings) -> Path | None:
    """The directory of an embedded store, which must be there."""
    from turnout.cli.connect import must_exist  # noqa: PLC0415 - as above

    path = must_exist(settings)
    return path.parent if path else None


def _here(
    source: BinaryIO,
    name: str,
    provider: int,
    rejects: BinaryIO | None,
    *,
    dry_run: bool,
    report: Callable[[int], None],
) -> ImportResult:
    """Import into the store of this machine: as its owner, or through the server that has it."""
    from turnout.cli.connect import opened  # noqa: PLC0415 - as above
    from turnout.cli.patience import BUSY, Patience  # noqa: PLC0415 - as above
    from turnout.cli.render import say  # noqa: PLC0415 - as above
    from turnout.imports import import_rows  # noqa: PLC0415 - as above
    from turnout.settings import cores  # noqa: PLC0415 - as above
    from turnout.store.owner import StoreOwned  # noqa: PLC0415 - as above
    from turnout.upkeep import tend  # noqa: PLC0415 - as above

    settings = where().settings()
    try:
        store = opened(settings, create=False)
    except StoreOwned:
        return _through_a_server(source, name, provider, rejects, dry_run=dry_run, report=report)
    patience = Patience()
    with closing(store):
        while True:
            try:
                result = import_rows(
                    store,
                    provider,
                    source,
                    name,
                    max_text=settings.max_text,
                    rejects=rejects,
                    dry_run=dry_run,
                    processes=cores(),
                    progress=lambda read, _: report(read),
                )
                break
            except TurnoutError as error:
                if error.code not in BUSY:
                    raise
                say(f"{error.message} It is waited for.")
                patience.wait(error)
            source.seek(0)
            if rejects:
                rejects.seek(0)
                rejects.truncate()
        if not dry_run and result.created + result.updated >= _MANY:
            tend(store, lambda: time.time_ns() // 1000)
    return result


def _through_a_server(
    source: BinaryIO,
    _name: str,
    provider: int,
    rejects: BinaryIO | None,
    *,
    dry_run: bool,
    report: Callable[[int], None],
) -> ImportResult:
    from turnout.cli.connect import connect  # noqa: PLC0415 - as above
    from turnout.cli.through import Through  # noqa: PLC0415 - as above

    with connect(where()) as client:
        return Through(client, source, provider, progress=report).run(rejects=rejects, dry_run=dry_run)


def _tell(
    result: ImportResult, file: str, rejects: str | None, *, seconds: float, dry_run: bool, as_json: bool
) -> None:
    from turnout.cli.render import Words, visible, write_json  # noqa: PLC0415 - as above

    words = Words()
    if not rejects:
        for bad in result.rejected:
            for line in bad.report(file):
                words.say(line)
        if result.rejected_count > len(result.rejected):
            least = "at least " if result.stopped else ""
            words.say(f"... and {least}{result.rejected_count - len(result.rejected):,} more.")
    if as_json:
        write_json(as_document(result))
    rows = result.created + result.updated + result.unchanged
    counts = _counts(result)
    if result.rejected_count and not rejects:
        rejected = f"{_rows(result.rejected_count)} rejected; nothing was changed. --rejects FILE imports the others."
        words.error(result.stopped or rejected)
        return
    if not rows + result.rejected_count:
        words.say(f"{'Standard input' if file == STDIN else file} has no rows.")
    if not as_json:
        done = "Would import" if dry_run else "Imported"
        click.echo(f"{done} {_rows(rows)}: {counts} ({seconds:.1f} s)")
    if result.rejected_count:
        words.error(f"{_rows(result.rejected_count)} rejected; {visible(str(rejects))} has them, with the reasons.")


def _counts(result: ImportResult) -> str:
    """What became of the rows; and of how many it was left out who the customer was."""
    erased = f"; {result.erased:,} of erased customers, who stay erased" if result.erased else ""
    return f"{result.created:,} created, {result.updated:,} updated, {result.unchanged:,} unchanged{erased}"


def as_document(result: ImportResult) -> dict[str, Any]:
    """The JSON of contract section 9."""
    return {
        "created": result.created,
        "updated": result.updated,
        "unchanged": result.unchanged,
        "rejected": [bad.document(with_row=False) for bad in result.rejected],
        "rejected_count": result.rejected_count,
        **({"erased": result.erased} if result.erased else {}),
    }


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


@contextmanager
def _source(file: str, beside: Path | None) -> Iterator[BinaryIO]:
    """The file, without a buffer, whose filling an interrupt would have to wait for.

    What comes through a pipe is first kept aside, in the directory `beside`, or else the system's for temporary files:
    whoever writes it may need the store for that (`turnout report ... | turnout import -`), and others need not wait
    for a slow one.
    """
    from_stdin = file == STDIN
    if from_stdin and sys.stdin.isatty():
        click.echo("Reading rows from the terminal; Ctrl-D ends them.", err=True)
    try:
        opened = open(sys.stdin.fileno() if from_stdin else file, "rb", buffering=0, closefd=not from_stdin)  # noqa: SIM115 - a descriptor, closed below
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from error
    with opened, ExitStack() as stack:
        if stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            yield opened
            return
        kept = stack.enter_context(tempfile.TemporaryFile(dir=beside))
        shutil.copyfileobj(opened, kept)
        kept.seek(0)
        yield kept


@contextmanager
def _rejects(path: str, source: str) -> Iterator[BinaryIO]:
    """The file of rejected rows, which is not the one that is imported."""
    from turnout.cli.whole import whole_file  # noqa: PLC0415 - as above

    target = Path(path)
    if source != STDIN and target.exists() and target.samefile(source):
        raise click.UsageError("--rejects names the file that is imported; give it another name.")
    with whole_file(path, "--rejects") as opened:
        yield opened
