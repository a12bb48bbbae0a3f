"""The load: a light HTTP/1.1 client in a process of its own, so that it shares no interpreter with what it measures.

The parent writes a `Job` to its standard input and reads a `Load` from its standard output, both msgpack. A *call* is
one question; a peer may need several requests for it, which follow each other on the same connection, and count as one.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import deque
from typing import Final

import httptools
import msgspec
import uvloop

_PATIENCE: Final = 120.0
# How long to wait for the last answers when the time of a job is over.
_GRACE: Final = 15.0
_OK: Final = 200
_REFUSED: Final = 503


class Call(msgspec.Struct, frozen=True):
    """One question as a server is asked it: its name, and the bytes of its requests."""

    name: str
    requests: tuple[bytes, ...]


class Job(msgspec.Struct, frozen=True):
    """Calls to make in turn on `connections` connections, until `count` are done or `seconds` have passed.

    `warm_up` calls come first and are not measured; each call is made once before that, whatever it is.
    """

    port: int
    calls: tuple[Call, ...]
    connections: int
    count: int
    seconds: float
    warm_up: int = 0


class Load(msgspec.Struct, frozen=True):
    """What came of a job: the milliseconds of each call by name, and the bytes of the first answer to each."""

    milliseconds: dict[str, list[float]]
    first: dict[str, tuple[bytes, ...]]
    unanswered: dict[str, int]
    """How many calls were answered 503, too many at once, or not within the time and some patience.

    Only the latter are among the times, with how long they had waited by then.
    """
    answered: int
    seconds: float

    @property
    def rate(self) -> float:
        """Answered calls per second."""
        return self.answered / self.seconds


class BenchError(Exception):
    """Something did not answer as it must; the benchmark ends."""


def run(job: Job) -> Load:
    """Run a job in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.client"],
        input=msgspec.msgpack.encode(job),
        stdout=subprocess.PIPE,
        timeout=job.seconds + _PATIENCE,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"the client ended with {done.returncode}")
    return msgspec.msgpack.decode(done.stdout, type=Load)


class RefusedError(BenchError):
    """A server has too much to do just now."""


class _Connection(asyncio.Protocol):
    """One connection with one request under way. The parser calls the `on_` methods."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[bytes] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(BenchError(f"the connection was lost: {exc}"))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._answer is None:
            return
        body = b"".join(self._body)
        self._body.clear()
        status = self._parser.get_status_code()
        if status == _OK:
            self._answer.set_result(body)
        else:
            error = RefusedError if status == _REFUSED else BenchError
            self._answer.set_exception(error(f"{status}: {body[:500]!r}"))

    async def ask(self, request: bytes) -> bytes:
        """Send one request and wait for the body of its answer."""
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self._transport.close()


async def _work(job: Job) -> Load:
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(_Connection, "127.0.0.1", job.port))[1] for _ in range(job.connections)
    ]
    first = {}
    for call in job.calls:
        try:
            first[call.name] = tuple([await connections[0].ask(request) for request in call.requests])
        except BenchError as error:
            raise BenchError(f"{call.name}: {error}") from None
    if job.warm_up:
        await _rounds(job, connections, job.warm_up, job.seconds)
    load = await _rounds(job, connections, job.count, job.seconds)
    for connection in connections:
        connection.close()
    return msgspec.structs.replace(load, first=first)


async def _rounds(job: Job, connections: list[_Connection], count: int, most_seconds: float) -> Load:
    found: dict[str, list[float]] = {call.name: [] for call in job.calls}
    unanswered = dict.fromkeys(found, 0)
    due = deque(job.calls)
    left, answered = count, 0
    began = time.perf_counter()
    ends = began + most_seconds

    async def serve(connection: _Connection) -> None:
        nonlocal left, answered
        while left > 0 and (start := time.perf_counter()) < ends:
            left -= 1
            call = due[0]
            due.rotate(-1)
            try:
                async with asyncio.timeout(ends - start + _GRACE):
                    for request in call.requests:
                        await connection.ask(request)
            except RefusedError:
                unanswered[call.name] += 1
                continue
            except TimeoutError:
                unanswered[call.name] += 1
                connection.close()
            else:
                answered += 1
            found[call.name].append((time.perf_counter() - start) * 1000)

    await asyncio.gather(*map(serve, connections))
    return Load(found, {}, unanswered, answered, time.perf_counter() - began)


def hand_over(found: object) -> None:
    """Write the result for the parent, whole: where Python's streams are unbuffered, one write may be cut short."""
    with open(sys.stdout.fileno(), "wb") as parent:  # noqa: PTH123 - it has no path
        parent.write(msgspec.msgpack.encode(found))


def main() -> None:
    """Read a job, do it, write what came of it."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    try:
        load = uvloop.run(_work(job))
    except (BenchError, OSError, httptools.HttpParserError) as error:
        sys.exit(f"bench: {error}")
    hand_over(load)


if __name__ == "__main__":
    main()
