"""Rows that arrive in batches while the store is served: each batch is checked by itself, several are merged together.

A merge of sixteen batches of a thousand rows takes less than twice as long as that of a single one, so that batches
which wait for each other cost little. Each is as if merged after the one before (contract section 5), and keeps its own
counts.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, reduce
from io import BytesIO
from operator import or_
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from turnout.background import NEAR, behind_others
from turnout.errors import TurnoutError
from turnout.ingest.beside import settle
from turnout.ingest.faults import MOST_LISTED, BadRow, Limits, Rejects
from turnout.ingest.files import read_file
from turnout.store.staging import Naming, naming_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from typing import BinaryIO

    from turnout.store.base import Answered, Merged, Provider, Store


@dataclass(frozen=True)
class Arrival:
    """A checked batch for one provider, in pieces of `store.staging.STAGING`; the first bad rows are `rejected`.

    A name without an id gets one when all that is merged at once is known: arrivals are merged together where their
    `naming` is independent, so that it makes no difference to be merged together.
    """

    provider: Provider
    batches: Sequence[Any]
    rejected: tuple[BadRow, ...]
    rejected_count: int
    naming: Naming

    @cached_property
    def size(self) -> int:
        """How many bytes its rows take in memory. Asked of all that wait each time that one more comes."""
        return sum(batch.nbytes for batch in self.batches)

    @property
    def rows(self) -> int:
        """How many rows are to be merged."""
        return sum(batch.num_rows for batch in self.batches)


Checked = Arrival | TurnoutError | None
"""What `check_for` gives back of a body."""


def check(
    provider: Provider,
    source: BinaryIO,
    *,
    max_text: int,
    partial: bool,
    listed: int = MOST_LISTED,
    progress: Callable[[int, int], None] = lambda _bytes, _rows: None,
) -> Arrival:
    """Check a batch whole, in memory. Raises `TurnoutError` `rows_rejected` with the bad rows, unless `partial`.

    The first `listed` bad rows are named. `progress` is told the bytes and rows read so far; what it raises ends the
    checking.
    """
    bad = Rejects("The body", keep=listed)
    zone, limits = ZoneInfo(provider.timezone), Limits(text=max_text)
    reading = read_file(source, zone, bad, partial=partial, limits=limits, on_progress=progress)
    try:
        batches = list(reading)
    except TurnoutError as error:
        if error.code != "rows_rejected":
            raise
        raise TurnoutError("rows_rejected", error.message, extra=rejected_members(bad.first, bad.count)) from None
    naming = reduce(or_, map(naming_of, batches), Naming())
    return Arrival(provider, batches, tuple(bad.first), bad.count, naming)


def check_for(pipe: Connection) -> None:
    """Be the process that checks bodies for another one, until that one ends.

    Says when it is ready. For each in a list of (provider, body, `max_text`, `partial`) it gives back an arrival, the
    error that `check` raises, or None where the other one is to check the body itself.
    """
    settle()
    behind_others(NEAR)
    pipe.send(None)
    with suppress(EOFError, OSError):
        while True:
            for asked in pipe.recv():
                pipe.send(_made(*asked))


def _made(provider: Provider, body: bytes, max_text: int, partial: bool) -> Checked:
    try:
        return check(provider, BytesIO(body), max_text=max_text, partial=partial)
    except TurnoutError as error:
        return error
    except Exception:  # noqa: BLE001 - it is raised again where somebody can be told
        return None


def rejected_members(rejected: Sequence[BadRow], count: int) -> dict[str, object]:
    """What an answer says of bad rows: the first ones, each with line, column and reason, and how many there are."""
    return {"rejected": [bad.document(with_row=False) for bad in rejected], "rejected_count": count}


class Counts(Protocol):
    """What became of rows."""

    @property
    def created(self) -> int: ...
    @property
    def updated(self) -> int: ...
    @property
    def unchanged(self) -> int: ...
    @property
    def erased(self) -> int: ...


def outcome(counts: Counts, rejected: Sequence[BadRow], rejected_count: int) -> dict[str, Any]:
    """The answer of contract section 5; an extension says how many rows were of erased customers, where any were."""
    return {
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        **rejected_members(rejected, rejected_count),
        **({"erased": counts.erased} if counts.erased else {}),
    }


def merge_arrivals(
    store: Store, arrivals: Sequence[Arrival], remember: Sequence[Callable[[Merged], Answered | None]]
) -> Sequence[Merged]:
    """Merge arrivals for one provider in one transaction; return the counts of each, when all are on disk.

    What `remember` makes of the counts is written with them.
    """

    def answers(merged: Sequence[Merged]) -> list[Answered]:
        made = (make(counts) for make, counts in zip(remember, merged, strict=True))
        return [answered for answered in made if answered]

    return store.merge_together(arrivals[0].provider, [arrival.batches for arrival in arrivals], answers)
