"""The third step of a merge: the wide rows whose values changed are written anew (contract sections 5 and 9).

fresh        what the rows to be written say of themselves: accepted rows, and stored rows that repeat a changed truth
touched      the customers of such rows, before or after
rivals       their other rows that are attended, or were a first attendance
firsts       for each of these customers, the row of the earliest attended event
starts       when the events of these rows start by their local clocks (`local_starts`)
shown_event  what the rows show of these events
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its one value is an integer

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from turnout.catalog.attendances import ROW, THINGS
from turnout.catalog.types import FOLDED, Thing
from turnout.store import schema
from turnout.store.local_starts import EVENT, find_starts
from turnout.store.merge_persons import shown
from turnout.store.merge_things import changed_table
from turnout.store.schema import HAS_BIT, LISTED, MINE, NEVER_SAID, PERSONAL, PROVIDER, names_of, stamp, wide_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from turnout.catalog.types import Member
    from turnout.store.merge import Work

_OWN: Final = tuple(m for m in ROW if m.storage not in ("id", "updated_at", schema.FIRST))
_MAKER: Final = {m.storage: thing.name for thing in THINGS for m in thing.members}
"""The thing whose truth a wide column repeats."""
_PERSONAL: Final = frozenset(member.storage for member in PERSONAL)
_OF_LISTS: Final = {names_of(thing): f"{thing.name}.names" for thing in LISTED.values()} | {
    reference: f"{thing.name}.people" for reference, thing in LISTED.items()
}
_SHOWN_EVENT: Final = "shown_event"
_BEHIND_EVENT: Final = tuple(thing for thing in THINGS if _MAKER.get(thing.reference) == EVENT.name)
"""The things that events name."""


class Rows:
    """Writes the wide rows of one merge."""

    OWN_LIST: ClassVar = ", ".join(("id", "updated_at", *(m.storage for m in _OWN), schema.FIRST_GIVEN))
    """The columns of `attendances` that a row says of itself."""

    def __init__(self, work: Work, before: int | None) -> None:
        """`before` is the provider's retention mark."""
        self._work = work
        self._before = before

    def write(self, changed: Iterable[Thing], *, repeated: bool) -> int:
        """Write every wide row that this merge changes; return how many.

        `changed` are the kinds of things that changed; `repeated` where ids are, in a table of that name.
        """
        self._work.run(f"CREATE TEMP TABLE fresh AS {_accepted(repeated=repeated)}")
        for thing in changed:
            self._add_rows_of_changed(thing)
        who = schema.FIRST_OF
        self._find_firsts(f"SELECT {who} FROM fresh UNION SELECT {who} FROM stored WHERE id IN (SELECT id FROM fresh)")
        return self._rewrite()

    def write_after_deletion(self) -> int:
        """Write every wide row that changes because the rows in `stored` were deleted; return how many."""
        self._work.run("CREATE TEMP TABLE fresh AS SELECT * FROM stored LIMIT 0")
        self._find_firsts(f"SELECT DISTINCT {schema.FIRST_OF} FROM stored")
        return self._rewrite()

    def _rewrite(self) -> int:
        self._add_rows_of_other_firsts()
        find_starts(self._work, f"SELECT DISTINCT {EVENT.reference} FROM fresh")
        self._make_shown_events()
        (written,) = self._work.one("SELECT count(*) FROM fresh")
        self._work.run(f"DELETE FROM attendances WHERE {MINE} AND id IN (SELECT id FROM fresh)")
        # A reader passes over whole groups of rows: within one, their order does not matter.
        order = f"ORDER BY {schema.FIRST_BY}, id" if written > schema.ROW_GROUP else ""
        self._work.run(f"INSERT INTO attendances {self._wide()} {order}")
        return int(written)

    def _add_rows_of_changed(self, thing: Thing) -> None:
        """Add the stored rows that repeat a truth of a thing that changed."""
        changed = changed_table(thing)
        if thing.reference in LISTED:
            repeats = f"list_has_any({thing.reference}, (SELECT list(id) FROM {changed}))"
        else:
            repeats = f"{thing.reference} IN (SELECT id FROM {changed})"
        self._work.run(
            f"INSERT INTO fresh SELECT {self.OWN_LIST} FROM attendances "
            f"WHERE {MINE} AND {repeats} AND id NOT IN (SELECT id FROM fresh)"
        )

    def _find_firsts(self, touched: str) -> None:
        """Make `firsts` (customer, row id or null) of the customers that `touched` selects, as it will be."""
        who, when, attended = schema.FIRST_OF, schema.FIRST_BY, f"status = '{schema.FIRST_STATUS}'"
        event = _MAKER[when]
        event_id = next(thing.reference for thing in THINGS if thing.name == event)
        self._work.run(f"CREATE TEMP TABLE touched AS {touched}")
        self._work.run(
            f"CREATE TEMP TABLE rivals AS SELECT id, {who}, {when}, status, {schema.FIRST}, {schema.FIRST_GIVEN} FROM ("
            f"SELECT * FROM attendances WHERE {MINE} AND {who} IN (SELECT {who} FROM touched) "
            f"AND ({attended} OR {schema.FIRST})) ANTI JOIN fresh USING (id)"
        )
        self._work.run(
            f"CREATE TEMP TABLE firsts AS SELECT {who}, arg_min(id, {stamp(when, 'id')}) AS first_id FROM ("
            f"SELECT fresh.{who}, {event}.{when}, fresh.id FROM fresh "
            f"JOIN {event} ON {event}.{MINE} AND {event}.id = fresh.{event_id} WHERE {attended} "
            f"UNION ALL SELECT {who}, {when}, id FROM rivals WHERE {attended} "
            f"UNION ALL SELECT {who}, NULL, NULL FROM touched) GROUP BY {who}"
        )

    def _add_rows_of_other_firsts(self) -> None:
        """Add the stored rows that now are, or no longer are, their customer's first attendance."""
        others = f"rivals JOIN firsts USING ({schema.FIRST_OF}) WHERE {schema.FIRST} <> {_first('rivals')}"
        if self._work.any(others):
            self._work.run(
                f"INSERT INTO fresh SELECT {self.OWN_LIST} FROM attendances "
                f"WHERE {MINE} AND id IN (SELECT id FROM {others})"
            )

    def _make_shown_events(self) -> None:
        """Make `shown_event`: there are far fewer events than rows, and what is joined to one is joined only once."""
        columns = [column for column in wide_columns() if _of_event(column)]
        values = ", ".join(f"{self._value(column)} AS {column}" for column in columns)
        joins = [self._join(thing) for thing in _BEHIND_EVENT]
        self._work.run(
            f"CREATE TEMP TABLE {_SHOWN_EVENT} AS SELECT {EVENT.name}.id, {values} "
            f"FROM {EVENT.name} JOIN starts USING (id) {' '.join(joins)} WHERE {EVENT.name}.{MINE}"
        )

    def _wide(self) -> str:
        """SQL for the wide rows of `fresh`."""
        values = ", ".join(
            f"{f'{EVENT.name}.{column}' if _of_event(column) else self._value(column)} AS {column}"
            for column in wide_columns()
        )
        joins = [
            f"JOIN firsts USING ({schema.FIRST_OF})",
            f"JOIN {_SHOWN_EVENT} AS {EVENT.name} ON {EVENT.name}.id = fresh.{EVENT.reference}",
            *(self._join(thing) for thing in THINGS if thing is not EVENT and thing not in _BEHIND_EVENT),
        ]
        return f"SELECT {values} FROM fresh {' '.join(joins)}"

    def _join(self, thing: Thing) -> str:
        """SQL that joins a thing, where known, to what names it: an event, another thing, or a row of `fresh`."""
        reference = f"{_MAKER.get(thing.reference, 'fresh')}.{thing.reference}"
        if thing.reference in LISTED:
            return f"LEFT JOIN ({self._crews(thing)}) AS {thing.name} ON {thing.name}.ids = {reference}"
        # Where there are many, the engine would else put all of them into the table by which it joins.
        few = "" if thing.by_name else f"AND id IN (SELECT DISTINCT {thing.reference} FROM fresh)"
        mine = f"(SELECT * FROM {thing.name} WHERE {MINE} {few}) AS {thing.name}"
        return f"LEFT JOIN {mine} ON {thing.name}.id = {reference}"

    def _value(self, column: str) -> str:
        if column == "provider_id":
            return PROVIDER
        if column == schema.FIRST:
            return _first("fresh")
        if column in schema.LOCAL:
            return f"starts.{column}"
        member = column.removesuffix(FOLDED)
        if member in _PERSONAL:
            return shown(member, column, _MAKER[schema.AGE_BY], self._before)
        maker = _MAKER.get(member)
        value = _OF_LISTS.get(column) or (f"{maker}.{column}" if maker else f"fresh.{column}")
        if column in _OF_LISTS:
            return f"coalesce({value}, [])"
        return f"coalesce({value}, {NEVER_SAID[column]})" if column in NEVER_SAID else value

    def _crews(self, thing: Thing) -> str:
        """SQL for (ids, people, names): each distinct list of things, and the same in a report's order."""
        (name,) = (member.storage for member in thing.members)
        owner, ref, me = _MAKER[thing.reference], thing.reference, thing.name
        order = f"{name}{FOLDED} NULLS LAST, {name}, {me}.id"
        return (
            f"SELECT ids, list({me}.id ORDER BY {order}) AS people, list({name} ORDER BY {order}) AS names FROM ("
            f"SELECT ids, unnest(ids) AS id FROM (SELECT DISTINCT {ref} AS ids FROM {owner} WHERE {MINE} "
            f"AND id IN (SELECT id FROM starts))) AS listed "
            f"JOIN {me} ON {me}.{MINE} AND {me}.id = listed.id GROUP BY ids"
        )


def _of_event(column: str) -> bool:
    """Whether a wide column repeats what an event shows, or a thing that it names."""
    maker = _MAKER.get(column.removesuffix(FOLDED))
    behind = {thing.name for thing in _BEHIND_EVENT}
    return column in schema.LOCAL or column in _OF_LISTS or maker == EVENT.name or maker in behind


def _first(row: str) -> str:
    """SQL for whether a row is a first attendance: what was given, else what `firsts` says."""
    return f"coalesce({row}.{schema.FIRST_GIVEN}, {row}.id = firsts.first_id, false)"


def _accepted(*, repeated: bool) -> str:
    """SQL for the own members of the accepted rows: the newest version that has one, else what is stored."""
    newest = {m.storage: f"arg_max_null({m.storage}, seq) FILTER (WHERE {_has(m)})" for m in _OWN}
    first = next(m for m in ROW if m.storage == schema.FIRST)
    single = ", ".join(("id", "updated_at", "has", *newest, first.storage))
    latest = f"SELECT {single} FROM staged"
    if repeated:
        given = f"arg_max({first.storage}, seq) FILTER (WHERE {_has(first)})"
        several = ", ".join(("id", "max(updated_at)", "bit_or(has)", *newest.values(), given))
        latest += (
            f" ANTI JOIN repeated USING (id) UNION ALL "
            f"SELECT {several} FROM staged SEMI JOIN repeated USING (id) GROUP BY id"
        )
    kept = [f"CASE WHEN {_has(m)} THEN latest.{m.storage} ELSE stored.{m.storage} END AS {m.storage}" for m in _OWN]
    # A null given for the first attendance counts as missing.
    given = f"coalesce(CASE WHEN {_has(first)} THEN latest.{first.storage} END, stored.{schema.FIRST_GIVEN})"
    return (
        f"SELECT latest.id, latest.updated_at, {', '.join(kept)}, {given} AS {schema.FIRST_GIVEN} "
        f"FROM ({latest}) AS latest LEFT JOIN stored USING (id)"
    )


def _has(member: Member) -> str:
    return f"has & {HAS_BIT[member.storage]} <> 0"
