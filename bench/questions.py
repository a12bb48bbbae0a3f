"""The questions, as a client of the report asks them, for a provider of each size."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from turnout.query.instants import SECOND, format_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.data import DataSet
    from bench.sizes import Size

PATH: Final = "/api/v2/reports/attendances/data"
DEEPEST: Final = 500_000
DEEP_PAGE: Final = 50
_YEAR: Final = 365 * 86_400 * SECOND


class Kind(StrEnum):
    """The kinds of questions."""

    FIRST = "first page"
    FILTERED = "filtered"
    SYNC = "sync"
    OFFSET = "deep offset"
    CURSOR = "deep cursor"
    CSV = "CSV"


MEANING: Final = {
    Kind.FIRST: "50 rows in the default order",
    Kind.FILTERED: "three filters (status, booking method, the last year), 100 rows by the customer's name",
    Kind.SYNC: "100 rows from the middle of the ids on (`id_gt`)",
    Kind.OFFSET: f"50 rows at offset {DEEPEST:,}, or in the middle of a provider that has fewer rows",
    Kind.CURSOR: "the same 50 rows by the cursor that the page before them links to",
    Kind.CSV: "100 rows in the default order, as CSV",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question for one provider. A cursor is not among the parameters: only an answer has one."""

    kind: Kind
    size: Size
    parameters: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.kind} / {self.size.name}"


def depth(size: Size) -> int:
    """How many rows the deep pages of a provider pass over."""
    return min(DEEPEST, size.rows // 2)


def year_start(day: int) -> int:
    """The filter's bound: a year before the data set's day, in microseconds since 1970."""
    return day - _YEAR


def questions(data: DataSet) -> tuple[Question, ...]:
    """Every question for every size; those by cursor without their cursor."""
    return tuple(
        Question(kind, size, parameters)
        for kind in Kind
        for size in data.sizes
        for parameters in [_parameters(kind, size, data.day)]
    )


def _parameters(kind: Kind, size: Size, day: int) -> dict[str, str]:
    match kind:
        case Kind.FIRST:
            return {"format": "json", "limit": "50"}
        case Kind.FILTERED:
            return {
                "format": "json",
                "limit": "100",
                "status": "attended",
                "booking_methods": "membership",
                "event_start_gte": format_utc(year_start(day)),
                "sort": "customer.name",
            }
        case Kind.SYNC:
            return {"format": "json", "limit": "100", "id_gt": str(size.rows // 2), "include_future": "true"}
        case Kind.OFFSET:
            return {"format": "json", "limit": str(DEEP_PAGE), "offset": str(depth(size))}
        case Kind.CURSOR:
            return {"format": "json", "limit": str(DEEP_PAGE)}
        case Kind.CSV:
            return {"format": "csv", "limit": "100"}


def target(parameters: Mapping[str, str]) -> str:
    return f"{PATH}?{urlencode(parameters)}"


def get(path: str, headers: Mapping[str, str]) -> bytes:
    """The bytes of a GET request on a connection that is kept."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a POST request on a connection that is kept."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body
