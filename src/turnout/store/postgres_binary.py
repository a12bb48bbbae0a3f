"""Rows by columns as PostgreSQL receives them in its binary form: it reads that in half the time that texts take.

A value is its bytes, behind their number (4 bytes, -1 for a null); a row has the type before each value, an array a
head before its elements. Numbers have their highest byte first. See `record_recv` and `array_recv` in PostgreSQL.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.postgres import types

from turnout.store.postgres_arrow import arrow_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_2000: Final = 946_684_800_000_000
"""The instant that PostgreSQL counts microseconds from, in microseconds since 1970."""
_DIGITS: Final = 10
"""So many digits of a number are sent, each from 0 to 9999: the first may be zeros."""
_NEGATIVE: Final = 0x4000
_ELEMENTS: Final = {types[name].array_oid: types[name].oid for name in ("int8", "text")}
_FIRST: Final = struct.pack("!i", 1)
"""The number of an array's first element."""
_NOTHING: Final = b""


def arrays_of(batch: pa.RecordBatch, row_type: int, column_types: Sequence[int], at_once: int) -> Iterator[bytes]:
    """The rows of a batch as arrays of at most so many rows each.

    The types are oids: of a row, and of the columns in their order, which are of those in `postgres_arrow`.
    """
    cells = [pa.scalar(struct.pack("!i", batch.num_columns))]
    for column, oid in zip(batch.columns, column_types, strict=True):
        cells += _measured(_value(column.cast(arrow_of(oid)), oid), oid)
    rows = _joined(*_measured(_joined(*cells)))
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        (content,) = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(some)], pa.int32()), some), _NOTHING)
        yield _head(1, row_type) + struct.pack("!i", len(some)) + _FIRST + content.as_buffer()


def _value(column: pa.Array, oid: int) -> pa.Array:
    """The bytes of each value; null where it is."""
    if oid in _ELEMENTS:
        return _list(column, _ELEMENTS[oid])
    if oid == types["text"].oid:
        return column.cast(pa.binary())
    if oid == types["bool"].oid:
        return pc.if_else(column, pa.scalar(b"\1"), pa.scalar(b"\0"))
    if oid == types["numeric"].oid:
        return _numeric(column)
    if oid == types["timestamp"].oid:
        column = pc.subtract_checked(column.cast(pa.int64()), _2000)
    return _whole(column)


def _whole(numbers: pa.Array) -> pa.Array:
    """Whole numbers of as many bytes as they have."""
    filled = pc.fill_null(numbers, 0) if numbers.null_count else numbers
    made = _fixed(filled.to_numpy(zero_copy_only=False).astype(f">i{numbers.type.bit_width // 8}"))
    return pc.if_else(numbers.is_valid(), made, pa.scalar(None, pa.binary())) if numbers.null_count else made


def _fixed(rows: np.ndarray[Any, Any]) -> pa.Array:
    """The bytes of each row of numbers."""
    width = rows.nbytes // len(rows) if len(rows) else 1
    return pa.Array.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows.tobytes())]).cast(pa.binary())


def _numeric(decimals: pa.Array) -> pa.Array:
    """Decimals without a fraction: how many digits, the power of 10,000 of the first, the sign, no fraction, digits."""
    text = decimals.cast(pa.string())
    digits = pc.utf8_lpad(pc.utf8_ltrim(text, "-"), 4 * _DIGITS, "0")
    sign = pc.if_else(
        pc.starts_with(text, "-"),
        *(pa.scalar(struct.pack("!4h", _DIGITS, _DIGITS - 1, sign, 0)) for sign in (_NEGATIVE, 0)),
    )
    parts = [pc.utf8_slice_codeunits(digits, 4 * at, 4 * at + 4).cast(pa.int16()) for at in range(_DIGITS)]
    return _joined(sign, *map(_whole, parts), null_handling="emit_null")


def _list(lists: pa.Array, oid: int) -> pa.Array:
    """Arrays of one dimension, whose elements are of a type; where there are none, of none."""
    counts = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(counts)])
    elements = _joined(*_measured(_value(lists.flatten(), oid)))
    content = pc.binary_join(pa.ListArray.from_arrays(offsets, elements), _NOTHING)
    some = _joined(pa.scalar(_head(1, oid)), _whole(counts), pa.scalar(_FIRST), content)
    made = pc.if_else(pc.greater(counts, 0), some, pa.scalar(_head(0, oid)))
    return pc.if_else(lists.is_valid(), made, pa.scalar(None, pa.binary())) if lists.null_count else made


def _measured(values: pa.Array, *before: int) -> tuple[pa.Array, pa.Array]:
    """Values, behind the numbers of their bytes, and what stands `before` those."""
    lengths = pc.fill_null(pc.binary_length(values), -1).to_numpy(zero_copy_only=False)
    heads = np.empty((len(values), len(before) + 1), ">i4")
    heads[:, :-1], heads[:, -1] = before, lengths
    return _fixed(heads), values


def _joined(*parts: pa.Array | pa.Scalar, null_handling: str = "replace") -> pa.Array:
    """The parts of each, one behind the other; of a null there is nothing, or all of it is null."""
    return pc.binary_join_element_wise(*parts, _NOTHING, null_handling=null_handling, null_replacement=_NOTHING)


def _head(dimensions: int, oid: int) -> bytes:
    """What an array begins with. Of each dimension follow the number of its elements, and that of the first one."""
    # The number between says whether there are nulls, which PostgreSQL finds out by itself.
    return struct.pack("!2iI", dimensions, 0, oid)
