"""The use cases that bring rows in: from a file, and the demo's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from turnout.errors import TurnoutError
from turnout.ingest.demo import DEMO_PROVIDER, demo_batches
from turnout.query.sql import any_statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from turnout.store.base import Merged, Provider, Store


def load_demo(
    store: Store,
    provider_id: int,
    rows: int,
    seed: int,
    now: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Merged:
    """Fill a provider with `rows` demo attendances; `progress` is told the rows done and their total.

    The provider is made where there is none. Raises `TurnoutError("conflict")` where it has rows.
    """
    provider = store.providers().get(provider_id)
    if provider is None:
        provider = replace(DEMO_PROVIDER, id=provider_id)
        store.put_provider(provider)
    elif _has_rows(store, provider):
        raise TurnoutError("conflict", f"Provider {provider_id} has rows; the demo fills only one that has none.")

    def counted() -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in demo_batches(rows, seed, now, zone=provider.timezone):
            yield batch
            done += batch.num_rows
            progress(done, rows)

    return store.merge(provider, counted())


def _has_rows(store: Store, provider: Provider) -> bool:
    with store.snapshot() as snapshot:
        return bool(snapshot.rows(any_statement(provider.id)))
