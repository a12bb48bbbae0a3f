"""Writing many rows into PostgreSQL with one statement: each column comes as one array.

COPY is not for tables with row-level security. The engine in memory writes the elements of the arrays, and Arrow joins
them: no value is ever an object of Python's.
"""
# ruff: noqa: S608 - the names in the SQL are those of the schema, and its values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from turnout.query.dialect import DUCKDB
from turnout.store.postgres_schema import column
from turnout.store.schema import tables

if TYPE_CHECKING:
    import duckdb

AT_ONCE: Final = 2_048
"""So many rows are one statement: the database has its arrays in memory, and with many more it writes them to disk."""


def put_rows(
    connection: psycopg.Connection[Any], table: str, provider: int, cursor: duckdb.DuckDBPyConnection, rows: str
) -> None:
    """Insert rows of a provider, which DuckDB's SQL `rows` selects from `cursor` with all columns of the table.

    While the database inserts some, the next ones are written.
    """
    (_, *names), (_, *kinds) = tables()[table], tables()[table].values()
    types = [column(kind).partition(" ")[0] for kind in kinds]
    listed = [type_.endswith("[]") for type_ in types]
    # A list travels as a text: an array of arrays would have to be as long everywhere.
    arrays = (
        f"${n}::{'TEXT' if is_list else type_}[]"
        for n, (type_, is_list) in enumerate(zip(types, listed, strict=True), 2)
    )
    wanted = (
        f"new.{name}::{type_}" if is_list else f"new.{name}"
        for name, type_, is_list in zip(names, types, listed, strict=True)
    )
    columns = ", ".join(names)
    # Where they are RETURNING, Citus sends the rows on with INSERT, otherwise with COPY.
    insert = (
        f"INSERT INTO {table} (provider_id, {columns}) SELECT $1::BIGINT, {', '.join(wanted)} "
        f"FROM unnest({', '.join(arrays)}) AS new ({columns}) RETURNING 1"
    )
    elements = ", ".join(f"{_element(name, kind)} AS {name}" for name, kind in zip(names, kinds, strict=True))
    found = cursor.sql(f"SELECT {elements} FROM ({rows})").to_arrow_reader(AT_ONCE)
    with connection.pipeline():
        for batch in found:
            if batch.num_rows:
                psycopg.RawCursor(connection).execute(insert, (provider, *map(_array, batch.columns)))


def _array(elements: pa.Array) -> str:
    """An array as PostgreSQL reads it."""
    together = pa.ListArray.from_arrays(pa.array([0, len(elements)], pa.int32()), elements)
    (joined,) = pc.binary_join(together, ",").to_pylist()
    return f"{{{joined}}}"


def _element(name: str, kind: str) -> str:
    """DuckDB's SQL for a value as an element of an array."""
    if kind.endswith("[]"):
        inner = "one" if kind.startswith("BIGINT") else _quoted("one")
        elements = f"list_transform({name}, lambda one: coalesce({inner}::VARCHAR, 'NULL'))"
        value = _quoted(f"'{{' || array_to_string({elements}, ',') || '}}'")
    elif kind == "DATE":
        value = f"({DUCKDB.day_number(name)})::VARCHAR"
    elif kind.startswith(("VARCHAR", "ENUM", "TIMESTAMP")):
        value = _quoted(f"{name}::VARCHAR")
    else:
        value = f"{name}::VARCHAR"
    return f"coalesce({value}, 'NULL')"


def _quoted(text: str) -> str:
    r"""DuckDB's SQL for a text in quotes, in which `"` and `\` stand after a `\`."""
    return f"""'"' || replace(replace({text}, '\\', '\\\\'), '"', '\\"') || '"'"""
