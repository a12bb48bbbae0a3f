"""Merging into PostgreSQL: what a merge looks at is brought here, merged as in the embedded store, and taken back.

So there is one set of rules, and one SQL for them. What is brought is small: the stored versions of the rows, the
things that they name, and the rows that may change with those. PostgreSQL sees short statements of one provider, by
keys, inside one transaction; a lock keeps those who change the same provider apart, whatever process they are in.
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import duckdb
import psycopg

from turnout.catalog.attendances import THINGS
from turnout.query.dialect import DUCKDB
from turnout.store import schema
from turnout.store.local_starts import EVENT, PLACE, find_starts
from turnout.store.merge import Elsewhere, Outcome, Work
from turnout.store.postgres_arrow import batch_of, schema_of
from turnout.store.postgres_rows import put_rows
from turnout.store.schema import LISTED, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from turnout.catalog.types import Thing

T = TypeVar("T")

_AT_ONCE: Final = 20_000
"""So many ids are asked for with one statement, and so many rows are brought or taken at once."""
_BROUGHT: Final = "brought_"


@contextmanager
def desk(provider: int, spilled: Path, *, memory_limit: str | None = None) -> Iterator[Work]:
    """What a merge works with: empty tables in memory. What it does not hold goes to the directory `spilled`."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "preserve_insertion_order": False,  # see `merge._must_equal`
        "temp_directory": str(spilled),
    }
    if memory_limit:
        config["memory_limit"] = memory_limit
    with duckdb.connect(":memory:", config=config) as connection, ThreadPoolExecutor(1, "turnout-merge") as thread:
        for table, columns in tables().items():
            connection.execute(
                f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
            )
        for thing in THINGS:
            connection.execute(f"CREATE TABLE {_BROUGHT}{thing.name} AS SELECT * FROM {thing.name}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield Work(connection, provider, thread)


class Postgres(Elsewhere):
    """The rows and things of a provider, in the open transaction of `connection`."""

    def __init__(self, connection: psycopg.Connection[Any], provider: int) -> None:
        self.connection = connection
        self._provider = provider
        self._has_named = False

    def bring_rows(self, work: Work, ids: str) -> None:
        """The stored versions of rows, and what is to be forgotten of persons."""
        for table in ("erased", "retention"):
            self._bring(work, table, table, "true")
        self._bring_rows(work, "id = ANY ($2::BIGINT[])", _ids(work, ids))

    def bring_things(self, work: Work) -> None:
        """See `Elsewhere`."""
        self._bring_things(work, "staged")

    def bring_others(self, work: Work, customers: str, changed: Sequence[Thing]) -> None:
        """See `Elsewhere`."""
        who = schema.FIRST_OF
        for thing in changed:
            same = "{} && $2::BIGINT[]" if thing.reference in LISTED else "{} = ANY ($2::BIGINT[])"
            self._bring_rows(work, same.format(thing.reference), _ids(work, f"SELECT id FROM changed_{thing.name}"))
        may_be_first = f"{who} = ANY ($2::BIGINT[]) AND (status = '{schema.FIRST_STATUS}' OR {schema.FIRST})"
        self._bring_rows(work, may_be_first, _ids(work, f"{customers} UNION SELECT {who} FROM attendances"))
        self._bring_things(work, "attendances")

    def keep(self, work: Work, ids: str) -> None:
        """See `Elsewhere`."""
        self._replace(work, "attendances", _ids(work, ids), f"SELECT * FROM attendances WHERE id IN ({ids})")
        for thing in THINGS:
            new = f"SELECT * FROM {thing.name} EXCEPT SELECT * FROM {_BROUGHT}{thing.name}"
            self._replace(work, thing.name, _ids(work, f"SELECT id FROM ({new})"), new)

    def move_starts(self, work: Work) -> Outcome:
        """Give the stored rows the local starts that their events have in the work's zone."""
        for kind in (EVENT, PLACE):
            self._bring(work, kind.name, kind.name, "true")
        find_starts(work, f"SELECT id FROM {EVENT.name}")
        columns = ", ".join(schema.LOCAL)
        moved = 0
        numbered = ", ".join(_of_day(name, kind, DUCKDB.day_number) for name, kind in schema.LOCAL.items())
        for part in _parts(work.rows(f"SELECT id, {numbered} FROM starts")):
            with psycopg.RawCursor(self.connection) as cursor:
                settings = ", ".join(f"{name} = starts.{name}" for name in schema.LOCAL)
                differ = " OR ".join(f"attendances.{name} <> starts.{name}" for name in schema.LOCAL)
                cursor.execute(
                    f"UPDATE attendances SET {settings} "
                    f"FROM unnest($2::BIGINT[], $3::INTEGER[], $4::SMALLINT[]) AS starts (id, {columns}) "
                    f"WHERE provider_id = $1 AND {EVENT.reference} = starts.id AND ({differ})",
                    (self._provider, *map(list, zip(*part, strict=True))),
                )
                moved += cursor.rowcount
        return Outcome((), moved)

    def _bring_rows(self, work: Work, condition: str, ids: Sequence[int]) -> None:
        for part in _parts(ids):
            self._bring(work, "attendances", "attendances", condition, part, new_only=True)

    def _bring_things(self, work: Work, named_in: str) -> None:
        """The things that a table names and that are not there yet.

        Of the kinds that may come with a name alone, all: their names are compared, and a studio has few of them.
        """
        for thing in THINGS:
            brought, there = _BROUGHT + thing.name, f"SELECT id FROM {thing.name}"
            if not thing.by_name:
                wanted = f"SELECT {thing.reference} AS id FROM {named_in}"
                for part in _parts(_ids(work, f"SELECT id FROM ({wanted}) WHERE id NOT IN ({there})")):
                    self._bring(work, thing.name, brought, "id = ANY ($2::BIGINT[])", part)
            elif not self._has_named:
                self._bring(work, thing.name, brought, "true")
            work.run(f"INSERT INTO {thing.name} SELECT * FROM {brought} WHERE id NOT IN ({there})")
        self._has_named = True

    def _bring(self, work: Work, table: str, target: str, condition: str, *values: Any, new_only: bool = False) -> None:
        """Copy the provider's rows of a table that meet a condition; `new_only` those whose id is not there."""
        columns = ", ".join(tables()[table])
        where = f"WHERE id NOT IN (SELECT id FROM {target})" if new_only else ""
        # At the server: a thing that gets another name brings all its rows.
        with psycopg.RawServerCursor(self.connection, "turnout_brought") as cursor:
            cursor.execute(
                f"SELECT {columns} FROM {table} WHERE provider_id = $1 AND {condition}", (self._provider, *values)
            )
            arrow = schema_of(cursor.description or ())
            while rows := cursor.fetchmany(_AT_ONCE):
                work.cursor.register("chunk", batch_of(rows, arrow))
                work.run(f"INSERT INTO {target} SELECT {columns_of(table, DUCKDB.day)} FROM chunk {where}")
                work.cursor.unregister("chunk")

    def _replace(self, work: Work, table: str, ids: Sequence[int], rows: str) -> None:
        """Let a table have these rows in place of those with the ids."""
        if not ids:
            return
        gone = f"DELETE FROM {table} WHERE provider_id = $1 AND id = ANY ($2::BIGINT[])"
        for part in _parts(ids):
            with psycopg.RawCursor(self.connection) as cursor:
                cursor.execute(gone, (self._provider, part))
        found = work.cursor.execute(f"SELECT {columns_of(table, DUCKDB.day_number)} FROM ({rows})")
        while some := found.fetchmany(_AT_ONCE):
            put_rows(self.connection, table, self._provider, some)


def columns_of(table: str, of_day: Callable[[str], str]) -> str:
    """SQL for the columns of a table, its days as `of_day` makes them."""
    return ", ".join(_of_day(name, kind, of_day) for name, kind in tables()[table].items())


def _of_day(name: str, kind: str, of_day: Callable[[str], str]) -> str:
    return f"{of_day(name)} AS {name}" if kind == "DATE" else name


def _ids(work: Work, sql: str) -> list[int]:
    """The distinct ids that the SQL selects, in their order."""
    return [id_ for (id_,) in work.rows(f"SELECT DISTINCT * FROM ({sql}) AS ids(id) WHERE id IS NOT NULL ORDER BY id")]


def _parts(ids: Sequence[T]) -> Iterable[Sequence[T]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
