"""Where it was measured."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path


def machine() -> dict[str, str]:
    """What a reader needs to know about the machine, and the versions of what was measured with."""
    return {
        "Processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "Load before": f"{os.getloadavg()[0]:.1f} processes",
        "System": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in ("duckdb", "starlette", "uvicorn", "uvloop")},
    }


class Busy:
    """How many of the machine's cores are at work, from when it is made on, whoever they work for."""

    def __init__(self) -> None:
        self._began, self._spent = time.perf_counter(), _spent()

    def cores(self) -> float:
        """The mean until now."""
        return (_spent() - self._spent) / (time.perf_counter() - self._began)


def _spent() -> float:
    """The seconds that all cores together have not been idle."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        user, nice, system, _, _, *interrupts = map(int, file.readline().split()[1:9])
    return float(user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    """The processor's model, as Linux names it."""
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
