"""Putting the table of attendances in order again, piece by piece, while everybody reads and merges go on.

The table is clustered, so that a page lies in few row groups. A merge deletes what it replaces and appends what it
writes: behind the ordered part a tail grows, and each page has to look into it. Two things are done about that. The
tail is sorted in runs, which costs as much as the last run and what is new, and of which each costs a page a look. Now
and then the whole table is written anew, in steps of a few row groups: each step appends the next rows in order and
deletes them where they were, in one transaction. Nothing but the place of rows changes, so that a step can be the last
one at any time. Blocks that are let go are used by the steps that follow, and the file is cut off where its end is
free.

How far the order goes is known by row ids, which a row keeps until it is written again: the store has the engine's own
moving of rows (`max_vacuum_tasks`) off. A few marks in `meta` say it; where they are wrong or missing, nothing is lost
but time. Measurements: docs/adr/0008-upkeep.md.
"""
# ruff: noqa: S608 - the names in the SQL are those of `schema`, and its values are integers

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError
from turnout.store.layout import Layout
from turnout.store.schema import CLUSTERED, ROW_GROUP, tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.store.base import type_row
    from turnout.store.merge import Work

STEP_ROWS: Final = 2 * ROW_GROUP
"""So many rows are moved in one transaction. They fill groups of their own: what is merged between two steps does not
come to lie among them."""

RUN_ROWS: Final = 500_000
"""Merges wait for about a second while so many rows are sorted; each run costs a page some 4 ms."""

_ORDERED: Final = "ordered_until"
_SORTED: Final = "sorted_until"
_RUN: Final = "run_after"
_REBUILT: Final = "rebuilt_at"
_NEW: Final = "written_anew"
_OWNER, _TIME, _ID = CLUSTERED
_ORDER: Final = ", ".join(CLUSTERED)

_Place = tuple[int, int, int]
"""Where a row belongs: its provider, its event's start in microseconds, its id."""
_Box = tuple[tuple[float, float], tuple[float, float]]


def layout(query: Callable[[str], list[type_row]]) -> Layout:
    """How much of the table is in order. `query` runs a statement on the store."""
    marks = _marks(query)
    ordered, sorted_, _ = _places(marks, _end_of(query))
    ((rows, tail, loose),) = query(
        f"SELECT (SELECT count(*) FROM attendances), (SELECT count(*) FROM attendances WHERE rowid > {ordered}), "
        f"(SELECT count(*) FROM attendances WHERE rowid > {sorted_})"
    )
    ((size, free),) = query(
        "SELECT total_blocks * block_size, free_blocks * block_size FROM pragma_database_size() "
        "WHERE database_name = current_database()"
    )
    return Layout(rows, tail, loose, size, free, marks.get(_REBUILT))


def mark_ordered(work: Work, now: int | None = None) -> None:
    """Note that the whole table is in order as it is; with `now`, that it was written anew then."""
    end = _end(work)
    for name in (_ORDERED, _SORTED, _RUN):
        _mark(work, name, end)
    if now is not None:
        _mark(work, _REBUILT, now)


def write_anew(work: Work, table: str) -> None:
    """Write a table other than that of attendances anew, where the file has room further ahead.

    The file can be cut off only behind the last block in use, and the engine takes the first one that is free.
    """
    columns = tables()[table]
    described = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    work.run("BEGIN TRANSACTION")
    work.run(f"CREATE TABLE {_NEW} ({described})")
    (written,) = work.one(f"INSERT INTO {_NEW} SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2")
    (there,) = work.one(f"SELECT count(*) FROM {table}")
    _must_equal(written, there)
    work.run(f"DROP TABLE {table}")
    work.run(f"ALTER TABLE {_NEW} RENAME TO {table}")
    work.run("COMMIT")


def sort_tail(work: Work) -> int:
    """Sort what is behind the ordered part, in one transaction; return how many rows that were.

    What was sorted before is sorted with it, until it is a run of `RUN_ROWS`: then the next one begins.
    """
    end = _end(work)
    _, sorted_, run = _places(_marks(_asking(work)), end)
    (length,) = work.one(f"SELECT count(*) FROM attendances WHERE rowid > {run} AND rowid <= {sorted_}")
    run = sorted_ if length >= RUN_ROWS else run
    work.run("BEGIN TRANSACTION")
    moved = _move(work, f"rowid > {run}", end)
    work.run("COMMIT")
    _mark(work, _RUN, run)
    _mark(work, _SORTED, _end(work))
    return moved


class Rebuild:
    """Writes the whole table anew, in order; to be asked for `step` after `step` until it is done.

    A pass that is given up leaves a table that is as good as before, and begins anew the next time.
    """

    def __init__(self) -> None:
        self._last: _Place | None = None
        self._end: int | None = None
        self._strays: list[tuple[int, int]] = []
        self.moved = 0

    def step(self, work: Work, now: int) -> bool:
        """Move the next rows, in one transaction; return whether that was the last step."""
        if self._last is None and _REBUILT not in _marks(_asking(work)) and self._is_in_order(work):
            # A first import, or one for each provider, leaves a table in order.
            mark_ordered(work, now)
            return True
        work.run("BEGIN TRANSACTION")
        end = _end(work)
        if self._end is not None and end > self._end:
            self._strays.append((self._end, end))  # merged since the last step
        up_to = self._boundary(work)
        self.moved += _move(work, f"{self._behind()} AND {_until(up_to)}", end)
        self._last = up_to
        # What was merged meanwhile comes last, and becomes the new tail.
        among = " OR ".join(f"rowid > {first} AND rowid <= {last}" for first, last in self._strays)
        strays = _move(work, f"({among})", end) if up_to is None and among else 0
        work.run("COMMIT")
        self._end = _end(work)
        if up_to is None:
            _mark(work, _ORDERED, self._end - strays)
            _mark(work, _SORTED, self._end)
            _mark(work, _RUN, self._end - strays)
            _mark(work, _REBUILT, now)
        return up_to is None

    def _is_in_order(self, work: Work) -> bool:
        """Whether the table as it is has no two groups of rows in which the same page may lie."""
        (rows,) = work.one("SELECT count(*) FROM attendances")
        if rows <= STEP_ROWS:
            return not rows  # in no time it is in order within its groups, too
        boxes = sorted(_boxes(work))
        return all(one[1] <= other[0] for one, other in pairwise(boxes))

    def _boundary(self, work: Work) -> _Place | None:
        """The last row of the next step; None where it is the last row of all."""
        found = _asking(work)(
            f"SELECT {_OWNER}, epoch_us({_TIME}), {_ID} FROM attendances WHERE {self._behind()} "
            f"ORDER BY {_ORDER} LIMIT 1 OFFSET {STEP_ROWS - 1}"
        )
        return (found[0][0], found[0][1], found[0][2]) if found else None

    def _behind(self) -> str:
        """SQL for the rows that are still to be moved."""
        if self._last is None:
            return "true"
        owner, time, id_ = self._last
        at = f"make_timestamp({time})"
        return f"{_OWNER} >= {owner} AND ({_OWNER} > {owner} OR {_TIME} > {at} OR ({_TIME} = {at} AND {_ID} > {id_}))"


def _until(place: _Place | None) -> str:
    if place is None:
        return "true"
    owner, time, id_ = place
    at = f"make_timestamp({time})"
    return f"{_OWNER} <= {owner} AND ({_OWNER} < {owner} OR {_TIME} < {at} OR ({_TIME} = {at} AND {_ID} <= {id_}))"


def _move(work: Work, chosen: str, end: int) -> int:
    """Append the chosen ones of the rows up to the row id `end`, in order, and delete them where they are."""
    chosen = f"{chosen} AND rowid <= {end}"
    # The last word on the order of what is inserted is this ORDER BY's: then the engine inserts with one thread.
    (written,) = work.one(f"INSERT INTO attendances SELECT * FROM attendances WHERE {chosen} ORDER BY {_ORDER}")
    (deleted,) = work.one(f"DELETE FROM attendances WHERE {chosen}")
    _must_equal(written, deleted)
    return int(written)


def _must_equal(written: int, there: int) -> None:
    """Refuse to commit where the engine lost sight of rows; see `merge`."""
    if written != there:
        raise TurnoutError(
            "server_error", f"The table was left as it was: {written} rows were written for {there} that were there."
        )


def _asking(work: Work) -> Callable[[str], list[type_row]]:
    return lambda sql: work.cursor.execute(sql).fetchall()


def _end(work: Work) -> int:
    """The row id of the last row, before what the open transaction adds."""
    return _end_of(_asking(work))


def _end_of(query: Callable[[str], list[type_row]]) -> int:
    ((end,),) = query("SELECT coalesce(max(rowid), -1) FROM attendances")
    return int(end)


def _marks(query: Callable[[str], list[type_row]]) -> dict[str, int]:
    named = f"SELECT name, value FROM meta WHERE name IN ('{_ORDERED}', '{_SORTED}', '{_RUN}', '{_REBUILT}')"
    return {name: int(value) for name, value in query(named)}


def _places(marks: dict[str, int], end: int) -> tuple[int, int, int]:
    """Up to which row ids the table is in order, and sorted, and after which the last run begins.

    A mark beyond the last row is of a table that is no more.
    """
    ordered = marks.get(_ORDERED, -1)
    sorted_, run = (at if ordered <= (at := marks.get(name, -1)) <= end else ordered for name in (_SORTED, _RUN))
    return ordered, sorted_, run


def _mark(work: Work, name: str, value: int) -> None:
    work.run(f"INSERT OR REPLACE INTO meta VALUES ('{name}', '{value}')")


def _boxes(work: Work) -> list[_Box]:
    """From where to where each group of rows reaches, as far as the engine's least and greatest values tell.

    Of a group with rows of several providers it is not known where in the first and the last one it begins and ends.
    """
    owner, time = (f"CASE WHEN column_name = '{name}' THEN stats" for name in (_OWNER, _TIME))
    found = _asking(work)(
        f"SELECT min({owner}.min::VARCHAR::BIGINT END), max({owner}.max::VARCHAR::BIGINT END), "
        f"epoch_us(min({time}.min::VARCHAR::TIMESTAMP END)), epoch_us(max({time}.max::VARCHAR::TIMESTAMP END)) "
        f"FROM pragma_storage_info('attendances') WHERE column_name IN ('{_OWNER}', '{_TIME}') "
        "AND segment_type <> 'VALIDITY' GROUP BY row_group_id"
    )
    beyond = float("inf")
    return [
        ((first, since), (last, until)) if first == last else ((first, beyond), (last, -beyond))
        for first, last, since, until in found
    ]
