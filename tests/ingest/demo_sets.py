"""Demo sets for the tests, and how to look at their columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from turnout.ingest.demo import DEMO_PROVIDER, demo_batches
from turnout.store.staging import STAGING

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 24 * 3600 * 10**6


def instant(text: str, zone: str = DEMO_PROVIDER.timezone) -> int:
    """Microseconds since 1970 of a local time."""
    return (datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)) - EPOCH) // timedelta(microseconds=1)


NOW = instant("2026-10-26T15:04:05")
TODAY = instant("2026-10-26T00:00:00")


def made(rows: int, seed: int = 1, now: int = NOW, **options) -> pa.Table:
    return pa.Table.from_batches(demo_batches(rows, seed, now, **options), schema=STAGING)


@cache
def studio_set() -> pa.Table:
    """Three years of a studio, some 40 slices, two batches."""
    return made(80_000)


@cache
def local_starts() -> np.ndarray:
    """The local starts of its events, as numpy date-times."""
    studio = studio_set()
    starts = pc.assume_timezone(studio["event_starts_at"], "UTC")
    zone = pc.fill_null(studio["venue_timezone"], DEMO_PROVIDER.timezone)
    walls = np.empty(len(studio), dtype="M8[us]")
    for name in pc.unique(zone).to_pylist():
        here = pc.equal(zone, name).to_numpy()
        walls[here] = pc.local_timestamp(starts.cast(pa.timestamp("us", name))).to_numpy()[here]
    return walls


def column(table: pa.Table, name: str) -> np.ndarray:
    values = table[name]
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.to_numpy()


def share(mask: np.ndarray) -> float:
    return float(np.mean(mask))


def minutes(local: np.ndarray) -> np.ndarray:
    return (local - local.astype("M8[D]")).astype("m8[m]").astype(int)
