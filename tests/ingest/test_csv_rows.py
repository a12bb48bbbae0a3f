"""CSV files: headers, cells, quotes, lines, and everything that can be wrong with them (contract sections 5 and 9)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_rows import NEEDED, SAID_BY_NEEDED, Limits, ndjson, read

from turnout.catalog.attendances import ATTENDANCES
from turnout.ingest.csv_split import cells, csv_blocks, each_record, well_formed

HEADER = "id,updated_at,customer.id,event.id,event.starts_at,status"
ROW = "7,2026-10-01T10:00:00.071Z,11,21,2026-10-01T08:00:00Z,attended"


def table(*lines: str, end: str = "\r\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def more(column: str, cell: str) -> bytes:
    """A row with the needed columns and one more."""
    return table(f"{HEADER},{column}", f"{ROW},{cell}")


def states(column: str, cell: str) -> dict[str, Any]:
    """What one more cell states, read at once and one by one."""
    data = more(column, cell)
    fine = read(data)
    assert not fine.report
    exact = read(data + b"x\r\n")
    assert exact.said == fine.said
    (said,) = fine.said
    assert said.items() >= SAID_BY_NEEDED.items()
    return {name: value for name, value in said.items() if name not in SAID_BY_NEEDED}


def test_the_needed_columns_are_enough() -> None:
    assert read(table(HEADER, ROW)).said == [SAID_BY_NEEDED]


def test_headers_may_be_keys_other_names_and_labels() -> None:
    mixed = "ID,updated_at,customer_id,Event ID,event.starts_at,Status,Venue Name,checkin_ocurred_at"
    (said,) = read(table(mixed, f"{ROW},Hall,2026-10-01T07:55:00Z")).said
    assert said == {
        **SAID_BY_NEEDED,
        "venue_id": None,
        "venue_name": "Hall",
        "checkin_ocurred_at": 1_790_841_300_000_000,
    }


@pytest.mark.parametrize("column", ATTENDANCES.columns, ids=lambda column: column.key)
def test_every_name_of_every_column_is_understood(column: Any) -> None:
    needed = [name for name in HEADER.split(",") if name != column.key]
    for name in filter(None, (column.key, column.other_name, column.label)):
        assert read(table(",".join([*needed, name]))).report == []


def test_columns_beyond_the_report() -> None:
    assert states("venue.id,venue.timezone", "5,Europe/Berlin") == {"venue_id": 5, "venue_timezone": "Europe/Berlin"}


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", ["", "end"])
def test_ends_of_lines(end: str, bom: bytes, last: str) -> None:
    data = bom + table(HEADER, ROW, ROW.replace("7", "8", 1), end=end)
    data = data if last else data.rstrip()
    assert [row["id"] for row in read(data).said] == [7, 8]


def test_blank_lines_are_passed_over_and_counted() -> None:
    result = read(table("", HEADER, "", ROW, "", "bad", ""))
    assert len(result.said) == 1
    assert result.report == ["rows:6: the row has 1 cells; the header has 6."]


@pytest.mark.parametrize("name", ["Id", "I D", "customer.nme", "customer_emial", "Custmer ID"])
def test_an_unknown_column_is_a_fault_of_the_header(name: str) -> None:
    result = read(table(f"{HEADER},{name}", f"{ROW},x"))
    assert result.error is not None
    (report,) = result.report
    assert report.startswith(f"rows:1: {name}: {name!r} is not a column; ")
    assert " Did you mean '" in report


def test_a_column_twice_by_two_names() -> None:
    result = read(table(f"{HEADER},Customer ID", f"{ROW},11"))
    assert result.report == [
        "rows:1: customer.id: the column stands twice in the header: 'customer.id', 'Customer ID'."
    ]


def test_all_faults_of_a_header_are_listed() -> None:
    result = read(table("id,ID,updated_at,xyzzy,customer.id,event.id,status"))
    assert [fault.column for fault in result.rejects.first[0].faults] == ["id", "xyzzy", "event.starts_at"]
    assert result.rejects.count == 1


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("id;updated_at;status", "rows:1: the columns are separated by semicolons (;); commas are expected. Save it as "),
        ('"ID";"Customer ID";"Status"', "rows:1: the columns are separated by semicolons (;); commas are expected."),
        ("id;updated_at;Venue, Name", "rows:1: the columns are separated by semicolons (;); commas are expected."),
        ("sep=;", "rows:1: the columns are separated by semicolons (;); commas are expected."),
        ("id\tupdated_at", "rows:1: the columns are separated by tabs; commas are expected."),
        ("id|updated_at", "rows:1: the columns are separated by bars (|); commas are expected."),
        ("hello", "'hello' is not a column; a key, other name or label of the report is expected. A JSON document with "),
        ('id,"updated_at', "the header is malformed: the cell is opened with a quote that is not closed."),
        ("id,caf\xe9", "'café' is not a column"),
    ],
)  # fmt: skip
def test_headers_of_other_files(header: str, reason: str) -> None:
    (report, *_) = read(table(header)).report
    assert reason in report
    if "separated" in reason:
        assert len(read(table(header)).report) == 1


def test_blanks_around_names_of_a_header_do_not_count() -> None:
    assert read(table(HEADER.replace(",", ", ") + " ", ROW)).said == [SAID_BY_NEEDED]


def test_a_header_that_is_not_utf8() -> None:
    assert read(b"id,caf\xe9\n").report == ["rows:1: the byte 0xe9 is not UTF-8, which the whole file has to be."]


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        # Every column of the header states something; an empty cell says 'none'.
        ("customer.name", "", {"customer_name": None}),
        ("customer.name", '""', {"customer_name": None}),
        ("customer.name", "'=1+1", {"customer_name": "'=1+1"}),
        ("customer.name", '" a, ""b""\r\nc "', {"customer_name": ' a, "b"\r\nc '}),
        ("customer.name", "null", {"customer_name": "null"}),
        ("venue.id", "", {"venue_id": None}),
        ("venue.id", "007", {"venue_id": 7}),
        ("venue.id", '"9223372036854775807"', {"venue_id": 2**63 - 1}),
        ("venue.name", "", {"venue_id": None}),
        ("venue.name", "Hall", {"venue_id": None, "venue_name": "Hall"}),
        ("venue.id,venue.name", ",", {"venue_id": None}),
        ("venue.id,venue.name", "5,", {"venue_id": 5, "venue_name": None}),
        ("venue.timezone", "", {}),
        ("booking_source", "", {"booking_source_id": None}),
        ("booking_source,booking_source_id", "App,5", {"booking_source_id": 5, "booking_source_name": "App"}),
        ("customer_membership.id,membership_id", "5,", {"customer_membership_id": 5, "membership_id": None}),
        ("customer_membership.id,membership_name", "5,Gold", {"customer_membership_id": 5, "membership_id": None, "membership_name": "Gold"}),
        ("customer_membership.id,membership_name", ",", {"customer_membership_id": None}),
        ("booking_method", "", {"booking_method": None}),
        ("checkin.ocurred_at", "", {"checkin_ocurred_at": None}),
        ("checkin.ocurred_at", "2026-10-01 10:00", {"checkin_ocurred_at": 1_790_841_600_000_000}),
        ("is_first_attendance", "", {}),
        *((("is_first_attendance", cell, {"is_first_attendance": True})) for cell in ("true", "TRUE", "True", "1")),
        *((("is_first_attendance", cell, {"is_first_attendance": False})) for cell in ("false", "FALSE", "0")),
        ("instructors", "", {"instructor_ids": None}),
        ("instructors", "Anna", {"instructor_ids": [{"id": None, "name": "Anna"}], "instructor_name": "every"}),
        ("instructors", "'-Anna; Bo;C", {"instructor_ids": [{"id": None, "name": "'-Anna"}, {"id": None, "name": "Bo;C"}], "instructor_name": "every"}),
    ],
)  # fmt: skip
def test_what_cells_state(column: str, cell: str, said: dict[str, Any]) -> None:
    assert states(column, cell) == said


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("venue.id", "x", "'x' is not an id; an integer from 1 to 9223372036854775807 is expected."),
        ("venue.id", "0", "'0' is not an id; an integer from 1 to 9223372036854775807 is expected."),
        ("venue.id", " 5", "' 5' is not an id; an integer from 1 to 9223372036854775807 is expected. Did you mean 5?"),
        ("venue.id", "5.0", "'5.0' is not an id; an integer from 1 to 9223372036854775807 is expected. Did you mean 5?"),
        ("venue.id", "٣", "'٣' is not an id; an integer from 1 to 9223372036854775807 is expected."),
        ("venue.id", "-5", "'-5' is not an id; an integer from 1 to 9223372036854775807 is expected."),
        ("venue.id", "9" * 5_000, f"'{'9' * 80}…' is not an id; an integer from 1 to 9223372036854775807 is expected."),
        ("booking_method", "Free", "'Free' is not one of the choices: dropin, free, membership. Did you mean 'free'?"),
        ("is_first_attendance", "yes", "'yes' is not a boolean; 'true', 'false', '1' or '0' is expected."),
        ("event.ends_at", "soon", "'soon' is not a date-time; RFC 3339 is expected, such as "),
        ("customer.name", "a\0b", "'a\\x00b' has a NUL character, which no text may have."),
        ("customer.name", "x" * 10_001, "has 10001 characters; the most is 10000."),
        ("instructors", "Anna; ", "'Anna; ' has an empty name; names are joined with '; '."),
        ("instructors", "x" * 10_001, "has 10001 characters; the most is 10000."),
        ("venue.timezone", "UTC", "'UTC' belongs to nothing: venue.id or venue.name is needed with it."),
        ("customer_membership.membership.name", "Gold", "'Gold' belongs to nothing: customer_membership.id is needed with it."),
        ("customer.name", 'a"b', "a quote stands inside the cell; the whole cell has to be quoted, and the quote doubled."),
        ("customer.name", '"a"b', "something stands between the closing quote and the next comma."),
        ("customer.name", '"ab', "the cell is opened with a quote that is not closed."),
        ("customer.name", "a\rb", "a carriage return stands alone in the cell, which is not quoted."),
    ],
)  # fmt: skip
def test_faults_of_cells(column: str, cell: str, reason: str) -> None:
    result = read(more(column, cell) + table(f"{ROW},"))
    assert [text for text in result.report if text.startswith("rows:2: ")] == result.report
    ((line, at),) = result.faults
    assert (line, at) == (2, column)
    assert reason in result.report[0]
    assert len(result.said) == 1


def test_needed_cells_may_not_be_empty() -> None:
    result = read(table(HEADER, ",,,,,"))
    assert sorted(result.faults) == sorted((2, name) for name in HEADER.split(","))


def test_a_row_with_too_many_or_too_few_cells() -> None:
    result = read(table(HEADER, ROW + ",x", ROW, "7,x"))
    assert result.report == [
        "rows:2: the row has 7 cells; the header has 6. Is a comma inside a cell that is not quoted?",
        "rows:4: the row has 2 cells; the header has 6.",
    ]
    assert len(result.said) == 1


def test_lines_are_physical_where_the_row_starts() -> None:
    name = '"a\r\nb\r\n"'
    result = read(table(f"{HEADER},event.name", f"{ROW},{name}", "x", f"{ROW},{name}", f"0{ROW[1:]},{name}", "y"))
    assert result.faults == [(5, ""), (9, "id"), (12, "")]


def test_a_byte_that_is_not_utf8_is_a_fault_with_its_line() -> None:
    result = read(
        more("customer.name", "a")
        + more("customer.name", "Zo\xeb").split(b"\r\n")[1].decode().encode("latin-1")
        + b"\r\n"
    )
    assert result.report == ["rows:3: the byte 0xeb is not UTF-8, which the whole file has to be."]
    assert len(result.said) == 1


def test_a_quote_that_is_never_closed_costs_one_line() -> None:
    good = [f"{ROW},x" for _ in range(2_000)]
    result = read(table(f"{HEADER},customer.name", *good, f'{ROW},"x', *good), block=4_096)
    assert result.faults == [(2_002, "customer.name")]
    assert len(result.said) == 4_000


def test_an_open_quote_waits_no_longer_than_a_row_may_be() -> None:
    good = [f"{ROW},x" for _ in range(2_000)]
    lines = table(f"{HEADER},customer.name", f'{ROW},"x', *good, f'{ROW},x"', *good)
    result = read(lines, block=4_096, limits=Limits(row=20_000))
    assert result.faults == [(2, "customer.name"), (2_003, "customer.name")]
    assert len(result.said) == 4_000


def test_a_long_line_is_a_fault() -> None:
    result = read(table(HEADER, ROW, "x" * 30_000), block=4_096, limits=Limits(row=20_000))
    assert result.report == ["rows:3: the row that starts here is longer than 20000 bytes."]
    assert result.error is not None


# Against the standard library's reader


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab",\r\n é'), max_size=5), min_size=2, max_size=4), min_size=1, max_size=6
    ),
    # Ending lines with LF alone, the module quotes no carriage return of itself.
    st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\n")]),
    st.integers(1, 40),
)
def test_records_are_those_of_the_csv_module(rows: list[list[str]], dialect: Any, size: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=dialect[0], lineterminator=dialect[1]).writerows(rows)
    data = out.getvalue().encode()
    blocks = csv_blocks((data[n : n + size] for n in range(0, len(data), size)), 1 << 20)
    found = [record for block in blocks for record in each_record(block.data, block.first_line)]
    assert [[cell.decode() for cell in cells(record.data)] for record in found] == rows
    assert not any(record.malformed for record in found)
    lines = data.decode().split("\n")
    assert all(record.data.decode().startswith(lines[record.line - 1]) for record in found)


@given(st.text(st.sampled_from('a",\r\n'), max_size=30), st.integers(1, 40))
def test_malformed_text_is_cut_into_all_of_its_lines(text: str, size: int) -> None:
    data = text.encode()
    blocks = list(csv_blocks((data[n : n + size] for n in range(0, len(data), size)), 1 << 20))
    assert b"".join(block.data for block in blocks).removesuffix(b"\n") == data.removesuffix(b"\n")
    line = 1
    for block in blocks:
        records = list(each_record(block.data, block.first_line))
        assert b"".join(record.data for record in records) == block.data
        if block.well_formed:
            assert not any(record.malformed for record in records)
        for record in records:
            assert record.line == line
            line += record.data.count(b"\n")


@given(st.text(st.sampled_from('a",\r\n'), max_size=30).map(lambda text: text + "\n"))
def test_well_formed_text_is_what_the_grammar_says(text: str) -> None:
    """Only a carriage return alone in a quoted cell, which the grammar allows, is left to the slower way."""
    data = text.encode()
    regular = not any(record.malformed for record in each_record(data, 1))
    alone = data.count(b"\r") > data.count(b"\r\n")
    assert (well_formed(data) == len(data)) == (regular and not alone)


def test_the_row_of_a_reject_is_an_object_from_header_to_cell() -> None:
    result = read(table("ID,updated_at,Customer ID,event.id,event.starts_at,status", ROW.replace("7", "x", 1), "a,b"))
    first, second = map(json.loads, result.written.splitlines())
    assert first["row"] == {
        "ID": "x", "updated_at": "2026-10-01T10:00:00.071Z", "Customer ID": "11", "event.id": "21",
        "event.starts_at": "2026-10-01T08:00:00Z", "status": "attended",
    }  # fmt: skip
    assert (first["line"], first["column"]) == (2, "id")
    assert second["row"] == "a,b"


def test_csv_and_json_state_the_same() -> None:
    assert read(table(HEADER, ROW)).said == read(ndjson(NEEDED)).said
