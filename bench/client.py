"""The load: a light HTTP/1.1 client in a process of its own, so that it shares no interpreter with what it measures.

It is a `worker`: a `Job` in, a `Load` out. A *call* is one question; a peer may need several requests for it, which
follow each other on the same connection, and count as one.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import httptools
import msgspec
import uvloop

from bench.children import BenchError
from bench.worker import serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GRACE: Final = 10.0
ENDLESS: Final = 1_000_000
"""A count that nothing reaches: the job's seconds end it."""
_OK: Final = 200
_REFUSED: Final = 503


class Call(msgspec.Struct, frozen=True):
    """One question as a server is asked it: its name, and the bytes of its requests."""

    name: str
    requests: tuple[bytes, ...]


class Job(msgspec.Struct, frozen=True):
    """Calls to make in turn on `connections` connections, until `count` are done or `seconds` have passed.

    At least one is made. `warm_up` calls come first, for a third of the time at most, and are not measured.
    """

    port: int
    calls: tuple[Call, ...]
    connections: int
    count: int
    seconds: float
    warm_up: int = 0
    keep: bool = False
    """Whether the first answer to each call is wanted."""
    grace: float = GRACE
    """How many seconds the last answers are waited for when the time is over."""
    starts: float = 0.0
    """When the first call is made, by the system's monotonic clock, which all processes share; 0 is at once."""
    per_second: float = 0.0
    """Calls are due evenly, this many a second, and are timed from when they were due; 0 is as fast as they go."""
    lead: float = 0.0
    """Seconds at the beginning that are not measured. Then what is answered in the others makes the rate."""


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


def pooled(loads: Sequence[Load]) -> Load:
    """Several loads of the same calls as one, without the answers."""
    names = loads[0].milliseconds
    return Load(
        {name: [each for load in loads for each in load.milliseconds[name]] for name in names},
        {},
        {name: sum(load.unanswered[name] for load in loads) for name in names},
        sum(load.answered for load in loads),
        sum(load.seconds for load in loads),
    )


class RefusedError(BenchError):
    """A server has too much to do just now."""


class _Connection(asyncio.Protocol):
    """One connection with one request under way. The parser calls the `on_` methods."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[bytes] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()
        if self._answer and not self._answer.done():
            self._answer.set_exception(BenchError(f"the connection was lost: {exc or 'the server closed it'}"))

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

    async def ask(self, requests: Iterable[bytes]) -> tuple[bytes, ...]:
        """Send requests, each after the answer to the one before; the bodies of the answers."""
        bodies = []
        for request in requests:
            if self._lost.is_set():
                raise BenchError("the connection was lost")
            self._answer = self._loop.create_future()
            self._transport.write(request)
            bodies.append(await self._answer)
        return tuple(bodies)

    async def close(self) -> None:
        self._transport.close()
        await self._lost.wait()


async def _work(job: Job) -> Load:
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(_Connection, "127.0.0.1", job.port))[1] for _ in range(job.connections)
    ]
    try:
        if job.starts:
            await _until(job.starts)
        if job.warm_up:
            await _calls(job, connections, job.warm_up, job.seconds / 3)
        return await _calls(job, connections, job.count, job.seconds)
    finally:
        for connection in connections:
            await connection.close()


async def _until(moment: float) -> None:
    left = moment - time.monotonic()
    if left < 0:
        raise BenchError(f"the job came {-left:.1f} s after its calls were to begin")
    await asyncio.sleep(left)


async def _calls(job: Job, connections: list[_Connection], count: int, most_seconds: float) -> Load:
    found: dict[str, list[float]] = {call.name: [] for call in job.calls}
    unanswered = dict.fromkeys(found, 0)
    first: dict[str, tuple[bytes, ...]] = {}
    due = deque(job.calls)
    left, answered = count, 0
    began = time.perf_counter()
    ends = began + most_seconds
    counts, until = began + job.lead, ends if job.lead else math.inf

    async def ask(connection: _Connection) -> None:
        nonlocal left, answered
        while left > 0 and ((start := time.perf_counter()) < ends or left == count):
            left -= 1
            if job.per_second:
                start = began + (count - left - 1) / job.per_second
                if start >= ends:
                    return
                await asyncio.sleep(start - time.perf_counter())
            call = due[0]
            due.rotate(-1)
            came = False
            try:
                async with asyncio.timeout(ends - start + job.grace):
                    bodies = await connection.ask(call.requests)
            except RefusedError:
                unanswered[call.name] += time.perf_counter() >= counts
                continue
            except TimeoutError:
                unanswered[call.name] += time.perf_counter() >= counts
                await connection.close()
            except BenchError as error:
                raise BenchError(f"{call.name}: {error}") from None
            else:
                came = True
                if job.keep:
                    first.setdefault(call.name, bodies)
            now = time.perf_counter()
            answered += came and counts <= now <= until
            found[call.name] += [(now - start) * 1000] * (counts <= now)

    await asyncio.gather(*map(ask, connections))
    return Load(found, first, unanswered, answered, (until if job.lead else time.perf_counter()) - counts)


def main() -> None:
    """Do jobs until there are no more."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        serve(Job, lambda job: runner.run(_work(job)), OSError, httptools.HttpParserError)


if __name__ == "__main__":
    main()
