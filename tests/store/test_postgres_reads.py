"""PostgreSQL answers what the embedded store answers, to the byte: the same random requests, of the same rows."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import openpyxl
import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from cluster import as_administrator, new_database
from databases import examples
from inside import add_provider, load, new_store
from oracle import calendar
from oracle.data import make
from oracle.report import Tenant
from oracle.requests import DataSet, cases, group_cases, sorts
from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED
from turnout.exports import write_file
from turnout.ingest.demo import demo_batches
from turnout.output.files import FILES, Asked
from turnout.output.formats import FORMATS
from turnout.query.dialect import DUCKDB, POSTGRES
from turnout.query.request import Scope, parse
from turnout.query.sql import Statement, any_statement, listing_statement, next_statement
from turnout.reports import cursor_box, report_page
from turnout.store.postgres_merge import columns_of
from turnout.store.postgres_owner import prepare
from turnout.store.postgres_snapshot import snapshot_of
from turnout.store.postgres_walls import say
from turnout.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from oracle.requests import Pairs
    from turnout.query.cursor import CursorBox
    from turnout.query.dialect import Dialect
    from turnout.query.request import ReportRequest
    from turnout.reports import Page
    from turnout.store.base import Snapshot, Store

SIZES = (260, 70, 20, 1, 0)
LARGE = len(SIZES)
"""The number of a provider with so many rows that deep offsets are searched for."""
ROWS = 5_000
NOW = calendar.now_micros()
EVERY_COLUMN = ",".join(column.key for column in ATTENDANCES.columns)


@dataclass(frozen=True)
class Postgres:
    """What `report_page` and `write_file` need of a store."""

    pool: ConnectionPool[Any]

    def snapshot(self, provider_id: int | None, *, long: bool = False) -> AbstractContextManager[Snapshot]:
        return snapshot_of(self.pool, provider_id)


@dataclass(frozen=True)
class Both:
    """The same rows in two engines, and what asks them."""

    data: tuple[DataSet, ...]
    embedded: Store
    postgres: Postgres
    box: CursorBox

    def request(
        self, query: str | Pairs, number: int, instructor: int | None = None, *, grouped: bool = False
    ) -> ReportRequest:
        tenant = self.data[number].tenant
        scope = Scope(tenant.id, ZoneInfo(tenant.zone), tenant.week_start, instructor)
        report = ATTENDANCES_GROUPED if grouped else ATTENDANCES
        pairs = parse_qsl(query, keep_blank_values=True) if isinstance(query, str) else query
        return parse(report, pairs, scope, now=NOW, box=self.box)

    def answers(
        self, query: str | Pairs, number: int, instructor: int | None = None, *, grouped: bool = False
    ) -> tuple[Page, Page]:
        """What each engine answers."""
        request = self.request(query, number, instructor, grouped=grouped)
        format_ = FORMATS[request.format or "json"]
        one, other = (report_page(store, request, format_, self.box) for store in (self.embedded, self.postgres))
        return one, other


def copy(store: Store, connection: psycopg.Connection[Any]) -> None:
    """Fill the tables, in place of what they hold since they were made."""
    connection.execute("DELETE FROM meta")
    with store.snapshot(None) as snapshot:
        for table, columns in tables().items():
            names = ", ".join(columns)
            rows = snapshot.rows(Statement(f"SELECT {columns_of(table, DUCKDB.day_number)} FROM {table}", ()))
            with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as target:
                for row in rows:
                    target.write_row(row)
    connection.execute("INSERT INTO change SELECT provider_id, 1, count(*) FROM attendances GROUP BY provider_id")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Both]:
    address = new_database(postgres)
    today = date.fromtimestamp(calendar.now_micros() / 1_000_000)
    imports = [make(number + 1, number, size, today) for number, size in enumerate(SIZES)]
    with closing(new_store(tmp_path_factory.mktemp("both"))) as store:
        for one in imports:
            load(store, one)
        large = Tenant(LARGE + 1, "America/New_York", "sunday")
        add_provider(store, large)
        provider = store.providers()[large.id]
        store.merge(provider, demo_batches(ROWS, 1, NOW, zone=large.zone))
        prepare(address)
        with psycopg.connect(as_administrator(address), autocommit=True) as connection:
            copy(store, connection)
        with ConnectionPool(address, min_size=1, max_size=4, kwargs={"autocommit": True}, open=True) as pool:
            data = (*(DataSet(one.tenant, tuple(one.truth().flat())) for one in imports), DataSet(large, ()))
            yield Both(data, store, Postgres(pool), cursor_box(store))


NUMBERS = range(len(SIZES))


def group_sorts() -> st.SearchStrategy[tuple[tuple[str, bool], ...]]:
    level = st.tuples(st.sampled_from(("customer.name", "venue.name", "count", "day_of_week")), st.booleans())
    return st.lists(level, max_size=2, unique_by=lambda one: one[0]).map(tuple)


@pytest.mark.parametrize(
    ("query", "from_kept"),
    [
        ("", True),
        ("include_future=true", True),
        ("sort=customer.name", True),
        ("offset=2000", True),
        ("status=attended", False),
        ("event_start_gte=2020-01-01", False),
        ("updated_at_gte=2020-01-01T00:00:00Z&include_future=true", False),
    ],
)
def test_the_total_of_a_whole_report_is_kept(both: Both, query: str, *, from_kept: bool) -> None:
    """Nobody counts the rows of a large provider anew for each page."""
    one, other = both.answers(query, LARGE)
    assert other.total == one.total > 0
    _pretend(both, 1_000)
    try:
        assert both.answers(query, LARGE)[1].total == one.total + 1000 * from_kept
        assert both.answers(query, LARGE, instructor=1)[1].total < one.total
    finally:
        _pretend(both, -1_000)


def _pretend(both: Both, more: int) -> None:
    """As if the large provider had more rows."""
    with both.postgres.pool.connection() as connection, connection.transaction():
        say(connection, LARGE + 1)
        changed = connection.execute(
            "UPDATE change SET attendances = attendances + %s WHERE provider_id = %s", (more, LARGE + 1)
        )
        assert changed.rowcount == 1


@pytest.mark.parametrize("number", NUMBERS)
@settings(max_examples=examples(60))
@given(st.data())
def test_any_page(both: Both, number: int, data: st.DataObject) -> None:
    """Bytes, totals, and links with their cursors."""
    one, other = both.answers(data.draw(cases(both.data[number])).query, number)
    assert other == one


@pytest.mark.parametrize("number", NUMBERS)
@settings(max_examples=examples(60))
@given(st.data())
def test_any_groups(both: Both, number: int, data: st.DataObject) -> None:
    one, other = both.answers(data.draw(group_cases(both.data[number])).query, number, grouped=True)
    assert other == one


@pytest.mark.parametrize("number", NUMBERS)
@settings(max_examples=examples(20))
@given(st.data())
def test_pages_that_follow(both: Both, number: int, data: st.DataObject) -> None:
    """Through cursors to the end, in any order, and one back from each."""
    order, grouped = data.draw(st.tuples(sorts(), st.just(False)) | st.tuples(group_sorts(), st.just(True)))
    text = ",".join("-" * down + name for name, down in order)
    pairs = {"limit": str(data.draw(st.sampled_from((1, 7, 30)))), **({"sort": text} if text else {})}
    pairs |= {"columns": "customer.name,venue.name,count,day_of_week"} if grouped else {"include_future": "true"}
    query: str | Pairs = urlencode(pairs)
    for _ in range(30):
        one, other = both.answers(query, number, grouped=grouped)
        assert other == one
        following = one.links
        if "prev" in one.links:
            one, other = both.answers(one.links["prev"], number, grouped=grouped)
            assert other == one
        if "next" not in following:
            break
        query = following["next"]


@pytest.mark.parametrize("number", NUMBERS)
@settings(max_examples=examples(10))
@given(st.data())
def test_what_an_instructor_sees(both: Both, number: int, data: st.DataObject) -> None:
    people = sorted({who for row in both.data[number].rows for who, _ in row["instructors"]}) or [1]
    one, other = both.answers("include_future=true&limit=100", number, data.draw(st.sampled_from(people)))
    assert other == one


@pytest.mark.parametrize("offset", [0, 999, 1_000, 4_000, 4_999, 5_000])
@pytest.mark.parametrize("order", ["-event.starts_at", "customer.name", "-id", "updated_at"])
def test_deep_offsets(both: Both, offset: int, order: str) -> None:
    one, other = both.answers(f"include_future=true&sort={order}&limit=20&offset={offset}", LARGE)
    assert other == one


@pytest.mark.parametrize("number", [*NUMBERS, LARGE])
@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("grouped", [False, True])
def test_files(both: Both, number: int, name: str, grouped: bool, tmp_path: Path) -> None:
    """Text is the same to the byte, a table or a workbook has the same cells of the same types."""
    query = "columns=venue.name,status,count" if grouped else f"include_future=true&columns={EVERY_COLUMN}"
    request = both.request(query, number, grouped=grouped)
    files = [tmp_path / "embedded", tmp_path / "postgres"]
    for store, file in zip((both.embedded, both.postgres), files, strict=True):
        write_file(store, request, FILES[name], file, asked=Asked((), "UTC", calendar.now_micros()))
    read = {"parquet": pq.read_table, "xlsx": cells}.get(name, Path.read_bytes)
    one, other = map(read, files)
    assert other == one


def cells(file: Path) -> list[Any]:
    with closing(openpyxl.load_workbook(io.BytesIO(file.read_bytes()))) as book:
        return [[list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets[:1]]


@pytest.mark.parametrize("number", [*NUMBERS, LARGE])
def test_small_questions(both: Both, number: int) -> None:
    tenant = both.data[number].tenant.id
    now = calendar.now_micros()

    def asked(dialect: Dialect) -> list[Statement]:
        return [
            any_statement(tenant, dialect),
            listing_statement(tenant, 3, 50, dialect),
            next_statement(tenant, "event_starts_at", now, dialect),
            next_statement(tenant, "updated_at", 2**62, dialect),
        ]

    with both.embedded.snapshot(None) as one, both.postgres.snapshot(tenant) as other:
        assert list(map(other.rows, asked(POSTGRES))) == list(map(one.rows, asked(DUCKDB)))
