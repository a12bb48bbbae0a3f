"""Processes that are measured: started, waited for, and always stopped."""

from __future__ import annotations

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BIN: Final = Path(sys.executable).parent
PATIENCE: Final = 120.0
"""Seconds after which nothing more is expected of a child that says nothing."""
_PAUSE: Final = 0.02
# A server rests that has used at most so many seconds of processor time in so long.
_LULL: Final = 0.2
_RESTING: Final = 0.02
_LAST_WORDS: Final = 2.0


class BenchError(Exception):
    """Something did not answer as it must; the benchmark ends."""


@dataclass(frozen=True)
class Server:
    """A child that answers HTTP on a port of the loopback address."""

    process: subprocess.Popen[bytes]
    port: int
    started: float
    """When it was started, on the clock of `time.perf_counter`."""
    log: Path

    def resident(self) -> int:
        """The bytes of memory that it has now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BenchError("this system does not tell the memory of a process")

    def wait_until_it_rests(self) -> None:
        """Wait for the end of work that nobody waits for any more: it would slow down whoever is measured next."""
        deadline = time.monotonic() + PATIENCE
        before = self._worked()
        while time.monotonic() < deadline:
            time.sleep(_LULL)
            worked = self._worked()
            if worked - before <= _RESTING:
                return
            before = worked
        raise BenchError(f"a server still works on calls that were given up {PATIENCE:.0f} s ago")

    def _worked(self) -> float:
        """The seconds of processor time that it has used."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Answer:
    """One whole answer; names of headers in lower case."""

    headers: Mapping[str, str]
    body: bytes


def ask(server: Server, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """One request on a connection of its own, which must be answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        content = response.read()
        if response.status != http.HTTPStatus.OK:
            raise BenchError(f"{method} {path}: {response.status}: {content[:500]!r}")
        return Answer({name.lower(): value for name, value in response.getheaders()}, content)
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"{method} {path}: {error}{fate(server.process, server.log)}") from None
    finally:
        connection.close()


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def child(
    arguments: Sequence[str | Path], log: Path, environment: Mapping[str, str], *, stdin: int, stdout: int | None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of a block. `log` gets its standard error, and with `stdout` None its output as well.

    It is in a process group of its own: Ctrl-C reaches this process alone, which then ends its children in order.
    """
    process = None
    try:
        with log.open("wb") as errors, _signals_held():
            process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=stdin,
                stdout=errors if stdout is None else stdout,
                stderr=errors,
                env={**_own_environment(), **environment},
                process_group=0,
            )
        yield process
    finally:
        if process:
            _end(process)


@contextmanager
def running(
    arguments: Sequence[str | Path], log: Path, environment: Mapping[str, str], port: int = 0
) -> Iterator[Server]:
    """A server for the length of a block. With port 0 it says its address in its first line of output."""
    started = time.perf_counter()
    stdout = None if port else subprocess.PIPE
    with child(arguments, log, environment, stdin=subprocess.DEVNULL, stdout=stdout) as process:
        found = port or _announced(process, log)
        _wait_until_it_listens(process, found, log)
        yield Server(process, found, started, log)


def fate(process: subprocess.Popen[bytes], log: Path) -> str:
    """What to add to a complaint about a child: that it has ended, and its last words; nothing while it runs."""
    try:
        status = process.wait(_LAST_WORDS)
    except subprocess.TimeoutExpired:
        return ""
    return f" (it ended with {status}: {_end_of(log) or 'without a word'})"


def can_be_read(stream: IO[bytes], seconds: float) -> bool:
    """Whether there is something to read, or an end, within so many seconds."""
    return bool(select.select([stream], [], [], max(seconds, 0))[0])


@contextmanager
def _signals_held() -> Iterator[None]:
    """What wants to end this process waits for the end of the block; else a child might start that nobody knows of."""
    held: list[int] = []
    ending: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in held:
            signal.raise_signal(number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and wait for that, even where this is interrupted."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()


def _own_environment() -> dict[str, str]:
    """The environment without anybody's settings of the programs that are measured."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("TURNOUT_", "DATASETTE_", "RUST_"))
    }


def _announced(process: subprocess.Popen[bytes], log: Path) -> int:
    line = ""
    if process.stdout and can_be_read(process.stdout, PATIENCE):
        line = process.stdout.readline().decode()
    if "http://" not in line:
        raise BenchError(f"a server did not start: {process.args!r}: {line}{fate(process, log)}")
    return int(line.split()[-1].rpartition(":")[2].rstrip("/"))


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"a server did not start: {process.args!r}{fate(process, log)}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_PAUSE)
        else:
            return
    raise BenchError(f"a server did not listen within {PATIENCE:.0f} s: {process.args!r}: {_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-1000:].strip()
