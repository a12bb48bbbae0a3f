"""The table: what the API answers, in its order, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from page.browser import ZONE, report, values, written

if TYPE_CHECKING:
    from page.browser import Visit
    from page.conftest import Site

TIMEFRAME = {"event_timeframe": "last_30_days"}
WORDS = {"attended": "Attended", "registered": "Registered", "late_cancelled": "Late cancelled", "no_show": "No-show"}


def names(site: Site, **parameters: object) -> list[str]:
    answer = report(site.client, **{"limit": 50, **TIMEFRAME, **parameters})
    return [row["customer"]["name"] for row in answer.json["rows"]]


def test_its_figures_are_those_of_the_api(seen: Visit, site: Site) -> None:
    seen.open()
    answer = report(site.client, limit=50, **TIMEFRAME)
    rows = answer.json["rows"]
    assert seen.column("customer.name") == [row["customer"]["name"] for row in rows]
    assert seen.column("status") == [WORDS[row["status"]] for row in rows]
    assert seen.column("instructors") == [", ".join(one["name"] for one in row["instructors"]) or "–" for row in rows]
    assert seen.column("venue.name") == [row["venue"]["name"] if row["venue"] else "–" for row in rows]
    assert [text.split()[-1] for text in seen.column("event.starts_at")] == [
        row["event"]["starts_at"][11:16] for row in rows
    ]
    assert seen.text("#total") == f"All {written(answer.json['total'])} matching"
    assert seen.text("#range") == f"1–{len(rows)} of {written(answer.json['total'])}"
    assert ZONE in seen.text(".resolved")
    counts = {one["value"]: one["count"] for one in values(site.client, "status", **TIMEFRAME)["values"]}
    for status in WORDS:
        assert seen.text(f"[data-figure={status}]") == written(counts.get(status, 0))
    assert seen.text("[data-figure=all]") == written(answer.json["total"])


def test_its_order_is_chosen_by_pressing_headings(seen: Visit, site: Site) -> None:
    page = seen.open()
    sorted_ = "#report thead th[aria-sort]"
    assert page.get_attribute(sorted_, "data-key") == "event.starts_at"
    for expected, order in (("customer.name", "ascending"), ("-customer.name", "descending")):
        seen.do("th[data-key='customer.name'] button")
        assert seen.address["sort"] == expected
        assert page.locator(sorted_).count() == 1
        assert page.get_attribute(sorted_, "aria-sort") == order
        assert seen.column("customer.name") == names(site, sort=expected)
    page.locator("th[data-key='venue.name'] button").click(modifiers=["Shift"])
    seen.settled()
    assert seen.address["sort"] == "-customer.name,venue.name"
    assert seen.texts("#report thead sup") == ["1", "2"]
    assert page.locator(sorted_).count() == 1
    assert seen.text("th[data-key='venue.name'] button").startswith("Venue, sorted ascending, level 2")
    page.locator("th[data-key='venue.name'] button").click(modifiers=["Shift"])
    seen.settled()
    assert seen.address["sort"] == "-customer.name,-venue.name"
    page.locator("th[data-key='venue.name'] button").click(modifiers=["Shift"])
    seen.settled()
    assert seen.address["sort"] == "-customer.name"
    seen.do("th[data-key='customer.name'] button")
    assert "sort" not in seen.address
    assert page.locator("th[data-key='instructors'] button").count() == 0


def test_pages_are_turned_by_cursors_and_by_going_back(seen: Visit, site: Site) -> None:
    page = seen.open("event_timeframe=last_30_days&limit=25")
    total = report(site.client, limit=0, **TIMEFRAME).json["total"]
    pages = [names(site, limit=25, offset=offset) for offset in (0, 25, 50)]
    assert seen.column("customer.name") == pages[0]
    assert page.is_disabled("#previous-page")
    for number in (1, 2):
        seen.do("#next-page")
        assert seen.column("customer.name") == pages[number]
        assert "cursor" in seen.address
        assert seen.text("#range") == f"{25 * number + 1}–{25 * number + 25} of {written(total)}"
    page.reload()
    seen.settled()
    assert seen.column("customer.name") == pages[2]
    seen.do("#previous-page")
    assert seen.column("customer.name") == pages[1]
    page.go_back()
    seen.settled()
    assert seen.column("customer.name") == pages[2]
    seen.do("#first-page")
    assert seen.column("customer.name") == pages[0]
    assert "cursor" not in seen.address
    seen.do("#next-page")
    seen.do("th[data-key='customer.name'] button")
    assert "cursor" not in seen.address, "another order begins at its first page"


def test_columns_are_hidden_shown_and_moved(seen: Visit) -> None:
    page = seen.open()
    heads = "#report thead th"

    def keys() -> list[str]:
        return page.eval_on_selector_all(heads, "(all) => all.map((each) => each.dataset.key)")

    default = keys()
    page.click("#chooser-button")
    page.click(".column label:has-text('Instructors')")
    seen.settled()
    assert keys() == [key for key in default if key != "instructors"]
    page.click(".others label:text-is('E-mail')")
    seen.settled()
    assert keys()[-1] == "customer.email"
    page.click("[aria-label='Move E-mail up']")
    seen.settled()
    assert keys()[-2] == "customer.email"
    assert seen.address["columns"].split(",") == keys()
    page.drag_and_drop(".column:has-text('Status') .grip", ".column:has-text('Starts') .grip")
    seen.settled()
    assert keys()[0] == "status"
    page.reload()
    seen.settled()
    assert keys()[0] == "status"
    page.click("#chooser-button")
    page.click("#reset-columns")
    seen.settled()
    assert keys() == default
    assert "columns" not in seen.address


def test_density_is_in_the_address(seen: Visit) -> None:
    page = seen.open()
    tall = page.locator("#report tbody tr").first.bounding_box()["height"]
    page.click("#density")
    assert seen.address["density"] == "compact"
    assert page.locator("#report tbody tr").first.bounding_box()["height"] < tall


def test_header_first_column_and_total_stay_in_sight(seen: Visit) -> None:
    page = seen.open("event_timeframe=last_30_days&columns=customer.name,customer.email,event.name,venue.name,instructors,"
                     "event.starts_at,event.ends_at,updated_at,booking_source,status,checkin.ocurred_at,is_first_attendance")  # fmt: skip
    box = "(each) => { const { x, y } = each.getBoundingClientRect(); return [x, y]; }"
    corner, last = "#report thead th.first", "#total"
    before = [page.eval_on_selector(each, box) for each in (corner, last)]
    page.eval_on_selector(".scroll", "(each) => each.scrollTo(400, 600)")
    assert [page.eval_on_selector(each, box) for each in (corner, last)] == before
    assert page.eval_on_selector(".scroll", "(each) => each.scrollTop") > 100


def test_a_value_is_one_press_from_being_the_only_one(seen: Visit, site: Site) -> None:
    page = seen.open()
    venue = next(row["venue"] for row in report(site.client, limit=50, **TIMEFRAME).json["rows"] if row["venue"])
    page.locator("#report button.only", has_text=venue["name"]).first.click()
    seen.settled()
    assert seen.address["venues"] == str(venue["id"])
    assert set(seen.column("venue.name")) == {venue["name"]}
    assert seen.texts(".chip-value") == [venue["name"]]
    page.locator("#report td:has(.pill.no_show) button.only").first.click()
    seen.settled()
    assert seen.address["status"] == "no_show"
    assert set(seen.column("status")) == {"No-show"}


@pytest.mark.parametrize("column", ["customer.name", "instructors", "booking_source", "event.starts_at"])
def test_only_this_agrees_with_the_api(seen: Visit, site: Site, column: str) -> None:
    page = seen.open(f"event_timeframe=last_30_days&columns=id,{column}")
    page.locator("#report tbody button.only").first.click()
    seen.settled()
    given = {name: value for name, value in seen.address.items() if name != "columns"}
    assert seen.text("#total") == f"All {written(report(site.client, limit=0, **given).json['total'])} matching"
    assert given != TIMEFRAME


def test_the_page_knows_all_columns_and_no_others(seen: Visit, site: Site) -> None:
    page = seen.open()
    script = next(url for url in seen.elsewhere if "/page." in url and url.endswith(".js"))
    known = page.evaluate("async (script) => Object.keys((await import(script)).$columns.COLUMNS)", script)
    headers = report(site.client, limit=0).json["column_headers"]
    extensions = {"event.type", "booking_source_id"}
    assert set(known) == {header["key"] for header in headers} | extensions
    assert [key for key in known if key not in extensions] == [header["key"] for header in headers]
    seen.open(f"event_timeframe=last_30_days&columns={','.join(known)}")
    assert len(seen.rows()[0]) == len(known)
