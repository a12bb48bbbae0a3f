"""Kept answers: never another one than working it out anew gives, and none where that could differ."""

from __future__ import annotations

import io
import json
import random
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from inside import Inside, add_provider, import_file, new_store, token
from oracle.report import Tenant
from turnout import answers
from turnout.imports import import_rows
from turnout.query.instants import format_utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Answer, Asking
    from turnout.reports import Page
    from turnout.store.base import Store

pytestmark = pytest.mark.any_store


SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND  # 2026-09-21T14:13:20Z
PATH = "/api/v2/reports/attendances/data"
TENANTS = (Tenant(1, "Europe/Berlin", "monday"), Tenant(2, "Europe/Berlin", "monday"))


def stamp(second: int) -> str:
    return format_utc(NOW + second * SECOND)


def row(row_id: int, starts: int, version: int = 1, **members: object) -> dict[str, object]:
    """A row whose event starts some seconds from NOW."""
    event = {"id": row_id, "starts_at": stamp(starts), "ends_at": stamp(starts + 60), "name": "Yoga"}
    plain = {"id": row_id, "updated_at": stamp(-1_000_000 + version), "status": "attended"}
    return {**plain, "customer": {"id": row_id % 3 + 1, "name": "Ann"}, "event": event, **members}


class Counted:
    """An application, and how many report pages it has read from its store."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
        self.store = store
        self.app = Inside(store, NOW, **settings)
        self.read = 0
        read = answers.report_page

        def report_page(*args: Any, **given: Any) -> Page:
            self.read += 1
            return read(*args, **given)

        monkeypatch.setattr(answers, "report_page", report_page)
        self.all = self.app.as_(token(store, 1, 2, role="super_admin"), 1)

    def reads(self, client: Asking, query: str) -> tuple[int, Answer]:
        before = self.read
        answer = client.send("GET", f"{PATH}?{query}&format=json" if "format" not in query else f"{PATH}?{query}")
        assert answer.status == 200, answer.body
        return self.read - before, answer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(new_store(tmp_path)) as made:
        for tenant in TENANTS:
            add_provider(made, tenant)
        yield made


@pytest.fixture
def served(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    import_file(store, 1, [row(1, -500), row(2, -100), row(3, 100), row(4, 10_000)])
    import_file(store, 2, [row(9, -10)])
    counted = Counted(store, monkeypatch)
    with closing(counted.app):
        yield counted


def ids(answer: Answer) -> list[int]:
    return [found["id"] for found in answer.json["rows"]]


def test_the_same_question_is_read_once(served: Counted) -> None:
    first_reads, first = served.reads(served.all, "limit=5")
    again_reads, again = served.reads(served.all, "limit=5")
    assert (first_reads, again_reads) == (1, 0)
    assert again.body == first.body
    assert ids(again) == [2, 1]
    assert {name: value for name, value in again.headers.items() if name != "x-request-id"} == {
        name: value for name, value in first.headers.items() if name != "x-request-id"
    }


@pytest.mark.parametrize(
    "other", ["limit=6", "limit=5&format=csv", "limit=5&columns=id", "limit=5&sort=id", "limit=5&offset=1"]
)
def test_another_question_is_read(served: Counted, other: str) -> None:
    served.reads(served.all, "limit=5")
    assert served.reads(served.all, other)[0] == 1


def test_an_event_that_begins_is_there_at_once(served: Counted) -> None:
    assert ids(served.reads(served.all, "")[1]) == [2, 1]
    served.app.now = NOW + 100 * SECOND - 1
    assert served.reads(served.all, "")[0] == 0
    served.app.now = NOW + 100 * SECOND
    reads, answer = served.reads(served.all, "")
    assert (reads, ids(answer)) == (1, [3, 2, 1])


def test_a_clock_that_is_set_back_is_obeyed(served: Counted) -> None:
    served.reads(served.all, "")
    served.app.now = NOW - 200 * SECOND
    assert ids(served.reads(served.all, "")[1]) == [1]


def test_a_change_is_there_at_once_and_only_for_its_provider(served: Counted) -> None:
    other = served.app.as_(token(served.store, 2), 2)
    for client in (served.all, other):
        served.reads(client, "")
    assert import_file(served.store, 1, [row(5, -1)])["created"] == 1
    reads, answer = served.reads(served.all, "")
    assert (reads, ids(answer)) == (1, [5, 2, 1])
    assert served.reads(other, "")[0] == 0


def test_an_import_that_changes_nothing_keeps_the_answers(served: Counted) -> None:
    served.reads(served.all, "")
    assert import_file(served.store, 1, [row(1, -500)])["unchanged"] == 1
    assert served.reads(served.all, "")[0] == 0


@pytest.mark.embedded
def test_what_is_asked_during_a_merge_is_read_and_not_kept(served: Counted) -> None:
    served.reads(served.all, "")
    before, during = [], []

    def ask(found: list[list[int]]) -> None:
        found.append([served.reads(served.all, "")[0] for _ in range(2)])

    text = io.BytesIO(json.dumps(row(6, -2)).encode())
    import_rows(
        served.store,
        1,
        text,
        "rows.ndjson",
        max_text=100,
        progress=lambda _bytes, _rows: ask(before),
        remember=lambda _: ask(during),
    )
    assert before
    assert before == [[0, 0]] * len(before), "nothing changes while rows are checked"
    assert during == [[1, 1]]
    assert ids(served.reads(served.all, "")[1]) == [6, 2, 1]


def test_nobody_gets_the_answer_of_another(served: Counted) -> None:
    own = served.app.as_(token(served.store, 1, role="instructor_attendances", instructor=77), 1)
    stranger = served.app.as_(token(served.store, 2), 2)
    assert ids(served.reads(served.all, "")[1]) == [2, 1]
    assert ids(served.reads(own, "")[1]) == []
    assert ids(served.reads(stranger, "")[1]) == [9]


def test_a_zone_that_changes_is_obeyed(served: Counted) -> None:
    query = "event_timeframe=today"
    served.reads(served.all, query)
    add_provider(served.store, Tenant(1, "Asia/Tokyo", "monday"))
    reads, answer = served.reads(served.all, query)
    assert reads == 1
    assert "+09:00" in answer.headers["x-timeframe"]


def test_timeframes_move_on(served: Counted) -> None:
    query = "event_timeframe=today&include_future=true"
    assert ids(served.reads(served.all, query)[1]) == [4, 3, 2, 1]
    assert served.reads(served.all, query)[0] == 0
    served.app.now = NOW + 86_400 * SECOND
    assert ids(served.reads(served.all, query)[1]) == []


def test_a_timeframe_that_ends_now_is_not_kept(served: Counted) -> None:
    query = "event_timeframe=month_to_date&include_future=true"
    served.reads(served.all, query)
    served.app.now = NOW + 101 * SECOND
    assert ids(served.reads(served.all, query)[1]) == [3, 2, 1]


def test_a_run_of_pages_stays_at_its_moment(served: Counted) -> None:
    page = served.reads(served.all, "limit=1&columns=id")[1]
    served.app.now = NOW + 200 * SECOND
    following = [served.all.follow(page.links["next"]) for _ in range(2)]
    assert [ids(answer) for answer in following] == [[1], [1]]
    assert {answer.headers["x-total-count"] for answer in following} == {"2"}


def test_the_name_of_a_file_is_of_the_day(served: Counted) -> None:
    query = "format=csv&include_future=true"
    first = served.reads(served.all, query)[1]
    served.app.now = NOW + 86_400 * SECOND
    reads, again = served.reads(served.all, query)
    assert reads == 0
    assert "2026-09-21" in first.headers["content-disposition"]
    assert "2026-09-22" in again.headers["content-disposition"]


def test_memory_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import_file(store, 1, [row(row_id, -row_id) for row_id in range(1, 40)])
    counted = Counted(store, monkeypatch, answer_cache=64 * 1024)
    with closing(counted.app):
        for limit in range(1, 30):
            assert counted.reads(counted.all, f"limit={limit}&columns=id")[0] == 1
        assert counted.reads(counted.all, "limit=29&columns=id")[0] == 0
        assert counted.reads(counted.all, "limit=1&columns=id")[0] == 1
        large = "limit=39"
        assert len(counted.reads(counted.all, large)[1].body) > 8 * 1024
        assert counted.reads(counted.all, large)[0] == 1


def test_nothing_is_kept_where_that_is_wanted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import_file(store, 1, [row(1, -1)])
    counted = Counted(store, monkeypatch, answer_cache=0)
    with closing(counted.app):
        assert [counted.reads(counted.all, "")[0] for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_kept_and_fresh_answers_are_always_the_same(store: Store, seed: int) -> None:
    """Random imports, moments and questions: a server that keeps answers says what one that keeps none says."""
    chance = random.Random(seed)
    keeping, fresh = Inside(store, NOW), Inside(store, NOW, answer_cache=0)
    text = token(store, 1)
    questions = (
        "",
        "limit=2&columns=id,status",
        "include_future=true&limit=3",
        "event_timeframe=today",
        "event_timeframe=last_7_days",
        "event_timeframe=week_to_date",
        "status=no_show&sort=customer.name",
        "format=csv&sort=id",
    )
    import_file(store, 1, [row(row_id, chance.randrange(-90_000, 90_000)) for row_id in range(1, 12)])
    with closing(keeping), closing(fresh):
        for turn in range(60):
            match chance.randrange(4):
                case 0:
                    status = chance.choice(("attended", "no_show"))
                    starts = chance.randrange(-90_000, 90_000)
                    import_file(store, 1, [row(chance.randrange(1, 15), starts, 2 + turn, status=status)])
                case 1:
                    keeping.now = fresh.now = keeping.now + chance.choice((1, SECOND, 3_600 * SECOND, 40_000 * SECOND))
            question = f"{PATH}?{chance.choice(questions)}"
            kept, anew = (app.as_(text, 1).send("GET", question) for app in (keeping, fresh))
            assert (kept.status, kept.body) == (anew.status, anew.body), (question, turn)
            assert kept.headers["x-total-count"] == anew.headers["x-total-count"]
