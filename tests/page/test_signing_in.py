"""Signing in and out, choosing the provider, and what happens when a session ends."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from live import TURNOUT, environment, until
from page.browser import report, values, written
from page.conftest import LONG, RIGHT_TO_LEFT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Route

    from page.browser import Visit
    from page.conftest import Site

KEPT = "() => JSON.stringify([location.href, document.cookie, {...localStorage}, {...sessionStorage}, history.state])"


def test_a_token_signs_in_and_is_nowhere_afterwards(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=None)
    page = seen.open("status=no_show&event_timeframe=last_30_days")
    assert page.locator("h1").inner_text() == "Sign in"
    seen.is_accessible()
    page.fill("#token", "tk_wrong")
    page.click("form button")
    page.wait_for_selector("[role=alert]")
    page.fill("#token", site.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#report")
    seen.settled()
    assert seen.address == {"status": "no_show", "event_timeframe": "last_30_days"}
    assert set(seen.column("status")) == {"No-show"}
    assert site.token not in page.evaluate(KEPT)
    assert page.evaluate("document.cookie") == ""
    assert not [url for url in seen.elsewhere if site.token in url]


def test_signing_out_leaves_nothing(seen: Visit) -> None:
    page = seen.open()
    page.click("#menu-button")
    page.click("text=Sign out")
    page.wait_for_selector("#token")
    assert "signed out" in seen.text(".note")
    seen.open()
    assert page.locator("#token").is_visible()
    assert seen.context.cookies() == []


def test_signing_out_is_told_to_other_tabs_and_not_undone_by_going_back(seen: Visit) -> None:
    page = seen.open()
    page.click(".card:has([data-figure=no_show])")
    other = seen.context.new_page()
    other.goto(f"{seen.url}/?event_timeframe=last_30_days")
    other.wait_for_selector("#report .pill")
    page.click("#menu-button")
    page.click("text=Sign out")
    page.wait_for_selector("#token")
    other.wait_for_selector("#token")
    for each in (page, other):
        assert each.locator("#report").count() == 0
        assert "signed out" in each.locator(".note").inner_text()
    assert page.evaluate("document.activeElement.id") == "token"
    page.go_back()
    seen.settled()
    assert page.locator("#token").is_visible()
    assert page.locator("#report").count() == 0


def test_signing_out_that_fails_is_told(seen: Visit) -> None:
    page = seen.open()
    page.route("**/page/v1/session", lambda route: route.abort())
    page.click("#menu-button")
    page.click("text=Sign out")
    page.wait_for_selector("#menu [role=alert]")
    assert "cannot be reached" in seen.text("#menu [role=alert]")
    page.unroute("**/page/v1/session")
    page.click("#menu [role=alert] .link")
    page.wait_for_selector("#token")


def test_nothing_of_one_session_is_left_for_the_next(visiting: Callable[..., Visit], site: Site) -> None:
    """An instructor sees own events alone, whoever used the page before, and however slow the server is."""
    seen = visiting()
    page = seen.open()
    page.click("#picker-customers-button")
    page.wait_for_selector("#picker-customers .option-count")
    page.keyboard.press("Escape")
    page.click("#menu-button")
    page.click("text=Sign out")
    page.fill("#token", site.instructor)
    page.keyboard.press("Enter")
    page.wait_for_selector("#report")
    seen.settled()
    own = values(site.server.client(site.instructor), "customers", event_timeframe="last_30_days")
    held: list[Route] = []
    going = False
    page.route("**/values?*", lambda route: route.continue_() if going else held.append(route))
    page.click("#picker-customers-button")
    page.wait_for_selector("#picker-customers input[type=search]")
    assert seen.texts("#picker-customers .option-count") == []
    for _ in until():
        page.wait_for_timeout(10)
        if held:
            break
    going = True
    for route in held:
        route.continue_()
    page.wait_for_selector("#picker-customers .option-count")
    seen.settled()
    assert seen.texts("#picker-customers .option-count") == [written(one["count"]) for one in own["values"]]


def test_another_studio_is_not_shown_under_an_address(visiting: Callable[..., Visit]) -> None:
    seen = visiting()
    page = seen.open("provider=77&event_timeframe=last_month&tab=pictures")
    assert seen.text("#elsewhere h1") == "You may not see this studio"
    assert page.locator("#report, .figure, .cards").count() == 0
    seen.is_accessible()
    seen.do("#elsewhere .button")
    assert seen.address == {"provider": "1", "event_timeframe": "last_month"}
    assert page.locator("#report").is_visible()


def test_a_session_that_ends_keeps_the_address(visiting: Callable[..., Visit], site: Site) -> None:
    token = site.new_token()
    seen = visiting(token=token)
    page = seen.open("event_timeframe=last_30_days&sort=customer.name")
    first = seen.rows()
    site.revoke(token)
    page.click("#next-page")
    page.wait_for_selector("#token")
    assert "Your session has ended" in seen.text(".note")
    assert seen.address["sort"] == "customer.name"
    page.fill("#token", site.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#report")
    seen.settled()
    assert seen.address["at"] == "51"
    seen.do("#previous-page")
    assert seen.rows() == first


def test_the_link_of_a_demonstration_signs_in_once(visiting: Callable[..., Visit], tmp_path: Path) -> None:
    database = tmp_path / "turnout.duckdb"
    process = subprocess.Popen(
        [TURNOUT, "serve", "--demo", "--rows", "300", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(database=database),
        text=True,
    )
    try:
        assert process.stdout
        link = next(line.split()[-1] for line in process.stdout if "?once=" in line)
        seen = visiting(token=None, url=link.partition("/?")[0])
        page = seen.page
        page.goto(link)
        page.wait_for_selector("#total")
        seen.settled()
        assert "once" not in page.url
        assert seen.address == {"event_timeframe": "last_30_days"}
        seen.context.clear_cookies()
        page.goto(link)
        page.wait_for_selector("#token")
        assert "used already" in seen.text(".note")
        assert "once" not in page.url
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_providers_are_chosen_from_a_list(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.wide)
    page = seen.open("event_timeframe=last_30_days&status=no_show")
    total = report(site.server.client(site.wide, 1), event_timeframe="last_30_days", status="no_show", limit=0)
    assert seen.text("#total") == f"All {written(total.json['total'])} matching"
    page.select_option("#provider", "2")
    seen.until("document.querySelector('#total').textContent.startsWith('All 5 ')")
    seen.settled()
    assert seen.address == {"provider": "2", "event_timeframe": "last_30_days"}
    assert "Asia/Kathmandu" in seen.text(".resolved")
    page.go_back()
    seen.until("document.querySelector('#provider').value === '1'")


def test_names_of_all_kinds_are_shown_as_they_are(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.wide)
    page = seen.open("provider=2&event_timeframe=last_30_days&sort=id")
    assert seen.column("customer.name") == [
        RIGHT_TO_LEFT, LONG.strip(), "<img src=x onerror=alert(1)>", "O’Neill & “Söhne”", "=1+1",
    ]  # fmt: skip
    directions = page.eval_on_selector_all(
        "#report tbody [data-key] span, #report tbody td .only > span[dir]",
        "(all) => all.slice(0, 4).map((each) => getComputedStyle(each).direction)",
    )
    assert directions[0] == "rtl"
    sides = page.eval_on_selector_all(
        "#report tbody td .only > span[dir]",
        "(all) => all.slice(0, 4).map((each) => Math.round(each.getBoundingClientRect().left))",
    )
    assert len(set(sides)) == 1, "names stand below each other, from whichever side they are written"
    assert page.locator("#report tbody tr").nth(1).bounding_box()["height"] < 60
    seen.has_no_sideways_scroll()
    # Ten in the morning by UTC is a quarter to four in Nepal, whatever the browser's own zone.
    assert {text.split()[-1] for text in seen.column("event.starts_at")} == {"15:45"}


def test_a_name_written_from_the_right_leaves_sentences_alone(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.wide)
    page = seen.open("provider=2&event_timeframe=last_30_days&customers=1")
    assert seen.text("#range") == "1 of 1"
    value = page.locator(".chip-value")
    assert value.inner_text() == RIGHT_TO_LEFT
    assert value.evaluate("(each) => [getComputedStyle(each).direction, getComputedStyle(each).unicodeBidi]") == [
        "rtl",
        "isolate",
    ]
    assert (
        page.locator(".chip button").get_attribute("aria-label")
        == f"Remove filter \u2068Customer: {RIGHT_TO_LEFT}\u2069"
    )
    page.click("#picker-customers-button")
    page.wait_for_selector("#picker-customers .option-count")
    lefts = """(all) => all.map((each) => {
        const range = document.createRange();
        range.selectNodeContents(each);
        return Math.round(range.getBoundingClientRect().left);
    })"""
    assert len(set(page.eval_on_selector_all("#picker-customers .option-name", lefts))) == 1
    seen.open("provider=2&event_timeframe=1990&customers=1")
    page.wait_for_selector("#empty .primary")
    seen.open("provider=2&event_timeframe=last_30_days&customers=1&status=no_show")
    page.wait_for_selector("#empty .primary")
    assert "Without “Status: No-show” there would be 1 attendance." in seen.text("#empty")


def test_names_that_come_late_are_not_given_to_another_studio(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.wide)
    page = seen.page
    held: list[Route] = []
    going = False

    def late(route: Route) -> None:
        if going or "of=venues" not in route.request.url:
            route.continue_()
        else:
            held.append(route)

    page.route("**/values?*", late)
    page.goto(f"{seen.url}/?provider=1&event_timeframe=last_30_days&venues=1")
    page.wait_for_selector("#total")
    for _ in until():
        page.wait_for_timeout(10)
        if held:
            break
    going = True
    page.evaluate(
        "history.pushState(null, '', '?provider=2&event_timeframe=last_30_days&venues=1'); window.dispatchEvent(new PopStateEvent('popstate'))"
    )
    for route in held:
        route.continue_()
    seen.settled()
    assert seen.texts(".chip-value") == ["#1"]


def test_a_session_that_has_ended_is_told_kindly_to_who_comes_back(visiting: Callable[..., Visit], site: Site) -> None:
    token = site.new_token()
    seen = visiting(token=token)
    site.revoke(token)
    seen.open("event_timeframe=last_month")
    assert "Your session has ended" in seen.text(".note")
    assert seen.page.locator("[role=alert]").count() == 0
    assert seen.address == {"event_timeframe": "last_month"}


def test_a_store_without_data_says_how_to_bring_some(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.wide)
    page = seen.open("provider=3&event_timeframe=last_30_days")
    page.wait_for_selector("#zero")
    assert "turnout import attendances.csv --provider 3" in seen.text("#zero .commands")
    seen.is_accessible()
