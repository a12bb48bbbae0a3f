"""Whole reports as files: the same rows as the report's pages, in the same order, whatever is asked for."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databases import examples
from exports import readers
from exports.studio import EVERYTHING, NOW, SIZES, Studio
from inside import import_file
from oracle.columns import SORTABLE_NAMES
from oracle.requests import cases
from turnout.errors import TurnoutError
from turnout.exports import FILES, Asked, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.query.request import ReportRequest
    from turnout.store.base import Snapshot

NUMBERS = range(len(SIZES))


@st.composite
def requests(draw: st.DrawFn, studio: Studio, number: int) -> ReportRequest:
    """Any request, now and then by an instructor."""
    pairs = draw(cases(studio.data[number], paging=False)).pairs
    instructor = draw(st.sampled_from([None, None, *studio.instructors(number)]))
    return studio.request(number, pairs, instructor)


@pytest.mark.usefixtures("small_spans")
@pytest.mark.parametrize("number", NUMBERS)
@settings(max_examples=examples(30))
@given(st.data())
def test_every_format_has_the_rows_of_the_pages(studio: Studio, number: int, data: st.DataObject) -> None:
    """Each read back by another program, and compared cell for cell."""
    request = data.draw(requests(studio, number))
    document = studio.document(request)
    rows = readers.flat(document)
    assert msgspec.json.decode(studio.written(request, "json")) == document
    lines = studio.written(request, "ndjson").decode().split("\n")
    assert lines.pop() == ""
    assert [msgspec.json.decode(line) for line in lines] == document["rows"]
    assert studio.written(request, "csv") == studio.page(replace(request, limit=max(SIZES)), "csv")
    columns = [
        [(key, value) for key, value in row.items()] for row in readers.parquet(studio.written(request, "parquet"))
    ]
    assert columns == [[*readers.as_parquet(row).items()] for row in rows]
    first, _ = readers.sheets(studio.written(request, "xlsx")).values()
    zone = str(request.reading_zone)
    assert first[0] == [column.label for column in request.columns]
    wanted = [[readers.as_cell(key, value, zone) for key, value in row.items()] for row in rows]
    assert readers.same_cells(first[1:], wanted)


@pytest.mark.usefixtures("small_spans")
@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("name", SORTABLE_NAMES)
def test_every_order(studio: Studio, name: str, sign: str) -> None:
    """Read in many spans, by each column alone: nothing twice, nothing missed, missing values last."""
    request = studio.request(0, (("sort", sign + name), *EVERYTHING))
    assert studio.written(request, "csv") == studio.page(replace(request, limit=max(SIZES)), "csv")


@pytest.mark.parametrize("name", FILES)
def test_a_report_without_rows(studio: Studio, name: str) -> None:
    request = studio.request(3)
    data = studio.written(request, name)
    match name:
        case "csv":
            assert list(csv.reader(io.StringIO(data.decode()))) == [[column.label for column in request.columns]]
        case "json":
            assert msgspec.json.decode(data) == studio.document(request)
        case "ndjson":
            assert data == b""
        case "xlsx":
            assert len(next(iter(readers.sheets(data).values()))) == 1
        case "parquet":
            assert readers.parquet(data) == []


class EnoughError(Exception):
    """The work is to end."""


@pytest.mark.usefixtures("small_spans")
@pytest.mark.parametrize("after", [1, 2, 9])
@pytest.mark.parametrize("name", FILES)
def test_the_work_ends_where_check_raises(studio: Studio, name: str, after: int) -> None:
    """What it raises comes through, and nothing is left at work: the store can be closed over and over."""
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise EnoughError

    with pytest.raises(EnoughError):
        write_file(studio.store, studio.request(0), FILES[name], studio.file, asked=Asked((), "UTC", NOW), check=check)
    assert calls == after
    assert studio.written(studio.request(2), name)


@pytest.mark.parametrize("name", FILES)
def test_a_cancelled_snapshot_ends_the_work(studio: Studio, name: str) -> None:
    def cancel(snapshot: Snapshot) -> None:
        snapshot.cancel()

    with pytest.raises(TurnoutError) as caught:
        write_file(
            studio.store, studio.request(0), FILES[name], studio.file, asked=Asked((), "UTC", NOW), on_snapshot=cancel
        )
    assert caught.value.code == "query_timeout"


def test_a_file_that_cannot_be_written(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_file(studio.store, studio.request(0), FILES["csv"], tmp_path / "no" / "file", asked=Asked((), "UTC", NOW))
    for name in FILES:
        with pytest.raises(OSError, match="No space left"):
            write_file(studio.store, studio.request(0), FILES[name], full(), asked=Asked((), "UTC", NOW))


def full() -> Path:
    """A file on a disk that is full."""
    from pathlib import Path

    return Path("/dev/full")


@pytest.mark.usefixtures("small_spans")
@pytest.mark.parametrize("name", FILES)
def test_rows_that_land_meanwhile_are_not_in_it(tmp_path: Path, name: str) -> None:
    """One snapshot, though it is read in many statements: before the first is read, half of the rows are changed."""
    studio = Studio(tmp_path)
    request = studio.request(0)
    before = studio.written(request, name)
    rows = studio.document(request)["rows"]

    def change(_: int) -> None:
        changed = [{**row, "updated_at": "2030-01-01T00:00:00Z", "status": "no_show"} for row in rows[::2]]
        import_file(studio.store, 1, [{**row, "id": row["id"] // 2 + 10**12} for row in changed] + changed)

    write_file(studio.store, request, FILES[name], studio.file, asked=Asked(EVERYTHING, "UTC", NOW), on_total=change)
    assert same(name, studio.file.read_bytes(), before)
    assert not same(name, studio.written(request, name), before)
    studio.store.close()


def same(name: str, one: bytes, other: bytes) -> bool:
    """Whether two files say the same."""
    return (
        next(iter(readers.sheets(one).values())) == next(iter(readers.sheets(other).values()))
        if name == "xlsx"
        else one == other
    )
