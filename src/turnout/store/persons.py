"""The part of the interface to a database that is about persons: forgetting who they are, and telling what is known."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from turnout.catalog.types import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from turnout.store.base import Provider, Snapshot

    Aside = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is told of a customer who was erased, at an instant (microseconds since 1970), by the owner or a token.

    `attendances` is how many rows showed the customer then.
    """

    provider_id: int
    customer_id: int
    erased_at: int
    erased_by: str
    attendances: int


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of a customer: a member, by its name in the catalogue, its value, and which row said it when.

    `said_at` (microseconds since 1970) is the `updated_at` of the attendance `said_by`; both are None where nobody said
    it, as of what stands in place of an erased name.
    """

    member: str
    value: str | None
    said_at: int | None
    said_by: int | None


def fact_of(member: str, value: str | None, stamp: int | None) -> Fact:
    """A fact from what is stored: a value and its stamp; see `schema.stamp`."""
    said_at, said_by = (None, None) if stamp is None else divmod(stamp, MAX_ID + 1)
    return Fact(member, value, said_at, said_by)


@dataclass(frozen=True, slots=True)
class Retention:
    """Attendances of events before `before` show no customer. `ran_at` is when the last run ended, None before that.

    Both are microseconds since 1970.
    """

    provider_id: int
    before: int
    ran_at: int | None


def looked_through(retention: Sequence[Retention]) -> int | None:
    """When every provider's old attendances had last been looked through; None where one's never were."""
    known = [one.ran_at for one in retention if one.ran_at is not None]
    return min(known) if known and len(known) == len(retention) else None


class Persons(Protocol):
    """Forgetting who the customers of a store are (contract sections 5, 6 and 9). Attendances and counts stay."""

    def erase(
        self, provider: Provider, customers: Sequence[int], *, at: int, by: str, dry_run: bool = False
    ) -> Sequence[Erasure]:
        """Erase customers, all or none; return what is told of each. Doing it again changes nothing.

        Nothing of them can be read from here on, and nothing that arrives brings them back. What the files still hold
        is left to `overwrite`. `dry_run` changes nothing. Raises `not_found` with the ids that are not known.
        """
        ...

    def restore(self, provider: Provider, customers: Sequence[int]) -> int:
        """Let rows that arrive say again who these customers are; return how many of them were erased."""
        ...

    def erased(self, provider_id: int) -> Sequence[Erasure]:
        """Who was erased of a provider's customers, by id."""
        ...

    def facts(self, snapshot: Snapshot, provider_id: int, customer: int) -> Sequence[Fact] | None:
        """What is known of a customer, as of a snapshot; None where there is no such customer."""
        ...

    def retain(self, provider: Provider, before: int | None, *, at: int, go_on: Callable[[], bool]) -> int:
        """Let attendances of events before an instant show nobody, now and when more arrive; return how many changed.

        Customers without later attendances are forgotten. Done in many short transactions, between which `go_on` is
        asked; what it stops goes on the next time. None: nothing is too old any more. Attendances that are no longer
        too old show customers again whom others still name; who is forgotten stays so.
        """
        ...

    def retention(self) -> Sequence[Retention]:
        """Which providers' attendances are too old from when on, by the providers' ids."""
        ...

    def unfinished(self) -> bool:
        """Whether the store's files still hold what was forgotten."""
        ...

    def overwrite(self, aside: Aside = nullcontext) -> bool:
        """Overwrite what the store's files still hold of what was forgotten; False where there was nothing to do.

        It is done inside `aside`, which keeps those who read for long away.
        Waits for those who read what it was. Raises `storage_unavailable` where they take too long; it stays to be
        done.
        """
        ...
