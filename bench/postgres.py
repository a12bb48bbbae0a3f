"""A server on PostgreSQL, with the rows of the embedded store: its pages beside psycopg alone, imports, and workers."""

from __future__ import annotations

import time
from contextlib import ExitStack
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec
import psycopg
from tests.cluster import new_database

from bench import engine, turnout_server
from bench.children import BenchError, ask
from bench.client import ENDLESS, Call, Job, Load, pooled
from bench.copies import copied
from bench.imports import FORMS, NDJSON, QUICK_ROWS, ROWS, files_of, import_into
from bench.machine import Busy
from bench.measure import CONNECTIONS, WHOLE
from bench.postgres_data import SETTINGS, database_server, fill
from bench.questions import Kind, questions
from bench.quotas import limited, workers_of
from bench.results import IMPORTED, PostgresPage, PostgresRun, WorkersRun, spread
from bench.say import say
from bench.turns import turns
from bench.worker import Worker, working
from turnout.query.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.children import Server
    from bench.data import DataSet
    from bench.peers import Found
    from bench.questions import Question
    from bench.results import ImportRun

PAGES: Final = (Kind.FIRST, Kind.CURSOR, Kind.CSV)
"""The mix that workers are compared by: what an index has in order. The others wait for the database, not for them."""
ROUNDS: Final = 5
CALLS: Final = 40
SLICE: Final = 0.5
_WARM_UP: Final = 3
_SEED: Final = 7
_ALONE, _SERVED = "psycopg", "served"
_WORKERS: Final = {"one": 1, "two": 2}
_PART: Final = 0.5
"""Of a core, for each worker: two of them, and what the database and the client do for them, need less than two."""

Reader = Worker[Job, Load]


def postgres_run(data: DataSet) -> PostgresRun:
    """Measure everything on one data set. Each answer is worked out anew."""
    asked = questions(data)
    say("What the embedded store answers", passing=True)
    with turnout_server.serve(
        copied(data.database, "anew"), data.directory / "embedded.log", turnout_server.ANEW
    ) as server:
        expected = _answers(server, data, asked)
    with database_server(f"postgresql-{data.rows}") as server_address:
        address = new_database(server_address)
        seconds = fill(address, data)
        version, size = _facts(address)
        pages, workers = _served(data, asked, address, expected)
        imported = _imported(server_address, ROWS if data.rows >= ROWS else QUICK_ROWS)
    return PostgresRun(
        rows=data.rows,
        version=version,
        settings=list(SETTINGS),
        filled=data.rows / seconds,
        size=size,
        pages=pages,
        imported=imported,
        connections=CONNECTIONS,
        workers=workers,
    )


def _served(
    data: DataSet, asked: Sequence[Question], address: str, expected: Mapping[str, Found]
) -> tuple[list[PostgresPage], list[WorkersRun]]:
    """The pages, and the mix by one worker and by two."""
    kept = ("--data-directory", str(data.directory.absolute() / "postgresql-files"))
    with ExitStack() as stack:
        servers = {}
        for name, workers in _WORKERS.items():
            options = (*turnout_server.ANEW, *kept, "--workers", str(workers))
            log = data.directory / f"postgresql-{name}.log"
            servers[name] = stack.enter_context(turnout_server.serve(address, log, options))
        if (found := _answers(servers["one"], data, asked)) != expected:
            wrong = [name for name in expected if found[name] != expected[name]]
            raise BenchError(f"PostgreSQL answers otherwise than the embedded store: {', '.join(wrong)}")
        paths = {question.name: turnout_server.address(servers["one"], data, question) for question in asked}
        calls = {
            question.name: turnout_server.call(data, question, paths[question.name], turnout_server.ONE)
            for question in asked
        }
        client: Reader = Worker(
            stack.enter_context(working(["-m", "bench.client"], data.directory / "postgresql-client.log")), Load
        )
        alone = _alone(stack, data, asked, address, paths)
        pages = [_page(question, calls[question.name], servers["one"], client, alone) for question in asked]
        say("One worker and two", passing=True)
        mix = [calls[question.name] for question in asked if question.kind in PAGES]
        Random(_SEED).shuffle(mix)  # noqa: S311 - a fixed order, no secret
        workers = [_mix(servers, client, mix, None)]
        processes = [
            worker for name, count in _WORKERS.items() for worker in workers_of(servers[name].process.pid, count)
        ]
        with limited(processes, _PART) as can:
            if can:
                workers.append(_mix(servers, client, mix, _PART))
    return pages, workers


def _mix(servers: Mapping[str, Server], client: Reader, mix: Sequence[Call], cores: float | None) -> WorkersRun:
    """The mix by one worker and by two, each with so many cores."""
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    busy: dict[str, list[float]] = {name: [] for name in servers}
    for name in turns(dict.fromkeys(servers, WHOLE.mix.number)):
        job = Job(servers[name].port, tuple(mix), CONNECTIONS, ENDLESS, WHOLE.mix.seconds, warm_up=len(mix))
        at_work = Busy()
        loads[name].append(client.do(job, WHOLE.mix.seconds))
        busy[name].append(at_work.cores())
    rates = {name: pooled(found).rate for name, found in loads.items()}
    return WorkersRun(cores, rates["one"], rates["two"], median(busy["one"]), median(busy["two"]))


def _answers(server: Server, data: DataSet, asked: Sequence[Question]) -> dict[str, Found]:
    """What is answered, as far as it does not depend on the store."""
    found = {}
    for question in asked:
        path, headers = turnout_server.address(server, data, question), turnout_server.headers(data, question)
        found[question.name] = turnout_server.read(question, ask(server, "GET", path, headers))
    return found


def _alone(
    stack: ExitStack, data: DataSet, asked: Sequence[Question], address: str, paths: Mapping[str, str]
) -> Worker[engine.Slice, list[float]]:
    setup = engine.Setup(
        database=address,
        now=int(time.time()) * SECOND,
        questions=tuple(
            engine.Asked(question.name, question.size.provider, paths[question.name].partition("?")[2].encode())
            for question in asked
        ),
    )
    file = data.directory / "psycopg.msgpack"
    file.write_bytes(msgspec.msgpack.encode(setup))
    process = stack.enter_context(working(["-m", "bench.psycopg_alone", file], data.directory / "psycopg.log"))
    alone = Worker[engine.Slice, list[float]](process, list[float])
    # It has noted its statements when the first answer is there.
    alone.do(engine.Slice(asked[0].name, 1, 0.0), 0.0)
    return alone


def _page(
    question: Question, call: Call, server: Server, client: Reader, alone: Worker[engine.Slice, list[float]]
) -> PostgresPage:
    say(f"PostgreSQL: {question.name}", passing=True)
    found: dict[str, list[float]] = {_ALONE: [], _SERVED: []}
    for name in turns(dict.fromkeys(found, ROUNDS)):
        if name == _ALONE:
            found[name] += alone.do(engine.Slice(question.name, CALLS, SLICE, _WARM_UP), SLICE)
        else:
            job = Job(server.port, (call,), 1, CALLS, SLICE, _WARM_UP)
            found[name] += client.do(job, SLICE).milliseconds[call.name]
    return PostgresPage(question.kind, question.size.name, spread(found[_SERVED]), spread(found[_ALONE]))


def _imported(address: str, rows: int) -> ImportRun:
    """An import into an empty database of the same server."""
    say("An import into PostgreSQL", passing=True)
    file = files_of(rows, time.time()) / FORMS[NDJSON]
    return import_into(new_database(address), NDJSON, file, rows, done=IMPORTED)


def _facts(address: str) -> tuple[str, int]:
    """The server's version, and the bytes that the database has on disk."""
    with psycopg.connect(address) as connection:
        ((version, size),) = connection.execute(
            "SELECT current_setting('server_version'), pg_database_size(current_database())"
        ).fetchall()
    return version.split()[0], size
