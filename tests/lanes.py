"""What a writer of the torture test has sent, and what must be found of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

BATCH = 40
COUNTERS = 5
"""Rows of each writer that every batch of it writes anew."""
CUSTOMERS = 7
"""So many customers share the rows of a writer: their names are rewritten under older rows."""
SPACE = 1_000_000
NOBODY = "(Deleted Customer)"


@dataclass(frozen=True)
class Known:
    """What is certain about a writer's rows, as of one moment or between two."""

    acknowledged: int
    sent: int
    deleted: frozenset[int] = frozenset()
    """Ids whose deletion was acknowledged."""
    perhaps_deleted: frozenset[int] = frozenset()
    """Ids whose deletion was sent and not answered, or later."""
    erased: frozenset[int] = frozenset()
    """Customers whose erasure was acknowledged."""
    perhaps_erased: frozenset[int] = frozenset()

    def until(self, later: Known) -> Known:
        """What is certain of something that was read after this moment and before a later one."""
        return Known(
            self.acknowledged,
            later.sent,
            self.deleted,
            (later.deleted | later.perhaps_deleted) - self.deleted,
            self.erased,
            (later.erased | later.perhaps_erased) - self.erased,
        )


@dataclass
class Lane:
    """What one writer has sent and what of it was acknowledged. Its ids are its own."""

    number: int
    sent: int = 0
    acknowledged: int = 0
    deleted: set[int] = field(default_factory=set)
    perhaps_deleted: set[int] = field(default_factory=set)
    erased: set[int] = field(default_factory=set)
    perhaps_erased: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    @property
    def base(self) -> int:
        return self.number * SPACE

    @property
    def known(self) -> Known:
        """As of now. What is being done counts as perhaps done, whatever order it is read in."""
        acknowledged, deleted, erased = self.acknowledged, frozenset(self.deleted), frozenset(self.erased)
        return Known(
            acknowledged,
            self.sent,
            deleted,
            frozenset(self.perhaps_deleted | self.deleted) - deleted,
            erased,
            frozenset(self.perhaps_erased | self.erased) - erased,
        )

    @property
    def customers(self) -> range:
        return range(self.base, self.base + CUSTOMERS)

    def ids(self, batch: int) -> range:
        start = self.base + COUNTERS + (batch - 1) * BATCH + 1
        return range(start, start + BATCH)

    def body(self, batch: int) -> bytes:
        """A batch: new rows, and newer versions of the writer's counters, which say which batch they are from."""
        rows = [self._row(id_, 1, batch) for id_ in self.ids(batch)]
        rows += [self._row(self.base + number, batch, batch) for number in range(1, COUNTERS + 1)]
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    def _row(self, id_: int, version: int, batch: int) -> dict[str, object]:
        stamp = f"2026-01-01T{version // 3600:02}:{version // 60 % 60:02}:{version % 60:02}Z"
        event = {"id": id_, "starts_at": f"2025-0{1 + id_ % 9}-{1 + id_ % 28:02}T10:00:00Z", "name": f"Batch {batch}"}
        customer = self.base + id_ % CUSTOMERS
        person = {"id": customer, "name": f"Name {version} of {customer}"}
        return {"id": id_, "updated_at": stamp, "customer": person, "event": event, "status": "attended"}

    def must_hold(self, rows: list[dict[str, Any]], known: Known) -> None:
        """What was acknowledged is there, whole; what was not is there whole or not at all; nobody erased is shown."""
        found = {row["id"]: row for row in rows if row["id"] // SPACE == self.number}
        gone = known.deleted | known.perhaps_deleted
        for batch in range(1, known.sent + 1):
            ids = set(self.ids(batch))
            there = ids & found.keys()
            missing = ids - there
            assert missing <= gone or (batch > known.acknowledged and not there), f"batch {batch} is not whole"
            assert not there & known.deleted, "a deleted row came back"
        assert found.keys() <= {*range(self.base + 1, self.ids(known.sent + 1)[0])}, "rows that nobody sent"
        counters = {row["event"]["name"] for id_, row in found.items() if id_ - self.base <= COUNTERS}
        assert len(counters) <= 1, "a batch is half there"
        for name in counters:
            assert known.acknowledged <= int(name.split()[-1]) <= known.sent
        self._one_truth(found, known)

    def _one_truth(self, found: dict[int, dict[str, Any]], known: Known) -> None:
        names: dict[int, set[str]] = {}
        for row in found.values():
            names.setdefault(row["customer"]["id"], set()).add(row["customer"]["name"])
        for customer, said in names.items():
            assert len(said) == 1, f"customer {customer} has different truths: {said}"
            (name,) = said
            assert name == NOBODY or name.endswith(f" of {customer}")
            if customer in known.erased:
                assert name == NOBODY, "somebody erased came back"
            elif customer not in known.perhaps_erased:
                assert name != NOBODY, "somebody is gone whom nobody erased"
