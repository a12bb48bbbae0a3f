"""Takes docs/images/page-*.png: the page with the demo's data, in the system's Chromium (`make screenshots`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).parent / "images"
TURNOUT = Path(sys.executable).with_name("turnout")
DESKTOP, PHONE = (1280, 800), (390, 844)
STILL = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(
    ![...document.querySelectorAll('[aria-busy=true]')].some((each) => each.checkVisibility())))))"""


def settle(page: Page) -> None:
    """Nothing is on its way any more."""
    page.wait_for_load_state("networkidle")
    while not page.evaluate(STILL):
        page.wait_for_timeout(50)


def picker(page: Page) -> None:
    page.click("#picker-instructors-button")
    page.wait_for_selector("#picker-instructors .option-count")


def export(page: Page) -> None:
    page.click("#export-button")
    page.click("#export-go")
    page.wait_for_selector(".job.complete")


GROUPS = "event_timeframe=this_year&group=venue.name,offering_type.name"

# name: size, scheme, the address, what is done there, and whether all of a long page is taken
PICTURES: dict[str, tuple[tuple[int, int], str, str, Callable[[Page], None] | None, bool]] = {
    "page-table": (DESKTOP, "light", "event_timeframe=last_30_days", None, False),
    "page-table-dark": (DESKTOP, "dark", "event_timeframe=last_30_days&status=no_show&sort=customer.name", None, False),
    "page-pictures": (DESKTOP, "light", "event_timeframe=last_30_days&tab=pictures", None, True),
    "page-groups": (DESKTOP, "light", f"tab=groups&{GROUPS}", None, False),
    "page-filter": (DESKTOP, "light", "event_timeframe=last_30_days&venues=1", picker, False),
    "page-export": (DESKTOP, "light", "event_timeframe=last_month&status=no_show", export, False),
    "page-phone": (PHONE, "light", "event_timeframe=last_30_days", None, False),
    "page-phone-dark": (PHONE, "dark", "event_timeframe=last_30_days&tab=pictures", None, False),
}  # fmt: skip


def take(browser: Browser, url: str, token: str) -> None:
    for name, (size, scheme, query, act, whole) in PICTURES.items():
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            locale="en-GB",
            device_scale_factor=2 if size == PHONE else 1,
        )
        signed = context.request.post(f"{url}/page/v1/session", data={"token": token}, headers={"Origin": url})
        if not signed.ok:
            sys.exit(signed.text())
        page = context.new_page()
        page.goto(f"{url}/?{query}")
        settle(page)
        if act:
            act(page)
            settle(page)
        page.wait_for_timeout(300)
        page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)
        context.close()


def main() -> None:
    program = shutil.which("chromium")
    if not program:
        sys.exit("Chromium is needed. On Debian: apt-get install chromium fonts-inter")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = subprocess.Popen(  # noqa: S603
            [TURNOUT, "serve", "--demo", "--rows", "60000", "--port", "0"],
            env={**os.environ, "TURNOUT_DATABASE": f"{folder}/turnout.duckdb"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            said = server.stdout or sys.stdin
            url, token = (said.readline().split()[-1] for _ in range(2))
            take(playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]), url, token)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
