"""What is printed, and the page that is written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import ingest, postgres, tables
from bench.client import GRACE
from bench.measure import CONNECTIONS, LEAST_ROUNDS, WHOLE
from bench.notes import NOTES
from bench.questions import MEANING
from bench.sizes import SIZES
from bench.targets import targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.results import LargeRun, PostgresRun, Results, Run, UpkeepRun, ViewRun

PICTURE: Final = "images/benchmarks.svg"

_UNKNOWN: Final = "Nobody has looked into it yet."
_METHOD: Final = Path(__file__).with_name("method.md")


def terminal(results: Results) -> str:
    """Everything in plain text."""
    parts = []
    for run in results.runs:
        parts += [
            f"{run.rows:,} rows: {_providers(run)}",
            "One connection, ms",
            tables.latency(run).plain(),
            f"{CONNECTIONS} connections",
            tables.throughput(run).plain(),
            "Where the time goes, ms",
            tables.phases(run).plain(),
            tables.programs(run).plain(),
        ]
    if results.imports:
        parts += ["Import", tables.imports(results.imports).plain()]
    if results.ingests:
        parts += ["Rows that land while the report is read", tables.ingests(results.ingests).plain()]
    if results.larges:
        parts += ["The largest provider's grouped report, ms", tables.grouped(results.larges).plain()]
        parts += ["Readers beside an export of it, ms", tables.beside_exports(results.larges).plain()]
    if results.exports:
        parts += [f"Exports of {results.exports[0].rows:,} rows", tables.exports(results.exports).plain()]
    if results.views:
        parts += ["The page's first view, ms", tables.views(results.views).plain()]
    if results.postgresql:
        parts += _databases(results.postgresql)
    for upkeep in results.upkeep:
        parts += [f"{upkeep.rows:,} rows: a growing tail", tables.tails(upkeep).plain()]
    if results.upkeep:
        parts += ["Rebuild", tables.rebuilds(results.upkeep).plain()]
    parts += [f"Drift: {_drift(results)}", "Targets", tables.reached(results).plain()]
    return "\n\n".join(parts).replace("**", "") + "\n"


def _databases(runs: Sequence[PostgresRun]) -> Iterator[str]:
    for one in runs:
        yield from (f"PostgreSQL with {one.rows:,} rows, one connection, ms", tables.postgres_pages(one).plain())
    yield from ("PostgreSQL", tables.postgres(runs).plain())
    yield from ("PostgreSQL, one worker and two", tables.workers(runs).plain())


def page(results: Results) -> str:
    """The page in Markdown."""
    return "\n\n".join(_parts(results)) + "\n"


def _parts(results: Results) -> Iterator[str]:
    yield "# Benchmarks"
    apart = "".join(f" Measured in a run of its own on {day}: {part}." for part, day in results.apart.items())
    yield f"*Written by `make bench` on {results.date}; do not edit.*{apart}"
    yield "\n".join(f"- {name}: {value}" for name, value in {**results.machine, "Drift": _drift(results)}.items())
    yield f"![Medians by question and size, against the target and the peers]({PICTURE})"
    yield "Below and inside the shaded area the target is met."
    yield "## What is reached"
    yield (
        "*Anew*: Turnout works out each answer anew (`--answer-cache 0`); the first three targets are about that. "
        "*As served*: with its defaults, it may answer from memory what was asked before."
    )
    yield tables.reached(results).markdown()
    yield from _missed(results)
    for run in results.runs:
        yield from _run(run)
    if results.imports:
        yield "## Import"
        yield (
            "A file of the report's own rows, the whole process each time: *validated*, which is read and checked and "
            "nothing more; *dry run*, `turnout import --dry-run`, which also compares the rows with an empty store and "
            "with each other, to count the new ones, and is what the target is about; and *imported* into an empty "
            "store."
        )
        yield tables.imports(results.imports).markdown()
    if results.ingests:
        yield "## Rows that land while the report is read"
        first = results.ingests[0]
        yield (
            f"{first.pace:.0f} batches of {first.batch:,} rows are sent to the largest provider in a second, on "
            f"{first.writers} connections, half of the rows new, half newer versions of rows that are there; "
            f"{first.readers} connections ask the mix without a pause, each answer worked out anew, beside them, and "
            "alone before and after that, when the server has put in order what came."
        )
        yield tables.ingests(results.ingests).markdown()
    if results.larges:
        yield from _larges(results.larges)
    if results.exports:
        yield "## Exports"
        yield (
            f"All columns of {results.exports[0].rows:,} rows in the default order, written to a file by a process of "
            "its own, beside the engine's own `COPY` of the same rows in the same order; memory is the process's peak "
            "above what it had before. Medians of three rounds."
        )
        yield tables.exports(results.exports).markdown()
    if results.views:
        yield from _views(results.views)
    if results.postgresql:
        yield from _postgres(results.postgresql)
    if results.upkeep:
        yield from _upkeep(results.upkeep)
    yield _method()
    yield "The questions, each asked of a small, a middle and a large provider:"
    yield "\n".join(f"- **{kind}**: {meaning}" for kind, meaning in MEANING.items())


def _views(runs: Sequence[ViewRun]) -> Iterator[str]:
    first = runs[0]
    yield "## The page's first view"
    yield (
        f"Chromium opens the server's address, signed in, on {first.stored:,} rows of one provider, "
        f"each answer worked out anew; {first.rows.count} visits with a browser of its own each (*new*), "
        "and once more with it (*again*). Milliseconds from the navigation until it is painted, medians."
    )
    yield tables.views(runs).markdown()


def _larges(runs: Sequence[LargeRun]) -> Iterator[str]:
    yield "## Grouped reports"
    yield (
        f"The largest provider's attendances by three columns (`{runs[0].asked}`) with one connection, each answer "
        "worked out anew, in turns with the engine alone. Milliseconds."
    )
    yield tables.grouped(runs).markdown()
    yield "## Exports while the report is read"
    yield (
        f"{runs[0].readers} connections ask the mix, each answer worked out anew: first alone, and then while the "
        "server exports all columns of the largest provider's attendances as CSV, again and again. Milliseconds."
    )
    yield tables.beside_exports(runs).markdown()


def _postgres(runs: Sequence[PostgresRun]) -> Iterator[str]:
    yield "## PostgreSQL"
    first = runs[0]
    yield (
        f"The same rows in a PostgreSQL {first.version} of its own on this machine, durable as it is by default "
        f"(`{'`, `'.join(first.settings)}`), each answer worked out anew. *psycopg* is what the page's own statements, "
        "total and rows, take on one connection in a process that does nothing else, fetched into Python; *more* is "
        "all that a page costs beside them. Milliseconds."
    )
    for run in runs:
        yield f"Of {run.rows:,} rows:"
        yield tables.postgres_pages(run).markdown()
    yield (
        f"*Filled* is the rows put into it, their indexes made afterwards; *import* is `turnout import` of "
        f"{first.imported.rows:,} rows of {first.imported.form} into an empty database, the whole command."
    )
    yield tables.postgres(runs).markdown()
    yield (
        f"Answers a second with {first.connections} connections to `turnout serve --workers`, a mix of the first "
        "pages, pages by cursor and CSV of all sizes. The database and the client share the machine's cores with the "
        "workers. So it is measured twice: as it comes, where a second worker gets what the first, the database and "
        "the client leave of the cores; and with a part of a core for each worker (a quota of Linux's control groups), "
        "so that there is room for the second one, and for what the database does for it. The target is about the "
        "latter, which tells what another worker, or another machine, adds."
    )
    yield tables.workers(runs).markdown()


def _upkeep(runs: Sequence[UpkeepRun]) -> Iterator[str]:
    yield "## Disorder, and putting it in order"
    yield (
        "Newer versions of rows of the largest provider, from all over it, are merged until so many of all rows lie "
        "behind the ordered ones; each time its first page is asked for, in one process and without the server, which "
        "would tidy up by itself: as the rows came, and once they are sorted."
    )
    for run in runs:
        yield f"Of {run.rows:,} rows:"
        yield tables.tails(run).markdown()
    yield "Then all rows are written anew in order, without rests, while one reader asks for that page again and again."
    yield tables.rebuilds(runs).markdown()


def _method() -> str:
    numbers = {
        f"{phase}_{what}": value
        for phase, slices in (("one", WHOLE.one), ("busy", WHOLE.busy), ("mix", WHOLE.mix))
        for what, value in asdict(slices).items()
    }
    text = _METHOD.read_text("utf-8").strip()
    return text.format(
        **numbers,
        connections=CONNECTIONS,
        grace=GRACE,
        ingest_lead=ingest.LEAD,
        ingest_seconds=ingest.BESIDE,
        postgres_rounds=postgres.ROUNDS,
        postgres_calls=postgres.CALLS,
        postgres_seconds=postgres.SLICE,
        least_rounds=LEAST_ROUNDS,
        questions=len(MEANING) * len(SIZES),
    )


def _drift(results: Results) -> str:
    """What the drift was on each number of rows."""
    found = ", ".join(f"{run.drift:.2f} x on {run.rows:,} rows" for run in results.runs)
    return f"the engine's slowest round took {found} as long as its fastest (median over the questions)"


def _missed(results: Results) -> Iterator[str]:
    groups = dict.fromkeys(target.group for target in targets(results) if not target.met)
    if not groups:
        return
    yield "## What is missed, and why"
    yield "\n".join(f"- **{group}.** {NOTES.get(group, _UNKNOWN)}" for group in groups)
    yield tables.missed(results).markdown()


def _run(run: Run) -> Iterator[str]:
    yield f"## {run.rows:,} rows"
    yield f"{_providers(run)}. The store's merge took {run.merged_per_second:,.0f} rows/s, provider after provider."
    yield "### One connection, milliseconds"
    yield tables.latency(run).markdown()
    yield f"### {CONNECTIONS} connections"
    yield tables.throughput(run).markdown()
    yield "### Where the time goes, milliseconds"
    yield "Answers worked out anew: medians of the phases that the log has of each request, beside the engine alone."
    yield tables.phases(run).markdown()
    yield "### The programs"
    yield tables.programs(run).markdown()


def _providers(run: Run) -> str:
    sizes = ", ".join(f"{name} {rows:,}" for name, rows in run.sizes.items())
    return f"Providers asked for: {sizes} rows"
