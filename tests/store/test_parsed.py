"""Statements that are parsed once: the same answers from several threads, and a bounded memory."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import duckdb
import pytest

from turnout.store import duckdb_parsed
from turnout.store.duckdb_parsed import Parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS = 8
TIMES = 300
SQL = "SELECT count(*), ?::BIGINT FROM numbers WHERE n < ?"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as made:
        made.execute("CREATE TABLE numbers AS SELECT range AS n FROM range(1000)")
        yield made


def test_a_text_is_parsed_once(connection: duckdb.DuckDBPyConnection) -> None:
    parsed = Parsed()
    assert parsed(connection, SQL) is parsed(connection, SQL)


def test_threads_use_a_statement_at_the_same_time(connection: duckdb.DuckDBPyConnection) -> None:
    parsed = Parsed()

    def ask(thread: int) -> list[tuple[int, int]]:
        with closing(connection.cursor()) as cursor:
            return [
                cursor.execute(parsed(cursor, SQL), [thread, number]).fetchall()[0]  # type: ignore[misc]
                for number in range(TIMES)
            ]

    with ThreadPoolExecutor(THREADS) as pool:
        for thread, found in enumerate(pool.map(ask, range(THREADS))):
            assert found == [(number, thread) for number in range(TIMES)]


def test_a_statement_follows_the_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """It is only parsed: what its names stand for is looked up each time."""
    parsed = Parsed()
    statement = parsed(connection, "SELECT * FROM numbers ORDER BY n LIMIT 1")
    assert connection.execute(statement).fetchall() == [(0,)]
    connection.execute("CREATE OR REPLACE TABLE numbers AS SELECT 'a' AS letter, 7 AS n")
    assert connection.execute(statement).fetchall() == [("a", 7)]


def test_what_was_not_used_for_long_is_forgotten(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_parsed, "_MOST", 30)
    parsed = Parsed()
    first, second, third = (f"SELECT {number} + 1" for number in range(3))  # 12 characters each
    kept = [parsed(connection, sql) for sql in (first, second)]
    assert parsed(connection, first) is kept[0]
    parsed(connection, third)
    assert parsed(connection, first) is kept[0]
    assert parsed(connection, second) is not kept[1]


def test_long_texts_are_not_kept(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT " + " + ".join("1" for _ in range(6_000))
    assert Parsed()(connection, sql) == sql


def test_what_is_no_statement_says_so(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.ParserException):
        Parsed()(connection, "SELEC 1")


def test_nothing_is_left_at_the_end_of_the_process() -> None:
    """The engine's library writes a line to standard error where one of its objects outlives it."""
    code = (
        "import duckdb, threading, time\n"
        "from turnout.store.duckdb_parsed import parsed\n"
        "def use():\n"
        "    with duckdb.connect() as connection:\n"
        "        for n in range(9): parsed(connection, f'SELECT {n}')\n"
        "def stay(cache): time.sleep(60)\n"
        "use(); threading.Thread(target=stay, args=(parsed,), daemon=True).start()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert not done.stderr
