"""Rows of JSON that have every member, as reports write them: read by Arrow, without the interpreter's lock.

Arrow does not tell a member that is missing from one that is null. But where there are as many keys as the objects of
the rows can have, none is missing. A key is what ends with `":`; in a text, a backslash stands before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from turnout.catalog.types import Kind, Member
from turnout.ingest.columns import EMPTY, Columns, empty_to_null, people
from turnout.ingest.fields import PERSON, PERSON_NAME, TREE, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_TYPES: Final = {
    Kind.INTEGER: pa.int64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.PEOPLE: pa.list_(pa.struct(list(zip(PERSON, (pa.int64(), pa.string()), strict=True)))),
}


def _fields(tree: Tree) -> Iterator[pa.Field]:
    for name, node in tree.items():
        if isinstance(node, Member):
            yield pa.field(name, _TYPES.get(node.kind, pa.string()))
        else:
            yield pa.field(name, pa.struct(list(_fields(node))))


_PARSE: Final = json.ParseOptions(explicit_schema=pa.schema(list(_fields(TREE))), unexpected_field_behavior="error")


def from_complete(rows: Sequence[bytes]) -> Columns | None:
    """The columns of rows in their nested form, one JSON value each; None where they are not plainly complete."""
    body = b"\n".join(rows)
    if not _is_one_on_each_line(body, len(rows)) or not _is_utf8(body):
        return None
    try:
        read = json.read_json(pa.BufferReader(body), json.ReadOptions(False, len(body) + 1), _PARSE)
        if len(read) != len(rows):
            return None
        columns = Columns(len(rows))
        keys = _take(columns, (column.combine_chunks() for column in read.columns), TREE, len(rows))
    except pa.ArrowInvalid:
        return None
    return columns if keys == body.count(b'":') - body.count(b'\\":') else None


def _is_one_on_each_line(body: bytes, rows: int) -> bool:
    """Whether each line is one object: Arrow would also take two on one line, or one on two."""
    ends = rows - 1
    return body[:1] == b"{" and body[-1:] == b"}" and body.count(b"\n") == ends == body.count(b"}\n{")


def _is_utf8(body: bytes) -> bool:
    try:
        return body.isascii() or bool(body.decode())
    except UnicodeDecodeError:
        return False


def _take(columns: Columns, arrays: Iterable[pa.Array], tree: Tree, objects: int) -> int:
    """Put what is in so many objects into `columns`; return how many keys they and the objects in them have."""
    keys = objects * len(tree)
    for array, node in zip(arrays, tree.values(), strict=True):
        if not isinstance(node, Member):
            keys += _take(columns, array.flatten(), node, len(array) - array.null_count)
        elif node.kind is Kind.PEOPLE:
            keys += _take_people(columns, array, node)
        else:
            columns.put(node.storage, empty_to_null(array) if pa.types.is_string(array.type) else array)
    return keys


def _take_people(columns: Columns, lists: pa.Array, member: Member) -> int:
    persons = lists.flatten()
    if persons.null_count:
        raise pa.ArrowInvalid("somebody is null")
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    ids, names = persons.flatten()
    # Staged so, a null name says 'none'; see `staging.STAGING`.
    columns.put(member.storage, people(ids, pc.fill_null(names, EMPTY), sizes))
    columns.put(PERSON_NAME, pa.nulls(len(lists)), sizes > 0)
    return len(PERSON) * len(persons)
