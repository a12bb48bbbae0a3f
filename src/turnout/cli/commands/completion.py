"""`turnout completion`: what a shell needs to complete commands, options and values."""

from __future__ import annotations

import rich_click as click
from click.shell_completion import get_completion_class

from turnout.cli.base import Command
from turnout.cli.types import OneOf

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TURNOUT_COMPLETE"


@click.command(
    "completion",
    cls=Command,
    local=True,
    examples="""
    turnout completion bash > ~/.local/share/bash-completion/completions/turnout
    turnout completion zsh > ~/.zfunc/_turnout
    turnout completion fish > ~/.config/fish/completions/turnout.fish
    """,
)
@click.argument("shell", type=OneOf(SHELLS))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script of a shell."""
    found = get_completion_class(shell)
    if found is None:
        raise AssertionError(f"click completes {shell}")
    click.echo(found(ctx.find_root().command, {}, "turnout", VARIABLE).source())
