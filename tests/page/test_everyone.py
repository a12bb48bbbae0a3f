"""The page for everyone: axe, the keyboard alone, narrow screens, dark ones, paper, and bad connections."""

from __future__ import annotations

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


def focused(seen: Visit) -> str:
    return seen.page.evaluate(
        "(document.activeElement.id || document.activeElement.textContent.trim()).replace(/\\s+/g, ' ')"
    )


def test_the_keyboard_alone_is_enough(seen: Visit) -> None:
    page = seen.open()
    press = page.keyboard.press
    press("Tab")
    assert focused(seen) == "Skip to the report"
    press("Enter")
    assert focused(seen) == "panel"
    press("Tab")
    press("Tab")
    assert focused(seen).startswith("Starts")
    for _ in range(7):
        press("Tab")
    assert page.evaluate("document.activeElement.matches('tbody button.only')")
    first = focused(seen)
    press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 2
    press("ArrowUp")
    assert focused(seen) == first
    press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('td').cellIndex") == 1
    press("Enter")
    seen.settled()
    assert "customers" in seen.address
    press("f")
    assert page.locator("#picker-status").is_visible()
    press("Tab")
    press("Space")
    seen.settled()
    assert "status" in seen.address
    press("Escape")
    assert focused(seen) == "picker-status-button"
    press("t")
    press("Escape")
    assert focused(seen) == "timeframe-button"
    for key, tab in (("2", "pictures"), ("3", "groups"), ("1", None)):
        press(key)
        seen.settled()
        assert seen.address.get("tab") == tab
    page.focus("#tab-table")
    press("ArrowRight")
    seen.settled()
    assert seen.address["tab"] == "pictures"
    assert focused(seen) == "tab-pictures"
    press("?")
    assert page.locator("#help").is_visible()
    press("Escape")
    assert page.locator("#help").is_hidden()


def test_a_page_is_turned_by_a_key_and_not_while_writing(seen: Visit) -> None:
    page = seen.open("event_timeframe=this_year")
    page.keyboard.press("]")
    seen.settled()
    assert seen.address["at"] == "51"
    page.keyboard.press("[")
    seen.settled()
    assert "at" not in seen.address
    page.keyboard.press("/")
    page.wait_for_selector("#picker-customers input[type=search]")
    page.keyboard.type("1f?")
    assert page.locator("#picker-customers input[type=search]").input_value() == "1f?"
    assert "tab" not in seen.address


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


def test_what_was_away_comes_back_by_itself(seen: Visit) -> None:
    page = seen.open()
    rows = seen.rows()
    page.route("**/api/**", lambda route: route.abort())
    page.click("[aria-label='Load again']")
    page.wait_for_selector(".state.problem")
    assert "cannot be reached" in seen.text(".state h2")
    seen.is_accessible()
    page.unroute("**/api/**")
    page.wait_for_selector("#report")
    seen.settled()
    assert seen.rows() == rows


def test_what_fails_for_a_part_leaves_the_rest(seen: Visit) -> None:
    page = seen.page
    page.route("**/values?**", lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, json={
        "code": "overloaded", "type": "service_error", "message": "Busy.", "field_errors": {"non_field_errors": []}}))  # fmt: skip
    seen.open()
    assert len(seen.rows()) == 50
    assert "The server is busy" in seen.text(".cards-problem")
    page.unroute("**/values?**")
    seen.do(".cards-problem .link")
    assert page.locator("[data-figure=all]").is_visible()


def test_loading_does_not_make_the_page_jump(seen: Visit) -> None:
    page = seen.page
    held = []
    going = False

    def held_back(route: Route) -> None:
        if going:
            route.continue_()
        else:
            held.append(route)

    page.route("**/api/**", held_back)
    page.goto(f"{seen.url}/?event_timeframe=last_30_days")
    page.wait_for_selector("#report .bones")
    places = "() => ['.cards', '.bar', '.scroll', '.pager'].map((each) => document.querySelector(each).getBoundingClientRect().top)"
    before = page.evaluate(places)
    going = True
    for route in held:
        route.continue_()
    page.wait_for_selector("#report tbody .pill")
    seen.settled()
    assert page.evaluate(places) == pytest.approx(before, abs=2)


def test_an_instructor_sees_own_events_alone(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.instructor)
    page = seen.open("event_timeframe=this_year&limit=100")
    page.click("#menu-button")
    assert "Only the events that you instruct" in seen.text("#menu")
    (name,) = {one["label"] for one in values(site.client, "instructors", limit=100)["values"] if one["value"] == 3}
    assert all(name in names for names in seen.column("instructors"))
    total = report(site.client, limit=0, event_timeframe="this_year", instructors=3).json["total"]
    assert seen.text("#total") == f"All {written(total)} matching"
