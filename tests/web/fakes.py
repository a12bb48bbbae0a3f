"""The web layer without a database: a store in memory, a report that says who asked, a clock that tests set."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
from starlette.routing import Route

from turnout.admin import create_token
from turnout.catalog.attendances import ATTENDANCES
from turnout.query.dialect import DUCKDB
from turnout.settings import Settings
from turnout.store.base import Provider, StoreStatus
from turnout.store.jobs import Standing
from turnout.web.app import Application, create_app
from turnout.web.context import Clock, context_of
from turnout.web.respond import finish
from turnout.web.server import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.query.dialect import Dialect
    from turnout.query.sql import Statement
    from turnout.store.base import Token
    from turnout.web.work import Job

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND
PATIENCE = 20.0


@dataclass
class FakeSnapshot:
    """Waits in `rows` for as long as the store is blocked, unless it is cancelled."""

    store: FakeStore
    dialect: Dialect = DUCKDB
    cancelled: threading.Event = field(default_factory=threading.Event)

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        if self.store.failure:
            raise self.store.failure
        self.store.reading.release()
        while not self.store.free.wait(0.002):
            if self.cancelled.is_set():
                self.store.stopped.release()
                raise RuntimeError("interrupted")
        return [(1,)]

    def cancel(self) -> None:
        self.cancelled.set()


class FakeStore:
    """A `Store` in memory. `reading` counts started reads, `stopped` cancelled ones; they wait until `free` is set."""

    shared = False
    together = None

    def __init__(self, *providers: int) -> None:
        self._providers = {id_: Provider(id_, f"Provider {id_}", "Europe/Berlin") for id_ in providers}
        self._tokens: dict[int, Token] = {}
        self.free = threading.Event()
        self.free.set()
        self.reading = threading.Semaphore(0)
        self.stopped = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.snapshot_class = FakeSnapshot

    @contextmanager
    def snapshot(self, provider_id: int | None, *, long: bool = False) -> Iterator[FakeSnapshot]:
        yield self.snapshot_class(self)

    def providers(self) -> dict[int, Provider]:
        return dict(self._providers)

    def put_provider(self, provider: Provider) -> None:
        self._providers[provider.id] = provider

    def secret(self, name: str) -> bytes:
        return name.encode().ljust(32, b".")

    def tokens(self) -> list[Token]:
        return list(self._tokens.values())

    def token(self, sha256: str) -> Token | None:
        return next((token for token in self._tokens.values() if token.sha256 == sha256), None)

    def token_and_providers(self, sha256: str) -> tuple[Token | None, dict[int, Provider]]:
        return self.token(sha256), self.providers()

    def add_token(self, token: Token) -> Token:
        added = replace(token, id=len(self._tokens) + 1)
        self._tokens[added.id] = added
        return added

    def revoke_token(self, token_id: int, now: int) -> bool:
        self._tokens[token_id] = replace(self._tokens[token_id], revoked_at=now)
        return True

    def status(self) -> StoreStatus:
        if self.failure:
            raise self.failure
        return StoreStatus("Fake", "1", "/secret/place", 4096, 1, 12345, len(self._providers), ("It is a fake.",))

    def place(self, provider_id: int, snapshot: object = None) -> None:
        return None

    def forget_answered(self, before: int) -> None:
        return None

    @property
    def persons(self) -> FakePersons:
        return FakePersons()

    @property
    def jobs(self) -> FakeJobs:
        return FakeJobs()

    def close(self) -> None:
        self.free.set()


class FakeJobs:
    """Nobody ever asked for an export."""

    def of_status(self, *_: object) -> list[object]:
        return []

    def lost(self) -> list[object]:
        return []

    def claim(self, now: int) -> None:
        return None

    def forget(self, before: int) -> None:
        return None

    def standing(self) -> Standing:
        return Standing(0, 0, None, 0)


class FakePersons:
    """Nobody is too old, and nothing is left to be overwritten."""

    def retention(self) -> list[object]:
        return []

    def retain(self, *_: object, **__: object) -> int:
        return 0

    def overwrite(self, aside: object) -> None:
        return None


@dataclass
class Times:
    """The two clocks; both stand still until they are moved."""

    now: int = NOW
    monotonic: float = 1000.0

    def move(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)
        self.monotonic += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, monotonic=lambda: self.monotonic)


async def who(request: Request) -> Response:
    """A report endpoint that reads from the store and says who asked."""
    context = context_of(request)
    caller = await context.services.auth.report_caller(request)
    context.mark("authenticate")

    def read(job: Job) -> list[tuple[Any, ...]]:
        with context.services.store.snapshot(None) as snapshot:
            job.attach(snapshot)
            return snapshot.rows(None)  # type: ignore[arg-type]

    rows = await context.services.workers.run(read, request=request)
    document = {
        "provider": caller.provider.id,
        "role": caller.role,
        "instructor": caller.instructor_id,
        "token": caller.token_id,
        "rows": rows,
    }
    return await finish(request, msgspec.json.encode(document), media_type="application/json")


async def broken(request: Request) -> Response:
    raise RuntimeError("a secret detail")


async def echo(request: Request) -> Response:
    """Says what arrived."""
    body = (await request.body()).decode()
    return await finish(
        request,
        msgspec.json.encode(
            {"method": request.method, "path": request.url.path, "body": body, "query": str(request.query_params)}
        ),
        media_type="application/json",
        headers={"X-Total-Count": "1"},
    )


async def large(request: Request) -> Response:
    return await finish(request, b"0123456789" * 20_000, media_type="text/csv; charset=utf-8")


PAGES = [
    Route("/broken", broken),
    Route("/echo", echo, methods=["GET", "POST"]),
    Route("/large", large),
]


def make_app(store: FakeStore, times: Times | None = None, **given: Any) -> Application:
    extra = {name: given.pop(name) for name in ("read_keys", "command") if name in given}
    # Tests with a clock of their own also say when a query has run for too long.
    settings = Settings.load({"database": ":none:", "query_concurrency": 2, **given})
    return create_app(store, settings, clock=times.clock if times else None, report=who, pages=PAGES, **extra)


class Client:
    """Asks an application in this process, one request after the other or several at once."""

    def __init__(self, app: Application, address: str = "192.0.2.1", *, trusted: bool = False) -> None:
        self._runner = asyncio.Runner()
        self._app = app.trusted if trusted else app
        self.address = address

    def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        return self.run(self.asking(method, path, **given))

    def get(self, path: str = ATTENDANCES.path, **headers: str) -> httpx.Response:
        return self.send("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def asking(self, method: str, path: str, **given: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(self.address, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://inside", timeout=PATIENCE) as client:
            given["headers"] = httpx.Headers([("Accept-Encoding", "identity"), *_pairs(given.get("headers"))])
            return await client.request(method, path, **given)

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def close(self) -> None:
        self._runner.close()


def _pairs(headers: Any) -> list[tuple[str, str]]:
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    return [(name, value.encode("latin-1")) for name, value in pairs]


def new_token(store: FakeStore, *providers: int, now: int = NOW, **given: object) -> str:
    return create_token(store, None, {"providers": list(providers), **given}, now).text


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code, after a look at the envelope of contract section 4."""
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert set(document) == {"code", "type", "message", "field_errors"}
    assert isinstance(document["field_errors"]["non_field_errors"], list)
    return response.status_code, document["code"]


def fields_of(response: httpx.Response) -> set[str]:
    return {name for name, texts in response.json()["field_errors"].items() if texts}


@contextmanager
def live(app: Application) -> Iterator[tuple[str, int]]:
    """The application on a real socket of this machine: host and port."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    address = listening.getsockname()
    with in_thread(app, app, [listening]):
        yield address


def raw(address: tuple[str, int], data: bytes, *more: bytes) -> bytes:
    """Send bytes on a new connection, and read until the server closes it."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        for part in (data, *more):
            connection.sendall(part)
        found = bytearray()
        while part := connection.recv(65536):
            found += part
        return bytes(found)
