"""Rows of PostgreSQL by columns: Arrow batches of the types that `base.Snapshot.columns` promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
from psycopg.postgres import types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Column

    from turnout.store.base import type_row

_ARROW: Final = {
    types["int8"].oid: pa.int64(),
    types["int4"].oid: pa.int32(),
    types["int2"].oid: pa.int16(),
    types["numeric"].oid: pa.decimal128(38, 0),
    types["bool"].oid: pa.bool_(),
    types["date"].oid: pa.date32(),
    types["text"].oid: pa.string(),
    types["timestamp"].oid: pa.timestamp("us"),
    types["int8"].array_oid: pa.list_(pa.int64()),
    types["text"].array_oid: pa.list_(pa.string()),
}


def arrow_of(oid: int) -> pa.DataType:
    """The Arrow type of a type of PostgreSQL's."""
    return _ARROW[oid]


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of a result."""
    return pa.schema([(column.name, arrow_of(column.type_code)) for column in columns])


def batch_of(rows: Sequence[type_row], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as one batch."""
    values = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)]
    return pa.RecordBatch.from_arrays(values, schema=schema)
