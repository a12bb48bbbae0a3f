"""`turnout`, whose exports wait after their first rows for as long as there is no file `go` beside the store.

Where the environment says LIMIT, no file grows beyond so many bytes while an export is made, as on a disk that is full.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import turnout.exports
from turnout.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = (sys.executable, __file__)
write_file = turnout.exports.write_file


def waiting(
    *args: Any,
    on_total: Callable[[int], None],
    progress: Callable[[int], None],
    check: Callable[[], None],
    **given: Any,
) -> int:
    def progress_then_wait(rows: int) -> None:
        progress(rows)
        while not Path("go").exists():
            check()
            time.sleep(0.002)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ.get("LIMIT", before[0])), before[1]))
    try:
        return write_file(*args, on_total=on_total, progress=progress_then_wait, check=check, **given)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


if __name__ == "__main__":
    turnout.exports.write_file = waiting
    main()
