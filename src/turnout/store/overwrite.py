"""Overwriting what the embedded store's file still holds of what was forgotten.

The engine changes no block of its file in place: what was erased stays in rows that were replaced long ago, in blocks
that are free, and in the write-ahead log. So the tables are written anew from what can be read, the
old ones dropped, and a checkpoint frees their blocks and empties the log. Then random values take all the free space of
the file, a checkpoint has them written, and they are dropped. There are two kinds of that space:

- the engine's notes on each part of a table, which quote its least and its greatest text, lie in small pieces of
  blocks; tables with very many columns take them (and some of the next kind);
- blocks: a long table takes them.

A mark in the store says that this is due. It is set in the transaction that erases, and taken away at the end: a
process that is killed in between leaves a store in which nothing of the erased can be read, and the mark.
"""
# ruff: noqa: S608 - the names in the SQL are those of `schema`

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import duckdb

from turnout.errors import TurnoutError
from turnout.store.rebuild import mark_ordered
from turnout.store.schema import AGE_BY, tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from turnout.store.merge import Work

PATIENCE: Final = 30.0
"""So many seconds are given to those who read the tables as they were."""
_PAUSE: Final = 0.02
DUE: Final = "overwrite"
"""The name of the mark, in the table `meta`."""
_NEW: Final = "being_rewritten"
_FILLER: Final = "filler"
_WIDE: Final = 1_000
"""So many columns make a table whose notes take more than a block."""
_PER_BLOCK: Final = 16_384
"""So many UUIDs, which are random and cannot be compressed, fill a block."""
_MOST_BLOCKS: Final = 2_048
_ROUNDS: Final = 100


def make_due(work: Work) -> None:
    """Note in the open transaction that the file holds what cannot be read any more."""
    work.cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, 'due')", [DUE])


def overwrite(work: Work, small: AbstractContextManager[object], path: Path) -> bool:
    """Overwrite what was forgotten; False where nothing is due. Nothing may be merged meanwhile; everybody may read.

    `small` keeps others off the small tables while it is held. Raises `storage_unavailable` where somebody reads what
    was there before for longer than `PATIENCE`: it stays due.
    """
    if not work.any(f"meta WHERE name = '{DUE}'"):
        return False
    _drop_fillers(work)  # of one who was killed
    with small:
        # All in one transaction: what the engine notes of tables that are written at once lies together in the file.
        work.run("BEGIN TRANSACTION")
        for table, columns in tables().items():
            _rewrite(work, table, columns)
        work.run("COMMIT")
        mark_ordered(work)
    _checkpoint(work)
    _fill_notes(work)
    _fill_blocks(work)
    for copy in path.parent.iterdir():
        # What an upgrade left for the case that it had gone wrong.
        if copy.name.startswith(f"{path.name}.schema-"):
            copy.unlink(missing_ok=True)
    work.cursor.execute("DELETE FROM meta WHERE name = ?", [DUE])
    return True


def _rewrite(work: Work, table: str, columns: Mapping[str, str]) -> None:
    """Write a table anew, the rows of one provider after the other, and drop the old one."""
    described = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    # The order in which reports read it.
    order = f"ORDER BY {AGE_BY}, id" if table == "attendances" else ""
    parts = [""]
    if "provider_id" in columns:
        found = work.cursor.execute(f"SELECT DISTINCT provider_id FROM {table} ORDER BY provider_id").fetchall()
        parts = [f"WHERE provider_id = {provider}" for (provider,) in found]
    work.run(f"CREATE TABLE {_NEW} ({described})")
    for part in parts:
        work.run(f"INSERT INTO {_NEW} SELECT {', '.join(columns)} FROM {table} {part} {order}")
    there, kept = work.one(f"SELECT (SELECT count(*) FROM {table}), (SELECT count(*) FROM {_NEW})")
    if there != kept:
        raise TurnoutError("server_error", f"{table} was left as it is: of {there} rows, {kept} were found.")
    work.run(f"DROP TABLE {table}")
    work.run(f"ALTER TABLE {_NEW} RENAME TO {table}")


def _checkpoint(work: Work) -> None:
    """Write all that is committed into the file, and free what is not used; others may have to stop reading first."""
    end = time.monotonic() + PATIENCE
    while True:
        with suppress(duckdb.TransactionException):
            work.run("CHECKPOINT")
            return
        if time.monotonic() > end:
            raise TurnoutError(
                "storage_unavailable",
                "What was forgotten cannot be read any more, but the file still holds it, as somebody has been reading "
                "for a long time; it is overwritten the next time.",
                retry_after=60,
            )
        work.stopped.wait(_PAUSE)


def _fill_notes(work: Work) -> None:
    """Take every free piece of the blocks that hold notes.

    A piece that is let go becomes free with the next checkpoint that has something to write.
    """
    for number in range(3):
        work.run(f"CREATE TABLE {_FILLER}_{number} (value UUID)")
        _checkpoint(work)
    stale = _free_pieces(work)
    values = ", ".join(f"uuid()::VARCHAR AS c{number}" for number in range(_WIDE))
    for number in range(_ROUNDS):
        if not stale:
            break
        work.run(f"CREATE TABLE {_FILLER}_wide_{number} AS SELECT {values}")
        _checkpoint(work)
        stale &= _free_pieces(work)
    else:
        raise _not_filled()
    _drop_fillers(work)
    _checkpoint(work)


def _fill_blocks(work: Work) -> None:
    """Take every free block."""
    work.run(f"CREATE TABLE {_FILLER} (value UUID)")
    for _ in range(_ROUNDS):
        free = _free_blocks(work)
        if not free:
            break
        for blocks in (min(free - done, _MOST_BLOCKS) for done in range(0, free, _MOST_BLOCKS)):
            work.run(f"INSERT INTO {_FILLER} SELECT uuid() FROM range({blocks * _PER_BLOCK})")
        _checkpoint(work)
    else:
        raise _not_filled()
    _drop_fillers(work)
    _checkpoint(work)


def _drop_fillers(work: Work) -> None:
    fillers = work.cursor.execute(
        "SELECT table_name FROM duckdb_tables() "
        "WHERE database_name = current_database() AND starts_with(table_name, ?)",
        [_FILLER],
    ).fetchall()
    for (table,) in fillers:
        work.run(f"DROP TABLE {table}")


def _free_pieces(work: Work) -> set[tuple[int, int]]:
    found = work.cursor.execute("SELECT block_id, unnest(free_list) FROM pragma_metadata_info()").fetchall()
    return set(found)


def _free_blocks(work: Work) -> int:
    (free,) = work.one("SELECT free_blocks FROM pragma_database_size() WHERE database_name = current_database()")
    return int(free)


def _not_filled() -> TurnoutError:
    return TurnoutError("server_error", "The free space of the file could not be overwritten; it stays to be done.")
