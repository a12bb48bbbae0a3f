"""What is to be reached, and whether it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.questions import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.results import Asked, Results, Run

ENGINE_SHARE: Final = 1.25
ENGINE_EXTRA_MS: Final = 1.5
TAIL: Final = 5.0
CURSOR_SHARE: Final = 1.2
MIX_SHARE: Final = 3.0
START_SECONDS: Final = 1.5
IMPORT_RATE: Final = 100_000.0


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and its bound; `least` where it is to be reached and not to be kept."""

    group: str
    about: str
    found: float
    bound: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        return self.found >= self.bound if self.least else self.found <= self.bound

    @property
    def missed_by(self) -> float:
        """By what share of the bound it is missed; 0 where it is met."""
        if self.met:
            return 0.0
        return (self.bound - self.found if self.least else self.found - self.bound) / self.bound


NEAR_ENGINE: Final = f"p50 at most {ENGINE_SHARE} x the engine + {ENGINE_EXTRA_MS} ms"
SHORT_TAIL: Final = f"p99 under {TAIL:.0f} x p50 at 16 connections"
EVEN_CURSOR: Final = f"a page by cursor at most {CURSOR_SHARE} x the first page"
MIX: Final = f"the mix at least {MIX_SHARE:.0f} x the better peer"
NOT_BEHIND: Final = "no question behind a peer, in answers per second at 16 connections"
QUICK_START: Final = f"first answer within {START_SECONDS} s of the start"
QUICK_IMPORT: Final = f"import of {IMPORT_RATE:,.0f} rows/s"


def limit(asked: Asked) -> float:
    """What the median over HTTP may be, in milliseconds."""
    return ENGINE_SHARE * asked.engine.p50 + ENGINE_EXTRA_MS


def targets(results: Results) -> list[Target]:
    """Every target, in the order of the groups above."""
    found = [target for run in results.runs for target in _of(run)]
    imports = [Target(QUICK_IMPORT, i.form, i.rate, IMPORT_RATE, "rows/s", least=True) for i in results.imports]
    groups = (NEAR_ENGINE, SHORT_TAIL, EVEN_CURSOR, MIX, NOT_BEHIND, QUICK_START)
    return [*sorted(found, key=lambda target: groups.index(target.group)), *imports]


def _of(run: Run) -> Iterator[Target]:
    at = f"{run.rows:,} rows"
    first = {asked.size: asked.turnout.one.p50 for asked in run.asked if asked.kind == Kind.FIRST}
    for asked in run.asked:
        about, served = f"{at}: {asked.kind}, {asked.size}", asked.turnout
        yield Target(NEAR_ENGINE, about, served.one.p50, limit(asked), "ms")
        yield Target(SHORT_TAIL, about, served.busy.p99, TAIL * served.busy.p50, "ms")
        if asked.kind == Kind.CURSOR:
            yield Target(EVEN_CURSOR, about, served.one.p50, CURSOR_SHARE * first[asked.size], "ms")
        if asked.peers:
            name, best = max(asked.peers.items(), key=lambda item: item[1].rate)
            yield Target(NOT_BEHIND, f"{about} ({name})", served.rate, best.rate, "/s", least=True)
    if run.peers:
        name, peer = max(run.peers.items(), key=lambda item: item[1].mix)
        yield Target(MIX, f"{at} ({name})", run.turnout.mix, MIX_SHARE * peer.mix, "/s", least=True)
    yield Target(QUICK_START, at, run.turnout.started, START_SECONDS, "s")
