"""Whose turn it is. The machine's speed drifts within minutes, and what is compared shall drift alike.

Each program has short slices of the time, one after the other, round after round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def turns(slices: Mapping[str, int]) -> Iterator[str]:
    """The programs, by how many slices each gets, in the order of the slices.

    Each round begins with the next program and goes the other way round, so that nobody always follows the same one.
    Who has fewer slices than others has them in rounds that are evenly spread.
    """
    names = list(slices)
    rounds = max(slices.values(), default=0)
    for number in range(rounds):
        start = number % len(names)
        order = names[start:] + names[:start]
        for name in reversed(order) if number % 2 else order:
            if number * slices[name] % rounds < slices[name]:
                yield name


def affordable(slices: int, seconds: float, call: float, least: int) -> int:
    """How many slices of so many seconds a program gets of which one call takes `call` seconds.

    Its slices together take at most twice the time that they are meant to take, unless there are only `least` of them.
    """
    if call <= seconds:
        return slices
    return min(slices, max(least, int(2 * slices * seconds / call)))
