"""Errors to responses: every error, on every path and method, is the JSON of contract section 4."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from turnout.errors import TurnoutError
from turnout.web.context import SCOPE_KEY
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from turnout.web.context import Context

_log: Final = logging.getLogger("turnout.web")

_CODES: Final = {
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "request_too_large",
    415: "unsupported_media_type",
}
_RETRY_AFTER: Final = {"throttled": 60, "query_timeout": 5, "overloaded": 1, "storage_unavailable": 5}
"""Seconds that a client is asked to wait where the error does not say."""

_CHALLENGE: Final = 'Bearer realm="turnout", Token realm="turnout"'
_REFUSAL: Final = 'Bearer realm="turnout", error="invalid_token", Token realm="turnout"'


def encode_error(error: TurnoutError) -> bytes:
    """The JSON document of an error. What cannot be UTF-8 becomes a question mark."""
    document = error.document()
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def error_headers(error: TurnoutError) -> dict[str, str]:
    """The headers of an error's response, its length and type included."""
    headers = {**API_HEADERS, "Content-Type": "application/json", **error.headers}
    retry_after = error.retry_after if error.retry_after is not None else _RETRY_AFTER.get(error.code)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if error.code == "not_authenticated":
        headers["WWW-Authenticate"] = _CHALLENGE
    elif error.code == "authentication_failed":
        headers["WWW-Authenticate"] = _REFUSAL
    return headers


def error_response(error: TurnoutError) -> Response:
    """The response to an error."""
    return Response(encode_error(error), error.kind.status, error_headers(error))


def as_error(exception: Exception, request_id: str) -> TurnoutError:
    """The error that an exception stands for; one that nobody expected is logged, and says nothing of itself."""
    if isinstance(exception, TurnoutError):
        return exception
    if isinstance(exception, HTTPException):
        code = _CODES.get(exception.status_code, "parameter_invalid")
        return TurnoutError(code, headers=exception.headers)
    _log.error("unexpected error", exc_info=exception, extra={"fields": {"id": request_id}})
    return TurnoutError("server_error", f"Something went wrong on the server. The request's id is {request_id}.")


class Problems:
    """Answers whatever is raised inside."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except (ClientDisconnect, asyncio.CancelledError):
            # There is nobody left to answer: only the end of the server cancels, when it has closed the connection.
            return
        except Exception as exception:
            if started:
                # Half an answer cannot be taken back: the server closes the connection.
                raise
            context: Context = scope[SCOPE_KEY]
            error = as_error(exception, context.id)
            if error.code == "storage_unavailable":
                _log.error("storage unavailable", extra={"fields": {"id": context.id, "reason": error.message}})
            if context.services.metrics:
                context.services.metrics.error(error.code)
            await error_response(error)(scope, receive, send)
