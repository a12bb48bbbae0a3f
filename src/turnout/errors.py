"""Every error once: its code, HTTP status, exit status and default message (contract section 4).

Code anywhere raises `TurnoutError`; the web layer turns it into a response, the command line into an exit status.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NON_FIELD: Final = "non_field_errors"
_LONGEST_NAME: Final = 80
"""So many characters of what was written are compared with what is known."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """What is fixed about one error code."""

    status: int
    type: str
    message: str


ERRORS: Final[Mapping[str, ErrorKind]] = {
    "parameter_invalid": ErrorKind(400, "invalid_request_error", "Your request was invalid."),
    "rows_rejected": ErrorKind(400, "invalid_request_error", "Some rows were rejected; nothing was changed."),
    "provider_header_missing": ErrorKind(
        400, "invalid_request_error", "The token has several providers; choose one with the TeamUp-Provider-ID header."
    ),
    "provider_header_invalid": ErrorKind(
        400, "invalid_request_error", "The TeamUp-Provider-ID header must be an integer."
    ),
    "mode_header_invalid": ErrorKind(
        400, "invalid_request_error", "The TeamUp-Request-Mode header must be 'provider' or 'customer'."
    ),
    "not_authenticated": ErrorKind(401, "authentication_error", "Authentication credentials were not provided."),
    "authentication_failed": ErrorKind(401, "authentication_error", "The credential is not valid."),
    "permission_denied": ErrorKind(403, "permission_error", "You do not have permission to do this."),
    "provider_invalid": ErrorKind(403, "permission_error", "The token does not cover this provider."),
    "mode_not_allowed": ErrorKind(403, "permission_error", "This cannot be done in customer mode."),
    "not_found": ErrorKind(404, "invalid_request_error", "There is nothing at this address."),
    "method_not_allowed": ErrorKind(405, "invalid_request_error", "This method is not allowed here."),
    "not_acceptable": ErrorKind(
        406, "invalid_request_error", "None of the accepted media types can be made; ask for JSON or CSV."
    ),
    "conflict": ErrorKind(409, "invalid_request_error", "The request conflicts with what is there."),
    "request_too_large": ErrorKind(413, "invalid_request_error", "The request is too large."),
    "unsupported_media_type": ErrorKind(415, "invalid_request_error", "This media type is not understood."),
    "range_not_satisfiable": ErrorKind(416, "invalid_request_error", "The file has no such part."),
    "throttled": ErrorKind(429, "rate_limit_error", "Too many requests; try again later."),
    "server_error": ErrorKind(500, "api_error", "Something went wrong on the server."),
    "query_timeout": ErrorKind(503, "api_error", "The query took too long and was stopped."),
    "overloaded": ErrorKind(503, "api_error", "The server is busy; try again shortly."),
    "storage_unavailable": ErrorKind(503, "api_error", "The store is not available."),
}

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


class TurnoutError(Exception):
    """An error with a code of `ERRORS`, and optionally faults of single fields, all reported together.

    `retry_after` is in seconds; it becomes the `Retry-After` header. `extra` are further members of its document.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        fields: Mapping[str, list[str]] | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        self.code = code
        self.kind = ERRORS[code]
        self.message = message or self.kind.message
        self.fields = dict(fields or {})
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        """What another process makes of it: an error that says the same."""
        said = {name: getattr(self, name) for name in ("fields", "retry_after", "headers", "extra")}
        return partial(TurnoutError, self.code, self.message, **said), ()

    def document(self) -> dict[str, object]:
        """The JSON body of contract section 4."""
        return {
            "code": self.code,
            "type": self.kind.type,
            "message": self.message,
            "field_errors": {**self.fields, NON_FIELD: self.fields.get(NON_FIELD, [])},
            **self.extra,
        }


class Faults:
    """Collects the faults of one request, each under its parameter's name."""

    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}

    def add(self, field: str, text: str) -> None:
        texts = self.fields.setdefault(field, [])
        if text not in texts:
            texts.append(text)

    def only(self, given: Iterable[str], known: Sequence[str]) -> None:
        """Add a fault for each of the given members that is not known."""
        for name in given:
            if name not in known:
                self.add(name, f"{shown(name)} is not a known member.{did_you_mean(name, known)}")

    def raise_if_any(self) -> None:
        """Raise one `parameter_invalid` that holds every fault added so far."""
        if self.fields:
            raise TurnoutError("parameter_invalid", fields=self.fields)


def shown(value: str, limit: int = 80) -> str:
    """A value quoted for an error text: cut to `limit` characters, control characters made visible."""
    cut = value if len(value) <= limit else value[:limit] + "…"
    return repr(cut)


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """' Did you mean X?' for the nearest known name, whatever their case, or an empty text."""
    folded = {name.lower(): name for name in known}
    near = get_close_matches(value[:_LONGEST_NAME].strip().lower(), folded, n=1, cutoff=0.6)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""
