"""ROAPI over Parquet: one file in the order of the store, each question as SQL.

It has the file twice, as it is and loaded into memory: for large providers the one may be faster, for small ones the
other, which passes over most of the file.
"""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from bench.children import BIN, free_port, running
from bench.client import Call
from bench.peers import FOLDED_NAME, REPORTED, TABLE, Found, Moment, copy_of, rows_of, selection, unfinished
from bench.questions import DEEP_PAGE, Kind, depth, post
from bench.say import say

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bench.children import Server
    from bench.data import DataSet
    from bench.questions import Question

# Of 8,192, 20,480 and 61,440 rows, with and without compression, this was the fastest.
_OPTIONS: Final = "FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 20480"
_INSTANT: Final = "{}"
_IN_MEMORY: Final = TABLE + "_in_memory"
_NEWEST: Final = "event_starts_at DESC, id"


class Roapi:
    """See the module."""

    name = "ROAPI"

    def version(self) -> str:
        return version("roapi")

    def build(self, data: DataSet) -> None:
        path = _path(data)
        if path.exists():
            return
        made = unfinished(path)
        with closing(rows_of(data.database)) as source:
            source.execute(f"COPY ({selection(_INSTANT)}) TO '{made}' ({_OPTIONS})")
        made.rename(path)
        say(f"Built ROAPI's file of {data.rows:,} rows.")

    def file(self, data: DataSet) -> Path:
        return _path(data)

    def serve(self, data: DataSet) -> AbstractContextManager[Server]:
        ports = {name: free_port() for name in ("http", "postgres", "flight_sql")}
        uri = str(_path(data).absolute())
        config = {
            "addr": {name: f"127.0.0.1:{port}" for name, port in ports.items()},
            "tables": [
                {"name": name, "uri": uri, "option": {"format": "parquet", "use_memory_table": in_memory}}
                for name, in_memory in ((TABLE, False), (_IN_MEMORY, True))
            ],
        }
        file = data.directory / "roapi.yml"
        file.write_text(json.dumps(config, indent=1), "utf-8")  # JSON is YAML
        return running([BIN / "roapi", "-c", file], data.directory / "roapi.log", {}, ports["http"])

    def ways(self, data: DataSet, question: Question, moment: Moment) -> tuple[Call, ...]:  # noqa: ARG002 - every data set has the same tables
        headers = {"Accept": "application/csv" if question.kind == Kind.CSV else "application/json"}
        return tuple(
            Call(
                question.name,
                tuple(post("/api/sql", headers, sql.encode()) for sql in _statements(table, question, moment)),
            )
            for table in (TABLE, _IN_MEMORY)
        )

    def read(self, question: Question, bodies: tuple[bytes, ...]) -> Found:
        page, count = bodies
        if question.kind == Kind.CSV:
            rows = csv.DictReader(io.StringIO(page.decode(), newline=""))
            return Found([int(row["id"]) for row in rows], int(count.decode().split()[1]))
        return Found([row["id"] for row in json.loads(page)], json.loads(count)[0]["total"])


def _path(data: DataSet) -> Path:
    return copy_of(data, selection(_INSTANT) + _OPTIONS, ".parquet")


def _statements(table: str, question: Question, moment: Moment) -> tuple[str, str]:
    """The page, and the total of all matching rows."""
    provider = f"provider_id = {question.size.provider}"
    where, order, limit, more = f"{provider} AND event_starts_at <= '{moment.now}'", _NEWEST, "50", ""
    match question.kind:
        case Kind.FILTERED:
            where += (
                f" AND status = 'attended' AND booking_method = 'membership' AND event_starts_at >= '{moment.since}'"
            )
            order, limit = f"{FOLDED_NAME}, customer_name, id", "100"
        case Kind.SYNC:
            where, order, limit = f"{provider} AND id > {question.size.rows // 2}", "id", "100"
        case Kind.OFFSET:
            limit = f"{DEEP_PAGE} OFFSET {depth(question.size)}"
        case Kind.CURSOR:
            at = f"'{moment.after_start}'"
            limit = str(DEEP_PAGE)
            more = f" AND event_starts_at <= {at} AND (event_starts_at < {at} OR id > {moment.after_id})"
        case Kind.CSV:
            limit = "100"
    page = f"SELECT {', '.join(REPORTED)} FROM {table} WHERE {where}{more} ORDER BY {order} LIMIT {limit}"
    return page, f"SELECT count(*) AS total FROM {table} WHERE {where}"
