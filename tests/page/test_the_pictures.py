"""The pictures and the groups: drawn from the grouped report, with tables that say the same, and savable."""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from live import GROUPED
from page.browser import ZONE, report, values, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from live import Asking
    from page.browser import Visit
    from page.conftest import Site

TIMEFRAME = {"event_timeframe": "last_30_days"}
ORDER = ("attended", "registered", "late_cancelled", "no_show")


def grouped(client: Asking, **parameters: object) -> dict[str, Any]:
    answer = client.get({"format": "json", "timezone": ZONE, "limit": 100, **parameters}, path=GROUPED)
    assert answer.status == 200, answer.body
    return answer.json


def opened(seen: Visit, figure: str) -> list[list[str]]:
    seen.page.click(f"#figure-{figure} summary")
    return seen.rows(f"#figure-{figure} .as-table table")


def all_groups(client: Asking, **parameters: object) -> list[dict[str, Any]]:
    """The rows of every page."""
    answer = client.get({"format": "json", "timezone": ZONE, "limit": 100, **parameters}, path=GROUPED)
    rows: list[dict[str, Any]] = answer.json["rows"]
    while "next" in answer.links:
        answer = client.follow(answer.links["next"])
        rows += answer.json["rows"]
    assert len(rows) == answer.json["total"]
    return rows


def days_of(site: Site, timeframe: str) -> list[date]:
    """The days of a timeframe that have begun."""
    first, end = report(site.client, limit=0, event_timeframe=timeframe).headers["x-timeframe"].split("/")
    day, days = date.fromisoformat(first[:10]), []
    while day < date.fromisoformat(end[:10]) and day <= datetime.now(ZoneInfo(ZONE)).date():
        days.append(day)
        day += timedelta(days=1)
    return days


def spelled(day: date, *, year: bool = True) -> str:
    month = "Sept" if day.month == 9 else f"{day:%b}"
    return f"{day.day} {month} {day.year}" if year else f"{day.day} {month}"


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


LABELS = {"date": date.isoformat, "week": "{0:%G-W%V}".format, "month": "{0:%Y-%m}".format, "year": "{0:%Y}".format}


@pytest.mark.parametrize(
    ("timeframe", "unit"),
    [("this_week", "date"), ("last_30_days", "date"), ("last_12_weeks", "week"), ("this_year", None), ("last_2_years", "month"), ("last_6_years", "year")],
)  # fmt: skip
def test_attendances_over_time_are_those_of_the_api(seen: Visit, site: Site, timeframe: str, unit: str | None) -> None:
    """By a unit that fits, of every period, also of those without any attendance."""
    page = seen.open(f"tab=pictures&event_timeframe={timeframe}")
    page.wait_for_selector("#figure-time svg.plot")
    days = days_of(site, timeframe)
    unit = unit or ("date" if len(days) <= 35 else "week" if len(days) <= 26 * 7 else "month")
    periods = list(dict.fromkeys(LABELS[unit](day) for day in days))
    counts = {
        (row["event"][f"start_{unit}"], row["status"]): row["count"]
        for row in all_groups(site.client, columns=f"event.start_{unit},status,count", event_timeframe=timeframe)
    }
    statuses = [status for status in ORDER if status in {status for _, status in counts}]
    table = opened(seen, "time")
    wanted = [[written(counts.get((period, status), 0)) for status in statuses] for period in periods]
    assert [row[1:] for row in table] == wanted
    assert {period for period, _ in counts} <= set(periods)
    drawn = seen.texts("#figure-time svg.plot rect title")
    assert len(drawn) == len(periods) * len(statuses)
    assert f"{table[0][0]}, {seen.texts('#figure-time .as-table th')[1]}: {table[0][1]}" in drawn
    named = {"date": spelled(days[0]), "year": f"{days[0].year}", "month": spelled(days[0]).split(" ", 1)[1]}
    if unit == "week":
        assert table[0][0].endswith(spelled(monday(days[0]) + timedelta(days=6)))
    else:
        assert table[0][0] == named[unit]


def test_all_time_begins_with_the_first_attendance(seen: Visit, site: Site) -> None:
    page = seen.open("tab=pictures&event_timeframe=all_time")
    page.wait_for_selector("#figure-time svg.plot")
    rows = all_groups(site.client, columns="event.start_date,count")
    first, last = (date.fromisoformat(rows[at]["event"]["start_date"]) for at in (0, -1))
    unit = "month" if (last - first).days < 3 * 366 else "year"
    table = opened(seen, "time")
    periods = (last.year - first.year) * 12 + last.month - first.month + 1
    assert len(table) == (periods if unit == "month" else last.year - first.year + 1)
    assert sum(int(cell.replace(",", "")) for row in table for cell in row[1:]) == sum(row["count"] for row in rows)


def test_a_bar_filters_by_what_it_stands_for(seen: Visit) -> None:
    page = seen.open("tab=pictures&event_timeframe=last_30_days")
    page.wait_for_selector("#figure-time .pressable")
    bar = page.locator("#figure-time .pressable").first
    words, _, status = bar.text_content().partition(":")[0].partition(", ")
    bar.click()
    seen.settled()
    assert spelled(date.fromisoformat(seen.address["event_timeframe"])) == words
    assert seen.address["status"] == status.lower().replace("-", "_")
    page.go_back()
    seen.settled()
    assert seen.address == {"tab": "pictures", **TIMEFRAME}


def test_the_unit_of_time_is_chosen(seen: Visit, site: Site) -> None:
    """Of many days the last hundred are drawn, which is said; a week that is pressed is shown by days."""
    page = seen.open("tab=pictures&event_timeframe=last_12_weeks")
    for unit, column in (("day", "event.start_date"), ("month", "event.start_month"), ("week", "event.start_week")):
        seen.do(f".segments button:text-is('{unit}')")
        assert seen.address["by"] == unit
        rows = all_groups(site.client, columns=f"{column},count", event_timeframe="last_12_weeks")
        table = opened(seen, "time")
        page.click("#figure-time summary")
        totals = [sum(int(cell.replace(",", "")) for cell in row[1:]) for row in table]
        assert [total for total in totals if total] == [row["count"] for row in rows]
    page.click("#figure-time summary")
    seen.do("#figure-time .as-table tbody .link >> nth=0")
    assert seen.address["event_timeframe"] == LABELS["week"](days_of(site, "last_12_weeks")[0])
    assert "by" not in seen.address
    assert len(seen.rows("#figure-time .as-table table")) == 7
    page = seen.open("tab=pictures&event_timeframe=last_2_years&by=day")
    assert "The last 100 days are shown." in seen.texts("#figure-time .figure-note")
    assert len(opened(seen, "time")) == 100


def test_weeks_that_do_not_begin_on_monday(site: Site, visiting: Callable[..., Visit]) -> None:
    """They are called by their days, and are shown when they are pressed."""
    seen = visiting(site.sundays)
    seen.open("tab=pictures&event_timeframe=all_time&by=week")
    assert opened(seen, "time") == [["28 Apr – 4 May 2024", "1"], ["5 – 11 May 2024", "0"], ["12 – 18 May 2024", "1"]]
    seen.do("#figure-time .as-table tbody .link >> nth=2")
    assert seen.address["event_timeframe"] == "2024-05-12..2024-05-18"
    assert [row[1] for row in seen.rows("#figure-time .as-table table")] == ["1", "0", "0", "0", "0", "0", "0"]


def test_the_week_by_hours_is_that_of_the_api(seen: Visit, site: Site) -> None:
    page = seen.open("tab=pictures&event_timeframe=last_30_days")
    page.wait_for_selector("#figure-heat svg.plot")
    rows = all_groups(site.client, columns="day_of_week,event.start_time,count", **TIMEFRAME)
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        key = row["day_of_week"].capitalize(), row["event"]["start_time"][:2] + ":00"
        sums[key] = sums.get(key, 0) + row["count"]
    table = opened(seen, "heat")
    hours = seen.texts("#figure-heat .as-table thead th")[1:]
    found = {
        (row[0], hour): int(cell.replace(",", "")) for row in table for hour, cell in zip(hours, row[1:], strict=True)
    }
    assert {key: count for key, count in found.items() if count} == sums
    assert [row[0] for row in table] == ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def test_an_hour_of_the_week_filters(seen: Visit, site: Site) -> None:
    """By the pointer in the drawing and by keyboard in its table; with chips, in the address, as pickers."""
    page = seen.open("tab=pictures&event_timeframe=last_30_days")
    page.wait_for_selector("#figure-heat .pressable")
    cell = page.locator("#figure-heat .pressable").nth(3)
    words, _, count = cell.text_content().rpartition(": ")
    day, hour = words.split()
    cell.click()
    seen.settled()
    filters = {"days_of_week": day.lower(), "start_hours": str(int(hour[:2]))}
    assert seen.address == {"tab": "pictures", **TIMEFRAME, **filters}
    assert seen.texts(".chip-name") == ["Weekday", "Start hour"]
    assert seen.texts(".chip-value") == [f"{day}s", hour]
    total = report(site.client, limit=0, **TIMEFRAME, **filters).json["total"]
    assert count == written(total) == seen.texts(".card-figure")[0]
    assert [[text for text in row[1:] if text != "0"] for row in opened(seen, "heat") if row[0] == day] == [[count]]
    seen.is_accessible()
    seen.do(f"button[aria-label='Remove filter Weekday: {day}s']")
    assert "days_of_week" not in seen.address
    hours = values(site.client, "start_hours", **TIMEFRAME)["values"]
    page.click("#picker-start_hours-button")
    seen.settled()
    shown = [text.split() for text in seen.texts("#picker-start_hours .option")]
    assert shown == sorted([f"{one['value']:02}:00", written(one["count"])] for one in hours)
    page.keyboard.press("Escape")
    seen.do("button[aria-label^='Remove filter Start hour']")
    assert seen.address == {"tab": "pictures", **TIMEFRAME}
    button = page.locator("#figure-heat .as-table td .link").first
    button.focus()
    page.keyboard.press("Enter")
    seen.settled()
    assert {"days_of_week", "start_hours"} <= set(seen.address)
    seen.open(f"tab=pictures&event_timeframe=last_30_days&days_of_week=sunday,{day.lower()}&start_hours=25")
    assert "start_hours" in seen.text(".faults")
    assert seen.texts(".chip-value") == ["Sundays", f"{day}s", "25"]


def test_the_tops_are_those_of_the_api(seen: Visit, site: Site) -> None:
    page = seen.open("tab=pictures&event_timeframe=last_30_days")
    for of in ("offering_types", "venues", "instructors"):
        most = values(site.client, of, limit=8, **TIMEFRAME)["values"]
        attended = {
            one["value"]: one["count"]
            for one in values(site.client, of, status="attended", limit=100, **TIMEFRAME)["values"]
        }
        rows = page.eval_on_selector_all(
            f"#figure-{of} tbody tr",
            "(all) => all.map((row) => [row.cells[0].textContent.trim(), row.cells[1].firstChild.nextSibling?.textContent ?? '', row.textContent])",
        )
        assert [row[0] for row in rows] == [one["label"] for one in most]
        for one, row in zip(most, rows, strict=True):
            assert written(one["count"]) in row[2]
            assert f"{round(100 * attended.get(one['value'], 0) / one['count'], 1):g}%" in row[2]
    page.click("#figure-venues tbody .link >> nth=0")
    seen.settled()
    assert "venues" in seen.address


def test_a_picture_is_saved_as_drawing_and_as_image(seen: Visit, tmp_path: Path) -> None:
    page = seen.open("tab=pictures&event_timeframe=last_30_days")
    for figure in ("time", "venues"):
        page.wait_for_selector(f"#figure-{figure} svg.plot", state="attached")
        for form in ("SVG drawing", "PNG picture"):
            page.click(f"#save-{figure}-button")
            with page.expect_download() as coming:
                page.click(f"#save-{figure} >> text={form}")
            file = tmp_path / coming.value.suggested_filename
            coming.value.save_as(file)
            if file.suffix == ".svg":
                root = ET.fromstring(file.read_bytes())
                fills = {element.get("fill") for element in root.iter("{http://www.w3.org/2000/svg}rect")}
                assert "rgb(15, 118, 110)" in fills
                assert "var(" not in file.read_text("utf-8")
                assert "style" not in {element.tag.partition("}")[2] for element in root.iter()}
            else:
                raw = file.read_bytes()
                assert raw.startswith(b"\x89PNG\r\n\x1a\n")
                assert struct.unpack(">II", raw[16:24])[0] > 800


def test_groups_are_those_of_the_api(seen: Visit, site: Site) -> None:
    page = seen.open("tab=groups&event_timeframe=this_year&group=venue.name,status")
    page.wait_for_selector("#figure-groups svg.plot")
    answer = grouped(
        site.client, columns="venue.name,venue.id,status,count", pivot="month", max_pivot_columns=6, sort="-count", event_timeframe="this_year",
    )  # fmt: skip
    words = {
        "attended": "Attended",
        "registered": "Registered",
        "late_cancelled": "Late cancelled",
        "no_show": "No-show",
    }
    assert seen.rows("#grouped") == [
        [
            row["venue"]["name"] if row["venue"] else "None",
            words[row["status"]],
            written(row["count"]),
            *map(written, row["count_by_period"].values()),
        ]
        for row in answer["rows"]
    ]
    page.select_option("#pivot", "all")
    seen.settled()
    assert len(seen.rows("#grouped")[0]) == 3
    page.click("#grouped th button:has-text('Venue')")
    seen.settled()
    assert seen.address["group_sort"] == "venue.name"
    page.select_option("#group-1", "")
    seen.settled()
    assert len(seen.rows("#grouped")[0]) == 2
    page.click("#grouped tbody .link >> nth=0")
    seen.settled()
    assert "tab" not in seen.address
    assert "venues" in seen.address


def test_groups_by_day_and_by_hour_filter_as_well(seen: Visit, site: Site) -> None:
    seen.open("tab=groups&event_timeframe=last_30_days&group=event.start_date,event.start_hour&pivot=all")
    rows = grouped(site.client, columns="event.start_date,event.start_hour,count", sort="-count", **TIMEFRAME)["rows"]
    assert seen.rows("#grouped") == [
        [
            spelled(date.fromisoformat(row["event"]["start_date"])),
            f"{row['event']['start_hour']:02}:00",
            written(row["count"]),
        ]
        for row in rows
    ]
    seen.do("#grouped tbody .link >> nth=0")
    first = rows[0]["event"]
    assert seen.address["event_timeframe"] == first["start_date"]
    assert seen.address["start_hours"] == str(first["start_hour"])


def test_all_groups_can_be_reached(seen: Visit, site: Site) -> None:
    """A hundred at a time, in the order that was chosen; the drawing has the largest ones in any order."""
    query = "tab=groups&event_timeframe=this_year&group=customer.name&pivot=all"
    page = seen.open(f"{query}&group_sort=customer.name")
    page.wait_for_selector("#figure-groups svg.plot")
    parameters = {"columns": "customer.name,customer.id,count", "event_timeframe": "this_year"}
    rows = all_groups(site.client, **parameters, sort="customer.name")
    wanted = [[row["customer"]["name"], written(row["count"])] for row in rows]
    assert len(wanted) > 200
    assert seen.rows("#grouped") == wanted[:100]
    assert seen.text("#figure-groups-table .figure-foot [role=status]") == f"100 of {written(len(wanted))} groups"
    largest = all_groups(site.client, **parameters, sort="-count")[:12]
    titles = [f"{row['customer']['name']}: {written(row['count'])}" for row in largest]
    assert seen.texts("#figure-groups svg.plot rect title") == titles
    for shown in range(200, len(wanted) + 100, 100):
        seen.do("#more-groups")
        assert seen.rows("#grouped") == wanted[:shown]
    assert page.locator("#more-groups").count() == 0
    assert seen.text("#figure-groups-table .figure-foot [role=status]") == f"All {written(len(wanted))} groups"
    seen.is_accessible()
