"""Who asks is known by heart, and yet what another process did to a token or a provider holds from then on."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import ClientDisconnect

import databases
from cluster import cluster
from inside import Inside, import_file, new_store, token
from test_workers import row
from turnout import reports
from turnout.admin import hash_of
from turnout.errors import TurnoutError
from turnout.query.instants import SECOND
from turnout.store.base import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from turnout.reports import Page
    from turnout.store.base import Store

NOW = 1_780_000_000 * SECOND
PAGE = "format=json"
FAULTY = f"{PAGE}&limit=none"


@pytest.fixture(scope="module")
def machine() -> Iterator[str]:
    with cluster() as made:
        yield made


@pytest.fixture
def other(tmp_path: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store as another process has it, with two providers."""
    monkeypatch.setattr(databases, "server", machine)
    with closing(new_store(tmp_path)) as store:
        for provider in (1, 2):
            store.put_provider(Provider(provider, "Studio", "Europe/London"))
            import_file(store, provider, map(row, range(1, 41)))
        yield store


@pytest.fixture(params=[0, 1 << 20], ids=["anew", "kept"])
def inside(request: pytest.FixtureRequest, tmp_path: Path, other: Store) -> Iterator[Inside]:
    with closing(new_store(tmp_path)) as store:
        inside = Inside(store, NOW, answer_cache=request.param)
        yield inside
        inside.close()


@pytest.fixture
def asked(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes of the tokens that were asked for before anything else."""
    hashes: list[str] = []
    whole = inside.store.token_and_providers

    def noted(sha256: str) -> object:
        hashes.append(sha256)
        return whole(sha256)

    monkeypatch.setattr(inside.store, "token_and_providers", noted)
    return hashes


def test_a_token_is_asked_for_once(inside: Inside, other: Store, asked: list[str]) -> None:
    texts = [token(other, 1), token(other, 1)]
    answers = [inside.as_(text).get(PAGE) for text in (*texts, *texts, *texts)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert asked == [hash_of(text) for text in texts]


@pytest.mark.parametrize("target", [PAGE, FAULTY])
def test_a_revoked_one_is_refused_from_then_on(inside: Inside, other: Store, target: str) -> None:
    client = inside.as_(token(other, 1))
    assert [client.get(PAGE).status, client.get(PAGE).status, client.get(FAULTY).status] == [200, 200, 400]
    (known,) = other.tokens()
    assert other.revoke_token(known.id, NOW)
    answer = client.get(target)
    assert (answer.status, answer.json["code"]) == (401, "authentication_failed")
    assert "revoked" in answer.json["message"]


def test_for_a_revoked_one_nothing_is_read(inside: Inside, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def report_page(*args: Any, **given: Any) -> Page:
        read.append(1)
        return reports.report_page(*args, **given)

    monkeypatch.setattr("turnout.answers.report_page", report_page)
    client = inside.as_(token(other, 1))
    assert client.get(PAGE).status == 200
    (known,) = other.tokens()
    assert other.revoke_token(known.id, NOW)
    assert client.get(f"{PAGE}&limit=3").status == 401
    read.clear()
    assert [client.get(f"{PAGE}&limit=4").status for _ in range(2)] == [401, 401]
    assert not read


@pytest.mark.parametrize("fault", [TurnoutError("query_timeout"), ClientDisconnect()])
def test_who_was_not_found_out_is_asked_for_first(
    inside: Inside, other: Store, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """A statement that fails, or a client that goes, before the token was seen to be revoked."""
    client = inside.as_(token(other, 1))
    assert client.get(PAGE).status == 200
    (known,) = other.tokens()
    assert other.revoke_token(known.id, NOW)
    read = []

    def report_page(*_: Any, **__: Any) -> Page:
        read.append(1)
        raise fault

    monkeypatch.setattr("turnout.answers.report_page", report_page)
    with suppress(Exception):  # for a client that has gone there is no answer
        client.get(f"{PAGE}&limit=3")
    assert read == [1]
    assert [client.get(f"{PAGE}&limit=3").status for _ in range(2)] == [401, 401]
    assert read == [1]


def test_an_expired_one_is_refused(inside: Inside, other: Store) -> None:
    client = inside.as_(token(other, 1, now=NOW, expires_in="1h"))
    assert client.get(PAGE).status == 200
    inside.now += 3600 * SECOND
    answer = client.get(PAGE)
    assert (answer.status, "expired" in answer.json["message"]) == (401, True)


def test_a_provider_is_as_it_is_now(inside: Inside, other: Store) -> None:
    client = inside.as_(token(other, 1))
    target = f"{PAGE}&event_timeframe=today"
    before = [client.get(target).headers["x-timeframe"] for _ in range(2)]
    other.put_provider(Provider(1, "Studio", "Pacific/Kiritimati"))
    assert before[0] == before[1] != client.get(target).headers["x-timeframe"]


def test_another_provider_stays_another(inside: Inside, other: Store) -> None:
    text = token(other, 1)
    assert [inside.as_(text, provider).get(PAGE).status for provider in (1, 1, 2, 1, 2)] == [200, 200, 403, 200, 403]


def test_what_is_wrong_is_told_as_ever(inside: Inside, other: Store, asked: list[str]) -> None:
    client = inside.as_(token(other, 1))
    fresh = client.get(FAULTY)
    assert client.get(PAGE).status == 200
    by_heart = client.get(FAULTY)
    assert (by_heart.status, by_heart.body) == (fresh.status, fresh.body) == (400, fresh.body)
    # Before the error was told, the token was asked for once more.
    assert len(asked) == 2


def test_where_requests_are_counted_none_is_left_out(tmp_path: Path, other: Store) -> None:
    with closing(new_store(tmp_path)) as store, closing(Inside(store, NOW, token_rate="3/hour")) as limited:
        client = limited.as_(token(other, 1))
        assert [client.get(PAGE).status for _ in range(4)] == [200, 200, 200, 429]
