"""The formats of whole reports: each a function that writes one file (contract sections 8 and 9, "Exports and jobs").

A new format is one function and one entry in `FILES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.output.formats import write_csv, write_json
from turnout.output.shape import nester

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from turnout.output.formats import Writer
    from turnout.query.plan import Plan
    from turnout.query.request import ReportRequest

Row = tuple[Any, ...]
_encode: Final = msgspec.json.Encoder()


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
class FileFormat:
    name: str
    media_type: str
    extension: str
    write: Writer


def write_ndjson(request: ReportRequest, plan: Plan, total: int, batches: Iterable[list[Row]]) -> Iterator[bytes]:
    """The rows of section 2.5, one a line."""
    del total
    nest = nester(request, plan)
    for batch in batches:
        yield _encode.encode_lines([nest(row) for row in batch])


FILES: Final[dict[str, FileFormat]] = {
    format_.name: format_
    for format_ in (
        FileFormat("csv", "text/csv; charset=utf-8", "csv", write_csv),
        FileFormat("json", "application/json", "json", write_json),
        FileFormat("ndjson", "application/x-ndjson", "ndjson", write_ndjson),
    )
}
