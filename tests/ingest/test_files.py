"""Files of rows: their forms, told by content; packing, ends, limits, rejects (contract sections 5 and 9)."""

from __future__ import annotations

import gzip
import io
import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_rows import BERLIN, FULL, NEEDED, Limits, Pipe, bad, line, ndjson, read

from turnout.errors import NON_FIELD, TurnoutError
from turnout.ingest.faults import FORMS as FORMS_UNDERSTOOD
from turnout.ingest.faults import MOST_BAD, BadRow, Fault, Rejects
from turnout.ingest.files import read_file
from turnout.ingest.json_split import array, document

HEADERS = [{"label": 'a } ] " \\', "key": ["rows"]}]
TWO = [FULL, {**NEEDED, "id": 8, "customer": {"id": 3, "name": 'a "b" \\ } ] , é'}}]
SAID = read(ndjson(*TWO)).said


def spaced(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode()


FORMS = {
    "ndjson": ndjson(*TWO),
    "ndjson without the last end": ndjson(*TWO).rstrip(),
    "ndjson with blank lines": b"\n \n" + ndjson(*TWO).replace(b"\n", b"\r\n\r\n"),
    "array": line(TWO),
    "array over lines": b"\n" + spaced(TWO) + b"\n\n",
    "document": line({"total": 2, "column_headers": HEADERS, "rows": TWO}),
    "document over lines": b"\n " + spaced({"total": 2, "column_headers": HEADERS, "rows": TWO}) + b"\n",
    "document, rows first": line({"rows": TWO, "total": 2, "column_headers": HEADERS}),
    "document, rows between": spaced({"column_headers": HEADERS, "rows": TWO, "total": 2}),
    "document, rows alone": line({"rows": TWO}),
    "document with more members": line({"total": None, "next": {"rows": [1]}, "rows": TWO, "x": [{"rows": []}]}),
}
EMPTY = {
    "nothing": b"",
    "blanks": b" \r\n\n",
    "a mark": b"\xef\xbb\xbf",
    "array": b" [ \n ]",
    "document": line({"total": 0, "column_headers": HEADERS, "rows": []}),
    "csv": b"id,updated_at,customer.id,event.id,event.starts_at,status",
}


@pytest.mark.parametrize("block", [64, 100, 1 << 20])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "mark"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_are_told_by_content(form: str, mark: bytes, pack: Any, block: int) -> None:
    if form.startswith("document") and block < 1 << 20:
        block = 512  # what stands before the rows has to be in the first block
    result = read(pack(mark + FORMS[form]), block=block)
    assert result.report == []
    assert result.said == SAID
    assert [seq for batch in result.batches for seq in batch["seq"].to_pylist()] == [0, 1]


@pytest.mark.parametrize("form", EMPTY)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_a_file_without_rows(form: str, pack: Any) -> None:
    result = read(pack(EMPTY[form]), partial=False)
    assert (result.said, result.report, result.error) == ([], [], None)


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_a_pipe_may_hand_out_as_little_as_it_likes(most: int) -> None:
    rejects = Rejects("-")
    batches = list(read_file(Pipe(gzip.compress(FORMS["array"]), most), BERLIN, rejects))
    assert sum(batch.num_rows for batch in batches) == 2


def test_packed_members_may_follow_each_other() -> None:
    first, second = (gzip.compress(ndjson(row)) for row in TWO)
    assert read(first + gzip.compress(b"") + second + b"\0" * 500).said == SAID


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(ndjson(*TWO))[:-9], "the gzip data is damaged from here on: it ends in the middle."),
        (gzip.compress(ndjson(*TWO)) + b"more", "the gzip data is damaged from here on: "),
        (gzip.compress(ndjson(*TWO))[:-8] + b"\0" * 8, "the gzip data is damaged from here on: "),
        (gzip.compress(gzip.compress(b"")), "the file is gzip inside gzip; unpack it once."),
        ("id\n".encode("utf-16"), "the file is UTF-16 text; save it as UTF-8."),
        ("id\n".encode("utf-16-be").join([b"\xfe\xff", b""]), "the file is UTF-16 text; save it as UTF-8."),
        (b"PK\x03\x04...", "the file is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV UTF-8."),
        (b'{\n "id": 5\n}\n', "an object goes over several lines, outside a list of rows. A JSON document with "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_files_that_are_not_ours(data: bytes, reason: str) -> None:
    result = read(data)
    assert result.error is not None
    assert result.rejects.count == 1
    assert reason in result.report[0]


@pytest.mark.parametrize("value", ["5", "-5.5e3", "null", "true", "NaN", "-Infinity"])
@pytest.mark.parametrize("end", ["", "\r\n{}\n"], ids=["alone", "first"])
def test_a_json_value_that_is_no_row_is_not_taken_for_a_header(value: str, end: str) -> None:
    result = read(f"\n {value}{end}".encode())
    assert result.error is not None
    assert result.report == [f"rows:2: found {value}; rows are expected. {FORMS_UNDERSTOOD}"]


CUT = spaced({"total": 2, "column_headers": HEADERS, "rows": TWO})


@pytest.mark.parametrize("text", [CUT, spaced(TWO), line(TWO)], ids=["document", "array", "array on a line"])
def test_a_json_file_cut_off_anywhere_is_a_fault(text: bytes) -> None:
    """Also with `--rejects`: a file that was not read to its end is not silently short."""
    for end in range(1, len(text)):
        result = read(text[:end], block=512)
        assert result.error is not None, text[:end]
        assert result.error.code == "rows_rejected"
        assert result.rejects.count == 1
        assert 1 <= result.rejects.first[0].line <= text.count(b"\n", 0, end) + 1


@pytest.mark.parametrize(
    ("text", "report"),
    [
        (b"[\n{}] \n x", "rows:3: the file goes on after the end of its array."),
        (b"[\n{}}", "rows:2: the JSON is malformed: '}' closes the list of rows."),
        (b'[\n{"id": 5,\n', "rows:2: the file ends in the middle of its rows; it is cut off."),
        (b'{"total": 5,\n"rows": {}}', "rows:2: the JSON is malformed here: '[' is expected."),
        (b'{"total": 5\n}', "rows:2: the JSON is malformed here: the document has no member 'rows'."),
        (b'{"total": 5\n "rows": []}', "rows:2: the JSON is malformed here: ',' is expected."),
        (b'{"total": 5, \n5: []}', "rows:2: the JSON is malformed here: a member's name is expected."),
        (b'{"total": ' + b"[" * 100_000, "rows:1: the JSON is nested too deeply."),
        (b'{"rows": []\n,"rows": []}', "rows:2: the JSON is malformed here: the document has the member 'rows' twice."),
        (b'{"rows": []}\n\n{}', "rows:3: the JSON is malformed here: the file goes on after the end of the document."),
        (b'{"rows": []\n,"total": }', "rows:2: the JSON is malformed here: expecting value."),
        (b'{"rows": []', "rows:1: the file ends in the middle of its document; it is cut off."),
    ],
)  # fmt: skip
def test_malformed_documents(text: bytes, report: str) -> None:
    result = read(text)
    assert result.error is not None
    assert result.report[-1] == report


@pytest.mark.parametrize("block", [512, 1 << 20])
def test_lines_of_rows_in_a_list(block: int) -> None:
    """The line is where the row starts, in lists and documents too."""
    good = json.dumps(NEEDED, indent=1).encode()
    rows = b"[\n" + good + b',\n\n{"id":\n0},' + good + b",\n5\n,\n" + good + b"]"
    first, second = 4 + good.count(b"\n"), 7 + 2 * good.count(b"\n") - 1
    assert {number for number, _ in read(rows, block=block).faults} == {first, second}
    document_ = b'{"total": 5,\n"rows":\n' + rows + b"}"
    assert {number for number, _ in read(document_, block=block).faults} == {first + 2, second + 2}


def test_empty_places_in_a_list() -> None:
    result = read(b"[" + line(NEEDED) + b",\n,\n" + line(NEEDED) + b",\n]")
    reason = "there is no row between two commas, or after the last."
    assert result.report == [f"rows:2: {reason}", f"rows:4: {reason}"]
    assert len(result.said) == 2


@given(
    st.lists(
        st.recursive(
            st.none() | st.integers() | st.text(st.sampled_from('a"\\{}[],é'), max_size=6),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", '"', "rows"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=8,
    ),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.integers(1, 60) | st.just(1_000_000),
)
def test_elements_are_those_of_the_json_module(values: list[Any], indent: int | None, ascii_: bool, size: int) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_).encode()
    blocks = (text[n : n + size] for n in range(0, len(text), size))
    found = [row for chunk in array(blocks, 1 << 20) for row in chunk.rows]
    assert list(map(json.loads, found)) == values
    text = b'{"total": 5, "column_headers": [], "rows":' + text + b"}"
    blocks = (text[n : n + max(size, 50)] for n in range(0, len(text), max(size, 50)))
    found = [row for chunk in document(blocks, 1 << 20) for row in chunk.rows]
    assert list(map(json.loads, found)) == values


# Limits


@pytest.mark.parametrize("form", ["ndjson", "array", "document"])
def test_a_giant_row_is_a_fault(form: str) -> None:
    giant = {**NEEDED, "customer": {"id": 1, "name": "x" * 50_000}}
    rows = [NEEDED, giant, NEEDED]
    text = {"ndjson": ndjson(*rows), "array": b"[\n" + b",\n".join(map(line, rows)) + b"]"}
    text["document"] = b'{"rows":' + text["array"] + b"}"
    for block in (512, 40_000, 1 << 20):
        result = read(text[form], block=block, limits=Limits(row=45_000))
        assert result.error is not None
        number = 2 if form == "ndjson" else 3
        assert result.report == [f"rows:{number}: the row that starts here is longer than 45000 bytes."]


def test_well_packed_data_is_unpacked_in_blocks() -> None:
    """A few kilobytes that unpack to very much are a fault, not an end of memory."""
    result = read(gzip.compress(b" " * 10 + b"x" * (1 << 26)), limits=Limits(row=1 << 20))
    assert result.report == ["rows:1: the row that starts here is longer than 1048576 bytes."]


# Bad rows


def test_with_one_bad_row_nothing_more_is_handed_out_but_all_is_checked() -> None:
    rows = ndjson(*[NEEDED] * 3_000, {}, *[NEEDED] * 3_000, {"id": 5})
    result = read(rows, partial=False)
    assert result.error is not None
    assert result.error.code == "rows_rejected"
    assert result.rejects.count == 2
    assert sum(batch.num_rows for batch in result.batches) < 3_001
    assert {number for number, _ in result.faults} == {3_001, 6_002}


@pytest.mark.parametrize("form", ["ndjson", "array", "csv"])
def test_a_file_of_bad_rows_is_not_read_to_its_end(form: str) -> None:
    """A small packed body can hold many millions of them; with `partial` the good rows among them are wanted."""
    count = MOST_BAD * 2
    data = {"ndjson": b"{}\n" * count, "array": b"[%s{}]" % (b"{},\n" * (count - 1))}
    data["csv"] = EMPTY["csv"] + b"\n" + b"x,,,,,\n" * count
    result = read(gzip.compress(data[form]), partial=False)
    assert MOST_BAD <= result.rejects.count < MOST_BAD + 1_000
    assert result.error is not None
    least = f"At least {result.rejects.count:,} rows were rejected"
    assert result.error.message == f"{least}, where reading stopped; nothing was changed."
    assert (result.error.code, result.error.fields) == ("rows_rejected", {})
    assert len(result.rejects.first) == 100
    assert read(data[form]).rejects.count == count


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize("row", [NEEDED, {}], ids=["good", "bad"])
def test_whoever_is_told_of_the_progress_can_end_it(row: dict[str, Any], partial: bool) -> None:
    """Within one block as well, where its rows are checked one by one."""
    told: list[int] = []

    def end(_size: int, rows: int) -> None:
        told.append(rows)
        raise OSError("enough")

    with pytest.raises(OSError, match="enough"):
        read(ndjson(*[row] * 3_000), partial=partial, on_progress=end, block=1 << 20)
    assert told == [3_000 if row else 512]


def test_partial_hands_out_the_good_rows_numbered_without_gaps() -> None:
    rows = [{**NEEDED, "id": n} if n % 7 else {"id": n} for n in range(5_000)]
    result = read(ndjson(*rows))
    assert result.error is None
    assert [row["id"] for row in result.said] == [n for n in range(5_000) if n % 7]
    seqs = [seq for batch in result.batches for seq in batch["seq"].to_pylist()]
    assert seqs == list(range(len(result.said)))
    assert result.rejects.count == 715


def test_the_first_hundred_are_kept_and_all_are_written() -> None:
    result = read(ndjson(*[{"id": n} for n in range(250)]))
    assert result.rejects.count == 250
    assert [row.line for row in result.rejects.first] == list(range(1, 101))
    written = [json.loads(each) for each in result.written.splitlines()]
    assert [each["line"] for each in written] == list(range(1, 251))
    assert [each["row"] for each in written] == [{"id": n} for n in range(250)]


def test_what_a_reject_says() -> None:
    result = read(ndjson({**NEEDED, "id": 0, "status": "x"}))
    (document_,) = map(json.loads, result.written.splitlines())
    assert list(document_) == ["line", "number", "column", "reason", "row"]
    assert (document_["line"], document_["column"]) == (1, "id")
    first, second = bad({**NEEDED, "id": 0, "status": "x"})
    assert document_["reason"] == f"{first[1]} Also status: {second[1]}"
    assert result.report == [f"rows:1: id: {first[1]}", f"rows:1: status: {second[1]}"]
    (kept,) = result.rejects.first
    assert kept.document(with_row=False) == {name: document_[name] for name in ("line", "number", "column", "reason")}


def test_which_rows_of_one_line_are_bad() -> None:
    rows = [{**NEEDED, "id": n, "status": "x" if n % 3 == 0 else "attended"} for n in range(1, 20_001)]
    result = read(json.dumps(rows).encode(), partial=True)
    written = [json.loads(each) for each in result.written.splitlines()]
    assert {each["line"] for each in written} == {1}
    assert [each["number"] for each in written] == [row["id"] for row in rows if row["status"] == "x"]
    assert [bad.number for bad in result.rejects.first] == [each["number"] for each in written[:100]]


@pytest.mark.parametrize(
    ("row", "as_came"),
    [
        (b'{ "id" : 1.50, "id":"x",\t"n":[1, 2] }', b'{"id":1.50,"id":"x","n":[1,2]}'),
        (b'{"id": "\\ud800"}', b'{"id": "\\ud800"}'),
        (b'{"id": 1e999}', b'{"id":1e999}'),
        (b'{"id": ' + b"9" * 2000 + b"}", b'{"id":' + b"9" * 2000 + b"}"),
        (
            b'{"id": ' + b"9" * 2000 + b', "n": "\\ud800"}',
            b'"{\\"id\\": ' + b"9" * 2000 + b', \\"n\\": \\"\\\\ud800\\"}"',
        ),
        (b'{"id": ', b'"{\\"id\\": "'),
        (b'{"id": "\xe9"}\r', b'"{\\"id\\": \\"\\\\xe9\\"}"'),
    ],
)
def test_a_reject_has_the_row_as_it_came(row: bytes, as_came: bytes) -> None:
    written = read(row + b"\n").written
    assert written.endswith(b',"row":' + as_came + b"}\n")
    assert json.loads(written)["line"] == 1


def test_rejected_rows_are_not_held() -> None:
    rejects = Rejects("rows")
    rejects.add(BadRow(1, (Fault("id", "missing"),), b"x" * 1_000))
    assert rejects.first == [BadRow(1, (Fault("id", "missing"),))]


def test_progress_is_told_in_bytes_of_the_file_and_rows() -> None:
    rng = random.Random(5)
    rows = [{**NEEDED, "id": n, "customer": {"id": 1, "name": str(rng.random())}} for n in range(1, 3_000)]
    data = gzip.compress(ndjson(*rows, {}))
    told: list[tuple[int, int]] = []
    read(data, on_progress=lambda size, count: told.append((size, count)), block=20_000)
    assert len(told) > 2
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(told))
    assert told[-1] == (len(data), 3_000)
    assert told[0][0] < len(data)


def test_what_goes_wrong_with_the_source_comes_through() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(read_file(Broken(), BERLIN, Rejects("rows")))


def test_a_file_that_cannot_be_read_names_itself() -> None:
    rejects = Rejects("rows.json")
    with pytest.raises(TurnoutError, match=r"rows\.json cannot be read beyond line 3; nothing was changed\.") as caught:
        list(read_file(io.BytesIO(b"[\n{}\n,"), BERLIN, rejects, partial=True))
    assert caught.value.fields[NON_FIELD] == list(rejects.report())[-1:]
