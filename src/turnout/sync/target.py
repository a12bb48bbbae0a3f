"""The target: where copied rows go, together with the place, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import Raw

from turnout.errors import TurnoutError
from turnout.query.sql import listing_statement
from turnout.store.base import PlaceChange, StoredPlace
from turnout.sync.place import Place, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from turnout.arrivals import Arrival
    from turnout.store.base import Provider, Store

MOST_LISTED: Final = 10_000
"""So many rows are listed, or removed, at once."""
MOST_ROWS: Final = 1_000
"""So many rows are put at once; a place is saved with them."""
MOST_BYTES: Final = 1 << 20
"""So many bytes of rows are put at once, and so many has a row at the most."""
_MOST_REFUSED: Final = 1_000
"""So many refused rows are remembered: of more, it is not each that matters."""


class Refused(msgspec.Struct, frozen=True):
    """A row that could not be taken, and why."""

    id: int
    column: str
    reason: str


class Put(msgspec.Struct, frozen=True):
    """What became of some rows, and the place that was saved with them."""

    created: int
    updated: int
    unchanged: int
    refused: tuple[Refused, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Listed:
    """Ids of rows in their order, and each one's `updated_at` in microseconds since 1970."""

    ids: Sequence[int]
    updated_at: Sequence[int]


class Target(Protocol):
    """One provider's attendances, somewhere. What returns is on disk."""

    def place(self) -> Place | None:
        """The place of the last sync; None where there was none."""
        ...

    def put(self, rows: Sequence[Raw], place: Place, follows: str | None) -> Put:
        """Merge rows and save the place, or neither. Rows that cannot be taken are named; the others are merged.

        A row is a JSON object. May be repeated. Raises `TurnoutError` `conflict` where the present place is not the one
        marked `follows`.
        """
        ...

    def listing(self) -> Iterator[Listed]:
        """All rows by id."""
        ...

    def remove(self, rows: Listed) -> int:
        """Remove those of the rows that are still as they were listed; return how many there were."""
        ...


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows that were checked: what is to be merged, the ids of all, and those that cannot be taken."""

    arrival: Arrival
    ids: frozenset[int]
    refused: tuple[Refused, ...]


class StoreTarget:
    """A provider of an open store."""

    def __init__(self, store: Store, provider: Provider, *, max_text: int) -> None:
        self._store = store
        self._provider = provider
        self._max_text = max_text

    def place(self) -> Place | None:
        """The place of the last sync; None where there was none."""
        stored = self._store.place(self._provider.id)
        return read_place(stored) if stored else None

    def put(self, rows: Sequence[Raw], place: Place, follows: str | None) -> Put:
        """Merge rows and save the place, in one transaction."""
        return self.merge(self.check(rows), place, follows)

    def check(self, rows: Sequence[Raw]) -> Checked:
        """The first half of `put`, which does not wait for the store."""
        from turnout.arrivals import check  # noqa: PLC0415 - a server that only answers starts without Arrow

        # Each row on a line of its own, so that a line names a row: in JSON, a line ends only between two tokens.
        lines = b"[%s]" % b",\n".join(bytes(row).replace(b"\n", b" ") for row in rows)
        arrival = check(self._provider, BytesIO(lines), max_text=self._max_text, partial=True, listed=len(rows))
        ids = [_id(row) for row in rows]
        refused = tuple(Refused(ids[bad.line - 1], bad.column, bad.reason) for bad in arrival.rejected)
        return Checked(arrival, frozenset(ids), refused)

    def merge(self, checked: Checked, place: Place, follows: str | None) -> Put:
        """The second half of `put`."""
        place = _with_refused(place, checked)
        stored = StoredPlace(place.mark, place.as_of, msgspec.json.encode(place).decode())
        (merged,) = self._store.merge_together(
            self._provider, [checked.arrival.batches], place=PlaceChange(self._provider.id, follows, stored)
        )
        return Put(merged.created, merged.updated, merged.unchanged, checked.refused, place)

    def listing(self) -> Iterator[Listed]:
        """All rows by id, in parts."""
        after = 0
        while (part := self.listed_after(after)).ids:
            yield part
            after = part.ids[-1]

    def listed_after(self, after: int) -> Listed:
        """The rows that follow an id, at most `MOST_LISTED`."""
        with self._store.snapshot(self._provider.id) as snapshot:
            found = snapshot.rows(listing_statement(self._provider.id, after, MOST_LISTED, snapshot.dialect))
        return Listed([row[0] for row in found], [row[1] for row in found])

    def remove(self, rows: Listed) -> int:
        """Remove rows that are as they were listed."""
        return self._store.delete(self._provider, rows.ids, rows.updated_at)


def read_place(stored: StoredPlace) -> Place:
    """A stored place. One of a form that is not known belongs to no source that there is: only --full follows it."""
    try:
        return msgspec.json.decode(stored.document, type=Place)
    except msgspec.DecodeError:
        return Place(stored.mark, State("another version of Turnout", 0), stored.as_of)


def target_of(store: Store, provider: int, *, max_text: int) -> StoreTarget:
    """The target for a provider's id. Raises `not_found` where there is none."""
    known = store.providers().get(provider)
    if known is None:
        raise TurnoutError("not_found", f"There is no provider {provider}; `turnout provider add` makes one.")
    return StoreTarget(store, known, max_text=max_text)


class _Identified(msgspec.Struct):
    """What is needed to name a row."""

    id: int = 0


_identified: Final = msgspec.json.Decoder(_Identified)


def _id(row: Raw) -> int:
    """A row's id; 0 where it has none."""
    try:
        return _identified.decode(row).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0


def _with_refused(place: Place, checked: Checked) -> Place:
    """The place with these rows among the refused ones, and those that were taken no longer."""
    bad = {row.id for row in checked.refused}
    taken = checked.ids - bad
    kept = dict.fromkeys([*(id_ for id_ in place.refused if id_ not in taken), *sorted(bad)])
    return msgspec.structs.replace(place, refused=tuple(kept)[:_MOST_REFUSED])
