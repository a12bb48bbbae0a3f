"""Children that do one job after the other: the load's client, and the engine alone.

A job goes to the child's standard input and its result comes from the standard output, each as msgpack after its
length in four bytes. The child ends when its input does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from bench.children import PATIENCE, BenchError, can_be_read, child, fate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

J = TypeVar("J")
R = TypeVar("R")

_LENGTH: Final = 4


class _Reply(msgspec.Struct, frozen=True):
    """What comes back for a job: a result, or why there is none."""

    result: msgspec.Raw
    error: str = ""


@dataclass(frozen=True)
class Pipes:
    """A running child, and what it is talked to through. The log's name is the child's."""

    process: subprocess.Popen[bytes]
    jobs: IO[bytes]
    results: IO[bytes]
    log: Path


class Worker(Generic[J, R]):
    """The parent's side of such a child."""

    def __init__(self, pipes: Pipes, result: type[R]) -> None:
        self._pipes = pipes
        self._result = result

    def do(self, job: J, seconds: float) -> R:
        """The result of a job that is meant to take so many seconds. Raises `BenchError` where there is none."""
        pipes = self._pipes
        try:
            pipes.jobs.write(_framed(msgspec.msgpack.encode(job)))
            pipes.jobs.flush()
            content = self._read(pipes.results, time.monotonic() + seconds + PATIENCE)
        except (BrokenPipeError, EOFError):
            raise BenchError(f"the {self._name} does no more jobs{fate(pipes.process, pipes.log)}") from None
        reply = msgspec.msgpack.decode(content, type=_Reply)
        if reply.error:
            raise BenchError(reply.error)
        return msgspec.msgpack.decode(reply.result, type=self._result)

    @property
    def _name(self) -> str:
        return self._pipes.log.stem

    def _read(self, stream: IO[bytes], deadline: float) -> bytes:
        found = bytearray()
        due = _LENGTH
        while len(found) < due:
            if not can_be_read(stream, deadline - time.monotonic()):
                raise BenchError(f"the {self._name} does not come to an end of a job")
            part = os.read(stream.fileno(), 1 << 20)
            if not part:
                raise EOFError
            found += part
            if due == _LENGTH and len(found) >= _LENGTH:
                due += int.from_bytes(found[:_LENGTH], "big")
        return bytes(found[_LENGTH:])


@contextmanager
def working(arguments: Sequence[str | Path], log: Path) -> Iterator[Pipes]:
    """A child of this Python with such arguments, for the length of a block."""
    command = [sys.executable, *arguments]
    with child(command, log, {}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise ValueError("both were asked for")
        yield Pipes(process, process.stdin, process.stdout, log)


def serve(kind: type[J], do: Callable[[J], object], *expected: type[Exception]) -> None:
    """The child's side: do the jobs that come until no more do. Other errors than the expected ones end it."""
    errors: tuple[type[Exception], ...] = (BenchError, *expected)
    jobs = sys.stdin.buffer
    # What anybody prints must not come between the results.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as results:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        while length := jobs.read(_LENGTH):
            job = msgspec.msgpack.decode(jobs.read(int.from_bytes(length, "big")), type=kind)
            try:
                reply = _reply(do(job))
            except errors as error:
                reply = _reply(None, str(error) or type(error).__name__)
            results.write(_framed(msgspec.msgpack.encode(reply)))
            results.flush()


def _reply(result: object, error: str = "") -> _Reply:
    return _Reply(msgspec.Raw(msgspec.msgpack.encode(result)), error)


def _framed(content: bytes) -> bytes:
    return len(content).to_bytes(_LENGTH, "big") + content
