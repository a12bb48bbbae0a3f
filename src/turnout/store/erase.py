"""Erasing persons, and letting old rows forget theirs, in the embedded store (contract sections 5, 6 and 9).

What is personal of an erased person is as if it had never been said: it has no value (or what the catalogue shows
instead) and no stamp, and a mark keeps it so: see `merge_persons`. Values are changed where they stand, so that the
order of the table stays. What the file still holds of them is overwritten afterwards: see `overwrite`.
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its values are integers

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from turnout.catalog.text import fold
from turnout.catalog.types import FOLDED
from turnout.errors import TurnoutError
from turnout.store.jobs import Status
from turnout.store.merge import Outcome
from turnout.store.merge_persons import is_old, retention_mark
from turnout.store.overwrite import make_due
from turnout.store.persons import Erasure
from turnout.store.schema import PERSON, PERSONAL, STAMP, is_folded, is_shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from turnout.catalog.types import Member
    from turnout.store.merge import Work

_WHO: Final = PERSON.reference
SHOWN: Final = tuple(filter(is_shown, PERSONAL))
"""The personal members that wide rows repeat."""
_MOST_NAMED: Final = 10
AT_ONCE: Final = 100_000
"""So many old rows are changed in one transaction."""


def erase(
    work: Work, persons: Sequence[int], *, at: int, by: str, dry_run: bool = False
) -> tuple[Outcome, tuple[Erasure, ...]]:
    """Erase persons in one transaction; return what is told of each, in the order given.

    Who was erased before is told of as then. `dry_run` only tells. Raises `not_found` with the unknown ids, and then
    nothing is changed.
    """
    mine = f"provider_id = {work.provider}"
    chosen = f"{mine} AND {_WHO} IN (SELECT id FROM given)"
    _give(work, persons)
    work.run("BEGIN TRANSACTION")
    unknown = work.cursor.execute(
        f"SELECT id FROM given WHERE id NOT IN (SELECT id FROM {PERSON.name} WHERE {mine}) ORDER BY id"
    ).fetchall()
    if unknown:
        raise TurnoutError("not_found", unknown_persons([id_ for (id_,) in unknown]))
    work.run(f"DELETE FROM given WHERE id IN (SELECT {_WHO} FROM erased WHERE {mine})")
    work.cursor.execute(
        f"INSERT INTO erased SELECT {work.provider}, given.id, ?, ?, count(attendances.id) FROM given "
        f"LEFT JOIN attendances ON {mine} AND {_WHO} = given.id GROUP BY given.id",
        [at, by],
    )
    (new, rows) = work.one(f"SELECT (SELECT count(*) FROM given), (SELECT count(*) FROM attendances WHERE {chosen})")
    changes = bool(new) and not dry_run
    if changes:
        shown = [setting for member in SHOWN for setting in erased_settings(member)]
        known = [
            setting for member in PERSONAL for setting in (*erased_settings(member), f"{member.storage}{STAMP} = NULL")
        ]
        work.run(f"UPDATE attendances SET {', '.join(shown)} WHERE {chosen}")
        work.run(f"UPDATE {PERSON.name} SET {', '.join(known)} WHERE {mine} AND id IN (SELECT id FROM given)")
        _forget_quotes(work)
        _forget_files(work)
        make_due(work)
    told = _told(work, persons)
    work.run("COMMIT" if changes else "ROLLBACK")
    return Outcome((), int(new + rows) if changes else 0), told


def restore(work: Work, persons: Sequence[int]) -> int:
    """Let rows say again who these erased persons are; return how many there were. What was erased stays gone."""
    chosen = f"provider_id = {work.provider} AND {_WHO} IN (SELECT id FROM given)"
    _give(work, persons)
    work.run("BEGIN TRANSACTION")
    (found,) = work.one(f"SELECT count(*) FROM erased WHERE {chosen}")
    work.run(f"DELETE FROM erased WHERE {chosen}")
    work.run("COMMIT")
    return int(found)


def set_mark(work: Work, before: int | None) -> Outcome:
    """Set the provider's retention mark, or take it away, in one transaction; return how many rows changed.

    Rows that are no longer too old show their persons again where newer rows said who they are.
    """
    known = retention_mark(work)
    work.run("BEGIN TRANSACTION")
    if before is None:
        work.run(f"DELETE FROM retention WHERE provider_id = {work.provider}")
    else:
        work.cursor.execute(
            "INSERT INTO retention VALUES (?, ?, NULL) "
            "ON CONFLICT (provider_id) DO UPDATE SET before = EXCLUDED.before",
            [work.provider, before],
        )
    changed = 0
    if known is not None and (before is None or before < known):
        columns = [column for member in SHOWN for column in columns_of(member)]
        shown = ", ".join(f"{column} = {PERSON.name}.{column}" for column in columns)
        differ = " OR ".join(f"attendances.{column} IS DISTINCT FROM {PERSON.name}.{column}" for column in columns)
        still = "" if before is None else f"AND NOT {is_old('attendances', before)}"
        (changed,) = work.one(
            f"UPDATE attendances SET {shown} FROM {PERSON.name} WHERE attendances.provider_id = {work.provider} "
            f"AND {PERSON.name}.provider_id = {work.provider} AND {PERSON.name}.id = {_WHO} "
            f"AND {is_old('attendances', known)} {still} AND ({differ})"
        )
    work.run("COMMIT")
    return Outcome((), int(changed))


def forget_old(work: Work) -> Outcome:
    """Drop the persons of some rows that are older than the mark, in one transaction; return how many rows it were.

    To be repeated until it finds none.
    """
    before = retention_mark(work)
    if before is None:
        return Outcome((), 0)
    mine = f"attendances.provider_id = {work.provider}"
    said = {member: f"{PERSON.name}.{member.storage}{STAMP} IS NOT NULL" for member in SHOWN}
    some = " OR ".join(f"(attendances.{member.storage} IS NOT NULL AND {is_}) " for member, is_ in said.items())
    listed = ", ".join(f"{is_} AS {member.storage}_said" for member, is_ in said.items())
    work.run("BEGIN TRANSACTION")
    work.run(
        f"CREATE TEMP TABLE old AS SELECT attendances.rowid AS at, {listed} FROM attendances JOIN {PERSON.name} "
        f"ON {PERSON.name}.provider_id = {work.provider} AND {PERSON.name}.id = {_WHO} "
        f"WHERE {mine} AND {is_old('attendances', before)} AND ({some}) LIMIT {AT_ONCE}"
    )
    (found,) = work.one("SELECT count(*) FROM old")
    if found:
        kept = [
            f"{column} = CASE WHEN NOT old.{member.storage}_said THEN attendances.{column} END"
            for member in SHOWN
            for column in columns_of(member)
        ]
        work.run(f"UPDATE attendances SET {', '.join(kept)} FROM old WHERE {mine} AND attendances.rowid = old.at")
        make_due(work)
    work.run("DROP TABLE old")
    work.run("COMMIT" if found else "ROLLBACK")
    return Outcome((), int(found))


def forget_persons(work: Work, at: int) -> int:
    """Drop what was said of persons who have no row that is not too old, and note that all was done; their number."""
    before = retention_mark(work)
    if before is None:
        return 0
    mine = f"provider_id = {work.provider}"
    stamps = [member.storage + STAMP for member in PERSONAL]
    gone = (
        f"{mine} AND ({' OR '.join(f'{stamp} IS NOT NULL' for stamp in stamps)}) AND id NOT IN "
        f"(SELECT {_WHO} FROM attendances WHERE {mine} AND NOT {is_old('attendances', before)})"
    )
    # What stands in place of an erased person's name was said by nobody, and stays.
    kept = [
        f"{column} = CASE WHEN {member.storage}{STAMP} IS NULL THEN {column} END"
        for member in PERSONAL
        for column in columns_of(member)
    ]
    work.run("BEGIN TRANSACTION")
    (found,) = work.one(f"SELECT count(*) FROM {PERSON.name} WHERE {gone}")
    if found:
        work.run(
            f"UPDATE {PERSON.name} SET {', '.join([*kept, *(f'{stamp} = NULL' for stamp in stamps)])} WHERE {gone}"
        )
        make_due(work)
    work.cursor.execute(f"UPDATE retention SET ran_at = ? WHERE {mine}", [at])
    work.run("COMMIT")
    return int(found)


def _give(work: Work, persons: Sequence[int]) -> None:
    """Put ids into the temporary table `given`, each once."""
    work.cursor.register("chosen", pa.table({"id": pa.array(persons, pa.int64())}))
    work.run("CREATE TEMP TABLE given AS SELECT DISTINCT id FROM chosen")
    work.cursor.unregister("chosen")


def columns_of(member: Member) -> Iterator[str]:
    """The columns of a member: its own, and that of its folded form where it has one."""
    yield member.storage
    if is_folded(member):
        yield member.storage + FOLDED


def erased_settings(member: Member) -> Iterator[str]:
    """SQL that sets a member's columns to what is shown of an erased person."""
    text = member.erased_as
    for column in columns_of(member):
        shown = None if text is None else fold(text) if column.endswith(FOLDED) else text
        quoted = "NULL" if shown is None else "'" + shown.replace("'", "''") + "'"
        yield f"{column} = {quoted}"


def _forget_quotes(work: Work) -> None:
    """Forget the provider's kept answers that say why rows were refused: they quote them."""
    # Those without a provider are of a store that was made before it was told with them.
    mine = f"(starts_with(request, '{work.provider}-') OR NOT contains(request, '-'))"
    work.run(f"""DELETE FROM answered WHERE {mine} AND contains(decode(body), '"rejected":[{{')""")


def _forget_files(work: Work) -> None:
    """Let the provider's exports, which may show the erased, be expired, and those that are being made begin anew."""
    mine = f"provider_id = {work.provider}"
    work.run(f"UPDATE job SET status = '{Status.EXPIRED}' WHERE {mine} AND status = '{Status.COMPLETE}'")
    work.run(f"UPDATE job SET status = '{Status.QUEUED}' WHERE {mine} AND status = '{Status.RUNNING}'")


def _told(work: Work, persons: Sequence[int]) -> tuple[Erasure, ...]:
    rows = work.cursor.execute(
        f"SELECT provider_id, {_WHO}, erased_at, erased_by, attendances FROM erased WHERE provider_id = ?",
        [work.provider],
    ).fetchall()
    found = {row[1]: Erasure(*row) for row in rows}
    return tuple(found[person] for person in dict.fromkeys(persons))


def unknown_persons(ids: Sequence[int]) -> str:
    """What is said of those whom nobody knows."""
    listed = ", ".join(map(str, ids[:_MOST_NAMED])) + (", ..." if len(ids) > _MOST_NAMED else "")
    return f"There is no {PERSON.name} {listed}; nobody was erased."
