"""What was measured, as data: kept as JSON in .bench, judged in `targets.py`, shown by `report.py` and `plot.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Spread(msgspec.Struct, frozen=True):
    """Median and 99th percentile of so many times, in milliseconds."""

    p50: float
    p99: float
    count: int


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least `share` of them do not exceed (nearest rank)."""
    if not values:
        raise ValueError("there are no values")
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(int(rank), 1) - 1]


def spread(milliseconds: Sequence[float]) -> Spread:
    return Spread(percentile(milliseconds, 0.50), percentile(milliseconds, 0.99), len(milliseconds))


class Served(msgspec.Struct, frozen=True):
    """One question over HTTP: with one connection, and with sixteen, then also in calls per second."""

    one: Spread
    busy: Spread
    rate: float
    unanswered: int = 0
    """How many of the calls at sixteen connections were refused, or not answered in time."""


class Asked(msgspec.Struct, frozen=True):
    """One question for one provider. `phases` are medians in milliseconds, as the log has them of answers made anew."""

    kind: str
    size: str
    anew: Served
    """Turnout, which works out each answer anew."""
    as_served: Served
    """Turnout with its defaults, which may answer from memory what was asked before."""
    engine: Spread
    rested: Spread
    """The engine once more, which rests before each answer for as long as it may rest in a server between requests."""
    web: Spread
    phases: dict[str, float]
    peers: dict[str, Served]


class Program(msgspec.Struct, frozen=True):
    """A program as a whole. Sizes are bytes, `started` the seconds to the first answer, `mix` calls per second."""

    version: str
    started: float
    data: int
    resident: int
    mix: float


class Run(msgspec.Struct, frozen=True):
    """What was measured on a number of rows."""

    rows: int
    sizes: dict[str, int]
    merged_per_second: float
    drift: float
    """How much longer the engine alone took in its slowest round than in its fastest: median over the questions."""
    turnout: Program
    """With its defaults."""
    anew_mix: float
    """The mix of the Turnout that works out each answer anew, in calls per second."""
    peers: dict[str, Program]
    asked: list[Asked]


VALIDATED: Final = "validated"
COUNTED: Final = "dry run"
IMPORTED: Final = "imported"


class ImportRun(msgspec.Struct, frozen=True):
    """What was done with a file: `VALIDATED`, read and checked alone; `COUNTED`, by `turnout import --dry-run`, which
    also tells new rows from known ones; or `IMPORTED`, by `turnout import`. Sizes are bytes."""

    form: str
    done: str
    rows: int
    file: int
    seconds: float
    peak: int

    @property
    def rate(self) -> float:
        return self.rows / self.seconds


class IngestRun(msgspec.Struct, frozen=True):
    """Batches that land while the report is read: `pace` are sent in a second, `batches` landed in one.

    `waited` is how many milliseconds a batch took to be on disk, from when it was due, as the median; the others are
    those of readers, alone and beside writers.
    `busy` is how many cores were at work meanwhile, for whomever.
    """

    rows: int
    batch: int
    pace: float
    writers: int
    readers: int
    batches: float
    waited: float
    alone_p50: float
    alone_p99: float
    beside_p50: float
    beside_p99: float
    busy: float = 0.0


class TailCost(msgspec.Struct, frozen=True):
    """A page of the largest provider, in milliseconds, with so many rows behind the ordered ones: as they came, and
    sorted; how many rows were sorted for that, and in how many seconds."""

    rows: int
    loose_p50: float
    sorted_p50: float
    sorted_rows: int
    seconds: float


class UpkeepRun(msgspec.Struct, frozen=True):
    """What disorder costs, and a rebuild of the whole table while a reader asks for the first page without a pause.

    Milliseconds, but for `rebuild_seconds`. `after` is a page's median when it is over.
    """

    rows: int
    tails: list[TailCost]
    rebuild_seconds: float
    after: float
    alone_p50: float
    alone_p99: float
    beside_p50: float
    beside_p99: float


class ExportRun(msgspec.Struct, frozen=True):
    """A whole report as a file, or the engine's own COPY of the same rows: medians of several rounds.

    `cpu` is seconds of all cores together; `memory` the bytes of the process's peak above what it had before.
    """

    name: str
    rows: int
    seconds: float
    cpu: float
    memory: float
    size: int

    @property
    def rate(self) -> float:
        return self.rows / self.seconds


class ViewRun(msgspec.Struct, frozen=True):
    """The page's first view in a browser, from the navigation until it is painted, in milliseconds.

    `rows` is until the table's first rows and the total are there, `figures` until the key figures are as well, and
    `compared` until those are compared with the time before. `browser` says whether it had the page's files already.
    `sent` is bytes as they were sent, `moved` how much the layout moved (CLS).
    """

    browser: str
    stored: int
    rows: Spread
    figures: Spread
    compared: Spread
    requests: int
    sent: int
    moved: float


class LargeRun(msgspec.Struct, frozen=True):
    """The largest provider: its grouped report, and exports of it while all providers' reports are read.

    `asked` is how the grouped report was asked for. Milliseconds, but for `exported`, which is rows per second.
    """

    rows: int
    asked: str
    grouped: Spread
    engine: Spread
    exported: float
    readers: int
    alone_p50: float
    alone_p99: float
    beside_p50: float
    beside_p99: float


class PostgresPage(msgspec.Struct, frozen=True):
    """One question to a server on PostgreSQL, and its statements by psycopg alone, with one connection."""

    kind: str
    size: str
    served: Spread
    alone: Spread


class WorkersRun(msgspec.Struct, frozen=True):
    """Answers a second by one process that serves and by two, each with so many `cores`; None where it is as it comes.

    `busy` is how many cores were at work meanwhile, for the server, the database or the client.
    """

    cores: float | None
    one: float
    two: float
    one_busy: float
    two_busy: float


class PostgresRun(msgspec.Struct, frozen=True):
    """PostgreSQL with the same rows. `filled` is how many rows a second were put into it."""

    rows: int
    version: str
    settings: list[str]
    filled: float
    size: int
    pages: list[PostgresPage]
    imported: ImportRun
    connections: int
    workers: list[WorkersRun]


class Results(msgspec.Struct, frozen=True):
    """Everything, with where and when it was measured."""

    date: str
    machine: dict[str, str]
    imports: list[ImportRun] = []
    runs: list[Run] = []
    ingests: list[IngestRun] = []
    upkeep: list[UpkeepRun] = []
    exports: list[ExportRun] = []
    larges: list[LargeRun] = []
    postgresql: list[PostgresRun] = []
    views: list[ViewRun] = []
    apart: dict[str, str] = {}
    """The parts that were measured in a later run than the others, and on which day."""
