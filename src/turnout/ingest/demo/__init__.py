"""The demo data set: a studio that never was, realistic in shape, the same for the same seed and day.

`turnout demo`, `turnout serve --demo` (contract sections 6 and 9) and the benchmark feed it to a store's merge. numpy,
which the set is worked out with, is loaded with the first batch and not before: a server starts without this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from turnout.store.base import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

DEMO_PROVIDER: Final = Provider(id=1, name="Nordlicht Studios", timezone="Europe/Berlin", week_start="monday")
DEMO_ROWS: Final = 200_000
MAX_ROWS: Final = 10_000_000
BATCH_ROWS: Final = 50_000


def demo_batches(
    rows: int,
    seed: int,
    now: int,
    *,
    zone: str = DEMO_PROVIDER.timezone,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Make exactly `rows` attendances as batches of `STAGING`, ids from 1 in the order of booking.

    The set depends on `rows`, `seed`, `zone` and the day in `zone` (an IANA name, the provider's) on which `now`
    (microseconds since 1970, UTC) falls, and on nothing else: not on its hour, nor on `batch_rows`. It looks back from
    the start of that day. What was over by then has its outcome; the later events of the next four weeks, today's
    among them, are open bookings; and no `updated_at` lies after the start of the day. Whether a row is a
    first attendance is not stated.

    Raises ValueError where `rows` is not within 1 to `MAX_ROWS`, ZoneInfoNotFoundError for an unknown zone.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(f"rows must be from 1 to {MAX_ROWS:,}, not {rows:,}")
    from turnout.ingest.demo.generate import generate  # noqa: PLC0415 - numpy is loaded when a set is asked for

    return generate(rows, seed, now, zone, batch_rows)
