"""JSON rows to columns, fast: typed decoding with structs that are made from the catalogue.

Whatever is not plainly right raises `UnfitError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, Struct, UnsetType

from turnout.catalog.types import Kind, Member
from turnout.ingest.columns import Columns, UnfitError, empty_to_null, people
from turnout.ingest.fields import PERSON, PERSON_NAME, TEXT_OR_OBJECT, TREE, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


def _struct(name: str, members: Sequence[tuple[str, Any, Any]]) -> type[Struct]:
    # Rows are no cycles: without the garbage collector's book-keeping, decoding is a third faster.
    return msgspec.defstruct(name, members, forbid_unknown_fields=True, frozen=True, eq=False, gc=False)


_ID: Final = int | None | UnsetType
_TEXT: Final = str | None | UnsetType
_Thing: Final = _struct("Thing", [(PERSON[0], _ID, UNSET), (PERSON[1], _TEXT, UNSET)])
_TYPES: Final[dict[Kind, Any]] = {
    Kind.INTEGER: _ID,
    Kind.BOOLEAN: bool | None | UnsetType,
    Kind.PEOPLE: list[_Thing] | None | UnsetType,  # type: ignore[valid-type]
}
_ARROW: Final = {Kind.INTEGER: pa.int64(), Kind.BOOLEAN: pa.bool_()}


@dataclass(frozen=True, slots=True)
class _Group:
    """A nested object: its struct, what null stands for, its members, and how each is taken from many structs."""

    struct: type[Struct]
    null: Struct
    members: dict[str, _Group | Member]
    take: dict[str, Callable[[Sequence[Struct], Struct | None], list[Any]]]


def _group(name: str, tree: Tree) -> _Group:
    members: dict[str, _Group | Member] = {}
    declared: list[tuple[str, Any, Any]] = []
    nulls: dict[str, Any] = {}
    for key, node in tree.items():
        if isinstance(node, Member):
            type_ = _TYPES.get(node.kind, _TEXT)
            declared.append((key, type_ | _Thing if node.storage in TEXT_OR_OBJECT else type_, UNSET))
            members[key], nulls[key] = node, None
        else:
            inner = _group(key.title(), node)
            # An object that is absent is one that states nothing.
            declared.append((key, inner.struct | None, inner.struct()))
            members[key], nulls[key] = inner, inner.null
    struct = _struct(name, declared)
    take = {key: _taker(key, group=isinstance(node, _Group)) for key, node in members.items()}
    return _Group(struct, struct(**nulls), members, take)


def _taker(key: str, *, group: bool) -> Callable[[Sequence[Struct], Struct | None], list[Any]]:
    # An attribute that is spelled out is found in half the time of `getattr` or `attrgetter`.
    code = f"lambda structs, null: [each.{key}{' or null' if group else ''} for each in structs]"
    return eval(code)  # type: ignore[no-any-return]  # noqa: S307 - the keys are those of the catalogue


_ROW: Final = _group("Row", TREE)
_decode: Final = msgspec.json.Decoder(_ROW.struct).decode


def from_json(rows: Sequence[bytes]) -> Columns:
    """The columns of rows in their nested form, one JSON value each. Raises `UnfitError`."""
    columns = Columns(len(rows))
    try:
        # Each by itself: a decoder of lines would take two rows on one line, or a row on two.
        _columns(list(map(_decode, rows)), _ROW, columns)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, pa.ArrowInvalid, OverflowError) as fault:
        raise UnfitError(str(fault)) from None
    return columns


def _columns(structs: Sequence[Struct], group: _Group, columns: Columns) -> None:
    for key, node in group.members.items():
        if isinstance(node, _Group):
            _columns(group.take[key](structs, node.null), node, columns)
            continue
        values = group.take[key](structs, None)
        if node.kind is Kind.PEOPLE:
            _people(node, values, columns)
        else:
            if node.storage in TEXT_OR_OBJECT and any(type(value) is _Thing for value in values):
                values = _unpacked(TEXT_OR_OBJECT[node.storage], values, columns)
            _put(node.storage, values, _ARROW.get(node.kind, pa.string()), columns)


def _put(storage: str, values: list[Any], type_: pa.DataType, columns: Columns) -> None:
    given = None
    try:
        array = pa.array(values, type_)
    except (pa.ArrowInvalid, TypeError):
        given = _given(values)
        if not given.any():
            return
        array = pa.array([None if value is UNSET else value for value in values], type_)
    columns.put(storage, empty_to_null(array) if pa.types.is_string(type_) else array, given)


def _given(values: Sequence[Any]) -> NDArray[np.bool_]:
    return np.fromiter((value is not UNSET for value in values), np.bool_, len(values))


def _people(field: Member, values: list[Any], columns: Columns) -> None:
    given = _given(values)
    if not given.any():
        return
    lists = [value or () for value in values]
    everybody = list(chain.from_iterable(lists))
    sizes = np.fromiter(map(len, lists), np.int64, len(lists))
    ids = [each.id for each in everybody]
    names = [each.name for each in everybody]
    made = people(
        pa.array([None if id_ is UNSET else id_ for id_ in ids], pa.int64()),
        empty_to_null(pa.array([None if name is UNSET else name for name in names], pa.string())),
        sizes,
    )
    columns.put(field.storage, made, None if given.all() else given)
    columns.put(PERSON_NAME, pa.nulls(len(values)), _all_named(_given(names), sizes))


def _all_named(named: NDArray[np.bool_], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which lists have somebody, and a name with everybody."""
    if named.all():
        return sizes > 0
    ends = np.cumsum(sizes)
    count = np.concatenate([[0], np.cumsum(named)])
    return (sizes > 0) & (count[ends] - count[ends - sizes] == sizes)


def _unpacked(reference: str, values: list[Any], columns: Columns) -> list[Any]:
    """The names of things that came as objects; their ids go to the reference, which is in `columns` already."""
    ids = [value.id if type(value) is _Thing else UNSET for value in values]
    if reference in columns.values:
        known = columns.values[reference].to_pylist()
        given = columns.given[reference]
        if given is not None:
            known = [id_ if there else UNSET for id_, there in zip(known, given, strict=True)]
        ids = list(map(_agreed, known, ids))
    _put(reference, ids, pa.int64(), columns)
    return [value.name if type(value) is _Thing else value for value in values]


def _agreed(one: Any, other: Any) -> Any:
    """One id from two places; null in one of them does not contradict the other."""
    if other is UNSET or (other is None and one is not UNSET) or one == other:
        return one
    if one is UNSET or one is None:
        return other
    raise UnfitError("two ids of one thing")
