"""The outermost layer: every request gets an id, one log line, its counts, and the headers that every answer has."""

from __future__ import annotations

import logging
import re
import time
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from turnout.web.context import SCOPE_KEY, Context

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from turnout.web.context import Services

_log: Final = logging.getLogger("turnout.request")

_ID_HEADER: Final = b"x-request-id"
_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_UNMATCHED: Final = "unmatched"
_CLIENT_GONE: Final = 499
"""What the log and the metrics say of a request whose client did not wait for the answer."""


class Observe:
    """Wraps the application; see the module."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self.services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        context = Context(self.services, request_id(scope))
        scope[SCOPE_KEY] = context
        answer = _Answer(context, send, head=scope["method"] == "HEAD")
        try:
            await self.app(scope, receive, answer.send)
        finally:
            self._note(scope, context, answer, time.perf_counter() - started)

    def _note(self, scope: Scope, context: Context, answer: _Answer, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", _UNMATCHED)
        if self.services.metrics:
            self.services.metrics.request(route, scope["method"], answer.status, seconds)
        if _log.isEnabledFor(logging.INFO):
            fields = {
                "id": context.id,
                "method": scope["method"],
                "route": route,
                "status": answer.status,
                "ms": round(seconds * 1000, 3),
                "bytes": answer.size,
                "provider": context.provider_id,
                "token": context.token_id,
                "phases": context.phases,
            }
            _log.info("request", extra={"fields": fields})


class _Answer:
    """Passes an answer on, with the headers that every answer has, and counts it."""

    __slots__ = ("_context", "_head", "_send", "size", "status")

    def __init__(self, context: Context, send: Send, *, head: bool) -> None:
        self._context = context
        self._send = send
        self._head = head
        self.status = _CLIENT_GONE
        self.size = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message["headers"])
            names = {name for name, _ in headers}
            headers += [header for header in _SECURITY_HEADERS if header[0] not in names]
            headers += [(_ID_HEADER, self._context.id.encode()), *self._context.headers]
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            if self._head:
                message = {**message, "body": b""}
            self.size += len(message.get("body", b""))
        await self._send(message)


def request_id(scope: Scope) -> str:
    """The id that a request came with, if it is harmless; else a new one."""
    for name, value in scope["headers"]:
        if name == _ID_HEADER and _SAFE_ID.fullmatch(value):
            text: str = value.decode("ascii")
            return text
    return token_hex(8)
