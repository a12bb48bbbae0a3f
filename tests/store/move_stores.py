"""Stores to be moved: one with something in every table, and what all of a store's rows are."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from exports.studio import NOW, Studio
from inside import token
from store.rows import batches, row
from turnout.store.base import Answered, PlaceChange, Provider, StoredPlace
from turnout.store.jobs import Job, Status
from turnout.store.move import move
from turnout.store.open import open_raw
from turnout.store.raw import PROVIDERS, SHARED
from turnout.store.schema import tables
from turnout.store.views import View

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.store.base import Store
    from turnout.store.move import Moved
    from turnout.store.raw import RawStore

Everything = dict[str, list[tuple[Any, ...]]]

STRANGE = (
    "\\N", "\\", "\\\\n", "a\tb", "a\nb\r\nc", '"', '""quoted""', "{a,b}", "NULL", "null", " blank ", ",", "'",
    "\x01\x1f\x7f", "e\u0301 \U0001f600", "\\.", "[]", "[1, 2]", "\ufeffx", "\x0b\x0c\b", "t", "\u2028", "\\x41",
)  # fmt: skip
FAR = Provider(90, "Far\taway\\", "Pacific/Kiritimati", "sunday")
_HOURS = 50_000_000_000
ENDS = (-62_135_596_800_000_000 - _HOURS, -1, 0, 253_402_300_799_999_999 + _HOURS)
"""Instants at the ends of time: in the years 0 and 10000 of UTC."""


def fill(directory: Path) -> tuple[Studio, str]:
    """A store with something in every table, strange texts, and instants at the ends of time; and a token for it."""
    studio = Studio(directory)
    store = studio.store
    store.put_provider(FAR)
    store.merge(FAR, batches([_strange(number, text) for number, text in enumerate(STRANGE)]))
    store.merge_together(FAR, [], place=PlaceChange(FAR.id, None, StoredPlace("m1", 5, '{"a": "\\n\t"}')))
    store.persons.erase(FAR, [3], at=NOW, by="somebody")
    store.persons.retain(FAR, -1, at=NOW, go_on=lambda: True)
    text = token(store, 1, 2)
    token(store, 1, role="instructor_attendances", instructor=3)
    store.revoke_token(2, NOW)
    for number, name in enumerate(STRANGE):
        assert store.views.add(View(FAR.id, number + 1, "owner", name, name, number % 2 == 0, number % 3 == 0, NOW), 99)
    for number, status in enumerate(Status):
        _add_job(store, 1 + number % 2, status)
    return studio, text


def _strange(number: int, text: str) -> dict[str, Any]:
    of_this = number + 1
    return row(
        of_this,
        number % 3,
        customer_id=of_this,
        customer_name=text,
        customer_email=text,
        event_id=of_this,
        event_name=text,
        event_starts_at=ENDS[number % 4],
        event_ends_at=ENDS[-1 - number % 4],
        venue_id=of_this,
        venue_name=text,
        instructor_ids=[(of_this, text), (of_this + 100, STRANGE[number - 1] + text)],
    )


def _add_job(store: Store, provider: int, status: Status) -> None:
    job = Job(0, provider, None, "attendances", "csv", '[["sort", "-id"]]', NOW)

    def remembered(id_: int) -> Answered:
        return Answered(f"k{id_}", f"{provider}-x", 202, bytes(range(256)), NOW)

    added = store.jobs.add(job, most=99, most_of_provider=99, remember=remembered)
    assert added
    begun = replace(added, status=status, run=2, total_items=7, complete_items=3, started_at=NOW, expires_at=2**60)
    assert store.jobs.change(added, begun)


@contextmanager
def reading(url: str) -> Iterator[RawStore]:
    with closing(open_raw(url, written=False)) as store:
        yield store


def moved(source: str, target: str, **how: Any) -> Moved:
    """Move one into the other."""
    with reading(source) as read, closing(open_raw(target, written=True)) as written:
        return move(read, written, **how)


def everything(url: str) -> Everything:
    """All rows of all tables, sorted; instants in microseconds. Of `meta`, what is no engine's own."""
    found: Everything = {table: [] for table in tables()}
    with reading(url) as store:
        for provider in (None, *store.providers()):
            with store.reading(provider) as session:
                for table in SHARED if provider is None else PROVIDERS:
                    for batch in session.read(table):
                        found[table] += zip(*map(_values, batch.columns), strict=True)
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def _values(column: pa.Array) -> list[Any]:
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
