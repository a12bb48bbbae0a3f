"""What `turnout sync` asks of the server that has the data: the place, rows with a new place, and both sides' ids.

For the store's owner and tokens of role `super_admin` (contract sections 5 and 9).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.responses import Response

from turnout.catalog.ingest import LISTING
from turnout.catalog.types import MAX_ID
from turnout.errors import NON_FIELD, Faults, TurnoutError
from turnout.query import values
from turnout.query.raw import clean, pairs_of
from turnout.sync.place import Place, Whole  # noqa: TC001 - msgspec looks it up when it decodes
from turnout.sync.target import MOST_LISTED, Listed, StoreTarget
from turnout.web.context import context_of
from turnout.web.limits import read_body
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    """Rows, and the place to be saved with them."""

    place: Place
    rows: list[dict[str, Any]]
    follows: str | None = None


class _Listed(msgspec.Struct, forbid_unknown_fields=True):
    """An attendance, and when it was updated, in microseconds since 1970."""

    id: Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]
    updated_at: Whole


class _Listing(msgspec.Struct, forbid_unknown_fields=True):
    """Attendances by id."""

    rows: Annotated[list[_Listed], msgspec.Meta(max_length=MOST_LISTED)]


async def get_place(request: Request) -> Response:
    """`GET /ingest/v1/sync`: the place of the provider's sync, null where it was never synced."""
    target = await _target(request)
    _no_parameters(request)
    return _json({"place": target.place()})


async def put_rows(request: Request) -> Response:
    """`POST /ingest/v1/sync`: merge rows and save the place, in one transaction. 409 where another sync is at work."""
    target = await _target(request)
    _no_parameters(request)
    given = await _body(request, _Rows)
    services = context_of(request).services
    async with services.checking:
        put = await asyncio.to_thread(target.put, given.rows, given.place, given.follows)
    if services.metrics:
        services.metrics.ingested({"created": put.created, "updated": put.updated, "unchanged": put.unchanged})
    return _json(put)


async def list_rows(request: Request) -> Response:
    """`GET /ingest/v1/sync/rows?id_gt=N`: the ids that follow N, each with its `updated_at`, at most 10,000."""
    target = await _target(request)
    found = await asyncio.to_thread(target.listed_after, _after(request))
    return _json(_Listing([_Listed(id_, at) for id_, at in zip(found.ids, found.updated_at, strict=True)]))


async def remove_rows(request: Request) -> Response:
    """`POST /ingest/v1/sync/removals`: remove rows that are as they were listed; answers how many there were."""
    target = await _target(request)
    _no_parameters(request)
    given = await _body(request, _Listing)
    listed = Listed([row.id for row in given.rows], [row.updated_at for row in given.rows])
    removed = await asyncio.to_thread(target.remove, listed)
    return _json({"removed": removed})


async def _target(request: Request) -> StoreTarget:
    services = context_of(request).services
    _, provider = await services.auth.writer(request)
    return StoreTarget(services.store, provider, max_text=services.settings.max_text)


async def _body(request: Request, type_: type[Any]) -> Any:
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise TurnoutError("unsupported_media_type", "The body must be application/json, not encoded otherwise.")
    body = await read_body(request, context_of(request).services.settings.max_body)
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TurnoutError(
            "parameter_invalid", fields={NON_FIELD: [f"The body is not understood: {error}."]}
        ) from error


def _after(request: Request) -> int:
    faults = Faults()
    (parameter,) = LISTING
    texts = clean({parameter.name: parameter}, pairs_of(request.scope["query_string"]), faults).texts
    after = 0
    try:
        for text in texts.get(parameter.name, ()):
            after = values.integer(text, parameter)
    except ValueError as error:
        faults.add(parameter.name, str(error))
    faults.raise_if_any()
    return after


def _no_parameters(request: Request) -> None:
    faults = Faults()
    clean({}, pairs_of(request.scope["query_string"]), faults)
    faults.raise_if_any()


def _json(document: object) -> Response:
    kept = {**API_HEADERS, "Cache-Control": "no-store", "Content-Type": "application/json"}
    return Response(msgspec.json.encode(document), headers=kept)
