"""Reading a whole report in parts, so that no engine has to sort all of it at once.

A *span* is the rows between two places of the report's order. Where the places are is told by a sample of its rows,
each of which is a *mark*: sorting one row's place in a thousand costs little, whatever the order is. The spans put
together are the report; measured on 1.5 million rows of 26 columns, reading them takes a third of the time that one
sorted statement takes, and a tenth of the memory (docs/adr/0010-exports.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.types import FOLDED
from turnout.query.plan import as_integer, position

if TYPE_CHECKING:
    from collections.abc import Generator

    from turnout.query.plan import Plan

Mark = tuple[Any, ...]

ROWS_OF_A_MARK: Final = 1_000
"""There is about one mark for so many rows."""
SPAN_BYTES: Final = 24 << 20
"""A span is to hold about as much."""


def marks(plan: Plan, rows: list[tuple[Any, ...]]) -> list[Mark]:
    """The places of the rows of `sql.marks_statement`."""
    keys = [key for key in plan.order if not key.storage.endswith(FOLDED)]
    return [
        position(
            plan.order,
            tuple(
                as_integer(value) if key.instant and value is not None else value
                for key, value in zip(keys, row, strict=True)
            ),
        )
        for row in rows
    ]


def spans(found: list[Mark]) -> Generator[tuple[Mark | None, Mark | None], int, None]:
    """The ends of one span after the other; each is to be answered with how many bytes the span held.

    Spans grow until they are of the right size, as it is not known before how wide the rows are.
    """
    start, at, width = None, 0, 1
    while True:
        at += width
        end = found[at - 1] if at <= len(found) else None
        held = yield start, end
        if end is None:
            return
        start = end
        width = max(1, min(width * 8, width * SPAN_BYTES // max(held, 1)))
