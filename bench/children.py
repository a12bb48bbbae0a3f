"""Processes that are measured: started, waited for, and always stopped."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.client import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BIN: Final = Path(sys.executable).parent
_PATIENCE: Final = 120.0
_PAUSE: Final = 0.02


@dataclass(frozen=True)
class Server:
    """A child that answers HTTP on a port of the loopback address."""

    process: subprocess.Popen[bytes]
    port: int
    started: float
    """When it was started, on the clock of `time.perf_counter`."""

    def resident(self) -> int:
        """The bytes of memory that it has now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BenchError("this system does not tell the memory of a process")


@dataclass(frozen=True)
class Answer:
    """One whole answer; names of headers in lower case."""

    headers: Mapping[str, str]
    body: bytes


def ask(server: Server, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """One request on a connection of its own, which must be answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_PATIENCE)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        content = response.read()
        if response.status != http.HTTPStatus.OK:
            raise BenchError(f"{method} {path}: {response.status}: {content[:500]!r}")
        return Answer({name.lower(): value for name, value in response.getheaders()}, content)
    finally:
        connection.close()


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    arguments: Sequence[str | Path], log: Path, environment: Mapping[str, str], port: int = 0
) -> Iterator[Server]:
    """A server for the length of a block. With port 0 it says its address in its first line of output."""
    started = time.perf_counter()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if port == 0 else errors,
            stderr=errors,
            env={**_own_environment(), **environment},
        )
    try:
        found = port or _announced(process, log)
        _wait_until_it_listens(process, found, log)
        yield Server(process, found, started)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _own_environment() -> dict[str, str]:
    """The environment without anybody's settings of the programs that are measured."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("TURNOUT_", "DATASETTE_", "RUST_"))
    }


def _announced(process: subprocess.Popen[bytes], log: Path) -> int:
    line = process.stdout.readline().decode() if process.stdout else ""
    if "http://" not in line:
        raise BenchError(f"a server did not start: {line} {_end_of(log)}")
    return int(line.split()[-1].rpartition(":")[2].rstrip("/"))


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"a server ended with {process.returncode}: {_end_of(log)}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_PAUSE)
        else:
            return
    raise BenchError(f"a server did not listen within {_PATIENCE:.0f} s: {_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:]
