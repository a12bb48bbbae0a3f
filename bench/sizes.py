"""How many rows each of the 200 providers has, and which of them are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

PROVIDERS: Final = 200
# With this exponent the largest of 10,000,000 rows has 1.5 million, and the smallest 10 thousand.
_ZIPF: Final = 0.95
_SEED: Final = 20

SIZES: Final = ("small", "middle", "large")
MIDDLE_ROWS: Final = 100_000
SMALL_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Size:
    """A provider that is asked for, and what it stands for."""

    name: str
    provider: int
    rows: int


def provider_rows(rows: int) -> dict[int, int]:
    """The rows of each provider by id: Zipf's law over ranks, in an order that has nothing to do with size."""
    weights = [rank**-_ZIPF for rank in range(1, PROVIDERS + 1)]
    exact = [rows * weight / sum(weights) for weight in weights]
    counts = [int(share) for share in exact]
    # What rounding down left over goes to the largest fractions.
    by_fraction = sorted(range(PROVIDERS), key=lambda rank: counts[rank] - exact[rank])
    for rank in by_fraction[: rows - sum(counts)]:
        counts[rank] += 1
    Random(_SEED).shuffle(counts)  # noqa: S311 - a fixed order, no secret
    return dict(enumerate(counts, start=1))


def asked_for(counts: dict[int, int]) -> tuple[Size, ...]:
    """The largest provider, and of the others those nearest to 100,000 and to 10,000 rows; the smallest first."""
    left = dict(counts)

    def take(name: str, rows: int) -> Size:
        provider = min(left, key=lambda key: max(left[key], rows) / min(left[key], rows))
        return Size(name, provider, left.pop(provider))

    small, middle, large = SIZES
    largest = take(large, max(counts.values()))
    between = take(middle, MIDDLE_ROWS)
    return (take(small, SMALL_ROWS), between, largest)
