"""The source: pages of a server that speaks contract section 2, each checked whole before any of it is used.

Only what the published page documents is asked for: another service ignores what it does not know, or refuses it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from turnout import __version__
from turnout.catalog.types import MAX_ID
from turnout.errors import shown
from turnout.query.instants import parse_instant
from turnout.sync.address import report_address
from turnout.sync.errors import SyncError
from turnout.sync.patience import Patience, asked_pause, http_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE: Final = 100
"""The largest page that the protocol has."""

Pairs = list[tuple[str, str]]

_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
_WHOLE_WITHIN: Final = 300.0
_MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500
_REFUSED: Final = frozenset({401, 403})
_LONGEST_REASON: Final = 300
_LONGEST_EXCERPT: Final = 60
# How msgspec says that a document has no end. Without a Content-Length, nothing else tells that a body broke off.
_CUT_OFF: Final = "Input data was truncated"
# A page that says it has rows and has none is asked for so many times.
_EMPTY_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the source. `updated_at` is microseconds since 1970, None where it has none that can be read."""

    id: int
    updated_at: int | None
    members: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `total` is how many rows match; `clock` the source's own time, microseconds since 1970, if it said."""

    total: int
    rows: tuple[Row, ...]
    clock: int | None

    @property
    def is_last(self) -> bool:
        """Whether no row follows. A full page is never known to be the last: rows may have come since the count."""
        return len(self.rows) < PAGE and len(self.rows) >= self.total


class _Document(msgspec.Struct):
    """What is needed of a report."""

    total: int
    rows: list[dict[str, Any]]


class _Refusal(msgspec.Struct):
    """What may be said in an error, by Turnout and the published service (`message`), or by others (`detail`)."""

    message: str | None = None
    detail: str | None = None
    code: str | None = None
    field_errors: dict[str, list[str]] = {}


class _PassingError(Exception):
    """What may be better next time. `asked` is the pause that the server asks for, in seconds."""

    def __init__(self, reason: str, asked: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.asked = asked


class Source:
    """A client of one provider's report. Close it, or use it as a context.

    `page` raises `SyncError`: at once where the server refuses, or answers what the protocol does not have; after some
    patience where it is busy, broken or away.
    """

    def __init__(
        self,
        address: str,
        token: str,
        provider: int,
        *,
        patience: Patience | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.address = report_address(address)
        self.provider = provider
        self.requests = 0
        self._patience = patience or Patience()
        self._answered = False
        self._client = httpx.Client(
            headers={
                "Accept": "application/json",
                "Authorization": f"Token {token}",
                "TeamUp-Provider-ID": str(provider),
                "TeamUp-Request-Mode": "provider",
                "User-Agent": f"Turnout/{__version__}",
            },
            timeout=_TIMEOUT,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def now(self) -> int:
        """The time here, in microseconds since 1970."""
        return self._patience.now()

    def page(self, pairs: Pairs) -> Page:
        """One page, whole and checked."""
        asked = [("format", "json"), ("include_future", "true"), *pairs]
        for tried in range(1, _EMPTY_TRIES + 1):
            page = self._patiently(asked)
            wanted = dict(pairs).get("limit") != "0"
            if page.rows or not page.total or not wanted:
                return page
            if tried < _EMPTY_TRIES:
                self._patience.wait(f"{self._name} counts rows that it does not send.", tried, answered=True)
        raise SyncError(f"{self._name} says that {page.total:,} rows follow, and sends none of them.")

    def _patiently(self, pairs: Pairs) -> Page:
        failed = 0
        while True:
            try:
                return self._once(pairs)
            except _PassingError as error:
                failed += 1
                self._patience.wait(error.reason, failed, answered=self._answered, asked=error.asked)

    def _once(self, pairs: Pairs) -> Page:
        self.requests += 1
        try:
            response, body = self._send(pairs)
        except httpx.TimeoutException as error:
            raise _PassingError(f"{self._name} did not answer in time.") from error
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
            raise SyncError(f"{self._name} cannot be asked: {error}.", lasting=True) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            if "CERTIFICATE_VERIFY_FAILED" in reason:
                raise SyncError(f"{self._name} cannot be trusted: {reason}.", lasting=True) from error
            raise _PassingError(f"The connection to {self._name} failed: {reason}.") from error
        self._check_status(response, body)
        self._answered = True
        return self._read(response, body)

    def _send(self, pairs: Pairs) -> tuple[httpx.Response, bytes]:
        """One answer and its body. Redirects are followed on the same server only: no other is to get the token."""
        url = httpx.URL(self.address, params=httpx.QueryParams(tuple(pairs)))
        for _ in range(_MOST_REDIRECTS):
            with self._client.stream("GET", url) as response:
                body = self._body(response)
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response, body
            there = urljoin(str(url), response.headers["Location"])
            if urlsplit(there)[:2] != urlsplit(str(url))[:2]:
                target = shown(there.partition("?")[0], 200)
                raise SyncError(
                    f"{self._name} leads to {target}; if that is the source, give its address.", lasting=True
                )
            url = httpx.URL(there)
        raise SyncError(f"{self._name} leads from one address to another without end.", lasting=True)

    def _body(self, response: httpx.Response) -> bytes:
        """The body, within a size and a time: bytes that come one by one would not end otherwise."""
        began = time.monotonic()
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise SyncError(f"{self._name} answers more than {_MOST_BYTES >> 20} MiB for one page.")
            if time.monotonic() - began > _WHOLE_WITHIN:
                raise httpx.ReadTimeout("the answer did not end", request=response.request)
        return bytes(body)

    def _check_status(self, response: httpx.Response, body: bytes) -> None:
        status = response.status_code
        if response.is_success:
            return
        said = f"{self._name} answered {status} {response.reason_phrase}".rstrip()
        reason = _reason(body)
        if status in _PASSING or status >= _SERVER_ERROR:
            self._answered = True
            raise _PassingError(f"{said}{reason}.", asked_pause(response.headers, self.now))
        if status in _REFUSED:
            raise SyncError(f"{said}{reason}; look at the token, and at the provider's id there.", lasting=True)
        raise SyncError(f"{said}{reason}; is the address right?", lasting=True)

    def _read(self, response: httpx.Response, body: bytes) -> Page:
        try:
            document = msgspec.json.decode(body, type=_Document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if str(error) == _CUT_OFF and response.status_code == HTTPStatus.OK:
                how = "broke off in the middle" if body.strip() else "was empty"
                raise _PassingError(f"The answer of {self._name} {how}.") from error
            start = shown(body[: 4 * _LONGEST_EXCERPT].decode("utf-8", "replace").strip(), _LONGEST_EXCERPT)
            raise self.wrong(f"it is no JSON document of rows ({error}): {start}") from error
        rows = tuple(self._row(members) for members in document.rows)
        if document.total < 0:
            raise self.wrong(f"the total is {document.total}")
        return Page(document.total, rows, http_instant(response.headers.get("Date", "")))

    def _row(self, members: dict[str, Any]) -> Row:
        id_ = members.get("id")
        if not isinstance(id_, int) or isinstance(id_, bool) or not 1 <= id_ <= MAX_ID:
            raise self.wrong(f"a row has the id {shown(str(id_))}")
        return Row(id_, _instant(members.get("updated_at")), members)

    def wrong(self, what: str) -> SyncError:
        """The error for an answer that is not what the protocol says."""
        return SyncError(f"The answer of {self._name} is not a report as the protocol has it: {what}.")

    @property
    def _name(self) -> str:
        return urlsplit(self.address).netloc


def check_ids(source: Source, rows: Sequence[Row], after: int) -> None:
    """Refuse rows that are not in the order of their ids, or do not begin after `after`: others would be missed."""
    for row in rows:
        if row.id <= after:
            raise source.wrong(f"rows after id {after} in the order of ids were asked for, and then comes {row.id}")
        after = row.id


def check_stamps(source: Source, rows: Sequence[Row], since: int) -> None:
    """Refuse rows that are not in the order of `updated_at`, or that begin long before `since`."""
    for row in rows:
        if row.updated_at is None:
            raise source.wrong(f"row {row.id} has no 'updated_at' that can be read")
        if row.updated_at < since:
            raise source.wrong(f"rows in the order of 'updated_at' were asked for, and row {row.id} is out of it")
        since = row.updated_at


def _instant(value: object) -> int | None:
    try:
        return parse_instant(value, UTC) if isinstance(value, str) else None
    except ValueError:
        return None


def _reason(body: bytes) -> str:
    """What the body of an error says, for the end of a sentence."""
    try:
        said = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    texts = [said.message or said.detail or said.code or ""]
    texts += [f"{name}: {text}" for name, found in said.field_errors.items() for text in found]
    joined = " ".join(text for text in texts if text).rstrip(". ")[:_LONGEST_REASON]
    return f": {joined}" if joined else ""
