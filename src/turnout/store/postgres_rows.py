"""Writing many rows into PostgreSQL with few statements, to each of which they come as one array of rows.

COPY is not for tables with row-level security. Arrow writes the array as the database keeps it: no value is ever an
object of Python's, nor a text that the database has to read.
"""
# ruff: noqa: S608 - the names in the SQL are those of the schema, and its values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from turnout.store.postgres_binary import arrays_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

_AT_ONCE: Final = 2_048
"""So many rows are one statement: the database has them in memory, and of many more it would write some to disk."""
WRITTEN_AT_ONCE: Final = 4 * _AT_ONCE
"""So many rows are written as arrays together, which is the quicker the more they are. The database, which still
inserts the ones before, is not to wait for them."""


class _Array(bytes):
    """An array in PostgreSQL's binary form."""


class _ArrayDumper(Dumper):
    """Sends an array as it is. Its type is that to which the statement casts it."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: _Array) -> bytes:
        return obj


def put_rows(connection: psycopg.Connection[Any], table: str, provider: int, batches: Iterable[pa.RecordBatch]) -> int:
    """Insert rows of a provider, and return how many.

    The batches have the columns of the table, in any order.
    """
    with psycopg.RawCursor(connection) as cursor:
        # The order in which the database has the columns, which is what its rows are written in.
        cursor.execute(f"SELECT * FROM {table} WHERE provider_id = $1 LIMIT 0", (provider,))
        columns = {column.name: column.type_code for column in cursor.description or ()}
        ((row_type,),) = cursor.execute("SELECT $1::REGTYPE::OID", (table,)).fetchall()
    others = ", ".join(name for name in columns if name != "provider_id")
    # Where they are RETURNING, Citus sends the rows on with INSERT, otherwise with COPY.
    insert = (
        f"INSERT INTO {table} (provider_id, {others}) "
        f"SELECT $1::BIGINT, {others} FROM unnest($2::{table}[]) RETURNING 1"
    )
    put = 0
    with connection.pipeline():
        for batch in batches:
            for start in range(0, batch.num_rows, WRITTEN_AT_ONCE):
                rows = batch.slice(start, WRITTEN_AT_ONCE).select(list(columns))
                for array in arrays_of(rows, row_type, list(columns.values()), _AT_ONCE):
                    cursor = psycopg.RawCursor(connection)
                    cursor.adapters.register_dumper(_Array, _ArrayDumper)
                    cursor.execute(insert, (provider, _Array(array)))
            put += batch.num_rows
    return put
