"""`turnout backup`: a copy of the store, made while it is in use."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from turnout.cli.base import Command, where
from turnout.cli.problems import Failure
from turnout.cli.types import FileName

if TYPE_CHECKING:
    from typing import BinaryIO

    from turnout.cli.base import Where


@click.command(
    "backup",
    cls=Command,
    examples="""
    turnout backup turnout-monday.duckdb
    turnout backup /mnt/backup/turnout.duckdb --force --json
    turnout backup a.duckdb --server https://reports.example.com --token tk_...
    """,
)
@click.argument("file", type=FileName(), metavar="FILE")
@click.option("--force", is_flag=True, help="Replace FILE where it is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(*, file: Path, force: bool, as_json: bool) -> None:
    """Copy the whole store to FILE, as it is at one moment, while it is served and written.

    FILE is a store itself: 'turnout restore' puts it in place. It appears whole or not at all, was read from end to end
    before it does, and only you may read it. It holds everything, hashes of tokens included, and those who are erased
    later.
    """
    from turnout.cli.render import say, write_json  # noqa: PLC0415 - the help needs no store
    from turnout.cli.whole import whole_file  # noqa: PLC0415 - as above
    from turnout.store.backup import look_at  # noqa: PLC0415 - as above
    from turnout.store.duckdb_file import StoreUnfit  # noqa: PLC0415 - as above

    _check(file, where(), force=force)
    began = time.monotonic()
    with whole_file(str(file), "FILE", store=True) as target:
        try:
            _receive(target)
            target.flush()
            os.fsync(target.fileno())
        except OSError as error:
            raise Failure(f"{file} cannot be written: {error.strerror}.") from error
        try:
            found = look_at(Path(target.name))
        except StoreUnfit as unfit:
            raise Failure(
                f"The store is damaged, or its copy: it was read, and {unfit.why}. {file} was not written."
            ) from unfit
    seconds = time.monotonic() - began
    if as_json:
        write_json({"file": str(file.absolute()), **asdict(found), "seconds": round(seconds, 3)})
        return
    click.echo(f"{found.attendances:,} attendances in {found.size:,} bytes ({seconds:.1f} s)")
    say(f"{file} holds the whole store; 'turnout restore {file}' puts it in place.")


def _receive(target: BinaryIO) -> None:
    """Write the copy that the server sends."""
    from turnout.cli.api import answered  # noqa: PLC0415 - as above
    from turnout.cli.connect import connect  # noqa: PLC0415 - as above
    from turnout.cli.render import progress  # noqa: PLC0415 - as above

    with connect(where()) as client, answered(client, "GET", "/admin/v1/backup", whole=False, timeout=None) as response:
        size = int(response.headers["Content-Length"])
        with progress("Copying", size, in_bytes=True) as report:
            for block in response.iter_bytes():
                target.write(block)
                report(target.tell())


def _check(file: Path, place: Where, *, force: bool) -> None:
    """Refuse a name whose file is to be kept."""
    from turnout.store.files import log_of  # noqa: PLC0415 - as above

    if not file.is_file():
        pass  # what is none is refused where it would be written
    elif not place.remote() and _is_the_store(file, place.settings().database):
        raise click.UsageError("FILE is the store itself; give the copy another name.")
    elif not force:
        raise Failure(f"{file} is there already; --force replaces it.")
    if log_of(file).exists():
        raise Failure(f"{log_of(file)} belongs to a store that is, or was, in use as {file}; choose another name.")


def _is_the_store(file: Path, database: str) -> bool:
    from turnout.store.open import is_file, store_path  # noqa: PLC0415 - as above

    return is_file(database) and (store := store_path(database)).exists() and file.samefile(store)
