"""Signing in and out of the page, under `/page/v1/session`: a token becomes a cookie that scripts cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from turnout import admin
from turnout.errors import Faults, TurnoutError
from turnout.query.instants import SECOND, format_utc
from turnout.web.admin import json_response, members
from turnout.web.auth import instructor_of
from turnout.web.context import ask, context_of
from turnout.web.cookies import LARGEST, LONGEST, check_origin, cookie
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.web.auth import Credential

_WAYS: Final = ("token", "once")
_USED: Final = "This link was used already, or is older than ten minutes; sign in with a token."


async def sign_in(request: Request) -> Response:
    """`POST /page/v1/session`: the session's document, and its cookie."""
    # Nobody is to be signed in by a page of somebody else's, who would see what is done then.
    check_origin(request, said=False)
    context = context_of(request)
    services = context.services
    name, given = _way(await members(request))
    text = services.once.take(given, context.now) if name == "once" else given.strip()
    credential, _ = await services.auth.prove(request, text, otherwise=_USED)
    instructor_of(credential)
    until = min(context.now + LONGEST, credential.expires_at or context.now + LONGEST)
    value = services.auth.sessions.seal(text or "", until)
    if len(value) > LARGEST:
        raise TurnoutError("parameter_invalid", fields={name: ["It is too long to be kept in a cookie."]})
    headers = {"Set-Cookie": cookie(request, value, (until - context.now) // SECOND)}
    return json_response(await _document(request, credential, until), headers=headers)


async def get_session(request: Request) -> Response:
    """`GET /page/v1/session`: what the caller may see, and until when."""
    credential = await context_of(request).services.auth.authenticate(request)
    instructor_of(credential)
    return json_response(await _document(request, credential, credential.expires_at))


async def sign_out(request: Request) -> Response:
    """`DELETE /page/v1/session`: 204, and the cookie is gone."""
    check_origin(request, said=False)
    return Response(status_code=204, headers={**API_HEADERS, "Set-Cookie": cookie(request, "", 0)})


def _way(given: dict[str, Any]) -> tuple[str, str]:
    """How to sign in, and with what."""
    faults = Faults()
    faults.only(given, _WAYS)
    named = [name for name in _WAYS if given.get(name) is not None]
    if len(named) != 1:
        faults.add("token", "Either 'token' or 'once' is needed.")
    for name in named:
        if not isinstance(given[name], str):
            faults.add(name, "It must be a text.")
    faults.raise_if_any()
    return named[0], given[named[0]]


async def _document(request: Request, credential: Credential, until: int | None) -> dict[str, Any]:
    store = context_of(request).services.store
    providers = await ask(store, admin.list_providers, store, credential.reach)
    return {
        "providers": [admin.provider_document(provider) for provider in providers],
        "role": credential.role,
        "instructor_id": credential.instructor_id,
        "expires_at": None if until is None else format_utc(until),
    }
