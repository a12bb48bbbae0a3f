"""`turnout`: the command line (contract section 6). Commands are imported when they are called for."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

import rich_click as click
from click.exceptions import Exit

from turnout import __version__
from turnout.cli.base import LazyGroup
from turnout.cli.problems import failure_of, show
from turnout.errors import EXIT_FAILED, TurnoutError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (
    "serve",
    "provider",
    "token",
    "import",
    "sync",
    "report",
    "export",
    "demo",
    "customer",
    "erase",
    "database",
    "cluster",
    "doctor",
    "backup",
    "restore",
    "move",
    "completion",
)
_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


class _Turnout(LazyGroup):
    """The whole command line, which ends every error in words and an exit status."""

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        **extra: Any,
    ) -> NoReturn:
        from turnout.cli.commands.completion import VARIABLE  # noqa: PLC0415 - a circle otherwise

        extra.pop("standalone_mode", None)
        name = prog_name if prog_name and prog_name != "cli" else "turnout"
        self._main_shell_completion(extra, name, complete_var or VARIABLE)
        sys.exit(_run(self, list(sys.argv[1:] if args is None else args), name, extra))


def _run(group: _Turnout, args: list[str], name: str, extra: dict[str, Any]) -> int:
    try:
        status = _carry_out(group, args, name, extra)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has what they wanted (`| head`).
        _drop_output()
        return 0
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return _INTERRUPTED
    except OSError as error:
        _drop_output()
        show(click.ClickException(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}."))
        return EXIT_FAILED
    return status


def _carry_out(group: _Turnout, args: list[str], name: str, extra: dict[str, Any]) -> int:
    try:
        with group.make_context(name, args, **extra) as ctx:
            group.invoke(ctx)
    except Exit as done:
        return done.exit_code
    except click.ClickException as error:
        show(error)
        return error.exit_code
    except TurnoutError as error:
        show(failure_of(error))
        return EXIT_FAILED
    return 0


def _drop_output() -> None:
    """Let what is still buffered for standard output go nowhere, or the interpreter would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=_Turnout,
    modules={name: f"turnout.cli.commands.{name.replace('import', 'import_')}" for name in _COMMANDS},
    no_args_is_help=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # Options are spelled with `-` or `_` (contract section 9).
        "token_normalize_func": lambda name: name.replace("_", "-"),
    },
    examples="""
    turnout serve --demo
    turnout provider add --id 1 --name "Harbour Yoga" --timezone Europe/London
    turnout import attendances.csv --provider 1
    turnout report --provider 1 --event-timeframe last_7_days
    """,
)
@click.version_option(__version__, prog_name="turnout", message="%(prog)s %(version)s")
def cli() -> None:
    """An attendance-reporting server for businesses that run classes and appointments.

    It keeps attendances in one file, answers reports on them over HTTP, and can be run and asked from here.
    """


def main() -> NoReturn:
    """Run the command line; the entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a name shows its code points instead of failing.
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    cli.main()
