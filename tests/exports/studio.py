"""A store with random providers, and ways to ask it for a report as pages and as a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from inside import load, new_store
from oracle import calendar
from oracle.data import make
from oracle.requests import DataSet
from turnout.catalog.attendances import ATTENDANCES
from turnout.exports import FILES, Asked, write_file
from turnout.output.formats import FORMATS
from turnout.query.instants import load_zone
from turnout.query.request import Scope, parse
from turnout.reports import cursor_box, report_page

if TYPE_CHECKING:
    from pathlib import Path

    from oracle.requests import Pairs
    from turnout.query.request import ReportRequest
    from turnout.store.base import Store

TODAY = date(2024, 3, 31)
NOW = calendar.micros("2024-03-31T00:30:00Z")
SIZES = (230, 60, 1, 0)
EVERYTHING = (("include_future", "true"), ("columns", ",".join(column.key for column in ATTENDANCES.columns)))
_PAGING = {"limit", "offset", "page", "page_size"}


class Studio:
    """A store with a few random providers, and what the oracle knows of them."""

    def __init__(self, directory: Path) -> None:
        self.store: Store = new_store(directory)
        self.file = directory / "file"
        self.imports = [make(number + 1, number, size, TODAY) for number, size in enumerate(SIZES)]
        for one in self.imports:
            load(self.store, one)
        self.data = [DataSet(one.tenant, tuple(one.truth().flat())) for one in self.imports]
        self.box = cursor_box(self.store)

    def instructors(self, number: int) -> list[int]:
        return sorted({one for row in self.data[number].rows for one, _ in row["instructors"]})

    def request(self, number: int, pairs: Pairs = EVERYTHING, instructor: int | None = None) -> ReportRequest:
        tenant = self.data[number].tenant
        scope = Scope(tenant.id, load_zone(tenant.zone), tenant.week_start, instructor)
        given = [pair for pair in pairs if pair[0].removesuffix("[]") not in _PAGING]
        return parse(ATTENDANCES, given, scope, now=NOW, box=self.box)

    def document(self, request: ReportRequest) -> dict[str, Any]:
        """The JSON document of all pages put together."""
        pages = [
            msgspec.json.decode(self.page(replace(request, limit=100, offset=offset), "json"))
            for offset in range(0, max(SIZES), 100)
        ]
        return {**pages[0], "rows": [row for page in pages for row in page["rows"]]}

    def page(self, request: ReportRequest, name: str) -> bytes:
        return report_page(self.store, request, FORMATS[name], self.box).body

    def written(self, request: ReportRequest, name: str) -> bytes:
        """The file, after what was told while it was written was looked at."""
        totals: list[int] = []
        progress = [0]
        rows = write_file(
            self.store,
            request,
            FILES[name],
            self.file,
            asked=Asked(EVERYTHING, str(request.reading_zone), NOW),
            on_total=totals.append,
            progress=progress.append,
        )
        assert totals == [rows]
        assert progress == sorted(progress)
        assert progress[-1] == rows
        return self.file.read_bytes()
