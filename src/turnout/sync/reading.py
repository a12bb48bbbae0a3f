"""Reading everything once, in the order of ids, and what changed after that, in the order of `updated_at`.

Nothing is lost, because each page begins where the last one ended, by values and not by counting; because a sweep ends
at the greatest `updated_at` that there was when it began; and because the next one begins an overlap before that. A
row that changes while it is read has, after the change, an `updated_at` that the next sweep reads, even where the
change is seen up to the overlap later than its `updated_at` says (docs/syncing.md has it in full).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from turnout.catalog.attendances import ATTENDANCES
from turnout.catalog.types import Member
from turnout.ingest.fields import TREE
from turnout.query.instants import MINUTE, SECOND, format_utc
from turnout.sync.errors import SyncError
from turnout.sync.place import TYPES, Position, State, Sweep
from turnout.sync.source import PAGE, check_ids, check_stamps
from turnout.sync.target import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from turnout.ingest.fields import Tree
    from turnout.sync.source import Page, Pairs, Row, Source

OVERLAP: Final = 10 * MINUTE
"""How much later than its `updated_at` says a change may become visible at the source without being missed."""

_COLUMNS: Final = [("columns", column.key) for column in ATTENDANCES.default_columns]
# Services write instants with milliseconds and compare them with microseconds: one that was cut stands for a whole
# millisecond, and one that was rounded is up to half of one late.
_BLUR: Final = 1_000
# Rows of so long a time are read by their ids where they fill more than a page.
_CROWD: Final = SECOND
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Step:
    """Rows that were read, and how far the reading has come with them.

    `left` is about how many rows were still to be read with them and after them. The last step of a reading has
    `as_of`, the moment whose data is all here then.
    """

    rows: Sequence[msgspec.Raw]
    state: State
    left: int = 0
    as_of: int | None = None


class Reading:
    """What is asked of a source, and in which order. Members that no report has here are added to `unknown`."""

    def __init__(self, source: Source, unknown: set[str], *, overlap: int = OVERLAP) -> None:
        self._source = source
        self._unknown = unknown
        self._overlap = overlap

    def steps(self, state: State) -> Iterator[Step]:
        """All that is new or changed after a state, page by page, each as soon as it was read. Raises `SyncError`."""
        unfinished = state.sweep is not None
        state = yield from self._once(state)
        if unfinished:
            # What was left over from an earlier run ended at a moment of that run.
            yield from self._once(state)

    def remaining(self, state: State) -> int:
        """About how many rows are to be read after a state."""
        found = 0
        for type_ in TYPES:
            found += self._ask(type_, [("id_gt", str(state.ids.get(type_, 0))), ("limit", "1")]).total
            if state.since is not None:
                found += self._ask(type_, [("updated_at_gte", format_utc(state.since)), ("limit", "1")]).total
        return found

    def by_ids(self, type_: str, ids: Sequence[int], state: State) -> Iterator[Step]:
        """Rows by their ids, which are in order; the state stays as it is."""
        wanted = list(ids)
        while wanted:
            page = self._ask(type_, [("id_gt", str(wanted[0] - 1)), ("sort", "id")])
            check_ids(self._source, page.rows, wanted[0] - 1)
            last = page.rows[-1].id if page.rows and not page.is_last else wanted[-1]
            some = {id_ for id_ in wanted if id_ <= last}
            yield Step(self._rows(type_, [row for row in page.rows if row.id in some]), state, len(wanted))
            wanted = [id_ for id_ in wanted if id_ > last]

    def _once(self, state: State) -> Generator[Step, None, State]:
        """Read what is new by id, then what changed; return the state when all of it was read."""
        if state.sweep is None:
            if state.since is None:
                # Before anything is read, so that what changes meanwhile is read again.
                state = replace(state, since=self._greatest_stamp()[0] - self._overlap)
            for type_ in TYPES:
                state = yield from self._by_id(type_, state)
            state = self._begin_sweep(state)
        for type_ in TYPES:
            state = yield from self._changes(type_, state)
        sweep = state.sweep
        assert sweep is not None  # noqa: S101 - it was begun above
        state = replace(state, since=sweep.until - self._overlap, sweep=None)
        yield Step((), state, as_of=sweep.began)
        return state

    def _begin_sweep(self, state: State) -> State:
        began = self._source.now
        until, all_of_it = self._greatest_stamp()
        if not all_of_it:
            # Changes that the source dates after its own clock may be of before `began`, and are not read to the end.
            began = min(began, until)
        positions = {type_: Position(state.since or 0) for type_ in TYPES}
        return replace(state, sweep=Sweep(began, until, positions))

    def _greatest_stamp(self) -> tuple[int, bool]:
        """The latest change that there is, but nothing in the future, by the source's clock where it tells the time.

        And whether there is none in the future.
        """
        asked = [("sort", "-updated_at"), ("limit", "1"), ("columns", "id"), ("columns", "updated_at")]
        page = self._source.page(asked)
        clock = self._source.now if page.clock is None else page.clock
        stamps = [row.updated_at for row in page.rows if row.updated_at is not None]
        if page.rows and not stamps:
            raise self._source.wrong(f"row {page.rows[0].id} has no 'updated_at' that can be read")
        if not stamps:
            return page.clock or 0, True  # nothing is there: whatever comes is read from then on, or all of it
        return min(max(stamps), clock), max(stamps) <= clock

    def _by_id(self, type_: str, state: State) -> Generator[Step, None, State]:
        """Every row after the greatest id that was read, in the order of ids."""
        while True:
            after = state.ids.get(type_, 0)
            page = self._ask(type_, [("id_gt", str(after)), ("sort", "id")])
            check_ids(self._source, page.rows, after)
            if page.rows:
                state = replace(state, ids={**state.ids, type_: page.rows[-1].id})
                yield Step(self._rows(type_, page.rows), state, page.total)
            if page.is_last:
                return state

    def _changes(self, type_: str, state: State) -> Generator[Step, None, State]:
        """Every row that changed up to the sweep's end, in the order of changes."""
        sweep = state.sweep
        assert sweep is not None  # noqa: S101 - whoever calls has begun one
        while not (position := sweep.positions[type_]).done:
            if position.after is None:
                page, position = self._by_stamp(type_, position, sweep.until)
            else:
                page, position = self._by_id_within(type_, position, position.after, sweep.until)
            sweep = replace(sweep, positions={**sweep.positions, type_: position})
            state = replace(state, sweep=sweep)
            if page.rows:
                yield Step(self._rows(type_, page.rows), state, page.total)
        return state

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
        return self._source.page([("event_types", type_), *pairs, *limit, *_COLUMNS])

    def _rows(self, type_: str, rows: Sequence[Row]) -> list[msgspec.Raw]:
        """Rows for the importer, each as JSON: without members that no report has here, and with its event's type."""
        return [self._row(type_, row) for row in rows]

    def _row(self, type_: str, row: Row) -> msgspec.Raw:
        members = _known(row.members, TREE, "", self._unknown)
        event = members.get("event")
        if isinstance(event, dict):
            members["event"] = {**event, "type": type_}
        encoded = msgspec.json.encode(members)
        if len(encoded) > MOST_BYTES:
            raise SyncError(f"Row {row.id} of the source has {len(encoded):,} bytes; the most is {MOST_BYTES:,}.")
        return msgspec.Raw(encoded)


def _last_stamp(rows: Sequence[Row]) -> int | None:
    return rows[-1].updated_at if rows else None


def _known(members: dict[str, Any], tree: Tree, path: str, unknown: set[str]) -> dict[str, Any]:
    """The members that the importer knows: a service may come to write more, which is no fault of its rows."""
    kept = {}
    for name, value in members.items():
        node = tree.get(name)
        if node is None:
            unknown.add(f"{path}{name}"[:_LONGEST_NAME])
        elif isinstance(value, dict) and not isinstance(node, Member):
            kept[name] = _known(value, node, f"{path}{name}.", unknown)
        else:
            kept[name] = value
    return kept
