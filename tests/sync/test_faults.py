"""What a source does wrong: what passes is waited out, what does not stops the sync in words, and never half a page."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import httpx
import pytest

from sync.published import START, Published, attendance, serving
from sync.sides import there
from turnout.sync.address import report_address
from turnout.sync.errors import SyncError
from turnout.sync.patience import Patience, asked_pause

CLOCK = datetime(2030, 1, 1, tzinfo=UTC)


def fill(service: Published, rows: int = 230) -> None:
    service.put(*(attendance(id_, START + timedelta(minutes=id_)) for id_ in range(1, rows + 1)))


PASSING = {
    "429 in seconds": ("status", 429, {"Retry-After": "7"}, {"message": "Slow down."}),
    "429 until a time": ("status", 429, {"Retry-After": formatdate(CLOCK.timestamp() + 90, usegmt=True)}, None),
    "429 without a word": ("status", 429, {}, None),
    "500": ("status", 500, {}, "<html>oops</html>"),
    "502": ("status", 502, {}, "Bad Gateway"),
    "503": ("status", 503, {"Retry-After": "3"}, {"code": "overloaded", "message": "Busy."}),
    "520": ("status", 520, {}, None),
    "half an answer": ("cut",),
    "half an answer of unknown length": ("open", '{"total": 3, "rows": [{"id": 1, "updated_at": "2026-'),
    "half a packed answer": (
        "open",
        gzip.compress(json.dumps({"total": 0, "more": [*range(999)]}).encode())[:999],
        "gzip",
    ),
    "an empty answer of unknown length": ("open", ""),
    "an empty answer": ("status", 200, {}, ""),
    "no answer": ("drop",),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("at", [0, 1, 3, 6])
def test_what_passes_is_waited_out(service, here, fault, at):
    fill(service)
    service.faults.extend([None] * at + [fault])
    here.sync(service)
    assert here.seen() == there(service)
    assert len(here.slept) == 1
    asked = {"7": 7.0, "3": 3.0}.get(fault[2].get("Retry-After", "")) if fault[0] == "status" else None
    if asked:
        assert here.slept[0] >= asked
    if fault == PASSING["429 until a time"]:
        assert 90 <= here.slept[0] <= 91


def test_pauses_grow_and_end(service, here):
    fill(service, 3)
    service.faults.extend([None, *[PASSING["500"]] * 40])
    with pytest.raises(SyncError, match=r"answered 500.*tried 12 times") as caught:
        here.sync(service)
    assert not caught.value.lasting
    assert here.slept == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]


def test_answers_that_always_break_off_end_it_with_the_reason(service, here):
    fill(service, 3)
    service.faults.extend([PASSING["half an answer of unknown length"]] * 40)
    with pytest.raises(SyncError, match=r"The answer of .* broke off in the middle\. It was tried 12 times"):
        here.sync(service)
    assert len(here.slept) == 11


def test_success_forgets_the_failures_before_it(service, here):
    fill(service)
    service.faults.extend([PASSING["502"], PASSING["502"], None] * 20)
    here.sync(service)
    assert here.seen() == there(service)
    assert max(here.slept) == 2


def test_chance_shortens_a_pause_up_to_a_half():
    slept: list[float] = []
    Patience(sleep=slept.append, chance=lambda: 0.999999).wait("It failed.", 4, answered=True)
    assert slept[0] == pytest.approx(4, abs=0.01)


def test_a_server_that_was_never_there_is_given_up_sooner(here):
    with serving(Published()) as gone:
        pass
    with pytest.raises(SyncError, match=r"The connection to .* failed.*tried 5 times"):
        here.sync(gone)
    assert here.slept == [1, 2, 4, 8]


def test_a_reason_that_is_a_sentence_ends_once(service, here):
    service.faults.extend([PASSING["no answer"]] * 5)
    with pytest.raises(SyncError, match=r"failed: Server disconnected without sending a response\. It was tried"):
        here.sync(service)


def test_a_pause_of_hours_is_not_waited_for(service, here):
    service.faults.append(("status", 429, {"Retry-After": "86400"}, None))
    with pytest.raises(SyncError, match="come again in 1,440 minutes"):
        here.sync(service)
    assert here.slept == []


LASTING = {
    "401": (("status", 401, {}, {"message": "The credential is not valid."}), "answered 401.*credential is not valid"),
    "403": (("status", 403, {}, {"detail": "Not yours."}), "answered 403.*Not yours"),
    "403 as a page": (("status", 403, {}, "<html>"), "answered 403"),
    "400": (
        ("status", 400, {}, {"message": "Your request was invalid.", "field_errors": {"sort": ["No."]}}),
        r"answered 400.*invalid\. sort: No",
    ),
    "404": (("status", 404, {}, None), "answered 404.*is the address right"),
    "a page in HTML": (("status", 200, {"Content-Type": "text/html"}, "<html>Log in</html>"), "no JSON.*<html>Log in"),
    "no JSON": (("status", 200, {}, '{"total": 3, "rows": [}'), "no JSON document"),
    "no content": (("status", 204, {}, ""), "no JSON document"),
    "another document": (("status", 200, {}, {"results": []}), "no JSON document"),
    "rows that are none": (("status", 200, {}, {"total": 1, "rows": [5]}), "no JSON document"),
    "an id that is none": (("status", 200, {}, {"total": 1, "rows": [{"id": "x"}]}), "has the id 'x'"),
    "nonsense in bytes": (("status", 200, {}, "\x00\x01\ud7ff"), "no JSON document"),
    "another server": (("status", 302, {"Location": "https://elsewhere.example/login?next=1"}, None), "leads to"),
    "round and round": (("status", 302, {"Location": "/a"}, None), "without end|is the address right"),
}


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(("fault", "reason"), LASTING.values(), ids=LASTING)
def test_what_does_not_pass_stops_at_once(service, here, fault, reason, at):
    fill(service)
    service.faults.extend([None] * at + [fault])
    with pytest.raises(SyncError, match=reason):
        here.sync(service)
    assert here.slept == []
    before = here.seen()
    assert len(before) == (100 if at == 2 else 0) or at < 2, "a page is here whole or not at all"
    here.sync(service)
    assert here.seen() == there(service)


def test_a_greatest_change_without_a_time_is_found_out(service, here):
    fill(service, 3)
    service.faults.append(("status", 200, {}, {"total": 1, "rows": [{"id": 5, "updated_at": "soon"}]}))
    with pytest.raises(SyncError, match="row 5 has no 'updated_at'"):
        here.sync(service)


def test_the_token_goes_to_no_other_server(service, here):
    with serving(Published()) as other:
        service.faults.append(("status", 307, {"Location": f"{other.url}/api/v2/reports/attendances/data"}, None))
        with pytest.raises(SyncError, match="leads to"):
            here.sync(service)
        assert other.asked == []


def test_a_redirect_on_the_same_server_is_followed(service, here):
    fill(service, 3)

    def slash(asked: int) -> None:
        if asked == 2:
            where = "/api/v2/reports/attendances/data/?format=json&limit=100&sort=id&include_future=true&id_gt=0"
            wanted = "".join(f"&columns={c}" for c in service.asked[-1]["columns"])
            service.faults.append(("status", 301, {"Location": f"{where}&event_types=class{wanted}"}, None))

    service.on_request = slash
    here.sync(service)
    assert here.seen() == there(service)


WRONG_PAGES = {
    "ignores id_gt": lambda query: query.pop("id_gt", None),
    "ignores the order": lambda query: query.pop("sort", None),
}


@pytest.mark.parametrize("change", WRONG_PAGES.values(), ids=WRONG_PAGES)
def test_a_service_that_ignores_what_is_needed_is_found_out(service, here, change):
    fill(service)
    plain = service.page

    def page(query):
        if "event_types" in query:
            change(query)
        return plain(query)

    service.page = page
    with pytest.raises(SyncError, match="order of ids"):
        here.sync(service)


def test_changes_out_of_order_are_found_out(service, here):
    fill(service)
    here.sync(service)
    service.put(*(attendance(id_, START + timedelta(days=2, minutes=-id_)) for id_ in range(1, 90)))
    plain = service.page

    def page(query):
        if "updated_at_gte" in query:
            query["sort"] = ["id"]
        return plain(query)

    service.page = page
    with pytest.raises(SyncError, match="order of 'updated_at'"):
        here.sync(service)


@pytest.mark.parametrize("off", [-1, 1, 5])
def test_totals_that_changed_meanwhile(service, here, off):
    """The service counts and reads at two moments."""
    fill(service, 250)
    wrong = iter([True, False] * 1000)

    def total(page):
        if next(wrong) and page["rows"]:
            page["total"] = max(0, page["total"] + off)

    service.on_page = total
    here.sync(service)
    assert here.seen() == there(service)


def test_rows_that_are_counted_and_never_sent(service, here):
    fill(service, 120)

    def hide(page):
        if page["total"]:
            page["rows"] = page["rows"] if len(here.seen()) < 30 else []

    service.on_page = hide
    with pytest.raises(SyncError, match="rows follow, and sends none"):
        here.sync(service)
    service.on_page = lambda _: None
    here.sync(service)
    assert here.seen() == there(service)


def test_a_service_with_smaller_pages(service, here):
    fill(service, 130)
    service.put(*(attendance(id_, START + timedelta(days=1)) for id_ in range(200, 240)))
    plain = service.page

    def page(query):
        return plain({**query, "limit": ["7"]})

    service.page = page
    here.sync(service)
    service.put(*(attendance(id_, START + timedelta(days=2), "attended") for id_ in range(200, 240)))
    here.sync(service)
    assert here.seen() == there(service)


def test_a_slow_answer_is_given_up_and_asked_for_again(here, service):
    fill(service, 5)
    failures = iter([httpx.ReadTimeout("slow"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("slow")])
    real = httpx.HTTPTransport()

    class Slow(httpx.BaseTransport):
        def handle_request(self, request):
            error = next(failures, None)
            if error:
                raise error
            return real.handle_request(request)

        def close(self):
            real.close()

    from turnout.sync.passes import Copy
    from turnout.sync.source import Source

    patience = Patience(sleep=here.slept.append, chance=lambda: 0.0)
    from sync.published import TOKEN

    with Source(service.url, TOKEN, 4711, patience=patience, transport=Slow()) as source:
        Copy(source, here.target).run()
    assert here.slept == [1, 2, 4]
    assert here.seen() == there(service)


def test_retry_after_in_both_forms():
    now = int(CLOCK.timestamp()) * 1_000_000
    later = formatdate(CLOCK.timestamp() + 30, usegmt=True)
    said = formatdate(CLOCK.timestamp() + 10, usegmt=True)
    assert asked_pause({"Retry-After": "12"}, now) == 12
    assert asked_pause({"Retry-After": later}, now) == 30
    assert asked_pause({"Retry-After": later, "Date": said}, now) == 20
    assert asked_pause({"Retry-After": formatdate(0, usegmt=True)}, now) == 0
    assert asked_pause({"Retry-After": "soon"}, now) is None
    assert asked_pause({}, now) is None


@pytest.mark.parametrize(
    "given",
    [
        "https://Example.com",
        "https://example.com/",
        "https://example.com/api",
        "https://example.com/api/v2",
        "https://example.com/api/v2/",
        "https://example.com/api/v2//reports",
        "https://example.com/api/v2//reports/attendances/data",
        "https://example.com/api/v2/reports/attendances/data/",
    ],
)
def test_addresses(given):
    assert report_address(given) == "https://example.com/api/v2/reports/attendances/data"


def test_an_address_below_a_path():
    assert report_address("http://h:81/studio/api/v2") == "http://h:81/studio/api/v2/reports/attendances/data"


@pytest.mark.parametrize(
    "given", ["", "example.com", "ftp://a", "https://", "https://u:p@h", "https://h?x=1", "https://h:0"]
)
def test_what_is_no_address(given):
    with pytest.raises(ValueError, match="not the address of a server"):
        report_address(given)
