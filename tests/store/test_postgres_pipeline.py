"""Statements that go to PostgreSQL at once: their rows, their errors, and what is left of the connection."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus

from cluster import new_database
from turnout.query.sql import Statement
from turnout.store.postgres_pipeline import pipelined

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = Statement("SELECT 1, NULL, 'a'", ())
MANY = Statement("SELECT n, repeat('x', $1) FROM generate_series(1, $2) AS n", (10_000, 200))
WRONG = Statement("SELECT 1 / 0", ())
BEGIN, END = Statement("BEGIN", ()), Statement("ROLLBACK", ())
LONG = Statement("SELECT pg_sleep(600)", ())
SECONDS = 30.0


@pytest.fixture
def connection(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(new_database(postgres), autocommit=True) as made:
        yield made


def at_rest(connection: psycopg.Connection[Any]) -> bool:
    return connection.pgconn.pipeline_status == PipelineStatus.OFF and connection.execute("SELECT 1").fetchall() == [
        (1,)
    ]


def test_each_has_its_rows(connection: psycopg.Connection[Any]) -> None:
    nothing, one, many, none, _ = pipelined(
        connection, [BEGIN, ONE, MANY, Statement("SELECT 1 WHERE $1::BIGINT[] = '{}'", ([7],)), END]
    )
    assert (nothing, one, none) == ([], [(1, None, "a")], [])
    assert many == [(n, "x" * 10_000) for n in range(1, 201)]  # more than the sockets hold
    assert at_rest(connection)
    assert pipelined(connection, []) == []
    assert at_rest(connection)


def test_the_rows_are_those_of_a_cursor(connection: psycopg.Connection[Any]) -> None:
    values = (7, 2**40, "text", True, [1, 2], ["a"], None, 1.5, b"bytes")
    sql = f"SELECT {', '.join(f'${n}' for n in range(1, len(values) + 1))}, now()::TIMESTAMPTZ(0), '2026-01-02'::DATE"
    alone = psycopg.RawCursor(connection).execute(sql, values, binary=True).fetchall()
    ((row, *_),) = pipelined(connection, [BEGIN, Statement(sql, values), END])[1:2]
    assert row[: len(values) - 1] == alone[0][: len(values) - 1]
    assert list(map(type, row)) == list(map(type, alone[0]))


def test_the_first_error_is_raised_and_nothing_is_done_after_it(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TABLE done (n INT)")
    later = Statement("INSERT INTO done VALUES (1)", ())
    with pytest.raises(psycopg.errors.DivisionByZero):
        pipelined(connection, [ONE, WRONG, Statement("SELECT nothing", ()), later])
    assert at_rest(connection)
    assert connection.execute("SELECT * FROM done").fetchall() == []
    with pytest.raises(psycopg.errors.DivisionByZero):
        pipelined(connection, [BEGIN, WRONG, END])
    assert connection.info.transaction_status == TransactionStatus.INERROR
    assert pipelined(connection, [END, ONE]) == [[], [(1, None, "a")]]


def test_a_value_that_cannot_be_sent_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.DataError):
        pipelined(connection, [BEGIN, Statement("SELECT $1::TEXT", ("a\0b",))])
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert at_rest(connection)


def test_why_the_database_ended_it_is_told(connection: psycopg.Connection[Any], postgres: str) -> None:
    pid, address = connection.info.backend_pid, connection.info.dsn

    def end() -> None:
        with psycopg.connect(address, autocommit=True, password=connection.info.password) as other:
            waiting = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND query LIKE '%%pg_sleep%%'"
            while not other.execute(waiting, (pid,)).fetchall():
                time.sleep(0.01)
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(psycopg.errors.AdminShutdown):
        pipelined(connection, [ONE, LONG, ONE])
    thread.join(SECONDS)
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        pipelined(connection, [ONE])


def test_it_can_be_cancelled_from_outside(connection: psycopg.Connection[Any]) -> None:
    def cancel() -> None:
        while not over.wait(0.05):
            connection.cancel_safe()

    over = threading.Event()
    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        with pytest.raises(psycopg.errors.QueryCanceled):
            pipelined(connection, [BEGIN, LONG, END])
    finally:
        over.set()
        thread.join(SECONDS)
    assert pipelined(connection, [END, ONE]) == [[], [(1, None, "a")]]
