"""`turnout sync`: attendances from a server that speaks the protocol, copied and kept up to date."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import rich_click as click
from click.exceptions import Exit

from turnout.cli.base import Command, where
from turnout.cli.types import Address, Id, Lifetime, Share
from turnout.errors import EXIT_FAILED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from turnout.cli.base import Where
    from turnout.sync.passes import Copied, Copy
    from turnout.sync.place import Place
    from turnout.sync.reconcile import Difference
    from turnout.sync.source import Source
    from turnout.sync.target import Target

_TOKEN: Final = "TURNOUT_SYNC_TOKEN"  # noqa: S105 - the name of a variable
_LEAST_TOLD: Final = 2.0
_SECOND: Final = 1_000_000


@click.command(
    "sync",
    cls=Command,
    examples="""
    turnout sync --from https://goteamup.com --token T --provider 4711
    turnout sync --from https://goteamup.com --token T --provider 7 --every 1h
    turnout sync --from https://t.example --token T --provider 1 --dry-run
    turnout sync --from https://t.example --token T --provider 1 --reconcile
    """,
)
@click.option("--from", "source", type=Address(), required=True, help="The server that has the attendances.")
@click.option("--from-token", help=f"Its token, where --token is for --server. ({_TOKEN})")
@click.option("--provider", type=Id(), required=True, help="The provider here whose attendances they become.")
@click.option("--from-provider", type=Id(), help="The provider's id there. [default: the same]")
@click.option("--full", is_flag=True, help="Read everything anew, from the beginning.")
@click.option("--reconcile", is_flag=True, help="Then compare all ids: fetch what lacks, remove what is gone there.")
@click.option(
    "--max-removed", type=Share(), default="5%", show_default=True, help="Remove no more than this share of the rows."
)
@click.option("--every", type=Lifetime(), metavar="15m", help="Repeat so long after each end, until it is stopped.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    *,
    source: str,
    from_token: str | None,
    provider: int,
    from_provider: int | None,
    full: bool,
    reconcile: bool,
    max_removed: float,
    every: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Copy attendances from another server, and keep the copy up to date.

    The first time everything is read, in the order of ids; after that what is new and what changed. The place is kept
    with the rows: stopped at any moment, the same command goes on where it was. A server that is busy is waited for.

    --token is the token of the source; where --server has one too, the source's is --from-token. Rows that cannot be
    taken are named at the end, with exit status 1, and the others are copied.
    """
    place = where()
    token = _source_token(place, from_token)
    if every and dry_run:
        raise click.UsageError("--every and --dry-run cannot be given together.")
    place.remote()  # says what is wrong with --server before anything is asked
    wanted = _Wanted(source, token, provider, from_provider or provider, full, reconcile, max_removed, dry_run, as_json)
    if every:
        _repeat(wanted, every)
    elif not wanted.once():
        raise Exit(EXIT_FAILED)


def _source_token(place: Where, from_token: str | None) -> str:
    """The source's token: `--from-token`, else `--token`, else the environment; `--token` is then no longer there."""
    token = from_token
    if token is None and place.token and not (place.server and os.environ.get(_TOKEN)):
        token, place.token = place.token, None
    token = (token or os.environ.get(_TOKEN) or "").strip()
    if not token:
        raise click.UsageError(f"The source needs a token: give --token, or set {_TOKEN}.")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise click.UsageError("The source's token has characters that no token has; is it whole, and nothing more?")
    return token


@dataclass
class _Outcome:
    """What one run did, for its summary."""

    copied: Copied
    place: Place | None = None
    remaining: int | None = None
    difference: Difference | None = None
    removed: int = 0
    requests: int = 0
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class _Wanted:
    """What the command line asks for."""

    source: str
    token: str
    provider: int
    from_provider: int
    full: bool
    reconcile: bool
    max_removed: float
    dry_run: bool
    as_json: bool

    def once(self, *, again: bool = False) -> bool:
        """One sync; whether every row could be taken. With `again`, what was to be read anew has been."""
        from turnout.cli.connect import connect  # noqa: PLC0415 - the help needs no connection
        from turnout.cli.sync_target import ServerTarget  # noqa: PLC0415 - as above
        from turnout.sync.errors import SyncError  # noqa: PLC0415 - as above
        from turnout.sync.patience import Patience  # noqa: PLC0415 - as above
        from turnout.sync.source import Source  # noqa: PLC0415 - as above

        patience = Patience(on_wait=_say_wait)
        try:
            with (
                Source(self.source, self.token, self.from_provider, patience=patience) as source,
                connect(where()) as client,
            ):
                outcome = self._carry_out(source, ServerTarget(client, self.provider), full=self.full and not again)
                outcome.requests = source.requests
        except SyncError as error:
            raise _Stopped(error.message, lasting=error.lasting) from error
        _tell(outcome, self)
        return not outcome.copied.refused_count

    def _carry_out(self, source: Source, target: Target, *, full: bool) -> _Outcome:
        from turnout.cli.render import counting  # noqa: PLC0415 - as above
        from turnout.sync.passes import Copy  # noqa: PLC0415 - as above
        from turnout.sync.reconcile import compare  # noqa: PLC0415 - as above

        with counting("Copying") as report:
            copy = Copy(source, target, progress=report)
            outcome = _Outcome(copy.copied)
            if self.dry_run:
                outcome.remaining = copy.remaining(full=full)
            else:
                outcome.place = copy.run(full=full)
        if self.reconcile:
            with counting("Comparing") as report:
                outcome.difference = compare(source, target, progress=report)
            self._settle(outcome, copy, target)
        return outcome

    def _settle(self, outcome: _Outcome, copy: Copy, target: Target) -> None:
        """Say how far the two sides differ, and make them equal."""
        from turnout.cli.render import say  # noqa: PLC0415 - as above
        from turnout.sync.reconcile import check_share, settle  # noqa: PLC0415 - as above

        found = outcome.difference
        assert found is not None  # noqa: S101 - it was just made
        say(
            f"{_rows(len(found.gone.ids))} of {found.here:,} ({found.share:.2%}) gone at the source, "
            f"{_rows(found.lack)} there lacking or older here."
        )
        if not self.dry_run:
            check_share(found, self.max_removed)
            outcome.removed = settle(found, copy, target)


class _Stopped(click.ClickException):
    """The sync stopped before its end. `lasting` where trying again does not help."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


class _Ended(BaseException):
    """Somebody wants the repetition to end."""


def _repeat(wanted: _Wanted, every: str) -> None:
    """Sync again and again. SIGTERM and Ctrl-C end it at once: whatever was copied stays."""
    from turnout.admin import parse_lifetime  # noqa: PLC0415 - the help needs no administration
    from turnout.cli.problems import Failure, show  # noqa: PLC0415 - as above

    seconds = parse_lifetime(every) / _SECOND
    again = False
    try:
        with _signals():
            while True:
                try:
                    wanted.once(again=again)
                    again = True
                except (_Stopped, Failure) as error:
                    if isinstance(error, _Stopped) and error.lasting:
                        raise
                    show(error)
                sys.stdout.flush()
                time.sleep(seconds)
    except _Ended:
        return


@contextmanager
def _signals() -> Iterator[None]:
    """While it lasts, SIGTERM and SIGINT raise `_Ended`."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Ended

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_wait(reason: str, seconds: float) -> None:
    from turnout.cli.render import say  # noqa: PLC0415 - the help needs no words

    if seconds >= _LEAST_TOLD:
        say(f"{reason} Trying again in {seconds:.0f} s.")


def _tell(outcome: _Outcome, wanted: _Wanted) -> None:
    """The result: one line, or JSON; and on standard error what needs looking after."""
    from turnout.cli.render import Words, write_json  # noqa: PLC0415 - as above

    words, copied = Words(), outcome.copied
    for row in copied.refused:
        words.say(f"row {row.id}: {row.column}: {row.reason}" if row.column else f"row {row.id}: {row.reason}")
    if copied.refused_count > len(copied.refused):
        words.say(f"... and {copied.refused_count - len(copied.refused):,} more.")
    if copied.unknown:
        words.say(f"Left out, since reports here have no such members: {', '.join(sorted(copied.unknown))}.")
    if wanted.as_json:
        write_json(_document(outcome))
    else:
        click.echo(_summary(outcome, wanted))
    if copied.refused_count:
        words.error(f"{_rows(copied.refused_count)} cannot be taken; the others were copied.")
    elif outcome.place and outcome.place.refused:
        words.say(f"{_rows(len(outcome.place.refused))} of earlier syncs could not be taken; --reconcile tries again.")


def _summary(outcome: _Outcome, wanted: _Wanted) -> str:
    copied, found = outcome.copied, outcome.difference
    if outcome.remaining is not None:
        differs = f"; {_rows(len(found.gone.ids))} would be removed, {_rows(found.lack)} fetched" if found else ""
        return f"Would read about {_rows(outcome.remaining)} for provider {wanted.provider}{differs}."
    removed = f", {outcome.removed:,} removed" if found else ""
    counts = f"{copied.created:,} created, {copied.updated:,} updated, {copied.unchanged:,} unchanged{removed}"
    return f"Synced provider {wanted.provider}: {counts} ({time.monotonic() - outcome.began:.1f} s)"


def _document(outcome: _Outcome) -> dict[str, Any]:
    from turnout.query.instants import format_utc  # noqa: PLC0415 - as above

    copied, place, found = outcome.copied, outcome.place, outcome.difference
    return {
        "created": copied.created,
        "updated": copied.updated,
        "unchanged": copied.unchanged,
        "rejected": [{"id": row.id, "column": row.column, "reason": row.reason} for row in copied.refused],
        "rejected_count": copied.refused_count,
        "removed": outcome.removed,
        "as_of": format_utc(place.as_of) if place and place.as_of is not None else None,
        "requests": outcome.requests,
        "dry_run": outcome.remaining is not None,
        "remaining": outcome.remaining,
        "gone": len(found.gone.ids) if found else None,
        "lacking": found.lack if found else None,
    }


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
