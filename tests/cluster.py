"""A throw-away PostgreSQL: a cluster of its own in a temporary directory, reached through a socket in it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
# What is quick and unsafe: nothing of it is needed after the tests.
SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=50")


def _program(name: str) -> str:
    """A program of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    program = str(found[-1]) if found else shutil.which(name)
    assert program, "PostgreSQL is needed; on Debian: apt-get install postgresql"
    return program


@contextmanager
def cluster() -> Iterator[str]:
    """The address of a server without any table, which ends with the block."""
    user = pwd.getpwnam("postgres").pw_name if os.geteuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory(prefix="turnout-pg-") as name:
        directory = Path(name)
        if user:
            shutil.chown(directory, user)
        data = directory / "data"
        make = [_program("initdb"), "-D", data, "-A", "trust", "-U", "turnout", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, user=user, cwd="/")
        settings = [word for setting in (*SETTINGS, f"unix_socket_directories={directory}") for word in ("-c", setting)]
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen([_program("postgres"), "-D", data, *settings], stderr=log, user=user, cwd="/")
        try:
            address = f"postgresql://turnout@/postgres?host={directory}"
            _wait(address, server, directory / "log")
            yield address
        finally:
            server.terminate()
            server.wait(PATIENCE)


def new_database(address: str) -> str:
    """The address of a new, empty database beside the one that `address` names."""
    name = f"turnout_{uuid4().hex}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return beside(address, name)


def beside(address: str, name: str) -> str:
    """The address of another database of the same server."""
    return address.replace("@/postgres?", f"@/{name}?")


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
