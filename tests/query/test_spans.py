"""Spans: where one ends the next begins, the last is open, and they become as large as is wished."""

from __future__ import annotations

import pytest

from turnout.query import spans as module
from turnout.query.spans import spans


def walked(marks: int, bytes_of_a_mark: int) -> list[tuple[int, int]]:
    """The spans over so many marks, as the numbers of the rows' steps that they hold: from, up to."""
    found = []
    parts = spans([(number,) for number in range(1, marks + 1)])
    start, end = next(parts)
    try:
        while True:
            first, last = start[0] if start else 0, end[0] if end else marks + 1
            found.append((first, last))
            start, end = parts.send((last - first) * bytes_of_a_mark)
    except StopIteration:
        return found


@pytest.mark.parametrize("bytes_of_a_mark", [0, 1, 300_000, 10**9])
@pytest.mark.parametrize("marks", [0, 1, 2, 9, 500])
def test_spans_are_all_of_the_report_once(marks: int, bytes_of_a_mark: int) -> None:
    found = walked(marks, bytes_of_a_mark)
    assert found[0][0] == 0
    assert found[-1][1] == marks + 1
    assert [last for _, last in found[:-1]] == [first for first, _ in found[1:]]
    assert all(first < last for first, last in found)


def test_spans_become_as_large_as_is_wished() -> None:
    """The first one is small, as nobody knows yet how wide the rows are."""
    sizes = [last - first for first, last in walked(2_000, 300_000)]
    assert sizes[0] == 1
    assert set(sizes[3:-1]) == {module.SPAN_BYTES // 300_000}
    assert {last - first for first, last in walked(50, 10**9)} == {1}
