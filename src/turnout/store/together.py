"""The part of the interface to a database that is about the processes that use it at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Spent:
    """What became of taking one from a rate: whether it was there, and in how many seconds all of it is there again."""

    allowed: bool
    full_in: float


class Together(Protocol):
    """What the processes agree on, wherever they run. Time is the database's."""

    def spend(self, key: str, count: int, seconds: int) -> Spent:
        """Take one from what `key` has left of `count` in so many seconds; see `limits.Limiter`."""
        ...

    def lead(self, work: str, seconds: float) -> bool:
        """Whether this process is the one that does some work: for so many seconds from now on, where it is.

        To be asked again before they are over. A process that ends is followed by another when they are.
        """
        ...

    def expire(self, now: int) -> None:
        """Forget what is over, whatever the caller's clock says."""
        ...
