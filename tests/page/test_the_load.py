"""How light the page is: what is asked for before the first rows, and what waits for what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from live import REPORT, until
from page.browser import VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, Route

    from page.browser import Visit

LAST = "event_timeframe=last_30_days"
VIEWS = "/page/v1/views"
ROWS = "#report tbody time"
SIZES = """() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
    .map(({ name, transferSize, encodedBodySize }) => [new URL(name).pathname, transferSize, encodedBodySize])"""
SHIFTS = """() => new Promise((done) => new PerformanceObserver((list, watcher) => {
    done(list.getEntries().map(({ value, sources }) => [value, ...sources.map(({ node }) => node?.textContent)]));
}).observe({ type: 'layout-shift', buffered: true }) ?? setTimeout(() => done([]), 300))"""


def name(url: str) -> str:
    """A request's path, without the server and the hash of a file; of the figures' requests also the timeframe."""
    parts = urlsplit(url)
    path = re.sub(r"\.[0-9a-f]{16}\.", ".", parts.path)
    return f"{path} {dict(parse_qsl(parts.query))['event_timeframe']}" if path == VALUES else path


class Held:
    """Requests of some addresses that are kept back until they are let go."""

    def __init__(self, page: Page, *paths: str, timeframe: str = "") -> None:
        self._routes: list[Route] = []
        self._paths, self._timeframe = paths, timeframe
        page.route(self._is_held, lambda route: self._routes.append(route))  # noqa: PLW0108 - the driver marks it

    def _is_held(self, url: str) -> bool:
        return urlsplit(url).path in self._paths and self._timeframe in name(url)

    def let_go(self) -> None:
        self._paths = ()
        for route in self._routes:
            route.continue_()


def shown(page: Page, selector: str) -> None:
    page.locator(selector).first.wait_for()


@pytest.mark.parametrize("query", ["", f"?{LAST}"])
def test_few_are_asked_before_the_first_rows_and_none_twice(seen: Visit, query: str) -> None:
    seen.page.goto(f"{seen.url}/{query}")
    shown(seen.page, ROWS)
    seen.settled()
    asked = [name(url) for url in seen.elsewhere]
    assert asked[:1] == ["/"]
    assert set(asked[1:3]) == {"/page/static/page.css", "/page/static/page.js"}
    assert asked[3] == "/page/v1/session"
    rest = sorted(path for path in asked[4:] if "favicon" not in path)
    assert [path.split()[0] for path in rest] == [REPORT, VALUES, VALUES, VIEWS]
    assert f"{VALUES} last_30_days" in rest
    assert len(set(rest)) == len(rest)


def test_the_page_and_all_that_it_may_load_are_small(seen: Visit) -> None:
    """At most 300 KB compressed in all, a fifth of that for the first rows; a second visit loads none of it."""
    seen.open()
    static = {path: size for path, _, size in seen.page.evaluate(SIZES) if not path.startswith(("/api", "/page/v1"))}
    assert sum(static.values()) < 60_000
    seen.open(f"{LAST}&tab=pictures")
    found = [one for one in seen.page.evaluate(SIZES) if one[0].startswith("/page/static/")]
    assert sum(size for _, _, size in found) < 300_000
    assert len(found) >= 5
    seen.open(f"{LAST}&tab=pictures")
    assert [path for path, sent, _ in seen.page.evaluate(SIZES) if path.startswith("/page/static/") and sent] == []


def test_rows_do_not_wait_for_figures_nor_for_views(seen: Visit) -> None:
    held = Held(seen.page, VALUES, VIEWS)
    seen.page.goto(f"{seen.url}/?{LAST}")
    shown(seen.page, ROWS)
    assert seen.page.locator("#total .bone").count() == 0
    assert seen.page.locator("[data-figure=all] .bone").count() == 1
    held.let_go()
    seen.settled()
    assert seen.page.locator("[data-figure] .bone").count() == 0


def test_figures_do_not_wait_for_rows_nor_for_those_before(seen: Visit) -> None:
    rows = Held(seen.page, REPORT)
    before = Held(seen.page, VALUES, timeframe="..")
    seen.page.goto(f"{seen.url}/?{LAST}")
    for _ in until():
        if seen.page.locator("[data-figure] .bone").count() == 0 and seen.page.locator("[data-figure]").count():
            break
    assert seen.page.locator(".cards").get_attribute("aria-busy") == "true"
    assert seen.page.locator(".against").count() == 0
    assert seen.page.locator(ROWS).count() == 0
    before.let_go()
    shown(seen.page, ".against")
    rows.let_go()
    seen.settled()
    assert seen.page.locator(ROWS).count() > 0


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_nothing_moves_when_something_comes(visiting: Callable[..., Visit], size: tuple[int, int]) -> None:
    """Each part comes by itself, after what stands for it was drawn."""
    seen = visiting(size=size)
    parts = [Held(seen.page, VALUES), Held(seen.page, REPORT)]
    seen.page.goto(f"{seen.url}/?{LAST}")
    shown(seen.page, "#report .bone")
    for part in parts:
        part.let_go()
        seen.page.evaluate("() => new Promise((done) => setTimeout(done, 200))")
    seen.settled()
    assert seen.page.evaluate(SHIFTS) == []


def test_what_opens_is_drawn_when_it_opens(seen: Visit) -> None:
    page = seen.open()
    held = page.locator("[popover] > *, dialog:not(#view) > *")
    assert held.count() == 0
    page.keyboard.press("?")
    seen.settled()
    assert page.locator("#help[open] kbd").count() > 5
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    seen.settled()
    assert page.locator("#timeframe .preset").count() > 5
    assert page.evaluate("document.activeElement.ariaPressed") == "true"
