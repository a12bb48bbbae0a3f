"""What every request can reach: the server's services, and the notes that are kept about the request itself."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import Scope

    from turnout.answers import Answers
    from turnout.background import Background
    from turnout.jobs import Jobs, Links
    from turnout.query.cursor import CursorBox
    from turnout.settings import Settings
    from turnout.store.base import Store, Token
    from turnout.upkeep import Caretaker
    from turnout.web.auth import Authenticator
    from turnout.web.checking import Checking
    from turnout.web.merging import MergeQueue
    from turnout.web.metrics import Metrics
    from turnout.web.once import Once
    from turnout.web.repeats import Repeats
    from turnout.web.retaining import Retaining
    from turnout.web.sweeping import Sweeping
    from turnout.web.syncing import Syncing
    from turnout.web.uploads import Uploads
    from turnout.web.work import Workers
    from turnout.web.workers import Worker
    from turnout.web.writing import Writing

P = ParamSpec("P")
T = TypeVar("T")

SCOPE_KEY: Final = "turnout"
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_IMPORTED_AT_ONCE: Final = 2
TRUSTED_KEY: Final = "turnout.trusted"
"""Set in the scope of requests that came over the owner's Unix socket; a client cannot set it."""


def _microseconds() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time is read. `now` is microseconds since 1970 in UTC; `monotonic` is seconds from some moment."""

    now: Callable[[], int] = _microseconds
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Services:
    """What the endpoints work with; one for each application."""

    store: Store
    settings: Settings
    clock: Clock
    workers: Workers
    auth: Authenticator
    once: Once
    metrics: Metrics | None
    cursors: CursorBox
    answers: Answers
    writing: Writing
    checking: Checking
    merges: MergeQueue
    repeats: Repeats
    uploads: Uploads
    syncing: Syncing
    caretaker: Caretaker
    retaining: Retaining
    sweeping: Sweeping
    jobs: Jobs
    links: Links
    worker: Worker | None
    """Which of several processes that serve one address this is."""
    command: str
    """What owns the store, for people: `turnout serve`."""
    started: float
    """When the application was made, on the monotonic clock."""
    importing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IMPORTED_AT_ONCE))
    """Held while a large body is checked and merged, so that small changes find a thread."""
    faults: list[str] = field(default_factory=list)
    """What went wrong at start-up without stopping it; `turnout doctor` shows it."""

    @property
    def background(self) -> tuple[Background | Jobs, ...]:
        """What a server does beside answering."""
        works = (self.syncing, self.caretaker, self.retaining, self.sweeping)
        return (self.jobs, *(work.background for work in works))

    def close(self) -> None:
        """Let the threads end."""
        self.workers.close()
        self.writing.close()
        self.merges.close()
        self.checking.close()


class Context:
    """One request: its id, its moment, and what its log line says about it beside the outcome."""

    __slots__ = ("_mark", "by_heart", "headers", "id", "now", "phases", "provider_id", "services", "token_id")

    def __init__(self, services: Services, request_id: str) -> None:
        self.services = services
        self.id = request_id
        self.now = services.clock.now()
        """The moment of the request, in microseconds since 1970: the one `now` of all that is done for it."""
        self.provider_id: int | None = None
        self.token_id: int | None = None
        self.by_heart: Token | None = None
        """The token that it came with, where that was known from earlier, and it is still to be seen that it is so."""
        self.phases: dict[str, float] = {}
        self.headers: list[tuple[bytes, bytes]] = []
        """Headers to be added to the answer, whatever it is."""
        self._mark = time.perf_counter()

    def mark(self, phase: str) -> None:
        """Note, in milliseconds, how long `phase` took since the last mark, or since the request arrived."""
        now = time.perf_counter()
        self.phases[phase] = round(self.phases.get(phase, 0.0) + (now - self._mark) * 1000, 3)
        self._mark = now


async def ask(store: Store, question: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Ask a store something small: at once where it knows it by heart, else beside the loop."""
    return await asyncio.to_thread(question, *args, **named) if store.shared else question(*args, **named)


def context_of(request: Request) -> Context:
    """The context of a request."""
    return cast("Context", request.scope[SCOPE_KEY])


def reached(request: Request) -> str:
    """The server's address as the client reached it; empty where its Host header is no host."""
    host = request.headers.get("Host", "")
    return f"{request.scope['scheme']}://{host}" if _HOST.fullmatch(host) else ""


def base_url(request: Request) -> str:
    """The server's address as the settings say, or as the client reached it."""
    return context_of(request).services.settings.public_url or reached(request)


def is_trusted(scope: Scope) -> bool:
    """Whether a request came over the owner's Unix socket."""
    return scope.get(TRUSTED_KEY) is True
