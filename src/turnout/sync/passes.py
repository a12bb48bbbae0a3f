"""Copying: what was read goes to the target with the place that it leads to, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from turnout.sync.errors import SyncError
from turnout.sync.place import Place, new_mark, new_state
from turnout.sync.reading import OVERLAP, Reading, Step
from turnout.sync.target import MOST_BYTES, MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from msgspec import Raw

    from turnout.sync.source import Source
    from turnout.sync.target import Refused, Target

_MOST_REFUSED: Final = 100


@dataclass
class Copied:
    """What a sync did, in rows as they were read; one that was read again counts again, mostly as unchanged.

    `refused` has the first hundred rows that could not be taken; `unknown` the members that no report has here.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)
    refused_count: int = 0
    unknown: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        return self.created + self.updated + self.unchanged + self.refused_count


class Copy:
    """One sync of one provider. `progress` is told the rows copied so far, and how many there are about."""

    def __init__(
        self,
        source: Source,
        target: Target,
        *,
        overlap: int = OVERLAP,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self.copied = Copied()
        self._source = source
        self._target = target
        self._reading = Reading(source, self.copied.unknown, overlap=overlap)
        self._progress = progress

    def run(self, *, full: bool = False) -> Place:
        """Bring the target up to date, from where the last sync came to, or with `full` from the beginning.

        Returns the place; raises `SyncError`, `TurnoutError`, and what the target raises. Whatever was copied then
        stays, and the next run goes on from there.
        """
        place, follows = self._begin(full=full)
        return self._write(self._reading.steps(place.state), place, follows)

    def remaining(self, *, full: bool = False) -> int:
        """About how many rows a run would read; nothing is changed."""
        return self._reading.remaining(self._begin(full=full)[0].state)

    def fetch(self, type_: str, ids: Sequence[int]) -> Place:
        """Copy rows by their ids, which are in order: those that a comparison found missing."""
        place, follows = self._begin(full=False)
        return self._write(self._reading.by_ids(type_, ids, place.state), place, follows)

    def forget(self, ids: AbstractSet[int]) -> Place:
        """Remember rows no longer that were refused, and are not at the source any more."""
        place, follows = self._begin(full=False)
        refused = tuple(id_ for id_ in place.refused if id_ not in ids)
        return self._put((), replace(place, refused=refused), follows)

    def _begin(self, *, full: bool) -> tuple[Place, str | None]:
        """The place where to begin, and the mark of the one that is there."""
        known = self._target.place()
        here = (self._source.address, self._source.provider)
        fresh = new_state(*here)
        if known is None:
            return Place(new_mark(), fresh), None
        there = (known.state.source, known.state.provider)
        if full:
            return Place(known.mark, fresh, known.as_of if here == there else None), known.mark
        if here != there:
            raise SyncError(
                f"Until now, this provider was copied from {there[0]}, provider {there[1]}; now it is "
                f"{here[0]}, provider {here[1]}. If that is meant, copy everything anew: --full.",
                lasting=True,
            )
        return known, known.mark

    def _write(self, steps: Iterable[Step], place: Place, follows: str | None) -> Place:
        """Put the rows of each step, and the place that it leads to; return the last place."""
        for step in steps:
            self._progress(self.copied.rows, self.copied.rows + step.left)
            *parts, last = _parts(step.rows)
            for part in parts:
                place = self._put(part, place, follows)
                follows = place.mark
            as_of = place.as_of if step.as_of is None else step.as_of
            place = self._put(last, replace(place, state=step.state, as_of=as_of), follows)
            follows = place.mark
        return place

    def _put(self, rows: Sequence[Raw], place: Place, follows: str | None) -> Place:
        put = self._target.put(rows, replace(place, mark=new_mark()), follows)
        self.copied.created += put.created
        self.copied.updated += put.updated
        self.copied.unchanged += put.unchanged
        self.copied.refused_count += len(put.refused)
        self.copied.refused += put.refused[: max(0, _MOST_REFUSED - len(self.copied.refused))]
        return put.place


def _parts(rows: Iterable[Raw]) -> Iterator[list[Raw]]:
    """The rows in parts that may be put at once; one part, without rows, where there are none."""
    part: list[Raw] = []
    size = 0
    for row in rows:
        length = len(bytes(row))
        if part and (len(part) == MOST_ROWS or size + length > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    yield part
