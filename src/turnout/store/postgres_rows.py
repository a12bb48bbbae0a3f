"""Writing many rows into PostgreSQL with few statements, to each of which they come as one array of rows.

COPY is not for tables with row-level security. Arrow writes the array as the database keeps it: no value is ever an
object of Python's, nor a text that the database has to read.
"""
# ruff: noqa: S608 - the names in the SQL are those of the schema, and its values are bound

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import psycopg

from turnout.errors import TurnoutError
from turnout.store.ahead import made_ahead
from turnout.store.postgres_binary import arrays_of
from turnout.store.postgres_pipeline import repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

_AT_ONCE: Final = 2_048
"""So many rows are one statement: the database has them in memory, and of many more it would write some to disk."""
_AHEAD: Final = 4
"""So many arrays are made while the database inserts the ones before, so that it does not wait for them."""
WRITTEN_AT_ONCE: Final = _AHEAD * _AT_ONCE
"""So many rows are written as arrays together, which is the quicker the more they are."""


def put_rows(connection: psycopg.Connection[Any], table: str, provider: int, batches: Iterable[pa.RecordBatch]) -> int:
    """Insert rows of a provider, and return how many, as the database counts them.

    The batches have the columns of the table, in any order. Raises `server_error` where it took fewer.
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
    made_rows = 0

    def arrays() -> Iterator[bytes]:
        nonlocal made_rows
        for batch in batches:
            for start in range(0, batch.num_rows, WRITTEN_AT_ONCE):
                rows = batch.slice(start, WRITTEN_AT_ONCE).select(list(columns))
                yield from arrays_of(rows, row_type, list(columns.values()), _AT_ONCE)
            made_rows += batch.num_rows

    with closing(made_ahead(arrays(), _AHEAD)) as made:
        put = repeated(connection, insert, ((struct.pack("!q", provider), array) for array in made))
    if put != made_rows:
        raise TurnoutError("server_error", f"Of {made_rows} rows of {table} the database took {put}.")
    return put
