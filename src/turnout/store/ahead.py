"""Making the next thing while the one before is in use."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

T = TypeVar("T")

_END: Final = object()


def made_ahead(items: Iterable[T], most: int = 1) -> Generator[T]:
    """The same, made by another thread while those before are in use: at most so many wait.

    Close it where it may be left early: then that thread has ended, and lets go of what it works with.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "turnout-ahead") as thread:
        try:
            coming = deque(thread.submit(next, source, _END) for _ in range(most))
            while (item := coming.popleft().result()) is not _END:
                coming.append(thread.submit(next, source, _END))
                yield item  # type: ignore[misc]  # it is no end
        finally:
            thread.shutdown(cancel_futures=True)
