"""Comparing both sides by their ids: what is gone at the source goes here, and what is missing here is fetched."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from turnout.sync.errors import SyncError
from turnout.sync.place import TYPES
from turnout.sync.source import PAGE, check_ids
from turnout.sync.target import MOST_LISTED, Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from turnout.sync.passes import Copy
    from turnout.sync.source import Source
    from turnout.sync.target import Target

MOST_REMOVED: Final = 0.05
"""The share of the rows here that may be gone there, unless more is allowed."""


@dataclass
class Difference:
    """What a comparison found: rows `here`, those of them that are `gone` there, and ids there that `lack` here.

    A row that is older here than there lacks as well.
    """

    here: int
    gone: Listed
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
    """
    ids, stamps = array("q"), array("q")
    for part in target.listing():
        ids.extend(part.ids)
        stamps.extend(part.updated_at)
    found = bytearray(len(ids))
    lacking: dict[str, list[int]] = {}
    done = 0
    for type_ in TYPES:
        at = 0
        lacking[type_] = []
        for id_, stamp, total in _there(source, type_):
            done += 1
            if done % PAGE == 0:
                progress(done, total)
            while at < len(ids) and ids[at] < id_:
                at += 1
            if at < len(ids) and ids[at] == id_:
                found[at] = 1
            if at == len(ids) or ids[at] != id_ or (stamp is not None and stamp > stamps[at]):
                lacking[type_].append(id_)
    gone = [n for n in range(len(ids)) if not found[n]]
    return Difference(len(ids), Listed([ids[n] for n in gone], [stamps[n] for n in gone]), lacking)


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
    gone = difference.gone
    return sum(
        target.remove(Listed(gone.ids[n : n + MOST_LISTED], gone.updated_at[n : n + MOST_LISTED]))
        for n in range(0, len(gone.ids), MOST_LISTED)
    )


def _there(source: Source, type_: str) -> Iterator[tuple[int, int | None, int]]:
    """Each row of a type at the source: its id, its `updated_at`, and how many there are about."""
    after = done = 0
    while True:
        page = source.page(
            [
                *(("event_types", type_), ("id_gt", str(after)), ("sort", "id"), ("limit", str(PAGE))),
                *(("columns", "id"), ("columns", "updated_at")),
            ]
        )
        check_ids(source, page.rows, after)
        for row in page.rows:
            yield row.id, row.updated_at, done + page.total
        if page.is_last:
            return
        after = page.rows[-1].id
        done += len(page.rows)
