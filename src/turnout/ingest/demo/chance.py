"""Chance that can be repeated: a generator for each purpose and slice, and numbers that belong to an id."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.signedinteger[Any]]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

_MASK: Final = 2**64 - 1
_STEP: Final = 0x9E3779B97F4A7C15


class Purpose(IntEnum):
    """What a generator is for; generators of different purposes are independent of each other."""

    CALENDAR = 1
    TIMETABLE = 2
    STAFF = 3
    SAMPLE = 4
    JOINING = 5
    BOOKING = 6


def generator(seed: int, purpose: Purpose, number: int = 0) -> np.random.Generator:
    """Make a generator that depends on its arguments alone. Any integer is a seed."""
    return np.random.Generator(np.random.PCG64([seed & _MASK, purpose, number]))


def words(seed: int, salt: int, ids: Ints) -> Words:
    """Make one random 64-bit word for each id (SplitMix64): the same for the same seed, salt and id, always."""
    start = np.array([(seed * 0xD1342543DE82EF95 + salt * 0xDA942042E4DD58B5) & _MASK], dtype=np.uint64)
    z = start + ids.astype(np.uint64) * np.uint64(_STEP)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = z ^ (z >> np.uint64(31))
    return mixed


def fraction(word: Words, part: int) -> Floats:
    """Return part 0 to 3 of a word, 16 bits each, as a number in [0, 1)."""
    return ((word >> np.uint64(16 * part)) & np.uint64(0xFFFF)).astype(np.float64) / 65536.0


def split(total: int, weights: Floats) -> Ints:
    """Split `total` into whole parts in proportion to `weights`, exactly (largest remainders, the first on ties)."""
    exact = weights * (total / weights.sum())
    parts: Ints = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(parts - exact, kind="stable")
    parts[by_remainder[: total - int(parts.sum())]] += 1
    return parts
