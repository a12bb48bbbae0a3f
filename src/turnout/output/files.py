"""The formats of whole reports: each a function that writes one file (contract sections 8 and 9, "Exports and jobs").

A new format is one function and one entry in `FILES`. Rows come by columns, as a plan stored them, in the report's
order; what each column is told by the request's columns.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

    import pyarrow as pa

    from turnout.query.plan import Plan
    from turnout.query.request import ReportRequest

T = TypeVar("T")
S = TypeVar("S")

_ENCODERS: Final = 2
_AHEAD: Final = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file says of the request that it answers, where its format has a place for that.

    `parameters` are as they were asked, `zone` names the zone that date-times are read and, in XLSX, written in, and
    `at` is the moment that the data is of, in microseconds since 1970.
    """

    parameters: tuple[tuple[str, str], ...]
    zone: str
    at: int


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole report: what was asked, how it was read, and how many rows there are."""

    request: ReportRequest
    plan: Plan
    total: int
    asked: Asked


class FileWriter(Protocol):
    """Writes one file. No batch is empty; together they have `whole.total` rows."""

    def __call__(self, whole: Whole, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None: ...


@dataclass(frozen=True, slots=True)
class FileFormat:
    name: str
    media_type: str
    extension: str
    write: FileWriter


# What encodes is loaded when a file is written: a server that answers pages does without it.


def write_csv(whole: Whole, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
    """RFC 4180 with a header row (section 2.6)."""
    from turnout.output.lines import csv_lines, csv_start  # noqa: PLC0415 - as above

    out.write(csv_start(whole.request))
    with encoded(batches, csv_lines(whole.request)) as lines:
        out.writelines(lines)


def write_json(whole: Whole, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
    """The document of section 2.5."""
    from turnout.output.lines import JSON_END, json_lines, json_start  # noqa: PLC0415 - as above

    out.write(json_start(whole.request, whole.total))
    with encoded(batches, json_lines(whole.request, before=",")) as lines:
        first = next(lines, memoryview(b","))
        out.write(first[1:])  # no comma before the first row
        out.writelines(lines)
    out.write(JSON_END)


def write_ndjson(whole: Whole, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
    """The rows of section 2.5, one a line."""
    from turnout.output.lines import json_lines  # noqa: PLC0415 - as above

    with encoded(batches, json_lines(whole.request, after="\n")) as lines:
        out.writelines(lines)


def write_xlsx(whole: Whole, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
    """A workbook of typed cells, with a second sheet that says what was asked."""
    from turnout.output.xlsx import write  # noqa: PLC0415 - as above

    write(whole, batches, out)


def write_parquet(whole: Whole, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
    """Typed columns under their dotted keys."""
    from turnout.output.parquet import write  # noqa: PLC0415 - as above

    write(whole, batches, out)


@contextmanager
def encoded(
    batches: Iterable[S], encode: Callable[[S], T], *, threads: int = _ENCODERS, ahead: int = _AHEAD
) -> Iterator[Iterator[T]]:
    """What `encode` makes of each batch, in their order; done in threads, which end with the block.

    So many batches are `ahead`, so that the threads have something to do while the next rows are looked for.
    """
    with ThreadPoolExecutor(threads, "turnout-encode") as pool:
        yield _in_order(pool, batches, encode, ahead=ahead)


def _in_order(pool: Executor, batches: Iterable[S], encode: Callable[[S], T], *, ahead: int) -> Iterator[T]:
    running: deque[Future[T]] = deque()
    for batch in batches:
        running.append(pool.submit(encode, batch))
        if len(running) == ahead:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


FILES: Final[dict[str, FileFormat]] = {
    format_.name: format_
    for format_ in (
        FileFormat("csv", "text/csv; charset=utf-8", "csv", write_csv),
        FileFormat("json", "application/json", "json", write_json),
        FileFormat("ndjson", "application/x-ndjson", "ndjson", write_ndjson),
        FileFormat("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", write_xlsx),
        FileFormat("parquet", "application/vnd.apache.parquet", "parquet", write_parquet),
    )
}
