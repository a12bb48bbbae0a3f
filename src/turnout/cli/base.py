"""What every command shares: the options that say where it works, and examples in its help.

`--database`, `--config`, `--server` and `--token` are taken before the command and after it; the later one wins
(contract section 6).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

import rich_click as click
from click import get_current_context

from turnout.cli.problems import Failure, Misuse, option_of
from turnout.cli.types import ServerUrl, StoreUrl
from turnout.errors import NON_FIELD, TurnoutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich_click.rich_help_formatter import RichHelpFormatter

    from turnout.settings import Settings

OPTIONS: Final = "Options"
WHERE: Final = "Where"
_META: Final = "turnout.cli.where"


@dataclass
class Where:
    """The store or the server that a command works on, as the command line says it."""

    database: str | None = None
    config: str | None = None
    server: str | None = None
    token: str | None = None
    settings_given: dict[str, object] = field(default_factory=dict)
    """Further settings that were given as options, by name."""

    def remote(self) -> tuple[str, str] | None:
        """The server and the token to use, or None for the store of this machine.

        What the command line says goes before the environment: with `--database`, `TURNOUT_SERVER` does not count.
        """
        if self.server and self.database:
            raise click.UsageError("--server and --database cannot be given together: a server has its own store.")
        server = self.server
        if not server and not self.database and (from_environment := os.environ.get("TURNOUT_SERVER")):
            server = ServerUrl().convert(from_environment, None, None)
        if not server:
            if self.token:
                raise click.UsageError("--token goes with --server: a store of this machine needs no token.")
            return None
        token = (self.token or os.environ.get("TURNOUT_TOKEN") or "").strip()
        if not token:
            raise click.UsageError(f"{server} needs a token: give --token, or set TURNOUT_TOKEN.")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise click.UsageError("The token has characters that no token has; is it whole, and nothing more?")
        return server, token

    def local_only(self, command: str) -> None:
        """Refuse a server for a command that works on the store's own machine."""
        if self.remote():
            raise click.UsageError(
                f"'turnout {command}' works on a store of this machine: run it there, with --database, "
                "and without --server (or TURNOUT_SERVER)."
            )

    def settings(self) -> Settings:
        """Every setting, from the environment, the file and the options, the later winning.

        Raises `Failure` with every fault: the command was wrong where it is an option's, else the work cannot be done.
        """
        from turnout.settings import Settings  # noqa: PLC0415 - the help needs no settings

        try:
            return Settings.load(self.options(), self.config)
        except TurnoutError as error:
            wrong = [name for name in error.fields if name in self.options()]
            lines = [
                f"{option_of(name) if name in wrong else name}: {text}"
                for name, texts in error.fields.items()
                for text in texts
            ]
            raise (Misuse if wrong else Failure)(error.message, fields={NON_FIELD: lines}) from error

    def options(self) -> dict[str, object]:
        """The settings that were given as options."""
        return {**self.settings_given, **({"database": self.database} if self.database else {})}


def where() -> Where:
    """Where the running command works."""
    return cast("Where", get_current_context().meta.setdefault(_META, Where()))


def database_address(command: str) -> str:
    """The address of the PostgreSQL database that a command of this machine works on. Other stores are refused."""
    from turnout.store.open import is_file  # noqa: PLC0415 - the help needs no store

    where().local_only(command)
    address = where().settings().database
    if is_file(address):
        raise click.UsageError(
            f"'turnout {command}' works on a PostgreSQL database: give --database postgresql://OWNER@HOST/DATABASE."
        )
    return address


def _keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and param.name:
        setattr(ctx.meta.setdefault(_META, Where()), param.name, value)


def _where_options(*, local: bool) -> list[click.Parameter]:
    def option(
        name: str, help_: str, type_: Any = str, metavar: str | None = None, *, hidden: bool = False
    ) -> click.Parameter:
        return click.RichOption(
            [f"--{name}"],
            type=type_,
            metavar=metavar,
            help=help_,
            expose_value=False,
            callback=_keep,
            panel=WHERE,
            hidden=hidden,
        )

    return [
        option(
            "database",
            "The store: a file, turnout.duckdb in your data directory unless set, or postgresql://HOST/DATABASE. "
            "(TURNOUT_DATABASE)",
            StoreUrl(),
            metavar="URL",
        ),
        option("config", "The file of settings; ./turnout.toml unless set. (TURNOUT_CONFIG)", click.Path(), "FILE"),
        option("server", "A server, instead of a store here. (TURNOUT_SERVER)", ServerUrl(), "URL", hidden=local),
        option("token", "The token for --server. (TURNOUT_TOKEN)", hidden=local),
    ]


class _Shared(click.RichCommand):
    """A command with the shared options, and with examples below its help.

    The help of one that is `local` does not offer the options of a server; it refuses them in words.
    """

    def __init__(
        self, *args: Any, examples: str = "", panel_names: Sequence[str] = (), local: bool = False, **kwargs: Any
    ) -> None:
        panels = [click.RichOptionPanel(name) for name in (OPTIONS, *panel_names, WHERE)]
        super().__init__(*args, panels=[*panels, *kwargs.pop("panels", [])], **kwargs)
        self.examples = examples
        self.params.extend(_where_options(local=local))

    def format_epilog(self, ctx: click.RichContext, formatter: RichHelpFormatter) -> None:  # type: ignore[override]
        super().format_epilog(ctx, formatter)
        if self.examples:
            from rich.padding import Padding  # noqa: PLC0415 - only help is drawn with it
            from rich.text import Text  # noqa: PLC0415 - as above

            formatter.write(Padding(Text("Examples", style="bold"), (0, 1)))
            lines = Text("\n".join(line.strip() for line in self.examples.strip().splitlines()))
            formatter.write(Padding(lines, (0, 1, 1, 3)))


MoreParams = Callable[[], list[click.Parameter]]


class Command(_Shared):
    """One command. `more_params` are made when they are needed, so that listing commands stays quick."""

    def __init__(self, *args: Any, more_params: MoreParams | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._more_params = more_params

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if self._more_params:
            self.params[:0] = self._more_params()
            self._more_params = None
        return super().get_params(ctx)


class Group(_Shared, click.RichGroup):  # type: ignore[misc]  # rich-click's own bases differ so
    """A command with commands inside."""

    command_class = Command


class LazyGroup(Group):
    """A group whose commands live in modules that are imported when they are asked for."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in self.modules:
            return None
        return cast("click.Command", import_module(self.modules[cmd_name]).command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.modules and not args[0].startswith("-") and not ctx.resilient_parsing:
            from turnout.errors import did_you_mean, shown  # noqa: PLC0415 - only a wrong command needs it

            hint = did_you_mean(args[0], self.modules) or f" The commands are: {', '.join(self.modules)}."
            raise click.UsageError(f"{shown(args[0])} is not a command.{hint}", ctx)
        return super().resolve_command(ctx, args)
