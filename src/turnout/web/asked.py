"""What the endpoints beside the report read of a request: no parameters, a JSON body, an id in the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.catalog.types import MAX_ID
from turnout.errors import NON_FIELD, Faults, TurnoutError
from turnout.query.raw import clean, pairs_of
from turnout.web.context import context_of
from turnout.web.limits import read_body

if TYPE_CHECKING:
    from starlette.requests import Request

_MOST_DIGITS: Final = len(str(MAX_ID))


def no_parameters(request: Request) -> None:
    """Raise `parameter_invalid` where the query string has any."""
    faults = Faults()
    clean({}, pairs_of(request.scope["query_string"]), faults)
    faults.raise_if_any()


async def json_body(request: Request, type_: Any, most: int) -> Any:
    """The JSON body as a value of `type_`. Raises the 400, 413 and 415 of contract section 4.

    `most` bounds its bytes, as `max_body` does: the loop stands still while it is decoded.
    """
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise TurnoutError("unsupported_media_type", "The body must be application/json, not encoded otherwise.")
    body = await read_body(request, min(most, context_of(request).services.settings.max_body))
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"The body is not understood: {error}."
        raise TurnoutError("parameter_invalid", fields={NON_FIELD: [reason]}) from error


def whole_number(text: str) -> int | None:
    """A number of ASCII decimal digits that an id or an offset may be; None where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def path_id(request: Request) -> int:
    """The id in the address; `not_found` where it is none."""
    id_ = whole_number(request.path_params["id"])
    if id_ is None:
        raise TurnoutError("not_found")
    return id_
