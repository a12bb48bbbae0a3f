"""`turnout move`: a whole store into another one."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click

from turnout.cli.base import Command, where
from turnout.cli.problems import Failure
from turnout.cli.types import StoreUrl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.jobs.homes import Home
    from turnout.settings import Settings
    from turnout.store.raw import RawStore


_MEMORY: Final = 1 << 30
"""Bytes for an engine, where no setting says it: with more it would be no quicker."""


@click.command(
    "move",
    cls=Command,
    local=True,
    examples="""
    turnout move --from turnout.duckdb --to postgresql://turnout@db/turnout
    turnout move --from postgresql://db/turnout --to turnout.duckdb --json
    turnout move --from a.duckdb --to postgresql://db/turnout --dry-run
    """,
)
@click.option(
    "--from",
    "source",
    type=StoreUrl(),
    required=True,
    metavar="DATABASE",
    help="The store: a file, or postgresql://...",
)
@click.option(
    "--to", "target", type=StoreUrl(), required=True, metavar="DATABASE", help="A new file, or a database without data."
)
@click.option("--from-exports", metavar="DIRECTORY", help="Where its files of exports are.")
@click.option("--to-exports", metavar="DIRECTORY", help="Where they are to be.")
@click.option("--dry-run", is_flag=True, help="Say what would be moved, and move nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    *, source: str, target: str, from_exports: str | None, to_exports: str | None, dry_run: bool, as_json: bool
) -> None:
    """Move a whole store into another one, of whatever kind, and compare the two.

    Attendances, tokens, exports, places of syncs, erased persons and secrets: links, cursors and tokens that were given
    out stay good. Nobody may work on either store meanwhile; the source is left as it was. A move that was
    interrupted is run again, and goes on where it was; the target is refused to everybody until it is whole.

    Files of exports are looked for beside a store's file, or in export_directory.
    """
    from turnout.cli.render import counting, say, write_json  # noqa: PLC0415 - the help needs no store
    from turnout.store.move import move, plan  # noqa: PLC0415 - as above

    where().local_only("move")
    if where().database:
        raise click.UsageError("'turnout move' takes --from and --to, and no --database.")
    if source == target:
        raise click.UsageError("--from and --to are the same store.")
    settings = where().settings()
    memory = f"{settings.memory_limit or _MEMORY}B"
    began = time.monotonic()
    with ExitStack() as stack:
        read = stack.enter_context(_opened(source, written=False, memory_limit=memory))
        files = None
        if dry_run:
            found = plan(read)
        else:
            _must_differ(read, target)
            written = stack.enter_context(_opened(target, written=True, memory_limit=memory))
            files = _Files(read, _home(settings, source, from_exports), _home(settings, target, to_exports))
            with counting("Moving") as report:
                found = move(read, written, progress=report, carry=files.carry)
    seconds = time.monotonic() - began
    if as_json:
        what = {"providers": found.providers, "rows": dict(found.rows), "files": files.carried if files else 0}
        moved_before = {} if dry_run else {"moved_before": found.kept}
        write_json({"moved": not dry_run, **what, **moved_before, "seconds": round(seconds, 3)})
        return
    rows = found.rows
    done = "would be moved" if dry_run else f"moved and compared ({seconds:.1f} s)"
    words = f"{rows['attendances']:,} attendances of {found.providers:,} providers, {rows['token']:,} tokens"
    click.echo(f"{words} and {rows['job']:,} export jobs {done}")
    if files:
        say(f"{files.words()} {read.location} is as it was; remove it when it is not needed any more.")


@dataclass
class _Files:
    """The files of exports, from one home to another."""

    store: RawStore
    source: Home
    target: Home
    carried: int = 0

    def carry(self) -> None:
        from turnout.jobs.files import SECRET, carry_files  # noqa: PLC0415 - as above
        from turnout.store.move import secret_of  # noqa: PLC0415 - as above

        secret = secret_of(self.store, SECRET)
        if secret is None or self._same():
            return
        try:
            self.carried = carry_files(self.source, self.target, secret)
        except OSError as error:
            raise Failure(f"Files of exports cannot be copied to {self.target.place}: {error.strerror}.") from error

    def _same(self) -> bool:
        return Path(self.source.place).resolve() == Path(self.target.place).resolve()

    def words(self) -> str:
        if self._same():
            return f"Files of exports stay in {self.target.place}."
        return f"{self.carried:,} files of exports were copied from {self.source.place} to {self.target.place}."


def _home(settings: Settings, database: str, chosen: str | None) -> Home:
    """Where a server on that database keeps the files of exports, or the place that was `chosen`."""
    from turnout.jobs.homes import home_of  # noqa: PLC0415 - as above

    where = {"database": database, **({"export_directory": chosen} if chosen else {})}
    return home_of(settings.model_copy(update=where))


@contextmanager
def _opened(url: str, *, written: bool, memory_limit: str) -> Iterator[RawStore]:
    from turnout.store.open import StoreOwned, open_raw  # noqa: PLC0415 - as above

    try:
        store = open_raw(url, written=written, memory_limit=memory_limit)
    except StoreOwned as owned:
        raise Failure(f"{owned.message} Stop that process, then run 'turnout move' again.") from owned
    try:
        yield store
    finally:
        store.close()


def _must_differ(read: RawStore, target: str) -> None:
    """Refuse a target file that is the source's; of a database that is seen when it is reached."""
    from turnout.store.open import is_file, store_path  # noqa: PLC0415 - as above

    there = [Path(read.place), store_path(target)] if is_file(target) else []
    if there and all(path.exists() for path in there) and there[0].samefile(there[1]):
        raise Failure(f"{target} is the store itself, {read.location}; give another --to.")
