"""The use cases that bring rows in: from a file, and the demo's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from turnout.errors import TurnoutError
from turnout.ingest.demo import DEMO_PROVIDER, demo_batches
from turnout.ingest.faults import BadRow, Limits, Rejects
from turnout.ingest.files import read_file
from turnout.query.sql import any_statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from turnout.store.base import Answered, Merged, Store


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, in rows of the file: each is counted once. `rejected` has the first 100 bad rows.

    `stopped` says why the file was not read to its end, where it was not; then there may be more bad rows. `erased`
    rows were of erased customers, about whom they say nothing.
    """

    created: int
    updated: int
    unchanged: int
    rejected: tuple[BadRow, ...]
    rejected_count: int
    stopped: str | None = None
    erased: int = 0


def import_rows(
    store: Store,
    provider_id: int,
    source: BinaryIO,
    name: str,
    *,
    max_text: int,
    rejects: BinaryIO | None = None,
    partial: bool = False,
    dry_run: bool = False,
    processes: int = 1,
    remember: Callable[[ImportResult], Answered | None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda _bytes, _rows: None,
) -> ImportResult:
    """Import a file of rows: all or, with one bad row, none; with `partial`, the good rows. Bad ones go to `rejects`.

    With `rejects`, it is `partial`. `name` is what the file is called in reports; `max_text` bounds a text in
    characters; a long file is checked by so many `processes`. `progress` is told the bytes and rows read so far, and
    may raise to end it; what `remember` makes of the result is written with it. Raises `TurnoutError` `not_found` where
    there is no such provider.
    """
    provider = store.providers().get(provider_id)
    if provider is None:
        raise TurnoutError("not_found", f"There is no provider {provider_id}; `turnout provider add` makes one.")
    bad = Rejects(name, rejects)
    partial = partial or rejects is not None
    batches = read_file(
        source,
        ZoneInfo(provider.timezone),
        bad,
        partial=partial,
        limits=Limits(text=max_text),
        on_progress=progress,
        processes=processes,
    )

    def result(done: Merged) -> ImportResult:
        return ImportResult(done.created, done.updated, done.unchanged, tuple(bad.first), bad.count, erased=done.erased)

    def answers(merged: Sequence[Merged]) -> list[Answered]:
        answered = remember(result(merged[0]))
        return [answered] if answered else []

    try:
        if dry_run:
            return result(store.merge(provider, batches, dry_run=True))
        (done,) = store.merge_together(provider, [batches], answers)
    except TurnoutError as error:
        if error.code != "rows_rejected" or partial:
            raise  # with rejects, bad rows do not stop an import; a file that cannot be read to its end does
        stopped = None if error.message == error.kind.message else error.message
        return ImportResult(0, 0, 0, tuple(bad.first), bad.count, stopped)
    return result(done)


def load_demo(
    store: Store,
    provider_id: int,
    *,
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
    elif has_rows(store, provider_id):
        raise TurnoutError("conflict", f"Provider {provider_id} has rows; the demo fills only one that has none.")

    def counted() -> Iterator[Any]:
        done = 0
        for batch in demo_batches(rows, seed, now, zone=provider.timezone):
            yield batch
            done += batch.num_rows
            progress(done, rows)

    return store.merge(provider, counted())


def has_rows(store: Store, provider_id: int) -> bool:
    """Whether a provider has any attendance."""
    with store.snapshot(provider_id) as snapshot:
        return bool(snapshot.rows(any_statement(provider_id, snapshot.dialect)))
