"""What the endpoints beside the report read of a request."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from inside import Inside, add_provider, new_store, token
from oracle.report import Tenant
from turnout.sync.target import MOST_LISTED, MOST_ROWS
from turnout.web.asked import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Asking

PLACE = {"mark": "m", "state": {"source": "http://x", "provider": 1}}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Asking]:
    with closing(new_store(tmp_path)) as store:
        add_provider(store, Tenant(1, "UTC", "monday"))
        with closing(Inside(store, 0, database=str(tmp_path / "turnout.duckdb"))) as inside:
            yield inside.as_(token(store, 1, role="super_admin"), 1)


@pytest.mark.parametrize(
    ("path", "body", "most"),
    [
        ("/admin/v1/erasures", {"customers": [1]}, 256 * 1024),
        ("/admin/v1/providers", {"id": 7, "name": "A", "timezone": "UTC"}, 256 * 1024),
        ("/ingest/v1/sync", {"place": PLACE, "rows": []}, 2 * 1024 * 1024),
        ("/ingest/v1/sync/removals", {"rows": []}, 2 * 1024 * 1024),
    ],
)
def test_what_is_decoded_at_once_is_small(admin: Asking, path: str, body: dict[str, Any], most: int) -> None:
    """Whatever `max_body` is: while it is decoded, nobody is answered."""
    text = json.dumps(body).encode()
    answer = admin.send("POST", path, JSON, text.ljust(most + 1))
    assert answer.error()[:2] == (413, "request_too_large")
    assert admin.send("POST", path, JSON, text.ljust(most)).status in (200, 403, 404)


def test_a_page_of_a_sync_has_a_bounded_number_of_rows(admin: Asking) -> None:
    for rows, status in ((MOST_ROWS, 200), (MOST_ROWS + 1, 400)):
        body = json.dumps({"place": PLACE, "rows": [{}] * rows}).encode()
        answer = admin.send("POST", "/ingest/v1/sync", JSON, body)
        assert answer.status == status
    assert "`$.rows`" in answer.json["field_errors"]["non_field_errors"][0]


def test_rows_of_a_sync_may_be_written_in_any_way(admin: Asking) -> None:
    """A refused row is named by its line, also where it came on several."""
    good = {"updated_at": "2026-01-01T00:00:00Z", "status": "attended", "customer": {"id": 1}}
    event = {"event": {"id": 1, "starts_at": "2026-01-01T00:00:00Z"}}
    rows = [{"id": 1, **good, **event}, {"id": 2, **good}, {"id": 3, **good, **event}, "none", {"id": 4}]
    body = json.dumps({"place": PLACE, "rows": rows}, indent=2).encode()
    answer = admin.send("POST", "/ingest/v1/sync", JSON, body)
    assert (answer.status, answer.json["created"]) == (200, 2)
    assert [row["id"] for row in answer.json["refused"]] == [2, 0, 4]
    assert answer.json["place"]["refused"] == [0, 2, 4]


def test_as_many_removals_as_are_listed_fit_into_a_body(admin: Asking) -> None:
    listed = [{"id": 2**63 - 1 - n, "updated_at": -(2**62)} for n in range(MOST_LISTED)]
    answer = admin.send("POST", "/ingest/v1/sync/removals", JSON, json.dumps({"rows": listed}, indent=1).encode())
    assert answer.json == {"removed": 0}


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("17", 17), (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("9" * 400, None), ("", None)]
    + [(text, None) for text in ("-1", "+1", "1.0", " 1", "\u0663", "x")],
)
def test_whole_numbers(text: str, number: int | None) -> None:
    assert whole_number(text) == number
