"""The pictures and the groups: drawn from the grouped report, with tables that say the same, and savable."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from live import GROUPED
from page.browser import ZONE, values, written

if TYPE_CHECKING:
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


def test_attendances_over_time_are_those_of_the_api(seen: Visit, site: Site) -> None:
    page = seen.open("tab=pictures&event_timeframe=last_30_days")
    page.wait_for_selector("#figure-time svg.plot")
    answer = grouped(site.client, columns="status,count", pivot="week", max_pivot_columns=12, **TIMEFRAME)
    periods = [header["label"] for header in answer["column_headers"][2:]]
    by_status = {row["status"]: row["count_by_period"] for row in answer["rows"]}
    statuses = [status for status in ORDER if status in by_status]
    assert opened(seen, "time") == [
        [period, *(written(by_status[status][period]) for status in statuses)] for period in periods
    ]
    drawn = seen.texts("#figure-time svg.plot rect title")
    assert len(drawn) == len(periods) * len(statuses)
    assert f"{periods[0]}, Attended: {written(by_status['attended'][periods[0]])}" in drawn


def test_a_bar_filters_by_what_it_stands_for(seen: Visit) -> None:
    page = seen.open("tab=pictures&event_timeframe=last_30_days")
    page.wait_for_selector("#figure-time .pressable")
    bar = page.locator("#figure-time .pressable").first
    period, _, status = bar.text_content().partition(":")[0].partition(", ")
    bar.click()
    seen.settled()
    assert seen.address["event_timeframe"] == period
    assert seen.address["status"] == status.lower().replace("-", "_")
    page.go_back()
    seen.settled()
    assert seen.address == {"tab": "pictures", **TIMEFRAME}


def test_the_unit_of_time_is_chosen(seen: Visit, site: Site) -> None:
    page = seen.open("tab=pictures&event_timeframe=this_year")
    page.click(".segments button:text-is('month')")
    seen.settled()
    assert seen.address["by"] == "month"
    answer = grouped(
        site.client, columns="status,count", pivot="month", max_pivot_columns=12, event_timeframe="this_year"
    )
    assert len(opened(seen, "time")) == len(answer["column_headers"]) - 2


def test_the_week_by_hours_is_that_of_the_api(seen: Visit, site: Site) -> None:
    page = seen.open("tab=pictures&event_timeframe=last_30_days")
    page.wait_for_selector("#figure-heat svg.plot")
    answer = grouped(site.client, columns="day_of_week,event.start_time,count", **TIMEFRAME)
    assert answer["total"] == len(answer["rows"])
    sums: dict[tuple[str, str], int] = {}
    for row in answer["rows"]:
        key = row["day_of_week"].capitalize(), row["event"]["start_time"][:2]
        sums[key] = sums.get(key, 0) + row["count"]
    table = opened(seen, "heat")
    hours = seen.texts("#figure-heat .as-table thead th")[1:]
    found = {
        (row[0], hour): int(cell.replace(",", "")) for row in table for hour, cell in zip(hours, row[1:], strict=True)
    }
    assert {key: count for key, count in found.items() if count} == sums
    assert [row[0] for row in table] == ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


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
