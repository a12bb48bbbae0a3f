"""Snapshots of PostgreSQL: one view of the data, read-only, streamed, and stopped from outside."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from cluster import new_database
from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.store.postgres_snapshot import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = Statement("SELECT count(*) FROM numbers", ())
LONG = Statement("SELECT pg_sleep(600)", ())
ALL = Statement("SELECT n, n::TEXT AS text FROM numbers WHERE n > $1 ORDER BY n", (0,))
ROWS = 10_000
SOON = 30.0


@pytest.fixture
def address(postgres: str) -> str:
    made = new_database(postgres)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE numbers AS SELECT generate_series(1, {ROWS})::BIGINT AS n")
    return made


@pytest.fixture
def pool(address: str) -> Iterator[ConnectionPool[Any]]:
    with ConnectionPool(address, min_size=1, max_size=2, kwargs={"autocommit": True}, open=True) as made:
        yield made


class _Lent:
    """Lends one connection, so that it can be looked at afterwards."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        yield self._connection


def test_all_statements_see_the_same(pool: ConnectionPool[Any], address: str) -> None:
    with snapshot_of(pool, None) as snapshot:
        before = snapshot.rows(COUNT)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DELETE FROM numbers")
        assert snapshot.rows(COUNT) == before == [(ROWS,)]
    with snapshot_of(pool, None) as snapshot:
        assert snapshot.rows(COUNT) == [(0,)]


def test_nothing_is_written(pool: ConnectionPool[Any]) -> None:
    with snapshot_of(pool, None) as snapshot:
        with pytest.raises(TurnoutError) as raised:
            snapshot.rows(Statement("DELETE FROM numbers", ()))
        assert "read-only" in str(raised.value)
    with snapshot_of(pool, None) as snapshot:
        assert snapshot.rows(COUNT) == [(ROWS,)]


def test_streams_may_be_left_early(pool: ConnectionPool[Any]) -> None:
    with snapshot_of(pool, None) as snapshot:
        batches = list(snapshot.stream(ALL, 3_000))
        assert [len(batch) for batch in batches] == [3_000, 3_000, 3_000, 1_000]
        assert [n for batch in batches for n, _ in batch] == list(range(1, ROWS + 1))
        stream = snapshot.stream(ALL, 10)
        assert next(stream)[0] == (1, "1")
        stream.close()
        assert snapshot.rows(COUNT) == [(ROWS,)]
        assert next(snapshot.columns(ALL, 2)).to_pydict() == {"n": [1, 2], "text": ["1", "2"]}
    with snapshot_of(pool, None) as snapshot:
        assert snapshot.rows(COUNT) == [(ROWS,)]


def test_several_are_asked_at_once_in_the_order_given(pool: ConnectionPool[Any], address: str) -> None:
    with snapshot_of(pool, 1, limit=SOON) as snapshot:
        said = [
            Statement(f"SELECT current_setting('{name}')", ()) for name in ("turnout.provider", "statement_timeout")
        ]
        assert snapshot.together([*said, COUNT]) == [[("1",)], [("30s",)], [(ROWS,)]]
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DELETE FROM numbers")
        assert snapshot.together([COUNT, ALL, COUNT])[2] == [(ROWS,)]


def test_what_is_asked_along_is_told_first(pool: ConnectionPool[Any]) -> None:
    told: list[Any] = []
    for ask in (
        lambda snapshot: snapshot.rows(COUNT),
        lambda snapshot: snapshot.together([COUNT])[0],
        lambda snapshot: next(snapshot.stream(COUNT, 1)),
        lambda snapshot: next(iter(snapshot.columns(COUNT, 1))).num_rows,
    ):
        with snapshot_of(pool, 1, limit=SOON) as snapshot:
            snapshot.along([Statement("SELECT current_setting('turnout.provider')", ()), COUNT], told.append)
            snapshot.along([Statement("SELECT 2", ())], told.append)
            assert told == []
            assert ask(snapshot) in ([(ROWS,)], 1)
            assert told == [[[("1",)], [(ROWS,)]], [[(2,)]]]
            assert snapshot.rows(COUNT) == [(ROWS,)]
            assert len(told) == 2
            told.clear()


def test_nothing_is_answered_where_what_is_told_along_is_refused(pool: ConnectionPool[Any]) -> None:
    def refuse(_: object) -> None:
        raise TurnoutError("authentication_failed")

    for last in (False, True):
        with pool.connection() as connection:
            with snapshot_of(_Lent(connection), 1) as snapshot:
                snapshot.along([COUNT], refuse)
                with pytest.raises(TurnoutError) as raised:
                    snapshot.together([COUNT], last=last)
            assert raised.value.code == "authentication_failed"
            assert connection.info.transaction_status == TransactionStatus.IDLE


def test_the_transaction_ends_with_the_last(pool: ConnectionPool[Any]) -> None:
    with pool.connection() as connection:
        with snapshot_of(_Lent(connection), 1) as snapshot:
            assert snapshot.together([COUNT, COUNT]) == [[(ROWS,)], [(ROWS,)]]
            assert connection.info.transaction_status == TransactionStatus.INTRANS
            assert snapshot.together([COUNT, COUNT], last=True) == [[(ROWS,)], [(ROWS,)]]
            assert connection.info.transaction_status == TransactionStatus.IDLE
            with pytest.raises(RuntimeError):
                snapshot.rows(COUNT)
            snapshot.cancel()
        with snapshot_of(_Lent(connection), 1) as snapshot, pytest.raises(TurnoutError):
            snapshot.together([Statement("SELECT 1 / 0", ())], last=True)
        assert connection.info.transaction_status == TransactionStatus.IDLE


def test_nothing_is_begun_for_who_asks_nothing(pool: ConnectionPool[Any]) -> None:
    with pool.connection() as connection, snapshot_of(_Lent(connection), 1):
        assert connection.info.transaction_status == TransactionStatus.IDLE


@pytest.mark.parametrize("place", [0, 1, 2])
def test_where_one_of_several_fails_all_do_and_the_next_snapshot_does_not(
    pool: ConnectionPool[Any], place: int
) -> None:
    for wrong, code in (
        (Statement("SELECT 1 / n FROM numbers WHERE n = 0 OR 1 / (n - 1) > 2", ()), "server_error"),
        (LONG, "query_timeout"),
    ):
        asked = [COUNT, COUNT]
        asked.insert(place, wrong)
        with pool.connection() as connection:
            with snapshot_of(_Lent(connection), 1, limit=0.2) as snapshot, pytest.raises(TurnoutError) as raised:
                snapshot.together(asked)
            assert raised.value.code == code
            assert connection.info.transaction_status == TransactionStatus.IDLE
            with snapshot_of(_Lent(connection), None) as another:
                assert another.together([COUNT, COUNT]) == [[(ROWS,)], [(ROWS,)]]


@pytest.mark.parametrize("begun", [False, True])
def test_several_that_run_are_stopped(pool: ConnectionPool[Any], begun: bool) -> None:
    with snapshot_of(pool, None) as snapshot:
        if begun:
            snapshot.rows(COUNT)
        threading.Timer(0.2, snapshot.cancel).start()
        began = time.monotonic()
        with pytest.raises(TurnoutError) as raised:
            snapshot.together([COUNT, LONG, LONG])
        assert (raised.value.code, time.monotonic() - began < SOON) == ("query_timeout", True)
    with snapshot_of(pool, None) as snapshot:
        assert snapshot.rows(COUNT) == [(ROWS,)]


def test_one_that_runs_is_stopped_and_stays_so(pool: ConnectionPool[Any]) -> None:
    with snapshot_of(pool, None) as snapshot:
        threading.Timer(0.2, snapshot.cancel).start()
        began = time.monotonic()
        for statement in (LONG, COUNT):
            with pytest.raises(TurnoutError) as raised:
                snapshot.rows(statement)
            assert raised.value.code == "query_timeout"
        assert time.monotonic() - began < SOON
    with snapshot_of(pool, None) as snapshot:
        snapshot.cancel()
        with pytest.raises(TurnoutError):
            snapshot.rows(COUNT)
    # What is cancelled too late stops nothing of the next one, which has the same connection.
    snapshot.cancel()
    with snapshot_of(pool, None) as another:
        assert another.rows(COUNT) == [(ROWS,)]


def test_a_statement_that_takes_too_long_is_ended_by_the_database(pool: ConnectionPool[Any]) -> None:
    """Whatever becomes of the process that asked; the connection is as good as before."""
    with snapshot_of(pool, 1, limit=0.05) as snapshot, pytest.raises(TurnoutError) as caught:
        snapshot.rows(LONG)
    assert caught.value.code == "query_timeout"
    with snapshot_of(pool, 1) as snapshot:
        assert snapshot.rows(Statement("SHOW statement_timeout", ())) == [("0",)]


def test_a_connection_that_is_lost(pool: ConnectionPool[Any], address: str) -> None:
    with snapshot_of(pool, None) as snapshot:
        ((process,),) = snapshot.rows(Statement("SELECT pg_backend_pid()", ()))
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", (process,))
        with pytest.raises(TurnoutError) as raised:
            snapshot.rows(COUNT)
    assert raised.value.code == "storage_unavailable"
    with snapshot_of(pool, None) as snapshot:
        assert snapshot.rows(COUNT) == [(ROWS,)]
