"""Merging into PostgreSQL: what a merge looks at is brought here, merged as in the embedded store, and taken back.

So there is one set of rules, and one SQL for them. What is brought is small: the stored versions of the rows, the
things that they name, and the rows that may change with those. PostgreSQL sees short statements of one provider, by
keys, inside one transaction; a lock keeps those who change the same provider apart, whatever process they are in.
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import duckdb
import psycopg

from turnout.catalog.attendances import THINGS
from turnout.errors import TurnoutError
from turnout.query.dialect import DUCKDB
from turnout.store import schema
from turnout.store.aside import made_aside
from turnout.store.duckdb_file import engine_errors
from turnout.store.local_starts import EVENT, PLACE, find_starts
from turnout.store.merge import Elsewhere, Outcome, Work
from turnout.store.postgres_arrow import batch_of, schema_of
from turnout.store.postgres_rows import WRITTEN_AT_ONCE, put_rows
from turnout.store.schema import LISTED, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from turnout.catalog.types import Thing

_MEMORY: Final = "1GiB"
"""For one merge, where no setting says it: several may be at work, in each of several processes."""
_AT_ONCE: Final = 10_000
"""So many ids are asked for with one statement, and so many rows are brought at once."""
_BROUGHT: Final = "brought_"
"""Begins the names of the tables of what was brought: things as they came, and the ids of rows."""
_OF_PERSONS: Final = ("erased", "retention")
_AMONG: Final = "id = ANY ($2::BIGINT[])"
# By the index `attendances_by_customer`, of which it looks at the first entries of each customer.
_EARLIEST: Final = (
    f"id = ANY (ARRAY(SELECT (SELECT one.id FROM attendances AS one WHERE one.provider_id = $1 "
    f"AND one.{schema.FIRST_OF} = given.id AND one.status = '{schema.FIRST_STATUS}' AND one.id <> ALL ($3::BIGINT[]) "
    f"ORDER BY one.{schema.FIRST_BY}, one.id LIMIT 1) FROM unnest($2::BIGINT[]) AS given (id)))"
)
"""The earliest attended row of each customer, beside the rows that are there."""


@contextmanager
def desk(provider: int, spilled: Path, *, memory_limit: str | None = None) -> Iterator[Work]:
    """What a merge works with: empty tables in memory. What it does not hold goes to a directory beside `spilled`.

    That is the merge's own, and gone with it. Raises `storage_unavailable` where there can be none.
    """
    with (
        _room(spilled) as directory,
        _engine(directory, memory_limit or _MEMORY) as connection,
        ThreadPoolExecutor(1, "turnout-merge") as thread,
    ):
        yield Work(connection, provider, thread)


@contextmanager
def _room(spilled: Path) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            spilled.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory = stack.enter_context(made_aside(spilled))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            message = f"A merge has no room in {spilled.parent}, where data_directory is: {reason}."
            raise TurnoutError("storage_unavailable", message) from error
        yield directory


@contextmanager
def _engine(directory: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "preserve_insertion_order": False,  # see `merge._must_equal`
        "temp_directory": str(directory),
        "memory_limit": memory_limit,
    }
    with engine_errors("Merging"), duckdb.connect(":memory:", config=config) as connection:
        for table, columns in tables().items():
            connection.execute(
                f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
            )
        for thing in THINGS:
            connection.execute(f"CREATE TABLE {_BROUGHT}{thing.name} AS SELECT * FROM {thing.name}")
        connection.execute(f"CREATE TABLE {_BROUGHT}attendances (id BIGINT)")
        connection.execute("CREATE TABLE versions (id BIGINT, updated_at TIMESTAMP)")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


class Postgres(Elsewhere):
    """The rows and things of a provider, in the open transaction of `connection`."""

    def __init__(self, connection: psycopg.Connection[Any], provider: int) -> None:
        self.connection = connection
        self._provider = provider
        self._has_named = False

    def bring_staged(self, work: Work) -> None:
        """The stored versions of the staged rows that are newer; the others need not be looked at."""
        self._bring_persons(work)
        wanted = "SELECT id FROM staged"
        # Rows that name an erased person are counted, whatever becomes of them.
        if not work.any("erased"):
            for part in _parts(work, wanted):
                self._bring(work, "attendances", "versions", _AMONG, part, only=("id", "updated_at"))
            work.run(
                "DELETE FROM staged USING versions WHERE staged.id = versions.id "
                "AND staged.updated_at <= versions.updated_at"
            )
            wanted = "SELECT id FROM versions SEMI JOIN staged USING (id)"
        self._bring_rows(work, _AMONG, wanted)

    def bring_rows(self, work: Work, ids: str) -> None:
        """See `Elsewhere`."""
        self._bring_persons(work)
        self._bring_rows(work, _AMONG, ids)

    def bring_things(self, work: Work) -> None:
        """See `Elsewhere`."""
        self._bring_things(work, "staged")

    def bring_others(self, work: Work, customers: str, changed: Sequence[Thing]) -> None:
        """See `Elsewhere`."""
        who = schema.FIRST_OF
        for thing in changed:
            same = "{} && $2::BIGINT[]" if thing.reference in LISTED else "{} = ANY ($2::BIGINT[])"
            self._bring_rows(work, same.format(thing.reference), f"SELECT id FROM changed_{thing.name}", unbounded=True)
        (there,) = work.one("SELECT '{' || coalesce(string_agg(id, ','), '') || '}' FROM attendances")
        self._bring_rows(work, _EARLIEST, f"{customers} UNION SELECT {who} FROM attendances", there)
        self._bring_things(work, "attendances")

    def keep(self, work: Work, ids: str) -> None:
        """See `Elsewhere`."""
        self._replace(work, "attendances", ids, f"SELECT * FROM attendances WHERE id IN ({ids})")
        new = {
            thing.name: f"SELECT * FROM {thing.name} EXCEPT SELECT * FROM {_BROUGHT}{thing.name}" for thing in THINGS
        }
        found = work.one(f"SELECT {', '.join(f'EXISTS ({rows})' for rows in new.values())}")
        for (table, rows), is_any in zip(new.items(), found, strict=True):
            if is_any:
                self._replace(work, table, f"SELECT id FROM ({rows})", rows)

    def move_starts(self, work: Work) -> Outcome:
        """Give the stored rows the local starts that their events have in the work's zone."""
        for kind in (EVENT, PLACE):
            self._bring(work, kind.name, kind.name, unbounded=True)
        find_starts(work, f"SELECT id FROM {EVENT.name}")
        columns = ", ".join(schema.LOCAL)
        moved = 0
        numbered = ", ".join(_of_day(name, kind, DUCKDB.day_number) for name, kind in schema.LOCAL.items())
        found = work.rows(f"SELECT id, {numbered} FROM starts")
        for part in (found[start : start + _AT_ONCE] for start in range(0, len(found), _AT_ONCE)):
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

    @cached_property
    def _filled(self) -> frozenset[str]:
        """The tables that have anything of the provider: of the others nothing need be asked."""
        names = ("attendances", *_OF_PERSONS, *(thing.name for thing in THINGS))
        asked = " UNION ALL ".join(f"(SELECT '{name}' FROM {name} WHERE provider_id = $1 LIMIT 1)" for name in names)
        with psycopg.RawCursor(self.connection) as cursor:
            return frozenset(name for (name,) in cursor.execute(asked, (self._provider,)))

    def _bring_persons(self, work: Work) -> None:
        """What is to be forgotten of persons."""
        for table in _OF_PERSONS:
            self._bring(work, table, table)

    def _bring_rows(self, work: Work, condition: str, ids: str, *values: str, unbounded: bool = False) -> None:
        """Copy the wide rows that are not there yet and meet a condition on the ids that the SQL selects.

        `unbounded` where there may be many for each of them.
        """
        if "attendances" not in self._filled:
            return
        before = work.one("SELECT count(*) FROM attendances")
        for part in _parts(work, ids):
            self._bring(
                work, "attendances", "attendances", condition, part, *values, new_only=True, unbounded=unbounded
            )
        if work.one("SELECT count(*) FROM attendances") != before:
            brought = f"{_BROUGHT}attendances"
            work.run(f"INSERT INTO {brought} SELECT id FROM attendances WHERE id NOT IN (SELECT id FROM {brought})")

    def _bring_things(self, work: Work, named_in: str) -> None:
        """The things that a table names and that are not there yet.

        Of the kinds that may come with a name alone, all: their names are compared, and a studio has few of them.
        """
        for thing in THINGS:
            if thing.name not in self._filled or (thing.by_name and self._has_named):
                continue
            brought, there = _BROUGHT + thing.name, f"SELECT id FROM {thing.name}"
            if thing.by_name:
                self._bring(work, thing.name, brought)
            else:
                wanted = f"SELECT {thing.reference} AS id FROM {named_in}"
                for part in _parts(work, f"SELECT id FROM ({wanted}) WHERE id NOT IN ({there})"):
                    self._bring(work, thing.name, brought, _AMONG, part)
            work.run(f"INSERT INTO {thing.name} SELECT * FROM {brought} WHERE id NOT IN ({there})")
        self._has_named = True

    def _bring(
        self,
        work: Work,
        table: str,
        target: str,
        condition: str = "true",
        *values: str,
        only: Sequence[str] = (),
        new_only: bool = False,
        unbounded: bool = False,
    ) -> None:
        """Copy the provider's rows of a table that meet a condition; `new_only` those whose id is not there.

        `unbounded` where they may be many: then they are read at the server in parts. `only` names the columns.
        """
        if table not in self._filled:
            return
        kinds = {name: kind for name, kind in tables()[table].items() if name in only or not only}
        # Arrow makes stamps of texts quicker than of decimals.
        columns = ", ".join(f"{name}::TEXT AS {name}" if kind == "HUGEINT" else name for name, kind in kinds.items())
        where = f"WHERE id NOT IN (SELECT id FROM {target})" if new_only else ""
        selected = ", ".join(_of_day(name, kind, DUCKDB.day) for name, kind in kinds.items())
        made = (
            psycopg.RawServerCursor(self.connection, "turnout_brought")
            if unbounded
            else psycopg.RawCursor(self.connection)
        )
        with made as cursor:
            asked = f"SELECT {columns} FROM {table} WHERE provider_id = $1 AND {condition}"
            cursor.execute(asked, (self._provider, *values), binary=True)
            while rows := cursor.fetchmany(_AT_ONCE):
                work.cursor.register("chunk", batch_of(rows, schema_of(cursor.description or ())))
                work.run(f"INSERT INTO {target} SELECT {selected} FROM chunk {where}")
                work.cursor.unregister("chunk")

    def _replace(self, work: Work, table: str, ids: str, rows: str) -> None:
        """Let a table have these rows in place of those with the ids."""
        gone = f"DELETE FROM {table} WHERE provider_id = $1 AND id = ANY ($2::BIGINT[])"
        for part in _parts(work, f"SELECT id FROM {_BROUGHT}{table} WHERE id IN ({ids})"):
            with psycopg.RawCursor(self.connection) as cursor:
                cursor.execute(gone, (self._provider, part))
        put_rows(self.connection, table, self._provider, work.cursor.sql(rows).to_arrow_reader(WRITTEN_AT_ONCE))


def columns_of(table: str, of_day: Callable[[str], str]) -> str:
    """SQL for the columns of a table, its days as `of_day` makes them."""
    return ", ".join(_of_day(name, kind, of_day) for name, kind in tables()[table].items())


def _of_day(name: str, kind: str, of_day: Callable[[str], str]) -> str:
    return f"{of_day(name)} AS {name}" if kind == "DATE" else name


def _parts(work: Work, ids: str) -> Iterable[str]:
    """The distinct ids that the SQL selects: arrays of PostgreSQL, each of at most so many as are asked for at once."""
    distinct = f"SELECT DISTINCT * FROM ({ids}) AS ids(id)"
    numbered = f"SELECT id, (row_number() OVER (ORDER BY id) - 1) // {_AT_ONCE} AS part FROM ({distinct})"
    arrays = f"SELECT '{{' || string_agg(id, ',') || '}}' FROM ({numbered}) WHERE id IS NOT NULL GROUP BY part"
    return (part for (part,) in work.rows(arrays))
