"""The benchmark's own arithmetic and pages; what it measures is not tested."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from bench import quotas
from bench.children import BenchError, child, fate, running
from bench.client import Call, Job, Load, pooled
from bench.copies import copied
from bench.engine import Slice, repeated
from bench.measure import drift
from bench.questions import DEEPEST, Kind, depth, get, post
from bench.report import page, terminal
from bench.results import (
    COUNTED,
    IMPORTED,
    VALIDATED,
    Asked,
    ExportRun,
    ImportRun,
    LargeRun,
    PostgresPage,
    PostgresRun,
    Program,
    Results,
    Run,
    Served,
    Spread,
    TailCost,
    UpkeepRun,
    ViewRun,
    WorkersRun,
    percentile,
    spread,
)
from bench.sizes import PROVIDERS, SIZES, Size, asked_for, provider_rows
from bench.tables import Table, figure, size
from bench.targets import (
    CALM_EXPORTS,
    EVEN_CURSOR,
    GROUPED,
    LARGE_FIRST,
    MIX_ANEW,
    MIX_AS_SERVED,
    NEAR_ENGINE,
    NEAR_PSYCOPG,
    NOT_BEHIND_ANEW,
    NOT_BEHIND_AS_SERVED,
    POSTGRES_IMPORT,
    QUICK_EXPORT,
    QUICK_IMPORT,
    QUICK_START,
    QUICK_TEXT,
    QUICK_VIEW,
    QUICK_XLSX,
    SHORT_TAIL,
    SMALL_EXPORT,
    TWO_WORKERS,
    targets,
)
from bench.turns import affordable, turns
from bench.worker import Worker, working

from turnout.store.base import Provider
from turnout.store.open import open_store


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
    *,
    http: float = 5.0,
    engine: float = 4.0,
    p99: float = 20.0,
    rate: float = 100.0,
    mix: float = 300.0,
    rate_as_served: float = 100.0,
    mix_as_served: float = 300.0,
    grouped: float = 9.0,
    beside: float = 39.0,
    export: float = 7.1,
    memory: float = 399e6,
    page_ms: float = 59.9,
    psycopg: float = 46.8,
    seconds: float = 49.9,
    workers: float = 801.0,
    quotas: bool = True,
    view: float = 999.0,
) -> Results:
    asked = [
        Asked(
            kind=kind,
            size="large",
            anew=served(http * (1.3 if kind == Kind.CURSOR else 1.0), p99=p99, rate=rate),
            as_served=served(0.4, p99=1000.0, rate=rate_as_served),
            engine=Spread(engine, engine, 200),
            rested=Spread(engine * 1.1, engine, 200),
            web=Spread(0.1, 0.2, 200),
            phases={"authenticate": 0.1, "read": 0.2, "answer": 4.5, "all": 5.0},
            peers={"Slow": served(50.0, rate=20.0), "Fast": served(9.0, rate=99.0)},
        )
        for kind in Kind
    ]
    return Results(
        date="2026-10-05",
        machine={"Processor": "one"},
        imports=[ImportRun("CSV", COUNTED, 1_000_000, 10**8, 8.0, 2 * 10**8)],
        runs=[
            Run(
                rows=1_000_000,
                sizes={"large": 150_000},
                merged_per_second=250_000.0,
                drift=1.37,
                turnout=Program("0", 0.9, 10**8, 10**8, mix_as_served),
                anew_mix=mix,
                peers={
                    "Slow": Program("1", 1.0, 10**9, 10**8, 20.0),
                    "Fast": Program("2", 1.0, 10**9, 10**8, 100.0),
                },
                asked=asked,
            )
        ],
        upkeep=[
            UpkeepRun(1_000_000, [TailCost(20_000, 9.5, 7.5, 20_000, 0.25)], 8.5, 6.5, 7.0, 9.0, 11.0, 33.0),
        ],
        exports=[
            ExportRun("csv", 1_500_000, export, 9.0, memory, 10**8),
            ExportRun("ndjson", 1_500_000, export, 9.0, 10**8, 10**8),
            ExportRun("xlsx", 1_500_000, 99.0, 99.0, 10**8, 10**8),
            ExportRun("COPY csv", 1_500_000, 5.0, 9.0, 2 * 10**9, 10**8),
        ],
        views=[ViewRun("new", 1_500_000, *[Spread(view, view, 9)] * 3, 9, 60_000, 0.0)],
        postgresql=[
            PostgresRun(
                rows=10_000_000,
                version="15.9",
                settings=["shared_buffers=4GB"],
                filled=41_000.0,
                size=8 * 10**9,
                pages=[
                    PostgresPage(kind, size_, Spread(page_ms, 88.0, 99), Spread(psycopg, 77.0, 99))
                    for kind in (Kind.FIRST, Kind.SYNC)
                    for size_ in SIZES
                ],
                imported=ImportRun("NDJSON", IMPORTED, 1_000_000, 10**9, seconds, 7 * 10**8),
                connections=16,
                workers=[
                    WorkersRun(None, 500.0, 501.0, 1.4, 1.9),
                    *([WorkersRun(0.5, 500.0, workers, 0.7, 1.4)] if quotas else []),
                ],
            )
        ],
        larges=[
            LargeRun(
                150_000, "status", Spread(grouped, 20.0, 99), Spread(6.0, 7.0, 99), 9e4, 8, 9.0, 20.0, 15.0, beside
            )
        ],
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
    assert found[NOT_BEHIND_ANEW] == found[NOT_BEHIND_AS_SERVED] == [True] * 6
    assert found[GROUPED] == found[CALM_EXPORTS] == found[QUICK_EXPORT] == found[QUICK_TEXT] == [True]
    assert found[QUICK_XLSX] == [True]
    assert found[SMALL_EXPORT] == [True] * 3
    assert found[QUICK_VIEW] == [True]
    assert found[NEAR_PSYCOPG] == [True] * 6
    assert found[LARGE_FIRST] == found[POSTGRES_IMPORT] == found[TWO_WORKERS] == [True]
    assert found[MIX_ANEW] == found[MIX_AS_SERVED] == found[QUICK_START] == found[QUICK_IMPORT] == [True]


@pytest.mark.parametrize(
    ("changed", "group"),
    [
        ({"http": 6.6}, NEAR_ENGINE),
        ({"p99": 50.1}, SHORT_TAIL),
        ({"rate": 98.0}, NOT_BEHIND_ANEW),
        ({"rate_as_served": 98.0}, NOT_BEHIND_AS_SERVED),
        ({"mix": 299.0}, MIX_ANEW),
        ({"mix_as_served": 299.0}, MIX_AS_SERVED),
        ({"grouped": 9.1}, GROUPED),
        ({"beside": 40.1}, CALM_EXPORTS),
        ({"export": 7.2}, QUICK_EXPORT),
        ({"psycopg": 46.7}, NEAR_PSYCOPG),
        ({"page_ms": 60.1, "psycopg": 47.0}, LARGE_FIRST),
        ({"seconds": 50.1}, POSTGRES_IMPORT),
        ({"view": 1_001.0}, QUICK_VIEW),
        ({"workers": 799.0}, TWO_WORKERS),
        ({"quotas": False}, TWO_WORKERS),
    ],
)
def test_a_figure_just_beyond_its_bound_is_missed_and_nothing_else_for_it(changed, group):
    found = by_group(results(**changed))
    assert not any(found.pop(group))
    before = by_group(results())
    del before[group]
    assert found == before


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where control groups would be; as the system's own, they go with what is in them."""
    monkeypatch.setattr(Path, "rmdir", shutil.rmtree)
    return tmp_path


@pytest.mark.parametrize(
    ("second", "written"),
    [
        (False, {"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "10000"}),
        (True, {"cpu.max": "10000 20000"}),
    ],
)
def test_a_process_is_given_a_part_of_a_core_and_then_let_go(groups, monkeypatch, second, written):
    parent = groups if second else groups / "cpu"
    if second:
        (groups / "cgroup.controllers").touch()
    monkeypatch.setattr(quotas, "_group_of", lambda process, second: "/before")
    before = parent / "before"
    before.mkdir(parents=True)
    (before / "cgroup.procs").touch()
    with quotas.limited([os.getpid()], 0.5, root=groups) as can:
        assert can
        (group,) = parent.glob("turnout-bench-*")
        found = {file.name: file.read_text("ascii") for file in group.iterdir()}
        assert found == {**written, "cgroup.procs": f"{os.getpid()}"}
    assert not group.exists()
    assert (before / "cgroup.procs").read_text("ascii") == f"{os.getpid()}"


@pytest.mark.parametrize("there", ["none", "cpu"])
def test_a_system_without_parts_of_a_core_says_so(tmp_path, monkeypatch, there):
    """Or one whose groups are out of reach, as from within a container."""
    monkeypatch.setattr(quotas, "_group_of", lambda process, second: "/elsewhere")
    (tmp_path / there).mkdir()
    with quotas.limited([os.getpid()], 0.5, root=tmp_path) as can:
        assert not can
    assert not [*(tmp_path / there).iterdir()]


def test_the_group_of_a_process_is_found():
    known = Path("/proc/self/cgroup").read_text("ascii")
    assert f":{quotas._group_of(os.getpid(), second='0::' in known)}\n" in known


def test_what_answers_is_one_process_or_its_children():
    with subprocess.Popen(["sleep", "60"]) as process:
        assert quotas.workers_of(process.pid, 1) == [process.pid]
        assert process.pid in quotas.workers_of(os.getpid(), 2)
        process.kill()


def test_only_what_is_checked_as_a_user_does_it_counts():
    """Reading alone, without a look at the store, is told beside it, and reaches no target."""
    slow = ImportRun("CSV", COUNTED, 1_000_000, 10**8, 10.1, 2 * 10**8)
    quick = msgspec.structs.replace(slow, done=VALIDATED, seconds=5.0)
    found = by_group(msgspec.structs.replace(results(), imports=[quick, slow]))
    assert found[QUICK_IMPORT] == [False]


def test_the_page_says_what_was_measured_in_another_run():
    assert "Measured in a run" not in page(results())
    apart = msgspec.structs.replace(results(), apart={"imports": "2026-10-07"})
    assert "Measured in a run of its own on 2026-10-07: imports." in page(apart)


def test_large_exports_are_missed_one_by_one():
    assert by_group(results(memory=401e6))[SMALL_EXPORT] == [False, True, True]
    assert by_group(results(export=7.6))[QUICK_TEXT] == [False]


def test_the_page_says_what_is_missed_by_how_much_and_why():
    text = page(results(mix=150.0))
    assert f"| {MIX_ANEW} | 0 of 1 | 1,000,000 rows (Fast): 150 /s, bound 300 |" in text
    assert f"| {MIX_AS_SERVED} | 1 of 1 |  |" in text
    assert f"**{MIX_ANEW}.** " in text
    assert f"**{MIX_AS_SERVED}.**" not in text
    assert "| 50% |" in text
    assert f"**{NEAR_ENGINE}.**" not in text


def test_the_page_and_the_terminal_have_every_question_and_program():
    for text in (page(results()), terminal(results())):
        for kind in Kind:
            assert f"{kind}, large" in text
        for name in ("Turnout 0", "Slow 1", "Fast 2", "125,000", "1.37 x on 1,000,000 rows"):
            assert name in text
        for figures in (
            ("csv", "211,268", "0.70", "399 MB"),
            ("150,000", "9.00", "39.0", "1.95"),
            ("first page, large", "59.9", "88.0", "46.8", "13.1", "60.0", "met"),
            ("10,000,000", "8.00 GB", "41,000", "20,040", "700 MB"),
            ("10,000,000", "what is free", "500", "1.40", "501", "1.90", "1.00"),
            ("10,000,000", "0.5 of a core", "500", "0.70", "801", "1.40", "1.60"),
            ("20,000", "2.0%", "9.50", "7.50", "0.2 s"),
            ("1,000,000", "8.5 s", "7.00", "33.0", "6.50"),
        ):
            assert any(all(each in line for each in figures) for line in text.splitlines())


def test_the_method_has_no_gaps():
    text = page(results())
    method = text[text.index("## How it is measured") :]
    assert "{" not in method
    assert "--answer-cache 0" in method


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


def test_each_round_of_turns_begins_with_another_program_and_goes_the_other_way():
    found = list(turns({"a": 4, "b": 4, "c": 4}))
    assert [found[at : at + 3] for at in range(0, 12, 3)] == [list("abc"), list("acb"), list("cab"), list("cba")]


def test_everybody_gets_the_slices_that_are_due_and_few_ones_are_spread():
    slices = {"a": 8, "b": 8, "c": 3, "d": 2, "e": 1}
    found = list(turns(slices))
    assert Counter(found) == slices
    between = [found[: at + 1].count("a") for at, name in enumerate(found) if name == "d"]
    assert 3 <= between[1] - between[0] <= 5


def test_no_programs_have_no_turns():
    assert list(turns({})) == []


@pytest.mark.parametrize(
    ("call", "slices"), [(0.001, 8), (0.3, 8), (0.5, 8), (1.0, 4), (2.0, 2), (60.0, 2)], ids=lambda value: f"{value:g}"
)
def test_a_slow_program_gets_about_twice_its_share_of_the_time(call, slices):
    assert affordable(8, 0.3, call, 2) == slices


def test_there_are_never_more_slices_than_were_meant_to_be():
    assert affordable(1, 0.3, 0.4, 2) == 1


def test_drift_is_between_the_medians_of_rounds():
    assert drift([[1.0, 2.0, 100.0], [3.0, 3.0, 3.0], [2.5]]) == 1.5


def test_loads_are_pooled():
    one = Load({"q": [1.0, 2.0]}, {"q": (b"x",)}, {"q": 1}, answered=2, seconds=1.0)
    other = Load({"q": [3.0]}, {}, {"q": 0}, answered=10, seconds=2.0)
    both = pooled([one, other])
    assert both == Load({"q": [1.0, 2.0, 3.0]}, {}, {"q": 1}, answered=12, seconds=3.0)
    assert both.rate == 4.0


def test_what_warms_up_does_not_count():
    calls = iter(range(100))
    assert repeated(lambda: float(next(calls)), Slice("q", 3, 3600.0, warm_up=2)) == [2.0, 3.0, 4.0]


def test_a_slice_has_one_answer_however_short_it_is():
    assert repeated(lambda: 7.0, Slice("q", 3, 0.0)) == [7.0]


def test_a_copy_serves_again_until_the_store_is_written(tmp_path):
    database = tmp_path / "turnout.duckdb"
    with closing(open_store(str(database))) as store:
        store.put_provider(Provider(1, "One", "UTC"))
    copy = copied(database, "engine")
    made = copy.stat()
    assert copied(database, "engine") == copy
    assert copy.stat().st_ino == made.st_ino
    with closing(open_store(str(copy))) as store:
        assert list(store.providers()) == [1]
    with closing(open_store(str(database))) as store:
        store.put_provider(Provider(2, "Two", "UTC"))
    os.utime(database, (0, 0))
    copied(database, "engine")
    with closing(open_store(str(copy))) as store:
        assert list(store.providers()) == [1, 2]


def test_copies_open_the_same_cursors(tmp_path):
    database = tmp_path / "turnout.duckdb"
    open_store(str(database)).close()
    keys = set()
    for path in (database, copied(database, "anew"), copied(database, "engine")):
        with closing(open_store(str(path))) as store:
            keys.add(store.secret("cursor"))
    assert len(keys) == 1


WORKER = """
import sys
from bench.children import BenchError
from bench.worker import serve

def do(job):
    print("something printed")
    if job < 0:
        raise BenchError(f"{job} is below zero")
    if job == 0:
        sys.exit("out of order")
    return [job] * job

serve(int, do)
"""


def test_a_worker_does_one_job_after_the_other_and_says_what_is_wrong(tmp_path):
    with working(["-c", WORKER], tmp_path / "counter.log") as pipes:
        worker = Worker[int, list[int]](pipes, list[int])
        assert worker.do(2, 0.0) == [2, 2]
        with pytest.raises(BenchError, match="-1 is below zero"):
            worker.do(-1, 0.0)
        assert worker.do(100_000, 0.0) == [100_000] * 100_000
        for _ in range(2):
            with pytest.raises(BenchError, match=r"the counter does no more jobs .*ended with 1: (?s:.*)out of order"):
                worker.do(0, 0.0)
    assert pipes.process.returncode == 1


def test_a_server_that_ends_at_once_is_complained_about_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    with (
        pytest.raises(BenchError, match=r"did not start: .*ended with 1: no such thing"),
        running(command, tmp_path / "log", {}),
    ):
        pytest.fail("it was said to run")


def test_children_end_with_the_block_whatever_ends_it(tmp_path):
    forever = [sys.executable, "-c", "import signal; print('here', flush=True); signal.pause()"]
    known = []

    def interrupted():
        with child(forever, tmp_path / "log", {}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            known.append(process)
            assert process.stdout.readline() == b"here\n"
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert known[0].returncode == -signal.SIGTERM
    assert "it ended with -15" in fate(known[0], tmp_path / "log")


def test_the_client_counts_calls_keeps_answers_and_names_what_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent)
    kept = tmp_path / "kept"
    kept.write_bytes(msgspec.msgpack.encode([("/0", {"x": "y"}, b"nothing")]))
    call = Call("known", (get("/0", {}), get("/0?again", {})))
    with (
        running([sys.executable, "-m", "bench.webalone", kept], tmp_path / "webalone.log", {}) as server,
        working(["-m", "bench.client"], tmp_path / "client.log") as pipes,
    ):
        client = Worker[Job, Load](pipes, Load)
        load = client.do(Job(server.port, (call,), 2, 7, 3600.0, warm_up=3, keep=True), 0.0)
        assert (load.answered, len(load.milliseconds["known"]), load.unanswered) == (7, 7, {"known": 0})
        assert load.first == {"known": (b"nothing", b"nothing")}
        with pytest.raises(BenchError, match="unknown: 404"):
            client.do(Job(server.port, (Call("unknown", (get("/a/b", {}),)),), 1, 1, 1.0), 0.0)
        assert client.do(Job(server.port, (call,), 4, 9, 0.0), 0.0).answered == 1


def test_calls_that_are_due_are_made_then_and_timed_from_then(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent)
    kept = tmp_path / "kept"
    kept.write_bytes(msgspec.msgpack.encode([("/0", {}, b"nothing")]))
    call = Call("q", (get("/0", {}),))
    with (
        running([sys.executable, "-m", "bench.webalone", kept], tmp_path / "webalone.log", {}) as server,
        working(["-m", "bench.client"], tmp_path / "client.log") as pipes,
    ):
        client = Worker[Job, Load](pipes, Load)
        paced = client.do(Job(server.port, (call,), 2, 6, 3600.0, per_second=20.0), 0.0)
        assert (paced.answered, paced.seconds >= 5 / 20) == (6, True)
        # One connection cannot keep up: the last one was due long before it was asked.
        late = client.do(Job(server.port, (call,), 1, 500, 3600.0, per_second=1e9), 0.0).milliseconds["q"]
        assert late == sorted(late)
        cut = client.do(Job(server.port, (call,), 1, 500, 0.2, per_second=10.0), 0.0)
        assert cut.answered <= 2
        leading = client.do(Job(server.port, (call,), 2, 6, 3600.0, lead=1800.0), 0.0)
        assert (leading.answered, leading.milliseconds, leading.seconds) == (0, {"q": []}, 1800.0)
        behind = client.do(Job(server.port, (call,), 2, 6, 3600.0, lead=1e-9), 0.0)
        assert (behind.answered, len(behind.milliseconds["q"]), round(behind.seconds)) == (6, 6, 3600)
        # What is answered after the time is waited for, and is not of the rate.
        after = client.do(Job(server.port, (call,), 1, 6, 2e-9, lead=1e-9), 0.0)
        assert (after.answered, len(after.milliseconds["q"])) == (0, 1)


def test_what_is_not_answered_in_time_is_counted_with_how_long_it_had_waited(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent)
    call = Call("q", (get("/", {}),))
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        working(["-m", "bench.client"], tmp_path / "client.log") as pipes,
    ):
        client = Worker[Job, Load](pipes, Load)
        load = client.do(Job(silent.getsockname()[1], (call,), 1, 9, 0.0, grace=0.2), 0.0)
    assert (load.answered, load.unanswered, load.first) == (0, {"q": 1}, {})
    assert load.milliseconds["q"][0] >= 100.0
