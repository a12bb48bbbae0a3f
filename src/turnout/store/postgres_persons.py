"""Forgetting persons in PostgreSQL: the statements of `erase`, each of one provider, in one transaction a step.

What a table no longer shows is still in its files until they are written anew, which `overwrite` does. What the server
keeps for its own recovery, its write-ahead log and its backups, is its administrator's.
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its values are bound

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import psycopg

from turnout.errors import TurnoutError
from turnout.query.dialect import POSTGRES
from turnout.query.sql import Statement
from turnout.store.erase import AT_ONCE, SHOWN, columns_of, erased_settings, unknown_persons
from turnout.store.jobs import Status
from turnout.store.persons import Erasure, Fact, Retention, fact_of
from turnout.store.postgres_migrations import owns_tables
from turnout.store.postgres_walls import EVERY
from turnout.store.schema import AGE_BY, PERSON, PERSONAL, STAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from turnout.store.base import Provider, Snapshot
    from turnout.store.persons import Aside
    from turnout.store.postgres_small import Transaction

    Change = Callable[[int], AbstractContextManager["Changing"]]

_WHO: Final = PERSON.reference
_DUE: Final = "overwrite"
"""The name of the mark, in the table `meta`, that files still hold what was forgotten."""
_TURN: Final = 500
"""For so many milliseconds at once a table is waited for that is to be written anew."""
_PAUSE: Final = 1
"""So many seconds those who queued up behind it have before it is tried again."""
_PATIENCE: Final = 60.0
_OVERWRITTEN: Final = ("attendances", PERSON.name, "answered")


class Changing:
    """A change of one provider's attendances that is under way. `rows` counts those that were changed."""

    def __init__(self, connection: psycopg.Connection[Any], provider: int) -> None:
        self.connection = connection
        self.provider = provider
        self.rows = 0

    def run(self, sql: str, **values: object) -> psycopg.Cursor[Any]:
        """Run a statement; its values, and the `provider`, are bound by name."""
        return self.connection.execute(sql, {"provider": self.provider, **values})


class PostgresPersons:
    """See `persons.Persons`. `change` opens a transaction in which nobody else changes the provider's attendances."""

    def __init__(
        self,
        change: Change,
        transaction: Transaction,
        alone: Callable[[], AbstractContextManager[psycopg.Connection[Any]]],
    ) -> None:
        self._change = change
        self._transaction = transaction
        self._alone = alone

    def erase(
        self, provider: Provider, customers: Sequence[int], *, at: int, by: str, dry_run: bool = False
    ) -> Sequence[Erasure]:
        """Erase customers in one transaction; return what is told of each, in the order given."""
        with self._change(provider.id) as change:
            told = _erase(change, list(dict.fromkeys(customers)), at, by, dry_run=dry_run)
            if dry_run:
                raise psycopg.Rollback
        return told

    def restore(self, provider: Provider, customers: Sequence[int]) -> int:
        """Let rows say again who these customers are; return how many of them were erased."""
        with self._change(provider.id) as change:
            gone = f"DELETE FROM erased WHERE provider_id = %(provider)s AND {_WHO} = ANY (%(given)s)"
            return change.run(gone, given=list(customers)).rowcount

    def erased(self, provider_id: int) -> Sequence[Erasure]:
        """Who was erased, by id."""
        with self._transaction(provider_id) as connection:
            return _told(connection, provider_id)

    def facts(self, snapshot: Snapshot, provider_id: int, customer: int) -> Sequence[Fact] | None:
        """What is known of a customer, as of a snapshot; None where there is no such customer."""
        members = [member.storage for member in PERSON.members]
        columns = ", ".join(f"{member}, {member}{STAMP}" for member in members)
        one, other = map(POSTGRES.placeholder, (1, 2))
        sql = f"SELECT {columns} FROM {PERSON.name} WHERE provider_id = {one} AND id = {other}"
        found = snapshot.rows(Statement(sql, (provider_id, customer)))
        if not found:
            return None
        values = iter(found[0])
        return [
            fact_of(member, value, None if stamp is None else int(stamp))
            for member, (value, stamp) in zip(members, zip(values, values, strict=True), strict=True)
        ]

    def retain(self, provider: Provider, before: int | None, *, at: int, go_on: Callable[[], bool]) -> int:
        """Let attendances of events before an instant show nobody, piece by piece; return how many changed."""
        known = {one.provider_id: one.before for one in self.retention()}.get(provider.id)
        changed = 0
        if before != known:
            with self._change(provider.id) as change:
                _set_mark(change, known, before)
            changed = change.rows
        if before is None:
            return changed
        while go_on():
            with self._change(provider.id) as change:
                _forget_old(change, before)
            changed += change.rows
            if not change.rows:
                with self._change(provider.id) as change:
                    _forget_persons(change, before, at)
                break
        return changed

    def retention(self) -> Sequence[Retention]:
        """Which providers' attendances are too old from when on, by the providers' ids."""
        with self._transaction(EVERY) as connection:
            found = connection.execute("SELECT provider_id, before, ran_at FROM retention ORDER BY provider_id")
            return [Retention(*row) for row in found.fetchall()]

    def unfinished(self) -> bool:
        """Whether the tables' files still hold what was forgotten."""
        with self._transaction() as connection:
            return is_due(connection)

    def overwrite(self, aside: Aside = nullcontext) -> bool:
        """Write the tables anew that held what was forgotten; False where there was nothing to do.

        Also where only another role may do it, which owns the tables: then it stays to be done.
        """
        if not self.unfinished():
            return False
        with aside(), self._alone() as connection:
            if not owns_tables(connection):
                return False
            overwrite(connection)
        return True


def is_due(connection: psycopg.Connection[Any]) -> bool:
    """Whether the tables' files still hold what was forgotten."""
    return bool(connection.execute("SELECT 1 FROM meta WHERE name = %s", (_DUE,)).fetchall())


def overwrite(connection: psycopg.Connection[Any], *, patience: float = _PATIENCE) -> None:
    """Write the tables anew that held what was forgotten, as their owner, in no transaction.

    Each is closed to everybody while it is written. It is waited for in short turns, behind which nobody who reads has
    to queue for long. Raises `storage_unavailable` where others have used a table for `patience` seconds.
    """
    end = time.monotonic() + patience
    connection.execute(f"SET lock_timeout = {_TURN}")
    try:
        for table in _OVERWRITTEN:
            while not _written_anew(connection, table):
                if time.monotonic() > end:
                    raise TurnoutError("storage_unavailable", f"The table {table} is in use.", retry_after=_PAUSE)
                time.sleep(_PAUSE)
        connection.execute("DELETE FROM meta WHERE name = %s", (_DUE,))
    finally:
        if not connection.closed:
            connection.execute("RESET lock_timeout")


def _written_anew(connection: psycopg.Connection[Any], table: str) -> bool:
    try:
        connection.execute(f"VACUUM (FULL) {table}")
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _erase(change: Changing, persons: list[int], at: int, by: str, *, dry_run: bool) -> Sequence[Erasure]:
    mine = "provider_id = %(provider)s"
    unknown = change.run(
        f"SELECT id FROM unnest(%(given)s::BIGINT[]) AS given (id) "
        f"WHERE id NOT IN (SELECT id FROM {PERSON.name} WHERE {mine}) ORDER BY id",
        given=persons,
    ).fetchall()
    if unknown:
        raise TurnoutError("not_found", unknown_persons([id_ for (id_,) in unknown]))
    found = change.run(
        f"INSERT INTO erased (provider_id, {_WHO}, erased_at, erased_by, attendances) "
        f"SELECT %(provider)s, id, %(at)s, %(by)s, (SELECT count(*) FROM attendances "
        f"WHERE {mine} AND {_WHO} = given.id) FROM unnest(%(given)s::BIGINT[]) AS given (id) "
        f"WHERE id NOT IN (SELECT {_WHO} FROM erased WHERE {mine}) RETURNING {_WHO}",
        given=persons,
        at=at,
        by=by,
    )
    new = [id_ for (id_,) in found.fetchall()]
    if new and not dry_run:
        shown = ", ".join(setting for member in SHOWN for setting in erased_settings(member))
        known = ", ".join(
            setting for one in PERSONAL for setting in (*erased_settings(one), f"{one.storage}{STAMP} = NULL")
        )
        rows = change.run(f"UPDATE attendances SET {shown} WHERE {mine} AND {_WHO} = ANY (%(new)s)", new=new).rowcount
        change.run(f"UPDATE {PERSON.name} SET {known} WHERE {mine} AND id = ANY (%(new)s)", new=new)
        change.rows += rows + len(new)
        # Kept answers that say why rows were refused quote them.
        change.run(
            "DELETE FROM answered WHERE starts_with(request, %(theirs)s) AND position(%(quote)s IN body) > 0",
            theirs=f"{change.provider}-",
            quote=b'"rejected":[{',
        )
        for before, after in ((Status.COMPLETE, Status.EXPIRED), (Status.RUNNING, Status.QUEUED)):
            change.run(f"UPDATE job SET status = '{after}' WHERE {mine} AND status = '{before}'")
        _make_due(change)
    told = {one.customer_id: one for one in _told(change.connection, change.provider)}
    return [told[person] for person in persons]


def _told(connection: psycopg.Connection[Any], provider: int) -> list[Erasure]:
    names = ", ".join(field.name for field in fields(Erasure))
    rows = connection.execute(f"SELECT {names} FROM erased WHERE provider_id = %s ORDER BY {_WHO}", (provider,))
    return [Erasure(*row) for row in rows.fetchall()]


def _set_mark(change: Changing, known: int | None, before: int | None) -> None:
    """Set the retention mark, or take it away. Rows that are no longer too old show their persons again."""
    if before is None:
        change.run("DELETE FROM retention WHERE provider_id = %(provider)s")
    else:
        change.run(
            "INSERT INTO retention (provider_id, before, ran_at) VALUES (%(provider)s, %(before)s, NULL) "
            "ON CONFLICT (provider_id) DO UPDATE SET before = EXCLUDED.before",
            before=before,
        )
    if known is None or (before is not None and before >= known):
        return
    columns = [column for member in SHOWN for column in columns_of(member)]
    shown = ", ".join(f"{column} = {PERSON.name}.{column}" for column in columns)
    differ = " OR ".join(f"attendances.{column} IS DISTINCT FROM {PERSON.name}.{column}" for column in columns)
    still = "" if before is None else f"AND NOT {_is_old('before')}"
    change.rows += change.run(
        f"UPDATE attendances SET {shown} FROM {PERSON.name} WHERE attendances.provider_id = %(provider)s "
        f"AND {PERSON.name}.provider_id = %(provider)s AND {PERSON.name}.id = {_WHO} "
        f"AND {_is_old('known')} {still} AND ({differ})",
        known=known,
        before=before,
    ).rowcount


def _forget_old(change: Changing, before: int) -> None:
    """Drop the persons of some rows that are older than the mark. What nobody said of one stays."""
    said = {member: f"{PERSON.name}.{member.storage}{STAMP} IS NOT NULL" for member in SHOWN}
    some = " OR ".join(f"(attendances.{member.storage} IS NOT NULL AND {is_})" for member, is_ in said.items())
    kept = ", ".join(
        f"{column} = CASE WHEN NOT ({said[member]}) THEN attendances.{column} END"
        for member in SHOWN
        for column in columns_of(member)
    )
    theirs = f"{PERSON.name}.provider_id = %(provider)s AND {PERSON.name}.id = {_WHO}"
    mine = "attendances.provider_id = %(provider)s"
    chosen = (
        f"SELECT attendances.id FROM attendances JOIN {PERSON.name} ON {theirs} "
        f"WHERE {mine} AND {_is_old('before')} AND ({some}) LIMIT {AT_ONCE}"
    )
    rows = change.run(
        f"UPDATE attendances SET {kept} FROM {PERSON.name} WHERE {mine} AND {theirs} "
        f"AND attendances.id = ANY (ARRAY({chosen}))",
        before=before,
    ).rowcount
    change.rows += rows
    if rows:
        _make_due(change)


def _forget_persons(change: Changing, before: int, at: int) -> None:
    """Drop what was said of persons who have no row that is not too old, and note that all was done."""
    stamps = [member.storage + STAMP for member in PERSONAL]
    # What stands in place of an erased person's name was said by nobody, and stays.
    kept = [
        f"{column} = CASE WHEN {member.storage}{STAMP} IS NULL THEN {column} END"
        for member in PERSONAL
        for column in columns_of(member)
    ]
    rows = change.run(
        f"UPDATE {PERSON.name} SET {', '.join([*kept, *(f'{stamp} = NULL' for stamp in stamps)])} "
        f"WHERE provider_id = %(provider)s AND ({' OR '.join(f'{stamp} IS NOT NULL' for stamp in stamps)}) "
        f"AND NOT EXISTS (SELECT FROM attendances WHERE attendances.provider_id = %(provider)s "
        f"AND {_WHO} = {PERSON.name}.id AND NOT {_is_old('before')})",
        before=before,
    ).rowcount
    if rows:
        _make_due(change)
    change.run("UPDATE retention SET ran_at = %(at)s WHERE provider_id = %(provider)s", at=at)


def _is_old(mark: str) -> str:
    return f"attendances.{AGE_BY} < {POSTGRES.moment(f'%({mark})s')}"


def _make_due(change: Changing) -> None:
    """Note in the open transaction that the tables' files hold what cannot be read any more."""
    change.run("INSERT INTO meta (name, value) VALUES (%(name)s, 'due') ON CONFLICT (name) DO NOTHING", name=_DUE)
