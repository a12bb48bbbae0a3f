"""ROAPI over Parquet: one file in the order of the store, each question as SQL."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from bench.children import BIN, free_port, running
from bench.client import Call
from bench.peers import FOLDED_NAME, REPORTED, TABLE, Found, Moment, rows_of, selection
from bench.questions import CSV, CURSOR, DEEP_PAGE, FILTERED, FIRST, OFFSET, SYNC, depth, post
from bench.say import say

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bench.children import Server
    from bench.data import DataSet
    from bench.questions import Question

_ROW_GROUP: Final = 61_440
_NEWEST: Final = "event_starts_at DESC, id"
_TYPES: Final = {CSV: "text/csv"}


class Roapi:
    """See the module."""

    name = "ROAPI"

    def version(self) -> str:
        return version("roapi")

    def build(self, data: DataSet) -> None:
        path = _path(data)
        if path.exists():
            return
        made = path.with_suffix(".part")
        with closing(rows_of(data.database)) as source:
            source.execute(
                f"COPY ({selection('{}')}) TO '{made}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
            )
        made.rename(path)
        say(f"Built ROAPI's file of {data.rows:,} rows.")

    def size(self, data: DataSet) -> int:
        return _path(data).stat().st_size

    def serve(self, data: DataSet) -> AbstractContextManager[Server]:
        port, postgres, flight = (free_port() for _ in range(3))
        config = {
            "addr": {name: f"127.0.0.1:{at}" for name, at in (("http", port), ("postgres", postgres), ("flight_sql", flight))},
            "tables": [
                {
                    "name": TABLE,
                    "uri": str(_path(data).absolute()),
                    "option": {"format": "parquet", "use_memory_table": False},
                }
            ],
            "datafusion": {"execution.parquet.pushdown_filters": "true"},
        }
        file = data.directory / "roapi.yml"
        file.write_text(json.dumps(config, indent=1), "utf-8")  # JSON is YAML
        return running([BIN / "roapi", "-c", file], data.directory / "roapi.log", {}, port)

    def call(self, question: Question, moment: Moment) -> Call:
        headers = {"Accept": _TYPES.get(question.kind, "application/json")}
        statements = _statements(question, moment)
        return Call(question.name, tuple(post("/api/sql", headers, sql.encode()) for sql in statements))

    def read(self, question: Question, bodies: tuple[bytes, ...]) -> Found:
        page, count = bodies
        if question.kind == CSV:
            rows = list(csv.DictReader(io.StringIO(page.decode(), newline="")))
            (total,) = csv.DictReader(io.StringIO(count.decode(), newline=""))
        else:
            rows, (total,) = json.loads(page), json.loads(count)
        return Found([int(row["id"]) for row in rows], int(total["total"]))


def _path(data: DataSet) -> Path:
    return data.directory / "rows.parquet"


def _statements(question: Question, moment: Moment) -> tuple[str, str]:
    """The page, and the total of all matching rows."""
    provider = f"provider_id = {question.size.provider}"
    where, order, limit, more = f"{provider} AND event_starts_at <= '{moment.now}'", _NEWEST, "50", ""
    match question.kind:
        case "filtered":
            where += f" AND status = 'attended' AND booking_method = 'membership' AND event_starts_at >= '{moment.since}'"
            order, limit = f"{FOLDED_NAME}, customer_name, id", "100"
        case "sync":
            where, order, limit = f"{provider} AND id > {question.size.rows // 2}", "id", "100"
        case "deep offset":
            limit = f"{DEEP_PAGE} OFFSET {depth(question.size)}"
        case "deep cursor":
            at = f"'{moment.after_start}'"
            limit = str(DEEP_PAGE)
            more = f" AND event_starts_at <= {at} AND (event_starts_at < {at} OR id > {moment.after_id})"
        case "CSV":
            limit = "100"
    page = f"SELECT {', '.join(REPORTED)} FROM {TABLE} WHERE {where}{more} ORDER BY {order} LIMIT {limit}"
    return page, f"SELECT count(*) AS total FROM {TABLE} WHERE {where}"
