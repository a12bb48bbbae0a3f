"""XLSX: what a spreadsheet shows, sheets that are full, and the sheet that says what was asked (contract section 9)."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import openpyxl
import pyarrow as pa
import pytest

from exports import readers
from exports.studio import EVERYTHING, NOW, Studio
from inside import import_file
from oracle import calendar
from turnout.exports import FILES, Asked, write_file
from turnout.output import xlsx
from turnout.output.files import Whole
from turnout.query.dialect import DUCKDB
from turnout.query.plan import plan
from turnout.query.sql import all_statement

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.query.request import ReportRequest

ASKED = (("status", "attended,no_show"), ("customers", ",".join(map(str, range(10**18, 10**18 + 1000)))))


def workbook(studio: Studio, request: ReportRequest, **limits: int) -> bytes:
    """A workbook whose sheets are full sooner."""
    the_plan = plan(request, DUCKDB, with_order_keys=False)
    with studio.store.snapshot(None) as snapshot:
        batches = list(snapshot.columns(all_statement(the_plan), 10))
    whole = Whole(request, the_plan, sum(map(len, batches)), Asked(ASKED, str(request.reading_zone), NOW))
    made = io.BytesIO()
    xlsx.write(whole, batches, made, **limits)
    return made.getvalue()


def said(sheet: list[list[Any]]) -> list[tuple[Any, Any]]:
    return [(label, value) for label, value in sheet]


def test_a_sheet_has_as_many_rows_as_the_format_allows() -> None:
    assert xlsx.MOST_ROWS == 2**20 - 1


@pytest.mark.parametrize("limits", [{"most_rows": 70}, {"most_rows": 7}, {"most_bytes": 100_000}, {"most_bytes": 0}])
def test_further_sheets(studio: Studio, limits: dict[str, int]) -> None:
    """The rows go on under the same header, and the sheet "Report", still the second, says how many are where."""
    request = studio.request(0)
    whole, one_sheet = readers.sheets(workbook(studio, request)), workbook(studio, request, **limits)
    (title, rows), *_ = whole.items()
    found = readers.sheets(one_sheet)
    assert list(found)[1] == "Report"
    with ZipFile(io.BytesIO(one_sheet)) as parts:
        sheets = [parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets/sheet")]
    assert sum(b"tabSelected" in sheet for sheet in sheets) == 1, "what is typed goes into one sheet"
    data = {name: cells for name, cells in found.items() if name != "Report"}
    assert list(data) == [title, *(f"{title} {number}" for number in range(2, len(data) + 1))]
    assert all(cells[0] == rows[0] for cells in data.values())
    assert [row for cells in data.values() for row in cells[1:]] == rows[1:]
    counts = {f"Rows on the sheet {name!r}": len(cells) - 1 for name, cells in data.items()}
    assert len(counts) > 1
    assert counts.items() <= dict(said(found["Report"])).items()
    if "most_rows" in limits:
        assert [len(cells) - 1 for cells in data.values()][:-1] == [limits["most_rows"]] * (len(data) - 1)


def test_the_sheet_that_says_what_was_asked(studio: Studio) -> None:
    request = studio.request(0, (*EVERYTHING, ("timezone", "Asia/Kathmandu")))
    _, sheet = readers.sheets(workbook(studio, request)).values()
    local = calendar.local(NOW, "Asia/Kathmandu").replace(tzinfo=None)
    assert said(sheet)[:6] == [
        ("Report", "Attendances Report"),
        ("Data of", local),
        ("Time zone", "Asia/Kathmandu"),
        ("Rows", len(studio.data[0].rows)),
        ("Asked for", None),
        ("status", "attended,no_show"),
    ]
    # It is too long for one cell.
    assert "".join(value for label, value in said(sheet) if label == "customers") == dict(ASKED)["customers"]


def test_the_header_stays_and_columns_are_wide_enough(studio: Studio) -> None:
    data = workbook(studio, studio.request(0))
    book = openpyxl.load_workbook(io.BytesIO(data))
    sheet = book.worksheets[0]
    assert sheet.freeze_panes == "A2"
    assert all(cell.font.b for cell in sheet[1])
    with ZipFile(io.BytesIO(data)) as parts:
        cols = re.findall(rb'<col min="(\d+)" max="(\d+)" width="([\d.]+)"', parts.read("xl/worksheets/sheet1.xml"))
    widths = [float(width) for first, last, width in cols for _ in range(int(first), int(last) + 1)]
    assert all(width > len(cell.value) for width, cell in zip(widths, sheet[1], strict=True))
    dates = [cell for row in sheet.iter_rows(min_row=2) for cell in row if isinstance(cell.value, datetime)]
    assert {cell.number_format for cell in dates} == {"yyyy-mm-dd hh:mm:ss"}


NASTY = {
    "id": 2**53 + 1,
    "updated_at": "2024-03-31T01:30:00.000001Z",
    "customer": {
        "id": 2**53,
        "name": "=1+1",
        "email": '"quoted", <b>&amp;</b>',
        "thumbnail_url": " two\r\nlines\t\x0b\x1f",
    },
    "event": {
        "id": 1,
        "starts_at": "1899-12-31T23:59:59Z",
        "ends_at": "1900-03-01T00:00:00Z",
        "name": "_x000D_ \\ \U0001f9d8 \ufffe",
    },
    "offering_type": {"id": 1, "name": None},
    "venue": None,
    "instructors": [{"id": 2, "name": "-Zoë"}, {"id": 1, "name": None}, {"id": 3, "name": "Ａ; B"}],
    "customer_membership": {"id": 2**63 - 1, "membership": None},
    "booking_source": {"id": 4, "name": "+44"},
    "status": "attended",
    "checkin": {"ocurred_at": "9999-12-31T23:59:59.5Z"},
}
# fmt: off
GOLDEN_JSON = (
    '{"id":9007199254740993,"updated_at":"2024-03-31T01:30:00.000001Z","customer":{"id":9007199254740992,"name":"=1+1",'
    '"email":"\\"quoted\\", <b>&amp;</b>","thumbnail_url":" two\\r\\nlines\\t\\u000b\\u001f"},"event":{"id":1,'
    '"starts_at":"1899-12-31T23:59:59Z","ends_at":"1900-03-01T00:00:00Z","name":"_x000D_ \\\\ \U0001f9d8 \ufffe","type":"class"},'
    '"offering_type":{"id":1,"name":null},"venue":null,"instructors":[{"id":2,"name":"-Zoë"},{"id":3,"name":"Ａ; B"},'
    '{"id":1,"name":null}],"booking_method":null,"customer_membership":{"id":9223372036854775807,"membership":null},'
    '"booking_source":"+44","booking_source_id":4,"status":"attended","checkin":{"ocurred_at":"9999-12-31T23:59:59.500Z"},'
    '"is_first_attendance":true}'
)
GOLDEN_CSV = (
    '9007199254740993,2024-03-31T01:30:00.000001Z,9007199254740992,\'=1+1,"""quoted"", <b>&amp;</b>"," two\r\nlines\t\x0b\x1f",'
    "1,1899-12-31T23:59:59Z,1900-03-01T00:00:00Z,_x000D_ \\ \U0001f9d8 \ufffe,class,1,,,,'-Zoë; Ａ; B,,9223372036854775807,,,'+44,4,attended,"
    "9999-12-31T23:59:59.500Z,true\r\n"
)
T = '" t="inlineStr"><is><t xml:space="preserve">'
GOLDEN_XLSX = (
    f'<row r="2"><c r="A2{T}9007199254740993</t></is></c><c r="B2" s="1"><v>45382.062500000015</v></c>'
    f'<c r="C2"><v>9007199254740992</v></c><c r="D2{T}=1+1</t></is></c>'
    f'<c r="E2{T}"quoted", &lt;b&gt;&amp;amp;&lt;/b&gt;</t></is></c><c r="F2{T} two_x000D_\nlines\t_x000B__x001F_</t></is></c>'
    f'<c r="G2"><v>1</v></c><c r="H2{T}1899-12-31T23:59:59+00:00</t></is></c><c r="I2" s="1"><v>61</v></c>'
    f'<c r="J2{T}_x005F_x000D_ \\ \U0001f9d8 _xFFFE_</t></is></c><c r="K2{T}class</t></is></c><c r="L2"><v>1</v></c>'
    f'<c r="P2{T}-Zoë; Ａ; B</t></is></c><c r="R2{T}9223372036854775807</t></is></c>'
    f'<c r="U2{T}+44</t></is></c><c r="V2"><v>4</v></c><c r="W2{T}attended</t></is></c>'
    '<c r="X2" s="1"><v>2958465.9999942128</v></c><c r="Y2" t="b"><v>1</v></c></row>'
)
# fmt: on


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """The studio without rows, in UTC, with one."""
    studio = Studio(tmp_path_factory.mktemp("nasty"))
    import_file(studio.store, 4, [NASTY])
    return studio


def nasty_request(studio: Studio) -> ReportRequest:
    request = studio.request(3)
    return replace(request, scope=replace(request.scope, zone=ZoneInfo("UTC")))


def test_golden_bytes(nasty: Studio) -> None:
    """A row with every value that is hard to write, in each format that is text."""
    request = nasty_request(nasty)
    assert nasty.written(request, "ndjson").decode() == GOLDEN_JSON + "\n"
    assert nasty.written(request, "csv").decode().partition("\r\n")[2] == GOLDEN_CSV
    with ZipFile(io.BytesIO(nasty.written(request, "xlsx"))) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.partition("</row>")[2].partition("</sheetData>")[0] == GOLDEN_XLSX


def test_texts_that_are_too_long_are_cut_and_told(studio: Studio) -> None:
    """Nothing is lost in silence: 32,767 UTF-16 units fit in a cell."""
    request = studio.request(0, (("columns", "id,customer.name,instructors"),))
    the_plan = plan(request, DUCKDB, with_order_keys=False)
    batch = pa.record_batch(
        {
            "customer_id": [1, 2, 3],
            "id": [1, 2, 3],
            "customer_name": ["x" * 32_767, "x" * 32_768, "\U0001f9d8" * 16_384],
            "instructor_ids": pa.array([[1], [1, 2], []], pa.list_(pa.int64())),
            "instructor_names": [["a"], ["b" * 20_000, "c" * 20_000], []],
        }
    )
    made = io.BytesIO()
    xlsx.write(Whole(request, the_plan, 3, Asked((), "UTC", NOW)), [batch], made)
    first, second = readers.sheets(made.getvalue()).values()
    cells = dict(zip(first[0], zip(*first[1:], strict=True), strict=True))
    assert cells["Customer Name"] == ("x" * 32_767, "x" * 32_767, "\U0001f9d8" * 16_383)
    assert cells["Instructors"] == ("a", "b" * 20_000 + "; " + "c" * 12_765, None)
    notes = [value for label, value in said(second) if label == "Note"]
    assert [note.partition(" are longer")[0] for note in notes] == [
        "2 texts of the column 'Customer Name'",
        "1 texts of the column 'Instructors'",
    ]


def opened(data: bytes, directory: Path) -> list[list[list[str]]]:
    """The sheets as LibreOffice shows them."""
    program = shutil.which("soffice")
    assert program, "LibreOffice is needed; on Debian: apt-get install libreoffice-calc-nogui"
    (directory / "report.xlsx").write_bytes(data)
    form = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    home = f"-env:UserInstallation=file://{directory}/home"
    subprocess.run(
        [program, home, "--headless", "--convert-to", form, "--outdir", directory, directory / "report.xlsx"],
        check=True,
        capture_output=True,
    )
    files = [directory / f"report-{name}.csv" for name in ("Attendances Report", "Report")]
    return [list(csv.reader(io.StringIO(file.read_text("utf-8"), newline=""))) for file in files]


def shown(value: Any) -> str:
    """How a spreadsheet shows a cell."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


def test_libreoffice_opens_it(studio: Studio, tmp_path: Path) -> None:
    """Another program's reading of the workbook: every cell of every row as it should be shown."""
    request = studio.request(0)
    zone = str(request.reading_zone)
    rows, report = opened(studio.written(request, "xlsx"), tmp_path)
    wanted = [
        [shown(readers.as_cell(key, value, zone)) for key, value in row.items()]
        for row in readers.flat(studio.document(request))
    ]
    assert rows[0] == [column.label for column in request.columns]
    assert [len(row) for row in rows[1:]] == [len(row) for row in wanted]
    assert [
        (cell, value)
        for row, values in zip(rows[1:], wanted, strict=True)
        for cell, value in zip(row, values, strict=True)
        if not looks_like(cell, value)
    ] == []
    assert ["Time zone", zone] in report


def looks_like(cell: str, wanted: str) -> bool:
    """The same text, whatever its line ends; the same time, however half a second is rounded."""
    try:
        return abs(datetime.fromisoformat(cell) - datetime.fromisoformat(wanted)) <= timedelta(seconds=1)
    except ValueError:
        return cell.splitlines() == wanted.splitlines()


def test_a_file_of_the_same_report_is_the_same(studio: Studio) -> None:
    for name in FILES:
        assert studio.written(studio.request(0), name) == studio.written(studio.request(0), name)


def test_what_was_asked_is_in_the_file(studio: Studio) -> None:
    write_file(studio.store, studio.request(2), FILES["xlsx"], studio.file, asked=Asked((("bom", "=1+1"),), "UTC", NOW))
    assert ("bom", "=1+1") in said(readers.sheets(studio.file.read_bytes())["Report"])
