"""Work beside answering."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from turnout.background import FAR, NEAR, behind_others


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_a_thread_and_those_that_it_starts_go_behind_the_others() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)

    def own() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def found(by: int) -> tuple[int, int]:
        behind_others(by)
        with ThreadPoolExecutor(1) as inner:
            return own(), inner.submit(own).result()

    for by in (NEAR, FAR):
        with ThreadPoolExecutor(1) as outer:
            assert outer.submit(found, by).result() == (before + by, before + by)
    assert own() == before
