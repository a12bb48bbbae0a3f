"""Merging into PostgreSQL leaves what merging into the embedded store leaves: all rows, all things, all counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster import new_database
from databases import examples
from store.look import STUDIO, ask, wide
from store.rows import Row, batches, many, row
from store.test_merge_model import many_rows
from turnout.catalog.attendances import THINGS
from turnout.catalog.types import MAX_ID
from turnout.errors import TurnoutError
from turnout.ingest.demo import demo_batches
from turnout.query.dialect import DUCKDB, POSTGRES
from turnout.store.base import Merged, Provider
from turnout.store.duckdb import DuckStore
from turnout.store.merge import Outcome, delete, merge, stage
from turnout.store.postgres import PostgresStore
from turnout.store.postgres_merge import Postgres, columns_of, desk
from turnout.store.postgres_migrations import make_tables
from turnout.store.postgres_rows import put_rows
from turnout.store.postgres_small import lock
from turnout.store.postgres_walls import say

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
            say(self.connection, provider.id)
            lock(self.connection, provider.id)
            with desk(provider.id, self._spilled) as work:
                return step(replace(work, zone=provider.timezone), Postgres(self.connection, provider.id))

    def check(self, provider: Provider) -> None:
        for table in ("attendances", *(thing.name for thing in THINGS)):
            sql = "SELECT {} FROM {} WHERE provider_id = {} ORDER BY id"
            here, there = (
                sql.format(columns_of(table, dialect.day_number), table, provider.id) for dialect in (DUCKDB, POSTGRES)
            )
            with self.connection.transaction():
                say(self.connection, provider.id)
                found = [tuple(map(_plain, row)) for row in self.connection.execute(there).fetchall()]
            assert found == ask(self.store, here), table


def _plain(value: Any) -> Any:
    return int(value) if type(value).__name__ == "Decimal" else value


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Both]:
    directory = tmp_path_factory.mktemp("both")
    with closing(DuckStore(directory / "turnout.duckdb", threads=1)) as store:
        made = Both(store, new_database(postgres), directory / "spilled")
        with closing(made.connection):
            make_tables(made.connection)
            yield made


@settings(max_examples=examples(48), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    inputs=st.lists(
        st.tuples(st.integers(0, 1), many_rows(), st.lists(st.integers(1, 6), max_size=2)),
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


AWKWARD = (
    '"',
    "\\",
    "\\\\",
    '\\"',
    "\\N",
    "NULL",
    "null",
    "",
    " ",
    ",",
    "{}",
    "{",
    "}",
    "()",
    "a,b",
    "\n",
    "\r\n",
    "\t",
    "\\.",
    "\n\\.\n",
)
MORE = (
    "'",
    "$1",
    "%s",
    "%",
    ";--",
    "\x01\x7f",
    " Ann ",
    "É",
    "ẞ\u200f",
    "\U0001f600",
    *(f"x{text}y" for text in AWKWARD),
)


def test_texts_that_mean_something_to_the_database(both: Both) -> None:
    """In texts of their own and in lists, beside what is missing; new, and written once more."""
    provider = Provider(next(NUMBERS), "Studio", "Europe/Berlin")
    texts = [*AWKWARD, *MORE, None]
    for updated_at in (1, 2):
        said = []
        for number, text in enumerate(texts, 1):
            people = [(number, text), (1_000 + number, texts[number - 2]), (2_000, None)]
            names = {"customer_name": text, "customer_email": text, "event_name": text, "venue_name": text}
            ids = {
                "customer_id": number,
                "event_id": number,
                "venue_id": number,
                "instructor_ids": people[: number % 4],
            }
            said.append(row(number, updated_at, instructor_name=None, **ids, **names))
        both.merge(provider, said)
        both.check(provider)


def test_the_ends_of_time_and_of_numbers(both: Both) -> None:
    provider = Provider(next(NUMBERS), "Studio", "Pacific/Apia")
    moments = (-62_135_596_800_000_000, -1, 0, 253_402_300_799_999_999)
    rows = [
        row(MAX_ID - number, moment, customer_id=MAX_ID, event_id=number + 1, event_starts_at=moment)
        for number, moment in enumerate(moments)
    ]
    both.merge(provider, rows)
    both.check(provider)
    both.merge(provider, rows)
    both.check(provider)


def test_rows_that_are_known_are_not_brought(both: Both) -> None:
    """Only their versions are compared, where nobody is erased whose rows are to be counted."""
    provider = Provider(next(NUMBERS), "Studio", "Europe/Berlin")
    both.merge_large(provider, list(many(1_000, customers=100)))
    newer = [row(7, 2, customer_id=8, event_starts_at=0, status="attended")]

    def look(work: Work, source: Postgres) -> Outcome:
        staged = stage(work, [many(1_000, customers=100), batches(newer)])
        outcome = merge(work, staged, source=source)
        assert work.one("SELECT count(*) FROM brought_attendances") == (1 + 1,)  # itself, and its customer's first one
        return outcome

    there = both.there(provider, look)
    assert [(one.created, one.updated, one.unchanged) for one in there.merged] == [(0, 0, 1_000), (0, 1, 0)]


def test_those_who_change_one_provider_wait_for_each_other(postgres: str, tmp_path: Path) -> None:
    """Two processes, as far as the database can tell: every row is there once, and every change is counted."""
    address = new_database(postgres)
    stores = [PostgresStore(address, spilled=tmp_path / str(number)) for number in range(2)]
    provider = Provider(1, "Studio", "Europe/Berlin")

    def merge_some(number: int) -> None:
        for part in range(5):
            first_id = 1 + 50 * (2 * part + number)
            made = list(many(50, first_id=first_id, customers=7, called=f"Name {number}-{part}", updated_at=part))
            assert stores[number].merge(provider, made).created == 50

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(merge_some, range(2)))
    assert sorted(wide(stores[0], provider)) == list(range(1, 501))
    assert len({(values["customer_id"], values["customer_name"]) for values in wide(stores[1], provider).values()}) == 7
    assert [store.version(1) for store in stores] == [10, 10]
    assert stores[0].delete(provider, [1, 2, 3, 9_999]) == 3
    with closing(psycopg.connect(address)) as connection:
        say(connection, provider.id)
        kept = connection.execute("SELECT attendances, (SELECT count(*) FROM attendances) FROM change").fetchall()
    assert kept == [(497, 497)]
    for store in stores:
        store.close()


def test_a_provider_that_moves_to_another_zone(both: Both, postgres: str, tmp_path: Path) -> None:
    provider = Provider(next(NUMBERS), "Studio", "Europe/Berlin")
    moved = replace(provider, timezone="America/New_York")
    with closing(PostgresStore(new_database(postgres), spilled=tmp_path)) as there:
        for store in (there, both.store):
            store.put_provider(provider)
            store.merge(provider, many(3_000))
            store.put_provider(moved)
        assert wide(there, provider) == wide(both.store, provider)
        assert there.providers() == {provider.id: moved}
        assert there.version(provider.id) == 2


def test_a_merge_that_fails_leaves_nothing(postgres: str, tmp_path: Path) -> None:
    provider = Provider(1, "Studio", "Europe/Berlin")
    with closing(PostgresStore(new_database(postgres), spilled=tmp_path)) as store:
        store.merge(provider, many(10))
        before = wide(store, provider)
        with pytest.raises(ZeroDivisionError):
            store.merge_together(provider, [many(100, called="Bea", updated_at=2)], lambda _: [1 // 0])  # type: ignore[list-item]
        assert (wide(store, provider), store.version(1)) == (before, 1)


def test_a_merge_that_needs_more_memory_writes_to_a_directory_of_its_own(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is made with all above it, and is gone with the merge."""
    spilled = tmp_path / "not" / "there" / "tmp"
    written: list[Path] = []

    def watched(*given: Any) -> None:
        written.extend(spilled.parent.rglob("duckdb_temp_*"))
        put_rows(*given)

    monkeypatch.setattr("turnout.store.postgres_merge.put_rows", watched)
    with closing(PostgresStore(new_database(postgres), spilled=spilled, memory_limit="90MB")) as store:
        store.put_provider(STUDIO)
        made = demo_batches(40_000, 1, 1_790_000_000_000_000, zone=STUDIO.timezone)
        assert store.merge(STUDIO, made).created == 40_000
        assert written, "nothing was written: the test needs less memory"
        assert list(spilled.parent.iterdir()) == []
        assert store.status().attendances == 40_000


def test_what_a_killed_merge_has_written_is_removed(postgres: str, tmp_path: Path) -> None:
    left = tmp_path / ".tmp.aside-left"
    left.mkdir()
    (left / "duckdb_temp_block-1.block").touch()
    PostgresStore(new_database(postgres), spilled=tmp_path / "tmp").close()
    assert not left.exists()


def test_a_merge_without_a_place_for_what_it_cannot_hold(postgres: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with closing(PostgresStore(new_database(postgres), spilled=tmp_path / "file" / "tmp")) as store:
        store.put_provider(STUDIO)
        with pytest.raises(TurnoutError, match="data_directory") as caught:
            store.merge(STUDIO, batches([row(1, 1)]))
    assert caught.value.code == "storage_unavailable"
