"""Rows in PostgreSQL's binary form arrive as they are, whatever is in them: each type, nulls, and how they are cut."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster import new_database
from turnout.errors import TurnoutError
from turnout.store import postgres_rows
from turnout.store.postgres_rows import put_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

# A column that is gone leaves a gap in its table, and the columns of a batch need not be in the table's order.
TABLE = (
    "CREATE TABLE one (at TIMESTAMP, gone TEXT, names TEXT[], provider_id BIGINT, big BIGINT, mid INTEGER, "
    "small SMALLINT, flag BOOLEAN, text TEXT, stamp NUMERIC(38), ids BIGINT[]); ALTER TABLE one DROP COLUMN gone"
)
SCHEMA = pa.schema(
    {
        "provider_id": pa.int64(),
        "big": pa.int64(),
        "mid": pa.int32(),
        "small": pa.uint16(),
        "flag": pa.bool_(),
        "text": pa.string(),
        "at": pa.timestamp("us"),
        "stamp": pa.decimal128(38, 0),
        "ids": pa.list_(pa.int64()),
        "names": pa.list_(pa.string()),
    }
)
BIG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ROWS = st.tuples(
    st.just(7),
    *(
        st.none() | values
        for values in (
            BIG,
            st.integers(-(2**31), 2**31 - 1),
            st.integers(0, 2**15 - 1),
            st.booleans(),
            TEXT,
            st.datetimes(),
            st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
            st.lists(st.none() | BIG, max_size=4),
            st.lists(st.none() | TEXT, max_size=4),
        )
    ),
)


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(new_database(postgres), autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection


def batch_of(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def arrived(connection: psycopg.Connection[Any], *batches: pa.RecordBatch) -> list[tuple[Any, ...]]:
    with connection.transaction(force_rollback=True):
        put = put_rows(connection, "one", 7, batches)
        found = connection.execute(f"SELECT {', '.join(SCHEMA.names)} FROM one").fetchall()
    assert put == len(found)
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(ROWS, max_size=12), cut=st.integers(0, 5), at_once=st.integers(1, 4), written=st.integers(1, 7))
def test_any_rows(
    connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]], cut: int, at_once: int, written: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_rows, "_AT_ONCE", at_once)
        patch.setattr(postgres_rows, "WRITTEN_AT_ONCE", written)
        whole = batch_of(rows)
        # Slices share what they are cut from.
        assert arrived(connection, whole.slice(0, cut), whole.slice(cut)) == rows


def test_nulls_alone(connection: psycopg.Connection[Any]) -> None:
    rows = [(7, *[None] * (len(SCHEMA) - 1))] * 3
    assert arrived(connection, batch_of(rows)) == rows


def test_what_is_hidden_behind_a_null_stays_hidden(connection: psycopg.Connection[Any]) -> None:
    """Arrow may have a value where a null is, and elements where a list is none."""
    ids = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array([1, 2, 3]), mask=pa.array([True, False]))
    big = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\2"), pa.array([5, 6]).buffers()[1]])
    batch = batch_of([(7, *[None] * (len(SCHEMA) - 1))] * 2).set_column(1, "big", big).set_column(8, "ids", ids)
    assert [(row[1], row[8]) for row in arrived(connection, batch)] == [(None, None), (6, [3])]


def test_instants_before_the_first_year(connection: psycopg.Connection[Any]) -> None:
    at = pa.array([-210_866_803_200_000_000, 0], pa.timestamp("us"))
    with connection.transaction(force_rollback=True):
        put_rows(connection, "one", 7, [batch_of([(7, *[None] * (len(SCHEMA) - 1))] * 2).set_column(6, "at", at)])
        found = connection.execute("SELECT at::TEXT FROM one").fetchall()
    assert found == [("4714-11-24 00:00:00 BC",), (str(datetime(1970, 1, 1)),)]


def test_a_number_that_does_not_fit(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(pa.ArrowInvalid, match="not in range"):
        arrived(connection, batch_of([(7, None, None, 40_000, *[None] * 6)]))


def test_rows_that_the_database_does_not_take_are_noticed(connection: psycopg.Connection[Any]) -> None:
    """As by a trigger of somebody else's."""
    rows = [(7, *[None] * (len(SCHEMA) - 1))] * 3
    with connection.transaction(force_rollback=True):
        connection.execute(
            "CREATE FUNCTION pg_temp.none() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        connection.execute("CREATE TRIGGER none BEFORE INSERT ON one FOR EACH ROW EXECUTE FUNCTION pg_temp.none()")
        with pytest.raises(TurnoutError, match="Of 3 rows of one the database took 0"):
            put_rows(connection, "one", 7, [batch_of(rows)])
