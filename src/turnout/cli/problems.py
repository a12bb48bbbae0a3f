"""What goes wrong, in words on standard error, and its exit status: 1 the work failed, 2 the command was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import rich_click as click
from click.exceptions import NoArgsIsHelpError

from turnout.errors import EXIT_FAILED, EXIT_USAGE, NON_FIELD, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from turnout.errors import TurnoutError


# Options that are not called as the member of the request that they become.
_OPTIONS: Final = {"providers": "provider", "instructor_id": "instructor", "expires_in": "expires"}


class Failure(click.ClickException):
    """The work failed. `fields` are faults by parameter, shown under the option of the same name."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}

    def lines(self) -> list[str]:
        """The message, and a line for each fault."""
        faults = [
            text if field == NON_FIELD else f"{option_of(field)}: {text}"
            for field, texts in self.fields.items()
            for text in texts
        ]
        return [self.message, *(f"  {fault}" for fault in faults)]


class Misuse(Failure):
    """The command line alone shows that the command is wrong."""

    exit_code = EXIT_USAGE


def option_of(field: str) -> str:
    """The option that a field of a request stands for."""
    return "--" + _OPTIONS.get(field, field).replace("_", "-")


def failure_of(error: TurnoutError) -> Failure:
    """The same error, for the command line."""
    return Failure(error.message, fields=error.fields)


def show(error: click.ClickException) -> None:
    """Write an error to standard error; one of the command line with the usage and the way to the help."""
    from turnout.cli.render import Words  # noqa: PLC0415 - drawn only where something is wrong

    words = Words()
    if isinstance(error, NoArgsIsHelpError):
        click.echo(error.message, err=True)
        return
    if isinstance(error, click.UsageError) and error.ctx:
        path = error.ctx.command_path
        pieces = " ".join(error.ctx.command.collect_usage_pieces(error.ctx))
        words.say(f"Usage: {path} {pieces}")
        words.say(f"Try '{path} --help' for help.\n")
    first, *more = error.lines() if isinstance(error, Failure) else [_message(error)]
    words.error(first)
    for line in more:
        words.say(line)


def _message(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"{error.option_name!r} is not an option.{did_you_mean(error.option_name, error.possibilities or ())}"
    return error.format_message()
