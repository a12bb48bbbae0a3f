"""The two sides of a sync under test: a store here, and what it should hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inside import new_store
from store.look import STUDIO, wide
from sync.published import TOKEN, moment, type_of
from turnout.sync.passes import Copy
from turnout.sync.patience import Patience
from turnout.sync.source import Source
from turnout.sync.target import target_of

if TYPE_CHECKING:
    from pathlib import Path

    from sync.published import Published
    from turnout.store.base import Store
    from turnout.sync.place import Place

PROVIDER = STUDIO.id
NOW = 1_790_000_000_000_000
Seen = dict[int, tuple[Any, ...]]


class Here:
    """A store to copy into. `slept` are the pauses that were made; none of them is waited for."""

    def __init__(self, directory: Path) -> None:
        self.store: Store = new_store(directory)
        self.store.put_provider(STUDIO)
        self.slept: list[float] = []
        self.waits: list[str] = []
        self.last: Copy | None = None

    @property
    def target(self):
        return target_of(self.store, PROVIDER, max_text=10_000)

    def source(self, service: Published, token: str = TOKEN, **more: Any) -> Source:
        patience = Patience(
            sleep=self.slept.append,
            chance=lambda: 0.0,
            now=lambda: NOW,
            on_wait=lambda reason, _: self.waits.append(reason),
            **more,
        )
        return Source(service.url, token, 4711, patience=patience)

    def sync(self, service: Published, *, full: bool = False, **more: Any) -> Place:
        with self.source(service, **more) as source:
            self.last = Copy(source, self.target)
            return self.last.run(full=full)

    @property
    def counts(self) -> tuple[int, int, int]:
        assert self.last
        copied = self.last.copied
        return copied.created, copied.updated, copied.unchanged

    def seen(self) -> Seen:
        """What is here, by id."""
        found = wide(self.store, STUDIO)
        return {id_: (row["updated_at"], row["status"], row["event_type"]) for id_, row in found.items()}


def there(service: Published) -> Seen:
    """What should be here, by id."""
    return {
        row["id"]: (moment(row["updated_at"]).replace(tzinfo=None), row["status"], type_of(row))
        for row in service.rows.values()
    }
