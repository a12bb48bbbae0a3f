"""`python -m bench.exports`: whole reports as files, beside the engine's own COPY of the same rows, in turns.

Each file is written by a process of its own. Memory is the process's peak less what it had before it began.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final
from zoneinfo import ZoneInfo

import duckdb

from bench.data import ROOT, SEED, ZONE, monday
from bench.say import say
from bench.turns import turns
from turnout.catalog.attendances import ATTENDANCES
from turnout.exports import FILES, Asked, write_file
from turnout.ingest.demo import demo_batches
from turnout.query.plan import plan
from turnout.query.request import Scope, parse
from turnout.reports import cursor_box
from turnout.store.base import Provider
from turnout.store.open import open_store

ROWS: Final = 1_500_000
COPIED: Final = ("csv", "parquet")
_PROVIDER: Final = Provider(1, "Studio", ZONE)
_ZONE: Final = ZoneInfo(ZONE)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.exports", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="+", default=[*FILES, *(f"COPY {name}" for name in COPIED)])
    parser.add_argument("--sort", default="-event.starts_at")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    database = ROOT / f"exports-{given.rows}" / "turnout.duckdb"
    if given.one:
        print(json.dumps(_copy(database, given.one) if given.one.startswith("COPY") else _write(database, given)))
        return 0
    if not database.exists():
        _make(database, given.rows)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in given.formats}
    for name in turns(dict.fromkeys(found, given.rounds)):
        say(f"Writing {name}", passing=True)
        command = [sys.executable, "-m", "bench.exports", "--one", name, f"--sort={given.sort}"]
        done = subprocess.run([*command, "--rows", str(given.rows)], check=True, stdout=subprocess.PIPE)
        found[name].append(json.loads(done.stdout))
    print("format          rows/s  CPU s  memory MB  file MB")
    for name, runs in found.items():
        seconds, cpu, memory = (median(run[key] for run in runs) for key in ("seconds", "cpu", "memory"))
        rows, size = given.rows / seconds, runs[0]["size"] >> 20
        print(f"{name:12} {rows:9,.0f} {cpu:6.1f} {memory:10.0f} {size:8}")
    return 0


def _make(database: Path, rows: int) -> None:
    aside = database.parent.with_name(database.parent.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    with closing(open_store(str(aside / database.name))) as store:
        store.put_provider(_PROVIDER)
        store.merge(_PROVIDER, demo_batches(rows, SEED, monday(time.time()), zone=ZONE))
    aside.rename(database.parent)
    say(f"Made a store of {rows:,} rows.")


def _write(database: Path, given: argparse.Namespace) -> dict[str, float]:
    pairs = [
        ("columns", ",".join(column.key for column in ATTENDANCES.columns)),
        ("include_future", "true"),
        ("sort", given.sort),
    ]
    file = database.with_suffix(".out")
    with closing(open_store(str(database))) as store:
        request = parse(ATTENDANCES, pairs, Scope(1, _ZONE), now=0, box=cursor_box(store))
        asked = Asked(tuple(pairs), ZONE, 0)
        return _measured(file, lambda: write_file(store, request, FILES[given.one], file, asked=asked))


def _copy(database: Path, name: str) -> dict[str, float]:
    """The engine alone: the same columns of the same rows in the default order."""
    pairs = [("columns", ",".join(column.key for column in ATTENDANCES.columns))]
    with closing(open_store(str(database))) as store:
        request = parse(ATTENDANCES, pairs, Scope(1, _ZONE), now=0, box=cursor_box(store))
    columns = ", ".join(plan(request, with_order_keys=False).storages)
    selected = f"SELECT {columns} FROM attendances WHERE provider_id = 1 ORDER BY event_starts_at DESC, id"
    file = database.with_suffix(".out")
    with duckdb.connect(":memory:", config={"preserve_insertion_order": False}) as connection:
        connection.execute(f"ATTACH '{database}' AS turnout (READ_ONLY)")
        connection.execute("USE turnout")
        form = name.removeprefix("COPY ")
        return _measured(file, lambda: connection.execute(f"COPY ({selected}) TO '{file}' (FORMAT {form})"))


def _measured(file: Path, write: Any) -> dict[str, float]:
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak begins anew
    began, used = time.perf_counter(), time.process_time()
    write()
    found = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - used,
        "memory": _memory("VmHWM") - before,
        "size": file.stat().st_size,
    }
    file.unlink()
    return found


def _memory(name: str) -> float:
    """MB, from what the system says of this process."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    sys.exit(main())
