"""The page for everyone: axe, small and low windows, dark ones, none of our colours, other languages, and paper."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from page.browser import DESKTOP, PHONE, report, values, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Route

    from page.browser import Visit
    from page.conftest import Site

TABS = {"table": "", "pictures": "&tab=pictures", "groups": "&tab=groups"}
POPOVERS = ("timeframe", "picker-status", "picker-customers", "chooser", "views", "menu")


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE)])
def test_axe_finds_nothing(visiting: Callable[..., Visit], scheme: str, size: tuple[int, int]) -> None:
    seen = visiting(color_scheme=scheme, size=size)
    for tab in TABS.values():
        page = seen.open(
            f"event_timeframe=last_30_days&status=attended,no_show,registered,late_cancelled&sort=status,customer.name{tab}"
        )
        page.wait_for_timeout(150)  # colours change by a transition
        for summary in page.locator("summary").all():
            summary.click()
        seen.is_accessible()
        seen.has_no_sideways_scroll()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_opens_is_accessible_and_within_the_window(visiting: Callable[..., Visit], size: tuple[int, int]) -> None:
    seen = visiting(size=size)
    page = seen.open()
    for name in POPOVERS:
        page.click(f"#{name}-button")
        seen.settled()
        box = page.locator(f"#{name}").bounding_box()
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"]
        assert box["y"] + box["height"] <= page.viewport_size["height"]
        seen.is_accessible(f"#{name}")
        page.keyboard.press("Escape")
        assert page.locator(f"#{name}").is_hidden()
    page.keyboard.press("?")
    seen.is_accessible("#help")
    page.keyboard.press("Escape")
    page.click("#views-button")
    page.click("#new-view")
    seen.is_accessible("#view")


HOURS = [("en-US", "9:00 AM", "9 AM", " 9:"), ("en-GB", "09:00", "09", " 09:"), ("de-DE", "09:00", "09", " 09:")]


def test_paper_has_the_report_and_no_buttons(seen: Visit) -> None:
    page = seen.open()
    page.emulate_media(media="print")
    assert page.locator("#report").is_visible()
    assert page.locator("#total").is_visible()
    for button in ("#export-button", "#timeframe-button", "#next-page", "#tab-table"):
        assert page.locator(button).is_hidden(), button
    height = page.locator(".scroll").evaluate("(each) => each.scrollHeight - each.clientHeight")
    assert height <= 2, "all rows are printed"


def test_nothing_moves_for_who_wants_it_still(visiting: Callable[..., Visit]) -> None:
    seen = visiting(reduced_motion="reduce")
    page = seen.open()
    moving = "(all) => all.filter((each) => getComputedStyle(each).animationName !== 'none' || getComputedStyle(each).transitionDuration !== '0s').length"
    assert page.eval_on_selector_all("*", moving) == 0


@pytest.mark.parametrize("size", [(320, 256), (320, 640), (1280, 560)], ids=["zoomed", "narrow", "low"])
def test_a_small_window_has_everything(visiting: Callable[..., Visit], size: tuple[int, int]) -> None:
    seen = visiting(size=size)
    for tab in TABS.values():
        page = seen.open(f"event_timeframe=last_30_days&status=attended,no_show&customers=1,2,3{tab}")
        seen.has_no_sideways_scroll()
        page = seen.open(f"event_timeframe=last_30_days{tab}")
        seen.has_no_sideways_scroll()
    page = seen.open()
    head, foot, rows = (
        page.locator(f"#report {part}").bounding_box()["height"] for part in ("thead", "tfoot", "tbody")
    )
    sticky = (
        page.eval_on_selector("#report thead th:not(.first)", "(each) => getComputedStyle(each).position") == "sticky"
    )
    if size[1] > 400:
        assert sticky
        assert page.locator(".scroll").bounding_box()["height"] <= size[1]
    else:
        assert not sticky, f"{head} and {foot} pixels of {size[1]}"
        assert page.locator(".scroll").bounding_box()["height"] >= rows
    page.click("#export-button")
    page.locator("#export-go").scroll_into_view_if_needed()
    assert page.locator("#export-go").bounding_box()["width"] <= size[0]


def test_filters_do_not_cover_each_other_on_a_phone(visiting: Callable[..., Visit]) -> None:
    seen = visiting(size=PHONE)
    page = seen.open("event_timeframe=last_30_days&customers=1,2&instructors=none")
    buttons = page.eval_on_selector_all(
        ".filter-buttons .button",
        "(all) => all.filter((each) => each.checkVisibility()).map((each) => { const { left, right } = each.getBoundingClientRect(); return [left, right]; })",
    )
    assert len(buttons) > 4
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(buttons))


def test_what_is_chosen_is_seen_without_colours(visiting: Callable[..., Visit]) -> None:
    seen = visiting(forced_colors="active")
    page = seen.open("event_timeframe=last_30_days&status=no_show")
    ground = "(each) => getComputedStyle(each).backgroundColor"
    for chosen, other in (
        ("#tab-table", "#tab-groups"),
        (".card:has([data-figure=no_show])", ".card:has([data-figure=attended])"),
    ):
        assert page.eval_on_selector(chosen, ground) != page.eval_on_selector(other, ground)


@pytest.mark.parametrize(
    ("locale", "total", "share", "points"),
    [
        ("de-DE", "1.234", "83,7 %", "\u22120,1"),
        ("ar-EG", "١٬٢٣٤", "٨٣٫٧٪", "٠٫١"),
        ("en-GB", "1,234", "83.7%", "\u22120.1"),
    ],
)
def test_numbers_are_those_of_the_readers_language(
    visiting: Callable[..., Visit], locale: str, total: str, share: str, points: str
) -> None:
    seen = visiting(locale=locale)
    page = seen.page

    def answered(route: Route) -> None:
        now = "event_timeframe=last_30_days" in route.request.url
        counts = {"attended": 1033, "no_show": 201} if now else {"attended": 1034, "no_show": 200}
        values_ = [{"value": name, "label": None, "count": count} for name, count in counts.items()]
        answer = route.fetch()
        route.fulfill(response=answer, json={"total": 2, "values": values_, "missing": 0})

    page.route("**/values?*", answered)
    seen.open()
    assert seen.text("[data-figure=all]") == total
    foot = seen.text(".card:has([data-figure=attended]) .card-foot")
    for mark in "\u200e\u061c":
        foot = foot.replace(mark, "")
    assert foot.startswith(share)
    assert points in foot
    assert foot.count("٪") + foot.count("%") == 1, "points are no shares"


@pytest.mark.parametrize(("locale", "hour", "tick", "time"), HOURS)
def test_hours_are_those_of_the_readers_clock(
    visiting: Callable[..., Visit], locale: str, hour: str, tick: str, time: str
) -> None:
    seen = visiting(locale=locale)
    page = seen.open("tab=pictures&event_timeframe=last_30_days&start_hours=9")
    page.wait_for_selector("#figure-heat svg.plot")
    spaces = str.maketrans("\u202f\u00a0", "  ")
    assert seen.text(".chip-value").translate(spaces) == hour
    assert tick in [text.translate(spaces) for text in seen.texts("#figure-heat svg.plot text")]
    page = seen.open("event_timeframe=last_30_days&start_hours=9&limit=1")
    assert time in seen.column("event.starts_at")[0].translate(spaces)


def test_an_instructor_sees_own_events_alone(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.instructor)
    page = seen.open("event_timeframe=this_year&limit=100")
    page.click("#menu-button")
    assert "Only the events that you instruct" in seen.text("#menu")
    (name,) = {one["label"] for one in values(site.client, "instructors", limit=100)["values"] if one["value"] == 3}
    assert all(name in names for names in seen.column("instructors"))
    total = report(site.client, limit=0, event_timeframe="this_year", instructors=3).json["total"]
    assert seen.text("#total") == f"All {written(total)} matching"
