"""The embedded store's `Persons`: each step goes through the one way in which a provider's attendances change."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from turnout.query.sql import Statement
from turnout.store.overwrite import DUE
from turnout.store.persons import Erasure, Fact, Retention, fact_of
from turnout.store.schema import PERSON, STAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from turnout.store.base import Provider, Snapshot, type_row
    from turnout.store.merge import Outcome, Work
    from turnout.store.persons import Aside

T = TypeVar("T")


class Change(Protocol):
    """Does work that may change a provider's attendances: see `duckdb.DuckStore`."""

    def __call__(
        self, provider: Provider, prepared: Callable[[Work], Callable[[Work], Outcome]], *, changes: bool = True
    ) -> Outcome: ...


class DuckPersons:
    """See `base.Persons`. The modules that know how are loaded when they are needed: with them comes pyarrow."""

    def __init__(
        self,
        change: Change,
        snapshot: Callable[[], AbstractContextManager[Snapshot]],
        overwrite: Callable[[], bool],
        small: AbstractContextManager[object],
    ) -> None:
        self._change = change
        self._snapshot = snapshot
        self._overwrite = overwrite
        self._small = small

    def erase(
        self, provider: Provider, customers: Sequence[int], *, at: int, by: str, dry_run: bool = False
    ) -> Sequence[Erasure]:
        """Erase customers in one transaction; return what is told of each, in the order given."""
        from turnout.store.erase import erase  # noqa: PLC0415 - see above

        told: list[Erasure] = []

        def step(work: Work) -> Outcome:
            # Jobs are changed as well, and nobody else may do that meanwhile.
            with self._small:
                outcome, found = erase(work, customers, at=at, by=by, dry_run=dry_run)
            told.extend(found)
            return outcome

        self._change(provider, lambda _: step, changes=not dry_run)
        return told

    def restore(self, provider: Provider, customers: Sequence[int]) -> int:
        """Let rows say again who these customers are; return how many of them were erased."""
        from turnout.store.erase import restore  # noqa: PLC0415 - see above

        return self._done(provider, lambda work: restore(work, customers))

    def erased(self, provider_id: int) -> Sequence[Erasure]:
        """Who was erased, by id."""
        names = ", ".join(field.name for field in fields(Erasure))
        sql = f"SELECT {names} FROM erased WHERE provider_id = ? ORDER BY customer_id"  # noqa: S608 - names of this program
        return [Erasure(*row) for row in self._rows(sql, provider_id)]

    def facts(self, snapshot: Snapshot, provider_id: int, customer: int) -> Sequence[Fact] | None:
        """What is known of a customer, as of a snapshot; None where there is no such customer."""
        members = [member.storage for member in PERSON.members]
        columns = ", ".join(f"{member}, {member}{STAMP}" for member in members)
        sql = f"SELECT {columns} FROM {PERSON.name} WHERE provider_id = ? AND id = ?"  # noqa: S608 - as above
        found = snapshot.rows(Statement(sql, (provider_id, customer)))
        if not found:
            return None
        values = iter(found[0])
        return [
            fact_of(member, value, stamp)
            for member, (value, stamp) in zip(members, zip(values, values, strict=True), strict=True)
        ]

    def retain(self, provider: Provider, before: int | None, *, at: int, go_on: Callable[[], bool]) -> int:
        """Let attendances of events before an instant show nobody, piece by piece; return how many changed."""
        from turnout.store.erase import forget_old, forget_persons, set_mark  # noqa: PLC0415 - see above

        known = {one.provider_id: one.before for one in self.retention()}
        changed = 0
        if before != known.get(provider.id):
            changed = self._change(provider, lambda _: lambda work: set_mark(work, before)).written
        if before is None:
            return changed
        while go_on():
            outcome = self._change(provider, lambda _: forget_old)
            changed += outcome.written
            if not outcome.written:
                self._done(provider, lambda work: forget_persons(work, at))
                break
        return changed

    def retention(self) -> Sequence[Retention]:
        """Which providers' attendances are too old from when on, by the providers' ids."""
        return [
            Retention(*row)
            for row in self._rows("SELECT provider_id, before, ran_at FROM retention ORDER BY provider_id")
        ]

    def unfinished(self) -> bool:
        """Whether the files still hold what was forgotten."""
        return bool(self._rows("SELECT 1 FROM meta WHERE name = ?", DUE))

    def overwrite(self, aside: Aside = nullcontext) -> bool:
        """Overwrite what the files still hold of what was forgotten; False where there was nothing to do."""
        if not self.unfinished():
            return False
        with aside():
            return self._overwrite()

    def _rows(self, sql: str, *values: Any) -> list[type_row]:
        with self._snapshot() as snapshot:
            return snapshot.rows(Statement(sql, values))

    def _done(self, provider: Provider, step: Callable[[Work], T]) -> T:
        """Run a step that changes no attendance."""
        from turnout.store.merge import Outcome  # noqa: PLC0415 - see above

        told: list[T] = []

        def run(work: Work) -> Outcome:
            told.append(step(work))
            return Outcome((), 0)

        self._change(provider, lambda _: run, changes=False)
        return told[0]
