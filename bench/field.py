"""Everything that is compared on one data set, up at the same time: who is not asked rests, and costs nothing."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from bench import engine, turnout_server
from bench.children import BenchError, ask, fate, running
from bench.client import Call, Job, Load
from bench.copies import copied, read_through
from bench.peers import Moment
from bench.questions import Kind, depth, get, target, year_start
from bench.say import say
from bench.worker import Worker, working
from turnout.query.instants import SECOND, format_utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.children import Answer, Server
    from bench.data import DataSet
    from bench.peers import Found, Peer
    from bench.questions import Question

# Set by the web server itself, each time.
_NOT_KEPT: Final = frozenset({"date", "content-length", "connection", "server", "transfer-encoding"})
# How often a way to ask is tried, and for how long.
_TRIES: Final = 3
_TRY_SECONDS: Final = 0.5
# Some questions take some peers very long; whoever does not answer even then cannot be compared.
_TRY_GRACE: Final = 120.0


@dataclass(frozen=True)
class Line:
    """A server and the client that asks it."""

    name: str
    server: Server
    client: Worker[Job, Load]

    def load(self, job: Job) -> Load:
        """What came of a job, whose port is filled in here."""
        try:
            return self.client.do(msgspec.structs.replace(job, port=self.server.port), job.seconds + job.grace)
        except BenchError as error:
            raise BenchError(f"{self.name}: {error}{fate(self.server.process, self.server.log)}") from None

    def tried(self, call: Call) -> tuple[float, tuple[bytes, ...]]:
        """How many seconds a call takes by itself, about, and its answer."""
        load = self.load(Job(0, (call,), 1, _TRIES, _TRY_SECONDS, keep=True, grace=_TRY_GRACE))
        if call.name not in load.first:
            raise BenchError(f"{self.name} does not answer {call.name} in time")
        return median(load.milliseconds[call.name]) / 1000, load.first[call.name]


@dataclass(frozen=True)
class Entrant:
    """A program that is asked over HTTP: by question's name, its calls and how many seconds one takes by itself.

    `one` has the calls for a single connection, `many` those for several.
    """

    line: Line
    one: Mapping[str, Call]
    many: Mapping[str, Call]
    seconds: Mapping[str, float]

    @property
    def name(self) -> str:
        return self.line.name

    def load(self, calls: Sequence[Call], connections: int, count: int, seconds: float, warm_up: int = 0) -> Load:
        """Calls to this program; see `client.Job`. When it returns, the program rests."""
        load = self.line.load(Job(0, tuple(calls), connections, count, seconds, warm_up))
        if any(load.unanswered.values()):
            self.line.server.wait_until_it_rests()
        return load


@dataclass(frozen=True)
class Field:
    """All programs, ready to be asked. `started` has the seconds from a program's start to its first answer."""

    anew: Entrant
    as_served: Entrant
    web: Entrant
    peers: Sequence[Entrant]
    engine: Worker[engine.Slice, list[float]]
    started: Mapping[str, float]


@dataclass(frozen=True)
class _Expected:
    """What Turnout was asked for and answered, at an instant in microseconds since 1970, by question's name."""

    now: int
    paths: Mapping[str, str]
    answers: Mapping[str, Answer]
    moments: Mapping[str, Moment]


TURNOUT: Final = "Turnout"


@contextmanager
def field_of(data: DataSet, peers: Sequence[Peer], asked: Sequence[Question], starts: int) -> Iterator[Field]:
    """All programs for the length of a block, having shown that they answer the same. The peers' files are there.

    Turnout is started `starts` times; the median counts.
    """
    own_file, engine_file = copied(data.database, "anew"), copied(data.database, "engine")
    read_through([data.database, own_file, engine_file, *(peer.file(data) for peer in peers)])
    with ExitStack() as stack:
        client = Worker[Job, Load](
            stack.enter_context(working(["-m", "bench.client"], data.directory / "client.log")), Load
        )
        say("Starting Turnout", passing=True)
        as_served, own_seconds = _turnout(stack, data, asked, starts)
        anew = stack.enter_context(turnout_server.serve(own_file, anew_log(data), turnout_server.ANEW))
        expected = _expected(data, asked, as_served, anew)
        say("Starting the engine and the web server alone", passing=True)
        alone = _engine(stack, data, asked, expected, engine_file)
        web = _web(stack, data, asked, expected, client)
        started, entrants = {TURNOUT: own_seconds}, []
        for peer in peers:
            say(f"Starting {peer.name}", passing=True)
            line = Line(peer.name, stack.enter_context(peer.serve(data)), client)
            question = _first(asked)
            way, *_ = peer.ways(data, question, expected.moments[question.size.name])
            line.load(Job(0, (way,), 1, 1, 1.0))
            started[peer.name] = time.perf_counter() - line.server.started
            entrants.append(_peer(peer, line, data, asked, expected))
        yield Field(
            anew=_own(Line(f"{TURNOUT} anew", anew, client), data, asked, expected),
            as_served=_own(Line(f"{TURNOUT} as served", as_served, client), data, asked, expected),
            web=web,
            peers=entrants,
            engine=alone,
            started=started,
        )


def anew_log(data: DataSet) -> Path:
    """The log of the Turnout that works out each answer anew."""
    return data.directory / "turnout-anew.log"


def _first(asked: Sequence[Question]) -> Question:
    """The question that a program is asked when it has just been started: the largest provider's first page."""
    return max((question for question in asked if question.kind == Kind.FIRST), key=lambda one: one.size.rows)


def _turnout(stack: ExitStack, data: DataSet, asked: Sequence[Question], starts: int) -> tuple[Server, float]:
    """Turnout with its defaults, and the seconds to its first answer."""
    question = _first(asked)
    seconds = []
    while True:
        with ExitStack() as this:
            server = this.enter_context(
                turnout_server.serve(data.database, data.directory / "turnout.log", turnout_server.AS_SERVED)
            )
            ask(server, "GET", target(question.parameters), turnout_server.headers(data, question))
            seconds.append(time.perf_counter() - server.started)
            if len(seconds) >= starts:
                stack.push(this.pop_all())
                return server, median(seconds)


def _expected(data: DataSet, asked: Sequence[Question], as_served: Server, anew: Server) -> _Expected:
    """Turnout's answers, after both of it were found to answer the same."""
    now = _steady_now()
    paths, answers = {}, {}
    for question in asked:
        path = paths[question.name] = turnout_server.address(as_served, data, question)
        headers = turnout_server.headers(data, question)
        one, other = (ask(server, "GET", path, headers) for server in (as_served, anew))
        if turnout_server.read(question, one) != turnout_server.read(question, other):
            raise BenchError(f"Turnout as served answers {question.name} otherwise than Turnout anew")
        answers[question.name] = one
    moments = {size.name: _moment(as_served, data, question, now) for question in asked for size in [question.size]}
    return _Expected(now, paths, answers, moments)


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


def _own(line: Line, data: DataSet, asked: Sequence[Question], expected: _Expected) -> Entrant:
    one, many = (
        {question.name: turnout_server.call(data, question, expected.paths[question.name], label) for question in asked}
        for label in (turnout_server.ONE, turnout_server.MANY)
    )
    return Entrant(line, one, many, {name: line.tried(call)[0] for name, call in many.items()})


def _engine(
    stack: ExitStack, data: DataSet, asked: Sequence[Question], expected: _Expected, database: Path
) -> Worker[engine.Slice, list[float]]:
    setup = engine.Setup(
        database=str(database),
        now=expected.now,
        questions=tuple(
            engine.Asked(
                question.name, question.size.provider, expected.paths[question.name].partition("?")[2].encode()
            )
            for question in asked
        ),
    )
    file = data.directory / "engine.msgpack"
    file.write_bytes(msgspec.msgpack.encode(setup))
    process = stack.enter_context(working(["-m", "bench.engine", file], data.directory / "engine.log"))
    alone = Worker[engine.Slice, list[float]](process, list[float])
    # It has noted its statements when the first answer is there.
    alone.do(engine.Slice(asked[0].name, 1, 0.0), 0.0)
    return alone


def _web(
    stack: ExitStack, data: DataSet, asked: Sequence[Question], expected: _Expected, client: Worker[Job, Load]
) -> Entrant:
    kept, calls = [], {}
    for number, question in enumerate(asked):
        answer = expected.answers[question.name]
        headers = {name: value for name, value in answer.headers.items() if name not in _NOT_KEPT}
        kept.append((f"/{number}", headers, answer.body))
        request = get(f"/{number}?{target(question.parameters)}", turnout_server.headers(data, question))
        calls[question.name] = Call(question.name, (request,))
    file = data.directory / "answers.msgpack"
    file.write_bytes(msgspec.msgpack.encode(kept))
    server = stack.enter_context(
        running([sys.executable, "-m", "bench.webalone", file], data.directory / "webalone.log", {})
    )
    return Entrant(Line("The web server alone", server, client), calls, calls, dict.fromkeys(calls, 0.0))


def _peer(peer: Peer, line: Line, data: DataSet, asked: Sequence[Question], expected: _Expected) -> Entrant:
    """A peer with the fastest of its ways to ask, after its answers were found to be the same as Turnout's."""
    calls, seconds = {}, {}
    for question in asked:
        say(f"{peer.name}: trying {question.name}", passing=True)
        answer = turnout_server.read(question, expected.answers[question.name])
        times: dict[Call, float] = {}
        for way in peer.ways(data, question, expected.moments[question.size.name]):
            times[way], bodies = line.tried(way)
            found: Found | None = None
            with suppress(ValueError, KeyError, IndexError):
                found = peer.read(question, bodies)
            if found != answer:
                raise BenchError(f"{peer.name} answers {question.name} otherwise: {found} instead of {answer}")
        fastest = calls[question.name] = min(times, key=times.__getitem__)
        seconds[question.name] = times[fastest]
    return Entrant(line, calls, calls, seconds)
