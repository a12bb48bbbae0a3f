"""The peers: programs that answer the same questions from the same rows over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

import duckdb

from turnout.catalog.attendances import ATTENDANCES
from turnout.catalog.types import FOLDED, Kind

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bench.children import Server
    from bench.client import Call
    from bench.data import DataSet
    from bench.questions import Question

TABLE: Final = "attendances"
FOLDED_NAME: Final = "customer_name" + FOLDED
REPORTED: Final = tuple(column.storage for column in ATTENDANCES.default_columns)
"""The columns of a peer's table that answer a question: those of the report, flat; the instructors are JSON text."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a peer is told beside the question: the present, and the row after which the deep page begins."""

    now: str
    since: str
    """The bound of the filter on the event's start."""
    after_start: str
    after_id: int


@dataclass(frozen=True, slots=True)
class Found:
    """What an answer says: the ids of its rows in order, and the total where it gives one."""

    ids: list[int]
    total: int | None


class Peer(Protocol):
    """A program to compare with."""

    @property
    def name(self) -> str: ...

    def version(self) -> str: ...

    def build(self, data: DataSet) -> None:
        """Make its copy of the rows; at once where it is there already."""

    def file(self, data: DataSet) -> Path:
        """Its copy."""

    def serve(self, data: DataSet) -> AbstractContextManager[Server]: ...

    def ways(self, data: DataSet, question: Question, moment: Moment) -> tuple[Call, ...]:
        """The question in the peer's words; where there are several, the fastest counts."""

    def read(self, question: Question, bodies: tuple[bytes, ...]) -> Found: ...


def copy_of(data: DataSet, recipe: str, suffix: str) -> Path:
    """Where a peer's copy of the rows is kept; another recipe makes another file."""
    return data.directory / f"rows-{sha256(recipe.encode()).hexdigest()[:12]}{suffix}"


def unfinished(copy: Path) -> Path:
    """Where to make a copy before it gets its name, when those of other recipes are gone."""
    for left in copy.parent.glob(f"rows-*{copy.suffix}*"):
        left.unlink()
    return copy.with_name(copy.name + ".part")


def rows_of(database: Path) -> duckdb.DuckDBPyConnection:
    """A connection to the store, for reading only."""
    connection = duckdb.connect(str(database), read_only=True)
    connection.execute("SET enable_progress_bar = false")
    return connection


def selection(instant: str) -> str:
    """SQL for the peers' columns, clustered as the store is; `instant` is a template for a date-time's form."""
    columns = ["provider_id", FOLDED_NAME]
    for column in ATTENDANCES.default_columns:
        name = column.storage
        if column.kind is Kind.PEOPLE:
            pair = "{'id': pair[1], 'name': pair[2]}"
            pairs = f"list_transform(list_zip({name}_ids, {name}_names), lambda pair: {pair})"
            columns.append(f"CAST(to_json({pairs}) AS VARCHAR) AS {name}")
        elif column.kind is Kind.INSTANT:
            columns.append(f"{instant.format(name)} AS {name}")
        elif column.kind is Kind.CHOICE:
            columns.append(f"CAST({name} AS VARCHAR) AS {name}")
        else:
            columns.append(name)
    return f"SELECT {', '.join(columns)} FROM {TABLE} ORDER BY provider_id, attendances.event_starts_at, attendances.id"
