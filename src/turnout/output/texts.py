"""Columns of values as columns of text, for the formats of whole reports.

A page is shaped row by row (`shape`); a whole report by columns, because a call for each of its cells would take
minutes. The texts are the same to the byte; tests hold the two together. Arrays are Arrow's, of at least one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from turnout.query.instants import DAY, END, FIRST, MINUTE, SECOND, offset_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import tzinfo

    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

TEXT: Final = pa.string()
_ZERO: Final = pa.scalar(0, pa.int32())
_THEN: Final = pa.scalar(0, pa.int64())
_FALSE: Final = pa.scalar(False, pa.bool_())

_CIVIL: Final = len("2024-07-29T15:51:28.071000")
_AT_T: Final = 10
_AT_FRACTION: Final = 19
_AT_MICROS: Final = 23
_MILLI: Final = 1000
_SAMPLE: Final = 128
"""Where most of so many values are different, all are taken to be."""
# In so many days at once a zone's changes are looked for, one day after the other: none has two in one.
_BLOCK: Final = 32 * DAY


@dataclass(frozen=True, slots=True)
class Form:
    """What is around each text of a column."""

    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Odd:
    """Which texts have to be written one by one: those with a byte of `inside`, or with one of `first` as the first."""

    inside: bytes
    first: bytes = b""

    def among(self, texts: pa.Array) -> pa.Array | None:
        """Which of the texts are odd; None where none is."""
        places, data = _buffers(texts)
        odd = _table(self.inside)[data]
        starts = places[:-1][places[:-1] < places[1:]]
        if not odd.any() and not _table(self.first)[data[starts - places[0]]].any():
            return None
        before = np.zeros(len(data) + 1, np.int32)
        np.cumsum(odd, out=before[1:])
        found = before[places[1:] - places[0]] > before[places[:-1] - places[0]]
        there = places[:-1] < places[1:]
        found[there] |= _table(self.first)[data[starts - places[0]]]
        return pa.array(found)


@lru_cache(maxsize=64)
def _table(characters: bytes) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(characters)] = True
    return table


@lru_cache(maxsize=1024)
def constant(text: str) -> pa.Scalar:
    """A text for all rows.

    Made once: each time that Arrow makes one of a bare `str`, it looks for `dateutil` on disk (0.25 ms).
    """
    return pa.scalar(text, TEXT)


def _parts(parts: Iterable[pa.Array | str]) -> Iterator[pa.Array | pa.Scalar]:
    return (constant(part) if isinstance(part, str) else part for part in parts)


def joined(*parts: pa.Array | str) -> pa.Array:
    """The parts of each row put together; missing where one of them is."""
    return pc.binary_join_element_wise(*_parts((*parts, "")))


def lines(parts: list[pa.Array | str], between: str = "", *, missing: str = "") -> pa.Array:
    """The parts of each row put together, with `missing` in place of those that are."""
    return pc.binary_join_element_wise(*_parts((*parts, between)), null_handling="replace", null_replacement=missing)


def where(there: pa.BooleanArray, texts: pa.Array) -> pa.Array:
    """The texts, missing where they are not `there`. No text is copied, where that can be."""
    if there.offset or there.null_count or texts.offset or texts.null_count:
        return pc.if_else(there, texts, None)
    _, places, data = texts.buffers()
    return pa.StringArray.from_buffers(len(texts), places, data, there.buffers()[1])


def data_of(texts: pa.Array) -> memoryview:
    """All of a column's texts, one right after the other, as UTF-8. Nothing is copied."""
    return _buffers(texts)[1].data


def _buffers(texts: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Where each text begins, and the last one ends; and their bytes, from the first place on."""
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return places, np.frombuffer(data or b"", np.uint8)[places[0] : places[-1]]


def plain(values: pa.Array) -> pa.Array:
    """Integers in decimal digits, booleans as `true` and `false`."""
    return values.cast(TEXT)


def texts(values: pa.Array, form: Form, odd: Odd, write: Callable[[str], str]) -> pa.Array:
    """Texts and choices in a form; missing ones stay so. `write` makes what stands within the form of odd ones.

    Each different text is looked at once where a column has few.
    """
    if _mostly_different(values):
        return _within(form, _written(values, odd, write))
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    return _within(form, _written(coded.dictionary, odd, write)).take(coded.indices)


def text_parts(values: pa.Array, form: Form, odd: Odd, write: Callable[[str], str]) -> list[pa.Array | str]:
    """What `texts` makes, in parts that are still to be put together: most different texts are not copied."""
    if values.null_count or not _mostly_different(values):
        return [texts(values, form, odd, write)]
    return [form.before, _written(values, odd, write), form.after]


def _mostly_different(values: pa.Array) -> bool:
    if pa.types.is_dictionary(values.type):
        return False
    return bool(pc.count_distinct(values[:_SAMPLE]).as_py() > _SAMPLE // 2)


def _written(values: pa.Array, odd: Odd, write: Callable[[str], str]) -> pa.Array:
    """The texts, but what `write` makes of the odd ones."""
    are_odd = odd.among(values)
    if are_odd is None:
        return values
    new = [write(text) for text in values.filter(are_odd).to_pylist()]
    return pc.replace_with_mask(values, are_odd, pa.array(new, TEXT))


def _within(form: Form, values: pa.Array) -> pa.Array:
    return joined(form.before, values, form.after) if form.before or form.after else values


def instants(values: pa.Array, zone: tzinfo | None, form: Form) -> pa.Array:
    """Naive UTC timestamps in a form, as `instants.utc_text`, or as `instants.zone_text` writes them."""
    moments = values.cast(pa.int64())
    if moments.null_count == len(moments):
        return pa.nulls(len(moments), TEXT)
    if _mostly_different(moments):
        made = _instants(moments.fill_null(_THEN).to_numpy(), zone, form)
        return where(moments.is_valid(), made) if moments.null_count else made
    coded = moments.dictionary_encode()
    return _instants(coded.dictionary.to_numpy(), zone, form).take(coded.indices)


def _instants(moments: Integers, zone: tzinfo | None, form: Form) -> pa.Array:
    """Instants in microseconds since 1970, none of them missing."""
    if zone is None:
        ends = np.full((len(moments), 1), ord("Z"), np.uint8)
        return _civil(moments, ends, form)
    shifts = offsets(moments, zone)
    return _civil(moments + shifts, _ends(shifts), form)


def micros(values: pa.Array) -> Integers:
    """Timestamps as microseconds since 1970; zero where they are missing."""
    found: Integers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return found


def _civil(local: Integers, ends: npt.NDArray[np.uint8], form: Form) -> pa.Array:
    """Local times in a form, each with an end: no fraction where it is zero, 3 digits where they are enough, else 6."""
    rows = len(local)
    _, _, digits = pa.array(local).cast(pa.timestamp("us")).cast(TEXT).buffers()
    before, after = (np.frombuffer(text.encode(), np.uint8) for text in (form.before, form.after))
    start = len(before)
    end = start + _CIVIL
    table = np.empty((rows, end + ends.shape[1] + len(after)), np.uint8)
    table[:, :start] = before
    table[:, start:end] = np.frombuffer(digits or b"", np.uint8, rows * _CIVIL).reshape(rows, _CIVIL)
    table[:, start + _AT_T] = ord("T")
    table[:, end : end + ends.shape[1]] = ends
    table[:, end + ends.shape[1] :] = after
    whole = local % SECOND == 0
    millis = local % _MILLI == 0
    kept = np.ones(table.shape, np.bool_)
    kept[whole, start + _AT_FRACTION : start + _AT_MICROS] = False
    kept[millis, start + _AT_MICROS : end] = False
    lengths = table.shape[1] - whole * (_AT_MICROS - _AT_FRACTION) - millis * (_CIVIL - _AT_MICROS)
    places = np.zeros(rows + 1, np.int32)
    np.cumsum(lengths, out=places[1:])
    return pa.StringArray.from_buffers(rows, pa.py_buffer(places), pa.py_buffer(table[kept]))


def _ends(shifts: Integers) -> npt.NDArray[np.uint8]:
    """`+02:00` for each offset in microseconds."""
    different, which = np.unique(shifts // MINUTE, return_inverse=True)
    texts = [f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" for minutes in different]
    return np.array([list(text.encode()) for text in texts], np.uint8).reshape(len(texts), -1)[which]


def offsets(moments: Integers, zone: tzinfo) -> Integers:
    """A zone's offsets at instants, all in microseconds, rounded to minutes.

    Zero where the local time would be outside of the years 1 to 9999.
    """
    found = [_offsets_in(zone, int(block)) for block in np.unique(moments // _BLOCK)]
    starts = np.concatenate([starts for starts, _ in found])
    shifts = np.concatenate([shifts for _, shifts in found])
    shift: Integers = shifts[np.searchsorted(starts, moments, side="right") - 1]
    local = moments + shift
    shift[(local < FIRST) | (local >= END)] = 0
    return shift


@lru_cache(maxsize=8192)
def _offsets_in(zone: tzinfo, block: int) -> tuple[Integers, Integers]:
    """From which instants on which offset holds within a block."""
    moment = block * _BLOCK
    starts, shifts = [moment], [_rounded(zone, moment)]
    while moment < (block + 1) * _BLOCK:
        if (later := _rounded(zone, moment + DAY)) != shifts[-1]:
            early, late = moment, moment + DAY
            while late - early > 1:
                middle = (early + late) // 2
                early, late = (middle, late) if _rounded(zone, middle) == shifts[-1] else (early, middle)
            starts.append(late)
            shifts.append(later)
        moment += DAY
    return np.array(starts, np.int64), np.array(shifts, np.int64)


def _rounded(zone: tzinfo, moment: int) -> int:
    return round(offset_at(moment, zone) / MINUTE) * MINUTE


def lists(values: pa.ListArray, items: pa.Array) -> pa.ListArray:
    """Lists of other items, one for each of the items of `values` in `ListArray.flatten`."""
    return pa.ListArray.from_arrays(pc.subtract(values.offsets, values.offsets[0]), items)


def names(values: pa.ListArray, between: str) -> pa.Array:
    """The names of each list, put together; those that are missing or empty are left out."""
    items = values.flatten()
    there = pc.fill_null(pc.greater(pc.binary_length(items), _ZERO), _FALSE)
    if not pc.all(there, min_count=0).as_py():
        before = np.zeros(len(items) + 1, np.int32)
        np.cumsum(there.to_numpy(zero_copy_only=False), out=before[1:])
        places = values.offsets.to_numpy()
        values = pa.ListArray.from_arrays(pa.array(before[places - places[0]]), items.filter(there))
        return pc.binary_join(values, constant(between))
    return pc.binary_join(lists(values, items), constant(between))
