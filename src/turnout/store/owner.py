"""Who owns an embedded store's file: one process at a time (contract sections 5 and 9)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from turnout.errors import TurnoutError

_COMMAND: Final = re.compile(r"[a-z][a-z-]*")
_PYTHON: Final = re.compile(r"(python|pypy)[0-9.]*")


class StoreOwned(TurnoutError):  # noqa: N818 - it says what is so; the caller may go through the owner
    """The file is open in another process.

    `pid` is None where the system does not say; `command` is `turnout SUBCOMMAND` where the owner is one, else the
    name of its program, or None. No more of a command line is shown, because arguments may be secrets.
    """

    def __init__(self, path: Path, pid: int | None, program: str | None) -> None:
        self.pid = pid
        self.command = (command_of(pid) if pid is not None else None) or program
        owner = f"process {pid}" if pid is not None else "another process"
        if self.command:
            owner += f" ({self.command})"
        super().__init__("storage_unavailable", f"The store {path} is in use by {owner}.")


def command_of(pid: int) -> str | None:
    """What a process runs, as far as it may be shown: `turnout serve`, or the name of its program."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return shown_command([part.decode(errors="replace") for part in line.split(b"\0") if part])


def shown_command(arguments: list[str]) -> str | None:
    """`turnout SUBCOMMAND` for any way of starting turnout, else the program's name alone."""
    if not arguments:
        return None
    program, rest = Path(arguments[0]).name, arguments[1:]
    if _PYTHON.fullmatch(program):
        while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c"):
            # -W and -X take a value
            rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
        if rest[:1] == ["-m"] and len(rest) > 1:
            script, rest = rest[1].partition(".")[0], rest[2:]
        elif rest and rest[0] != "-c":
            path = Path(rest[0])
            script, rest = ("turnout" if "turnout" in (path.stem, *path.parts[-3:-1]) else path.name), rest[1:]
        else:
            script = ""
        program = script if script == "turnout" else program
    if program != "turnout":
        return program or None
    command = next((argument for argument in rest if _COMMAND.fullmatch(argument)), None)
    return f"turnout {command}" if command else "turnout"
