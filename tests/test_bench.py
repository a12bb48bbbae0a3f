"""The benchmark's own arithmetic and pages; what it measures is not tested."""

from __future__ import annotations

import pytest
from bench.questions import DEEPEST, Kind, depth, get, post
from bench.report import page, terminal
from bench.results import Asked, ImportRun, Program, Results, Run, Served, Spread, percentile, spread
from bench.sizes import PROVIDERS, Size, asked_for, provider_rows
from bench.tables import Table, figure, size
from bench.targets import EVEN_CURSOR, MIX, NEAR_ENGINE, NOT_BEHIND, QUICK_IMPORT, QUICK_START, SHORT_TAIL, targets


@pytest.mark.parametrize("rows", [100_000, 1_000_000, 10_000_000])
def test_the_sizes_add_up_and_follow_zipf(rows):
    counts = provider_rows(rows)
    assert sorted(counts) == list(range(1, PROVIDERS + 1))
    assert sum(counts.values()) == rows
    ordered = sorted(counts.values(), reverse=True)
    assert ordered[0] / ordered[9] == pytest.approx(10**0.95, rel=0.01)
    assert counts == provider_rows(rows)


def test_ten_million_rows_have_the_sizes_that_the_targets_speak_of():
    small, middle, large = asked_for(provider_rows(10_000_000))
    assert [one.name for one in (small, middle, large)] == ["small", "middle", "large"]
    assert small.rows == pytest.approx(10_000, rel=0.05)
    assert middle.rows == pytest.approx(100_000, rel=0.05)
    assert large.rows == pytest.approx(1_500_000, rel=0.01)
    assert depth(large) == DEEPEST
    assert depth(small) == small.rows // 2


def test_three_different_providers_are_asked_for_however_small_they_are():
    assert len({one.provider for one in asked_for(provider_rows(2_000))}) == 3


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0], 0.5, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        (list(map(float, range(1, 101))), 0.99, 99.0),
        (list(map(float, range(1, 201))), 0.99, 198.0),
        ([1.0, 9.0], 0.99, 9.0),
    ],
)
def test_percentiles_are_by_nearest_rank(values, share, expected):
    assert percentile(values, share) == expected


def test_there_is_no_percentile_of_nothing():
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_requests_are_whole():
    assert get("/a?b=1", {"X": "y"}) == b"GET /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y\r\n\r\n"
    assert post("/a", {}, b"body").endswith(b"Content-Length: 4\r\n\r\nbody")


def served(p50: float, *, p99: float = 20.0, rate: float = 100.0) -> Served:
    return Served(Spread(p50, p50 * 2, 200), Spread(10.0, p99, 100), rate)


def results(
    *, http: float = 5.0, engine: float = 4.0, p99: float = 20.0, rate: float = 100.0, mix: float = 300.0
) -> Results:
    asked = [
        Asked(
            kind=kind,
            size="large",
            turnout=served(http * (1.3 if kind == Kind.CURSOR else 1.0), p99=p99, rate=rate),
            engine=Spread(engine, engine, 200),
            web=Spread(0.1, 0.2, 200),
            phases={"authenticate": 0.1, "read": 0.2, "answer": 4.5, "all": 5.0},
            peers={"Slow": served(50.0, rate=20.0), "Fast": served(9.0, rate=99.0)},
        )
        for kind in Kind
    ]
    peers = {"Slow": Program("1", 1.0, 10**9, 10**8, 20.0), "Fast": Program("2", 1.0, 10**9, 10**8, 100.0)}
    return Results(
        date="2026-10-05",
        machine={"Processor": "one"},
        imports=[ImportRun("CSV", 1_000_000, 10**8, 8.0, 2 * 10**8)],
        runs=[Run(1_000_000, {"large": 150_000}, 250_000.0, Program("0", 0.9, 10**8, 10**8, mix), peers, asked)],
    )


def by_group(found: Results) -> dict[str, list[bool]]:
    groups: dict[str, list[bool]] = {}
    for target in targets(found):
        groups.setdefault(target.group, []).append(target.met)
    return groups


def test_targets_are_met_and_missed_where_they_should_be():
    found = by_group(results())
    assert found[NEAR_ENGINE] == [True] * 6
    assert found[SHORT_TAIL] == [True] * 6
    assert found[EVEN_CURSOR] == [False]
    assert found[NOT_BEHIND] == [True] * 6
    assert found[MIX] == found[QUICK_START] == found[QUICK_IMPORT] == [True]


@pytest.mark.parametrize(
    ("changed", "group"),
    [
        ({"http": 6.6}, NEAR_ENGINE),
        ({"p99": 50.1}, SHORT_TAIL),
        ({"rate": 98.0}, NOT_BEHIND),
        ({"mix": 299.0}, MIX),
    ],
)
def test_a_figure_just_beyond_its_bound_is_missed(changed, group):
    assert not any(by_group(results(**changed))[group])


def test_the_page_says_what_is_missed_by_how_much_and_why():
    text = page(results(mix=150.0))
    assert f"| {MIX} | 0 of 1 | 1,000,000 rows (Fast): 150 /s, bound 300 |" in text
    assert f"**{MIX}.** " in text
    assert "| 50% |" in text
    assert f"**{NEAR_ENGINE}.**" not in text


def test_the_page_and_the_terminal_have_every_question_and_program():
    for text in (page(results()), terminal(results())):
        for kind in Kind:
            assert f"{kind}, large" in text
        for name in ("Turnout 0", "Slow 1", "Fast 2", "125,000"):
            assert name in text


def test_tables_are_aligned():
    table = Table(["a", "b"], [["long", "1"], ["x", "1,000"]])
    assert table.plain().splitlines() == ["a         b", "----  -----", "long      1", "x     1,000"]
    assert table.markdown().splitlines() == ["| a | b |", "| --- | ---: |", "| long | 1 |", "| x | 1,000 |"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0949, "0.09"), (9.999, "10.00"), (12.34, "12.3"), (1234.5, "1,234"), (-3.0, "-3.00")]
)
def test_figures_have_about_three_digits(value, text):
    assert figure(value) == text


def test_sizes_are_decimal():
    assert size(2_500_000_000) == "2.50 GB"
    assert size(444_000_000) == "444 MB"


def test_a_size_is_a_provider():
    assert asked_for({1: 10, 2: 100, 3: 10_000})[2] == Size("large", 3, 10_000)
