"""A throw-away PostgreSQL: a cluster of its own in a temporary directory, reached through a socket in it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATIENCE = 60.0
ADMINISTRATOR = "turnout"
# What is quick and unsafe: nothing of it is needed after the tests.
DURABLE = ("listen_addresses=", "fsync=off", "max_connections=50")
"""What is committed outlives every death but the machine's own."""
SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=50")


def _program(name: str) -> str:
    """A program of the newest PostgreSQL that is installed, or of that of `TEST_POSTGRES`, a directory."""
    if chosen := os.environ.get("TEST_POSTGRES"):
        return str(Path(chosen) / name)
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    program = str(found[-1]) if found else shutil.which(name)
    assert program, "PostgreSQL is needed; on Debian: apt-get install postgresql"
    return program


class Cluster:
    """A server in a directory. It can be killed, and started again on the same data."""

    def __init__(self, directory: Path, *, settings: Sequence[str] = SETTINGS) -> None:
        self.directory = directory
        port = "".join(f"&{one}" for one in settings if one.startswith("port="))
        self.address = f"postgresql://{ADMINISTRATOR}@/postgres?host={directory}{port}"
        self._user = pwd.getpwnam("postgres").pw_name if os.geteuid() == 0 else None  # it refuses to run as root
        if self._user:
            shutil.chown(directory, self._user)
        make = [_program("initdb"), "-D", self._data, "-A", "trust", "-U", ADMINISTRATOR]
        self._run([*make, "-E", "UTF8", "--locale=C", "--no-sync"])
        self._settings = [word for one in (*settings, f"unix_socket_directories={directory}") for word in ("-c", one)]
        self.start()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            command = [_program("postgres"), "-D", self._data, *self._settings]
            # Of its own home: a server that connects to another one looks there for certificates.
            environment = {**os.environ, "HOME": str(self.directory)}
            self._server = subprocess.Popen(command, stderr=log, user=self._user, cwd="/", env=environment)
        _wait(self.address, self._server, self.directory / "log")

    def kill(self) -> None:
        """As a machine does that loses its power: all of its processes are gone at once."""
        family = self._signal(signal.SIGKILL)
        self._server.wait(PATIENCE)
        end = time.monotonic() + PATIENCE
        while any(Path(f"/proc/{one}").exists() for one in family):
            assert time.monotonic() < end, family
            time.sleep(0.01)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """As a machine that cannot be reached: connections are there, and nothing comes."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> list[int]:
        pid = self._server.pid
        family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for one in family:
            with suppress(ProcessLookupError):
                os.kill(one, number)
        return family

    def stop(self) -> None:
        self._server.send_signal(signal.SIGINT)  # connections are closed, and it ends
        self._server.wait(PATIENCE)

    def _run(self, command: Sequence[str | Path]) -> None:
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd="/")


@contextmanager
def cluster() -> Iterator[str]:
    """The address of a server without any table, which ends with the block."""
    with cluster_of_its_own() as made:
        yield made.address


def free_port() -> int:
    """A port of this machine that nobody listens on at this moment."""
    with closing(socket.socket()) as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextmanager
def node(port: int, *more: str) -> Iterator[str]:
    """The address of a server that others on this machine reach by a port, with `more` settings."""
    settings = (*SETTINGS, f"port={port}", "listen_addresses=127.0.0.1", *more)
    with cluster_of_its_own(settings) as made:
        yield made.address


@contextmanager
def cluster_of_its_own(settings: Sequence[str] = SETTINGS) -> Iterator[Cluster]:
    """A server without any table, which ends with the block."""
    with tempfile.TemporaryDirectory(prefix="turnout-pg-") as name:
        made = Cluster(Path(name), settings=settings)
        try:
            yield made
        finally:
            made.stop()


OWNER = "owner"
"""A role for which row-level security holds, as it should for a server's."""


def new_database(address: str, how: str = "") -> str:
    """The address of a new, empty database of `OWNER`'s, made as `how` says, beside the one that `address` names."""
    name = f"turnout_{uuid4().hex}"
    with psycopg.connect(address, autocommit=True) as connection:
        make_role(connection, OWNER)
        connection.execute(f"CREATE DATABASE {name} OWNER {OWNER} {how}")
    return as_role(beside(address, name), OWNER)


def make_role(connection: psycopg.Connection, name: str) -> None:
    """Make a role that may log in and nothing else, where there is none."""
    with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        connection.execute(f"CREATE ROLE {name} LOGIN")


def as_role(address: str, role: str) -> str:
    """The same database for another role."""
    return re.sub(r"//\w+@", f"//{role}@", address)


def as_administrator(address: str) -> str:
    """The same database for the administrator of the server, from whom nothing is kept."""
    return as_role(address, ADMINISTRATOR)


def beside(address: str, name: str) -> str:
    """The address of another database of the same server."""
    return re.sub(r"@/\w+\?", f"@/{name}?", address)


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        else:
            return
