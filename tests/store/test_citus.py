"""A real Citus cluster, of a coordinator and two workers, where the server that is installed has Citus.

Where it has not, that is what the run says, in words, and what is told without it is tested.
"""

from __future__ import annotations

import json
import warnings
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cluster import ADMINISTRATOR, as_role, free_port, make_role, new_database, node
from store.everything import BOTH, GROUPS, PAGES, do_everything, request_of
from store.look import STUDIO, wide
from store.rows import many
from turnout.errors import TurnoutError
from turnout.output.formats import FORMATS
from turnout.query.sql import Statement
from turnout.reports import cursor_box, report_page
from turnout.store.postgres import PostgresStore
from turnout.store.postgres_citus import ANCHOR, REFERENCE, spread
from turnout.store.postgres_owner import cluster_steps, distribute_tables, prepare
from turnout.store.postgres_schema import columns_by_table
from turnout.store.postgres_snapshot import PostgresSnapshot
from turnout.store.postgres_together import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER = "cluster_owner"
SERVER = "server"
NAME = "turnout_cluster"
WORKERS = 2
OF_CITUS = ("shared_preload_libraries=citus", "wal_level=logical", "max_prepared_transactions=100", "max_wal_senders=20",
            "max_replication_slots=20", "max_worker_processes=30", "citus.shard_count=4")  # fmt: skip


class CitusNotTestedWarning(UserWarning):
    """Says that the run has not tried what it says of Citus."""


def has_citus(address: str) -> bool:
    with psycopg.connect(address) as connection:
        asked = "SELECT 1 FROM pg_available_extensions WHERE name = 'citus'"
        return bool(connection.execute(asked).fetchall())


@dataclass
class Cluster:
    """A cluster whose tables are not yet distributed, with rows in them."""

    address: str

    @property
    def owner(self) -> str:
        return as_role(self.address, OWNER)

    @property
    def server(self) -> str:
        return as_role(self.address, SERVER)


@pytest.fixture(scope="module")
def nodes(postgres: str) -> Iterator[Cluster | None]:
    """A cluster of this run's own; None where there is no Citus."""
    if not has_citus(postgres):
        yield None
        return
    with ExitStack() as stack:
        ports = [free_port() for _ in range(1 + WORKERS)]
        made = [stack.enter_context(node(port, *OF_CITUS, *_libraries(postgres))) for port in ports]
        for address in made:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {NAME}")
            with psycopg.connect(address.replace("/postgres?", f"/{NAME}?"), autocommit=True) as connection:
                connection.execute("CREATE EXTENSION citus")
        address = made[0].replace("/postgres?", f"/{NAME}?")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("SELECT citus_set_coordinator_host('127.0.0.1', %s)", (ports[0],))
            for port in ports[1:]:
                connection.execute("SELECT citus_add_node('127.0.0.1', %s)", (port,))
            for role in (OWNER, SERVER):
                make_role(connection, role)
            connection.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {OWNER}")
        yield Cluster(address)


def _libraries(postgres: str) -> list[str]:
    """Newer releases of PostgreSQL say which libraries may decode what is replicated."""
    with psycopg.connect(postgres) as connection:
        known = connection.execute("SELECT 1 FROM pg_settings WHERE name = 'output_plugin_libraries'").fetchall()
    return ["output_plugin_libraries=pgoutput,citus,citus_pgoutput"] if known else []


def not_tried() -> None:
    warnings.warn(
        CitusNotTestedWarning(
            "The PostgreSQL that is installed has no Citus: nothing of this run has tried the program on a cluster."
        ),
        stacklevel=2,
    )


@pytest.mark.filterwarnings("default::store.test_citus.CitusNotTestedWarning")
def test_all_on_a_cluster(nodes: Cluster | None, postgres: str, tmp_path: Path) -> None:
    """The tables are brought there while they hold rows; then everything is done once, by the server's role."""
    if nodes is None:
        assert not has_citus(postgres)
        not_tried()
        return
    prepare(nodes.owner, SERVER)
    with closing(PostgresStore(nodes.server, spilled=tmp_path / "before")) as store:
        store.put_provider(STUDIO)
        store.merge(STUDIO, many(300, first_id=2_000_000, customers=9))
        before = wide(store)

    with pytest.raises(TurnoutError, match=f"ALTER ROLE {OWNER} BYPASSRLS"):
        distribute_tables(nodes.owner, lambda _: None)
    with psycopg.connect(nodes.address, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {OWNER} BYPASSRLS")
    # Interrupted after some tables, it goes on where it was.
    with pytest.raises(ZeroDivisionError):
        distribute_tables(nodes.owner, lambda step: 1 // 0 if step.table == "customer" else None)  # type: ignore[func-returns-value]
    assert len(distribute_tables(nodes.owner, lambda _: None)) < len(columns_by_table())
    assert distribute_tables(nodes.owner, lambda _: None) == []
    assert not [step for step in cluster_steps(nodes.owner) if step.statement]

    with psycopg.connect(nodes.address) as connection:
        lying = connection.execute("SELECT table_name::TEXT, citus_table_type, distribution_column FROM citus_tables")
        found = {table: (kind, by) for table, kind, by in lying.fetchall()}
        beside = connection.execute(
            "SELECT count(DISTINCT colocation_id) FROM citus_tables WHERE citus_table_type = 'distributed'"
        ).fetchall()
    assert found == {
        table: ("distributed", "provider_id") if table in spread() else (REFERENCE, "<none>")
        for table in columns_by_table()
    }
    assert beside == [(1,)]

    with closing(PostgresStore(nodes.server, spilled=tmp_path / "after")) as store:
        assert wide(store) == before
        assert store.delete(STUDIO, list(before)) == len(before)
        do_everything_there(nodes, store, tmp_path)


def do_everything_there(nodes: Cluster, store: PostgresStore, tmp_path: Path) -> None:
    """Everything once, and then every report again: whatever one asks, it asks one shard."""
    do_everything(store, tmp_path / "files")
    asked: list[Statement] = []
    with pytest.MonkeyPatch.context() as patched:
        for name in ("rows", "together", "stream", "columns"):
            patched.setattr(PostgresSnapshot, name, _noted(getattr(PostgresSnapshot, name), asked))
        for provider in BOTH:
            for grouped, queries in ((False, PAGES), (True, GROUPS)):
                for query in queries:
                    request = request_of(store, provider, query, grouped=grouped)
                    report_page(store, request, FORMATS["json"], cursor_box(store))
    assert len(asked) > 40
    for provider in BOTH:
        mine = [statement for statement in asked if provider.id in statement.values]
        assert mine
        with store.snapshot(provider.id) as snapshot:
            for statement in mine:
                told = snapshot.rows(Statement(f"EXPLAIN (FORMAT JSON) {statement.sql}", statement.values))
                document = told[0][0]
                plan = json.loads(document) if isinstance(document, str) else document
                assert set(_tasks(plan)) == {1}, statement.sql
    with store.snapshot(STUDIO.id) as snapshot:
        assert snapshot.rows(Statement("SELECT DISTINCT provider_id FROM attendances", ())) == [(STUDIO.id,)]
    with store.snapshot(None) as snapshot:
        assert snapshot.rows(Statement("SELECT count(*) FROM attendances", ())) == [(0,)]


def _noted(method: Any, asked: list[Statement]) -> Any:
    def noting(self: Any, given: Statement | list[Statement], *args: Any) -> Any:
        asked.extend(given if isinstance(given, list) else [given])
        return method(self, given, *args)

    return noting


def _tasks(plan: Any) -> list[int]:
    """How many shards each part of a plan asks."""
    found: list[int] = []
    if isinstance(plan, dict):
        if "Task Count" in plan:
            found.append(plan["Task Count"])
        found += [count for value in plan.values() for count in _tasks(value)]
    elif isinstance(plan, list):
        found += [count for one in plan for count in _tasks(one)]
    return found


def test_without_citus_the_plan_is_shown_and_the_rest_says_what_to_install(postgres: str) -> None:
    """Also where Citus is installed: this database is in no cluster."""
    owner = new_database(postgres)
    prepare(owner)
    steps = {step.table: step for step in cluster_steps(owner)}
    assert set(steps) == {*columns_by_table(), *TABLES}
    for table, step in steps.items():
        if table in TABLES:
            assert (step.now, step.wanted, step.statement) == ("local", "local", None)
            continue
        assert step.now == "local"
        assert step.statement
        if table in spread():
            assert "provider_id" in columns_by_table()[table]
            beside = "none" if table == ANCHOR else ANCHOR
            assert step.statement == (
                f"SELECT create_distributed_table_concurrently('{table}', 'provider_id', colocate_with => '{beside}')"
            )
        else:
            assert step.statement == f"SELECT create_reference_table('{table}')"
    with pytest.raises(TurnoutError, match=r"no Citus: install .*CREATE EXTENSION citus") as raised:
        distribute_tables(owner, lambda _: None)
    assert raised.value.code == "conflict"
    with pytest.raises(TurnoutError, match="turnout database prepare"):
        cluster_steps(new_database(postgres))


def test_every_key_of_a_distributed_table_has_the_provider(postgres: str) -> None:
    """Citus keeps a row unique within its shard only."""
    owner = new_database(postgres)
    prepare(owner)
    with psycopg.connect(owner) as connection:
        keys = connection.execute(
            "SELECT indrelid::regclass::TEXT, array_agg(attname::TEXT) FROM pg_index JOIN pg_attribute "
            "ON attrelid = indrelid AND attnum = ANY (indkey::SMALLINT[]) WHERE indisunique AND indrelid::regclass::TEXT = ANY (%s) "
            "GROUP BY indexrelid, 1",
            (spread(),),
        ).fetchall()
    assert {table for table, _ in keys} == set(spread()), "rows that change are told apart by their key"
    assert not [table for table, columns in keys if "provider_id" not in columns]
    assert ADMINISTRATOR
