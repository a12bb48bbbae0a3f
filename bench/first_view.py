"""The page's first view in Chromium, on a store of one provider; `python -m bench.first_view` alone.

Several visits, each with a browser of its own that has nothing of the page yet, and then once more with the same. Each
answer is worked out anew. `--beside DIRECTORY` measures another version of the program as well, in turns with this one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench.children import BIN, PATIENCE, BenchError, running
from bench.copies import copied
from bench.exports import ROWS, one_provider
from bench.results import ViewRun, spread
from bench.say import say
from bench.tables import views
from bench.turnout_server import ANEW
from bench.turns import turns
from turnout.admin import create_token
from turnout.store.open import open_store

if TYPE_CHECKING:
    from playwright.sync_api import BrowserType

ROUNDS: Final = 9
NEW, AGAIN = "new", "again"
HERE: Final = "this version"
BESIDE: Final = "the other"
# The part of the page that has them, and a time after it was painted.
_WATCH: Final = """(() => {
    const marks = {};
    const moved = [];
    window.measured = { marks, moved };
    const one = (selector) => document.querySelector(selector);
    const parts = {
        rows: () => one('#report tbody time') && one('#total') && !one('#total .bone'),
        figures: () => one('[data-figure]') && !one('[data-figure] .bone'),
        compared: () => one('.card .against'),
    };
    new MutationObserver(() => {
        for (const [name, there] of Object.entries(parts)) {
            if (name in marks || !there()) continue;
            marks[name] = null;
            requestAnimationFrame(() => setTimeout(() => { marks[name] = performance.now(); }));
        }
    }).observe(document, { subtree: true, childList: true });
    new PerformanceObserver((list) => moved.push(...list.getEntries().map(({ value }) => value)))
        .observe({ type: 'layout-shift', buffered: true });
})()"""
_MEASURED: Final = """() => {
    const loaded = ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind));
    const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);
    const still = document.querySelector('.cards') && !document.querySelector('#page [aria-busy=true]');
    return { still, ...window.measured.marks, moved: sum(window.measured.moved), requests: loaded.length,
        sent: sum(loaded.map(({ transferSize }) => transferSize)) };
}"""


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_view", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--query", default="", help="what the address asks for, as in ?event_timeframe=all_time")
    parser.add_argument("--beside", type=Path, metavar="DIRECTORY", help="the src directory of another version")
    given = parser.parse_args()
    for version, runs in _measured(given.rows, given.rounds, given.query, given.beside).items():
        print(f"{version}\n{views(runs).plain()}\n")
    return 0


def view_runs(rows: int = ROWS, rounds: int = ROUNDS) -> list[ViewRun]:
    """Measure the page's first view so often."""
    return _measured(rows, rounds, "", None)[HERE]


def _measured(rows: int, rounds: int, query: str, beside: Path | None) -> dict[str, list[ViewRun]]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the other parts do without

    database = one_provider(rows)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with ExitStack() as stack:
        urls = {}
        tokens = {}
        for version, source in {HERE: None, **({BESIDE: beside} if beside else {})}.items():
            file = copied(database, f"view-{len(urls)}")
            with closing(open_store(str(file))) as store:
                tokens[version] = create_token(store, None, {"providers": [1], "role": "attendances"}, 0).text
            command = [BIN / "turnout", "serve", "--port", "0", "--database", file, *ANEW]
            environment = {"PYTHONPATH": str(source)} if source else {}
            server = stack.enter_context(running(command, file.with_suffix(".log"), environment))
            urls[version] = f"http://127.0.0.1:{server.port}"
            found[version] = {NEW: [], AGAIN: []}
        chromium = stack.enter_context(sync_playwright()).chromium
        for number, version in enumerate(turns(dict.fromkeys(urls, rounds + 1))):
            say(f"Opening the page of {version}", passing=True)
            visits = _visit(chromium, urls[version], tokens[version] or "", query)
            if number >= len(urls):  # the first ones warm up the server, and the browser's program
                for kind, measured in visits.items():
                    found[version][kind].append(measured)
    return {version: [_run(kind, rows, each) for kind, each in kinds.items()] for version, kinds in found.items()}


def _visit(chromium: BrowserType, url: str, token: str, query: str) -> dict[str, dict[str, Any]]:
    """A visit with a new browser, and another with the same one."""
    program = shutil.which("chromium")
    if not program:
        raise BenchError("Chromium is needed: apt-get install chromium")
    browser = chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
    with closing(browser):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        answer = context.request.post(f"{url}/page/v1/session", data={"token": token}, headers={"Origin": url})
        if not answer.ok:
            raise BenchError(f"the page lets nobody in: {answer.status}: {answer.text()[:500]}")
        page = context.new_page()
        page.add_init_script(_WATCH)
        found = {}
        for kind in (NEW, AGAIN):
            page.goto(f"{url}/{query}")
            deadline = time.monotonic() + PATIENCE
            while not _is_whole(measured := page.evaluate(_MEASURED)):
                if time.monotonic() > deadline:
                    raise BenchError(f"the page does not come: {measured}")
                time.sleep(0.05)
            found[kind] = measured
        return found


def _is_whole(measured: dict[str, Any]) -> bool:
    """Whether all is painted; what is about all time has nothing to be compared with."""
    return measured["still"] and all(measured.get(name, name == "compared") for name in ("rows", "figures", "compared"))


def _run(kind: str, rows: int, visits: list[dict[str, Any]]) -> ViewRun:
    # Of figures and rows the later ones count: the view is there when both are.
    parts = (("rows",), ("rows", "figures"), ("rows", "figures", "compared"))
    times = [spread([max(each.get(name, 0) for name in names) for each in visits]) for names in parts]
    requests, sent, moved = (median(each[name] for each in visits) for name in ("requests", "sent", "moved"))
    return ViewRun(kind, rows, *times, int(requests), int(sent), moved)


if __name__ == "__main__":
    sys.exit(main())
