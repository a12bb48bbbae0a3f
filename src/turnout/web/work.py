"""Running the store's blocking work in threads: so many at once, in order, for so long, and only while someone waits.

A job that exceeds its time, or whose client has gone, is answered at once and cancelled; its thread is free for the
next job when the work has really ended.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.requests import ClientDisconnect

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from turnout.store.base import Snapshot

T = TypeVar("T")

_log: Final = logging.getLogger("turnout.web")

# Most work is done before this, so that nothing is spent on finding out whether its client is still there.
_WATCH_AFTER: Final = 0.05
# A cancellation between two statements meets neither; it is said again until the work ends.
_CANCEL_AGAIN: Final = 0.1
# Even a free thread needs a moment to take up its work.
_LEAST_WAIT: Final = 0.05


class Cancelled(Exception):  # noqa: N818 - it is no error of the work
    """Raised inside work that goes on after it was cancelled."""


class Job:
    """One piece of work: what it must tell the pool, so that it can be stopped from outside its thread."""

    __slots__ = ("_lock", "_snapshot", "cancelled", "ended", "started")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self.started: float | None = None
        self.cancelled = False
        self.ended = False

    def attach(self, snapshot: Snapshot) -> None:
        """From now on, cancelling the job cancels `snapshot`. Raises `Cancelled` where that has happened already."""
        with self._lock:
            self._snapshot = snapshot
        self.check()

    def check(self) -> None:
        """Raise `Cancelled` where nobody waits for the result any more; for long work between two statements."""
        if self.cancelled:
            raise Cancelled

    def cancel(self) -> None:
        """Stop the work, or keep it from starting; from any thread."""
        with self._lock:
            self.cancelled = True
            if self._snapshot is not None and not self.ended:
                try:
                    self._snapshot.cancel()
                except Exception:  # noqa: BLE001 - it is logged, and whoever cancels goes on
                    _log.exception("a query could not be cancelled")

    def begin(self) -> bool:
        """Start, unless it was cancelled while it waited."""
        with self._lock:
            if self.cancelled:
                return False
            self.started = time.monotonic()
            return True

    def end(self) -> None:
        """Let go of the snapshot, so that a late cancellation cannot hit somebody else's query."""
        with self._lock:
            self.ended = True
            self._snapshot = None


class _Task:
    """A job on its way: the work, and the future that its result belongs in."""

    __slots__ = ("args", "future", "job", "loop", "queued", "request", "timer", "watcher", "work")

    def __init__(
        self, work: Callable[..., Any], args: tuple[Any, ...], loop: asyncio.AbstractEventLoop, request: Request | None
    ) -> None:
        self.job = Job()
        self.work = work
        self.args = args
        self.loop = loop
        self.request = request
        self.future: asyncio.Future[Any] = loop.create_future()
        self.queued = time.monotonic()
        self.timer: asyncio.TimerHandle | None = None
        self.watcher: asyncio.Task[None] | None = None

    def fail(self, error: Exception) -> None:
        """Answer whoever waits, and stop the work."""
        if not self.future.done():
            self.future.set_exception(error)
        self.job.cancel()


class _Line:
    """Tasks that wait for a thread, and threads that wait for a task; the one that had work last gets the next.

    Its memory is warm: with threads taking turns, a page took 0.5 to 1 ms longer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: deque[_Task | None] = deque()
        self._idle: list[SimpleQueue[_Task | None]] = []

    def __len__(self) -> int:
        return len(self._tasks)

    def put(self, task: _Task | None) -> None:
        """Give a task to a thread as soon as there is one; None ends a thread."""
        with self._lock:
            if self._idle:
                self._idle.pop().put(task)
            else:
                self._tasks.append(task)

    def get(self, inbox: SimpleQueue[_Task | None]) -> _Task | None:
        """Wait for the next task; `inbox` is the calling thread's own."""
        with self._lock:
            if self._tasks:
                return self._tasks.popleft()
            self._idle.append(inbox)
        return inbox.get()


class Workers:
    """A bounded pool of threads for blocking work. Use it from one event loop.

    At most `concurrency` jobs run at once; at most `queue_length` wait, first come first served, each for at most
    `queue_timeout` seconds; a running job is stopped after `query_timeout` seconds.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        queue_length: int,
        queue_timeout: float,
        query_timeout: float,
        on_seconds: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._concurrency = concurrency
        self._most_tasks = concurrency + (queue_length if queue_timeout > 0 else 0)
        self._queue_timeout = max(queue_timeout, _LEAST_WAIT)
        self._query_timeout = query_timeout
        self._on_seconds = on_seconds
        self._line = _Line()
        self._threads: list[threading.Thread] = []
        self._tasks: set[_Task] = set()
        self.stopping = False
        """Whether further work is refused, because the server is about to end."""

    @property
    def active(self) -> int:
        """How many jobs run."""
        return sum(task.job.started is not None for task in self._tasks)

    @property
    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        return len(self._tasks) - self.active

    async def run(self, work: Callable[..., T], *args: Any, request: Request | None = None) -> T:
        """Run `work(job, *args)` in a thread and return its result, or raise what it raises.

        Where `request` is given, the work is cancelled when its client goes. `work` calls `job.attach(snapshot)` with
        what it reads from. Raises `overloaded` or `query_timeout` (contract section 4), or `ClientDisconnect`.
        """
        if self.stopping:
            raise _stopping()
        # Jobs that gave up waiting stay in line until a thread passes over them: they count as waiting, too.
        if max(len(self._tasks), len(self._line)) >= self._most_tasks:
            raise TurnoutError("overloaded")
        loop = asyncio.get_running_loop()
        task = _Task(work, args, loop, request)
        if len(self._threads) < min(self._concurrency, len(self._tasks) + 1):
            self._start_thread()
        self._tasks.add(task)
        self._line.put(task)
        first_look = min(self._queue_timeout, self._query_timeout)
        task.timer = loop.call_later(min(first_look, _WATCH_AFTER) if request else first_look, self._look, task)
        try:
            result: T = await task.future
        except asyncio.CancelledError:
            task.job.cancel()
            raise
        finally:
            if task.watcher:
                task.watcher.cancel()
            self._leave(task)
        return result

    @contextmanager
    def wanted(self, request: Request) -> Iterator[Callable[..., None]]:
        """For long work in another thread: yields what that work calls now and then, with anything.

        It raises `ClientDisconnect` where the client of `request` has gone, and `overloaded` where the server ends.
        """
        gone = False

        async def watch() -> None:
            nonlocal gone
            await _until_gone(request)
            gone = True

        def check(*_: object) -> None:
            if self.stopping:
                raise _stopping()
            if gone:
                raise ClientDisconnect

        watcher = asyncio.get_running_loop().create_task(watch())
        try:
            yield check
        finally:
            watcher.cancel()

    def _leave(self, task: _Task) -> None:
        """Nobody waits for the task any more; if it still runs, insist that it ends."""
        if task.timer:
            task.timer.cancel()
        if task.job.started is None or task.job.ended:
            self._tasks.discard(task)
        else:
            task.job.cancel()
            task.timer = task.loop.call_later(_CANCEL_AGAIN, self._leave, task)

    def _look(self, task: _Task) -> None:
        """See whether a task has waited or run for too long, and look again when that may be."""
        now = time.monotonic()
        if task.request and not task.watcher:
            task.watcher = task.loop.create_task(_watch(task, task.request))
        if task.job.started is None and now >= task.queued + self._queue_timeout:
            task.fail(TurnoutError("overloaded"))
            return
        started = task.job.started
        if started is not None and now >= started + self._query_timeout:
            task.fail(TurnoutError("query_timeout"))
            return
        if started is None:
            due = min(task.queued + self._queue_timeout, now + self._query_timeout)
        else:
            due = started + self._query_timeout
        task.timer = task.loop.call_later(max(due - now, 0.001), self._look, task)

    def stop(self) -> None:
        """Refuse further work, and answer all that runs or waits with `overloaded`; on the loop."""
        self.stopping = True
        for task in list(self._tasks):
            task.fail(_stopping())

    def close(self) -> None:
        """Let the threads end once they are free. They are daemons: one that is stuck does not keep the process."""
        self.stopping = True
        for _ in self._threads:
            self._line.put(None)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"turnout-query-{len(self._threads)}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self) -> None:
        inbox: SimpleQueue[_Task | None] = SimpleQueue()
        while (task := self._line.get(inbox)) is not None:
            if not task.job.begin():
                continue
            result, error = None, None
            try:
                result = task.work(task.job, *task.args)
            except BaseException as raised:  # noqa: BLE001 - it is raised again where the result is awaited
                error = raised
            task.job.end()
            # The loop may be closed by now: then nobody waits.
            with suppress(RuntimeError):
                task.loop.call_soon_threadsafe(self._finish, task, result, error)
            del task, result, error

    def _finish(self, task: _Task, result: Any, error: BaseException | None) -> None:
        if task.timer:
            task.timer.cancel()
        self._tasks.discard(task)
        if task.job.started is not None:
            self._on_seconds(time.monotonic() - task.job.started)
        if task.future.done():
            return
        if error is None:
            task.future.set_result(result)
        elif isinstance(error, Exception) and not isinstance(error, StopIteration):
            task.future.set_exception(error)
        else:
            task.future.set_exception(RuntimeError(f"the work ended with {type(error).__name__}"))


def _stopping() -> TurnoutError:
    return TurnoutError("overloaded", "The server is stopping.", retry_after=5)


async def _watch(task: _Task, request: Request) -> None:
    await _until_gone(request)
    task.fail(ClientDisconnect())


async def _until_gone(request: Request) -> None:
    """Wait until the client goes; what is left of its body does not matter."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
