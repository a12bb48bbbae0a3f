"""Making the next things meanwhile: the same things, as few ahead as was said, and nobody left at work."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from turnout.store.ahead import made_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator


def at_work() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("turnout-ahead")]


@pytest.mark.parametrize("most", [1, 3, 100])
def test_all_of_them_in_their_order(most: int) -> None:
    assert list(made_ahead(range(50), most)) == list(range(50))
    assert list(made_ahead([None, 0, ""], most)) == [None, 0, ""]
    assert list(made_ahead([], most)) == []
    assert at_work() == []


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_are_made_than_may_wait(most: int) -> None:
    made = []
    seen = threading.Event()

    def source() -> Iterator[int]:
        for n in range(20):
            made.append(n)
            if n == most:
                seen.set()
            yield n

    with closing(made_ahead(source(), most)) as items:
        assert next(items) == 0
        assert seen.wait(30), "nothing is made meanwhile"
        assert made == list(range(most + 1))
    assert at_work() == []
    assert made == list(range(most + 1))


def test_what_goes_wrong_comes_in_its_place() -> None:
    items = made_ahead((6 // (2 - n) for n in range(9)), 4)
    assert [next(items), next(items)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(items)
    assert at_work() == []
