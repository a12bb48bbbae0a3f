"""Rates: exact to the request, bounded in memory, and by address (contract sections 4 and 9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.settings import Rate
from turnout.web.limits import Limiter, client_key
from web.fakes import Times


def test_a_burst_and_then_one_for_each_share_of_the_period() -> None:
    times = Times()
    limiter = Limiter(Rate(10, 60), times.clock.monotonic)
    assert [limiter.spend("a").remaining for _ in range(10)] == list(range(9, -1, -1))
    over = limiter.spend("a")
    assert (over.allowed, over.remaining, over.reset, over.retry_after) == (False, 0, 60, 6)
    assert limiter.spend("b").allowed
    times.move(5.9)
    assert not limiter.spend("a").allowed
    times.move(0.1)
    assert limiter.spend("a").allowed
    assert not limiter.spend("a").allowed
    times.move(60)
    assert [limiter.spend("a").allowed for _ in range(11)] == [True] * 10 + [False]


@given(st.integers(1, 1000), st.sampled_from([1, 60, 3600, 86400]), st.floats(0, 1e7))
def test_exactly_the_count_is_allowed_at_once(count: int, seconds: int, start: float) -> None:
    limiter = Limiter(Rate(count, seconds), lambda: start)
    assert all(limiter.spend("a").allowed for _ in range(count))
    refused = limiter.spend("a")
    assert not refused.allowed
    assert 1 <= refused.retry_after <= seconds


@given(st.lists(st.floats(0, 30), min_size=20, max_size=60))
def test_no_window_of_the_period_has_more_than_twice_the_count(pauses: list[float]) -> None:
    times = Times()
    limiter = Limiter(Rate(5, 60), times.clock.monotonic)
    allowed = []
    for pause in pauses:
        times.move(pause)
        if limiter.spend("a").allowed:
            allowed.append(times.monotonic)
    for start in allowed:
        assert sum(start <= moment < start + 60 for moment in allowed) <= 10


def test_waiting_as_long_as_told_is_enough() -> None:
    times = Times()
    limiter = Limiter(Rate(7, 60), times.clock.monotonic)
    while (answer := limiter.spend("a")).allowed:
        pass
    times.move(answer.retry_after)
    assert limiter.spend("a").allowed


def test_memory_is_bounded_and_the_busiest_are_kept() -> None:
    limiter = Limiter(Rate(2, 60), lambda: 0.0, most_keys=100)
    for number in range(1000):
        limiter.spend(str(number))
        limiter.spend("busy")
    assert limiter.keys == 100
    assert not limiter.spend("busy").allowed


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("somewhere", "somewhere"),
    ],
)
def test_one_client_is_one_key(address: str, key: str) -> None:
    assert client_key({"client": (address, 1)}) == key
    assert client_key({"client": None}) == "unknown"
