"""Comparing both sides by their ids: what is gone at the source goes here, and what is missing here is fetched."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from turnout.catalog.types import MAX_ID
from turnout.sync.errors import SyncError
from turnout.sync.place import TYPES
from turnout.sync.source import PAGE, check_ids
from turnout.sync.target import MOST_LISTED, Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from turnout.sync.passes import Copy
    from turnout.sync.source import Page, Source
    from turnout.sync.target import Target

MOST_REMOVED: Final = 0.05
"""The share of the rows here that may be gone there, unless more is allowed."""


@dataclass
class Difference:
    """What a comparison found: rows `here`, those of them that are `gone` there, and ids there that `lack` here.

    A row that is older here than there lacks as well. `vanished` are refused rows that are not there any more.
    """

    here: int
    gone: Listed
    vanished: frozenset[int] = frozenset()
    lacking: dict[str, list[int]] = field(default_factory=dict)

    @property
    def lack(self) -> int:
        return sum(map(len, self.lacking.values()))

    @property
    def share(self) -> float:
        """The part of the rows here that is gone there."""
        return len(self.gone.ids) / self.here if self.here else 0.0


def compare(
    source: Source, target: Target, *, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Difference:
    """Read all ids on both sides. Memory: 17 bytes for each row here.

    What is here is listed before anything is read there: a row that comes later is in neither list of what is gone.
    What was not met is asked for once more: an event may change its type between the readings of both.
    """
    ids, stamps = array("q"), array("q")
    for part in target.listing():
        ids.extend(part.ids)
        stamps.extend(part.updated_at)
    found = bytearray(len(ids))
    place = target.place()
    refused = set(place.refused if place else ())
    lacking: dict[str, list[int]] = {}
    done = 0
    for type_ in TYPES:
        at = 0
        lacking[type_] = []
        for id_, stamp, total in _there(source, type_):
            done += 1
            if done % PAGE == 0:
                progress(done, total)
            refused.discard(id_)
            while at < len(ids) and ids[at] < id_:
                at += 1
            if at < len(ids) and ids[at] == id_:
                found[at] = 1
            if at == len(ids) or ids[at] != id_ or (stamp is not None and stamp > stamps[at]):
                lacking[type_].append(id_)
    missed = [n for n in range(len(ids)) if not found[n]]
    still = _still_there(source, sorted(refused.union(ids[n] for n in missed)))
    gone = [n for n in missed if ids[n] not in still]
    listed = Listed([ids[n] for n in gone], [stamps[n] for n in gone])
    return Difference(len(ids), listed, frozenset(refused - still), lacking)


def check_share(difference: Difference, most: float) -> None:
    """Refuse to remove more than the share that is allowed: a source that shows less is no reason to forget it."""
    if difference.share > most:
        raise SyncError(
            f"{len(difference.gone.ids):,} of {difference.here:,} rows ({difference.share:.1%}) are gone at the source,"
            f" more than the {most:.1%} that may be removed; nothing was removed. If that is right, allow more: "
            "--max-removed.",
            lasting=True,
        )


def settle(difference: Difference, copy: Copy, target: Target) -> int:
    """Fetch what is lacking, and remove what is gone; return how many rows were removed."""
    for type_, ids in difference.lacking.items():
        copy.fetch(type_, ids)
    if difference.vanished:
        copy.forget(difference.vanished)
    gone = difference.gone
    return sum(
        target.remove(Listed(gone.ids[n : n + MOST_LISTED], gone.updated_at[n : n + MOST_LISTED]))
        for n in range(0, len(gone.ids), MOST_LISTED)
    )


def _still_there(source: Source, ids: Sequence[int]) -> set[int]:
    """Those of some ids, which are in order, that are at the source, of whatever type."""
    found: set[int] = set()
    after = 0
    for id_ in ids:
        if id_ > after:
            page = _page(source, id_ - 1)
            found.update(row.id for row in page.rows)
            after = page.rows[-1].id if page.rows and not page.is_last else MAX_ID
    return found.intersection(ids)


def _page(source: Source, after: int, *pairs: tuple[str, str]) -> Page:
    """The ids that follow one, each with its `updated_at`."""
    columns = (("columns", "id"), ("columns", "updated_at"))
    page = source.page([*pairs, ("id_gt", str(after)), ("sort", "id"), ("limit", str(PAGE)), *columns])
    check_ids(source, page.rows, after)
    return page


def _there(source: Source, type_: str) -> Iterator[tuple[int, int | None, int]]:
    """Each row of a type at the source: its id, its `updated_at`, and how many there are about."""
    after = done = 0
    while True:
        page = _page(source, after, ("event_types", type_))
        for row in page.rows:
            yield row.id, row.updated_at, done + page.total
        if page.is_last:
            return
        after = page.rows[-1].id
        done += len(page.rows)
