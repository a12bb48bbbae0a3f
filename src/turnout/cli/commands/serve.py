"""`turnout serve`: the server (contract section 6)."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

import rich_click as click

from turnout.cli.base import Command, where
from turnout.cli.commands.demo import MOST_ROWS, PROVIDER, ROWS, SEED, load
from turnout.cli.types import Count

if TYPE_CHECKING:
    from turnout.store.base import Store
    from turnout.web.once import Once

_PANEL = "Settings"
# `--database` is one of the options that every command has.
_ELSEWHERE = frozenset({"database"})
_FIRST = ("host", "port")
_TOKEN_LIVES = "30d"  # noqa: S105 - a time
_HINT = "demo …"


def _setting_options() -> list[click.Parameter]:
    """One option for each setting; the two that the contract names come among the command's own."""
    from turnout.settings import settings_reference  # noqa: PLC0415 - listing commands needs no settings

    return [
        click.RichOption(
            [setting.name, f"--{setting.name.replace('_', '-')}"],
            metavar=setting.name.rpartition("_")[2].upper(),
            help=f"{setting.meaning.replace('`', '')} [default: {setting.default}]",
            panel=None if setting.name in _FIRST else _PANEL,
        )
        for setting in settings_reference()
        if setting.name not in _ELSEWHERE
    ]


@click.command(
    "serve",
    cls=Command,
    local=True,
    more_params=_setting_options,
    panel_names=[_PANEL],
    examples="""
    turnout serve
    turnout serve --demo
    turnout serve --host 0.0.0.0 --public-url https://reports.example.com
    turnout serve --database /var/lib/turnout/turnout.duckdb
    """,
)
@click.option("--demo", is_flag=True, help="Make demonstration data if there is none, and a token to try it with.")
@click.option("--rows", type=Count(1, MOST_ROWS), help=f"How many rows --demo makes. [default: {ROWS}]")
def command(*, demo: bool, rows: int | None, **given: str | None) -> None:
    """Serve reports over HTTP.

    Prints one line with the server's address when it accepts requests. SIGTERM or Ctrl-C lets running requests finish,
    and ends it with status 0. Every setting can also be given in the environment (TURNOUT_PORT=8080) or in
    turnout.toml; an option goes before both.
    """
    place = where()
    if place.server or place.token:
        raise click.UsageError("--server and --token are for commands that ask a server; this one is the server.")
    if rows is not None and not demo:
        raise click.UsageError("--rows goes with --demo.")
    place.settings_given.update({name: value for name, value in given.items() if value is not None})
    settings = place.settings()

    from turnout.web.once import Once  # noqa: PLC0415 - as above
    from turnout.web.server import serve  # noqa: PLC0415 - the help needs no server

    # A code is in the memory of one process, and with several, another one may be asked.
    trial = _Trial(rows or ROWS, Once() if settings.workers == 1 else None)
    if demo:
        serve(settings, prepare=trial.prepare, announce=trial.announce, once=trial.once)
    else:
        serve(settings)


class _Trial:
    """What `--demo` adds to a server: rows where there are none, and a token with a command that uses it.

    And a link that opens the page signed in, once, where there is something that takes its code.
    """

    def __init__(self, rows: int, once: Once | None) -> None:
        self.rows = rows
        self.once = once
        self.provider = PROVIDER
        self.token = ""

    def prepare(self, store: Store) -> None:
        from turnout.admin import create_token  # noqa: PLC0415 - the help needs no administration
        from turnout.cli.render import say  # noqa: PLC0415 - as above

        filled = _first_with_rows(store)
        if filled is not None:
            self.provider = filled
        else:
            say(f"Making {self.rows:,} rows of demonstration data ...")
            load(store, self.provider, self.rows, SEED)
        now = time.time_ns() // 1000
        for earlier in store.tokens():
            # What it was cannot be shown again, and there is one server at a time that it could be for.
            if earlier.hint.startswith(_HINT):
                store.revoke_token(earlier.id, now)
        given: dict[str, Any] = {"providers": [self.provider], "expires_in": _TOKEN_LIVES}
        self.token = create_token(store, None, given, now, hint=_HINT).text

    def announce(self, url: str) -> None:
        from turnout.cli.pages import PATH  # noqa: PLC0415 - as above

        asked = ["curl", "-H", f"Authorization: Bearer {self.token}", f"{url}{PATH}?format=json&limit=3"]
        click.echo(f"Turnout serves {url}")
        click.echo(f"Token: {self.token}")
        click.echo(shlex.join(asked))
        if self.once:
            code = self.once.make(self.token, time.time_ns() // 1000)
            click.echo(f"Open in a browser, once, within ten minutes: {url}/?once={code}")


def _first_with_rows(store: Store) -> int | None:
    """The provider with the smallest id that has rows."""
    from turnout.imports import has_rows  # noqa: PLC0415 - as above

    return next((id_ for id_ in sorted(store.providers()) if has_rows(store, id_)), None)
