"""Merging checked rows into the embedded store, in one transaction of set-based SQL (contract sections 5 and 9).

The steps, each a few statements over temporary tables that spill to disk:

1. `staged`: the input, without what it may not say of persons (`merge_persons`). Versions that are not newer than the
   stored row, or than an earlier version of the same row in the input, are deleted from it; what remains is accepted,
   and only that is looked at from here on.
2. The one truth of each thing that the accepted rows name (`merge_things`).
3. The wide rows that were accepted, repeat a truth that changed, or are no longer (or now) a customer's first
   attendance, written anew (`merge_rows`).
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its one value is an integer

from __future__ import annotations

from concurrent.futures import wait
from dataclasses import astuple, dataclass, field, replace
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute

from turnout.catalog.attendances import THINGS
from turnout.errors import TurnoutError
from turnout.store import schema
from turnout.store.base import Merged
from turnout.store.duckdb_parsed import parsed
from turnout.store.merge_names import HowNamed, how_named
from turnout.store.merge_persons import hush, retention_mark
from turnout.store.merge_rows import Rows
from turnout.store.merge_things import settle_things
from turnout.store.staging import STAGING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from turnout.catalog.types import Thing
    from turnout.store.base import Answered, PlaceChange
    from turnout.store.merge_persons import Hushed

# So many rows or bytes make one INSERT.
_CHUNK_ROWS: Final = 122_880
_CHUNK_BYTES: Final = 64 << 20
_INSIST_SECONDS: Final = 0.01
# So many bits of `seq` count the rows of one input.
_SEQ_BITS: Final = 40
_TO_COUNT: Final = ("seq", "has", "id", "updated_at", schema.PERSON.reference)


@dataclass(frozen=True)
class Work:
    """What one merge works with: a cursor of its own, and the one provider whose rows it may see or change."""

    cursor: duckdb.DuckDBPyConnection
    provider: int
    thread: Executor
    """One thread, so that the main thread can wait for a statement and still hear Ctrl-C."""
    zone: str = "UTC"
    """The provider's time zone, when it is this work's turn."""
    stopped: Event = field(default_factory=Event)

    def stop(self) -> None:
        """End the merge at its current or next statement, from any thread. To be said again until it has ended."""
        self.stopped.set()
        self.cursor.interrupt()

    def run(self, sql: str, **values: object) -> None:
        """Run a statement, its values bound by name; raise `InterruptException` where the merge is stopped."""
        if current_thread() is main_thread():
            self.finish(self.start(sql, **values))
            return
        self._check()
        self._execute(sql, values)

    def start(self, sql: str, **values: object) -> Future[duckdb.DuckDBPyConnection]:
        """Begin a statement that runs meanwhile; to be finished before the next one."""
        self._check()
        return self.thread.submit(self._execute, sql, values)

    def finish(self, running: Future[duckdb.DuckDBPyConnection]) -> None:
        """Wait for a statement's end; whatever ends the waiting ends it as well."""
        try:
            running.result()
        finally:
            # The engine forgets an interrupt that comes just before it starts to run a statement.
            while not running.done():
                self.cursor.interrupt()
                wait((running,), _INSIST_SECONDS)

    def _check(self) -> None:
        if self.stopped.is_set():
            raise duckdb.InterruptException

    def rows(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        found: list[tuple[Any, ...]] = self._execute(sql, values).fetchall()
        return found

    def one(self, sql: str, **values: object) -> tuple[Any, ...]:
        """The single row of a query."""
        return self.rows(sql, **values)[0]

    def any(self, table: str) -> bool:
        return bool(self.rows(f"SELECT 1 FROM {table} LIMIT 1"))

    def _execute(self, sql: str, values: dict[str, object]) -> duckdb.DuckDBPyConnection:
        if schema.PROVIDER in sql:
            values = {**values, schema.PROVIDER.removeprefix("$"): self.provider}
        return self.cursor.execute(parsed(self.cursor, sql), values or None)


class Elsewhere:
    """Where the rows and things are that a merge needs, and where what it made goes: here, so that nothing is to do.

    A store that keeps them elsewhere brings them before each step, into tables of the same names; all that a step looks
    at has to be there, and nothing else need be. A row or a thing that is there already must stay as it is.
    """

    def bring_staged(self, work: Work) -> None:
        """The stored versions of the rows in `staged`, and what is to be forgotten of persons.

        Staged rows that are not newer than theirs, and count for nothing else, may be deleted instead.
        """

    def bring_rows(self, work: Work, ids: str) -> None:
        """The stored versions of rows, and what is to be forgotten of persons; `ids` is SQL for the rows' ids."""

    def bring_things(self, work: Work) -> None:
        """The things that the accepted rows in `staged` name."""

    def bring_others(self, work: Work, customers: str, changed: Sequence[Thing]) -> None:
        """What the last step looks at, besides.

        The rows that repeat things in the tables `changed_THING`, of the kinds that `changed`; of their customers, and
        of those that the SQL selects, the earliest row that is attended and not there already (a row that was worked
        out to be a first attendance is one of them or is there); the things of all these rows.
        """

    def keep(self, work: Work, ids: str) -> None:
        """Store the wide rows in `attendances` in place of all those whose ids the SQL selects; and all things."""


HERE: Final = Elsewhere()


@dataclass(frozen=True)
class Outcome:
    """The counts of a merge by input; how many wide rows were written or deleted, and how many of them deleted."""

    merged: tuple[Merged, ...]
    written: int
    deleted: int = 0


def merge(
    work: Work,
    staged: Staged,
    *,
    dry_run: bool = False,
    remember: Callable[[Sequence[Merged]], Iterable[Answered]] = lambda _: (),
    place: PlaceChange | None = None,
    source: Elsewhere = HERE,
) -> Outcome:
    """Merge what was staged in one transaction, each input as if after the one before; `dry_run` only counts.

    `staged` is what `stage` returned, where it was told the same of `dry_run`. The `place` of a sync is saved with the
    rows.

    Leaves temporary tables behind, and where it raises an open transaction: close the cursor afterwards.
    """
    count = f"SELECT count(*) FROM attendances WHERE {schema.MINE}"
    work.run("BEGIN TRANSACTION")
    source.bring_staged(work)
    hushed = hush(work, f"seq >> {_SEQ_BITS}", only_count=dry_run)
    accepted, repeated = _accept(work, staged.totals)
    merged = tuple(replace(one, erased=hushed.met.get(number, 0)) for number, one in enumerate(accepted))
    written = 0
    if not dry_run and any(one.created or one.updated for one in merged):
        source.bring_things(work)
        changed = settle_things(work, staged.named_after(hushed))
        who = schema.FIRST_OF
        source.bring_others(work, f"SELECT {who} FROM staged UNION SELECT {who} FROM stored", changed)
        (before,) = work.one(count)
        written = Rows(work, hushed.before).write(changed, repeated=repeated)
        (after,) = work.one(count)
        # Counted in the table: what an engine says that it wrote is no proof that it is there.
        _must_equal(after, before + sum(one.created for one in merged))
        source.keep(work, "SELECT id FROM fresh")
        for table in ("staged", "stored", "fresh"):
            work.run(f"DROP TABLE {table}")  # a commit would go through their rows once more
    answers = [] if dry_run else [astuple(answered) for answered in remember(merged)]
    for answered in answers:
        work.cursor.execute("INSERT OR REPLACE INTO answered VALUES (?, ?, ?, ?, ?)", answered)
    if place:
        saved = (place.provider_id, place.place.mark, place.place.as_of, place.place.document)
        work.cursor.execute(
            "INSERT OR REPLACE INTO sync (provider_id, mark, as_of, document) VALUES (?, ?, ?, ?)", saved
        )
    work.run("COMMIT" if written or answers or place else "ROLLBACK")
    return Outcome(merged, written)


def delete(
    work: Work, ids: Sequence[int], updated_at: Sequence[int] | None = None, *, source: Elsewhere = HERE
) -> Outcome:
    """Delete rows by their ids, in one transaction. What they said of things stays true (contract section 9)."""
    given = {"id": pa.array(ids, pa.int64())}
    same = "id IN (SELECT id FROM given)"
    if updated_at is not None:
        given["updated_at"] = pa.array(updated_at, pa.int64())
        same = "(id, epoch_us(updated_at)) IN (SELECT (id, updated_at) FROM given)"
    work.cursor.register("given", pa.table(given))
    source.bring_rows(work, "SELECT id FROM given")
    work.run(f"CREATE TEMP TABLE stored AS SELECT {Rows.OWN_LIST} FROM attendances WHERE {schema.MINE} AND {same}")
    work.cursor.unregister("given")
    (deleted,) = work.one("SELECT count(*) FROM stored")
    if not deleted:
        return Outcome((), 0)
    work.run("BEGIN TRANSACTION")
    source.bring_others(work, f"SELECT {schema.FIRST_OF} FROM stored", ())
    work.run(f"DELETE FROM attendances WHERE {schema.MINE} AND id IN (SELECT id FROM stored)")
    written = Rows(work, retention_mark(work)).write_after_deletion()
    source.keep(work, "SELECT id FROM stored UNION SELECT id FROM fresh")
    work.run("COMMIT")
    return Outcome((), written + deleted, deleted)


@dataclass(frozen=True)
class Staged:
    """What is in `staged`: the inputs' numbers of rows, and how these name each kind of thing, by its name."""

    totals: Sequence[int]
    named: dict[str, HowNamed]

    def named_after(self, hushed: Hushed) -> dict[str, HowNamed]:
        """How they name things after what was taken out of them: then not all state the same of persons."""
        person = self.named.get(schema.PERSON.name)
        if not hushed.any or person is None:
            return self.named
        return {**self.named, schema.PERSON.name: replace(person, stated=frozenset())}


def stage(work: Work, inputs: Sequence[Iterable[pa.RecordBatch]], *, dry_run: bool = False) -> Staged:
    """Copy inputs of `staging.STAGING` into the temporary table `staged`.

    For a `dry_run` it has only the columns that are needed to count.

    The rows' `seq` counts within an input; the input's number stands above it. Not to be done in a transaction: the
    engine keeps what was registered during one in memory until it ends.
    """
    columns = {name: kind for name, kind in schema.staging_columns().items() if not dry_run or name in _TO_COUNT}
    work.run(f"CREATE TEMP TABLE staged ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    totals = [0] * len(inputs)
    named = {thing.name: HowNamed() for thing in THINGS}
    inserting = None
    try:
        for chunk in _chunks(_numbered(inputs, totals)):
            if inserting:
                work.finish(inserting)
            work.cursor.register("chunk", chunk.select(list(columns)))
            inserting = work.start("INSERT INTO staged SELECT * FROM chunk")  # while the next chunk is read
            if not dry_run:
                found = how_named(chunk)
                named = {thing: how | found[thing] for thing, how in named.items()}
    finally:
        if inserting:
            work.finish(inserting)
            work.cursor.unregister("chunk")
    (kept,) = work.one("SELECT count(*) FROM staged")
    _must_equal(kept, sum(totals))
    return Staged(totals, named)


def _numbered(inputs: Sequence[Iterable[pa.RecordBatch]], totals: list[int]) -> Iterator[pa.RecordBatch]:
    """The batches of all inputs, the input's number within `seq`; their rows are counted in `totals`."""
    for number, batches in enumerate(inputs):
        for batch in batches:
            totals[number] += batch.num_rows
            if number:
                shifted = pa.compute.add(batch.column("seq"), number << _SEQ_BITS)
                batch = batch.set_column(batch.schema.get_field_index("seq"), "seq", shifted)  # noqa: PLW2901
            yield batch


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The input in pieces that are large enough to be quick and small enough for memory."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _CHUNK_ROWS or size >= _CHUNK_BYTES:
            yield pa.Table.from_batches(held, STAGING)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, STAGING)


def _must_equal(found: int, expected: int) -> None:
    """Refuse to commit where the engine lost sight of rows.

    With `preserve_insertion_order = true`, DuckDB 2.0.0 does: rows of a table made by CREATE TABLE AS in the same
    transaction vanish after some large inserts, until the commit. The store has the setting off, and checks.
    """
    if found != expected:
        raise TurnoutError("server_error", f"The merge was undone: {found} rows were found where {expected} belong.")


def _accept(work: Work, totals: Sequence[int]) -> tuple[list[Merged], bool]:
    """Delete from `staged` what is not accepted; leave the stored versions in `stored`.

    Return the counts, and whether ids are repeated: these are then in `repeated`. A row is created by the first
    accepted version of an id that was not stored.
    """
    work.run(
        f"CREATE TEMP TABLE stored AS SELECT {Rows.OWN_LIST} FROM attendances "
        f"WHERE {schema.MINE} AND id IN (SELECT id FROM staged)"
    )
    work.run("DELETE FROM staged USING stored WHERE staged.id = stored.id AND staged.updated_at <= stored.updated_at")
    (repeated,) = work.one("SELECT count(*) > count(DISTINCT id) FROM staged")
    first, repeats = "true", ""
    if repeated:
        work.run("CREATE TEMP TABLE repeated AS SELECT id FROM staged GROUP BY id HAVING count(*) > 1")
        work.run(
            "DELETE FROM staged WHERE seq IN ("
            "SELECT seq FROM (SELECT seq, updated_at, max(updated_at) OVER ("
            "PARTITION BY id ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest_before "
            "FROM staged WHERE id IN (SELECT id FROM repeated)) WHERE updated_at <= newest_before)"
        )
        first = "seq = coalesce(first, seq)"
        repeats = (
            "LEFT JOIN (SELECT id, min(seq) AS first FROM staged SEMI JOIN repeated USING (id) GROUP BY id) USING (id)"
        )
    found = work.rows(
        f"SELECT seq >> {_SEQ_BITS} AS input, count(*), count(*) FILTER (WHERE stored.id IS NULL AND {first}) "
        f"FROM staged LEFT JOIN stored USING (id) {repeats} GROUP BY input"
    )
    accepted = {number: (rows, created) for number, rows, created in found}
    merged = []
    for number, total in enumerate(totals):
        rows, created = accepted.get(number, (0, 0))
        merged.append(Merged(created=created, updated=rows - created, unchanged=total - rows))
    return merged, bool(repeated)
