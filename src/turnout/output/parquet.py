"""Whole reports as Parquet: dotted keys, int64, timestamps in UTC, lists of {id, name} (contract section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from turnout.catalog.types import Column, Kind
from turnout.output.files import encoded
from turnout.output.texts import lists
from turnout.query.plan import stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from turnout.output.files import Whole

_PERSON: Final = pa.struct([("id", pa.int64()), ("name", pa.string())])
_TYPES: Final = {
    Kind.INTEGER: pa.int64(),
    Kind.INSTANT: pa.timestamp("us", "UTC"),
    Kind.TEXT: pa.string(),
    Kind.CHOICE: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.PEOPLE: pa.list_(_PERSON),
}
# What a reader can skip groups of rows by, and what is worth noting for that.
_ORDERED: Final = (Kind.INTEGER, Kind.INSTANT)
# Where hardly a value comes twice, a dictionary is slow to make and larger than the values.
_DISTINCT_KEY: Final = "id"
# A reader skips groups of rows by their least and greatest values, and reads several at once.
_GROUP_ROWS: Final = 100_000
_GROUP_BYTES: Final = 64 << 20


def write(whole: Whole, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
    """Write a report; memory holds two groups of rows, one that is written while the next is read."""
    columns = whole.request.columns
    schema = pa.schema([pa.field(column.key, _TYPES[column.kind], column.nullable) for column in columns])

    def put(group: Sequence[pa.RecordBatch]) -> None:
        typed = [
            pa.RecordBatch.from_arrays([_values(batch, column) for column in columns], schema=schema) for batch in group
        ]
        table = pa.Table.from_batches(typed, schema)
        writer.write_table(table, row_group_size=table.num_rows)

    ordered = [column.key for column in columns if column.kind in _ORDERED]
    with (
        pq.ParquetWriter(
            out,
            schema,
            compression="snappy",
            use_dictionary=[path for column in columns if _repeats(column) for path in _paths(column)],
            write_statistics=ordered,
        ) as writer,
        encoded(_groups(batches), put, threads=1, ahead=2) as groups,
    ):
        for _ in groups:
            pass


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[Sequence[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _repeats(column: Column) -> bool:
    return column.kind is not Kind.INSTANT and column.key != _DISTINCT_KEY


def _paths(column: Column) -> Iterator[str]:
    """The leaves of a column, by which their options go."""
    if column.kind is Kind.PEOPLE:
        yield from (f"{column.key}.list.element.{field.name}" for field in _PERSON)
    else:
        yield column.key


def _values(batch: pa.RecordBatch, column: Column) -> pa.Array:
    if column.kind is not Kind.PEOPLE:
        return batch[column.storage].cast(_TYPES[column.kind])
    ids, names = (batch[storage] for storage in stored(column))
    return lists(ids, pa.StructArray.from_arrays([ids.flatten(), names.flatten()], fields=list(_PERSON)))
