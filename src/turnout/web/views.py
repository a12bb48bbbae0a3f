"""Saved views over HTTP, under `/page/v1/views`: thin shells around `turnout.views`, for a session and for a token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from turnout import views
from turnout.admin import SUPER_ADMIN
from turnout.views import Viewer
from turnout.web.admin import json_response, members
from turnout.web.asked import path_id
from turnout.web.context import context_of
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.store.base import Store

PREFIX = "/page/v1/views"


async def list_views(request: Request) -> Response:
    """`GET /page/v1/views`: a list, by name."""
    store, viewer = await _viewer(request)
    found = await asyncio.to_thread(views.list_views, store, viewer)
    return json_response([views.view_document(view, viewer) for view in found])


async def add_view(request: Request) -> Response:
    """`POST /page/v1/views`: 201 and the view."""
    store, viewer = await _viewer(request)
    given = await members(request)
    view = await asyncio.to_thread(views.add_view, store, viewer, given, context_of(request).now)
    return json_response(views.view_document(view, viewer), 201, {"Location": f"{PREFIX}/{view.id}"})


async def change_view(request: Request) -> Response:
    """`PATCH /page/v1/views/{id}`: the view as it is now."""
    store, viewer = await _viewer(request)
    given = await members(request)
    view = await asyncio.to_thread(views.change_view, store, viewer, path_id(request), given, context_of(request).now)
    return json_response(views.view_document(view, viewer))


async def remove_view(request: Request) -> Response:
    """`DELETE /page/v1/views/{id}`: 204."""
    store, viewer = await _viewer(request)
    await asyncio.to_thread(views.remove_view, store, viewer, path_id(request))
    return Response(status_code=204, headers=API_HEADERS)


async def _viewer(request: Request) -> tuple[Store, Viewer]:
    services = context_of(request).services
    caller = await services.auth.report_caller(request)
    return services.store, Viewer(caller.provider.id, caller.subject, caller.role == SUPER_ADMIN)
