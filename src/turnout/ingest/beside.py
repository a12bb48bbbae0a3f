"""Chunks of rows checked in processes beside this one: checking is the interpreter's work, of which one does one thing.

What is not plainly right comes back unchecked, and is judged here, row by row. A process that ends before its time, for
want of memory say, costs nothing but its help.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import pyarrow as pa

from turnout.ingest.columns import ColumnChecker, UnfitError
from turnout.ingest.faults import FileFaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from zoneinfo import ZoneInfo

    from turnout.ingest.columns import Columns
    from turnout.ingest.faults import Limits

ALONE: Final = 2
"""A file of no more chunks is checked here alone: a process takes half a second to start."""
MOST: Final = 6
"""More processes have nothing to do: this one cuts what they check, and merges what they made."""
_KEPT: Final = {-1: 1 << 30, -2: 16 << 20, -3: 32 << 20}
"""glibc's M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD, and bytes."""
_CONTAINERS: Final = 200_000
"""So many are made before cycles are looked for: rows are none, and looking takes a fourteenth of the time."""
_AHEAD: Final = 2
"""So many chunks for each process are under way, which bounds the memory."""


class Whole(Protocol):
    """Many rows as they came."""

    def columns(self) -> Columns: ...


C = TypeVar("C", bound=Whole)


def at_once(checker: ColumnChecker, rows: Whole) -> pa.RecordBatch | None:
    """Rows as a batch of `STAGING`, whose `seq` counts from 0; None where they are not plainly right."""
    try:
        return checker.batch(rows.columns(), 0)
    except UnfitError:
        return None


def checked(
    chunks: Iterator[C], zone: ZoneInfo, limits: Limits, processes: int
) -> Iterator[tuple[C, pa.RecordBatch | None]]:
    """The chunks in their order, each with what `at_once` makes of it, in so many processes where there are many.

    A `FileFaultError` of `chunks` comes when all chunks before it have been handed out.
    """
    here = partial(at_once, ColumnChecker(zone, limits))
    processes = min(processes, MOST)
    for chunk in islice(chunks, ALONE) if processes > 1 else chunks:
        yield chunk, here(chunk)
    following = next(chunks, None)
    if following is None:
        return
    chunks = chain([following], chunks)
    with _pool(zone, limits, processes) as pool:
        begun = _sent(pool, None)
        while begun and not begun.done() and (meanwhile := next(chunks, None)):
            yield meanwhile, here(meanwhile)
        yield from _in_order(pool, chunks, here, _AHEAD * processes)


@contextmanager
def _pool(zone: ZoneInfo, limits: Limits, processes: int) -> Iterator[ProcessPoolExecutor | None]:
    """The processes, new ones that share nothing with this one; None where the system has none."""
    try:
        pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin, (zone, limits))
    except OSError:
        yield None
        return
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor | None,
    chunks: Iterator[C],
    here: Callable[[Whole], pa.RecordBatch | None],
    most: int,
) -> Iterator[tuple[C, pa.RecordBatch | None]]:
    under_way: deque[tuple[C, Future[pa.RecordBatch | None] | None]] = deque()
    fault = None
    ended = False
    while under_way or not ended:
        while not ended and len(under_way) < most:
            try:
                chunk = next(chunks, None)
            except FileFaultError as found:
                chunk, fault = None, found
            if chunk is None:
                ended = True
            else:
                under_way.append((chunk, _sent(pool, chunk)))
        if under_way:
            chunk, future = under_way.popleft()
            yield chunk, _made(future, chunk, here)
    if fault:
        raise fault


def _sent(pool: ProcessPoolExecutor | None, chunk: Whole | None) -> Future[pa.RecordBatch | None] | None:
    try:
        return pool.submit(_check, chunk) if pool else None
    except (BrokenExecutor, OSError):
        return None


def _made(
    future: Future[pa.RecordBatch | None] | None, chunk: Whole, here: Callable[[Whole], pa.RecordBatch | None]
) -> pa.RecordBatch | None:
    try:
        return future.result() if future else here(chunk)
    except BrokenExecutor:
        return here(chunk)


# In the processes:

_checker: ColumnChecker | None = None


def _begin(zone: ZoneInfo, limits: Limits) -> None:
    global _checker  # noqa: PLW0603 - the one thing that such a process has
    settle()
    _checker = ColumnChecker(zone, limits)


def settle() -> None:
    """What each such process does first."""
    # Ctrl-C is for the process that gives the work, whose end ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    gc.set_threshold(_CONTAINERS)
    _keep_memory()


def _keep_memory() -> None:
    """Keep what one chunk took for the next one: to give it back and to ask for it again is a tenth of the time."""
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):  # a system without glibc
        adjust = ctypes.CDLL(None).mallopt
        for parameter, size in _KEPT.items():
            adjust(parameter, size)


def _end_with_the_other() -> None:
    other = multiprocessing.parent_process()
    if other:
        other.join()
        os._exit(1)


def _check(chunk: Whole | None) -> pa.RecordBatch | None:
    """As `at_once`; without a chunk, to see whether the process has begun."""
    if _checker is None:
        raise RuntimeError("the process was not begun")
    return at_once(_checker, chunk) if chunk else None
