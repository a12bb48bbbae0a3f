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
    from collections.abc import Callable
    from datetime import tzinfo

    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

TEXT: Final = pa.string()

_CIVIL: Final = len("2024-07-29T15:51:28.071000")
_AT_T: Final = 10
_AT_FRACTION: Final = 19
_AT_MICROS: Final = 23
_MILLI: Final = 1000
# In so many days at once a zone's changes are looked for, one day after the other: none has two in one.
_BLOCK: Final = 32 * DAY


@dataclass(frozen=True, slots=True)
class Form:
    """How a column's texts are put down: what is around each, and what stands for a missing one (None: it stays so)."""

    before: str = ""
    after: str = ""
    missing: str | None = None


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


def joined(*parts: pa.Array | str) -> pa.Array:
    """The parts of each row put together; missing where one of them is."""
    return pc.binary_join_element_wise(*parts, "")


def lines(parts: list[pa.Array | str], between: str = "") -> pa.Array:
    """The parts of each row put together; missing ones are empty."""
    return pc.binary_join_element_wise(*parts, between, null_handling="replace", null_replacement="")


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
    """Texts and choices in a form. `write` makes what stands between `before` and `after` of odd ones.

    Each different text is looked at once, as a column usually has few.
    """
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    known = coded.dictionary
    if not len(known):
        return pa.array([form.missing], TEXT).take(pa.array(np.zeros(len(values), np.int8)))
    are_odd = odd.among(known)
    if are_odd is not None:
        new = [write(text) for text in known.filter(are_odd).to_pylist()]
        known = pc.replace_with_mask(known, are_odd, pa.array(new, TEXT))
    return _formed(known, coded.indices, form)


def instants(values: pa.Array, zone: tzinfo | None, form: Form) -> pa.Array:
    """Naive UTC timestamps in a form, as `instants.utc_text`, or as `instants.zone_text` writes them."""
    coded = values.cast(pa.int64()).dictionary_encode()
    if not len(coded.dictionary):
        return pa.array([form.missing], TEXT).take(pa.array(np.zeros(len(values), np.int8)))
    local: Integers = coded.dictionary.to_numpy()
    if zone is None:
        ends = np.full((len(local), 1), ord("Z"), np.uint8)
    else:
        shifts = offsets(local, zone)
        local = local + shifts
        ends = _ends(shifts)
    return _formed(_civil(local, ends), coded.indices, form)


def _formed(known: pa.Array, which: pa.Array, form: Form) -> pa.Array:
    if form.before or form.after:
        known = joined(form.before, known, form.after)
    if form.missing is not None and which.null_count:
        # One text more is cheaper than to go through all rows again.
        which = which.cast(pa.int32()).fill_null(len(known))
        known = pa.concat_arrays([known, pa.array([form.missing], TEXT)])
    return known.take(which)


def micros(values: pa.Array) -> Integers:
    """Timestamps as microseconds since 1970; zero where they are missing."""
    found: Integers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return found


def _civil(local: Integers, ends: npt.NDArray[np.uint8]) -> pa.Array:
    """Local times, each with an end: no fraction where it is zero, 3 digits where they are enough, else 6."""
    rows = len(local)
    _, _, digits = pa.array(local).cast(pa.timestamp("us")).cast(TEXT).buffers()
    table = np.empty((rows, _CIVIL + ends.shape[1]), np.uint8)
    table[:, :_CIVIL] = np.frombuffer(digits or b"", np.uint8, rows * _CIVIL).reshape(rows, _CIVIL)
    table[:, _AT_T] = ord("T")
    table[:, _CIVIL:] = ends
    whole = local % SECOND == 0
    millis = local % _MILLI == 0
    kept = np.ones(table.shape, np.bool_)
    kept[whole, _AT_FRACTION:_AT_MICROS] = False
    kept[millis, _AT_MICROS:_CIVIL] = False
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
    there = pc.fill_null(pc.greater(pc.binary_length(items), 0), fill_value=False)
    if not pc.all(there, min_count=0).as_py():
        before = np.zeros(len(items) + 1, np.int32)
        np.cumsum(there.to_numpy(zero_copy_only=False), out=before[1:])
        places = values.offsets.to_numpy()
        values = pa.ListArray.from_arrays(pa.array(before[places - places[0]]), items.filter(there))
        return pc.binary_join(values, between)
    return pc.binary_join(lists(values, items), between)
