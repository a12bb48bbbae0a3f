"""What the tests of reading rows share: a full row, reading bytes, and looking into batches."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from turnout.catalog.types import Kind
from turnout.errors import TurnoutError
from turnout.ingest.faults import Limits, Rejects
from turnout.ingest.fields import FIELDS
from turnout.ingest.files import read_file
from turnout.store.schema import HAS_BIT
from turnout.store.staging import STAGING

if TYPE_CHECKING:
    import pyarrow as pa

LIMITS = Limits()
BERLIN = ZoneInfo("Europe/Berlin")
_KINDS = {field.storage: field.kind for field in FIELDS}

FULL: dict[str, Any] = {
    "id": 7,
    "updated_at": "2026-10-01T10:00:00.071Z",
    "customer": {"id": 11, "name": "Zoë Ångström", "email": "zoe@example.org", "thumbnail_url": "https://x.example/z"},
    "event": {
        "id": 21,
        "starts_at": "2026-10-01T08:00:00Z",
        "ends_at": "2026-10-01T09:00:00Z",
        "name": "Yoga",
        "type": "class",
    },
    "offering_type": {"id": 31, "name": "Yoga, slow"},
    "venue": {"id": 41, "name": "Hall", "timezone": "Europe/Berlin"},
    "instructors": [{"id": 51, "name": "Anna"}, {"id": 52, "name": "Bo"}],
    "booking_method": "membership",
    "customer_membership": {"id": 61, "membership": {"id": 71, "name": 'The "Gold" one'}},
    "booking_source": "App",
    "booking_source_id": 81,
    "status": "attended",
    "checkin": {"ocurred_at": "2026-10-01T07:55:00.000001Z"},
    "is_first_attendance": False,
}
NEEDED: dict[str, Any] = {
    "id": 7,
    "updated_at": "2026-10-01T10:00:00.071Z",
    "customer": {"id": 11},
    "event": {"id": 21, "starts_at": "2026-10-01T08:00:00Z"},
    "status": "attended",
}
SAID_BY_NEEDED = {
    "id": 7,
    "updated_at": 1_790_848_800_071_000,
    "customer_id": 11,
    "event_id": 21,
    "event_starts_at": 1_790_841_600_000_000,
    "status": "attended",
}
"""Instants are microseconds since 1970."""


class Pipe(io.RawIOBase):
    """A source that cannot seek, and hands out as little as it likes."""

    def __init__(self, data: bytes, most: int = 1 << 20) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._most if size < 0 else min(size, self._most))


@dataclass
class Result:
    """What came of a file: the batches handed out, what was rejected, and the error at the end."""

    batches: list[pa.RecordBatch]
    rejects: Rejects
    error: TurnoutError | None
    written: bytes

    @property
    def said(self) -> list[dict[str, Any]]:
        """What each row states, by storage name; 'none' is None."""
        return [row for batch in self.batches for row in said(batch)]

    @property
    def report(self) -> list[str]:
        return list(self.rejects.report())

    @property
    def faults(self) -> list[tuple[int, str]]:
        """Line and column of each fault."""
        return [(bad.line, fault.column) for bad in self.rejects.first for fault in bad.faults]


def read(data: bytes, *, partial: bool = True, limits: Limits = LIMITS, block: int = 1 << 16, **kwargs: Any) -> Result:
    out = io.BytesIO()
    rejects = Rejects("rows", out)
    batches = []
    error = None
    try:
        for batch in read_file(Pipe(data), BERLIN, rejects, partial=partial, limits=limits, block=block, **kwargs):
            batch.validate(full=True)
            assert batch.schema == STAGING
            batches.append(batch)
    except TurnoutError as raised:
        error = raised
    return Result(batches, rejects, error, out.getvalue())


def said(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    columns = {
        name: (batch[name].cast("int64") if _KINDS[name] is Kind.INSTANT else batch[name]).to_pylist()
        for name in STAGING.names[2:]
    }
    return [
        {name: columns[name][n] if name in columns else "every" for name, bit in HAS_BIT.items() if has & bit}
        for n, has in enumerate(batch["has"].to_pylist())
    ]


def line(row: Any) -> bytes:
    text = json.dumps(row, ensure_ascii=False)
    return text.encode() if text.isprintable() else json.dumps(row).encode()


def ndjson(*rows: Any) -> bytes:
    return b"".join(line(row) + b"\n" for row in rows)


def one(row: Any) -> dict[str, Any]:
    """What a single row states, read by the fast path and by the exact one alike."""
    fine = read(ndjson(row))
    assert not fine.report
    # A bad row in front makes the whole piece be checked exactly.
    exact = read(b"{}\n" + ndjson(row))
    assert exact.said == fine.said
    assert len(fine.said) == 1
    return fine.said[0]


def bad(row: Any) -> list[tuple[str, str]]:
    """The faults of a single bad row: columns and reasons."""
    result = read(ndjson(row))
    assert result.said == []
    assert result.rejects.count == 1
    return [(fault.column, fault.reason) for fault in result.rejects.first[0].faults]
