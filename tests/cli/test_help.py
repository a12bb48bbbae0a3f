"""Help is reviewed text: a snapshot for each command. Update with UPDATE_SNAPSHOTS=1."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from shell import environment, typed

from turnout.catalog.attendances import REPORTS
from turnout.cli.main import cli
from turnout.settings import settings_reference

SNAPSHOTS = Path(__file__).parent / "snapshots"
HEAVY = {"duckdb", "pyarrow", "numpy", "httpx", "pydantic", "starlette", "uvicorn", "cryptography", "msgspec"}


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command and group by the words that call it."""
    found: dict[tuple[str, ...], click.Command] = {path: group}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        inside = commands(command, (*path, name)) if isinstance(command, click.Group) else {(*path, name): command}
        found.update(inside)
    return found


COMMANDS = commands()
LEAVES = {path: command for path, command in COMMANDS.items() if not isinstance(command, click.Group)}


def the_help(*path: str) -> str:
    done = typed(*path, "--help")
    assert done.exit_code == 0, done.output
    assert not done.stderr
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_a_command(path: tuple[str, ...]) -> None:
    text = the_help(*path)
    file = SNAPSHOTS / f"{'-'.join(('turnout', *path))}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 80


def test_every_snapshot_is_of_a_command() -> None:
    assert {file.stem for file in SNAPSHOTS.glob("*.txt")} == {"-".join(("turnout", *path)) for path in COMMANDS}


def examples(command: click.Command) -> list[list[str]]:
    lines = [line.strip() for line in command.examples.strip().splitlines()]
    tails = [line[line.index("turnout ") :].partition(" | jq")[0].partition(" >")[0].rstrip(")") for line in lines]
    return [shlex.split(line)[1:] for line in tails]


@pytest.mark.parametrize("path", [path for path in COMMANDS if path in LEAVES or not path], ids=" ".join)
def test_examples_are_commands_that_parse(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert all(len(line.strip()) <= 76 for line in command.examples.splitlines()), "an example would be wrapped"
    assert examples(command)
    for words in examples(command):
        with cli.make_context("turnout", words) as context:
            found: click.Context = context
            while isinstance(found.command, click.Group):
                rest = [*found._protected_args, *found.args]
                name, inner, arguments = found.command.resolve_command(found, rest)
                assert inner
                found = inner.make_context(name, arguments, parent=found)
            if path:
                assert found.command is command


def options(path: tuple[str, ...]) -> set[str]:
    command = LEAVES[path]
    return {opt for param in command.get_params(click.Context(command)) for opt in param.opts}


def test_the_report_has_an_option_for_every_parameter() -> None:
    expected = {f"--{name.replace('_', '-')}" for report in REPORTS for name in report.parameter}
    assert {*expected, "--group-by"} <= options(("report",))


def test_serve_has_an_option_for_every_setting() -> None:
    assert {f"--{setting.name.replace('_', '-')}" for setting in settings_reference()} <= options(("serve",))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_says_where_it_works(path: tuple[str, ...]) -> None:
    assert {"--database", "--config", "--server", "--token", "--help"} <= options(path)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_the_help_offers_a_server_to_those_that_take_one(path: tuple[str, ...]) -> None:
    local = {"demo", "serve", "restore", "move", "completion", "database", "cluster"}
    assert ("--server" not in the_help(*path)) == (path[0] in local)


@pytest.mark.parametrize("path", [("--help",), ("report", "--help"), ("provider", "--help"), ("--version",)])
def test_help_loads_nothing_heavy(path: tuple[str, ...]) -> None:
    program = (
        "import sys\n"
        "from turnout.cli.main import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        f"assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *path], check=False, capture_output=True, env=environment(), text=True
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_version() -> None:
    assert typed("--version").stdout.split() == ["turnout", "0.1.0"]


def test_without_a_command_the_help_goes_to_standard_error() -> None:
    done = typed()
    assert done.exit_code == 2
    assert not done.stdout
    assert "Commands" in done.stderr


def test_python_m_turnout_is_turnout() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "turnout", "--version"], check=True, capture_output=True, env=environment()
    )
    assert done.stdout.split()[0] == b"turnout"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = typed("completion", shell)
    assert done.exit_code == 0
    assert "_TURNOUT_COMPLETE" in done.stdout


def completed(*words: str, typing: str) -> list[str]:
    return [item.value for item in ShellComplete(cli, {}, "turnout", "_X").get_completions(list(words), typing)]


def test_completion_of_commands_options_and_values() -> None:
    assert completed(typing="rep") == ["report"]
    assert completed("report", typing="--stat") == ["--status"]
    assert completed("report", "--status", typing="att") == ["attended"]
    assert completed("report", "--status", typing="no_show,att") == ["no_show,attended"]
    assert completed("report", "--sort", typing="id,-customer.n") == ["id,-customer.name"]
    assert "customer_membership" in completed("report", "--columns", typing="customer_m")
    assert "Europe/Berlin" in completed("provider", "add", "--timezone", typing="Europe/B")
    assert completed("token", "create", "--role", typing="sup") == ["super_admin"]
