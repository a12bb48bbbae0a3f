"""A page of CSV is what the standard library's writer makes of its cells, to the byte."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.catalog.attendances import ATTENDANCES
from turnout.catalog.types import Kind
from turnout.output.formats import FORMATS
from turnout.output.shape import csv_cells, csv_header
from turnout.query.cursor import CursorBox
from turnout.query.dialect import DUCKDB
from turnout.query.plan import plan, stored
from turnout.query.raw import pairs_of
from turnout.query.request import Scope, parse

if TYPE_CHECKING:
    from turnout.catalog.types import Column
    from turnout.query.request import ReportRequest

TEXTS = st.none() | st.text(st.sampled_from("ab=+-@\"',;\r\n\t {}é😀"), max_size=6)
VALUES = {
    Kind.INTEGER: st.none() | st.integers(-5, 2**63),
    Kind.BOOLEAN: st.none() | st.booleans(),
    Kind.INSTANT: st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    Kind.PEOPLE: st.lists(TEXTS, max_size=3),
}


def asked(query: str) -> ReportRequest:
    return parse(ATTENDANCES, pairs_of(query.encode()), Scope(1, UTC), now=0, box=CursorBox(bytes(32)))


@pytest.mark.parametrize(
    "query", ["", "csv_escape=false&bom=true&timezone=Asia/Kathmandu", "columns=event.name,status"]
)
@given(data=st.data())
def test_any_rows(query: str, data: st.DataObject) -> None:
    request = asked(query)
    the_plan = plan(request, DUCKDB)

    def row() -> tuple[Any, ...]:
        values: dict[str, Any] = {}
        for column in request.columns:
            value = data.draw(VALUES.get(column.kind, TEXTS))
            values |= people(column, value) if column.kind is Kind.PEOPLE else {column.storage: value}
        return tuple(values.get(storage) for storage in the_plan.storages)

    batches = [[row() for _ in range(data.draw(st.integers(0, 3)))] for _ in range(2)]
    assert b"".join(FORMATS["csv"].write(request, the_plan, 0, batches)) == by_the_library(request, the_plan, batches)


@pytest.mark.parametrize("name", [None, "", "Yoga", 'a "b"', "a,b", "a\nb"])
def test_a_row_of_one_cell(name: str | None) -> None:
    """An empty one is quoted: a line with nothing in it is no row."""
    request = asked("columns=event.name")
    (only,) = (column for column in request.columns if column.key == "event.name")
    request = replace(request, columns=(only,))
    the_plan = plan(request, DUCKDB)
    rows = [tuple(name if storage == only.storage else 1 for storage in the_plan.storages)]
    assert b"".join(FORMATS["csv"].write(request, the_plan, 0, [rows])) == by_the_library(request, the_plan, [rows])


def people(column: Column, names: list[str | None]) -> dict[str, Any]:
    ids, named = stored(column)
    return {ids: list(range(len(names))), named: names}


def by_the_library(request: ReportRequest, the_plan: Any, batches: list[list[tuple[Any, ...]]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(csv_header(request))
    cells = csv_cells(request, the_plan)
    for batch in batches:
        writer.writerows(map(cells, batch))
    return (("\ufeff" if request.csv.bom else "") + buffer.getvalue()).encode()
