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
from turnout.ingest.fields import FIELDS, PERSON_NAME, TEXT_OR_OBJECT, TREE, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    _Given = tuple[pa.Array, NDArray[np.bool_] | None]
    """Values as Arrow has them, null for empty text, and where they are given at all; None means everywhere."""

# So many rows at once stay in the processor's cache from decoding until they are columns: a third faster than many.
_HOT: Final = 1_024


def _struct(name: str, members: Sequence[tuple[str, Any, Any]]) -> type[Struct]:
    # Rows are no cycles: without the garbage collector's book-keeping, decoding is a third faster.
    return msgspec.defstruct(name, members, forbid_unknown_fields=True, frozen=True, eq=False, gc=False)


_ID: Final = int | None | UnsetType
_TEXT: Final = str | None | UnsetType


class _Thing(Struct, forbid_unknown_fields=True, frozen=True, eq=False, gc=False):
    id: int | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET


_TYPES: Final[dict[Kind, Any]] = {
    Kind.INTEGER: _ID,
    Kind.BOOLEAN: bool | None | UnsetType,
    Kind.PEOPLE: list[_Thing] | None | UnsetType,
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
        parts = [_part(rows[n : n + _HOT]) for n in range(0, len(rows), _HOT)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, pa.ArrowInvalid, OverflowError) as fault:
        raise UnfitError(str(fault)) from None
    for storage in parts[0] if parts else ():
        given = [part[storage][1] for part in parts]
        if any(each is None or each.any() for each in given):
            values = pa.concat_arrays([part[storage][0] for part in parts])
            # Here, not in each part: what Arrow does costs by the call.
            values = empty_to_null(values) if pa.types.is_string(values.type) else values
            columns.put(storage, values, _joined(parts, storage))
    return columns


def _part(rows: Sequence[bytes]) -> dict[str, _Given]:
    # Each by itself: a decoder of lines would take two rows on one line, or a row on two.
    values = dict(_values(list(map(_decode, rows)), _ROW))
    _unpack(values)
    part = {}
    for field in FIELDS:
        if field.kind is Kind.PEOPLE:
            part[field.storage], part[PERSON_NAME] = _people(values[field.storage])
        else:
            part[field.storage] = _array(values[field.storage], _ARROW.get(field.kind, pa.string()))
        if field.needed and part[field.storage][0].null_count:
            # At once: a block holds millions of rows without members.
            raise UnfitError(field.path)
    return part


def _joined(parts: Sequence[dict[str, _Given]], storage: str) -> NDArray[np.bool_] | None:
    if all(part[storage][1] is None for part in parts):
        return None
    masks = []
    for part in parts:
        array, given = part[storage]
        masks.append(np.ones(len(array), np.bool_) if given is None else given)
    return np.concatenate(masks)


def _values(structs: Sequence[Struct], group: _Group) -> Iterator[tuple[str, list[Any]]]:
    """What all rows have, by storage name; UNSET where a row says nothing."""
    for key, node in group.members.items():
        if isinstance(node, _Group):
            yield from _values(group.take[key](structs, node.null), node)
        else:
            yield node.storage, group.take[key](structs, None)


def _unpack(values: dict[str, list[Any]]) -> None:
    """Take things that came as objects apart: their ids may stand in another place, too."""
    for storage, reference in TEXT_OR_OBJECT.items():
        if any(type(value) is _Thing for value in values[storage]):
            ids = [value.id if type(value) is _Thing else UNSET for value in values[storage]]
            values[reference] = list(map(_agreed, values[reference], ids))
            values[storage] = [value.name if type(value) is _Thing else value for value in values[storage]]


def _agreed(one: Any, other: Any) -> Any:
    """One id from two places; null in one of them does not contradict the other."""
    if other is UNSET or (other is None and one is not UNSET) or one == other:
        return one
    if one is UNSET or one is None:
        return other
    raise UnfitError("two ids of one thing")


def _people(values: list[Any]) -> tuple[_Given, _Given]:
    """The lists of people, and where each list has a name with everybody."""
    lists = [value or () for value in values]
    everybody = list(chain.from_iterable(lists))
    sizes = np.fromiter(map(len, lists), np.int64, len(lists))
    ids, _ = _array([each.id for each in everybody], pa.int64())
    said = [each.name for each in everybody]
    named = _given(said) if UNSET in said else None
    # Staged so, a null name says 'none'; see `staging.STAGING`.
    names = pa.array([None if name is UNSET else name or "" for name in said], pa.string())
    given = _given(values) if UNSET in values else None
    return (people(ids, names, sizes), given), (pa.nulls(len(values)), _all_named(named, sizes))


def _array(values: list[Any], type_: pa.DataType) -> _Given:
    given = None
    if values and values[0] is UNSET and values.count(UNSET) == len(values):
        return pa.nulls(len(values), type_), np.zeros(len(values), np.bool_)
    try:
        array = pa.array(values, type_)
    except (pa.ArrowInvalid, TypeError):
        given = _given(values)
        array = pa.array([None if value is UNSET else value for value in values], type_)
    return array, given


def _given(values: list[Any]) -> NDArray[np.bool_]:
    return np.fromiter((value is not UNSET for value in values), np.bool_, len(values))


def _all_named(named: NDArray[np.bool_] | None, sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which lists have somebody, and a name with everybody."""
    some: NDArray[np.bool_] = sizes > 0
    if named is None:
        return some
    ends = np.cumsum(sizes)
    count = np.concatenate([[0], np.cumsum(named)])
    every: NDArray[np.bool_] = count[ends] - count[ends - sizes] == sizes
    return some & every
