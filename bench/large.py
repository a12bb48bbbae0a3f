"""The largest provider: its grouped report beside the engine alone, and readers of all sizes while it is exported."""

from __future__ import annotations

import json
import shutil
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final

import msgspec

from bench import engine, turnout_server
from bench.children import PATIENCE, BenchError, ask
from bench.client import ENDLESS, Call, Job, Load
from bench.copies import copied
from bench.ingest import READERS
from bench.questions import PATH, Kind, get, questions, target
from bench.results import LargeRun, percentile, spread
from bench.say import say
from bench.turns import turns
from bench.worker import Worker, working
from turnout.admin import create_token
from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED
from turnout.query.instants import SECOND
from turnout.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.children import Server
    from bench.data import DataSet

ASKED: Final = {"columns": "venue.name,offering_type.name,status,count", "format": "json"}
GROUPED_PATH: Final = PATH.replace(f"/{ATTENDANCES.name}/", f"/{ATTENDANCES_GROUPED.name}/")
_JOBS: Final = "/api/v2/jobs"
_ROUNDS: Final = 5
_CALLS: Final = 20
_SLICE: Final = 1.0
_WARM_UP: Final = 3
_SECONDS: Final = 15.0
_PAUSE: Final = 0.2
_ENGINE: Final = "engine"
_HTTP: Final = "http"
_ENDED: Final = "complete"


def large_run(data: DataSet) -> LargeRun:
    """Measure both; each answer is worked out anew."""
    file, engine_file = copied(data.database, "large"), copied(data.database, "engine")
    large = max(data.sizes, key=lambda size: size.rows)
    with closing(open_store(str(file))) as store:
        providers = {"providers": [large.provider], "role": "attendances"}
        token = create_token(store, None, providers, data.day).text
    headers = {"Authorization": f"Token {token}", "TeamUp-Provider-ID": str(large.provider)}
    query = target(ASKED).partition("?")[2]
    asked = engine.Asked("grouped", large.provider, query.encode(), ATTENDANCES_GROUPED.name)
    setup = data.directory / "grouped.msgpack"
    setup.write_bytes(msgspec.msgpack.encode(engine.Setup(str(engine_file), int(time.time()) * SECOND, (asked,))))
    with ExitStack() as stack:
        server = stack.enter_context(turnout_server.serve(file, data.directory / "large.log", turnout_server.ANEW))
        client, alone = (
            stack.enter_context(working(["-m", module, *arguments], data.directory / f"{name}.log"))
            for name, module, arguments in (("reader", "bench.client", []), ("grouped", "bench.engine", [setup]))
        )
        reader = Worker[Job, Load](client, Load)
        say("The grouped report", passing=True)
        call = Call(asked.name, (get(f"{GROUPED_PATH}?{query}", headers),))
        times = _in_turns(server, call, reader, Worker[engine.Slice, list[float]](alone, list[float]))
        read = Job(server.port, _mix(server, data), READERS, ENDLESS, _SECONDS)
        say("Readers alone", passing=True)
        by_themselves = reader.do(read, _SECONDS)
        say("Readers beside an export", passing=True)
        beside, exported = _beside_exports(server, headers, lambda: reader.do(read, _SECONDS), large.rows)
    shutil.rmtree(file.with_name(f"{file.name}.exports"), ignore_errors=True)
    one, other = (
        sorted(each for found in load.milliseconds.values() for each in found) for load in (by_themselves, beside)
    )
    return LargeRun(
        rows=large.rows,
        asked=ASKED["columns"],
        grouped=spread(times[_HTTP]),
        engine=spread(times[_ENGINE]),
        exported=exported,
        readers=READERS,
        alone_p50=percentile(one, 0.5),
        alone_p99=percentile(one, 0.99),
        beside_p50=percentile(other, 0.5),
        beside_p99=percentile(other, 0.99),
    )


def _in_turns(
    server: Server, call: Call, client: Worker[Job, Load], alone: Worker[engine.Slice, list[float]]
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {_ENGINE: [], _HTTP: []}
    for name in turns(dict.fromkeys(found, _ROUNDS)):
        if name == _ENGINE:
            found[name] += alone.do(engine.Slice(call.name, _CALLS, _SLICE, _WARM_UP), _SLICE)
        else:
            job = Job(server.port, (call,), 1, _CALLS, _SLICE, _WARM_UP)
            found[name] += client.do(job, _SLICE).milliseconds[call.name]
    return found


def _mix(server: Server, data: DataSet) -> tuple[Call, ...]:
    return tuple(
        turnout_server.call(data, question, turnout_server.address(server, data, question), turnout_server.MANY)
        for question in questions(data)
        if question.kind != Kind.CSV
    )


def _beside_exports(server: Server, headers: dict[str, str], read: Callable[[], Load], rows: int) -> tuple[Load, float]:
    """What readers got while one export followed the other, and how many rows a second were exported."""
    found: list[Load] = []
    thread = threading.Thread(target=lambda: found.append(read()))
    columns = ",".join(column.key for column in ATTENDANCES.columns)
    order = json.dumps({"columns": columns, "include_future": True, "format": "csv"}).encode()
    as_json = {**headers, "Content-Type": "application/json"}
    began, done, share = time.perf_counter(), 0, 0.0
    thread.start()
    while thread.is_alive():
        answer = ask(server, "POST", PATH.replace("/data", "/export"), as_json, order)
        job = f"{_JOBS}/{json.loads(answer.body)['job']}"
        while (state := json.loads(ask(server, "GET", job, headers).body))["status"] != _ENDED:
            if time.perf_counter() - began > PATIENCE + _SECONDS:
                raise BenchError(f"an export does not come to its end: {state}")
            share = state["complete_items"] / rows
            if not thread.is_alive():
                break
            time.sleep(_PAUSE)
        else:
            done, share = done + 1, 0.0
    seconds = time.perf_counter() - began
    thread.join()
    if not found:
        raise BenchError("the readers did not end")
    return found[0], (done + share) * rows / seconds
