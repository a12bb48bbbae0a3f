"""How the tests of the command line run it: in this process for what needs no store, else as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from turnout.cli.main import cli

if TYPE_CHECKING:
    from click.testing import Result

TURNOUT = str(Path(sys.executable).with_name("turnout"))
PATIENCE = 120.0


def environment(**more: str) -> dict[str, str]:
    """The environment of a command under test: no settings of whoever runs the tests, a terminal of 80 columns."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("TURNOUT_", "COLUMNS", "FORCE_"))
    }
    return clean | {"XDG_DATA_HOME": "/nonexistent"} | more


def typed(*arguments: str, **env: str) -> Result:
    """Run a command in this process: for what is wrong before a store is opened."""
    settings = {"COLUMNS": "80", "TURNOUT_DATABASE": "/nonexistent/turnout.duckdb"}
    return CliRunner().invoke(cli, list(arguments), env=settings | env, prog_name="turnout")


class Shell:
    """Runs commands as processes, on one store."""

    def __init__(self, database: Path, **env: str) -> None:
        self.database = database
        self.env = environment(TURNOUT_DATABASE=str(database), **env)

    def start(self, *arguments: str, **how: object) -> subprocess.Popen[bytes]:
        """Start a command. A test that waits for it in vain ends with its death."""
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        process = subprocess.Popen(
            [TURNOUT, *arguments],
            env=self.env,
            cwd=self.database.parent,
            # Tests that run in the background ignore interrupts, and what they start would as well.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **settings,
        )
        patience = threading.Timer(PATIENCE, process.kill)
        patience.daemon = True
        patience.start()
        return process

    def run(
        self, *arguments: str, stdin: bytes = b"", status: int = 0, process: bool = False
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end, which has to have this status; in this process unless that makes a difference."""
        done = self._as_process(arguments, stdin) if stdin or process else self._here(arguments)
        assert done.returncode == status, (
            arguments,
            done.returncode,
            done.stdout[-2000:],
            done.stderr.decode()[-4000:],
        )
        return done

    def _as_process(self, arguments: tuple[str, ...], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [TURNOUT, *arguments],
            input=stdin,
            check=False,
            capture_output=True,
            env=self.env,
            cwd=self.database.parent,
            timeout=PATIENCE,
        )

    def _here(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
        env = {name: self.env.get(name) for name in {*os.environ, *self.env}}
        with chdir(self.database.parent):
            done = CliRunner().invoke(cli, list(arguments), env=env, prog_name="turnout")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout_bytes, done.stderr_bytes)

    def out(self, *arguments: str, **how: object) -> str:
        """Its standard output."""
        return self.run(*arguments, **how).stdout.decode()

    def words(self, *arguments: str, **how: object) -> str:
        """Its standard error."""
        return self.run(*arguments, **how).stderr.decode()
