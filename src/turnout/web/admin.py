"""Administration over HTTP, under `/admin/v1` (an extension): thin shells around `turnout.admin`.

For the store's owner, who comes over the Unix socket, and for tokens of role `super_admin` within their providers.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from turnout import admin
from turnout.web.asked import json_body, path_id
from turnout.web.context import context_of
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from turnout.web.auth import Credential
    from turnout.web.context import Services

_log: Final = logging.getLogger("turnout.admin")

PREFIX: Final = "/admin/v1"
_MOST_BODY: Final = 256 * 1024


async def list_providers(request: Request) -> Response:
    """`GET /admin/v1/providers`: a list."""
    services, credential = await _administer(request)
    found = await _in_thread(lambda: admin.list_providers(services.store, credential.reach))
    return json_response([admin.provider_document(provider) for provider in found])


async def add_provider(request: Request) -> Response:
    """`POST /admin/v1/providers`: 201 and the provider."""
    services, credential = await _administer(request)
    given = await members(request)
    provider = await _in_thread(
        lambda: admin.add_provider(services.store, credential.reach, given, max_text=services.settings.max_text)
    )
    note(request, credential, "provider added", provider=provider.id)
    location = f"{PREFIX}/providers/{provider.id}"
    return json_response(admin.provider_document(provider), 201, {"Location": location})


async def set_provider(request: Request) -> Response:
    """`PATCH /admin/v1/providers/{id}`: the provider as it is now."""
    services, credential = await _administer(request)
    id_ = path_id(request)
    given = await members(request)
    provider = await _in_thread(
        lambda: admin.set_provider(services.store, credential.reach, id_, given, max_text=services.settings.max_text)
    )
    note(request, credential, "provider changed", provider=id_)
    return json_response(admin.provider_document(provider))


async def list_tokens(request: Request) -> Response:
    """`GET /admin/v1/tokens`: a list, without the tokens themselves."""
    services, credential = await _administer(request)
    found = await _in_thread(lambda: admin.list_tokens(services.store, credential.reach))
    return json_response([admin.token_document(token) for token in found])


async def create_token(request: Request) -> Response:
    """`POST /admin/v1/tokens`: 201 and the token, this once."""
    context = context_of(request)
    services, credential = await _administer(request)
    given = await members(request)
    made = await _in_thread(lambda: admin.create_token(services.store, credential.reach, given, context.now))
    note(request, credential, "token created", token=made.token.id, role=made.token.role)
    document = {**admin.token_document(made.token), "token": made.text}
    return json_response(document, 201, {"Location": f"{PREFIX}/tokens/{made.token.id}"})


async def revoke_token(request: Request) -> Response:
    """`DELETE /admin/v1/tokens/{id}`: 204; the token is refused from the next request on."""
    context = context_of(request)
    services, credential = await _administer(request)
    id_ = path_id(request)
    await _in_thread(lambda: admin.revoke_token(services.store, credential.reach, id_, context.now))
    note(request, credential, "token revoked", token=id_)
    return Response(status_code=204, headers=API_HEADERS)


async def status(request: Request) -> Response:
    """`GET /admin/v1/status`: what `turnout doctor` shows."""
    services, credential = await _administer(request)
    uptime = services.clock.monotonic() - services.started
    faults = [*services.faults, *services.syncing.faults(), *filter(None, [services.caretaker.fault])]
    faults += await _in_thread(lambda: list(services.retaining.faults()))
    if fault := await _in_thread(services.jobs.files.home.fault):
        faults.append(fault)
    keys = await services.auth.key_source.status() if services.auth.key_source else None
    if keys and keys.fault:
        faults.append(f"jwt_jwks, {services.settings.public()['jwt_jwks']}, cannot be used: {keys.fault}.")
    document = await _in_thread(
        lambda: admin.status(
            services.store,
            services.settings,
            credential.reach,
            uptime=uptime,
            jwt_keys=keys.keys if keys else None,
            exports=services.jobs.status(),
            more_faults=faults,
        )
    )
    return json_response(document)


async def owner(request: Request) -> Response:
    """`GET /admin/v1/owner`: the process that owns the store."""
    services, _ = await _administer(request)
    return json_response({"pid": os.getpid(), "command": services.command})


async def _administer(request: Request) -> tuple[Services, Credential]:
    services = context_of(request).services
    return services, await services.auth.administrator(request)


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Do what needs the store beside the loop; not among the queries, whose queue may be full."""
    return await asyncio.to_thread(work)


async def members(request: Request) -> dict[str, Any]:
    """The members of a JSON object that says what is to be done; see `json_body`."""
    given: dict[str, Any] = await json_body(request, dict[str, Any], _MOST_BODY)
    return given


def json_response(document: object, status_code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of administration."""
    # What administration answers may hold a token: it is nothing to keep.
    kept = {**API_HEADERS, "Cache-Control": "no-store", "Content-Type": "application/json"}
    return Response(msgspec.json.encode(document), status_code, {**kept, **(headers or {})})


def note(request: Request, credential: Credential, change: str, **what: object) -> None:
    """Log who changed what."""
    by = "owner" if credential.trusted else credential.subject.partition(" ")[0]
    fields = {"id": context_of(request).id, "by": by, "by_token": credential.token_id, **what}
    _log.info(change, extra={"fields": fields})
