"""Chunks read at once and rows read one by one agree, whatever comes: what the fast path takes, the exact one takes
too, and makes the same of it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ingest_rows import BERLIN, FULL, NEEDED, ndjson, read

from turnout.catalog.attendances import BOOKING_METHODS, EVENT_TYPES, STATUSES
from turnout.ingest.columns import ColumnChecker, UnfitError
from turnout.ingest.csv_rows import csv_chunks
from turnout.ingest.faults import BadRow, FileFaultError, Limits
from turnout.ingest.fields import FIELDS, HEADERS
from turnout.ingest.json_rows import JsonChunk
from turnout.ingest.rows import RowChecker, batch_of

if TYPE_CHECKING:
    from turnout.ingest.files import Chunk

LIMITS = Limits(text=20, row=1 << 20)
FAST = ColumnChecker(BERLIN, LIMITS)
EXACT = RowChecker(BERLIN, LIMITS)
MANY = settings(max_examples=200, deadline=None)
ABSENT = object()


def agree(chunk: Chunk) -> bool:
    """Check that the fast path makes of a chunk what the exact one does, if it takes it; return whether it does."""
    try:
        fast = FAST.batch(chunk.columns(), 5)
    except UnfitError:
        fast = None
    rows = [row for piece in chunk.pieces(3) for row in piece.each(EXACT)]
    good = [row for row in rows if not isinstance(row, BadRow)]
    exact = batch_of(good, 5)
    exact.validate(full=True)
    if fast is not None:
        assert len(good) == len(rows)
        fast.validate(full=True)
        assert fast.equals(exact)
    return fast is not None


# Values: mostly right, sometimes nearly so.

ids = st.one_of(st.integers(1, 99), st.just(2**63 - 1), st.sampled_from([0, -1, 2**63, 2**64, 1.0, True, "7", "", []]))
plain_texts = st.text(st.characters(codec="utf-8"), max_size=14)
texts = st.one_of(
    plain_texts, st.sampled_from(["", "\0", "\ud800", "x" * 20, "é" * 20, "😀" * 20, "x" * 21, 5, True, {}])
)
digits = st.integers(0, 70).map(lambda n: f"{n:02}")
instants = st.one_of(
    st.builds(
        lambda *parts: "".join(parts),
        st.sampled_from(["2026", "0001", "9999", "0000", "2024", "12026"]),
        digits.map("-{}".format),
        digits.map("-{}".format),
        st.sampled_from(["T", " ", "t", "", "_"]),
        digits,
        digits.map(":{}".format) | st.just(""),
        digits.map(":{}".format) | st.just(""),
        st.sampled_from(["", ".0", ".071", ".000001", ".1234567", ".", ",5"]),
        st.sampled_from(
            ["Z", "z", "", "+02:00", "-23:59", "+24:00", "+02", "+0200", " 02:00", "-00:00", "+2:00", "Z "]
        ),
    ),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from(
        ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:00:00-02:00", "", 7, "x"]
    ),
    st.sampled_from(["2026-03-29T02:30:00", "2026-10-25T02:30:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59"]),
)
zones = st.sampled_from(["Europe/Paris", "UTC", "", "europe/paris", "Nowhere", "Europe/Berlin", 5])
booleans = st.sampled_from([True, False, None, "true", 1, ""])


def choices(known: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from([*known, "", "Attended", "x", 5])


def members(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects, now and then with a null or an unknown member."""
    nullable = {name: st.none() | values for name, values in optional.items()}
    return st.fixed_dictionaries(required, optional=nullable) | st.fixed_dictionaries(
        required, optional={**nullable, "more": st.none()}
    )


things = members({}, {"id": ids, "name": texts})
people = st.lists(things, max_size=3) | st.sampled_from([[None], [5], {}, ""])
json_rows = members(
    {"id": ids, "updated_at": instants, "status": choices(STATUSES)},
    {
        "customer": members({"id": ids}, {"name": texts, "email": texts, "thumbnail_url": texts}),
        "event": members(
            {"id": ids, "starts_at": instants}, {"ends_at": instants, "name": texts, "type": choices(EVENT_TYPES)}
        ),
        "offering_type": things,
        "venue": members({}, {"id": ids, "name": texts, "timezone": zones}) | st.just([]),
        "instructors": people,
        "booking_method": choices(BOOKING_METHODS),
        "customer_membership": members({}, {"id": ids, "membership": things | st.just(5)}),
        "booking_source": texts | things,
        "booking_source_id": ids,
        "checkin": members({}, {"ocurred_at": instants}),
        "is_first_attendance": booleans,
    },
)


def edited(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A good row with some members changed or left out: what is nearly right is found this way, not by chance."""
    copy: dict[str, Any] = json.loads(json.dumps(row))
    for path, value in changes.items():
        *groups, last = path.split(".")
        node: Any = copy
        for group in groups:
            node = node[group] if isinstance(node, dict) and isinstance(node.get(group), dict) else {}
        if value is ABSENT:
            node.pop(last, None)
        else:
            node[last] = value
    return copy


_BY_KIND = {
    "integer": ids, "date-time": instants, "text": texts, "boolean": booleans, "list of {id, name}": people,
    "choice": choices((*STATUSES, *BOOKING_METHODS, *EVENT_TYPES)),
}  # fmt: skip
_GROUPS = {
    "customer",
    "event",
    "offering_type",
    "venue",
    "customer_membership",
    "customer_membership.membership",
    "checkin",
}
changes = st.dictionaries(
    st.sampled_from([field.path for field in FIELDS] + sorted(_GROUPS)), st.none(), max_size=3
).flatmap(
    lambda chosen: st.fixed_dictionaries(
        {
            path: st.sampled_from([ABSENT, None, {}])
            | next((_BY_KIND[field.kind] for field in FIELDS if field.path == path), st.sampled_from([None, {}, [], 5]))
            for path in chosen
        }
    )
)
near_rows = st.builds(edited, st.sampled_from([FULL, NEEDED]), changes)


def json_chunk(rows: list[Any], *, lines: bool) -> JsonChunk:
    return JsonChunk(3, [json.dumps(row).encode() for row in rows], lines)


@given(st.lists(json_rows | near_rows, min_size=1, max_size=4), st.booleans())
@MANY
def test_json_rows_agree(rows: list[Any], lines: bool) -> None:
    agree(json_chunk(rows, lines=lines))


@given(near_rows)
@settings(max_examples=600, deadline=None)
def test_a_row_that_is_nearly_right_agrees(row: Any) -> None:
    agree(json_chunk([row], lines=True))


@pytest.mark.parametrize("row", [FULL, NEEDED, {**FULL, "venue": None, "instructors": [], "checkin": None}])
def test_right_rows_need_no_exact_check(row: Any) -> None:
    """Else the fast path would agree by taking nothing."""
    assert agree(json_chunk([row, FULL, NEEDED], lines=True))


@given(st.lists(st.builds(edited, st.just(FULL), changes), max_size=4))
@MANY
def test_rows_after_a_complete_one_agree(rows: list[Any]) -> None:
    agree(json_chunk([FULL, *rows], lines=True))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"status": "attended", ', ""),
        ('"status": "attended"', '"id": 8'),
        ('"status": "attended"', '"status": null'),
        ('"status": "attended"', '"booking_method": "status"'),
        ('"status": "attended", ', '"status": "attended", "status": "no_show", '),
        ('"name": "Hall"', '"id": 41'),
        ('"name": "Hall"', '"name": "\\":", "id": 41'),
        ('"name": "Hall", ', ""),
        ('"name": "Hall", "timezone"', '"timezone": null, "timezone"'),
        ('"Hall"', '"\\"name\\":\\\\"'),
        ('"Hall"', '"\\udc00"'),
        ('"Hall"', '"\\ud83d\\ude00"'),
        ('"Hall"', "NaN"),
        ('"Hall"', "007"),
        ('"id": 7', '"id": 7.0'),
        ('"id": 7', '"id": 7e0'),
        ('"id": 7', '"id": "7"'),
        ('"id": 7', '"id": -0'),
        ('"id": 7', '"\\u0069d": 7'),
        ('"id": 7', '"ID": 7'),
        ('"id": 7', '"id" : 7'),
        ('"id": 51', '"id": 51, "id": 51'),
        ('{"id": 51, "name": "Anna"}', "null"),
        ('{"id": 51, "name": "Anna"}', '{"id": 51}'),
        ('"name": "Anna"', '"name": null'),
        ('"checkin": {"ocurred_at": "2026-10-01T07:55:00.000001Z"}', '"checkin": {}'),
        ("}", "} "),
        ("}}", "}/**/}"),
        (", ", ",,"),
    ],
)
def test_a_text_that_is_nearly_complete_agrees(old: str, new: str) -> None:
    text = json.dumps(FULL, ensure_ascii=False)
    assert old in text
    agree(JsonChunk(1, [json.dumps(FULL).encode(), text.replace(old, new, 1).encode()], lines=True))


@pytest.mark.parametrize(
    ("last", "first"),
    [
        ('"id": 7', '"id": 122'),
        ('"status": "attended"', '"status": "no_show"'),
        ('"updated_at": ', '"updated_at": null'),
        ('"customer": ', '"customer": {"id": 5, "name": "Other", "email": "o@example.org"}'),
        ('"event": ', '"event": null'),
        ('"venue": ', '"venue": {"name": "Den"}'),
        ('"name": "Hall"', '"name": "Den"'),
        ('"instructors": ', '"instructors": [{"id": 5, "name": "Other"}]'),
        ('"id": 51', '"id": 50'),
        ('"booking_source": ', '"booking_source": {"id": 5, "name": "Other"}'),
    ],
)
def test_of_a_member_that_comes_twice_both_take_the_last_alone(last: str, first: str) -> None:
    text = next(text for text in map(json.dumps, (NEEDED, FULL)) if last in text)
    twice = JsonChunk(1, [text.replace(last, f"{first}, {last}", 1).encode()], lines=True)
    once = JsonChunk(1, [text.encode()], lines=True)
    assert agree(twice)
    assert FAST.batch(twice.columns(), 5).equals(FAST.batch(once.columns(), 5))


@given(st.lists(near_rows, min_size=1, max_size=3), st.data())
@MANY
def test_damaged_json_agrees(rows: list[Any], data: st.DataObject) -> None:
    text = bytearray(ndjson(*[row for row in rows if "\\ud800" not in json.dumps(row)]) or b"{}")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=2)
            | st.sampled_from([b"\\", b'"', b"\n", b"{", b"}", b" ", b"\\u0000", b"\\ud83d", b"1e5"])
        )
    agree(JsonChunk(1, bytes(text).split(b"\n"), lines=True))


# CSV

NAMES = sorted(HEADERS)
cell_ids = st.sampled_from(
    ["1", "7", "007", "0", "", " 5", "5.0", "9223372036854775807", "9223372036854775808", "x", "٣", "+5"]
)
cell_texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=14),
    st.sampled_from(["", 'a"b', "a,b", "a\r\nb", "\r", "\n", "\0", "é" * 20]),
)
_CELLS = {
    "integer": cell_ids,
    "date-time": instants.map(str),
    "text": cell_texts,
    "boolean": st.sampled_from(["true", "FALSE", "1", "0", "", "yes", "True", "tRue ", "K"]),
    "choice": choices((*STATUSES, *BOOKING_METHODS, *EVENT_TYPES)).map(str),
    "list of {id, name}": st.sampled_from(["", "Anna", "Anna; Bo", "; ", "Anna; ", "A;B", "x" * 21, "Anna; Anna"]),
}
_GOOD = {
    "integer": "7",
    "date-time": "2026-10-01T10:00:00Z",
    "text": "a",
    "boolean": "true",
    "list of {id, name}": "Anna; Bo",
}


def good_cell(path: str) -> str:
    field = HEADERS[path]
    if field.storage == "venue_timezone":
        return "Europe/Paris"
    return field.choices[0] if field.choices else _GOOD[field.kind]


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """A header of distinct columns, and rows that are right but for some cells, quoted in many ways."""
    needed = [field.path for field in FIELDS if field.needed]
    others = [field.path for field in FIELDS if not field.needed]
    header = draw(st.permutations(needed + draw(st.lists(st.sampled_from(others), unique=True))))
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        cells = {path: good_cell(path) for path in header}
        for path in draw(st.lists(st.sampled_from(header), max_size=2)):
            cells[path] = draw(_CELLS[HEADERS[path].kind])
        rows.append([cells[path] for path in header])
    out = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    writer = csv.writer(out, quoting=quoting, lineterminator=draw(st.sampled_from(["\r\n", "\n"])))
    writer.writerow(header)
    writer.writerows(rows)
    text = out.getvalue()
    return (text if draw(st.booleans()) else text.rstrip("\r\n")).encode()


def csv_agrees(data: bytes) -> list[bool]:
    try:
        return [agree(chunk) for chunk in csv_chunks(iter([data]), LIMITS.row)]
    except FileFaultError:
        return []


@given(csv_files())
@settings(max_examples=300, deadline=None)
def test_csv_rows_agree(data: bytes) -> None:
    csv_agrees(data)


@given(csv_files(), st.data())
@MANY
def test_damaged_csv_agrees(data: bytes, draw: st.DataObject) -> None:
    text = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.integers(max(text.find(b"\n"), 0), len(text) - 1))
        text[place : place + draw.draw(st.integers(0, 2))] = draw.draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b'""', b",", b"\r", b"\n", b"\r\n", b'"\n', b',"'])
        )
    csv_agrees(bytes(text))


def test_right_cells_need_no_exact_check() -> None:
    header = [field.path for field in FIELDS]
    rows = "\n".join([",".join(header), ",".join(good_cell(path) for path in header), ""])
    quoted = "\r\n".join([",".join(header), ",".join(f'"{good_cell(path)}"' for path in header), ""])
    assert csv_agrees(rows.encode()) == [True]
    assert csv_agrees(quoted.encode()) == [True]


@given(st.binary(max_size=200))
@example(b'{"total":')
@example(b"[")
@example(b"[[[[[[[[")
@example(b"\x1f\x8b\x08")
@settings(max_examples=300, deadline=None)
def test_random_bytes_raise_nothing_but_rejections(data: bytes) -> None:
    for prefix in (b"", b"[", b'{"rows":[', b"id,updated_at,customer.id,event.id,event.starts_at,status\n"):
        result = read(prefix + data)
        assert result.error is None or result.error.code == "rows_rejected"
        assert result.rejects.count > 0 or not result.error
