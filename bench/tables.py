"""The tables, the same for the terminal and for the page."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from bench.targets import ENGINE_EXTRA_MS, ENGINE_SHARE, Target, beside_psycopg, limit, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.results import (
        Asked,
        ExportRun,
        ImportRun,
        IngestRun,
        LargeRun,
        PostgresPage,
        PostgresRun,
        Program,
        Results,
        Run,
        Served,
        UpkeepRun,
        ViewRun,
    )


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first `words` columns are words, the others figures."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1

    def markdown(self) -> str:
        rule = ["---"] * self.words + ["---:"] * (len(self.head) - self.words)
        return "\n".join("| " + " | ".join(line) + " |" for line in (self.head, rule, *self.rows))

    def plain(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]

        def line(cells: Sequence[str]) -> str:
            placed = (
                cell.ljust(width) if number < self.words else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
            )
            return "  ".join(placed).rstrip()

        return "\n".join([line(self.head), line(["-" * width for width in widths]), *map(line, self.rows)])


def figure(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def reached(results: Results) -> Table:
    """How many of each group of targets are met, and the one that is missed by most."""
    rows = []
    for group, members in groupby(targets(results), key=lambda target: target.group):
        found = list(members)
        worst = max(found, key=lambda target: target.missed_by)
        met = sum(target.met for target in found)
        rows.append([group, f"{met} of {len(found)}", "" if worst.met else miss(worst)])
    return Table(["target", "met", "missed by most"], rows, words=3)


def missed(results: Results) -> Table:
    rows = [
        [target.group, target.about, figure(target.found), figure(target.bound), target.unit, f"{target.missed_by:.0%}"]
        for target in targets(results)
        if not target.met
    ]
    return Table(["target", "where", "found", "bound", "", "missed by"], rows, words=2)


def miss(target: Target) -> str:
    return f"{target.about}: {figure(target.found)} {target.unit}, bound {figure(target.bound)}"


def latency(run: Run) -> Table:
    """Medians with one connection, in milliseconds."""
    peers = list(run.peers)

    def row(asked: Asked) -> list[str]:
        one, kept, bound = asked.anew.one, asked.as_served.one, limit(asked)
        verdict = "met" if one.p50 <= bound else f"missed by {figure(one.p50 - bound)}"
        return [
            f"{asked.kind}, {asked.size}",
            figure(one.p50),
            figure(one.p99),
            figure(asked.engine.p50),
            figure(one.p50 / asked.engine.p50),
            figure(bound),
            verdict,
            figure(kept.p50),
            figure(kept.p99),
            figure(asked.web.p50),
            *(figure(asked.peers[name].one.p50) for name in peers),
        ]

    own = ["anew p50", "p99", "engine", "p50 / engine", "target", "", "as served p50", "p99", "web alone"]
    head = ["question", *own, *peers]
    return Table(head, [row(asked) for asked in run.asked])


def throughput(run: Run) -> Table:
    """Sixteen connections: answers per second, and the tail."""
    peers = list(run.peers)

    def row(asked: Asked) -> list[str]:
        busy = asked.anew.busy
        best = max((peer.rate for peer in asked.peers.values()), default=0.0)
        return [
            f"{asked.kind}, {asked.size}",
            _rate(asked.anew),
            figure(busy.p50),
            figure(busy.p99),
            figure(busy.p99 / busy.p50),
            _rate(asked.as_served),
            *(_rate(asked.peers[name]) for name in peers),
            *(figure(own.rate / best) if best else "" for own in (asked.anew, asked.as_served)),
        ]

    best_mix = max((peer.mix for peer in run.peers.values()), default=0.0)
    mixes = (run.anew_mix, run.turnout.mix)
    mix = [
        "**the mix**",
        figure(run.anew_mix),
        *("", "", ""),
        figure(run.turnout.mix),
        *(figure(run.peers[name].mix) for name in peers),
        *(figure(own / best_mix) if best_mix else "" for own in mixes),
    ]
    own_columns = ["anew /s", "p50", "p99", "p99 / p50", "as served /s"]
    shares = ["anew x the better peer", "as served x the better peer"]
    head = ["question", *own_columns, *(f"{name} /s" for name in peers), *shares]
    return Table(head, [*(row(asked) for asked in run.asked), mix])


def _rate(served: Served) -> str:
    return figure(served.rate) + (f" ({served.unanswered} unanswered)" if served.unanswered else "")


def programs(run: Run) -> Table:
    """The programs as a whole."""
    found: dict[str, Program] = {"Turnout": run.turnout, **run.peers}
    rows = [
        [f"{name} {program.version}", f"{program.started:.2f} s", size(program.resident), size(program.data)]
        for name, program in found.items()
    ]
    return Table(["", "start to first answer", "memory after the mix", "data on disk"], rows)


def ingests(runs: Sequence[IngestRun]) -> Table:
    rows = [
        [
            f"{run.rows:,}",
            figure(run.batches),
            figure(run.waited),
            *map(figure, (run.alone_p50, run.alone_p99, run.beside_p50, run.beside_p99)),
            figure(run.beside_p99 / run.alone_p99),
            figure(run.busy),
        ]
        for run in runs
    ]
    own = ["batches /s", "until on disk, ms"]
    readers = ["readers alone p50", "p99", "beside p50", "p99", "p99 x alone", "cores busy"]
    return Table(["rows", *own, *readers], rows)


def exports(runs: Sequence[ExportRun]) -> Table:
    rates = {run.name: run.rate for run in runs}

    def row(run: ExportRun) -> list[str]:
        copied = rates.get(f"COPY {run.name}")
        share = figure(run.rate / copied) if copied else ""
        return [run.name, figure(run.rate), share, figure(run.cpu), size(run.memory), size(run.size)]

    return Table(["format", "rows/s", "x COPY", "CPU s", "memory", "file"], [row(run) for run in runs])


def views(runs: Sequence[ViewRun]) -> Table:
    rows = [
        [
            run.browser,
            *map(figure, (run.rows.p50, run.figures.p50, run.compared.p50)),
            f"{run.requests}",
            f"{run.sent / 1000:.0f} kB",
            f"{run.moved:.3f}",
        ]
        for run in runs
    ]
    return Table(["browser", "rows and total", "key figures", "compared", "requests", "sent", "moved (CLS)"], rows)


def grouped(runs: Sequence[LargeRun]) -> Table:
    rows = [
        [f"{run.rows:,}", *map(figure, (run.grouped.p50, run.grouped.p99, run.engine.p50, *_bound(run)))]
        for run in runs
    ]
    return Table(["rows of the provider", "p50", "p99", "engine", "p50 / engine", "target"], rows)


def _bound(run: LargeRun) -> tuple[float, float]:
    return run.grouped.p50 / run.engine.p50, ENGINE_SHARE * run.engine.p50 + ENGINE_EXTRA_MS


def beside_exports(runs: Sequence[LargeRun]) -> Table:
    rows = [
        [
            f"{run.rows:,}",
            figure(run.exported),
            *map(figure, (run.alone_p50, run.alone_p99, run.beside_p50, run.beside_p99)),
            figure(run.beside_p99 / run.alone_p99),
        ]
        for run in runs
    ]
    readers = ["readers alone p50", "p99", "beside p50", "p99", "p99 x alone"]
    return Table(["rows of the provider", "exported rows/s", *readers], rows)


def tails(run: UpkeepRun) -> Table:
    """A page by how many rows are not in order."""
    rows = [
        [
            f"{tail.rows:,}",
            f"{tail.rows / run.rows:.1%}",
            figure(tail.loose_p50),
            figure(tail.sorted_p50),
            f"{tail.seconds:.1f} s" if tail.sorted_rows else "",
        ]
        for tail in run.tails
    ]
    return Table(["rows not in order", "of all", "page, ms", "page when they are sorted", "sorting"], rows)


def rebuilds(runs: Sequence[UpkeepRun]) -> Table:
    rows = [
        [
            f"{run.rows:,}",
            f"{run.rebuild_seconds:.1f} s",
            *map(figure, (run.alone_p50, run.alone_p99, run.beside_p50, run.beside_p99, run.after)),
        ]
        for run in runs
    ]
    reader = ["a reader alone p50", "p99", "beside p50", "p99", "afterwards p50"]
    return Table(["rows", "rebuild", *reader], rows)


def phases(run: Run) -> Table:
    """Where the time of an answer made anew goes, in milliseconds: medians of the server's log beside the engine."""
    rows = []
    for asked in run.asked:
        noted = asked.phases
        if noted:
            told = sum(noted.get(name, 0.0) for name in ("authenticate", "read", "answer"))
            rows.append(
                [
                    f"{asked.kind}, {asked.size}",
                    figure(asked.anew.one.p50),
                    figure(noted.get("authenticate", 0.0)),
                    figure(noted.get("read", 0.0)),
                    figure(asked.engine.p50),
                    figure(asked.rested.p50 - asked.engine.p50),
                    figure(noted.get("answer", 0.0) - asked.rested.p50),
                    figure(noted["all"] - told),
                    figure(asked.anew.one.p50 - noted["all"]),
                ]
            )
    head = [
        "question",
        "p50",
        "who asks",
        "what is asked",
        "engine",
        "after a pause",
        "rows to bytes, threads",
        "response",
        "wire, client",
    ]
    return Table(head, rows)


def postgres_pages(run: PostgresRun) -> Table:
    """Pages of PostgreSQL beside their statements by psycopg alone, in milliseconds."""

    def row(one: PostgresPage) -> list[str]:
        bound = beside_psycopg(one)
        verdict = "met" if one.served.p50 <= bound else f"missed by {figure(one.served.p50 - bound)}"
        figures = map(figure, (one.served.p50, one.served.p99, one.alone.p50, one.served.p50 - one.alone.p50, bound))
        return [f"{one.kind}, {one.size}", *figures, verdict]

    return Table(["question", "p50", "p99", "psycopg", "more", "target", ""], [row(one) for one in run.pages])


def postgres(runs: Sequence[PostgresRun]) -> Table:
    rows = [
        [
            f"{run.rows:,}",
            size(run.size),
            *map(figure, (run.filled, run.imported.rate)),
            size(run.imported.peak),
        ]
        for run in runs
    ]
    return Table(["rows", "on disk", "filled, rows/s", "import, rows/s", "its peak memory"], rows)


def workers(runs: Sequence[PostgresRun]) -> Table:
    """One process that serves, and two."""
    rows = [
        [
            f"{run.rows:,}",
            f"{one.cores:g} of a core" if one.cores else "what is free",
            *map(figure, (one.one, one.one_busy, one.two, one.two_busy, one.two / one.one)),
        ]
        for run in runs
        for one in run.workers
    ]
    return Table(["rows", "each has", "one worker /s", "cores busy", "two workers /s", "cores busy", "two / one"], rows)


def imports(runs: Sequence[ImportRun]) -> Table:
    rows = [
        [
            f"{run.form}, {run.done}",
            f"{run.rows:,}",
            size(run.file),
            f"{run.seconds:.1f} s",
            f"{run.rate:,.0f}",
            size(run.peak),
        ]
        for run in runs
    ]
    return Table(["file", "rows", "size", "time", "rows/s", "peak memory"], rows)
