"""Whether an answer is, to the last member and cell, what the oracle says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from oracle import calendar, report
from oracle.report import Ask, Row, Tenant

if TYPE_CHECKING:
    from live import Answer, Asking
    from oracle.requests import Case, DataSet


def canonical(document: Any) -> str:
    """JSON in one way of writing, so that 1, 1.0 and true are three things."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)


def same_document(got: Any, wanted: Any) -> None:
    assert got == wanted
    assert canonical(got) == canonical(wanted)


def check(client: Asking, data: DataSet, case: Case, now: int | None = None) -> Answer:
    """Send a request and compare its answer. Without a fixed `now`, the moment was somewhere during the request."""
    headers = {"Accept": case.accept} if case.accept else {}
    before = calendar.now_micros() if now is None else now
    answer = client.get(case.query, headers)
    after = calendar.now_micros() if now is None else now
    assert answer.status == 200, answer.body.decode()
    moments = {before, after}
    if case.ask.timeframe and case.ask.timeframe.endswith("to_date"):
        # The echoed end is the server's now itself.
        moments = {calendar.micros(answer.headers["x-timeframe"].partition("/")[2])}
        assert before <= min(moments) <= after
    try:
        compare(answer, data, case, min(moments))
    except AssertionError:
        if len(moments) == 1:
            raise
        compare(answer, data, case, max(moments))
    return answer


def compare(answer: Answer, data: DataSet, case: Case, now: int) -> None:
    ask, tenant = case.ask, data.tenant
    found = report.all_rows(list(data.rows), ask, now, tenant)
    page = report.cut(found, ask)
    assert answer.headers["x-total-count"] == str(len(found))
    assert answer.headers.get("x-timeframe") == shown_window(ask, now, tenant)
    compare_page(answer, page, len(found), ask, as_csv=case.as_csv)
    if case.as_csv:
        today = calendar.local(now, tenant.zone).date()
        assert f'filename="attendances-{today}.csv"' in answer.headers["content-disposition"]
    compare_links(answer, found, ask)


def shown_window(ask: Ask, now: int, tenant: Tenant) -> str | None:
    if ask.timeframe is None:
        return None
    return calendar.window_text(report.window(ask, now, tenant), ask.timezone or tenant.zone)


def compare_page(answer: Answer, page: list[Row], total: int, ask: Ask, *, as_csv: bool) -> None:
    """The body alone."""
    if not as_csv:
        assert answer.headers["content-type"] == "application/json"
        same_document(answer.json, report.document(total, page, ask))
        return
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    text = answer.body.decode()
    assert text.startswith("\ufeff") == ask.bom
    cells = report.table(page, ask)
    text = text.removeprefix("\ufeff")
    assert report.read_csv(text) == cells
    # More quoting than needed is allowed, nothing else.
    assert text == report.csv_text(cells) or '"' in text


def compare_links(answer: Answer, found: list[Row], ask: Ask) -> None:
    """Which neighbours a page has: none at size 0, `next` exactly when more rows follow."""
    links = set(answer.links)
    if ask.limit == 0:
        assert links == set()
        return
    assert ("next" in links) == (len(found) > ask.offset + ask.limit)
    assert ("prev" in links) == (ask.offset > 0 and bool(found))
