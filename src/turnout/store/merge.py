"""Merging checked rows into the embedded store, in one transaction of set-based SQL (contract sections 5 and 9).

The steps, each a few statements over temporary tables that spill to disk:

1. `staged`: the input. Versions that are not newer than the stored row, or than an earlier version of the same row in
   the input, are deleted from it; what remains is accepted, and only that is looked at from here on.
2. The one truth of each thing that the accepted rows name (`merge_things`).
3. The wide rows that were accepted, repeat a truth that changed, or are no longer (or now) a customer's first
   attendance, written anew (`merge_rows`).
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its one value is an integer

from __future__ import annotations

from concurrent.futures import wait
from dataclasses import dataclass, field
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from turnout.errors import TurnoutError
from turnout.store import schema
from turnout.store.base import Merged
from turnout.store.merge_rows import Rows
from turnout.store.merge_things import settle_things
from turnout.store.staging import STAGING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor


# So many rows or bytes make one INSERT.
_CHUNK_ROWS: Final = 122_880
_CHUNK_BYTES: Final = 64 << 20
_INSIST_SECONDS: Final = 0.01


@dataclass(frozen=True)
class Work:
    """What one merge works with: a cursor of its own, and the one provider whose rows it may see or change."""

    cursor: duckdb.DuckDBPyConnection
    provider: int
    thread: Executor
    """One thread, so that the main thread can wait for a statement and still hear Ctrl-C."""
    stopped: Event = field(default_factory=Event)

    def stop(self) -> None:
        """End the merge at its current or next statement, from any thread. To be said again until it has ended."""
        self.stopped.set()
        self.cursor.interrupt()

    def run(self, sql: str) -> None:
        """Run a statement; raise `InterruptException` where the merge is stopped."""
        if self.stopped.is_set():
            raise duckdb.InterruptException
        if current_thread() is not main_thread():
            self.cursor.execute(sql)
            return
        running = self.thread.submit(self.cursor.execute, sql)
        try:
            running.result()
        finally:
            # The engine forgets an interrupt that comes just before it starts to run a statement.
            while not running.done():
                self.cursor.interrupt()
                wait((running,), _INSIST_SECONDS)

    def one(self, sql: str) -> tuple[Any, ...]:
        """The single row of a query."""
        rows: list[tuple[Any, ...]] = self.cursor.execute(sql).fetchall()
        return rows[0]

    def any(self, table: str) -> bool:
        return bool(self.cursor.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall())


@dataclass(frozen=True)
class Outcome:
    """The counts of a merge, and how many wide rows it wrote."""

    merged: Merged
    written: int


def merge(work: Work, batches: Iterable[pa.RecordBatch], *, dry_run: bool) -> Outcome:
    """Merge `batches` of `staging.STAGING`, in one transaction; with `dry_run`, only count.

    Leaves temporary tables behind, and where it raises an open transaction: close the cursor afterwards.
    """
    count = f"SELECT count(*) FROM attendances WHERE provider_id = {work.provider}"
    # Not in the transaction: the engine keeps what was registered during one in memory until it ends.
    total = _stage(work, batches)
    work.run("BEGIN TRANSACTION")
    merged = _accept(work, total)
    if dry_run or merged.unchanged == total:
        work.run("ROLLBACK")
        return Outcome(merged, 0)
    (before,) = work.one(count)
    changed = settle_things(work)
    written = Rows(work).write(changed)
    (after,) = work.one(count)
    _must_equal(after, before + merged.created)
    for table in ("staged", "stored", "fresh"):
        work.run(f"DROP TABLE {table}")  # a commit would go through their rows once more
    work.run("COMMIT")
    return Outcome(merged, written)


def _stage(work: Work, batches: Iterable[pa.RecordBatch]) -> int:
    """Copy the input into the temporary table `staged`; return its number of rows."""
    columns = ", ".join(f"{name} {kind}" for name, kind in schema.staging_columns().items())
    work.run(f"CREATE TEMP TABLE staged ({columns})")
    total = 0
    for chunk in _chunks(batches):
        work.cursor.register("chunk", chunk)
        work.run("INSERT INTO staged SELECT * FROM chunk")
        work.cursor.unregister("chunk")
        total += chunk.num_rows
    (kept,) = work.one("SELECT count(*) FROM staged")
    _must_equal(kept, total)
    return total


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


def _accept(work: Work, total: int) -> Merged:
    """Delete from `staged` what is not accepted; leave the stored versions in `stored`, repeated ids in `repeated`."""
    work.run(
        f"CREATE TEMP TABLE stored AS SELECT {Rows.OWN_LIST} FROM attendances "
        f"WHERE provider_id = {work.provider} AND id IN (SELECT id FROM staged)"
    )
    work.run("DELETE FROM staged USING stored WHERE staged.id = stored.id AND staged.updated_at <= stored.updated_at")
    work.run("CREATE TEMP TABLE repeated AS SELECT id FROM staged GROUP BY id HAVING count(*) > 1")
    if work.any("repeated"):
        work.run(
            "DELETE FROM staged WHERE seq IN ("
            "SELECT seq FROM (SELECT seq, updated_at, max(updated_at) OVER ("
            "PARTITION BY id ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest_before "
            "FROM staged WHERE id IN (SELECT id FROM repeated)) WHERE updated_at <= newest_before)"
        )
    accepted, created = work.one(
        "SELECT count(*), count(DISTINCT staged.id) FILTER (WHERE stored.id IS NULL) "
        "FROM staged LEFT JOIN stored USING (id)"
    )
    return Merged(created=created, updated=accepted - created, unchanged=total - accepted)
