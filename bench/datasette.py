"""Datasette over SQLite: one indexed table, served immutable; each question is a canned query with its total.

Canned queries answer faster than Datasette's own table pages, which run several queries more, and can sort on several
columns, which those cannot.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from bench.children import BIN, free_port, running
from bench.client import Call
from bench.peers import FOLDED_NAME, REPORTED, TABLE, Found, Moment, copy_of, rows_of, selection, unfinished
from bench.questions import DEEP_PAGE, Kind, depth, get
from bench.say import say

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bench.children import Server
    from bench.data import DataSet
    from bench.questions import Question

_BATCH: Final = 50_000
_INSTANT: Final = "strftime({}, '%Y-%m-%dT%H:%M:%SZ')"

INDEXES: Final = {
    "by_start": "provider_id, event_starts_at DESC, id",
    # With the columns of the filters at its end, the index alone tells which rows to pass over.
    "by_name": f"provider_id, {FOLDED_NAME}, customer_name, id, status, booking_method, event_starts_at",
    "by_id": "provider_id, id",
}

_PAST: Final = "provider_id = :provider AND event_starts_at <= :now"
_FILTERS: Final = f"{_PAST} AND status = :status AND booking_method = :method AND event_starts_at >= :since"
_BEYOND: Final = "event_starts_at <= :start AND (event_starts_at < :start OR id > :id)"
_NEWEST: Final = "event_starts_at DESC, id"
_NAMES: Final = f"{FOLDED_NAME}, customer_name, id"


def _query(where: str, order: str, limit: str, more: str = "", using: str = "") -> str:
    """The page and its total in one statement; `more` narrows the page alone, `using` forces an index on it."""
    total = f"(SELECT count(*) FROM {TABLE} WHERE {where}) AS total"
    columns = ", ".join((*REPORTED, total))
    return f"SELECT {columns} FROM {TABLE} {using} WHERE {where}{more} ORDER BY {order} LIMIT {limit}"


QUERIES: Final = {
    Kind.FIRST: (_query(_PAST, _NEWEST, "50"),),
    Kind.FILTERED: (
        _query(_FILTERS, _NAMES, "100"),
        # SQLite prefers the index on the start, which is the slower one.
        _query(_FILTERS, _NAMES, "100", using="INDEXED BY by_name"),
    ),
    Kind.SYNC: (_query("provider_id = :provider AND id > :id", "id", "100"),),
    Kind.OFFSET: (_query(_PAST, _NEWEST, f"{DEEP_PAGE} OFFSET :offset"),),
    Kind.CURSOR: (_query(_PAST, _NEWEST, str(DEEP_PAGE), f" AND {_BEYOND}"),),
    Kind.CSV: (_query(_PAST, _NEWEST, "100"),),
}
"""The ways to ask each kind of question."""


class Datasette:
    """See the module."""

    name = "Datasette"

    def version(self) -> str:
        return f"{version('datasette')} on SQLite {sqlite3.sqlite_version}"

    def build(self, data: DataSet) -> None:
        path = _path(data)
        if path.exists():
            return
        made = unfinished(path)
        with closing(sqlite3.connect(made, isolation_level=None)) as target, closing(rows_of(data.database)) as source:
            target.execute("PRAGMA journal_mode = off")
            target.execute("PRAGMA synchronous = off")
            target.execute("PRAGMA cache_size = -1000000")
            found = source.execute(selection(_INSTANT))
            columns = ", ".join(f"{name} {_affinity(str(kind))}" for name, kind, *_ in found.description)
            target.execute(f"CREATE TABLE {TABLE} ({columns})")
            target.execute("BEGIN")
            insert = f"INSERT INTO {TABLE} VALUES ({', '.join('?' * len(found.description))})"
            done = 0
            while rows := found.fetchmany(_BATCH):
                target.executemany(insert, rows)
                done += len(rows)
                say(f"Building Datasette's file: {done:,} of {data.rows:,} rows", passing=True)
            for name, index in INDEXES.items():
                say(f"Building Datasette's file: index {name}", passing=True)
                target.execute(f"CREATE INDEX {name} ON {TABLE} ({index})")
            target.execute("COMMIT")
            target.execute("ANALYZE")
        made.rename(path)
        say(f"Built Datasette's file of {data.rows:,} rows.")

    def file(self, data: DataSet) -> Path:
        return _path(data)

    def serve(self, data: DataSet) -> AbstractContextManager[Server]:
        port = free_port()
        metadata = data.directory / "datasette.json"
        queries = {_slug(kind, way): {"sql": sql} for kind, ways in QUERIES.items() for way, sql in enumerate(ways)}
        metadata.write_text(json.dumps({"databases": {_path(data).stem: {"queries": queries}}}), "utf-8")
        settings = {"sql_time_limit_ms": 60_000, "cache_size_kb": 262_144}
        options = [word for name, value in settings.items() for word in ("--setting", name, str(value))]
        command: list[str | Path] = [
            BIN / "datasette",
            "serve",
            "-i",
            _path(data),
            "-m",
            metadata,
            "-p",
            str(port),
            *options,
        ]
        return running(command, data.directory / "datasette.log", {}, port)

    def ways(self, data: DataSet, question: Question, moment: Moment) -> tuple[Call, ...]:
        parameters = {"provider": question.size.provider, "now": moment.now}
        match question.kind:
            case Kind.FILTERED:
                parameters |= {"status": "attended", "method": "membership", "since": moment.since}
            case Kind.SYNC:
                parameters = {"provider": question.size.provider, "id": question.size.rows // 2}
            case Kind.OFFSET:
                parameters |= {"offset": depth(question.size)}
            case Kind.CURSOR:
                parameters |= {"start": moment.after_start, "id": moment.after_id}
        form = "csv" if question.kind == Kind.CSV else "json"
        names = [f"{_slug(question.kind, way)}.{form}" for way in range(len(QUERIES[question.kind]))]
        database, query = _path(data).stem, urlencode(parameters)
        return tuple(Call(question.name, (get(f"/{database}/{name}?{query}", {}),)) for name in names)

    def read(self, question: Question, bodies: tuple[bytes, ...]) -> Found:
        if question.kind == Kind.CSV:
            names, *rows = csv.reader(io.StringIO(bodies[0].decode(), newline=""))
        else:
            answer = json.loads(bodies[0])
            names, rows = answer["columns"], answer["rows"]
        id_, total = names.index("id"), names.index("total")
        return Found([int(row[id_]) for row in rows], int(rows[0][total]))


def _path(data: DataSet) -> Path:
    return copy_of(data, selection(_INSTANT) + repr(INDEXES), ".db")


def _slug(kind: Kind, way: int) -> str:
    return f"{kind.name.lower()}_{way}"


def _affinity(kind: str) -> str:
    return "INTEGER" if kind in ("NUMBER", "BIGINT", "BOOLEAN", "bool") else "TEXT"
