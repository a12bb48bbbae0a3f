"""A command's side of the server's API: one request, its answer or a `Failure` that says what went wrong."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from turnout.cli.problems import Failure
from turnout.errors import NON_FIELD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Rejected(msgspec.Struct):
    """A bad row, as the server tells it."""

    line: int
    column: str
    reason: str
    number: int = 0


class _Envelope(msgspec.Struct):
    """An error as contract section 4 writes it; one of bad rows has them, too."""

    code: str
    message: str
    field_errors: dict[str, list[str]] = {}
    rejected: list[Rejected] = []
    rejected_count: int = 0


class Unreachable(Failure):
    """There was no answer, or it broke off, or a gateway says so."""


class Refused(Failure):
    """The server answered with an error. `code` is the one of contract section 4; `retry_after` is in seconds.

    `rejected` are the first bad rows, where the error is about rows.
    """

    def __init__(self, status: int, envelope: _Envelope, retry_after: int | None) -> None:
        fields = {name: texts for name, texts in envelope.field_errors.items() if texts or name != NON_FIELD}
        super().__init__(envelope.message, fields=fields)
        self.status = status
        self.code = envelope.code
        self.retry_after = retry_after
        self.rejected = envelope.rejected
        self.rejected_count = envelope.rejected_count


def call(
    client: httpx.Client,
    method: str,
    path: str,
    *,
    params: Sequence[tuple[str, str]] | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send one request and read its answer whole. Raises `Refused`, or `Failure` where there is no answer."""
    content = None if body is None else msgspec.json.encode(body)
    sent = {"Content-Type": "application/json"} if content else {}
    query = httpx.QueryParams(tuple(params)) if params else None
    with answered(client, method, path, params=query, content=content, headers={**sent, **(headers or {})}) as response:
        return response


@contextmanager
def answered(
    client: httpx.Client, method: str, path: str, *, whole: bool = True, **request: Any
) -> Iterator[httpx.Response]:
    """The good answer to one request as `httpx` makes it; read already where it is wanted `whole`.

    Raises `Unreachable` where there is no answer, `Refused` where it is an error, else `Failure`.
    """
    try:
        with client.stream(method, path, **request) as response:
            if whole or not response.is_success:
                response.read()
            if not response.is_success:
                raise _refusal(client, response)
            yield response
    except httpx.TimeoutException as error:
        raise Unreachable(f"{_named(client)} did not answer within {client.timeout.read:g} seconds.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise Unreachable(f"{_named(client)} could not be reached: {reason}.") from error


def call_json(client: httpx.Client, method: str, path: str, *, body: object = None) -> Any:
    """As `call`, with the answer's JSON read; None where the answer is empty."""
    response = call(client, method, path, body=body)
    return read_json(response, Any) if response.content else None


def read_json(response: httpx.Response, type_: Any) -> Any:
    """The JSON of an answer as a value of `type_`."""
    try:
        return msgspec.json.decode(response.content, type=type_)
    except msgspec.DecodeError as error:
        raise Failure(f"The answer of {response.url.host} is not what Turnout writes: {error}.") from error


def _refusal(client: httpx.Client, response: httpx.Response) -> Failure:
    try:
        envelope = msgspec.json.decode(response.content, type=_Envelope)
    except msgspec.DecodeError:
        reason = f"{response.status_code} {response.reason_phrase}".strip()
        kind = Unreachable if response.is_server_error else Failure
        return kind(f"{_named(client)} answered {reason}, and not as Turnout does; is the address right?")
    waits = response.headers.get("Retry-After", "")
    return Refused(response.status_code, envelope, int(waits) if waits.isdigit() else None)


def _named(client: httpx.Client) -> str:
    return "The server" if client.base_url.host == LOCAL_HOST else str(client.base_url).rstrip("/")


LOCAL_HOST = "turnout.local"
"""What stands for the host in the address of a server that is reached through its socket."""
