"""Merging into PostgreSQL leaves what merging into the embedded store leaves: all rows, all things, all counts."""

from __future__ import annotations

from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster import new_database
from store.look import ask
from store.rows import Row, batches, many
from store.test_merge_model import rows
from turnout.catalog.attendances import THINGS
from turnout.store.base import Merged, Provider
from turnout.store.duckdb import DuckStore
from turnout.store.merge import Outcome, delete, merge, stage
from turnout.store.postgres_merge import Postgres, desk, lock
from turnout.store.postgres_schema import definitions
from turnout.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from turnout.store.merge import Work

NUMBERS = count(1)


class Both:
    """The embedded store, and PostgreSQL; what is done to one is done to the other."""

    def __init__(self, store: DuckStore, address: str, spilled: Path) -> None:
        self.store = store
        self.connection = psycopg.connect(address, autocommit=True)
        self._spilled = spilled

    def merge(self, provider: Provider, *inputs: list[Row], dry_run: bool = False) -> None:
        made = [batches(one) for one in inputs]
        there = self.there(
            provider,
            lambda work, source: merge(work, stage(work, made, dry_run=dry_run), dry_run=dry_run, source=source),
        )
        if dry_run:
            here: Sequence[Merged] = [self.store.merge(provider, batches(*inputs), dry_run=True)]
        else:
            here = self.store.merge_together(provider, [batches(one) for one in inputs])
        assert there.merged == tuple(here)

    def merge_large(self, provider: Provider, made: list[pa.RecordBatch]) -> None:
        there = self.there(provider, lambda work, source: merge(work, stage(work, [made]), source=source))
        assert there.merged == (self.store.merge(provider, made),)

    def delete(self, provider: Provider, ids: list[int]) -> None:
        there = self.there(provider, lambda work, source: delete(work, ids, source=source))
        assert there.deleted == self.store.delete(provider, ids)

    def there(self, provider: Provider, step: Callable[[Work, Postgres], Outcome]) -> Outcome:
        with self.connection.transaction():
            lock(self.connection, provider.id)
            with desk(provider, self._spilled) as work:
                return step(work, Postgres(self.connection, provider.id))

    def check(self, provider: Provider) -> None:
        for table in ("attendances", *(thing.name for thing in THINGS)):
            columns = tables()[table]
            names = ", ".join(columns)
            sql = f"SELECT {names} FROM {table} WHERE provider_id = {provider.id} ORDER BY id"
            there = [tuple(map(_plain, row)) for row in self.connection.execute(sql).fetchall()]
            assert there == ask(self.store, sql), table


def _plain(value: Any) -> Any:
    return int(value) if type(value).__name__ == "Decimal" else value


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Both]:
    directory = tmp_path_factory.mktemp("both")
    with closing(DuckStore(directory / "turnout.duckdb", threads=1)) as store:
        made = Both(store, new_database(postgres), directory / "spilled")
        with closing(made.connection):
            for definition in definitions():
                made.connection.execute(definition)
            yield made


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    inputs=st.lists(
        st.tuples(st.integers(0, 1), st.lists(rows(), max_size=8), st.lists(st.integers(1, 6), max_size=2)),
        min_size=1,
        max_size=4,
    )
)
def test_any_merges_and_deletions(both: Both, inputs: list[tuple[int, list[Row], list[int]]]) -> None:
    providers = [Provider(next(NUMBERS), "Studio", "Europe/Berlin") for _ in range(2)]
    for which, said, gone in inputs:
        both.merge(providers[which], said, dry_run=True)
        both.merge(providers[which], said)
        both.check(providers[which])
        both.delete(providers[which], gone)
        for provider in providers:
            both.check(provider)


def test_a_large_merge_and_a_changed_name(both: Both) -> None:
    provider = Provider(next(NUMBERS), "Studio", "America/New_York")
    for called, updated_at in (("Ann", 1), ("Bea", 2)):
        both.merge_large(provider, list(many(50_000, updated_at=updated_at, customers=300, called=called)))
        both.check(provider)
