"""The part of the interface to a database that is about the page's saved views; and how every store does it."""
# ruff: noqa: S608 - the names in the SQL are those of `View`'s members, and its values are bound

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager


@dataclass(frozen=True, slots=True)
class View:
    """What somebody wants to see again, as stored. `state` is the query string of the page's address.

    `id` is unique within a provider, `owner` a hash of whose it is. `updated_at` is microseconds since 1970.
    """

    provider_id: int
    id: int
    owner: str
    name: str
    state: str
    shared: bool
    is_default: bool
    updated_at: int


class Run(Protocol):
    """Runs a statement with placeholders `$1`, `$2`, ... and returns its rows, if it has any."""

    def __call__(self, sql: str, *values: Any) -> Sequence[tuple[Any, ...]]: ...


_COLUMNS: Final = ", ".join(field.name for field in fields(View))
_PLACES: Final = ", ".join(f"${number}" for number, _ in enumerate(fields(View), 1))
_ONE: Final = "provider_id = $1 AND id = $2"


class ViewTable:
    """The saved views of a store. What returns has been committed.

    `transaction` gives what runs statements in a transaction in which nobody else changes the provider's views.
    """

    def __init__(self, transaction: Callable[[int], AbstractContextManager[Run]]) -> None:
        self._transaction = transaction

    def seen_by(self, provider_id: int, owner: str) -> Sequence[View]:
        """The views that an owner has, and those that others share."""
        sql = f"SELECT {_COLUMNS} FROM saved_view WHERE provider_id = $1 AND (owner = $2 OR shared)"
        with self._transaction(provider_id) as run:
            return [View(*row) for row in run(sql, provider_id, owner)]

    def get(self, provider_id: int, id_: int) -> View | None:
        """One view of a provider, whoever's."""
        with self._transaction(provider_id) as run:
            found = run(f"SELECT {_COLUMNS} FROM saved_view WHERE {_ONE}", provider_id, id_)
        return View(*found[0]) if found else None

    def add(self, view: View, most: int) -> bool:
        """Add a view, unless its owner has so many already; whether that was done."""
        mine = "SELECT count(*) FROM saved_view WHERE provider_id = $1 AND owner = $2"
        with self._transaction(view.provider_id) as run:
            if run(mine, view.provider_id, view.owner)[0][0] >= most:
                return False
            _only_default(run, view)
            run(f"INSERT INTO saved_view ({_COLUMNS}) VALUES ({_PLACES})", *astuple(view))
        return True

    def change(self, view: View) -> bool:
        """Store what a view is by now, unless it was removed; whether that was done."""
        changed = "name = $3, state = $4, shared = $5, is_default = $6, updated_at = $7"
        with self._transaction(view.provider_id) as run:
            _only_default(run, view)
            values = (view.name, view.state, view.shared, view.is_default, view.updated_at)
            sql = f"UPDATE saved_view SET {changed} WHERE {_ONE} RETURNING id"
            return bool(run(sql, view.provider_id, view.id, *values))

    def remove(self, provider_id: int, id_: int) -> bool:
        """Forget a view; whether there was one."""
        with self._transaction(provider_id) as run:
            return bool(run(f"DELETE FROM saved_view WHERE {_ONE} RETURNING id", provider_id, id_))


def _only_default(run: Run, view: View) -> None:
    """Where a view is its owner's default, no other one is."""
    if view.is_default:
        others = "provider_id = $1 AND owner = $2 AND id <> $3 AND is_default"
        run(f"UPDATE saved_view SET is_default = false WHERE {others}", view.provider_id, view.owner, view.id)
