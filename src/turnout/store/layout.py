"""The part of the interface to a database that is about its files: in what order they are, and copies of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MARK: Final = "move"
"""The name in the table `meta` of what says that a move into this store has not ended; its value begins with where
the move is from. Beside it there is, under this name and a provider's id, what was moved of each that is whole."""


def unfinished(where: str, mark: str) -> str:
    """What is told of a store with a `MARK`."""
    source = mark.partition("\n")[0]
    return (
        f"{where} holds a part of a store: the move from {source} has not ended. "
        "'turnout move' with the same --from and --to goes on where it was."
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """How far the attendances are in order. `tail` are the rows that are not, `loose` those of them not even sorted.

    Sizes are bytes: of the file, and of what is free in it. `rebuilt_at` is when all of it was last put in order
    (microseconds since 1970).
    """

    attendances: int
    tail: int
    loose: int
    size: int
    free: int
    rebuilt_at: int | None


class Upkeep(Protocol):
    """What keeps a store quick, and copies it. None of it changes an answer; readers and merges go on meanwhile."""

    def layout(self) -> Layout:
        """How far the attendances are in order. Costs a few milliseconds."""
        ...

    def sort_tail(self) -> int:
        """Sort what is not in order among itself; return how many rows that were. Merges wait for it."""
        ...

    def rebuild(self, now: Callable[[], int], *, rest: Callable[[float], None] = lambda _: None) -> int:
        """Put all attendances in order; return how many rows were moved. Space that becomes free is given back.

        Done in short steps, each a transaction; merges wait for one at the most. After each, `rest` is told how many
        seconds it took, and may wait, or raise to end it. `now` is asked at the end.
        """
        ...

    def copy(self) -> BinaryIO:
        """A whole, consistent copy of the store, to be read from its start; it is gone when it is closed.

        Changes wait until it is made; readers do not. Raises `storage_unavailable` where the disk has no room for it.
        """
        ...
