"""Saved views, and exports."""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING

from inside import new_store, token
from live import served, until
from page.browser import report, written
from turnout.imports import load_demo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from page.browser import Visit
    from page.conftest import Site

TIMEFRAME = {"event_timeframe": "last_30_days"}


def saved(seen: Visit, name: str, *ticks: str) -> None:
    page = seen.page
    page.click("#views-button")
    page.click("#new-view")
    page.fill("#view [name=name]", name)
    for tick in ticks:
        page.check(f"#view [name={tick}]")
    page.click("#view .primary")
    page.wait_for_selector("#view", state="hidden")
    seen.settled()


def test_a_view_is_saved_changed_shared_made_the_default_and_deleted(
    visiting: Callable[..., Visit], site: Site
) -> None:
    mine, other = site.new_token(), site.new_token()
    seen = visiting(token=mine)
    page = seen.open("event_timeframe=last_month&status=no_show&columns=customer.name,status")
    saved(seen, "No-shows", "shared", "preferred")
    assert seen.text(".view-title") == "No-shows"
    assert page.locator("#unsaved").count() == 0
    seen.do("th[data-key='customer.name'] button")
    assert seen.text("#unsaved") == "Unsaved changes"
    page.click("#views-button")
    page.click("#save-view")
    page.wait_for_selector("#unsaved", state="detached")

    # Nothing in the address: the default view opens.
    page.goto(site.server.url)
    page.wait_for_selector("#total")
    seen.settled()
    assert seen.address["status"] == "no_show"
    assert seen.address["sort"] == "customer.name"
    assert seen.text(".view-title") == "No-shows"
    seen.do("[aria-label='Remove filter Status: No-show']")
    page.click("#views-button")
    page.click("text=Undo changes")
    seen.settled()
    assert seen.address["status"] == "no_show"

    # Others see a shared view, and cannot change it; it is not their default.
    theirs = visiting(token=other)
    theirs.open("")
    assert theirs.address == TIMEFRAME
    theirs.page.click("#views-button")
    theirs.page.wait_for_selector(".view")
    assert theirs.page.locator("[aria-label='Edit No-shows']").count() == 0
    theirs.page.click(".view .menu-item")
    theirs.settled()
    assert theirs.address["status"] == "no_show"

    page.click("#views-button")
    page.click("[aria-label='Edit No-shows']")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#remove-view")
    page.wait_for_selector("#view", state="hidden")
    seen.settled()
    page.click("#views-button")
    assert "No saved views yet" in seen.text("#views")


def test_an_export_has_what_the_page_shows(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.new_token())
    page = seen.open(
        "event_timeframe=last_30_days&status=no_show,late_cancelled&sort=customer.name&columns=customer.name,status"
    )
    total = report(site.client, limit=0, status="no_show,late_cancelled", **TIMEFRAME).json["total"]
    page.keyboard.press("e")
    page.click("#export input[value=xlsx]")
    assert seen.text("#export-go") == f"Export {written(total)} rows as Excel"
    page.click("#export input[value=csv]")
    assert seen.text("#export-go") == f"Export {written(total)} rows as CSV"
    page.click("#export-go")
    page.wait_for_selector(".job.complete")
    assert f"{written(total)} rows" in seen.text(".job-words")
    assert "kept until" in seen.text(".job-words")
    seen.is_accessible("#export")
    with page.expect_download() as coming:
        page.click(".job a")
    rows = list(csv.reader(io.StringIO(coming.value.path().read_text("utf-8"))))
    assert len(rows) == total + 1
    page.click(".job button")
    page.wait_for_selector(".job", state="detached")
    assert "None yet" in seen.text("#export")


def test_changes_that_cannot_be_saved_are_told(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.new_token())
    page = seen.open("event_timeframe=last_month&status=no_show")
    saved(seen, "Missed")
    seen.do("th[data-key='customer.name'] button")
    page.route("**/page/v1/views/*", lambda route: route.abort())
    page.click("#views-button")
    page.click("#save-view")
    page.wait_for_selector("#views [role=alert]")
    assert seen.text("#views [role=alert]") == "The server cannot be reached"
    assert seen.text("#unsaved") == "Unsaved changes"
    page.unroute("**/page/v1/views/*")
    page.click("#save-view")
    page.wait_for_selector("#unsaved", state="detached")
    page.click("#views-button")
    seen.settled()
    assert page.locator("#views [role=alert]").count() == 0


def test_an_export_is_asked_for_once_however_often_it_is_pressed(visiting: Callable[..., Visit], site: Site) -> None:
    seen = visiting(token=site.new_token())
    page = seen.open("event_timeframe=last_30_days&status=no_show")
    page.click("#export-button")
    page.evaluate("for (const each of [1, 2, 3]) document.querySelector('#export-go').click()")
    page.wait_for_selector(".job.complete")
    assert len([url for url in seen.elsewhere if url.endswith("/export")]) == 1


def test_a_running_export_shows_how_far_it_is_and_is_cancelled(visiting: Callable[..., Visit], tmp_path: Path) -> None:
    store = new_store(tmp_path)
    load_demo(store, 1, rows=120_000, seed=1, now=time.time_ns() // 1000)
    text = token(store, 1)
    store.close()
    with served(tmp_path / "turnout.duckdb", auth_failures="none") as server:
        seen = visiting(token=text, url=server.url)
        page = seen.open("event_timeframe=all_time&include_future=true")
        page.click("#export-button")
        page.check("#export input[value=xlsx]")
        page.check("#export input[value=all]")
        page.click("#export-go")
        far = "() => document.querySelector('.job.running progress')?.value ?? 0"
        for _ in until():
            if page.evaluate(far) > 0:
                break
        assert 0 < page.evaluate(far) < 120_000
        assert " of 120,000 rows" in seen.text(".job-progress")
        assert page.locator(".job a").count() == 0
        seen.is_accessible("#export")
        page.click(".job.running button")
        page.wait_for_selector(".job.cancelled")
        assert page.locator(".job progress, .job a").count() == 0
        assert "Cancelled" in seen.text(".job-words")
        assert page.evaluate("document.activeElement.closest('.job') !== null"), "the keyboard keeps its place"
        page.click(".job.cancelled button")
        page.wait_for_selector(".job", state="detached")
        assert "None yet" in seen.text("#export")
