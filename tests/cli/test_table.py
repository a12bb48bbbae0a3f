"""The table of `turnout report`: what it shows at a width, and that data cannot steer the terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.console import Console

from turnout.catalog.attendances import ATTENDANCES, BOOKING_METHODS, EVENT_TYPES, STATUSES
from turnout.catalog.types import Kind
from turnout.cli.render import visible
from turnout.cli.table import _LOOKS, Head, Table, Total, cell_text, summary_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

ROW = {
    "id": 7,
    "customer": {"id": 5, "name": "Zoë Ångström", "email": "zoe@example.net", "thumbnail_url": None},
    "event": {"id": 1, "starts_at": "2026-11-22T18:30:00+01:00", "ends_at": None, "name": "Vinyasa Flow"},
    "venue": None,
    "offering_type": {"id": 3, "name": "Yoga"},
    "instructors": [{"id": 1, "name": "Jo"}, {"id": 2, "name": "Ines"}],
    "booking_method": "membership",
    "customer_membership": {"id": 9, "membership": None},
    "status": "no_show",
    "is_first_attendance": False,
}


def heads(*keys: str) -> list[Head]:
    return [Head(key, ATTENDANCES.by_key[key].label) for key in keys]


ALL = heads(*(column.key for column in ATTENDANCES.default_columns))


def drawn(
    table_heads: Sequence[Head], rows: Sequence[object], *, width: int = 80, terminal: bool, **how: object
) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None, legacy_windows=False)
    table = Table(console, table_heads, **how)
    for row in rows:
        table.add([row] if isinstance(row, dict) else row)
    table.finish()
    file.flush()
    return file.buffer.getvalue().decode()


def test_elsewhere_every_cell_is_whole() -> None:
    long = {**ROW, "customer": {**ROW["customer"], "name": "N" * 300}}
    lines = drawn(ALL, [long], terminal=False).splitlines()
    assert len(lines) == 3
    assert "N" * 300 in lines[2]
    assert all(column.label in lines[0] for column in ATTENDANCES.default_columns)
    assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 132, 200, 400])
def test_a_terminal_gets_the_columns_that_fit(width: int) -> None:
    text = drawn(
        ALL, [[ROW, {**ROW, "customer": {"id": 6, "name": "O" * 90}}]], width=width, terminal=True, best=summary_keys()
    )
    assert max(map(cell_len, text.splitlines())) <= width
    assert "Event Starts At" in text


def test_a_terminal_of_80_columns_shows_who_when_what_and_the_outcome() -> None:
    text = drawn(ALL, [ROW], terminal=True, best=summary_keys())
    first, _, row = text.splitlines()
    assert first.split("  ")[0].strip() == "Customer Name"
    assert "Zoë Ångström" in row
    assert "2026-11-22 18:30" in row
    assert "Vinyasa Flow" in row
    assert "✗ no_show" in row


def test_columns_that_were_asked_for_are_all_shown() -> None:
    few = drawn(heads("id", "customer.name", "status"), [ROW], terminal=True)
    assert len(few.splitlines()) == 3
    many = drawn(ALL, [ROW, ROW], terminal=True)
    assert "-- 2 --" in many
    assert len(many.splitlines()) == 2 * (len(ALL) + 1)


def test_long_cells_are_cut_with_an_ellipsis() -> None:
    row = {**ROW, "customer": {"name": "長" * 60}}
    text = drawn(heads("customer.name", "event.name"), [row], width=40, terminal=True)
    assert "…" in text
    assert max(map(cell_len, text.splitlines())) <= 40


def test_later_rows_keep_the_first_ones_columns() -> None:
    rows = [[{"id": 1, "status": "attended"}], [{"id": 22222, "status": "attended"}]]
    text = drawn(heads("id", "status"), rows, terminal=False)
    assert text.splitlines() == ["ID  Status", "──  ────────", " 1  attended", "22222  attended"]


def test_a_table_without_rows_has_its_heads() -> None:
    assert drawn(heads("id", "status"), [[]], terminal=False).splitlines() == ["ID  Status", "──  ──────"]


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (None, Kind.TEXT, ""),
        (True, Kind.BOOLEAN, "yes"),
        (False, Kind.BOOLEAN, "no"),
        (5, Kind.INTEGER, "5"),
        ("2026-11-22T18:30:00+01:00", Kind.INSTANT, "2026-11-22 18:30"),
        ("2026-11-22T18:30:05.071+01:00", Kind.INSTANT, "2026-11-22 18:30:05"),
        ("2026-11-22T18:30:00Z", Kind.INSTANT, "2026-11-22 18:30"),
        ([], Kind.PEOPLE, ""),
        ([{"id": 1, "name": "Jo"}, {"id": 2, "name": None}], Kind.PEOPLE, "Jo, 2"),
    ],
)
def test_values_as_people_read_them(value: object, kind: Kind, shown: str) -> None:
    assert cell_text(value, kind) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("Zoë 長 🙂 [bold]", "Zoë 長 🙂 [bold]"),
    ],
)
def test_what_steers_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("terminal", [True, False])
def test_data_is_no_markup_and_cannot_steer(terminal: bool) -> None:
    row = {"customer": {"name": "[red]x[/red]\x1b[2J"}}
    text = drawn(heads("customer.name"), [row], terminal=terminal)
    assert "[red]x[/red]\\x1b[2J" in text
    assert "\x1b" not in text


def test_the_summary_is_of_known_columns_and_every_look_is_of_a_choice() -> None:
    keys = summary_keys()
    assert keys[0] == ATTENDANCES.default_sort[0].key
    assert len(keys) == len(set(keys))
    assert set(keys) <= set(ATTENDANCES.by_key)
    assert set(_LOOKS) == set(STATUSES)
    assert not set(_LOOKS) & {*BOOKING_METHODS, *EVENT_TYPES}


COUNTS = [
    Head("venue.name", "Venue Name"),
    Head("day_of_week", "Day of Week"),
    Head("count", "Count"),
    Head("count_by_period.2026-10", "Oct 2026"),
]
GROUPS = [
    {"venue": {"name": "Hall"}, "day_of_week": "monday", "count": 40, "count_by_period": {"2026-10": 4}},
    {"venue": {"name": "Hall"}, "day_of_week": "friday", "count": 10, "count_by_period": {"2026-10": 0}},
    {"venue": None, "day_of_week": "friday", "count": 1, "count_by_period": {"2026-10": 1}},
]
EVERY = Total("all 7 matching", {"count": 1_000, "count_by_period": {"2026-10": 70}})


def test_counts_have_bars_and_a_last_row_for_all_that_matches() -> None:
    lines = drawn(COUNTS, [GROUPS], terminal=True, total=EVERY, width=72).splitlines()
    assert lines == [
        "Venue Name      Day of Week  Count  Oct 2026",
        "──────────────  ───────────  ─────  ────────",
        "Hall            monday          40         4  ██████████████████████████",
        "Hall            friday          10         0  ██████▌",
        "                friday           1         1  ▋",
        "──────────────  ───────────  ─────  ────────",
        "all 7 matching                1000        70",
    ]


def test_bars_go_on_beyond_the_edge_where_later_rows_count_more() -> None:
    more = {**GROUPS[0], "count": 41}
    lines = drawn(COUNTS, [GROUPS, [more]], terminal=True, total=EVERY, width=72).splitlines()
    assert lines[5].endswith("  " + "█" * 25 + "▶")
    assert max(map(cell_len, lines)) <= 72


@pytest.mark.parametrize("width", range(20, 130, 3))
def test_counts_fit_the_width(width: int) -> None:
    lines = drawn(COUNTS, [GROUPS], terminal=True, total=EVERY, width=width).splitlines()
    assert max(map(cell_len, lines)) <= max(width, 20)
    assert ("█" in "".join(lines)) == (width >= 44 + 2 + 8)
    assert any("all 7" in line for line in lines)


def test_elsewhere_counts_have_no_bars() -> None:
    lines = drawn(COUNTS, [GROUPS], terminal=False, total=EVERY).splitlines()
    assert lines[2] == "Hall            monday          40         4"
    assert lines[-1] == "all 7 matching                1000        70"
