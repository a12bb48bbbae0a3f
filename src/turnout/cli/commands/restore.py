"""`turnout restore`: a backup in the place of the store."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import rich_click as click

from turnout.cli.base import Command, where
from turnout.cli.problems import Failure
from turnout.cli.types import FileName

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.store.backup import Copied


@click.command(
    "restore",
    cls=Command,
    local=True,
    examples="""
    turnout restore turnout-monday.duckdb
    turnout restore monday.duckdb --database /srv/turnout.duckdb --force
    """,
)
@click.argument("file", type=FileName(), metavar="FILE")
@click.option("--force", is_flag=True, help="Replace a store that is there; it is kept under another name.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(*, file: Path, force: bool, as_json: bool) -> None:
    """Put the backup FILE in the place of the store.

    It is copied, read to its end, and brought up to date where an older Turnout made it; then it takes the store's
    name, at once. Nobody may use the store meanwhile. One that is there stays as it is unless --force is given, and is
    kept beside the new one.
    """
    from turnout.cli.render import say, write_json  # noqa: PLC0415 - the help needs no store
    from turnout.store.open import store_path  # noqa: PLC0415 - as above

    where().local_only("restore")
    path = store_path(where().settings().database)
    if path.exists():
        if file.exists() and file.samefile(path):
            raise click.UsageError("FILE is the store itself.")
        if not force:
            raise Failure(f"There is a store {path}; --force replaces it, and keeps it under another name.")
    began = time.monotonic()
    found, kept = _restore(file, path)
    seconds = time.monotonic() - began
    if as_json:
        kept_as = str(kept) if kept else None
        write_json({"store": str(path), **asdict(found), "kept": kept_as, "seconds": round(seconds, 3)})
    else:
        click.echo(f"{found.attendances:,} attendances of {found.providers:,} providers ({seconds:.1f} s)")
        say(f"{path} is what {file} holds." + (f" What it was is kept as {kept}." if kept else ""))


def _restore(file: Path, path: Path) -> tuple[Copied, Path | None]:
    from turnout.cli.render import progress  # noqa: PLC0415 - as above
    from turnout.store.aside import made_aside  # noqa: PLC0415 - as above
    from turnout.store.backup import prepare, put_in_place, room_for  # noqa: PLC0415 - as above
    from turnout.store.duckdb_file import StoreUnfit  # noqa: PLC0415 - as above
    from turnout.store.files import log_of  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        try:
            source = stack.enter_context(file.open("rb"))
            log = stack.enter_context(log_of(file).open("rb")) if log_of(file).exists() else None
        except OSError as error:
            raise Failure(f"{file} cannot be read: {error.strerror}.") from error
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            size = file.stat().st_size
            room_for(size, path.parent)
            made = stack.enter_context(made_aside(path)) / "restored.duckdb"
            with progress("Copying", size, in_bytes=True) as report:
                found = prepare(source, log, made, report)
            return found, put_in_place(made, path, time.time_ns() // 1000)
        except StoreUnfit as unfit:
            other = "; choose another one" if unfit.remedy else ""
            raise Failure(f"The backup {file} {unfit.why}{other}.") from unfit
        except OSError as error:
            raise Failure(f"{path} cannot be written: {error.strerror}.") from error
