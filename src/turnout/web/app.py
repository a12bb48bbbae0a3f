"""The application: its routes, as data, and the layers around them."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router

from turnout import __version__
from turnout.answers import Answers
from turnout.catalog.attendances import REPORTS
from turnout.catalog.look_ups import LOOK_UP
from turnout.errors import NON_FIELD, TurnoutError
from turnout.jobs import Jobs, Links
from turnout.reports import cursor_box
from turnout.store.open import kept_beside
from turnout.upkeep import Caretaker
from turnout.web import admin, operate, session
from turnout.web.auth import Authenticator
from turnout.web.checking import Checking
from turnout.web.context import TRUSTED_KEY, Clock, Services, context_of, is_trusted
from turnout.web.limits import check_announced
from turnout.web.merging import MergeQueue
from turnout.web.observe import Observe
from turnout.web.once import Once
from turnout.web.opening import SERVER
from turnout.web.page import page_routes
from turnout.web.problems import Problems, error_response
from turnout.web.repeats import Repeats
from turnout.web.retaining import Retaining
from turnout.web.sweeping import Sweeping
from turnout.web.syncing import Syncing
from turnout.web.uploads import Uploads
from turnout.web.work import Workers
from turnout.web.writing import THREADS, Writing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from turnout.catalog.types import Report
    from turnout.settings import Settings
    from turnout.store.base import Store
    from turnout.web.metrics import Metrics
    from turnout.web.workers import Worker

    Endpoint = Callable[[Request], Awaitable[Response]]

_SLASHES: Final = re.compile(r"/{2,}")
# The links of the documentation are relative to its address, so that it looks after its slash itself.
_OWN_SLASH: Final = ("/", "/docs/")
_EXPOSED: Final = (
    "Content-Disposition",
    "ETag",
    "Link",
    "Preference-Applied",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Data-As-Of",
    "X-Ignored-Parameters",
    "X-Request-ID",
    "X-Timeframe",
    "X-Total-Count",
)
_ASKED_WITH: Final = (
    "Authorization",
    "If-None-Match",
    "Prefer",
    "TeamUp-Provider-ID",
    "TeamUp-Request-Mode",
    "X-Request-ID",
)


def _later(module: str, name: str) -> Endpoint:
    """An endpoint whose module is loaded when it is first asked for: who only reads starts without pyarrow."""
    found: Endpoint | None = None

    async def endpoint(request: Request) -> Response:
        nonlocal found
        if found is None:
            # Whoever comes meanwhile waits for the same loading to end.
            found = cast("Endpoint", getattr(await asyncio.to_thread(import_module, module), name))
        return await found(request)

    return endpoint


ROUTES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    "/": {"GET": operate.root},
    "/live": {"GET": operate.live},
    "/ready": {"GET": operate.ready},
    "/metrics": {"GET": operate.metrics},
    "/admin/v1/providers": {"GET": admin.list_providers, "POST": admin.add_provider},
    "/admin/v1/providers/{id}": {"PATCH": admin.set_provider},
    "/admin/v1/tokens": {"GET": admin.list_tokens, "POST": admin.create_token},
    "/admin/v1/tokens/{id}": {"DELETE": admin.revoke_token},
    "/admin/v1/status": {"GET": admin.status},
    "/admin/v1/owner": {"GET": admin.owner},
    "/admin/v1/backup": {"GET": _later("turnout.web.backup", "backup")},
    "/admin/v1/customers/{id}": {"GET": _later("turnout.web.persons", "export_customer")},
    "/admin/v1/erasures": {
        "GET": _later("turnout.web.persons", "list_erasures"),
        "POST": _later("turnout.web.persons", "erase_customers"),
    },
    "/admin/v1/erasures/{id}": {"DELETE": _later("turnout.web.persons", "restore_customer")},
    "/admin/v1/retention": {"POST": _later("turnout.web.persons", "retain")},
    LOOK_UP.values_path: {"GET": _later("turnout.web.look_up", "answer_look_up")},
    **{one.export_path: {"POST": _later("turnout.web.exports", "export_report")} for one in REPORTS},
    "/page/v1/session": {"GET": session.get_session, "POST": session.sign_in, "DELETE": session.sign_out},
    "/page/v1/views": {
        "GET": _later("turnout.web.views", "list_views"),
        "POST": _later("turnout.web.views", "add_view"),
    },
    "/page/v1/views/{id}": {
        "PATCH": _later("turnout.web.views", "change_view"),
        "DELETE": _later("turnout.web.views", "remove_view"),
    },
    "/api/v2/jobs": {"GET": _later("turnout.web.jobs", "list_jobs")},
    "/api/v2/jobs/{id}": {
        "GET": _later("turnout.web.jobs", "get_job"),
        "DELETE": _later("turnout.web.jobs", "remove_job"),
    },
    "/api/v2/jobs/{id}/result": {"GET": _later("turnout.web.jobs", "get_result")},
    "/ingest/v1/attendances": {"POST": _later("turnout.web.ingest", "add_attendances")},
    "/ingest/v1/attendances/{id}": {"DELETE": _later("turnout.web.ingest", "delete_attendance")},
    "/ingest/v1/sync": {
        "GET": _later("turnout.web.sync", "get_place"),
        "POST": _later("turnout.web.sync", "put_rows"),
    },
    "/ingest/v1/sync/rows": {"GET": _later("turnout.web.sync", "list_rows")},
    "/ingest/v1/sync/removals": {"POST": _later("turnout.web.sync", "remove_rows")},
    "/ingest/v1/uploads/{name}": dict.fromkeys(
        ("GET", "PATCH", "POST", "DELETE"), _later("turnout.web.ingest", "upload")
    ),
}
"""What is answered beside the reports and the documentation, by path and method. `GET` answers `HEAD` as well."""


class Application:
    """The whole ASGI application. `services` is what it works with, `trusted` the same application for the owner."""

    def __init__(self, services: Services, routes: Sequence[BaseRoute]) -> None:
        self.services = services
        layered: ASGIApp = Problems(_Gate(Router(routes, redirect_slashes=False)))
        if services.settings.cors_origins:
            layered = _Cors(
                layered,
                allow_origins=services.settings.cors_origins,
                allow_methods=("GET", "HEAD"),
                allow_headers=_ASKED_WITH,
                expose_headers=_EXPOSED,
            )
        self._layers = Observe(layered, services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._layers(scope, receive, send)

    async def trusted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that came over the owner's socket: who may open that may do everything."""
        await self._layers({**scope, TRUSTED_KEY: True}, receive, send)


def create_app(
    store: Store,
    settings: Settings,
    *,
    clock: Clock | None = None,
    command: str = SERVER,
    metrics: bool = True,
    report: Endpoint | None = None,
    pages: Sequence[BaseRoute] | None = None,
    read_keys: Callable[[str], bytes] | None = None,
    worker: Worker | None = None,
    once: Once | None = None,
) -> Application:
    """Make the application for an open store.

    `report` and `pages` stand in for the reports' endpoints and the documentation, `read_keys` for what reads the JSON
    Web Key Set, in tests. `command` is what owns the store, for people; `worker` says which of several processes
    this is; `once` takes the codes of links that sign in. Without `metrics`, or with the setting off, nothing is
    counted.
    """
    counts = _metrics() if metrics and settings.metrics else None
    once = once or Once()
    services = _services(
        store, settings, clock or Clock(), counts, command=command, read_keys=read_keys, worker=worker, once=once
    )
    if counts:
        counts.show_workers(services.workers)
        counts.show_answers(services.answers)
        if services.syncing.configured:
            counts.show_sync(services.syncing, services.clock)
    reports = {one.path: {"GET": report or _report_endpoint(one)} for one in REPORTS}
    routes = [_route(path, methods) for path, methods in {**reports, **ROUTES}.items()]
    return Application(services, [*routes, *(_pages(settings) if pages is None else pages)])


def _services(
    store: Store,
    settings: Settings,
    clock: Clock,
    counts: Metrics | None,
    *,
    command: str,
    read_keys: Callable[[str], bytes] | None,
    worker: Worker | None,
    once: Once,
) -> Services:
    cursors = cursor_box(store)
    answers = Answers(store, cursors, settings.answer_cache)
    jobs = Jobs(store, settings, clock.now, counts.exported if counts else lambda _: None)
    merges = MergeQueue(store)
    repeats = Repeats(store)
    together = store.together
    uploads = Uploads(kept_beside(settings.database, "uploads", settings.data_directory))
    sweep = [repeats.expire, uploads.expire, *([together.expire] if together else [])]
    return Services(
        store=store,
        settings=settings,
        clock=clock,
        workers=Workers(
            concurrency=settings.query_concurrency,
            queue_length=settings.queue_length,
            queue_timeout=settings.queue_timeout,
            query_timeout=settings.query_timeout,
            on_seconds=counts.query_seconds if counts else lambda _: None,
        ),
        auth=Authenticator(store, settings, clock, read_keys),
        once=once,
        metrics=counts,
        cursors=cursors,
        answers=answers,
        writing=Writing(THREADS - merges.at_once),
        checking=Checking(),
        merges=merges,
        repeats=repeats,
        uploads=uploads,
        syncing=Syncing(store, settings, clock, counts),
        caretaker=Caretaker(store, clock.now),
        retaining=Retaining(store, settings, clock, answers, jobs.aside),
        sweeping=Sweeping(clock, *sweep),
        jobs=jobs,
        links=Links(store),
        command=command,
        worker=worker,
        started=clock.monotonic(),
    )


def _metrics() -> Metrics:
    from turnout.web.metrics import Metrics  # noqa: PLC0415 - a single command counts nothing

    return Metrics()


def _report_endpoint(report: Report) -> Endpoint:
    from turnout.web.report import answer_report  # noqa: PLC0415 - administration alone does not need it

    return partial(answer_report, report)


def _pages(settings: Settings) -> Sequence[BaseRoute]:
    from turnout.web.docs_page import docs_routes  # noqa: PLC0415 - as above

    return [*docs_routes(version=__version__, server_url=settings.public_url), *page_routes()]


def _route(path: str, methods: Mapping[str, Endpoint]) -> Route:
    """One route for all methods of a path, so that a 405 names them all."""

    async def endpoint(request: Request) -> Response:
        if not is_trusted(request.scope):  # a command may bring a file of any size
            check_announced(request.scope, context_of(request).services.settings.max_body)
        return await methods["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, endpoint, methods=list(methods), name=path)


class _Gate:
    """Makes the spellings of an address one, and puts the methods of a 405 in order."""

    def __init__(self, router: Router) -> None:
        self.router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            # The published address has a doubled slash; it and one with a slash at its end are answered as they are.
            if "//" in path or path[-1:] == "/":
                path = _SLASHES.sub("/", path)
                scope["path"] = path if path in _OWN_SLASH else path.rstrip("/")
            # Without it, the router would answer a 405 by itself, as text.
            scope["app"] = self
        try:
            await self.router(scope, receive, send)
        except HTTPException as error:
            if error.headers and "Allow" in error.headers:
                error.headers = {"Allow": ", ".join(sorted(error.headers["Allow"].split(", ")))}
            raise


class _Cors(CORSMiddleware):
    """Starlette's, with a refusal in the form of every other error."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        headers: Any = {
            name: value for name, value in response.headers.items() if name not in ("content-length", "content-type")
        }
        if response.status_code == 200:  # noqa: PLR2004 - allowed, in CORSMiddleware's words
            return Response(status_code=204, headers=headers)
        reason = bytes(response.body).decode()
        error = TurnoutError("parameter_invalid", fields={NON_FIELD: [f"{reason}."]}, headers=headers)
        return error_response(error)
