"""Upkeep: the store is put in order before its disorder costs speed, by itself (docs/adr/0008-upkeep.md).

A server looks every few seconds, in a thread of its own, and works in short steps between which it rests for longer
than it worked. A command that brought in many rows does it at its end.
"""

from __future__ import annotations

import logging
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from turnout.background import NEAR, Background, Stopped, behind_others
from turnout.errors import TurnoutError
from turnout.query.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.store.base import Store
    from turnout.store.layout import Layout

_log: Final = logging.getLogger("turnout.upkeep")

LOOSE_ROWS: Final = 30_000
"""With so many rows that are not even sorted, the tail is sorted: each page looks through all of them."""
TAIL_ROWS: Final = 10_000
"""A tail of fewer rows is let be: it costs a page a millisecond or two, whatever is done."""
TAIL_SHARE: Final = 20
MOST_TAIL: Final = 1_000_000
"""A tail of a twentieth of all rows, or of so many, is worth writing all anew; a smaller one is once a day."""
FLOOD: Final = 4_000_000
FLOOD_SHARE: Final = 2
"""While more comes, that waits for a tail of so many, or of half of all: what comes meanwhile would lie unsorted for
long. Not where more has come than is sorted within a second or two."""
FREE_SHARE: Final = 2
FREE_BYTES: Final = 64 << 20
"""As is a file of which half is free, where that is worth it; at most once an hour."""
_HOUR: Final = 3600 * SECOND
_DAY: Final = 24 * _HOUR

_LOOK_EVERY: Final = 10.0
_REST: Final = 2.0
"""For so many times as long as it worked."""
_AFTER_A_FAULT: Final = 300.0


class Due(Enum):
    """What is to be done about a store."""

    NOTHING = auto()
    SORT = auto()
    REBUILD = auto()


def due(found: Layout, now: int, *, at_rest: bool = True) -> Due:
    """What a store needs at the moment `now` (microseconds since 1970).

    Where it is not `at_rest`, rows that are not even sorted have only just come, and more may.
    """
    flood = min(FLOOD, found.attendances // FLOOD_SHARE)
    if LOOSE_ROWS <= found.loose < MOST_TAIL and found.tail < flood and not at_rest:
        return Due.SORT
    # Where the clock was ahead once, it is not known when that was.
    age = _DAY if found.rebuilt_at is None or found.rebuilt_at > now else now - found.rebuilt_at
    large = found.tail >= min(MOST_TAIL, found.attendances // TAIL_SHARE)
    if found.tail >= TAIL_ROWS and (large or age >= _DAY):
        return Due.REBUILD
    if found.free >= FREE_BYTES and found.free * FREE_SHARE >= found.size and age >= _HOUR:
        return Due.REBUILD
    return Due.SORT if found.loose >= LOOSE_ROWS else Due.NOTHING


def tend(
    store: Store, now: Callable[[], int], *, at_rest: bool = True, rest: Callable[[float], None] = lambda _: None
) -> Due:
    """Do what the store needs, and return what that was. `rest` is told how long each step took, in seconds.

    For `at_rest` see `due`.
    """
    needed = due(store.upkeep.layout(), now(), at_rest=at_rest)
    began = time.monotonic()
    moved = 0
    if needed is Due.REBUILD:
        moved = store.upkeep.rebuild(now, rest=rest)
    elif needed is Due.SORT:
        moved = store.upkeep.sort_tail()
    if needed is not Due.NOTHING:
        fields = {"what": needed.name.lower(), "rows": moved, "seconds": round(time.monotonic() - began, 3)}
        _log.info("put in order", extra={"fields": fields})
    return needed


class Caretaker:
    """Tends a store in the background."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self.background = Background("upkeep", self._work)
        self.fault: str | None = None
        """Why the store could not be tended the last time."""

    def _work(self) -> None:
        behind_others(NEAR)
        pause = _LOOK_EVERY
        while True:
            self.background.pause(pause)
            pause = self._once()

    def _once(self) -> float:
        """Look once; return after how many seconds to look again."""
        began = time.monotonic()
        try:
            tend(self._store, self._now, at_rest=False, rest=self._rest)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - it is told, and looked at again later
            self.background.check()  # the store may have been closed under it
            expected = isinstance(error, TurnoutError)
            self.fault = f"The store could not be put in order: {error if expected else type(error).__name__}"
            _log.warning(
                "upkeep failed", extra={"fields": {"reason": self.fault}}, exc_info=None if expected else error
            )
            return _AFTER_A_FAULT
        self.fault = None
        return max(_LOOK_EVERY, _REST * (time.monotonic() - began))

    def _rest(self, worked: float) -> None:
        self.background.pause(_REST * worked)
