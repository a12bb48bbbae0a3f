"""Whole reports as files: the same rows as the report's pages, in the same order, whatever is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inside import load, new_store
from oracle import calendar
from oracle.data import make
from oracle.requests import DataSet, cases
from turnout.catalog.attendances import ATTENDANCES
from turnout.exports import FILES, Asked, write_file
from turnout.output.formats import FORMATS
from turnout.query.instants import load_zone
from turnout.query.request import Scope, parse
from turnout.reports import cursor_box, report_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oracle.requests import Pairs
    from turnout.query.request import ReportRequest
    from turnout.store.base import Store

TODAY = date(2024, 3, 31)
NOW = calendar.micros("2024-03-31T00:30:00Z")
SIZES = (230, 60, 1, 0)
ASKED = Asked((), "UTC", NOW)


class Studio:
    """A store with a few random providers, and what the oracle knows of them."""

    def __init__(self, directory: Path) -> None:
        self.store: Store = new_store(directory)
        self.file = directory / "file"
        imports = [make(number + 1, number, size, TODAY) for number, size in enumerate(SIZES)]
        for one in imports:
            load(self.store, one)
        self.data = [DataSet(one.tenant, tuple(one.truth().flat())) for one in imports]
        self.box = cursor_box(self.store)

    def request(self, number: int, pairs: Pairs, instructor: int | None = None) -> ReportRequest:
        tenant = self.data[number].tenant
        scope = Scope(tenant.id, load_zone(tenant.zone), tenant.week_start, instructor)
        given = [pair for pair in pairs if pair[0] not in {"limit", "offset", "page", "page_size"}]
        return parse(ATTENDANCES, given, scope, now=NOW, box=self.box)

    def pages(self, request: ReportRequest) -> dict[str, Any]:
        """The JSON document of all pages put together."""
        found: dict[str, Any] = {}
        for offset in range(0, 10_000, 100):
            page = report_page(self.store, replace(request, limit=100, offset=offset), FORMATS["json"], self.box)
            document = msgspec.json.decode(page.body)
            found = {**document, "rows": [*found.get("rows", []), *document["rows"]]}
            if len(found["rows"]) == page.total:
                break
        return found

    def written(self, request: ReportRequest, name: str) -> bytes:
        """The file, after what was told while it was written was looked at."""
        totals: list[int] = []
        progress: list[int] = []
        rows = write_file(
            self.store,
            request,
            FILES[name],
            self.file,
            asked=ASKED,
            on_total=totals.append,
            progress=progress.append,
        )
        assert totals == [rows]
        assert progress == sorted(progress)
        assert progress[-1:] == [rows][: len(progress)]
        return self.file.read_bytes()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(tmp_path_factory.mktemp("exports"))
    yield made
    made.store.close()


@pytest.mark.parametrize("number", range(len(SIZES)))
@settings(max_examples=60)
@given(st.data())
def test_json_is_the_pages_put_together(studio: Studio, number: int, data: st.DataObject) -> None:
    request = studio.request(number, data.draw(cases(studio.data[number], paging=False)).pairs)
    wanted = studio.pages(request)
    assert msgspec.json.decode(studio.written(request, "json")) == wanted
    lines = studio.written(request, "ndjson").decode().split("\n")
    assert lines.pop() == ""
    assert [msgspec.json.decode(line) for line in lines] == wanted["rows"]


@pytest.mark.parametrize("number", range(len(SIZES)))
@settings(max_examples=60)
@given(st.data())
def test_csv_is_the_pages_put_together(studio: Studio, number: int, data: st.DataObject) -> None:
    request = studio.request(number, data.draw(cases(studio.data[number], paging=False)).pairs)
    page = report_page(studio.store, replace(request, limit=10_000), FORMATS["csv"], studio.box)
    assert studio.written(request, "csv") == page.body
