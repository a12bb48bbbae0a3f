"""Responses: what an answer's headers say, and every error that an operation can end in (contract sections 2.7, 4)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from turnout.errors import ERRORS, TurnoutError
from turnout.web.openapi.schemas import ref

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]

_INSTANT: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}|\.[0-9]{6})?[+-][0-9]{2}:[0-9]{2}"

AUTHENTICATION: Final = ("not_authenticated", "authentication_failed")
READING: Final = ("query_timeout", "overloaded", "storage_unavailable")
WRITING_ERRORS: Final = (
    "parameter_invalid",
    "provider_header_missing",
    "provider_header_invalid",
    "mode_header_invalid",
    *AUTHENTICATION,
    "permission_denied",
    "provider_invalid",
    "mode_not_allowed",
    "throttled",
    "server_error",
    "storage_unavailable",
)
"""What every change of a provider's data can be answered with (`Authenticator.writer`)."""
REPORT_ERRORS: Final = (
    "parameter_invalid",
    "provider_header_missing",
    "provider_header_invalid",
    "mode_header_invalid",
    *AUTHENTICATION,
    "permission_denied",
    "provider_invalid",
    "mode_not_allowed",
    "not_acceptable",
    "request_too_large",
    "throttled",
    "server_error",
    *READING,
)
"""What a report can be answered with besides rows."""

_RATE: Final = {
    "Limit": "How many requests the token may make.",
    "Remaining": "How many of them are left.",
    "Reset": "In how many seconds all of them are there again.",
}
RATE_HEADERS: Final = tuple(f"RateLimit-{name}" for name in _RATE)

_EXAMPLE_FIELDS: Final = {
    "parameter_invalid": {"sort": ["'custmer.name' is not a column. Did you mean 'customer.name'?"]},
}


def headers() -> dict[str, Json]:
    """The response headers, by component name."""

    def text(description: str, **schema: Any) -> Json:
        return {"description": description, "schema": {"type": "string", **schema}}

    count: Json = {"type": "integer", "minimum": 0}
    return {
        "X-Request-ID": text("The request's name: the one that it came with, or a new one.", minLength=1),
        "X-Total-Count": {
            "description": "How many rows match, whatever the page.",
            "schema": {**count, "format": "int64"},
        },
        "X-Timeframe": text(
            "The resolved `event_timeframe`, as `START/END` with the zone's offset; `..` is an open side.",
            pattern=rf"^(\.\.|{_INSTANT})/(\.\.|{_INSTANT})$",
        ),
        "X-Data-As-Of": text(
            "As of when the provider's data is whole, where it is copied from another server.", format="date-time"
        ),
        "Link": text('Links to other pages (RFC 8288): `rel="next"`, `"prev"`, `"first"`, on pages that have them.'),
        "ETag": text("Names this very body; send it back in `If-None-Match`.", pattern='^(W/)?"[^"]*"$'),
        "Cache-Control": text("How long the answer may be kept."),
        "Vary": text("The request headers that the answer depends on."),
        "Content-Disposition": text("A name for the file.", pattern="^attachment; filename="),
        "Preference-Applied": text("Present where `Prefer` changed the answer (RFC 7240)."),
        "X-Ignored-Parameters": text("The unknown parameters that were ignored."),
        "WWW-Authenticate": text("How to authenticate (RFC 9110)."),
        **{
            f"RateLimit-{name}": {"description": f"{meaning} Present where tokens have a rate.", "schema": count}
            for name, meaning in _RATE.items()
        },
        "Accept-Ranges": text("That parts of the file can be asked for.", const="bytes"),
        "Content-Range": text("Which bytes these are, and of how many.", pattern=r"^bytes ([0-9]+-[0-9]+|\*)/[0-9]+$"),
        "Idempotency-Replayed": text("`true` where the answer is that of an earlier request with the same key."),
        "Set-Cookie": text("The session; no script can read it."),
        "Location": text("Where it is.", pattern="^/"),
        "Retry-After": {"description": "After how many seconds to try again.", "schema": count},
    }


def with_headers(*names: str, required: Iterable[str] = ()) -> Json:
    """The `headers` member of a response. Those `required` are on every such answer."""
    needed = {"X-Request-ID", *required}
    components = headers()
    return {
        name: {**components[name], "required": True} if name in needed else ref("headers", name)
        for name in dict.fromkeys(("X-Request-ID", *names))
    }


def error_examples() -> dict[str, Json]:
    """One example of each error, by code."""
    return {
        code: {
            "summary": kind.message,
            "value": TurnoutError(code, fields=_EXAMPLE_FIELDS.get(code)).document(),
        }
        for code, kind in ERRORS.items()
    }


def error_responses(codes: Iterable[str]) -> dict[str, Json]:
    """The responses of an operation that can end in these errors, by status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(ERRORS[code].status, []).append(code)
    return {str(status): _error_response(status, found) for status, found in sorted(by_status.items())}


def _error_response(status: int, codes: list[str]) -> Json:
    extra = {
        401: ("WWW-Authenticate",),
        416: ("Content-Range",),
        429: ("Retry-After", *RATE_HEADERS),
        503: ("Retry-After",),
    }.get(status, ())
    listed = ", ".join(f"`{code}`" for code in codes)
    return {
        "description": f"{HTTPStatus(status).phrase}: {listed}.",
        "headers": with_headers(*extra, required=extra[:1]),
        "content": {
            "application/json": {
                "schema": {"allOf": [ref("schemas", "Error")], "properties": {"code": {"enum": codes}}},
                "examples": {code: ref("examples", code) for code in codes},
            }
        },
    }


def without_bodies(responses: dict[str, Json]) -> dict[str, Json]:
    """The same responses as `HEAD` answers them."""
    return {
        status: {name: value for name, value in response.items() if name != "content"}
        for status, response in responses.items()
    }
