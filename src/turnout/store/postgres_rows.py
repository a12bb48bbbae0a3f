"""Writing many rows into PostgreSQL with one statement: each column comes as one array.

COPY is not for tables with row-level security. As the arrays are written here, this takes no longer.
"""
# ruff: noqa: S608 - the names in the SQL are those of the schema, and its values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg

from turnout.store.postgres_schema import column
from turnout.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from turnout.store.base import type_row

_NULL: Final = "NULL"


def put_rows(connection: psycopg.Connection[Any], table: str, provider: int, rows: Sequence[type_row]) -> None:
    """Insert rows of a provider, with all columns in the order of the table; the first is the provider.

    At most some ten thousand at once: the database holds them all in memory.
    """
    (_, *kinds) = [_plain(kind) for kind in tables()[table].values()]
    (_, *names) = tables()[table]
    places = (f"${number}::{'TEXT' if kind.endswith('[]') else kind}[]" for number, kind in enumerate(kinds, 2))
    wanted = (
        f"new.{name}::{kind}" if kind.endswith("[]") else f"new.{name}" for name, kind in zip(names, kinds, strict=True)
    )
    columns = ", ".join(names)
    (_, *values) = zip(*rows, strict=True)
    literals = [_array(map(_cell(kind), column_)) for kind, column_ in zip(kinds, values, strict=True)]
    with psycopg.RawCursor(connection) as cursor:
        # Where they are RETURNING, Citus sends the rows on with INSERT, otherwise with COPY.
        cursor.execute(
            f"INSERT INTO {table} (provider_id, {columns}) SELECT $1::BIGINT, {', '.join(wanted)} "
            f"FROM unnest({', '.join(places)}) AS new ({columns}) RETURNING 1",
            (provider, *literals),
        )


def _plain(kind: str) -> str:
    """A column's type in PostgreSQL, without what else is said of the column."""
    return column(kind).partition(" ")[0]


def _array(cells: Iterable[str]) -> str:
    return f"{{{','.join(cells)}}}"


def _cell(kind: str) -> Callable[[Any], str]:
    """What writes a value of the type as an element of an array."""
    if kind.endswith("[]"):
        inner = _cell(kind.removesuffix("[]"))
        return lambda values: _NULL if values is None else _quoted(_array(map(inner, values)))
    writers: dict[str, Callable[[Any], str]] = {"TEXT": _text, "BOOLEAN": _flag, "TIMESTAMP": _moment}
    return writers.get(kind, _number)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: str | None) -> str:
    return _NULL if value is None else _quoted(value)


def _flag(value: bool | None) -> str:
    return _NULL if value is None else "t" if value else "f"


def _moment(value: object) -> str:
    return _NULL if value is None else f'"{value}"'


def _number(value: object) -> str:
    return _NULL if value is None else str(value)
