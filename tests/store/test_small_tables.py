"""Providers, tokens and secrets: kept on disk first, answered from memory."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cluster import new_database
from store.look import STUDIO, wide
from store.rows import batches, row
from turnout.errors import TurnoutError
from turnout.store.base import Answered, Provider, Token
from turnout.store.duckdb import DuckStore
from turnout.store.postgres import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Store = DuckStore | PostgresStore

TOKEN = Token(0, "a" * 64, "tk_ab…", (1, 2), "attendances", None, 1_000, None, None)


@pytest.fixture(params=["embedded", "postgres"])
def opened(request: pytest.FixtureRequest, path: Path) -> Callable[[], Store]:
    """Opens the same store anew."""
    if request.param == "embedded":
        return lambda: DuckStore(path, threads=2)
    address = new_database(request.getfixturevalue("postgres"))
    return lambda: PostgresStore(address, spilled=path)


def test_providers(opened: Callable[[], Store]) -> None:
    two, one = Provider(2, 'Zoë\'s "Hall"', "Asia/Tokyo", "sunday"), Provider(1, "Studio", "UTC")
    with closing(opened()) as store:
        assert store.providers() == {}
        store.put_provider(two)
        store.put_provider(one)
        store.put_provider(replace(one, name="Studio One"))
        expected = {1: replace(one, name="Studio One"), 2: two}
        assert store.providers() == expected
        assert list(store.providers()) == [1, 2]
        store.providers().clear()
        assert store.providers() == expected
    with closing(opened()) as store:
        assert store.providers() == expected
        assert list(store.providers()) == [1, 2]


def test_tokens(opened: Callable[[], Store]) -> None:
    other = replace(TOKEN, sha256="b" * 64, providers=(), instructor_id=2**63 - 1, expires_at=5_000)
    with closing(opened()) as store:
        first, second = store.add_token(TOKEN), store.add_token(other)
        assert (first, second) == (replace(TOKEN, id=1), replace(other, id=2))
        assert store.token(TOKEN.sha256) == first
        assert store.token("c" * 64) is None
        with pytest.raises(TurnoutError) as caught:
            store.add_token(TOKEN)
        assert caught.value.code == "conflict"
    with closing(opened()) as store:
        assert list(store.tokens()) == [first, second]
        assert store.token(other.sha256) == second
        assert store.add_token(replace(TOKEN, sha256="d" * 64)).id == 3


def test_a_revoked_token_is_known_at_once_and_for_good(opened: Callable[[], Store]) -> None:
    with closing(opened()) as store:
        store.add_token(TOKEN)
        assert store.revoke_token(1, 7_000)
        revoked = replace(TOKEN, id=1, revoked_at=7_000)
        assert store.token(TOKEN.sha256) == revoked
        assert not store.revoke_token(1, 8_000)
        assert not store.revoke_token(2, 8_000)
    with closing(opened()) as store:
        assert list(store.tokens()) == [revoked]


def test_secrets_are_made_once(opened: Callable[[], Store]) -> None:
    with closing(opened()) as store:
        made = store.secret("cursor")
        assert len(made) == 32
        assert store.secret("cursor") == made
        assert store.secret("links") != made
    with closing(opened()) as store:
        assert store.secret("cursor") == made


def answer(number: int, answered_at: int = 5) -> Answered:
    return Answered(f"key {number}", "request", 200, b"{}", answered_at)


def test_what_was_answered_is_remembered_with_the_merge(opened: Callable[[], Store]) -> None:
    with closing(opened()) as store:
        store.merge_together(STUDIO, [batches([row(1, 10)]), batches([row(2, 10)])], lambda _: [answer(1)])
        # A merge that changes nothing is remembered as well, and one that fails is not.
        store.merge_together(STUDIO, [batches([row(1, 10)])], lambda _: [answer(2, 9)])
        with pytest.raises(TurnoutError):
            store.merge_together(
                STUDIO, [batches([row(3, 10)])], lambda _: [answer(3), replace(answer(4), status="none")]
            )
        assert wide(store).keys() == {1, 2}
    with closing(opened()) as store:
        assert [store.answered(f"key {number}") for number in (1, 2, 3)] == [answer(1), answer(2, 9), None]
        store.forget_answered(9)
        assert [store.answered(f"key {number}") for number in (1, 2)] == [None, answer(2, 9)]


def test_the_version_of_the_data(opened: Callable[[], Store]) -> None:
    with closing(opened()) as store:
        _change_and_look(store)


def _change_and_look(store: Store) -> None:
    before = store.version(1)
    assert store.merge(STUDIO, batches([row(1, 10)]), dry_run=True).created == 1
    assert store.version(1) == before
    store.merge(STUDIO, batches([row(1, 10)]))
    created = store.version(1)
    assert created != before
    store.merge(STUDIO, batches([row(1, 10)]))
    assert store.delete(STUDIO, [2]) == 0
    assert store.version(1) == created
    assert store.delete(STUDIO, [1]) == 1
    assert store.version(1) not in (created, None)
    assert store.version(2) == before
