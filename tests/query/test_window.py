"""A window never changes what a page has; it only spares the engine rows."""

from __future__ import annotations

from bisect import bisect_left
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from turnout.catalog.attendances import ATTENDANCES
from turnout.query.cursor import CursorBox
from turnout.query.dialect import DUCKDB
from turnout.query.plan import Plan, plan
from turnout.query.raw import pairs_of
from turnout.query.request import Scope, parse
from turnout.query.window import WHOLE, Extent, Window, extent_of, guesses, has_windows, search, step

KEYS = st.lists(
    st.one_of(st.integers(0, 10), st.integers(0, 100_000), st.integers(0, 2**62)), min_size=1, max_size=3_000
)
ORDERS = st.sampled_from(["sort=id", "sort=-id", "sort=event_starts_at", ""])


def plan_of(query: str) -> Plan:
    request = parse(ATTENDANCES, pairs_of(query.encode()), Scope(1, ZoneInfo("UTC")), now=0, box=CursorBox(bytes(32)))
    return plan(request, DUCKDB)


def steps_of(the_plan: Plan, keys: list[int]) -> list[int]:
    return sorted(step(the_plan, key) for key in keys)


def between(steps: list[int], window: Window) -> list[int]:
    start = 0 if window.start is None else bisect_left(steps, window.start)
    end = len(steps) if window.end is None else bisect_left(steps, window.end)
    return steps[start:end]


@given(keys=KEYS, order=ORDERS, limit=st.integers(1, 60), offset=st.integers(0, 100))
def test_a_window_with_enough_rows_has_the_first_rows(keys: list[int], order: str, limit: int, offset: int) -> None:
    the_plan = plan_of(f"{order}&limit={limit}&offset={offset}")
    steps = steps_of(the_plan, keys)
    tried = list(guesses(the_plan, Extent(len(keys), min(keys), max(keys))))
    assert tried[-1] == WHOLE
    for window in tried:
        page = between(steps, window)[offset : offset + limit + 1]
        if len(page) > limit:
            assert page == steps[offset : offset + limit + 1]
    ends = [window.end for window in tried[:-1]]
    assert ends == sorted(ends, key=lambda end: end or 0)


def test_even_rows_are_found_by_the_first_guess() -> None:
    the_plan = plan_of("sort=-id&limit=50")
    keys = list(range(0, 1_000_000, 10))
    window = next(guesses(the_plan, Extent(len(keys), keys[0], keys[-1])))
    assert 51 <= len(between(steps_of(the_plan, keys), window)) <= 51 * 5


@given(keys=KEYS, order=ORDERS, limit=st.integers(1, 60), share=st.floats(0, 1, exclude_max=True))
def test_a_search_finds_the_page(keys: list[int], order: str, limit: int, share: float) -> None:
    copies = 40  # more rows than are near enough at once
    offset = int(len(keys) * copies * share)
    the_plan = plan_of(f"{order}&limit={limit}&offset={offset}")
    steps = sorted(steps_of(the_plan, keys) * copies)
    counts = []

    def count(window: Window) -> int:
        counts.append(window)
        return len(between(steps, window))

    window = search(the_plan, Extent(len(steps), min(keys), max(keys)), count)
    within = offset - window.skipped
    assert between(steps, window)[within : within + limit + 1] == steps[offset : offset + limit + 1]
    assert len(counts) <= 8


def test_a_search_among_even_rows_counts_few_times() -> None:
    the_plan = plan_of("sort=-id&limit=50&offset=500000")
    keys = list(range(1_500_000))
    steps = steps_of(the_plan, keys)
    counted = []

    def count(window: Window) -> int:
        counted.append(window)
        return len(between(steps, window))

    window = search(the_plan, Extent(len(keys), 0, keys[-1]), count)
    assert len(between(steps, window)) <= 16_384
    assert len(counted) <= 5


def test_only_numbers_and_instants_that_are_always_there_have_windows() -> None:
    assert has_windows(plan_of(""))
    assert has_windows(plan_of("sort=-updated_at"))
    for other in ("customer.name", "checkin.ocurred_at", "venue.id", "is_first_attendance"):
        assert not has_windows(plan_of(f"sort={other}")), other


def test_without_an_extent_there_is_no_window() -> None:
    the_plan = plan_of("sort=customer.name&offset=5000")
    assert extent_of((10_000,)) == Extent(10_000)
    assert list(guesses(the_plan, Extent(10_000))) == [WHOLE]
    assert search(the_plan, Extent(10_000), lambda _: 0) == WHOLE
