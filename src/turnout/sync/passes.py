"""Reading everything once, in the order of ids, and what changed after that, in the order of `updated_at`.

Nothing is lost, because each page begins where the last one ended, by values and not by counting; because a sweep ends
at the greatest `updated_at` that there was when it began; and because the next one begins an overlap before that. A
row that changes while it is read has, after the change, an `updated_at` that the next sweep reads, even where the
change is seen up to the overlap later than its `updated_at` says (docs/syncing.md has it in full).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from turnout.catalog.attendances import ATTENDANCES
from turnout.catalog.types import Member
from turnout.ingest.fields import TREE
from turnout.query.instants import MINUTE, SECOND, format_utc
from turnout.sync.errors import SyncError
from turnout.sync.place import TYPES, Place, Position, Sweep, new_mark, new_state
from turnout.sync.source import PAGE, check_ids, check_stamps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from turnout.ingest.fields import Tree
    from turnout.sync.source import Page, Pairs, Row, Source
    from turnout.sync.target import Refused, Target

OVERLAP: Final = 10 * MINUTE
"""How much later than its `updated_at` says a change may become visible at the source without being missed."""

_COLUMNS: Final = [("columns", column.key) for column in ATTENDANCES.default_columns]
# Services write instants with milliseconds and compare them with microseconds: one that was cut stands for a whole
# millisecond, and one that was rounded is up to half of one late.
_BLUR: Final = 1_000
# Rows of so long a time are read by their ids where they fill more than a page.
_CROWD: Final = SECOND
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
    """One sync of one provider. `progress` is told the rows read so far, and how many there are about."""

    def __init__(
        self,
        source: Source,
        target: Target,
        *,
        overlap: int = OVERLAP,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self._source = source
        self._target = target
        self._overlap = overlap
        self._progress = progress
        self._known: Place | None = None
        self.copied = Copied()

    def run(self, *, full: bool = False) -> Place:
        """Bring the target up to date, from where the last sync came to, or with `full` from the beginning.

        Returns the place; raises `SyncError`, `TurnoutError`, and what the target raises. Whatever was copied then
        stays, and the next run goes on from there.
        """
        self._known = self._target.place()
        place = self._begin(self._known, full=full)
        unfinished = place.state.sweep is not None
        place = self._once(place)
        # What was left over from an earlier run ended at a moment of that run.
        return self._once(place) if unfinished else place

    def remaining(self, *, full: bool = False) -> int:
        """About how many rows a run would read; nothing is changed."""
        state = self._begin(self._target.place(), full=full).state
        found = 0
        for type_ in TYPES:
            found += self._ask(type_, [("id_gt", str(state.ids.get(type_, 0))), ("limit", "1")]).total
            if state.since is not None:
                found += self._ask(type_, [("updated_at_gte", format_utc(state.since)), ("limit", "1")]).total
        return found

    def fetch(self, type_: str, ids: Sequence[int]) -> None:
        """Copy rows by their ids, which are in order: those that a comparison found missing."""
        place = self._known or self._begin(self._target.place(), full=False)
        wanted = list(ids)
        while wanted:
            page = self._ask(type_, [("id_gt", str(wanted[0] - 1)), ("sort", "id")])
            check_ids(self._source, page.rows, wanted[0] - 1)
            last = page.rows[-1].id if page.rows and not page.is_last else wanted[-1]
            some = {id_ for id_ in wanted if id_ <= last}
            place = self._put(type_, [row for row in page.rows if row.id in some], place)
            wanted = [id_ for id_ in wanted if id_ > last]

    def _begin(self, known: Place | None, *, full: bool) -> Place:
        here = (self._source.address, self._source.provider)
        fresh = new_state(*here)
        if known is None:
            return Place(new_mark(), fresh)
        there = (known.state.source, known.state.provider)
        if full:
            return Place(known.mark, fresh, known.as_of if here == there else None)
        if here != there:
            raise SyncError(
                f"Until now, this provider was copied from {there[0]}, provider {there[1]}; now it is "
                f"{here[0]}, provider {here[1]}. If that is meant, copy everything anew: --full.",
                lasting=True,
            )
        return known

    def _once(self, place: Place) -> Place:
        """Read what is new by id, then what changed; return the place when all of it is here."""
        state = place.state
        if state.sweep is None:
            if state.since is None:
                # Before anything is read, so that what changes meanwhile is read again.
                place = replace(place, state=replace(state, since=self._greatest_stamp() - self._overlap))
            for type_ in TYPES:
                place = self._read_ids(type_, place)
            place = self._begin_sweep(place)
        for type_ in TYPES:
            place = self._read_changes(type_, place)
        state, sweep = place.state, place.state.sweep
        assert sweep is not None  # noqa: S101 - it was begun above
        done = replace(state, since=sweep.until - self._overlap, sweep=None)
        return self._save([], replace(place, state=done, as_of=sweep.began))

    def _begin_sweep(self, place: Place) -> Place:
        began = self._source.now
        until = self._greatest_stamp()
        positions = {type_: Position(place.state.since or 0) for type_ in TYPES}
        return replace(place, state=replace(place.state, sweep=Sweep(began, until, positions)))

    def _greatest_stamp(self) -> int:
        """The latest change that there is, but nothing in the future, by the source's clock where it tells the time."""
        page = self._page([("sort", "-updated_at"), ("limit", "1"), ("columns", "id"), ("columns", "updated_at")])
        clock = self._source.now if page.clock is None else page.clock
        stamps = [row.updated_at for row in page.rows if row.updated_at is not None]
        if page.rows and not stamps:
            raise self._source.wrong(f"row {page.rows[0].id} has no 'updated_at' that can be read")
        if not stamps:
            return page.clock or 0  # nothing is there: whatever comes is read from then on, or all of it
        return min(max(stamps), clock)

    def _read_ids(self, type_: str, place: Place) -> Place:
        """Every row after the greatest id that was read, in the order of ids."""
        while True:
            after = place.state.ids.get(type_, 0)
            page = self._ask(type_, [("id_gt", str(after)), ("sort", "id")])
            check_ids(self._source, page.rows, after)
            self._progress(self.copied.rows, self.copied.rows + page.total)
            if page.rows:
                ids = {**place.state.ids, type_: page.rows[-1].id}
                place = self._put(type_, page.rows, replace(place, state=replace(place.state, ids=ids)))
            if page.is_last:
                return place

    def _read_changes(self, type_: str, place: Place) -> Place:
        """Every row that changed up to the sweep's end, in the order of changes."""
        sweep = place.state.sweep
        assert sweep is not None  # noqa: S101 - whoever calls has begun one
        while not (position := sweep.positions[type_]).done:
            if position.after is None:
                page, position = self._by_stamp(type_, position, sweep.until)
            else:
                page, position = self._by_id_within(type_, position, position.after, sweep.until)
            sweep = replace(sweep, positions={**sweep.positions, type_: position})
            place = replace(place, state=replace(place.state, sweep=sweep))
            self._progress(self.copied.rows, self.copied.rows + page.total)
            if page.rows:
                place = self._put(type_, page.rows, place)
        return place

    def _by_stamp(self, type_: str, position: Position, until: int) -> tuple[Page, Position]:
        """The next page in the order of changes, and where that leads to."""
        since = position.since
        page = self._ask(type_, [("updated_at_gte", format_utc(since)), ("sort", "updated_at"), ("sort", "id")])
        check_stamps(self._source, page.rows, since - SECOND)
        last = _last_stamp(page.rows)
        if page.is_last or (last is not None and last > until + _BLUR):
            return page, replace(position, done=True)
        reached = since if last is None else last // _BLUR * _BLUR - _BLUR
        if reached > since:
            return page, Position(reached)
        # More rows than a page have this one `updated_at`, or nearly: their ids tell them apart.
        return page, Position(since, after=0)

    def _by_id_within(self, type_: str, position: Position, after: int, until: int) -> tuple[Page, Position]:
        """The next page of rows that changed at nearly the same time, in the order of ids."""
        end = position.since + _CROWD
        within = [("updated_at_gte", format_utc(position.since)), ("updated_at_lte", format_utc(end))]
        page = self._ask(type_, [*within, ("id_gt", str(after)), ("sort", "id")])
        check_ids(self._source, page.rows, after)
        if page.is_last:
            return page, Position(end, done=end > until)
        return page, replace(position, after=page.rows[-1].id)

    def _ask(self, type_: str, pairs: Pairs) -> Page:
        limit = [] if any(name == "limit" for name, _ in pairs) else [("limit", str(PAGE))]
        return self._page([("event_types", type_), *pairs, *limit, *_COLUMNS])

    def _page(self, pairs: Pairs) -> Page:
        return self._source.page(pairs)

    def _put(self, type_: str, rows: Sequence[Row], place: Place) -> Place:
        return self._save([_row(row.members, type_, self.copied.unknown) for row in rows], place)

    def _save(self, rows: Sequence[dict[str, Any]], place: Place) -> Place:
        follows = self._known.mark if self._known else None
        put = self._target.put(rows, replace(place, mark=new_mark()), follows)
        self._known = put.place
        self.copied.created += put.created
        self.copied.updated += put.updated
        self.copied.unchanged += put.unchanged
        self.copied.refused_count += len(put.refused)
        self.copied.refused += put.refused[: max(0, _MOST_REFUSED - len(self.copied.refused))]
        return put.place


def _last_stamp(rows: Sequence[Row]) -> int | None:
    return rows[-1].updated_at if rows else None


def _row(members: dict[str, Any], type_: str, unknown: set[str]) -> dict[str, Any]:
    """A row for the importer: without members that no report has here, and with its event's type."""
    row = _known(members, TREE, "", unknown)
    event = row.get("event")
    if isinstance(event, dict):
        row["event"] = {**event, "type": type_}
    return row


def _known(members: dict[str, Any], tree: Tree, path: str, unknown: set[str]) -> dict[str, Any]:
    """The members that the importer knows: a service may come to write more, which is no fault of its rows."""
    kept = {}
    for name, value in members.items():
        node = tree.get(name)
        if node is None:
            unknown.add(f"{path}{name}"[:_MOST_REFUSED])
        elif isinstance(value, dict) and not isinstance(node, Member):
            kept[name] = _known(value, node, f"{path}{name}.", unknown)
        else:
            kept[name] = value
    return kept
