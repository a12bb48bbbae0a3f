"""Writing many rows into PostgreSQL with one statement, to which they come as one array of rows.

COPY is not for tables with row-level security. The engine in memory writes the rows as PostgreSQL reads them, and Arrow
joins them: no value is ever an object of Python's.
"""
# ruff: noqa: S608 - the names in the SQL are those of the schema, and its values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from turnout.query.dialect import DUCKDB
from turnout.store.schema import tables

if TYPE_CHECKING:
    import duckdb

AT_ONCE: Final = 2_048
"""So many rows are one statement: the database has them in memory, and of many more it would write some to disk."""


def put_rows(
    connection: psycopg.Connection[Any], table: str, provider: int, source: duckdb.DuckDBPyConnection, rows: str
) -> None:
    """Insert rows of a provider, which DuckDB's SQL `rows` selects from `source` with all columns of the table.

    While the database inserts some, the next ones are written.
    """
    with psycopg.RawCursor(connection) as cursor:
        # The order in which the database has the columns, which is what its rows are written in.
        cursor.execute(f"SELECT * FROM {table} WHERE provider_id = $1 LIMIT 0", (provider,))
        names = [column.name for column in cursor.description or ()]
    kinds = tables()[table]
    fields = ", ',', ".join(_field(name, kinds[name]) for name in names)
    row = _quoted(f"concat('(', {fields}, ')')")
    found = source.sql(f"SELECT {row} FROM ({rows})").to_arrow_reader(AT_ONCE)
    others = ", ".join(name for name in names if name != "provider_id")
    # Where they are RETURNING, Citus sends the rows on with INSERT, otherwise with COPY.
    insert = (
        f"INSERT INTO {table} (provider_id, {others}) "
        f"SELECT $1::BIGINT, {others} FROM unnest($2::{table}[]) RETURNING 1"
    )
    with connection.pipeline():
        for batch in found:
            if batch.num_rows:
                psycopg.RawCursor(connection).execute(insert, (provider, _array(batch.column(0))))


def _array(elements: pa.Array) -> str:
    """An array as PostgreSQL reads it."""
    together = pa.ListArray.from_arrays(pa.array([0, len(elements)], pa.int32()), elements)
    (joined,) = pc.binary_join(together, ",").to_pylist()
    return f"{{{joined}}}"


def _field(name: str, kind: str) -> str:
    """DuckDB's SQL for a value as a field of a row. A null, of which `concat` makes nothing, is an empty field."""
    if kind.endswith("[]"):
        element = "one" if kind.startswith("BIGINT") else _quoted("one")
        elements = f"list_transform({name}, lambda one: coalesce({element}::VARCHAR, 'NULL'))"
        return _quoted(f"'{{' || array_to_string({elements}, ',') || '}}'")
    if kind == "DATE":
        return f"({DUCKDB.day_number(name)})::VARCHAR"
    return _quoted(name) if kind.startswith("VARCHAR") else f"{name}::VARCHAR"


def _quoted(text: str) -> str:
    r"""DuckDB's SQL for a text in quotes, in which `"` and `\` stand after a `\`."""
    return rf"""'"' || replace(replace({text}, '\', '\\'), '"', '\"') || '"'"""
