"""Whole reports as files, beside the engine's own COPY of the same rows, in turns; `python -m bench.exports` alone.

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
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import duckdb

from bench.children import BenchError
from bench.data import ROOT, SEED, ZONE, monday
from bench.results import ExportRun
from bench.say import say
from bench.tables import exports
from bench.turns import turns
from turnout.catalog.attendances import ATTENDANCES
from turnout.exports import FILES, Asked, write_file
from turnout.ingest.demo import demo_batches
from turnout.query.dialect import DUCKDB
from turnout.query.plan import plan
from turnout.query.request import Scope, parse
from turnout.reports import cursor_box
from turnout.store.base import Provider
from turnout.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS: Final = 1_500_000
COPIED: Final = ("csv", "parquet")
COPY: Final = "COPY"
ALL: Final = (*FILES, *(f"{COPY} {name}" for name in COPIED))
ROUNDS: Final = 3
SORT: Final = "-event.starts_at"
_PROVIDER: Final = Provider(1, "Studio", ZONE)
_ZONE: Final = ZoneInfo(ZONE)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.exports", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--formats", nargs="+", choices=ALL, default=ALL)
    parser.add_argument("--sort", default=SORT)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        database = _database(given.rows)
        print(json.dumps(_copy(database, given.one) if given.one.startswith(COPY) else _write(database, given)))
        return 0
    print(exports(export_runs(given.rows, given.rounds, given.formats, given.sort)).plain())
    return 0


def one_provider(rows: int) -> Path:
    """A store of one provider with so many rows; it is made where there is none."""
    database = _database(rows)
    if not database.exists():
        _make(database, rows)
    return database


def export_runs(
    rows: int = ROWS, rounds: int = ROUNDS, names: Sequence[str] = ALL, sort: str = SORT
) -> list[ExportRun]:
    """Measure each format so often, each time in a process of its own."""
    one_provider(rows)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for name in turns(dict.fromkeys(found, rounds)):
        say(f"Writing {name}", passing=True)
        command = [sys.executable, "-m", "bench.exports", "--one", name, f"--sort={sort}", "--rows", str(rows)]
        try:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        except subprocess.CalledProcessError as error:
            raise BenchError(f"the export as {name} could not be measured: {error}") from None
        found[name].append(json.loads(done.stdout))
    return [
        ExportRun(
            name, rows, *(median(run[key] for run in runs) for key in ("seconds", "cpu", "memory")), runs[0]["size"]
        )
        for name, runs in found.items()
    ]


def _database(rows: int) -> Path:
    return ROOT / f"exports-{rows}" / "turnout.duckdb"


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
    columns = ", ".join(plan(request, DUCKDB, with_order_keys=False).storages)
    selected = f"SELECT {columns} FROM attendances WHERE provider_id = 1 ORDER BY event_starts_at DESC, id"
    file = database.with_suffix(".out")
    with duckdb.connect(":memory:", config={"preserve_insertion_order": False}) as connection:
        connection.execute(f"ATTACH '{database}' AS turnout (READ_ONLY)")
        connection.execute("USE turnout")
        form = name.removeprefix(f"{COPY} ")
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
    """Bytes, from what the system says of this process."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    sys.exit(main())
