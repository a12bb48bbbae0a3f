"""`python -m bench`: measure, print, and write docs/benchmarks.md with its picture."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench.children import BenchError
from bench.data import ROOT, data_set
from bench.datasette import Datasette
from bench.exports import ROWS as EXPORT
from bench.exports import export_runs
from bench.first_view import view_runs
from bench.imports import QUICK_ROWS as QUICK_IMPORT
from bench.imports import ROWS as IMPORT
from bench.imports import import_runs
from bench.ingest import ingest_run
from bench.large import large_run
from bench.machine import machine
from bench.measure import QUICK, WHOLE, run
from bench.plot import draw
from bench.postgres import postgres_run
from bench.report import PICTURE, page, terminal
from bench.results import Results
from bench.roapi import Roapi
from bench.say import say
from bench.upkeep import upkeep_run

DOCS: Final = Path("docs")
KEPT: Final = ROOT / "results.json"
ROWS: Final = (1_000_000, 10_000_000)
QUICK_ROWS: Final = (100_000,)
PEERS: Final = (Datasette(), Roapi())


PARTS: Final = ("imports", "exports", "views", "runs", "larges", "ingests", "upkeep", "postgresql")
"""What is measured, as the lists of `Results`."""


def main() -> int:
    """Run the command line."""
    given = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    if given.data:
        for rows in given.rows or ROWS:
            data = data_set(rows, time.time())
            for peer in PEERS:
                peer.build(data)
        return 0
    try:
        results = _kept() if given.again else _measure(given)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    print(terminal(results))
    if not given.quick:
        (DOCS / PICTURE).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / "benchmarks.md").write_text(page(results), "utf-8")
        draw(max(results.runs, key=lambda one: one.rows), DOCS / PICTURE)
        say(f"Wrote {DOCS / 'benchmarks.md'} and {DOCS / PICTURE}.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", metavar="N", help=f"the sizes to measure on, of {ROWS} by default"
    )
    parser.add_argument("--quick", action="store_true", help=f"a short look at {QUICK_ROWS[0]:,} rows; writes no page")
    parser.add_argument(
        "--again", action="store_true", help="print and write what was measured last, without measuring"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        metavar="PART",
        help=f"measure only these parts anew, and keep what was measured last of the others: {', '.join(PARTS)}",
    )
    parser.add_argument(
        "--data", action="store_true", help="only build what is missing of the data, and measure nothing"
    )
    return parser.parse_args()


def _measure(given: argparse.Namespace) -> Results:
    began, where = time.time(), machine()
    sizes = given.rows or (QUICK_ROWS if given.quick else ROWS)
    today = datetime.fromtimestamp(began, UTC).date().isoformat()
    results = _kept() if given.only else Results(today, where)
    parts = given.only or PARTS
    for part in parts:
        getattr(results, part).clear()
        if given.only:
            results.apart[part] = today

    def keep() -> None:
        """What was measured so far outlives whatever ends the benchmark; `--again` shows it."""
        ROOT.mkdir(exist_ok=True)
        KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(results)))

    # First: a process is told to have had what the one that started it has in memory.
    if "imports" in parts:
        results.imports.extend(import_runs(QUICK_IMPORT if given.quick else IMPORT, began))
        keep()
    if "exports" in parts:
        results.exports.extend(export_runs(QUICK_IMPORT, 1) if given.quick else export_runs(EXPORT))
        keep()
    if "views" in parts:
        results.views.extend(view_runs(QUICK_IMPORT, 3) if given.quick else view_runs())
        keep()
    measures = {
        "runs": lambda data: run(data, PEERS, QUICK if given.quick else WHOLE),
        "larges": large_run,
        "ingests": ingest_run,
        "upkeep": upkeep_run,
        "postgresql": postgres_run,
    }
    wanted = [part for part in measures if part in parts]
    for rows in sizes if wanted else ():
        data = data_set(rows, began)
        for part in wanted:
            getattr(results, part).append(measures[part](data))
            keep()
    say(f"Measured for {(time.time() - began) / 60:.0f} minutes.")
    return results


def _kept() -> Results:
    """What was measured last."""
    try:
        return msgspec.json.decode(KEPT.read_bytes(), type=Results)
    except (FileNotFoundError, msgspec.DecodeError):
        raise BenchError(f"{KEPT} has no figures of this version of the benchmark; measure first") from None


if __name__ == "__main__":
    sys.exit(main())
