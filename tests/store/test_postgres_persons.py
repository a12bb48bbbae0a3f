"""Forgetting persons in PostgreSQL leaves what it leaves in the embedded store, and is told the same way."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster import as_administrator, new_database
from databases import examples
from store.look import OTHER, STUDIO, facts, wide
from store.rows import Row, batches, many, row
from store.test_merge_model import rows
from turnout.errors import TurnoutError
from turnout.store.base import Answered, Provider
from turnout.store.duckdb import DuckStore
from turnout.store.jobs import Job, Status
from turnout.store.postgres import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_000


class Both:
    """The two stores; what is asked of both must be answered alike."""

    def __init__(self, embedded: DuckStore, postgres: PostgresStore, address: str) -> None:
        self.stores = (embedded, postgres)
        self.postgres = postgres
        self.address = address

    def merge(self, provider: Provider, said: list[Row]) -> None:
        one, other = (store.merge(provider, batches(said)) for store in self.stores)
        assert other == one

    def ask(self, name: str, *args: Any, **named: Any) -> Any:
        answers = []
        for store in self.stores:
            try:
                answers.append(getattr(store.persons, name)(*args, **named))
            except TurnoutError as error:
                answers.append((error.code, error.message))
        assert answers[1] == answers[0], name
        return answers[0]

    def check(self, *providers: Provider) -> None:
        one, other = self.stores
        for provider in providers:
            assert wide(other, provider) == wide(one, provider)
            assert facts(other, provider) == facts(one, provider)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Both]:
    directory = tmp_path_factory.mktemp("persons")
    address = new_database(postgres)
    with (
        closing(DuckStore(directory / "turnout.duckdb", threads=1)) as embedded,
        closing(PostgresStore(address, spilled=directory / "spilled")) as there,
    ):
        yield Both(embedded, there, address)


def steps() -> st.SearchStrategy[tuple[str, Any]]:
    return st.one_of(
        st.tuples(st.just("merge"), st.lists(rows(), min_size=1, max_size=6)),
        st.tuples(st.just("erase"), st.lists(st.integers(1, 4), min_size=1, max_size=3)),
        st.tuples(st.just("restore"), st.lists(st.integers(1, 4), max_size=2)),
        st.tuples(st.just("retain"), st.none() | st.integers(0, 7)),
    )


_numbers = iter(range(100, 1_000_000))


@settings(max_examples=examples(48), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.lists(rows(), min_size=1, max_size=8), then=st.lists(steps(), min_size=1, max_size=5))
def test_any_forgetting(both: Both, first: list[Row], then: list[tuple[str, Any]]) -> None:
    provider = replace(STUDIO, id=next(_numbers))
    both.merge(provider, first)
    for what, given_ in then:
        match what:
            case "merge":
                both.merge(provider, given_)
            case "erase":
                both.ask("erase", provider, given_, at=NOW, by="owner", dry_run=True)
                both.check(provider)
                both.ask("erase", provider, given_, at=NOW, by="owner")
            case "restore":
                both.ask("restore", provider, given_)
            case "retain":
                both.ask("retain", provider, given_, at=NOW, go_on=lambda: True)
        both.check(provider)
        both.ask("erased", provider.id)
    both.ask("retention")
    for customer in (1, 2, 9):
        told = []
        for store in both.stores:
            with store.snapshot(provider.id) as snapshot:
                told.append(store.persons.facts(snapshot, provider.id, customer))
        assert told[1] == told[0]


def test_nothing_of_an_erased_person_is_left_anywhere(postgres: str, tmp_path: Any) -> None:
    """Neither in a table, nor, when it has been overwritten, in the files that the tables have then."""
    address = new_database(postgres)
    with closing(PostgresStore(address, spilled=tmp_path)) as store:
        for provider in (STUDIO, OTHER):
            store.merge(provider, many(500, customers=10, called=f"Secret{provider.id} Name"))
        store.merge_together(
            STUDIO,
            [batches([row(900, 10)])],
            lambda _: [Answered("k", f"{STUDIO.id}-x", 422, b'{"rejected":[{"row":"Secret1 Name"}]}', 5)],
        )
        job = store.jobs.add(
            Job(0, STUDIO.id, None, "attendances", "csv", "[]", created_at=5),
            most=9,
            most_of_provider=9,
            remember=lambda _: None,
        )
        assert job
        store.jobs.change(job, replace(job, status=Status.COMPLETE))
        version = store.version(STUDIO.id)
        told = store.persons.erase(STUDIO, list(range(1, 11)), at=NOW, by="owner")
        assert sum(one.attendances for one in told) >= 500
        assert store.version(STUDIO.id) != version
        assert store.answered("k") is None
        changed = store.jobs.get(STUDIO.id, job.id)
        assert changed
        assert changed.status is Status.EXPIRED
        assert store.persons.unfinished()
        assert store.persons.overwrite()
        assert not store.persons.unfinished()
        assert not store.persons.overwrite()
        names = {values["customer_name"] for values in wide(store, OTHER).values()}
        assert "Secret2 Name 1" in names, "another provider's stay"
        with psycopg.connect(as_administrator(address), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            for table in ("attendances", "customer", "answered"):
                ((content,),) = connection.execute(
                    "SELECT string_agg(pg_read_binary_file(pg_relation_filepath(one)), '') FROM unnest(ARRAY["
                    "%s::regclass, (SELECT reltoastrelid::regclass FROM pg_class WHERE oid = %s::regclass)]) AS one "
                    "WHERE one::OID <> 0",
                    (table, table),
                ).fetchall()
                assert b"Secret1" not in bytes(content or b""), table
            for (index,) in connection.execute(
                "SELECT indexrelid::regclass::TEXT FROM pg_index WHERE indrelid IN ('attendances'::regclass, 'customer'::regclass)"
            ).fetchall():
                ((content,),) = connection.execute(
                    "SELECT pg_read_binary_file(pg_relation_filepath(%s::regclass))", (index,)
                ).fetchall()
                assert b"Secret1" not in bytes(content), index
