"""One run, on one data set: each question to all programs in turn, then the mix of all questions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from bench import engine, turnout_server
from bench.children import BenchError
from bench.client import ENDLESS, Load, pooled
from bench.field import TURNOUT, anew_log, field_of
from bench.questions import questions
from bench.results import Asked, Program, Run, Served, Spread, spread
from bench.say import say
from bench.turns import affordable, turns
from turnout import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.data import DataSet
    from bench.field import Entrant, Field
    from bench.peers import Peer
    from bench.questions import Question

CONNECTIONS: Final = 16
_WARM_UP: Final = 3
_SEED: Final = 7
_ENGINE: Final = "The engine alone"
_RESTED: Final = "The engine alone, rested"
_PAUSE: Final = 0.002
# Two rounds at least, so that nobody is measured at one moment only; one where many calls at once take their time.
LEAST_ROUNDS: Final = 2
_LEAST_SLICES: Final = 1


@dataclass(frozen=True)
class Slices:
    """How many slices a program gets, and how long one is: so many seconds, or so many calls."""

    number: int
    seconds: float
    calls: int = ENDLESS


@dataclass(frozen=True)
class Effort:
    """How long to measure: each question with one connection and with many, the mix; and how often to start Turnout."""

    one: Slices
    busy: Slices
    mix: Slices
    starts: int


WHOLE: Final = Effort(one=Slices(5, 0.25, 20), busy=Slices(2, 0.7), mix=Slices(3, 4.0), starts=3)
QUICK: Final = Effort(one=Slices(3, 0.1, 10), busy=Slices(2, 0.2), mix=Slices(2, 1.0), starts=1)


def run(data: DataSet, peers: Sequence[Peer], effort: Effort) -> Run:
    """Measure everything on one data set."""
    asked = questions(data)
    for peer in peers:
        peer.build(data)
    with field_of(data, peers, asked, effort.starts) as field:
        measured = [_question(field, question, effort) for question in asked]
        mixes = _mixes(field, asked, effort.mix)
        turnout = _program(field.as_served, __version__, field.started[TURNOUT], data.database.stat().st_size, mixes)
        programs = {
            peer.name: _program(
                entrant, peer.version(), field.started[peer.name], peer.file(data).stat().st_size, mixes
            )
            for peer, entrant in zip(peers, field.peers, strict=True)
        }
    phases = turnout_server.phases(anew_log(data))
    return Run(
        rows=data.rows,
        sizes={size.name: size.rows for size in data.sizes},
        merged_per_second=data.merge_rate,
        drift=median(one.drift for one in measured),
        turnout=turnout,
        anew_mix=mixes[field.anew.name].rate,
        peers=programs,
        asked=[
            Asked(
                kind=question.kind,
                size=question.size.name,
                anew=one.served[field.anew.name],
                as_served=one.served[field.as_served.name],
                engine=one.engine,
                rested=one.rested,
                web=one.web,
                phases={
                    phase: median(times) for phase, times in phases.get(question.name.replace(" ", ""), {}).items()
                },
                peers={peer.name: one.served[peer.name] for peer in field.peers},
            )
            for question, one in zip(asked, measured, strict=True)
        ],
    )


@dataclass(frozen=True)
class _Measured:
    """One question: what came of it by program, and how unevenly the engine ran."""

    served: Mapping[str, Served]
    engine: Spread
    rested: Spread
    web: Spread
    drift: float


def _question(field: Field, question: Question, effort: Effort) -> _Measured:
    say(question.name, passing=True)
    rounds = _one_connection(field, question, effort.one)
    crowds = _crowds(_servers(field), [question], effort.busy)
    pools = {name: spread([each for times in slices for each in times]) for name, slices in rounds.items()}
    served = {}
    for name, crowd in crowds.items():
        times = crowd.milliseconds[question.name]
        if not times:
            raise BenchError(f"{name} refused every call of {question.name} with {CONNECTIONS} connections")
        served[name] = Served(pools[name], spread(times), crowd.rate, crowd.unanswered[question.name])
    return _Measured(served, pools[_ENGINE], pools[_RESTED], pools[field.web.name], drift(rounds[_ENGINE]))


def drift(rounds: Sequence[Sequence[float]]) -> float:
    """How many times as long the slowest round took as the fastest, by their medians."""
    medians = [median(times) for times in rounds]
    return max(medians) / min(medians)


def _servers(field: Field) -> tuple[Entrant, ...]:
    """Those that are asked by many at once."""
    return (field.anew, field.as_served, *field.peers)


def _one_connection(field: Field, question: Question, slices: Slices) -> dict[str, list[list[float]]]:
    """The milliseconds of each program's slices."""
    entrants = {entrant.name: entrant for entrant in (*_servers(field), field.web)}
    shares = {_ENGINE: slices.number, _RESTED: slices.number}
    for name, entrant in entrants.items():
        shares[name] = affordable(slices.number, slices.seconds, entrant.seconds[question.name], LEAST_ROUNDS)
    found: dict[str, list[list[float]]] = {name: [] for name in shares}
    for name in turns(shares):
        if name in (_ENGINE, _RESTED):
            pause = _PAUSE if name == _RESTED else 0.0
            job = engine.Slice(question.name, slices.calls, slices.seconds, _WARM_UP, pause)
            times = field.engine.do(job, slices.seconds)
        else:
            entrant = entrants[name]
            warm_up = _WARM_UP if entrant.seconds[question.name] < slices.seconds else 0
            load = entrant.load([entrant.one[question.name]], 1, slices.calls, slices.seconds, warm_up)
            times = load.milliseconds[question.name]
        found[name].append(times)
    return found


def _crowds(entrants: Sequence[Entrant], asked: Sequence[Question], slices: Slices) -> dict[str, Load]:
    """What came of the questions on many connections, by program."""
    cores = len(os.sched_getaffinity(0))
    by_name = {entrant.name: entrant for entrant in entrants}
    shares = {}
    for entrant in entrants:
        together = fmean(entrant.seconds[question.name] for question in asked) * CONNECTIONS / cores
        shares[entrant.name] = affordable(slices.number, slices.seconds, together, _LEAST_SLICES)
    found: dict[str, list[Load]] = {name: [] for name in by_name}
    for name in turns(shares):
        calls = [by_name[name].many[question.name] for question in asked]
        found[name].append(by_name[name].load(calls, CONNECTIONS, slices.calls, slices.seconds))
    return {name: pooled(loads) for name, loads in found.items()}


def _mixes(field: Field, asked: Sequence[Question], slices: Slices) -> dict[str, Load]:
    say("The mix", passing=True)
    order = list(asked)
    Random(_SEED).shuffle(order)  # noqa: S311 - a fixed order, no secret
    return _crowds(_servers(field), order, slices)


def _program(entrant: Entrant, version: str, started: float, size: int, mixes: Mapping[str, Load]) -> Program:
    return Program(version, started, size, entrant.line.server.resident(), mixes[entrant.name].rate)
