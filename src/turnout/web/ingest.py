"""Rows that come over HTTP: `POST /ingest/v1/attendances` and `DELETE` (contract section 5)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from turnout.arrivals import check, outcome, rejected_members
from turnout.catalog.ingest import INGEST
from turnout.catalog.types import MAX_ID
from turnout.errors import Faults, TurnoutError, shown
from turnout.imports import import_rows
from turnout.query import values
from turnout.query.raw import clean, pairs_of
from turnout.web.body import received
from turnout.web.context import context_of
from turnout.web.repeats import repeatable
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.imports import ImportResult
    from turnout.store.base import Answered, Merged, Provider
    from turnout.web.body import Body
    from turnout.web.context import Context, Services
    from turnout.web.repeats import Repeatable

PATH: Final = "/ingest/v1/attendances"
_PARAMETERS: Final = {parameter.name: parameter for parameter in INGEST}


async def add_attendances(request: Request) -> Response:
    """Merge the rows of the body, all or none (with `partial=true`, the good ones); 200 means that they are on disk."""
    context = context_of(request)
    services = context.services
    credential, provider = await services.auth.writer(request)
    context.mark("authenticate")
    partial, dry_run = _flags(request)
    most = None if credential.trusted else services.settings.max_body
    async with received(request, most) as body:
        context.mark("receive")
        repeat = repeatable(request, credential, provider.id, body.sha256)
        with services.repeats.running(repeat):
            known = await services.repeats.known(repeat, context.now)
            if known:
                return known
            work = _Work(context, provider, body, repeat, partial=partial)
            document = await (work.whole(dry_run=dry_run) if dry_run or not body.small else work.joined())
    if services.metrics:
        services.metrics.ingested({name: int(document[name]) for name in ("created", "updated", "unchanged")})
    return Response(msgspec.json.encode(document), headers={**API_HEADERS, "Content-Type": "application/json"})


async def delete_attendance(request: Request) -> Response:
    """Delete one attendance: 204, or 404 where there is none of this id."""
    context = context_of(request)
    services = context.services
    _, provider = await services.auth.writer(request)
    _no_parameters(request)
    text = request.path_params["id"]
    id_ = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID)) else 0
    deleted = await asyncio.to_thread(services.store.delete, provider, [id_]) if 0 < id_ <= MAX_ID else 0
    if not deleted:
        raise TurnoutError("not_found", f"There is no attendance {shown(text)}.")
    return Response(status_code=204, headers=API_HEADERS)


class _Work:
    """One body on its way into the store."""

    def __init__(
        self, context: Context, provider: Provider, body: Body, repeat: Repeatable | None, *, partial: bool
    ) -> None:
        self._context = context
        self._services: Services = context.services
        self._provider = provider
        self._body = body
        self._repeat = repeat
        self._partial = partial

    async def joined(self) -> dict[str, Any]:
        """Check a small body in memory, and merge it together with others that wait."""
        most = self._services.settings.max_text
        async with self._services.checking:
            arrival = await asyncio.to_thread(
                check, self._provider, self._body.file, max_text=most, partial=self._partial
            )
        self._context.mark("check")

        def document(merged: Merged) -> dict[str, Any]:
            return outcome(merged, arrival.rejected, arrival.rejected_count)

        merged = await self._services.merges.merge(arrival, lambda merged: self._answered(document(merged)))
        self._context.mark("merge")
        return document(merged)

    async def whole(self, *, dry_run: bool) -> dict[str, Any]:
        """Check and merge a large body as it is read, by itself and in constant memory."""
        result = await asyncio.to_thread(
            import_rows,
            self._services.store,
            self._provider.id,
            self._body.file,
            "the body",
            max_text=self._services.settings.max_text,
            partial=self._partial,
            dry_run=dry_run,
            remember=lambda result: self._answered(_document(result)),
        )
        self._context.mark("merge")
        if result.rejected_count and not self._partial:
            extra = rejected_members(result.rejected, result.rejected_count)
            raise TurnoutError("rows_rejected", result.unreadable, extra=extra)
        return _document(result)

    def _answered(self, document: dict[str, Any]) -> Answered | None:
        """What is to be remembered of the answer."""
        if self._repeat is None:
            return None
        return self._repeat.answered(200, msgspec.json.encode(document), self._context.now)


def _document(result: ImportResult) -> dict[str, Any]:
    return outcome(result, result.rejected, result.rejected_count)


def _flags(request: Request) -> tuple[bool, bool]:
    """`partial` and `dry_run`. Raises `parameter_invalid` with every fault of the query string."""
    faults = Faults()
    texts = clean(_PARAMETERS, pairs_of(request.scope["query_string"]), faults).texts
    found = dict.fromkeys(_PARAMETERS, False)
    for name, (text,) in texts.items():
        try:
            found[name] = values.boolean(text)
        except ValueError as error:
            faults.add(name, str(error))
    faults.raise_if_any()
    return found["partial"], found["dry_run"]


def _no_parameters(request: Request) -> None:
    faults = Faults()
    clean({}, pairs_of(request.scope["query_string"]), faults)
    faults.raise_if_any()
