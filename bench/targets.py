"""What is to be reached, and whether it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.questions import Kind
from bench.results import COUNTED
from bench.sizes import SIZES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.results import Asked, ExportRun, IngestRun, LargeRun, PostgresPage, PostgresRun, Results, Run

ENGINE_SHARE: Final = 1.25
ENGINE_EXTRA_MS: Final = 1.5
TAIL: Final = 5.0
LARGEST: Final = SIZES[-1]
CURSOR_SHARE: Final = 1.2
MIX_SHARE: Final = 3.0
START_SECONDS: Final = 1.5
IMPORT_RATE: Final = 100_000.0
INGEST_RATE: Final = 30.0
READERS_SHARE: Final = 2.0
COPY_SHARE: Final = 0.7
TEXT_RATE: Final = 200_000.0
XLSX_RATE: Final = 15_000.0
EXPORT_MEMORY: Final = 400e6
LARGE_FIRST_MS: Final = 60.0
VIEW_MS: Final = 1_000.0
POSTGRES_RATE: Final = 20_000.0
WORKERS_SHARE: Final = 1.6


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and its bound; `least` where it is to be reached and not to be kept."""

    group: str
    about: str
    found: float
    bound: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        return self.found >= self.bound if self.least else self.found <= self.bound

    @property
    def missed_by(self) -> float:
        """By what share of the bound it is missed; 0 where it is met."""
        if self.met:
            return 0.0
        return (self.bound - self.found if self.least else self.found - self.bound) / self.bound


NEAR_ENGINE: Final = f"p50 at most {ENGINE_SHARE} x the engine + {ENGINE_EXTRA_MS} ms"
SHORT_TAIL: Final = f"p99 under {TAIL:.0f} x p50 at 16 connections"
EVEN_CURSOR: Final = f"a page by cursor at most {CURSOR_SHARE} x the first page"
MIX: Final = f"the mix at least {MIX_SHARE:.0f} x the better peer"
NOT_BEHIND: Final = "no question behind a peer, in answers per second at 16 connections"
ANEW: Final = "answers worked out anew"
AS_SERVED: Final = "as served"
MIX_ANEW, MIX_AS_SERVED = (f"{MIX}, {form}" for form in (ANEW, AS_SERVED))
NOT_BEHIND_ANEW, NOT_BEHIND_AS_SERVED = (f"{NOT_BEHIND}, {form}" for form in (ANEW, AS_SERVED))
QUICK_START: Final = f"first answer within {START_SECONDS} s of the start"
QUICK_IMPORT: Final = f"{IMPORT_RATE:,.0f} rows/s of a file checked"


INGEST: Final = f"{INGEST_RATE:.0f} batches of 1,000 rows a second, beside readers"
CALM_READERS: Final = f"readers' p99 beside writers less than {READERS_SHARE:.0f} x their p99 alone"
GROUPED: Final = f"grouped by three columns, {NEAR_ENGINE}"
CALM_EXPORTS: Final = f"readers' p99 beside an export less than {READERS_SHARE:.0f} x their p99 alone"
QUICK_EXPORT: Final = f"an export at least {COPY_SHARE} x the engine's own COPY"
QUICK_TEXT: Final = f"{TEXT_RATE:,.0f} rows/s exported as JSON"
QUICK_XLSX: Final = f"{XLSX_RATE:,.0f} rows/s exported as XLSX"
SMALL_EXPORT: Final = f"an export in less than {EXPORT_MEMORY / 1e6:.0f} MB"


QUICK_VIEW: Final = f"the page's first view within {VIEW_MS / 1000:.0f} s"


NEAR_PSYCOPG: Final = f"PostgreSQL: p50 at most {ENGINE_SHARE} x psycopg alone + {ENGINE_EXTRA_MS} ms"
LARGE_FIRST: Final = f"PostgreSQL: the largest provider's first page under {LARGE_FIRST_MS:.0f} ms"
POSTGRES_IMPORT: Final = f"PostgreSQL: {POSTGRES_RATE:,.0f} rows/s imported"
TWO_WORKERS: Final = f"PostgreSQL: two workers at least {WORKERS_SHARE} x one"


def limit(asked: Asked) -> float:
    """What the median over HTTP of answers worked out anew may be, in milliseconds."""
    return ENGINE_SHARE * asked.engine.p50 + ENGINE_EXTRA_MS


def beside_psycopg(page: PostgresPage) -> float:
    """What the median of a page may be, in milliseconds."""
    return ENGINE_SHARE * page.alone.p50 + ENGINE_EXTRA_MS


def targets(results: Results) -> list[Target]:
    """Every target, in the order of the groups above."""
    found = [target for run in results.runs for target in _of(run)]
    checked = (run for run in results.imports if run.done == COUNTED)
    imports = [Target(QUICK_IMPORT, run.form, run.rate, IMPORT_RATE, "rows/s", least=True) for run in checked]
    groups = (
        NEAR_ENGINE,
        SHORT_TAIL,
        EVEN_CURSOR,
        MIX_ANEW,
        MIX_AS_SERVED,
        NOT_BEHIND_ANEW,
        NOT_BEHIND_AS_SERVED,
        QUICK_START,
    )
    ingests = [target for run in results.ingests for target in _of_ingest(run)]
    larges = [target for run in results.larges for target in _of_large(run)]
    exports = list(_of_exports(results.exports))
    views = [
        Target(QUICK_VIEW, f"{run.stored:,} rows, {run.browser}", run.figures.p50, VIEW_MS, "ms")
        for run in results.views
    ]
    databases = [target for run in results.postgresql for target in _of_postgres(run)]
    return [
        *sorted(found, key=lambda target: groups.index(target.group)),
        *imports,
        *(target for part in (ingests, larges, exports, views, databases) for target in sorted(part, key=_group)),
    ]


def _group(target: Target) -> str:
    return target.group


def _of_ingest(run: IngestRun) -> Iterator[Target]:
    at = f"{run.rows:,} rows"
    yield Target(INGEST, at, run.batches, INGEST_RATE, "/s", least=True)
    yield Target(CALM_READERS, at, run.beside_p99, READERS_SHARE * run.alone_p99, "ms")


def _of_large(run: LargeRun) -> Iterator[Target]:
    at = f"{run.rows:,} rows"
    yield Target(GROUPED, at, run.grouped.p50, ENGINE_SHARE * run.engine.p50 + ENGINE_EXTRA_MS, "ms")
    yield Target(CALM_EXPORTS, at, run.beside_p99, READERS_SHARE * run.alone_p99, "ms")


def _of_postgres(run: PostgresRun) -> Iterator[Target]:
    at = f"{run.rows:,} rows"
    for one in run.pages:
        yield Target(NEAR_PSYCOPG, f"{at}: {one.kind}, {one.size}", one.served.p50, beside_psycopg(one), "ms")
        if (one.kind, one.size) == (Kind.FIRST, LARGEST):
            yield Target(LARGE_FIRST, at, one.served.p50, LARGE_FIRST_MS, "ms")
    yield Target(POSTGRES_IMPORT, at, run.imported.rate, POSTGRES_RATE, "rows/s", least=True)
    # What one more process adds is seen where there is a processor for it, and for the database.
    told = [workers for workers in run.workers if workers.cores] or run.workers
    for workers in told:
        with_ = f"{at}, {workers.cores:g} of a core each" if workers.cores else at
        yield Target(TWO_WORKERS, with_, workers.two, WORKERS_SHARE * workers.one, "/s", least=True)


def _of_exports(runs: Sequence[ExportRun]) -> Iterator[Target]:
    rates = {run.name: run.rate for run in runs}
    for run in runs:
        if copied := rates.get(f"COPY {run.name}"):
            yield Target(QUICK_EXPORT, run.name, run.rate, COPY_SHARE * copied, "rows/s", least=True)
        if run.name in ("json", "ndjson"):
            yield Target(QUICK_TEXT, run.name, run.rate, TEXT_RATE, "rows/s", least=True)
        if run.name == "xlsx":
            yield Target(QUICK_XLSX, run.name, run.rate, XLSX_RATE, "rows/s", least=True)
        if not run.name.startswith("COPY"):
            yield Target(SMALL_EXPORT, run.name, run.memory / 1e6, EXPORT_MEMORY / 1e6, "MB")


def _of(run: Run) -> Iterator[Target]:
    at = f"{run.rows:,} rows"
    first = {asked.size: asked.anew.one.p50 for asked in run.asked if asked.kind == Kind.FIRST}
    for asked in run.asked:
        about, anew = f"{at}: {asked.kind}, {asked.size}", asked.anew
        yield Target(NEAR_ENGINE, about, anew.one.p50, limit(asked), "ms")
        yield Target(SHORT_TAIL, about, anew.busy.p99, TAIL * anew.busy.p50, "ms")
        if asked.kind == Kind.CURSOR:
            yield Target(EVEN_CURSOR, about, anew.one.p50, CURSOR_SHARE * first[asked.size], "ms")
        if asked.peers:
            name, best = max(asked.peers.items(), key=lambda item: item[1].rate)
            for group, rate in ((NOT_BEHIND_ANEW, anew.rate), (NOT_BEHIND_AS_SERVED, asked.as_served.rate)):
                yield Target(group, f"{about} ({name})", rate, best.rate, "/s", least=True)
    if run.peers:
        name, peer = max(run.peers.items(), key=lambda item: item[1].mix)
        for group, mix in ((MIX_ANEW, run.anew_mix), (MIX_AS_SERVED, run.turnout.mix)):
            yield Target(group, f"{at} ({name})", mix, MIX_SHARE * peer.mix, "/s", least=True)
    yield Target(QUICK_START, at, run.turnout.started, START_SECONDS, "s")
