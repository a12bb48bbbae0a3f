"""Statements that go to PostgreSQL at once: their rows, their errors, and what is left of the connection."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.postgres import types
from psycopg.pq import PipelineStatus, TransactionStatus

from cluster import new_database
from turnout.query.sql import Statement
from turnout.store.postgres_pipeline import pipelined, repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


# The same one, for many values


PUT = "INSERT INTO done SELECT 12 / n FROM unnest($1::BIGINT[]) AS n RETURNING n"


def number(value: int) -> bytes:
    return struct.pack("!q", value)


def array(*values: int) -> bytes:
    """An array in PostgreSQL's binary form; see `array_recv` there."""
    head = struct.pack("!2iI2i", 1, 0, types["int8"].oid, len(values), 1)
    return head + b"".join(struct.pack("!i", 8) + number(value) for value in values)


@pytest.fixture
def done(connection: psycopg.Connection[Any]) -> Callable[[], list[int]]:
    connection.execute("CREATE TABLE done (n BIGINT)")
    return lambda: [n for (n,) in connection.execute("SELECT n FROM done").fetchall()]


@pytest.mark.parametrize("kind", [tuple, list])
def test_it_is_done_for_each(connection: psycopg.Connection[Any], done: Callable[[], list[int]], kind: Any) -> None:
    for count in (0, 1, 2, 3, 50):
        with connection.transaction(force_rollback=True):
            rows = repeated(connection, PUT, (kind([array(*[1] * 5_000, 12)]) for _ in range(count)))
            assert rows == 5_001 * count
            assert sorted(done()) == [1] * count + [12] * 5_000 * count
        assert at_rest(connection)


@pytest.mark.parametrize("bad", [0, 1, 2, 8, 9])
def test_it_ends_where_it_fails(connection: psycopg.Connection[Any], done: Callable[[], list[int]], bad: int) -> None:
    made = []

    def values() -> Iterator[list[bytes]]:
        for n in range(10):
            made.append(n)
            yield [array(0 if n == bad else 1)]

    with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
        repeated(connection, PUT, values())
    assert len(made) <= bad + 3, "more was made than was under way"
    assert at_rest(connection)
    assert done() == []


@pytest.mark.parametrize("bad", [0, 1, 5])
def test_what_the_values_raise_is_raised(
    connection: psycopg.Connection[Any], done: Callable[[], list[int]], bad: int
) -> None:
    with pytest.raises(ZeroDivisionError), connection.transaction():
        repeated(connection, PUT, ([array(6 // (bad - n))] for n in range(10)))
    assert at_rest(connection)
    assert done() == []


def test_that_it_was_ended_is_told(connection: psycopg.Connection[Any], done: Callable[[], list[int]]) -> None:
    def values() -> Iterator[list[bytes]]:
        yield [array(1)]
        with psycopg.connect(connection.info.dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (connection.info.backend_pid,))
        yield [array(1)]

    with pytest.raises(psycopg.OperationalError), connection.transaction():
        repeated(connection, PUT, values())
    assert connection.closed


def test_a_key_that_ends_the_program_does(postgres: str) -> None:
    """Though what is on its way to the database is more than the sockets hold, and it takes its time."""
    code = """
import sys
import psycopg
from turnout.store.postgres_pipeline import repeated

with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    sql = "SELECT pg_sleep(600), length($1::BYTEA)"
    def values():
        yield [bytes(5_000_000)]
        print("here", flush=True)
        yield [bytes(5_000_000)]
    try:
        with connection.transaction():
            repeated(connection, sql, values())
    except KeyboardInterrupt:
        print("ended")
"""
    with subprocess.Popen([sys.executable, "-c", code, postgres], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "here\n"
        time.sleep(0.3)  # until it waits for the database
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "ended\n"


# Interrupted by others


@contextmanager
def meanwhile(connection: psycopg.Connection[Any], act: Callable[[psycopg.Connection[Any]], object]) -> Iterator[None]:
    """Act by another connection, once this one's server sleeps."""
    pid, address = connection.info.backend_pid, connection.info.dsn

    def wait_and_act() -> None:
        with psycopg.connect(address, autocommit=True) as other:
            sleeping = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
            while not other.execute(sleeping, (pid,)).fetchall():
                time.sleep(0.01)
            act(other)

    thread = threading.Thread(target=wait_and_act, daemon=True)
    thread.start()
    yield
    thread.join(SECONDS)


def test_why_the_database_ended_it_is_told(connection: psycopg.Connection[Any]) -> None:
    pid = connection.info.backend_pid
    with (
        meanwhile(connection, lambda other: other.execute("SELECT pg_terminate_backend(%s)", (pid,))),
        pytest.raises(psycopg.errors.AdminShutdown),
    ):
        pipelined(connection, [ONE, LONG, ONE])
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        pipelined(connection, [ONE])


def test_it_can_be_cancelled_from_outside(connection: psycopg.Connection[Any]) -> None:
    with meanwhile(connection, lambda _: connection.cancel_safe()), pytest.raises(psycopg.errors.QueryCanceled):
        pipelined(connection, [BEGIN, LONG, END])
    assert pipelined(connection, [END, ONE]) == [[], [(1, None, "a")]]
