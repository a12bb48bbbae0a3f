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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

AT_ONCE: Final = 2_048
"""So many rows are one statement: the database has them in memory, and of many more it would write some to disk."""


def put_rows(
    connection: psycopg.Connection[Any],
    table: str,
    provider: int,
    kinds: Mapping[str, str],
    written: Callable[[str], Iterable[pa.RecordBatch]],
) -> int:
    """Insert rows of a provider, and return how many.

    `written` gives what DuckDB's SQL for a row makes of each, in batches of at most `AT_ONCE`; the columns that it
    finds are of these `kinds`. While the database inserts some, the next ones are written.
    """
    with psycopg.RawCursor(connection) as cursor:
        # The order in which the database has the columns, which is what its rows are written in.
        cursor.execute(f"SELECT * FROM {table} WHERE provider_id = $1 LIMIT 0", (provider,))
        names = [column.name for column in cursor.description or ()]
    fields = ", ',', ".join(_field(name, kinds[name]) for name in names)
    row = _quoted(f"concat('(', {fields}, ')')")
    others = ", ".join(name for name in names if name != "provider_id")
    # Where they are RETURNING, Citus sends the rows on with INSERT, otherwise with COPY.
    insert = (
        f"INSERT INTO {table} (provider_id, {others}) "
        f"SELECT $1::BIGINT, {others} FROM unnest($2::{table}[]) RETURNING 1"
    )
    put = 0
    with connection.pipeline():
        for batch in written(row):
            if batch.num_rows:
                psycopg.RawCursor(connection).execute(insert, (provider, _array(batch.column(0))))
                put += batch.num_rows
    return put


def instant(name: str) -> str:
    """DuckDB's SQL for an instant as PostgreSQL reads it: the years before the first one are written in another way."""
    return f"CASE WHEN year({name}) < 1 THEN replace({name}::VARCHAR, ' (BC)', '') || ' BC' ELSE {name}::VARCHAR END"


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
    if kind.startswith("TIMESTAMP"):
        return instant(name)
    return _quoted(name) if kind.startswith("VARCHAR") else f"{name}::VARCHAR"


def _quoted(text: str) -> str:
    r"""DuckDB's SQL for a text in quotes, in which `"` and `\` stand after a `\`."""
    return rf"""'"' || replace(replace({text}, '\', '\\'), '"', '\"') || '"'"""
