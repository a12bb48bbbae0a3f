"""What disorder costs a page, and what it costs to put the store in order while it is read.

`python -m bench.upkeep FILE ROWS SECONDS RESULT` is the child that does it, on a store of its own. The rows that a
merge writes anew lie behind the ordered ones until the table is rebuilt; a server does that by itself, this when told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bench.children import BenchError, child, fate
from bench.copies import copied
from bench.data import SEED, ZONE, DataSet
from bench.results import TailCost, UpkeepRun, percentile
from bench.say import say
from turnout.catalog.attendances import ATTENDANCES
from turnout.ingest.demo import demo_batches
from turnout.output.formats import FORMATS
from turnout.query.instants import SECOND
from turnout.query.request import Scope, parse
from turnout.reports import cursor_box, report_page
from turnout.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.sizes import Size
    from turnout.store.base import Store

SHARES: Final = (0.0, 0.005, 0.01, 0.02, 0.05)
"""How much of all rows lies behind the ordered ones, when a page is measured."""
SECONDS: Final = 8.0
_PAGES: Final = 60
_WARM_UP: Final = 5
_PATIENCE: Final = 600.0


def upkeep_run(data: DataSet, seconds: float = SECONDS) -> UpkeepRun:
    """Measure it in a child; readers alone are measured for so many seconds."""
    say("A growing tail, and a rebuild", passing=True)
    file = copied(data.database, "upkeep")
    found = data.directory / "upkeep.json"
    command = [sys.executable, "-m", "bench.upkeep", file, str(data.rows), str(seconds), found]
    log = data.directory / "upkeep.log"
    with child(command, log, {}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        process.wait(_PATIENCE)
        if process.returncode:
            raise BenchError(f"the upkeep could not be measured{fate(process, log)}")
    # Its rows are no longer those that it was copied from.
    file.unlink()
    return msgspec.json.decode(found.read_bytes(), type=UpkeepRun)


def _measure(store: Store, size: Size, day: int, rows: int, seconds: float) -> UpkeepRun:
    box, now = cursor_box(store), day + 7 * 86_400 * SECOND
    scope = Scope(size.provider, ZoneInfo(ZONE))

    def page() -> float:
        began = time.perf_counter()
        request = parse(ATTENDANCES, [("format", "json")], scope, now=now, box=box)
        report_page(store, request, FORMATS["json"], box)
        return (time.perf_counter() - began) * 1000

    store.upkeep.rebuild(lambda: now)  # finds that all is in order as it was built, and notes it
    tails = list(_tails(store, size, day, rows, page))
    alone = _until(page, lambda began: time.perf_counter() - began >= seconds)
    done = threading.Event()
    rebuilt: list[float] = []

    def rebuild() -> None:
        try:
            began = time.perf_counter()
            store.upkeep.rebuild(lambda: now)
            rebuilt.append(time.perf_counter() - began)
        finally:
            done.set()

    thread = threading.Thread(target=rebuild)
    thread.start()
    beside = _until(page, lambda _: done.is_set())
    thread.join()
    (took,) = rebuilt
    after = _median(page)
    return UpkeepRun(
        rows=rows,
        tails=tails,
        rebuild_seconds=took,
        after=after,
        alone_p50=percentile(alone, 0.5),
        alone_p99=percentile(alone, 0.99),
        beside_p50=percentile(beside, 0.5),
        beside_p99=percentile(beside, 0.99),
    )


def _tails(store: Store, size: Size, day: int, rows: int, page: Callable[[], float]) -> Iterator[TailCost]:
    """Let the tail grow from share to share; a page with it as it came, and once it is sorted."""
    provider, before = store.providers()[size.provider], 0
    for number, share in enumerate(SHARES):
        written = min(int(rows * share) - before, size.rows)
        if written:
            store.merge(provider, _newer(size, day, written, number))
            before += written
        loose = _median(page)
        began = time.perf_counter()
        moved = store.upkeep.sort_tail() if written else 0
        yield TailCost(before, loose, _median(page), moved, time.perf_counter() - began if written else 0.0)


def _newer(size: Size, day: int, count: int, number: int) -> Iterator[pa.RecordBatch]:
    """Newer versions of so many rows of a provider, from all over it."""
    every = size.rows / count
    newer = pa.scalar(day + (400 + number) * 86_400 * SECOND, pa.timestamp("us"))
    done = 0
    for batch in demo_batches(size.rows, SEED + size.provider, day, zone=ZONE):
        chosen = [
            index for index in range(batch.num_rows) if int((done + index + 1) / every) > int((done + index) / every)
        ]
        done += batch.num_rows
        taken = batch.take(pa.array(chosen, pa.int64()))
        at = taken.schema.get_field_index("updated_at")
        yield taken.set_column(at, "updated_at", pc.if_else(pa.scalar(True), newer, taken.column(at)))


def _median(page: Callable[[], float]) -> float:
    for _ in range(_WARM_UP):
        page()
    return percentile([page() for _ in range(_PAGES)], 0.5)


def _until(page: Callable[[], float], over: Callable[[float], bool]) -> list[float]:
    began, found = time.perf_counter(), [page()]
    while not over(began):
        found.append(page())
    return found


def main(file: str, rows: str, seconds: str, found: str) -> None:
    """Measure, and write what was found."""
    data = DataSet(**json.loads(Path(file).with_name("data.json").read_text("utf-8")))
    large = max(data.sizes, key=lambda size: size.rows)
    with closing(open_store(file)) as store:
        run = _measure(store, large, data.day, int(rows), float(seconds))
    Path(found).write_bytes(msgspec.json.encode(run))


if __name__ == "__main__":
    main(*sys.argv[1:])
