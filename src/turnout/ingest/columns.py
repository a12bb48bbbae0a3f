"""Whole chunks of rows, checked column by column.

Whatever is not plainly right raises `UnfitError`, and `rows.py` decides; what passes here is, to the last bit, what
`rows.py` makes of the same rows (tests/ingest/test_rows_agree.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from turnout.catalog.types import Kind, Member
from turnout.ingest.cells import BETWEEN_NAMES, FIRST_INSTANT, LAST_INSTANT
from turnout.ingest.fields import DEFAULTED, FIELDS, PERSON_NAME, RELATION_OF, RELATIONS, ZONES, Relation
from turnout.query.instants import load_zone, parse_instant
from turnout.store.schema import HAS_BIT
from turnout.store.staging import STAGING

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from turnout.ingest.faults import Limits

    Mask = NDArray[np.bool_]

# Made once: each time that Arrow makes one of a bare `str`, it looks for `dateutil` on disk (0.25 ms).
_EMPTY: Final = pa.scalar("", pa.string())
_NOTHING: Final = pa.scalar(None, pa.string())
_UTC: Final = pa.timestamp("us", "UTC")
_PERSON: Final = STAGING.field("instructor_ids").type.value_type
# Shorter texts that Arrow takes for an instant leave out minutes, which RFC 3339 does not.
_LEAST_INSTANT: Final = len("2026-10-01T10:00:00Z")

_A_NAME: Final = Member(PERSON_NAME, Kind.TEXT, PERSON_NAME)


class UnfitError(Exception):
    """Something that only the exact checker can judge."""


@dataclass(slots=True)
class Columns:
    """A chunk of rows by storage name. `given` is where a row states the member at all; None means in every row.

    Ids are int64, booleans bool, people lists of {id, name}; all else is text, in which an empty one is null already.
    A value is null where it is not given.
    """

    count: int
    values: dict[str, pa.Array] = field(default_factory=dict)
    given: dict[str, Mask | None] = field(default_factory=dict)

    def put(self, storage: str, values: pa.Array, given: Mask | None = None) -> None:
        self.values[storage] = values
        self.given[storage] = given


class ColumnChecker:
    """The counterpart of `rows.RowChecker` for chunks."""

    def __init__(self, zone: ZoneInfo, limits: Limits) -> None:
        self._zone = zone
        self._limits = limits
        self._typed: dict[Kind, Callable[[pa.Array, Member], pa.Array]] = {
            Kind.INTEGER: lambda values, _: ids(values),
            Kind.INSTANT: lambda values, _: self._instants(values),
            Kind.CHOICE: _choices,
            Kind.TEXT: self._texts,
            Kind.BOOLEAN: lambda values, _: values,
            Kind.PEOPLE: lambda values, _: self._people(values),
        }

    def batch(self, columns: Columns, first_seq: int) -> pa.RecordBatch:
        """A batch of `STAGING`. Raises `UnfitError`. Takes possession of `columns`."""
        for member in FIELDS:
            values = columns.values.get(member.storage)
            if values is not None:
                values = columns.values[member.storage] = self._typed[member.kind](values, member)
            if member.needed and (values is None or values.null_count):
                raise UnfitError(member.path)
        for relation in RELATIONS:
            _complete(columns, relation)
        for relation in RELATIONS:
            _drop_absent(columns, relation)
        for storage in DEFAULTED & columns.values.keys():
            columns.given[storage] = _valid(columns.values[storage])
        arrays = {"seq": pa.array(np.arange(first_seq, first_seq + columns.count)), "has": pa.array(_has(columns))}
        for name in STAGING.names[len(arrays) :]:
            arrays[name] = columns.values.get(name)
            if arrays[name] is None:
                arrays[name] = pa.nulls(columns.count, STAGING.field(name).type)
        return pa.RecordBatch.from_arrays([arrays[name] for name in STAGING.names], schema=STAGING)

    def _instants(self, texts: pa.Array) -> pa.Array:
        """Arrow reads the common form; texts that it does not take, or takes too easily, are read one by one."""
        # The exact checker wants a colon in an offset, and minutes in a time; that is all that Arrow does not ask for.
        lengths = pc.min_max(pc.binary_length(texts)).as_py()
        plain = lengths["min"] is None or lengths["min"] >= _LEAST_INSTANT
        if plain and not _all(zulu := pc.ends_with(texts, "Z")):
            plain = _all(pc.or_(zulu, pc.equal(pc.utf8_slice_codeunits(texts, -3, -2), ":")))
        if plain:
            try:
                return _within(pc.cast(pc.cast(texts, _UTC), pa.int64()))
            except pa.ArrowInvalid:
                pass
        coded = texts.dictionary_encode()
        try:
            micros = [parse_instant(text, self._zone) for text in coded.dictionary.to_pylist()]
            return _within(pa.array(micros, pa.int64()).take(coded.indices))
        except (ValueError, OverflowError) as fault:
            raise UnfitError(str(fault)) from None

    def _texts(self, texts: pa.Array, member: Member) -> pa.Array:
        longest = pc.max(pc.binary_length(texts)).as_py() or 0
        if longest > self._limits.text and pc.max(pc.utf8_length(texts)).as_py() > self._limits.text:
            raise UnfitError(member.path)
        data = texts.buffers()[2]
        if data is not None and b"\0" in memoryview(data).tobytes():
            raise UnfitError(member.path)
        if member.storage in ZONES:
            for name in pc.unique(texts).drop_null().to_pylist():
                try:
                    load_zone(name)
                except ValueError as fault:
                    raise UnfitError(str(fault)) from None
        return texts

    def _people(self, lists: pa.Array) -> pa.Array:
        persons = lists.flatten()
        nameless = pc.equal(pc.fill_null(persons.field(1), _EMPTY), _EMPTY)
        if pc.any(pc.and_(persons.field(0).is_null(), nameless)).as_py():
            raise UnfitError("neither an id nor a name")
        ids(persons.field(0))
        self._texts(persons.field(1), _A_NAME)
        return lists


def from_cells(columns: dict[str, pa.Array]) -> Columns:
    """CSV cells, all of them text with null for an empty one. Raises `UnfitError`."""
    count = len(next(iter(columns.values())))
    made = Columns(count)
    for member in FIELDS:
        texts = columns.get(member.storage)
        if texts is None:
            continue
        match member.kind:
            case Kind.INTEGER:
                made.put(member.storage, _digits(texts))
            case Kind.BOOLEAN:
                made.put(member.storage, _booleans(texts))
            case Kind.PEOPLE:
                made.put(member.storage, _names(texts))
                made.put(PERSON_NAME, pa.nulls(count), _valid(texts))
            case _:
                made.put(member.storage, texts)
    return made


def people(ids_: pa.Array, names: pa.Array, sizes: NDArray[np.int64]) -> pa.Array:
    """Lists of {id, name}, so many in each. An empty list is null."""
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    persons = pa.StructArray.from_arrays([ids_, names], fields=list(_PERSON))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), persons, mask=pa.array(sizes == 0))


def ids(values: pa.Array) -> pa.Array:
    least = pc.min(values).as_py()
    if least is not None and least < 1:
        raise UnfitError("an id below 1")
    return values


def empty_to_null(texts: pa.Array) -> pa.Array:
    """Empty text is none."""
    empty = pc.equal(texts, _EMPTY)
    return pc.if_else(empty, _NOTHING, texts) if pc.any(empty).as_py() else texts


def _digits(texts: pa.Array) -> pa.Array:
    if not _all(pc.ascii_is_decimal(texts)):
        raise UnfitError("not digits")
    return _cast(texts, pa.int64())


def _cast(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    try:
        return pc.cast(texts, type_)
    except pa.ArrowInvalid as fault:
        raise UnfitError(str(fault)) from None


def _booleans(texts: pa.Array) -> pa.Array:
    lower = pc.ascii_lower(texts)
    true = pc.is_in(lower, pa.array(["true", "1"]))
    if not _all(pc.or_(true, pc.is_in(lower, pa.array(["false", "0", None])))):
        raise UnfitError("not a boolean")
    return pc.if_else(pc.is_valid(texts), true, None)


def _names(texts: pa.Array) -> pa.Array:
    lists = pc.split_pattern(texts, BETWEEN_NAMES)
    names = lists.flatten()
    if pc.any(pc.equal(names, _EMPTY)).as_py():
        raise UnfitError("an empty name")
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return people(pa.nulls(len(names), pa.int64()), names, sizes)


def _choices(texts: pa.Array, member: Member) -> pa.Array:
    if not _all(pc.is_in(texts, pa.array([*member.choices, None], pa.string()))):
        raise UnfitError(member.path)
    return texts


def _within(micros: pa.Array) -> pa.Array:
    ends = pc.min_max(micros).as_py()
    if ends["min"] is not None and not FIRST_INSTANT <= ends["min"] <= ends["max"] <= LAST_INSTANT:
        raise UnfitError("an instant outside the years 1 to 9999")
    return micros.cast(pa.timestamp("us"))


def _all(mask: pa.Array) -> bool:
    """Whether it is true wherever it is not null."""
    return bool(pc.all(mask, min_count=0).as_py())


def _valid(values: pa.Array) -> Mask | None:
    if not values.null_count:
        return None
    return values.is_valid().to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _is_there(columns: Columns, relation: Relation) -> Mask | bool:
    """Which rows have the thing; True where all do."""
    there: Mask | bool = False
    for storage in (relation.reference, relation.name):
        values = columns.values.get(storage) if storage else None
        if values is not None:
            valid = _valid(values)
            there = True if valid is None or there is True else valid | there
    return there


def _complete(columns: Columns, relation: Relation) -> None:
    """A name states the reference too."""
    if relation.name not in columns.values:
        return
    if relation.reference not in columns.values:
        columns.put(relation.reference, pa.nulls(columns.count, pa.int64()), columns.given[relation.name])
        return
    given, by_name = columns.given[relation.reference], columns.given[relation.name]
    columns.given[relation.reference] = None if given is None or by_name is None else given | by_name


def _drop_absent(columns: Columns, relation: Relation) -> None:
    """What belongs to a thing that is not there: refused where it says something, dropped where it says 'none'."""
    there = _is_there(columns, relation)
    if there is True:
        return
    for storage in relation.members:
        inner = RELATION_OF.get(storage)
        if inner is None and storage not in columns.values:
            continue
        says = _is_there(columns, inner) if inner else _valid(columns.values[storage])
        if np.any(np.logical_and(True if says is None else says, np.logical_not(there))):
            raise UnfitError(storage)
    belonging = (*relation.members, relation.name) if relation.name else relation.members
    for storage in belonging:
        if storage in columns.values:
            given = columns.given[storage]
            columns.given[storage] = np.broadcast_to(there if given is None else given & there, columns.count)


def _has(columns: Columns) -> NDArray[np.int64]:
    has = np.full(columns.count, sum(HAS_BIT[name] for name, given in columns.given.items() if given is None), np.int64)
    for name, given in columns.given.items():
        if given is not None:
            has |= np.where(given, HAS_BIT[name], 0)
    return has
