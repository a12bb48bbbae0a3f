"""Connections to a database that goes: nobody waits for it but the one who looks, and it is found when it is back."""

from __future__ import annotations

from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import psycopg
import psycopg_pool
import pytest

from cluster import cluster_of_its_own
from turnout.errors import TurnoutError
from turnout.store.postgres_pool import Connections
from turnout.store.postgres_snapshot import database_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster import Cluster


@pytest.fixture
def machine() -> Iterator[Cluster]:
    with cluster_of_its_own() as made:
        yield made


def ask(connections: Connections) -> int:
    with database_errors("Asking"), connections.connection() as connection:
        ((found,),) = connection.execute("SELECT 1").fetchall()
        return int(found)


def test_a_database_that_is_away_is_looked_for_by_one(machine: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = 0.0, 0
    real = psycopg_pool.ConnectionPool.getconn

    def counted(self: psycopg_pool.ConnectionPool, timeout: float | None = None) -> object:
        nonlocal looked
        looked += timeout is None  # the second look of one who waited in vain is the same one's
        return real(self, timeout=0.2)

    with closing(Connections(machine.address, 1, lambda: now)) as connections:
        assert ask(connections) == 1
        monkeypatch.setattr(psycopg_pool.ConnectionPool, "getconn", counted)
        machine.kill()
        for _ in range(5):
            with pytest.raises(TurnoutError, match=r"Asking failed|The database is away") as caught:
                ask(connections)
            assert caught.value.code == "storage_unavailable"
        assert looked == 2  # the first had a connection that is none any more, and waited for another
        now += 2
        with pytest.raises(TurnoutError):
            ask(connections)
        assert looked == 3
        machine.start()
        with pytest.raises(TurnoutError, match="The database is away"):
            ask(connections)
        now += 2
        monkeypatch.undo()
        assert ask(connections) == 1


def test_a_pool_that_is_in_use_is_waited_for(machine: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all connections are lent, the database is there."""
    monkeypatch.setattr("turnout.store.postgres_pool._WAIT", 0.1)
    with closing(Connections(machine.address, 1)) as connections:
        with connections.connection():
            for _ in range(2):
                with pytest.raises(psycopg_pool.PoolTimeout), connections.connection():
                    pass
        assert ask(connections) == 1


def test_what_was_begun_is_undone(machine: Cluster) -> None:
    with closing(Connections(machine.address, 1)) as connections:
        with suppress(ZeroDivisionError), connections.connection() as connection:
            connection.execute("BEGIN")
            connection.execute("CREATE TABLE undone (n BIGINT)")
            raise ZeroDivisionError
        with connections.connection() as connection:
            assert connection.execute("SELECT to_regclass('undone')").fetchall() == [(None,)]


def test_connections_that_the_database_ended_are_passed_over(machine: Cluster) -> None:
    with closing(Connections(machine.address, 3)) as connections:
        with ExitStack() as held:
            for _ in range(3):
                held.enter_context(connections.connection()).execute("SELECT 1")
        with psycopg.connect(machine.address, autocommit=True) as other:
            others = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
            end = f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {others}"
            assert len(other.execute(end).fetchall()) == 3
        for _ in range(6):
            assert ask(connections) == 1


def test_a_setting_that_is_told_of_is_no_end(machine: Cluster) -> None:
    with closing(Connections(machine.address, 1)) as connections:
        with connections.connection() as connection:
            pid = connection.info.backend_pid
        with psycopg.connect(machine.address, autocommit=True) as other:
            other.execute("ALTER SYSTEM SET IntervalStyle = 'iso_8601'")
            other.execute("SELECT pg_reload_conf()")
        with connections.connection() as connection:
            assert connection.info.backend_pid == pid


@pytest.mark.parametrize(
    ("setting", "statement", "code", "said"),
    [
        ("default_transaction_read_only = on", "CREATE TABLE there (n BIGINT)", "storage_unavailable", "is read-only"),
        ("search_path = nowhere", "SELECT * FROM attendances", "storage_unavailable", "does not find its tables"),
    ],
)
def test_what_is_wrong_is_said(machine: Cluster, setting: str, statement: str, code: str, said: str) -> None:
    def ask_for_it() -> None:
        with database_errors("Asking"), connections.connection() as connection:
            connection.execute(f"SET {setting}")
            connection.execute(statement)

    with closing(Connections(machine.address, 1)) as connections:
        with pytest.raises(TurnoutError, match=f"Asking failed: the database {said}") as caught:
            ask_for_it()
        assert caught.value.code == code


def test_a_database_that_came_back_while_it_was_waited_for_is_not_away(
    machine: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = psycopg_pool.ConnectionPool.getconn
    waited: list[float | None] = []

    def in_vain_at_first(self: psycopg_pool.ConnectionPool, timeout: float | None = None) -> object:
        waited.append(timeout)
        if len(waited) > 1:
            return real(self, timeout)
        machine.start()
        raise psycopg_pool.PoolTimeout

    with closing(Connections(machine.address, 1)) as connections:
        assert ask(connections) == 1
        machine.kill()
        monkeypatch.setattr(psycopg_pool.ConnectionPool, "getconn", in_vain_at_first)
        assert ask(connections) == 1
        assert waited[0] is None
        assert waited[1] is not None
