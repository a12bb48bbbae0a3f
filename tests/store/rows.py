"""Rows as the tests write them: the members that a row states, by their storage names; what is left out is not said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from turnout.store.schema import HAS_BIT
from turnout.store.staging import STAGING

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def at(micros: int) -> datetime:
    """An instant as the engine gives it back."""
    return EPOCH + timedelta(microseconds=micros)


def row(row_id: int, updated_at: int, **said: Any) -> Row:
    """A row that states what is needed, and `said`; instants are microseconds since 1970."""
    needed = {"customer_id": 1, "event_id": 1, "event_starts_at": 1_000, "status": "registered"}
    return {"id": row_id, "updated_at": updated_at, **needed, **said}


def batches(rows: list[Row], size: int = 3) -> Iterator[pa.RecordBatch]:
    """The rows as a checked input brings them, in batches of `size`."""
    staged = [_staged(seq, said) for seq, said in enumerate(rows)]
    for start in range(0, len(staged), size):
        yield pa.RecordBatch.from_pylist(staged[start : start + size], schema=STAGING)


def _staged(seq: int, said: Row) -> Row:
    has = sum(HAS_BIT[member] for member in said)
    values = {name: value for name, value in said.items() if name in STAGING.names}
    if values.get("instructor_ids"):
        values["instructor_ids"] = [{"id": id_, "name": name} for id_, name in values["instructor_ids"]]
    return {"seq": seq, "has": has, **values}


def many(
    count: int, *, updated_at: int = 1, first_id: int = 1, customers: int = 5_000, called: str = "Ann"
) -> Iterator[pa.RecordBatch]:
    """Plain rows in large batches: ids in sequence, twelve to an event; the customer's name is `called` and its id."""
    for start in range(0, count, 50_000):
        ids = range(first_id + start, first_id + min(start + 50_000, count))
        said = {
            "id": list(ids),
            "updated_at": [updated_at] * len(ids),
            "customer_id": [id_ % customers + 1 for id_ in ids],
            "customer_name": [f"{called} {id_ % customers + 1}" for id_ in ids],
            "event_id": [id_ // 12 + 1 for id_ in ids],
            "event_starts_at": [(id_ // 12 * 7_919 % 10_007) * 1_000_000 for id_ in ids],
            "status": ["attended"] * len(ids),
        }
        has = [sum(HAS_BIT[member] for member in said)] * len(ids)
        columns = {"seq": list(range(start, start + len(ids))), "has": has, **said}
        arrays = [pa.array(columns.get(field.name, [None] * len(ids)), field.type) for field in STAGING]
        yield pa.RecordBatch.from_arrays(arrays, schema=STAGING)
