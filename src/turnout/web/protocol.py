"""HTTP/1.1 as uvicorn speaks it, with its refusals in the form of every other error (contract section 4).

What is added: limits on the URL, the header lines and unread bodies, a time limit on a request's head, every form of
request target, methods that the parser does not know, and upgrades that are ignored as RFC 9110 lets a server do.
"""

from __future__ import annotations

import logging
import re
from secrets import token_hex
from typing import TYPE_CHECKING, Final, NoReturn, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from turnout.errors import TurnoutError
from turnout.web.problems import encode_error, error_headers

if TYPE_CHECKING:
    import asyncio

    from turnout.web.app import Application

_log: Final = logging.getLogger("turnout.request")

_HEAD_TIMEOUT: Final = 30.0
_BAD_URL: Final = "Invalid char in url"
"""How what the parser says of such an address begins."""
_ENCODE: Final = " A letter that is not ASCII is written by its bytes in UTF-8: 'Zo%C3%AB' for 'Zoë'."
_LINGER: Final = 1.0
# How long a client that has connected, and has not asked yet, may take to do so when the server ends.
_LAST_CHANCE: Final = 1.0
# What may arrive at once, beside what a head may hold.
_MOST_READ: Final = 256 * 1024
_MOST_HEADERS: Final = 256
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) [^ \r\n]+ HTTP/1\.[01]\r\n")
# Stands in for methods that the parser does not know, which get a 405 from the router, or a 404, as they should.
_NOBODYS_METHOD: Final = b"UNLINK"
_UPGRADE_HEADERS: Final = frozenset({b"upgrade", b"connection", b"http2-settings"})


class Protocol(HttpToolsProtocol):
    """One connection. `application` is set by `protocol_for`."""

    application: Application

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        settings = self.application.services.settings
        self._most_url = settings.max_url
        self._most_unread = settings.max_body + _MOST_READ
        self._head_bytes = 0
        self._unread = 0
        self._pending = 0
        self._blank = True
        self._messages = 0
        self._method = ""
        self._closing = False
        self._last = False
        self._refusal: TurnoutError | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_done()
        super().connection_lost(exc)

    # A request's head

    def _expect_head(self) -> None:
        """Give the client some time to send a request's head, so that slow ones do not collect."""
        self._head_done()
        self._head_timer = self.loop.call_later(_LAST_CHANCE if self._last else _HEAD_TIMEOUT, self._head_timed_out)

    def _head_timed_out(self) -> None:
        if self._pending:
            self.send_400_response("Its head did not arrive in time")
        else:
            self.transport.close()

    def _head_done(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._expect_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._most_url:
            self._refuse(TurnoutError("request_too_large", f"The URL is longer than {self._most_url} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._most_url or len(self.headers) > _MOST_HEADERS:
            message = f"There are more than {self._most_url} bytes or {_MOST_HEADERS} lines of headers."
            self._refuse(TurnoutError("request_too_large", message))

    def on_headers_complete(self) -> None:
        self._head_done()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refuse(TurnoutError("method_not_allowed", headers={"Allow": "GET, HEAD"}))
            # The head is read again, without the upgrade.
            return
        path, query = self._checked_head()
        self._unread = 0
        # uvicorn cannot parse every target that is valid: it gets an easy one, and the scope what was asked for.
        self.url = b"/"
        super().on_headers_complete()
        self.scope["raw_path"] = path
        self.scope["path"] = unquote(path.decode("ascii"))
        self.scope["query_string"] = query
        if self._method:
            self.scope["method"], self._method = self._method, ""
        if self._last:
            self.cycle.keep_alive = False

    def _checked_head(self) -> tuple[bytes, bytes]:
        """The path and the query, where the head is as RFC 9112 wants it."""
        version = self.parser.get_http_version()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if version not in ("1.0", "1.1"):
            self._refuse(TurnoutError("parameter_invalid", f"HTTP/{version} is not spoken here."))
        if hosts > 1 or (not hosts and version == "1.1"):
            self._refuse(TurnoutError("parameter_invalid", "There must be one Host header."))
        try:
            return split_target(self.url)
        except ValueError as error:
            self._refuse(TurnoutError("parameter_invalid", f"The address is not one: {error}."))

    def _refuse(self, error: TurnoutError) -> NoReturn:
        """Stop parsing; `send_400_response` then answers with this error."""
        self._refusal = error
        raise error

    def shutdown(self) -> None:
        """Close an idle connection, but not one that was just made to ask something: it is answered, once."""
        if self.cycle is None and not self._closing:
            self._last = True
            self._expect_head()
        else:
            super().shutdown()

    # A request's body

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            # The answer did not need the body. Reading on lets the client see it, but not without end.
            self._unread += len(body)
            if self._unread > self._most_unread:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._messages += 1
        if not self.parser.should_upgrade():
            super().on_message_complete()

    # What cannot be parsed

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data and not self._closing:
            data = self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        """Parse some bytes; what is returned is to be parsed next."""
        messages = self._messages
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._without_upgrade() + data[upgrade.args[0] :]
        except httptools.HttpParserInvalidMethodError as error:
            # Only where the request begins with these bytes is it known where its method stands.
            line = None if self._pending or self._messages != messages else _REQUEST_LINE.match(data)
            if line:
                self._method = line[1].decode("ascii")
                self._new_parser()
                return _NOBODYS_METHOD + data[line.end(1) :]
            self.send_400_response(str(error))
        except httptools.HttpParserError as error:
            self.send_400_response(str(error))
        else:
            self._measure_head(data)
        return b""

    def _measure_head(self, data: bytes) -> None:
        """Refuse a head that goes on and on: the parser keeps an unfinished line to itself, and empty ones nowhere."""
        if not self._head_timer:
            self._pending, self._blank = 0, True
            return
        self._pending += len(data)
        self._blank = self._blank and not data.strip(b"\r\n")
        if self._pending > 2 * self._most_url + _MOST_READ:
            self._refusal = TurnoutError("request_too_large", "The head of the request is too long.")
            self.send_400_response("")
        elif self._blank and self._pending > len(b"\r\n"):
            self.send_400_response("Empty lines are no request")

    def _new_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn does, to answer the first request of a pipeline whose second one is not to come.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _without_upgrade(self) -> bytes:
        """The head that was just parsed, as if the client had not asked for an upgrade; a new parser is to read it."""
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", self.parser.get_http_version().encode(), b"\r\n"]
        for name, value in self.headers:
            if name not in _UPGRADE_HEADERS:
                head += [name, b": ", value, b"\r\n"]
        self._new_parser()
        return b"".join([*head, b"\r\n"])

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, and close the connection, since nobody knows where the next request starts."""
        self._head_done()
        self._closing = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body or cycle.response_started or self.pipeline:
                # The fault comes after a good request, which is answered first, and is the last.
                cycle.keep_alive = False
                return
            # The fault is in the body of the request that is being worked on: nobody waits for its answer any more.
            cycle.disconnected = True
            cycle.message_event.set()
        hint = _ENCODE if msg.startswith(_BAD_URL) else ""
        error = self._refusal or TurnoutError("parameter_invalid", f"The request is not HTTP/1.1: {msg}.{hint}")
        request_id = token_hex(8)
        self.transport.write(self._refusal_bytes(error, request_id))
        _log.info("malformed request", extra={"fields": {"id": request_id, "status": error.kind.status}})
        if self.application.services.metrics:
            self.application.services.metrics.error(error.code)
        # Closing while the client still sends would throw away what it has not read yet.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._head_timer = self.loop.call_later(_LINGER, self.transport.close)

    def _refusal_bytes(self, error: TurnoutError, request_id: str) -> bytes:
        body = encode_error(error)
        headers = {
            **error_headers(error),
            "X-Content-Type-Options": "nosniff",
            "X-Request-ID": request_id,
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        lines = [STATUS_LINE[error.kind.status]]
        for name, value in [*self.server_state.default_headers, *encoded]:
            lines += [name, b": ", value, b"\r\n"]
        return b"".join([*lines, b"\r\n", body])


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """The path and the query of a request target, in any of its forms (RFC 9112, section 3.2).

    Raises `ValueError` for an absolute form without an authority; which one it names does not matter here.
    """
    target, _, _ = target.partition(b"#")
    path, _, query = target.partition(b"?")
    if path.startswith(b"/"):
        return path, query
    _, absolute, rest = path.partition(b"://")
    if not absolute:
        return b"/" + path, query
    authority, _, path = rest.partition(b"/")
    if not authority:
        raise ValueError("it names no host")
    return b"/" + path, query


def protocol_for(application: Application) -> type[Protocol]:
    """The protocol whose connections are about `application`."""
    return cast("type[Protocol]", type("Protocol", (Protocol,), {"application": application}))
