"""Servers that are away, late, busy, or refuse: what is in sight stays so, and the page goes on by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Route

    from page.browser import Visit


@pytest.mark.parametrize("again", ["online", "by itself"])
def test_what_was_away_comes_back_and_stays_in_sight_meanwhile(seen: Visit, again: str) -> None:
    page = seen.open("event_timeframe=last_30_days&limit=25")
    rows, figure = seen.rows(), seen.text("[data-figure=all]")
    seen.do("#next-page")
    second = seen.rows()
    seen.do("#previous-page")
    if again == "online":
        seen.context.set_offline(True)
    else:
        page.route("**/api/**", lambda route: route.abort())
    page.click("#next-page")
    page.wait_for_selector("#older")
    assert seen.text("#older").startswith("The server cannot be reached. What you see was loaded at ")
    assert page.locator("[role=status] #older").count() == 1
    assert seen.rows() == rows
    assert seen.text("[data-figure=all]") == figure
    page.click("#export-button")
    assert seen.text("#export-go") == "Export as CSV", "how many there are is not known"
    page.click("#export-go")
    assert seen.texts("#export form [role=alert]") == ["The server cannot be reached"]
    page.keyboard.press("Escape")
    seen.is_accessible()
    if again == "online":
        seen.context.set_offline(False)
    else:
        page.unroute("**/api/**")
    page.wait_for_selector("#older", state="detached")
    seen.settled()
    assert seen.rows() == second


@pytest.mark.parametrize("tab", ["table", "pictures"])
def test_a_server_that_is_away_at_first_is_waited_for(seen: Visit, tab: str) -> None:
    page = seen.page
    page.route("**/page/v1/session", lambda route: route.abort())
    page.goto(f"{seen.url}/?event_timeframe=last_30_days&tab={tab}")
    page.wait_for_selector(".state.problem")
    assert seen.text("h2") == "The server cannot be reached"
    assert page.locator("#token").count() == 0, "the session may well be there"
    seen.is_accessible()
    page.unroute("**/page/v1/session")
    page.wait_for_selector("#panel")
    seen.settled()
    assert seen.address["event_timeframe"] == "last_30_days"


def test_the_connection_of_who_is_not_signed_in_is_of_no_matter(visiting: Callable[..., Visit]) -> None:
    seen = visiting(token=None)
    page = seen.open("event_timeframe=last_30_days&tab=pictures")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    seen.settled()
    assert page.locator("#token").is_visible()


def test_an_unknown_cause_of_emptiness_is_asked_for_once(seen: Visit) -> None:
    page = seen.page
    page.route("**/data?*limit=0*", lambda route: route.abort())
    seen.open("event_timeframe=last_30_days&customers=999999999")
    page.wait_for_selector("#empty [role=alert]")
    asked = [url for url in seen.elsewhere if "limit=0" in url]
    assert len(asked) == len(set(asked))
    page.unroute("**/data?*limit=0*")
    seen.do("#empty [role=alert] .link")
    assert "Without “Customer: #999999999” there would be" in seen.text("#empty")


def test_what_is_refused_shows_no_figures_of_before(seen: Visit) -> None:
    page = seen.open()
    page.evaluate(
        "history.pushState(null, '', '?event_timeframe=bogus'); window.dispatchEvent(new PopStateEvent('popstate'))"
    )
    page.wait_for_selector(".faults")
    seen.settled()
    assert page.locator(".cards, .cards-problem, #older").count() == 0
    assert page.locator("[role=alert]").count() == 1, "it is told once"
    assert "2026" not in seen.text("#resolved")
    assert "All time" not in seen.text("#resolved")


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


def test_what_draws_is_asked_for_again_where_it_did_not_come(seen: Visit) -> None:
    page = seen.page
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.abort()

    page.route("**/charts*.js", refuse)
    seen.open("tab=pictures&event_timeframe=last_30_days")
    assert page.locator("#figure-time svg.plot").count() == 0
    assert refused
    seen.complaints.clear()  # the browser says that the file did not come
    page.unroute("**/charts*.js")
    seen.do("#tab-table")
    page.click("#tab-pictures")
    page.wait_for_selector("#figure-time svg.plot")
