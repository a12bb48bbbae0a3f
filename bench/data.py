"""The data set: a store of so many rows, built once and kept in .bench."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from bench.say import say
from bench.sizes import Size, asked_for, provider_rows
from turnout.admin import create_token
from turnout.ingest.demo import demo_batches
from turnout.query.instants import SECOND
from turnout.store.base import Provider
from turnout.store.open import open_store
from turnout.store.schema import tables
from turnout.upkeep import tend

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

ROOT: Final = Path(".bench")
SEED: Final = 1
ZONE: Final = "Europe/Berlin"
# Tables that a data set has nothing in; the store adds them to one that was built before they were there.
_EMPTY: Final = frozenset({"answered", "erased", "retention", "sync"})
_BUILDING: Final = 2
"""Another number for each way to build a store; one that was built otherwise is built anew."""
# Enough rows to have some of everything that the generator makes.
_SAMPLE: Final = 5_000


def monday(now: float) -> int:
    """The Monday of the current week in microseconds since 1970, UTC: a data set serves for a week.

    Its open bookings reach four weeks further, so that there is a future to leave out on every day of that week.
    """
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((today - timedelta(days=today.weekday())).timestamp()) * SECOND


@dataclass(frozen=True)
class DataSet:
    """A built store. `seconds` is how long its rows took to make and to merge, together."""

    rows: int
    day: int
    key: str
    token: str
    seconds: float
    made_seconds: float

    @property
    def directory(self) -> Path:
        return ROOT / str(self.rows)

    @property
    def database(self) -> Path:
        return self.directory / "turnout.duckdb"

    @property
    def sizes(self) -> tuple[Size, ...]:
        return asked_for(provider_rows(self.rows))

    @property
    def merge_rate(self) -> float:
        """Rows per second of the merge alone."""
        return self.rows / (self.seconds - self.made_seconds)


def data_set(rows: int, now: float) -> DataSet:
    """The data set of `rows` rows: as it was built this week, else built now."""
    directory = ROOT / str(rows)
    day = monday(now)
    key = _key(rows, day)
    noted = directory / "data.json"
    if noted.exists():
        known = DataSet(**json.loads(noted.read_text("utf-8")))
        if known.key == key:
            say(f"The store of {rows:,} rows is there already.")
            return known
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    built = _build(directory / "turnout.duckdb", rows, day, key)
    noted.write_text(json.dumps(asdict(built), indent=1) + "\n", "utf-8")
    return built


class _Stopwatch(Generic[T]):
    """The same items, and how long they took to come."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self.seconds = 0.0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        began = time.perf_counter()
        try:
            return next(self._items)
        finally:
            self.seconds += time.perf_counter() - began


def _key(rows: int, day: int) -> str:
    """What a data set depends on: sizes, seed and day, its tables, how they are filled, and with what."""
    filled = {name: columns for name, columns in tables().items() if name not in _EMPTY}
    parts = sha256(repr((provider_rows(rows), SEED, day, filled, _BUILDING)).encode())
    for batch in demo_batches(_SAMPLE, SEED, day, zone=ZONE):
        parts.update(batch.serialize())
    return parts.hexdigest()


def _build(path: Path, rows: int, day: int, key: str) -> DataSet:
    began = time.perf_counter()
    made_seconds = 0.0
    done = 0
    store = open_store(str(path))
    try:
        counts = provider_rows(rows)
        for id_, count in counts.items():
            provider = Provider(id_, f"Studio {id_}", ZONE)
            store.put_provider(provider)
            making = _Stopwatch(demo_batches(count, SEED + id_, day, zone=ZONE))
            store.merge(provider, making)
            made_seconds += making.seconds
            done += count
            say(f"Building the store: {done:,} of {rows:,} rows", passing=True)
        given = {"providers": list(counts), "role": "attendances"}
        token = create_token(store, None, given, now=day).text
    finally:
        store.close()
    seconds = time.perf_counter() - began
    with closing(open_store(str(path))) as store:
        # A server does it once, some seconds after its start: beside the first answers.
        tend(store, lambda: day)
    say(f"Built the store of {rows:,} rows in {seconds:,.0f} s.")
    return DataSet(rows, day, key, token, seconds, made_seconds)
