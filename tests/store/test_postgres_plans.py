"""How PostgreSQL finds the rows of a request: by an index, never by reading those of all providers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from cluster import as_administrator, new_database
from store.everything import GROUPS, PAGES, request_of
from store.rows import batches, row
from turnout.query.dialect import POSTGRES
from turnout.query.groups import groups_statement
from turnout.query.plan import plan
from turnout.query.sql import Statement, extent_statement, page_statement
from turnout.store.base import Provider
from turnout.store.open import open_store
from turnout.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.store.base import Store

PROVIDERS = 7
ROWS = 10_000
"""Of each provider; as large a part of the table as the largest of many providers has."""
WIDE = "x" * 400
"""So that, as in a store, a page of the table holds some 15 rows."""
HALF = "event_start_gte=1970-07-28&status=registered&sort=customer.name"
STUDIO = Provider(PROVIDERS, "Studio", "Europe/Zurich")


@pytest.fixture(scope="module")
def store(postgres: str) -> Iterator[Store]:
    """A store with many rows of several providers, of whom the last is asked for."""
    # Little memory, so that a small table is planned for as a large one.
    address = new_database(postgres) + "&options=-ceffective_cache_size%3D1MB%20-cwork_mem%3D64kB"
    with closing(open_store(address)) as opened:
        opened.put_provider(STUDIO)
        opened.merge(STUDIO, batches([row(1, 1, customer_email=WIDE)]))
        with psycopg.connect(as_administrator(address), autocommit=True) as connection:
            names = tables()["attendances"]
            known = {
                "provider_id": "p",
                "id": "n",
                "event_id": "n / 10",
                "event_starts_at": "event_starts_at + n * '1 hour'::INTERVAL",
            }
            given = ", ".join(known.get(name, name) for name in names)
            connection.execute(
                f"INSERT INTO attendances ({', '.join(names)}) SELECT {given} FROM attendances, "
                f"generate_series(1, {PROVIDERS}) p, generate_series(2, {ROWS}) n WHERE id = 1 "
                # As rows lie that came one after the other, of whomever.
                "ORDER BY hashint8(n), p"
            )
            connection.execute("VACUUM (ANALYZE) attendances")
        yield opened


@pytest.mark.parametrize(
    ("query", "grouped"), [*((one, False) for one in (*PAGES, HALF)), *((one, True) for one in GROUPS)]
)
def test_no_request_reads_the_rows_of_all_providers(store: Store, query: str, grouped: bool) -> None:
    asked = plan(request_of(store, STUDIO, query, grouped=grouped), POSTGRES)
    statements = [groups_statement(asked)] if grouped else [extent_statement(asked), page_statement(asked)]
    with store.snapshot(PROVIDERS) as snapshot:
        told = [snapshot.rows(Statement(f"EXPLAIN {one.sql}", one.values)) for one in statements]
    scans = [line.strip() for plan_ in told for (line,) in plan_ if "on attendances" in line]
    assert scans
    assert not [line for line in scans if "Seq Scan" in line]


SORTED_WIDTH = 100
"""Bytes of a row that is sorted: its sort keys and its id, far from `WIDE`."""


@pytest.mark.parametrize(
    "query",
    [
        *("sort=customer.name", "sort=-event.name,venue.id", "sort=status&offset=500", HALF),
        # All of these rows were changed at once.
        *("sort=-updated_at", "sort=updated_at,-id", "sort=updated_at,customer.name", "sort=-updated_at,venue.id,-id"),
    ],
)
def test_rows_are_not_carried_through_a_sort(store: Store, query: str) -> None:
    widths = [int(node.partition("width=")[2].rstrip(")")) for node in _told(store, query) if "Limit" in node]
    assert widths
    assert max(widths) < SORTED_WIDTH


@pytest.mark.parametrize(
    "query",
    [
        *("", "sort=event.starts_at", "sort=-event.starts_at,customer.name"),
        *("sort=updated_at", "sort=-updated_at,-id", "sort=id", "id_gt=500", "sort=-id"),
    ],
)
def test_an_order_that_an_index_has_is_read_as_it_is(store: Store, query: str) -> None:
    told = _told(store, query)
    assert not [node for node in told if "Sort" in node and "Incremental" not in node]
    assert len([node for node in told if "on attendances" in node]) == 1, "each row is looked up once"


def _told(store: Store, query: str) -> list[str]:
    """The nodes of a page's plan."""
    asked = page_statement(plan(request_of(store, STUDIO, query, grouped=False), POSTGRES))
    with store.snapshot(PROVIDERS) as snapshot:
        lines = [line for (line,) in snapshot.rows(Statement(f"EXPLAIN {asked.sql}", asked.values))]
    return [line for line in lines if "cost=" in line]
