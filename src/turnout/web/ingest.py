"""Rows that come over HTTP: `POST /ingest/v1/attendances` and `DELETE` (contract section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import msgspec
from starlette.responses import Response, StreamingResponse

from turnout.arrivals import outcome, rejected_members
from turnout.catalog.ingest import INGEST
from turnout.errors import Faults, TurnoutError, shown
from turnout.imports import import_rows
from turnout.query import values
from turnout.query.raw import clean, pairs_of
from turnout.web.asked import no_parameters, whole_number
from turnout.web.auth import INGESTING
from turnout.web.body import SMALL, body_of, received
from turnout.web.context import context_of
from turnout.web.limits import kept_on_disk
from turnout.web.repeats import KEY, repeatable
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from turnout.imports import ImportResult
    from turnout.store.base import Answered, Merged, Provider
    from turnout.web.body import Body
    from turnout.web.context import Context, Services
    from turnout.web.repeats import Repeatable

NDJSON: Final = "application/x-ndjson"
_PARAMETERS: Final = {parameter.name: parameter for parameter in INGEST}


async def add_attendances(request: Request) -> Response:
    """Merge the rows of the body, all or none (with `partial=true`, the good ones); 200 means that they are on disk."""
    context = context_of(request)
    services = context.services
    credential, provider = await services.auth.writer(request, INGESTING)
    context.mark("authenticate")
    options = _options(request)
    most = None if credential.trusted else services.settings.max_body
    with services.merges.announced(provider.id) as arrived:
        async with received(request, most) as body:
            context.mark("receive")
            digest = await body.sha256() if KEY in request.headers else ""
            repeat = repeatable(request, credential.subject, provider.id, digest)
            with services.repeats.running(repeat):
                known = await services.repeats.known(repeat, context.now)
                if known:
                    return known
                return await _Work(request, provider, body, options, repeat=repeat, arrived=arrived).answer()


async def upload(request: Request) -> Response:
    """A file in parts: `GET` tells how much of it is there, `PATCH` adds a part, `POST` merges, `DELETE` drops it."""
    context = context_of(request)
    services = context.services
    credential, provider = await services.auth.writer(request, INGESTING)
    found = services.uploads.find(credential, provider.id, request.path_params["name"], context.now)
    if request.method == "POST":
        options = _options(request)
        if not found.received:
            raise TurnoutError("not_found", "Nothing was uploaded under this name.")
        with services.uploads.in_use(found):
            with found.path.open("rb") as file:
                answer = await _Work(request, provider, body_of(file, found.received), options).answer()
            if not options.dry_run:
                services.uploads.remove(found)
        return answer
    no_parameters(request)
    if request.method == "DELETE":
        services.uploads.check_free(found)
        services.uploads.remove(found)
        return Response(status_code=204, headers=API_HEADERS)
    if request.method == "PATCH":
        offset = _upload_offset(request)
        found = await services.uploads.append(found, offset, request, services.settings.max_body, context.now)
    return _json({"received": found.received})


async def delete_attendance(request: Request) -> Response:
    """Delete one attendance: 204, or 404 where there is none of this id."""
    context = context_of(request)
    services = context.services
    _, provider = await services.auth.writer(request, INGESTING)
    no_parameters(request)
    text = request.path_params["id"]
    id_ = whole_number(text)
    if not id_ or not await services.writing.run(services.store.delete, provider, [id_]):
        raise TurnoutError("not_found", f"There is no attendance {shown(text)}.")
    return Response(status_code=204, headers=API_HEADERS)


@dataclass(frozen=True, slots=True)
class _Options:
    """What was asked for beside the rows. `with_rows`: the bad rows are wanted back, each on a line, before the sum."""

    partial: bool
    dry_run: bool
    with_rows: bool


class _Work:
    """One body on its way into the store."""

    def __init__(
        self,
        request: Request,
        provider: Provider,
        body: Body,
        options: _Options,
        *,
        repeat: Repeatable | None = None,
        arrived: Callable[[], None] = lambda: None,
    ) -> None:
        self._request = request
        self._context: Context = context_of(request)
        self._services: Services = self._context.services
        self._provider = provider
        self._body = body
        self._options = options
        self._repeat = repeat
        self._arrived = arrived

    async def answer(self) -> Response:
        """Do it, and tell what became of the rows."""
        options = self._options
        if options.with_rows:
            rejects = SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115 - closed when it has been sent
            document = await self._whole(cast("BinaryIO", rejects))
            response: Response = _lines(rejects, document)
        else:
            joined = self._body.small and not options.dry_run
            document = await (self._joined() if joined else self._whole())
            response = _json(document)
        if self._services.metrics and not options.dry_run:
            self._services.metrics.ingested({name: document[name] for name in ("created", "updated", "unchanged")})
        return response

    async def _joined(self) -> dict[str, Any]:
        """Check a small body in memory, and merge it together with others that wait."""
        services = self._services
        with services.workers.wanted(self._request) as progress:
            arrival = await services.checking.check(
                self._provider,
                self._body,
                max_text=services.settings.max_text,
                partial=self._options.partial,
                progress=progress,
            )
        self._context.mark("check")

        def document(merged: Merged) -> dict[str, Any]:
            return outcome(merged, arrival.rejected, arrival.rejected_count)

        self._arrived()
        merged = await self._services.merges.merge(arrival, lambda merged: self._answered(document(merged)))
        self._context.mark("merge")
        return document(merged)

    async def _whole(self, rejects: BinaryIO | None = None) -> dict[str, Any]:
        """Check and merge a large body as it is read, by itself and in constant memory."""
        services = self._services
        self._arrived()
        async with services.importing:
            # On disk: the bad rows, where they are wanted back.
            with services.workers.wanted(self._request) as wanted, kept_on_disk():
                result = await services.writing.run(
                    import_rows,
                    services.store,
                    self._provider.id,
                    self._body.file,
                    "The body",
                    max_text=services.settings.max_text,
                    rejects=rejects,
                    partial=self._options.partial,
                    dry_run=self._options.dry_run,
                    remember=lambda result: self._answered(_document(result)),
                    progress=wanted,
                )
        self._context.mark("merge")
        if result.rejected_count and not self._options.partial:
            extra = rejected_members(result.rejected, result.rejected_count)
            raise TurnoutError("rows_rejected", result.stopped, extra=extra)
        return _document(result)

    def _answered(self, document: dict[str, Any]) -> Answered | None:
        """What is to be remembered of the answer."""
        if self._repeat is None:
            return None
        return self._repeat.answered(200, msgspec.json.encode(document), self._context.now)


def _document(result: ImportResult) -> dict[str, Any]:
    return outcome(result, result.rejected, result.rejected_count)


def _json(document: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(document), headers={**API_HEADERS, "Content-Type": "application/json"})


def _lines(rejects: SpooledTemporaryFile[bytes], document: dict[str, Any]) -> Response:
    """The rejected rows as a rejects file has them, and on the last line the sum of all."""

    def blocks() -> Iterator[bytes]:
        with rejects:
            rejects.seek(0)
            yield from iter(lambda: rejects.read(SMALL), b"")
            yield msgspec.json.encode(document) + b"\n"

    return StreamingResponse(blocks(), headers={**API_HEADERS, "Content-Type": NDJSON})


def _options(request: Request) -> _Options:
    """What the query string and `Accept` ask for. Raises `parameter_invalid` with every fault."""
    faults = Faults()
    texts = clean(_PARAMETERS, pairs_of(request.scope["query_string"]), faults).texts
    found = dict.fromkeys(_PARAMETERS, False)
    for name, (text,) in texts.items():
        try:
            found[name] = values.boolean(text)
        except ValueError as error:
            faults.add(name, str(error))
    faults.raise_if_any()
    with_rows = found["partial"] and request.headers.get("Accept", "").strip().lower() == NDJSON
    return _Options(found["partial"], found["dry_run"], with_rows)


def _upload_offset(request: Request) -> int:
    text = request.headers.get("Upload-Offset", "").strip()
    offset = whole_number(text)
    if offset is None:
        message = f"{shown(text)} is not an integer; how many bytes were received so far is expected."
        raise TurnoutError("parameter_invalid", fields={"Upload-Offset": [message]})
    return offset
