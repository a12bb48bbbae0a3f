"""Work beside answering."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from turnout.background import behind_others


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_a_thread_and_those_that_it_starts_go_behind_the_others() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)

    def own() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def found() -> tuple[int, int]:
        behind_others()
        with ThreadPoolExecutor(1) as inner:
            return own(), inner.submit(own).result()

    with ThreadPoolExecutor(1) as outer:
        assert outer.submit(found).result() == (10, 10)
    assert own() == before
