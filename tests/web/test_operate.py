"""What monitors ask: /live, /ready, /metrics, and the door for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from turnout.errors import TurnoutError
from web.fakes import FakeStore, error_of, make_app, new_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.fakes import Client

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(client: Client) -> Samples:
    answer = client.send("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_live_and_ready(asking: Callable[..., Client]) -> None:
    client = asking()
    for path in ("/live", "/ready"):
        answer = client.send("GET", path)
        assert (answer.status_code, answer.json()) == (200, {"status": path[1:]})
        assert answer.headers["cache-control"] == "no-store"
        assert client.send("HEAD", path).content == b""


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (TurnoutError("storage_unavailable", "The disk is full."), "The disk is full."),
        (OSError("/secret/path is broken"), "The store cannot answer: OSError."),
    ],
)
def test_not_ready_and_why(asking: Callable[..., Client], store: FakeStore, failure: Exception, said: str) -> None:
    client = asking()
    store.failure = failure
    answer = client.send("GET", "/ready")
    assert error_of(answer) == (503, "storage_unavailable")
    assert answer.json()["message"] == said
    assert answer.headers["retry-after"]
    assert client.send("GET", "/live").status_code == 200
    assert samples(client)["turnout_store_up", ()] == 0
    store.failure = None
    assert client.send("GET", "/ready").status_code == 200
    assert samples(client)["turnout_store_up", ()] == 1


def test_not_ready_while_it_stops(asking: Callable[..., Client], store: FakeStore) -> None:
    app = make_app(store)
    client = asking(app=app)
    app.services.workers.stop()
    assert client.send("GET", "/ready").json()["message"] == "The server is stopping."


def test_a_store_that_hangs_is_not_ready(
    asking: Callable[..., Client], store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("turnout.web.operate._ANSWER_WITHIN", 0.05)
    client = asking()
    store.free.clear()
    answer = client.send("GET", "/ready")
    assert error_of(answer) == (503, "storage_unavailable")
    assert "has not answered" in answer.json()["message"]
    store.free.set()


def test_metrics_count_by_route_and_say_nothing_of_people(asking: Callable[..., Client], store: FakeStore) -> None:
    client = asking(token_rate="2/min", auth_failures="1/min")
    good = {"Authorization": f"Token {new_token(store, 1)}"}
    for _ in range(3):
        client.get(**good)
    for _ in range(2):
        client.get(Authorization="Token tk_no")
    client.send("GET", "/private/anna")
    client.send("BREW", "/private/anna")
    client.send("GET", "/admin/v1/providers/17")
    found = samples(client)
    route = ("route", "/api/v2/reports/attendances/data")
    assert found["turnout_http_requests_total", (("method", "GET"), route, ("status", "200"))] == 2
    assert found["turnout_http_requests_total", (("method", "GET"), route, ("status", "429"))] == 2
    assert found["turnout_http_requests_total", (("method", "other"), ("route", "unmatched"), ("status", "404"))] == 1
    assert found["turnout_http_request_seconds_count", (route,)] == 5
    assert found["turnout_query_seconds_count", ()] == 2
    assert found["turnout_errors_total", (("code", "authentication_failed"),)] == 1
    assert found["turnout_errors_total", (("code", "throttled"),)] == 2
    assert found["turnout_throttled_total", (("limit", "token"),)] == 1
    assert found["turnout_throttled_total", (("limit", "address"),)] == 1
    assert found["turnout_queries_active", ()] == found["turnout_queries_waiting", ()] == 0
    assert (found["turnout_store_bytes", ()], found["turnout_store_attendances", ()]) == (4096, 12345)
    labels = {value for _, pairs in found for _, value in pairs}
    assert not {value for value in labels if "anna" in value or "17" in value.split("/")}


def test_two_applications_count_apart(asking: Callable[..., Client]) -> None:
    asking().send("GET", "/live")
    key = ("turnout_http_requests_total", (("method", "GET"), ("route", "/live"), ("status", "200")))
    assert key not in samples(asking())


def test_metrics_can_be_switched_off(asking: Callable[..., Client], store: FakeStore) -> None:
    client = asking(metrics=False)
    assert error_of(client.send("GET", "/metrics")) == (404, "not_found")
    assert client.get(Authorization=f"Token {new_token(store, 1)}").status_code == 200
    assert error_of(client.send("GET", "/broken")) == (500, "server_error")


def test_the_door_leads_to_the_documentation(asking: Callable[..., Client]) -> None:
    answer = asking().send("GET", "/")
    assert (answer.status_code, answer.headers["location"]) == (307, "docs")
