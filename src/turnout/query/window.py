"""Where in its order a page lies, so that an engine need look at few rows to choose it.

A page in the order of an instant or a number, the usual case, lies between two values of that first order key. A
*window* names them. How wide it must be follows from the rows that match and from the least and greatest value among
them: a guess for a page that begins a report or follows a cursor (found too narrow, it is widened, and at last left
out), a search by counting for a deep offset. A window never changes what is answered, only what it costs: measured on
10 million rows, the first page takes 2 instead of 3 to 11 ms, one at offset 500,000 about 10 instead of 70.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from turnout.query.plan import as_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from turnout.query.plan import Plan

DEEP_OFFSET: Final = 1_000
"""From this offset on, a page is searched for; before it, the rows that it passes over are within the window."""

_WIDTHS: Final = (4, 64)
_NEAR: Final = 16_384
_MOST_COUNTS: Final = 8


@dataclass(frozen=True, slots=True)
class Extent:
    """What matches a request: how many rows, and the first order key's least and greatest value as integers.

    Both are None where the key has no window, or nothing matches.
    """

    rows: int
    least: int | None = None
    greatest: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The rows from `start` up to, but without, `end`, in the direction of reading; None is open.

    Both are *steps*: the first order key's value, negated where it is read downwards, so that steps always grow.
    `skipped` rows of the report come before `start`.
    """

    start: int | None = None
    end: int | None = None
    skipped: int = 0


WHOLE: Final = Window()


def has_windows(plan: Plan) -> bool:
    """Whether the plan's first order key is one that windows can be made of, for an engine that they help."""
    key = plan.order[0]
    return key.integral and not key.nullable and plan.dialect.windows


def extent_of(row: tuple[Any, ...]) -> Extent:
    """The extent from a row of `sql.extent_statement`."""
    rows, *bounds = row
    return Extent(int(rows), *(None if bound is None else as_integer(bound) for bound in bounds))


def guesses(plan: Plan, extent: Extent) -> Iterator[Window]:
    """Windows to try for a page with a small offset, the narrowest first, the last one open.

    A window is wide enough where the page has its `limit + 1` rows within it.
    """
    if extent.least is not None and extent.greatest is not None:
        low, high = _steps(plan, extent.least, extent.greatest)
        if plan.position is not None:
            low = max(low, step(plan, as_integer(plan.position[0])))
        expected = (high - low + 1) * (plan.offset + plan.limit + 1) // max(extent.rows, 1) + 1
        for width in _WIDTHS:
            if low <= low + width * expected < high:
                yield Window(end=low + width * expected)
    yield WHOLE


def search(plan: Plan, extent: Extent, count: Callable[[Window], int]) -> Window:
    """The window of a page at a deep offset, found by counting rows; its page is `plan.offset - skipped` rows in.

    Interpolates as in a telephone book, from both sides in turn. `count` is of the rows in a window.
    """
    if extent.least is None or extent.greatest is None:
        return WHOLE
    first, last = plan.offset, min(plan.offset + plan.limit + 1, extent.rows)
    low, high = _steps(plan, extent.least, extent.greatest)
    found, rows = Window(low, high + 1), extent.rows
    for _ in range(_MOST_COUNTS):
        if rows <= _NEAR or found.start is None or found.end is None or found.end - found.start <= 1:
            break
        before, behind = first - found.skipped, found.skipped + rows - last
        margin = rows // 16
        aim = max(before - margin, 0) if before > behind else min(last - found.skipped + margin, rows)
        at = found.start + max((found.end - found.start) * aim // rows, 1)
        if at >= found.end:
            break
        inside = count(Window(found.start, at))
        if found.skipped + inside <= first:
            found, rows = Window(at, found.end, found.skipped + inside), rows - inside
        elif found.skipped + inside >= last:
            found, rows = replace(found, end=at), inside
        else:
            break
    return found


def step(plan: Plan, value: int) -> int:
    """A value of the first order key as a step, or a step as a value."""
    return -value if plan.order[0].descending != plan.backwards else value


def _steps(plan: Plan, least: int, greatest: int) -> tuple[int, int]:
    low, high = sorted((step(plan, least), step(plan, greatest)))
    return low, high
