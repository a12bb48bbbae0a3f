"""The page in a real browser: Debian's Chromium, and what is asked of it in every test."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from live import REPORT, Answer, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

    from live import Asking

DESKTOP, PHONE = (1280, 800), (390, 844)
AXE = Path(__file__).parent.joinpath("axe", "axe.min.js").read_text("utf-8")
VALUES = "/api/v2/reports/attendances/values"
ZONE = "Europe/Berlin"
# Drawn twice since, and nothing in sight says that it is being loaded.
STILL = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(Boolean(
    document.querySelector('#page > *')
    && ![...document.querySelectorAll('[aria-busy=true]')].some((each) => each.checkVisibility()))))))"""
# A browser says of every answer above 399 that it could not load it; those are what some tests are about.
_ANSWERS = "Failed to load resource"


def chromium(playwright: Playwright) -> Browser:
    program = shutil.which("chromium")
    assert program, "Chromium is needed: apt-get install chromium"
    return playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])


@dataclass
class Visit:
    """One browser's session with the page. What the browser complains of is kept, and must be nothing at the end."""

    url: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    asked: set[Request] = field(default_factory=set)

    def open(self, query: str = "event_timeframe=last_30_days") -> Page:
        self.page.goto(f"{self.url}/?{query}")
        self.settled()
        return self.page

    def sign_in(self, token: str) -> None:
        """The session of a token, as the page's form makes it."""
        answer = self.context.request.post(
            f"{self.url}/page/v1/session", data={"token": token}, headers={"Origin": self.url}
        )
        assert answer.ok, answer.text()

    def settled(self) -> None:
        """Nothing is on its way any more."""
        still = 0
        for _ in until():
            drawn = self.page.evaluate(STILL)  # meanwhile the driver tells of requests that have ended
            still = still + 1 if drawn and not self.asked else 0
            if still == 2:
                return

    def until(self, condition: str) -> None:
        """Wait for what a script says. The driver's own way to do so evaluates texts, which the page's policy forbids."""
        for _ in until():
            if self.page.evaluate(condition):
                return

    def do(self, selector: str) -> None:
        """Press something, and wait for what comes of it."""
        self.page.click(selector)
        self.settled()

    @property
    def address(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.page.url).query))

    def rows(self, table: str = "#report") -> list[list[str]]:
        """What stands in the body of a table, cell by cell, without what only screen readers are told."""
        return self.page.evaluate(
            """(table) => [...document.querySelectorAll(`${table} tbody tr`)].map((row) => [...row.cells].map((cell) => {
                 const copy = cell.cloneNode(true);
                 copy.querySelectorAll('.visually-hidden').forEach((each) => each.remove());
                 return copy.textContent.replace(/\\s+/g, ' ').trim();
               }))""",
            table,
        )

    def column(self, name: str) -> list[str]:
        keys = self.page.eval_on_selector_all("#report thead th", "(all) => all.map((each) => each.dataset.key)")
        return [row[keys.index(name)] for row in self.rows()]

    def texts(self, selector: str) -> list[str]:
        return [" ".join(text.split()) for text in self.page.locator(selector).all_text_contents()]

    def text(self, selector: str) -> str:
        (found,) = self.texts(selector)
        return found

    def is_accessible(self, within: str = "html") -> None:
        """axe finds nothing, with the one rule of WCAG 2.2 that it leaves out unless it is asked."""
        self.page.evaluate(AXE)
        # Colours that are on their way to others have a contrast of their own.
        self.page.evaluate(
            "document.getAnimations().forEach((each) => each.effect.getComputedTiming().endTime < Infinity && each.finish())"
        )
        # Of what is in order nothing is said, nor of any element by which selectors it is found: that takes long.
        found: list[dict[str, Any]] = self.page.evaluate(
            """async (within) => (await axe.run(within, {
                 rules: { 'target-size': { enabled: true } }, resultTypes: ['violations'], selectors: false,
               })).violations""",
            within,
        )
        said = [
            f"{one['id']}: {one['help']}: "
            + "; ".join(node["html"][:160] + " " + node["failureSummary"][-180:] for node in one["nodes"][:3])
            for one in found
        ]
        assert said == [], "\n".join(said)

    def has_no_sideways_scroll(self) -> None:
        wide, room = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= room, self.page.evaluate(
            """(room) => [...document.querySelectorAll("body *")]
                 .filter((each) => each.getBoundingClientRect().right > room)
                 .map((each) => `${each.tagName}#${each.id}.${each.className.baseVal ?? each.className}`)""",
            room,
        )

    def asks(self, request: Request) -> None:
        self.elsewhere.append(request.url)
        self.asked.add(request)

    def ends(self, request: Request) -> None:
        self.asked.discard(request)

    def note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and _ANSWERS not in message.text:
            self.complaints.append(message.text)


@contextmanager
def visit(browser: Browser, url: str, token: str | None, size: tuple[int, int], **options: Any) -> Iterator[Visit]:
    usual = {"locale": "en-GB", "timezone_id": "America/New_York"}
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **(usual | options))
    page = context.new_page()
    page.set_default_timeout(30_000)
    made = Visit(url, context, page)
    page.on("console", made.note)
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    page.on("request", made.asks)
    page.on("requestfinished", made.ends)
    page.on("requestfailed", made.ends)
    try:
        if token:
            made.sign_in(token)
        yield made
        if page.url.startswith(url) and not page.is_closed():
            made.is_accessible()  # in whatever state a story ends
        assert made.complaints == []
        foreign = [one for one in made.elsewhere if not one.startswith((url, "data:", "blob:"))]
        assert foreign == []
    finally:
        context.close()


def values(client: Asking, of: str, **filters: object) -> dict[str, Any]:
    answer = client.get({"of": of, "timezone": ZONE, **filters}, path=VALUES)
    assert answer.status == 200, answer.body
    return answer.json


def report(client: Asking, **parameters: object) -> Answer:
    answer = client.get({"format": "json", "timezone": ZONE, **parameters}, path=REPORT)
    assert answer.status == 200, answer.body
    return answer


def written(count: int) -> str:
    return f"{count:,}"
