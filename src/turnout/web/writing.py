"""Threads for what changes the store: the store changes one thing after the other, so that most of it waits.

They are apart from those of everything else. Whoever asks whether the server is ready, or waits for an answer to be
packed, would otherwise wait for the merge that all of the shared threads wait for.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from turnout.background import NEAR, behind_others

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 8
"""So many in all, of which `merging.MergeQueue` has its own."""


class Writing:
    """So many threads. What does not get one waits in its order. Use it from one event loop."""

    def __init__(self, threads: int) -> None:
        # A page is waited for by somebody who looks at it.
        self._threads = ThreadPoolExecutor(threads, "turnout-write", partial(behind_others, NEAR))

    async def run(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Run a change of the store; return what it returns, or raise what it raises."""
        call = partial(work, *args, **named)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Begin nothing more. What runs ends with the store."""
        self._threads.shutdown(wait=False, cancel_futures=True)
