"""What `turnout sync` asks of the server that has the data: the place, rows with a new place, and both sides' ids.

For the store's owner and tokens of role `super_admin` (contract sections 5 and 9).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from starlette.responses import Response

from turnout.catalog.ingest import LISTING
from turnout.catalog.types import MAX_ID
from turnout.errors import Faults
from turnout.query import values
from turnout.query.raw import clean, pairs_of
from turnout.sync.place import Place, Whole  # noqa: TC001 - msgspec looks it up when it decodes
from turnout.sync.target import MOST_BYTES, MOST_LISTED, MOST_ROWS, Listed, StoreTarget
from turnout.web.asked import json_body, no_parameters
from turnout.web.auth import INGESTING
from turnout.web.context import context_of
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request


_MOST_BODY: Final = 2 * MOST_BYTES
"""Rows and a place; as many ids as are listed take less."""


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    """Rows, and the place to be saved with them."""

    place: Place
    rows: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_ROWS)]
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
    no_parameters(request)
    return _json({"place": target.place()})


async def put_rows(request: Request) -> Response:
    """`POST /ingest/v1/sync`: merge rows and save the place, in one transaction. 409 where another sync is at work."""
    target = await _target(request)
    no_parameters(request)
    given: _Rows = await json_body(request, _Rows, _MOST_BODY)
    services = context_of(request).services
    async with services.checking.turn():
        checked = await asyncio.to_thread(target.check, given.rows)
    put = await services.writing.run(target.merge, checked, given.place, given.follows)
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
    no_parameters(request)
    given: _Listing = await json_body(request, _Listing, _MOST_BODY)
    listed = Listed([row.id for row in given.rows], [row.updated_at for row in given.rows])
    removed = await context_of(request).services.writing.run(target.remove, listed)
    return _json({"removed": removed})


async def _target(request: Request) -> StoreTarget:
    services = context_of(request).services
    _, provider = await services.auth.writer(request, INGESTING)
    return StoreTarget(services.store, provider, max_text=services.settings.max_text)


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


def _json(document: object) -> Response:
    kept = {**API_HEADERS, "Cache-Control": "no-store", "Content-Type": "application/json"}
    return Response(msgspec.json.encode(document), headers=kept)
