"""Processors shared out: processes that may use a part of a core each, however many are idle (Linux control groups).

On a machine with few cores, that is how to tell what one more process adds: there is room for it, and for what it asks.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROOT: Final = Path("/sys/fs/cgroup")
_PERIOD: Final = 20_000
"""Microseconds in which a process may use its part: about what a page takes, so that few wait for long."""
_PROCESSES: Final = "cgroup.procs"


def workers_of(process: int, count: int) -> list[int]:
    """The processes that answer: one alone does so itself, and several are its children."""
    if count == 1:
        return [process]
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()]


@contextmanager
def limited(processes: Sequence[int], cores: float, *, root: Path = _ROOT) -> Iterator[bool]:
    """Give each process so much of a core for the length of a block; tell whether this system lets us."""
    with ExitStack() as stack:
        try:
            for process in processes:
                stack.enter_context(_limited(process, cores, root))
        except OSError:
            stack.close()
            yield False
            return
        yield True


@contextmanager
def _limited(process: int, cores: float, root: Path) -> Iterator[None]:
    second = (root / "cgroup.controllers").exists()
    parent = root if second else root / "cpu"
    if second:
        (root / "cgroup.subtree_control").write_text("+cpu", "ascii")
    before = parent / _group_of(process, second=second).lstrip("/")
    (before / _PROCESSES).stat()  # in a container it may be out of reach
    group = parent / f"turnout-bench-{process}"
    group.mkdir()
    try:
        quota = round(cores * _PERIOD)
        if second:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}", "ascii")
        else:
            (group / "cpu.cfs_period_us").write_text(f"{_PERIOD}", "ascii")
            (group / "cpu.cfs_quota_us").write_text(f"{quota}", "ascii")
        (group / _PROCESSES).write_text(f"{process}", "ascii")
        yield
    finally:
        with suppress(ProcessLookupError):
            (before / _PROCESSES).write_text(f"{process}", "ascii")
        group.rmdir()


def _group_of(process: int, *, second: bool) -> str:
    """The control group that a process is in, below that of the system."""
    for line in Path(f"/proc/{process}/cgroup").read_text("ascii").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "" if second else "cpu" in controllers.split(","):
            return group
    raise ProcessLookupError(os.strerror(3))
