"""The phases of one run, on one data set: Turnout, its two limits, the peers."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from bench import client, engine, turnout_server
from bench.children import ask, running
from bench.client import BenchError, Call, Job, Load
from bench.peers import Moment
from bench.questions import Kind, depth, get, questions, target, year_start
from bench.results import Asked, Program, Run, Served, Spread, spread
from bench.say import say
from turnout import __version__
from turnout.query.instants import SECOND, format_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.children import Answer, Server
    from bench.data import DataSet
    from bench.peers import Found, Peer
    from bench.questions import Question

CONNECTIONS: Final = 16
_WARM_UP: Final = 5
_ENDLESS: Final = 1_000_000
_SEED: Final = 7
# Set by the web server itself, each time.
_NOT_KEPT: Final = frozenset({"date", "content-length", "connection", "server", "transfer-encoding"})


@dataclass(frozen=True)
class Effort:
    """How long to measure: calls (or seconds) for one question with one connection, seconds for the rest, starts."""

    calls: int
    one_seconds: float
    busy_seconds: float
    mix_seconds: float
    starts: int


WHOLE: Final = Effort(calls=200, one_seconds=2.5, busy_seconds=3.0, mix_seconds=20.0, starts=3)
QUICK: Final = Effort(calls=50, one_seconds=0.5, busy_seconds=0.5, mix_seconds=3.0, starts=1)


@dataclass(frozen=True)
class Own:
    """What was measured of Turnout, and what it answered."""

    program: Program
    served: dict[str, Served]
    phases: dict[str, dict[str, list[float]]]
    now: int
    paths: dict[str, str]
    answers: dict[str, Answer]
    moments: dict[str, Moment]


def run(data: DataSet, peers: Sequence[Peer], effort: Effort) -> Run:
    """Measure everything on one data set."""
    asked = questions(data)
    for peer in peers:
        peer.build(data)
    own = _turnout(data, asked, effort)
    engine_ms = _engine(data, asked, own, effort)
    web_ms = _web(data, asked, own, effort)
    programs, served = {}, {}
    for peer in peers:
        programs[peer.name], served[peer.name] = _peer(peer, data, asked, own, effort)
    return Run(
        rows=data.rows,
        sizes={size.name: size.rows for size in data.sizes},
        merged_per_second=data.merge_rate,
        turnout=own.program,
        peers=programs,
        asked=[
            Asked(
                kind=question.kind,
                size=question.size.name,
                turnout=own.served[question.name],
                engine=engine_ms[question.name],
                web=web_ms[question.name],
                phases={
                    phase: median(found) for phase, found in own.phases.get(question.name.replace(" ", ""), {}).items()
                },
                peers={name: answered[question.name] for name, answered in served.items()},
            )
            for question in asked
        ],
    )


def _turnout(data: DataSet, asked: Sequence[Question], effort: Effort) -> Own:
    first = next(question for question in asked if question.kind == Kind.FIRST and question.size == data.sizes[-1])
    starts = []
    for last in (*[False] * (effort.starts - 1), True):
        with turnout_server.serve(data) as server:
            ask(server, "GET", target(first.parameters), turnout_server.headers(data, first))
            starts.append(time.perf_counter() - server.started)
            if last:
                return _own(server, data, asked, effort, median(starts))
    raise AssertionError("the last start returns")


def _own(server: Server, data: DataSet, asked: Sequence[Question], effort: Effort, started: float) -> Own:
    now = _steady_now()
    paths = {question.name: turnout_server.address(server, data, question) for question in asked}
    answers = {
        question.name: ask(server, "GET", paths[question.name], turnout_server.headers(data, question))
        for question in asked
    }
    moments = {size.name: _moment(server, data, question, now) for question in asked for size in [question.size]}
    served = {}
    for question in asked:
        one, busy = (
            turnout_server.call(data, question, paths[question.name], label) for label in (turnout_server.ONE, "busy")
        )
        served[question.name] = _served("Turnout", server, one, busy, effort)
    mix = _mix(server, [turnout_server.call(data, question, paths[question.name], "mix") for question in asked], effort)
    program = Program(__version__, started, data.database.stat().st_size, server.resident(), mix.rate)
    phases = turnout_server.phases(data)
    return Own(program, served, phases, now, paths, answers, moments)


def _steady_now() -> int:
    """The present in whole seconds, as microseconds since 1970, with some seconds to go until the next minute.

    Events start at whole minutes: what is asked within the same minute has the same past.
    """
    while (second := time.time() % 60) > 45:
        time.sleep(60.1 - second)
    return int(time.time()) * SECOND


def _moment(server: Server, data: DataSet, question: Question, now: int) -> Moment:
    """What the peers are told for the questions on a provider."""
    before = {"format": "json", "limit": "1", "offset": str(depth(question.size) - 1), "columns": "id,event.starts_at"}
    answer = ask(server, "GET", target(before), turnout_server.headers(data, question))
    (row,) = msgspec.json.decode(answer.body)["rows"]
    return Moment(format_utc(now), format_utc(year_start(data.day)), row["event"]["starts_at"], row["id"])


def _served(who: str, server: Server, one: Call, busy: Call, effort: Effort) -> Served:
    say(f"{who}: {one.name}", passing=True)
    alone = _alone(server, one, effort)
    crowd = client.run(Job(server.port, (busy,), CONNECTIONS, _ENDLESS, effort.busy_seconds))
    return Served(alone, spread(crowd.milliseconds[busy.name]), crowd.rate, crowd.unanswered[busy.name])


def _alone(server: Server, call: Call, effort: Effort) -> Spread:
    job = Job(server.port, (call,), 1, effort.calls, effort.one_seconds, _WARM_UP)
    return spread(client.run(job).milliseconds[call.name])


def _mix(server: Server, calls: Iterable[Call], effort: Effort) -> Load:
    order = list(calls)
    Random(_SEED).shuffle(order)  # noqa: S311 - a fixed order, no secret
    return client.run(Job(server.port, tuple(order), CONNECTIONS, _ENDLESS, effort.mix_seconds))


def _engine(data: DataSet, asked: Sequence[Question], own: Own, effort: Effort) -> dict[str, Spread]:
    say("The engine alone", passing=True)
    job = engine.EngineJob(
        database=str(data.database),
        now=own.now,
        questions=tuple(
            engine.Asked(question.name, question.size.provider, own.paths[question.name].partition("?")[2].encode())
            for question in asked
        ),
        count=effort.calls,
        seconds=effort.one_seconds,
        warm_up=_WARM_UP,
    )
    return {name: spread(milliseconds) for name, milliseconds in engine.run(job).items()}


def _web(data: DataSet, asked: Sequence[Question], own: Own, effort: Effort) -> dict[str, Spread]:
    say("The web server alone", passing=True)
    kept = [
        (f"/{number}", {name: value for name, value in answer.headers.items() if name not in _NOT_KEPT}, answer.body)
        for number, question in enumerate(asked)
        for answer in [own.answers[question.name]]
    ]
    file = data.directory / "answers.msgpack"
    file.write_bytes(msgspec.msgpack.encode(kept))
    with running([sys.executable, "-m", "bench.webalone", file], data.directory / "webalone.log", {}) as server:
        found = {}
        for number, question in enumerate(asked):
            request = get(f"/{number}?{target(question.parameters)}", turnout_server.headers(data, question))
            found[question.name] = _alone(server, Call(question.name, (request,)), effort)
    return found


def _peer(
    peer: Peer, data: DataSet, asked: Sequence[Question], own: Own, effort: Effort
) -> tuple[Program, dict[str, Served]]:
    say(f"{peer.name}: starting", passing=True)
    with peer.serve(data) as server:
        chosen = {}
        started = 0.0
        for question in asked:
            say(f"{peer.name}: trying {question.name}", passing=True)
            chosen[question.name] = _fastest(peer, server, data, question, own)
            started = started or time.perf_counter() - server.started
        served = {name: _served(peer.name, server, call, call, effort) for name, call in chosen.items()}
        mix = _mix(server, chosen.values(), effort)
        return Program(peer.version(), started, peer.size(data), server.resident(), mix.rate), served


def _fastest(peer: Peer, server: Server, data: DataSet, question: Question, own: Own) -> Call:
    """The fastest of a peer's ways to ask, after its answers were found to be the same as Turnout's."""
    expected = turnout_server.read(question, own.answers[question.name])
    times: dict[Call, float] = {}
    for way in peer.ways(data, question, own.moments[question.size.name]):
        load = client.run(Job(server.port, (way,), 1, 2, 10.0))
        found: Found | None = None
        with suppress(ValueError, KeyError, IndexError):
            found = peer.read(question, load.first[way.name])
        if found != expected:
            raise BenchError(f"{peer.name} answers {question.name} otherwise: {found} instead of {expected}")
        times[way] = median(load.milliseconds[way.name])
    return min(times, key=times.__getitem__)
