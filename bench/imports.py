"""Files made from the report's own rows are checked and imported: the whole process, from its start to its end.

The files are made by `python -m bench.imports`, a process of its own: each process is told to have had in memory what
the one that started it has, so this one is to stay small.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from bench.children import BIN, BenchError, child, fate
from bench.data import ROOT, SEED, ZONE, monday
from bench.results import COUNTED, IMPORTED, VALIDATED, ImportRun
from bench.say import say
from turnout.catalog.attendances import ATTENDANCES
from turnout.ingest.demo import demo_batches
from turnout.output.shape import csv_cells, csv_header, nester
from turnout.query.dialect import DUCKDB
from turnout.query.plan import plan
from turnout.query.request import Scope, parse
from turnout.query.sql import all_statement
from turnout.reports import cursor_box
from turnout.store.base import Provider
from turnout.store.open import open_store

ROWS: Final = 1_000_000
QUICK_ROWS: Final = 100_000
_BATCH: Final = 20_000
_PROVIDER: Final = Provider(1, "Studio", ZONE)
NDJSON: Final = "NDJSON"
FORMS: Final = {NDJSON: "rows.ndjson", "CSV": "rows.csv"}


def import_runs(rows: int, now: float) -> list[ImportRun]:
    """Validate a file of each form, then import it into an empty store, at first only to see what would come of it."""
    directory = files_of(rows, now)
    return [
        _import(directory, form, directory / name, rows, done=done)
        for done in (VALIDATED, COUNTED, IMPORTED)
        for form, name in FORMS.items()
    ]


def files_of(rows: int, now: float) -> Path:
    """The directory of the files of so many rows, which are made where they are not there."""
    directory = ROOT / f"import-{rows}"
    if not (directory / "made").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        make = [sys.executable, "-m", "bench.imports", directory, str(rows), str(monday(now))]
        subprocess.run(make, check=True)
        (directory / "made").touch()
    return directory


def main() -> int:
    """Make the files in a directory, of so many rows, up to a day (microseconds since 1970); run by `import_runs`."""
    directory, rows, day = sys.argv[1:]
    _make(Path(directory), int(rows), int(day))
    return 0


def _make(directory: Path, rows: int, day: int) -> None:
    """Write the files: every column, by id."""
    path = directory / "source.duckdb"
    with closing(open_store(str(path))) as store:
        store.put_provider(_PROVIDER)
        store.merge(_PROVIDER, demo_batches(rows, SEED, day, zone=ZONE))
        pairs = [
            ("columns", ",".join(column.key for column in ATTENDANCES.columns)),
            ("include_future", "true"),
            ("sort", "id"),
            ("csv_header", "key"),
            ("csv_escape", "false"),
        ]
        request = parse(ATTENDANCES, pairs, Scope(_PROVIDER.id, ZoneInfo(ZONE)), now=day, box=cursor_box(store))
        the_plan = plan(request, DUCKDB)
        nest, cells, encode = (
            nester(request, the_plan),
            csv_cells(request, the_plan),
            msgspec.json.Encoder().encode_lines,
        )
        done = 0
        with (
            store.snapshot(None) as snapshot,
            (directory / FORMS[NDJSON]).open("wb") as ndjson,
            (directory / FORMS["CSV"]).open("w", encoding="utf-8", newline="") as text,
        ):
            writer = csv.writer(text, lineterminator="\r\n")
            writer.writerow(csv_header(request))
            for batch in snapshot.stream(all_statement(the_plan), _BATCH):
                ndjson.write(encode([nest(row) for row in batch]))
                writer.writerows(map(cells, batch))
                done += len(batch)
                say(f"Writing the files to import: {done:,} of {rows:,} rows", passing=True)
    path.unlink()
    say(f"Wrote the files to import, of {rows:,} rows.")


def _import(directory: Path, form: str, file: Path, rows: int, *, done: str) -> ImportRun:
    say(f"Files to import: {form}, {done}", passing=True)
    database = directory / "target.duckdb"
    for left in directory.glob("target.duckdb*"):
        left.unlink()
    found = import_into(str(database), form, file, rows, done=done)
    database.unlink()
    return found


def import_into(database: str, form: str, file: Path, rows: int, *, done: str) -> ImportRun:
    """Import a file into an empty store, or do less with it."""
    with closing(open_store(database)) as store:
        store.put_provider(_PROVIDER)
    command: list[str | Path] = [BIN / "turnout", "import", file, "--provider", "1", "--json", "--database", database]
    command += ["--dry-run"] if done == COUNTED else []
    if done == VALIDATED:
        command = [sys.executable, "-m", "bench.validate", file, ZONE]
    log = file.with_name("import.log")
    began = time.perf_counter()
    with child(command, log, {}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        counts: Any = json.loads(output) if output else None
        if process.returncode or (counts["created"] if isinstance(counts, dict) else counts) != rows:
            raise BenchError(f"{file}, {done}: it counted {counts}{fate(process, log)}")
    return ImportRun(form, done, rows, file.stat().st_size, seconds, usage.ru_maxrss * 1024)


if __name__ == "__main__":
    sys.exit(main())
