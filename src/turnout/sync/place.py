"""How far a sync has come: what is kept in the store with the rows, so that a kill at any moment loses nothing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from turnout.catalog.attendances import ATTENDANCES
from turnout.catalog.types import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPES: Final[Sequence[str]] = tuple(reversed(ATTENDANCES.parameter["event_types"].choices))
"""A row does not say its event's type, so each is asked for by itself; classes, which are most, first."""


LATEST: Final = 253_402_300_799_999_999
"""The last instant that can be written, in microseconds since 1970."""

Whole = Annotated[int, msgspec.Meta(ge=-MAX_ID, le=MAX_ID)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=LATEST)]


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a sweep over the changes of one event type is. Instants are microseconds since 1970.

    `since` is the `updated_at` from which on rows are still to be read. Where more rows than a page holds have nearly
    that one, they are read in the order of their ids, and `after` is the last id that was.
    """

    since: Whole
    after: Whole | None = None
    done: bool = False


class Sweep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sweep over what changed: it has all that was there at `began`, by our clock, and ends with changes of `until`.

    It began then, or later where the source's clock is behind its own dates.
    """

    began: Whole
    until: Whole
    positions: dict[str, Position]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sync has read. `ids` has the greatest id by event type; `since` is where the next sweep begins."""

    source: str
    provider: Whole
    ids: dict[str, Whole] = {}
    since: Whole | None = None
    sweep: Sweep | None = None


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state, and what others are told of it.

    `mark` names this place; the next one says which it follows, so that two syncs of a provider cannot both go on.
    `as_of` is the moment here, in microseconds since 1970, whose data there is all here; None before the first time.
    `refused` are the ids of rows that could not be taken.
    """

    mark: str
    state: State
    as_of: Moment | None = None
    refused: tuple[Whole, ...] = ()


def new_mark() -> str:
    """A mark that no other place has."""
    return secrets.token_hex(8)


def new_state(source: str, provider: int) -> State:
    """Nothing has been read yet."""
    return State(source, provider, dict.fromkeys(TYPES, 0))
