"""The filter bar, and what is shown where a filter leaves nothing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from oracle.calendar import WEEK_DAYS
from page.browser import report, values, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from page.browser import Visit
    from page.conftest import Site

TIMEFRAME = {"event_timeframe": "last_30_days"}
PICKERS = (
    "status", "offering_types", "venues", "instructors", "customers", "memberships", "days_of_week", "start_hours",
    "booking_methods", "booking_sources", "event_types", "customer_memberships",
)  # fmt: skip
OWN_ORDER: dict[str, Sequence[Any]] = {"days_of_week": WEEK_DAYS, "start_hours": range(24)}


def day(iso: str) -> str:
    found = date.fromisoformat(iso[:10])
    month = "Sept" if found.month == 9 else f"{found:%b}"
    return f"{found.day} {month} {found.year}"


def test_presets_show_what_they_came_to(seen: Visit, site: Site) -> None:
    page = seen.open("event_timeframe=this_year")
    for name in ("Today", "Yesterday", "Last week", "Last month", "Last 30 days", "Last year"):
        page.click("#timeframe-button")
        page.click(f".preset:text-is('{name}')")
        seen.settled()
        timeframe = name.lower().replace(" ", "_")
        assert seen.address["event_timeframe"] == timeframe
        first, last = report(site.client, limit=0, event_timeframe=timeframe).headers["x-timeframe"].split("/")
        before_the_end = date.fromisoformat(last[:10]) - timedelta(days=1)
        shown = seen.text("#resolved")
        # What the two days have in common is said once.
        assert day(first).split()[0] == shown.split()[0].partition("–")[0]
        assert shown.endswith(day(before_the_end.isoformat()))
        assert "Europe/Berlin" in seen.text(".resolved")


def test_days_of_ones_own(seen: Visit, site: Site) -> None:
    page = seen.open()
    page.click("#timeframe-button")
    page.fill("[name=from]", "2026-01-10")
    page.fill("[name=to]", "2026-01-02")
    page.click(".custom .primary")
    assert "first day is after" in seen.text(".custom [role=alert]")
    page.fill("[name=from]", "2025-12-30")
    page.click(".custom .primary")
    seen.settled()
    assert seen.address == {"event_timeframe": "2025-12-30..2026-01-02"}
    assert seen.text("#resolved") == "30 Dec 2025 – 2 Jan 2026"
    page.click("#timeframe-button")
    page.check(".custom [type=checkbox]")
    seen.settled()
    assert seen.address["include_future"] == "true"


def test_pickers_show_the_counts_of_the_api(seen: Visit, site: Site) -> None:
    page = seen.open("event_timeframe=last_30_days&status=attended,no_show")
    page.click("#more-filters")
    for filter_ in PICKERS:
        page.click(f"#picker-{filter_}-button")
        page.wait_for_selector(f"#picker-{filter_} .option-count")
        seen.settled()
        found = values(site.client, filter_, status="attended,no_show", **TIMEFRAME)
        if filter_ in OWN_ORDER:
            found["values"].sort(key=lambda one: OWN_ORDER[filter_].index(one["value"]))
        counts = seen.texts(f"#picker-{filter_} .option-count")
        expected = [written(one["count"]) for one in found["values"]]
        assert counts[: len(expected)] == expected
        options = seen.texts(f"#picker-{filter_} .option-name")
        assert all(one["label"] in (None, name) for one, name in zip(found["values"], options, strict=False))
        if filter_ != "status":
            page.click(f"#picker-{filter_} .option >> nth=0")
            seen.settled()
            assert seen.address[filter_] == str(found["values"][0]["value"])
            assert seen.text("#total") == f"All {expected[0]} matching"
            page.click(f"#picker-{filter_} .option >> nth=0")
            seen.settled()
        page.keyboard.press("Escape")


def test_pickers_are_searched_without_accents(seen: Visit, site: Site) -> None:
    page = seen.open("event_timeframe=this_year")
    page.keyboard.press("/")
    page.wait_for_selector("#picker-customers .option-count")
    name = next(
        one["label"]
        for one in values(site.client, "customers", event_timeframe="this_year", limit=100)["values"]
        if "ö" in one["label"]
    )
    page.keyboard.type(name.replace("ö", "o").upper())
    seen.until("document.querySelectorAll('#picker-customers .option-name').length === 1")
    assert seen.texts("#picker-customers .option-name") == [name]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    seen.settled()
    assert set(seen.column("customer.name")) == {name}
    page.keyboard.press("Escape")
    assert page.locator("#picker-customers").is_hidden()


def test_chips_are_removed_one_by_one_or_all_together(seen: Visit) -> None:
    page = seen.open("event_timeframe=last_30_days&status=attended,no_show&venues=1")
    assert len(seen.texts(".chip")) == 3
    page.click("[aria-label='Remove filter Status: No-show']")
    seen.settled()
    assert seen.address["status"] == "attended"
    seen.do("#clear-filters")
    assert seen.address == TIMEFRAME
    assert page.locator(".chip").count() == 0


def test_key_figures_filter_too(seen: Visit) -> None:
    seen.open()
    seen.do(".card:has([data-figure=no_show])")
    assert seen.address["status"] == "no_show"
    seen.do(".card.all")
    assert seen.address == TIMEFRAME


def test_emptiness_names_the_filter_that_excludes_most(seen: Visit, site: Site) -> None:
    page = seen.open("event_timeframe=last_30_days&status=attended&customers=999999999")
    page.wait_for_selector("#empty .primary")
    without = report(site.client, limit=0, status="attended", **TIMEFRAME).json["total"]
    assert f"Without “Customer: #999999999” there would be {written(without)} attendances." in seen.text("#empty")
    seen.is_accessible()
    seen.do("#empty .primary")
    assert seen.address == {**TIMEFRAME, "status": "attended"}
    assert seen.text("#total") == f"All {written(without)} matching"


def test_a_timeframe_may_exclude_most(seen: Visit) -> None:
    page = seen.open("event_timeframe=1990&status=attended")
    page.wait_for_selector("#empty .primary")
    assert "Without “1990”" in seen.text("#empty")
    seen.do("#empty .primary")
    assert seen.address["event_timeframe"] == "all_time"


def test_what_the_api_refuses_is_told_and_can_be_dropped(seen: Visit) -> None:
    page = seen.open("event_timeframe=last_30_days&sort=custmer.name&staus=attended")
    page.wait_for_selector(".faults")
    assert "Did you mean 'customer.name'?" in seen.text(".faults")
    assert "Did you mean 'status'?" in seen.text(".faults")
    seen.is_accessible()
    seen.do("text=Remove “sort”")
    seen.do("text=Remove “staus”")
    assert seen.address == TIMEFRAME
    assert page.locator("#report").is_visible()
