"""`POST .../export`: a report is asked for as a file (contract section 8). Its parameters come in the body."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec
from python_multipart.multipart import parse_options_header
from starlette.responses import Response

from turnout.catalog.exports import EXPORTS, PAGES, no_page
from turnout.errors import Faults, TurnoutError, shown
from turnout.query.raw import pairs_of
from turnout.query.request import parse
from turnout.web.accept import handling_of
from turnout.web.context import context_of
from turnout.web.forms import JSON, MEDIA_TYPES, pairs_of_body
from turnout.web.limits import read_body
from turnout.web.repeats import repeatable
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.query.raw import Pairs
    from turnout.query.request import ReportRequest
    from turnout.store.base import Answered

MOST_BYTES: Final = 1 << 20
"""A request of a report is never larger: a list has a thousand values at the most."""
_IN_QUERY: Final = "format"


async def export_report(request: Request) -> Response:
    """Queue an export of the report that the address names; the job's id."""
    context = context_of(request)
    services = context.services
    caller = await services.auth.report_caller(request)
    context.mark("authenticate")
    name = request.url.path.rsplit("/", 2)[1]
    handling = handling_of(request.headers.getlist("Prefer"), services.settings.unknown_parameters)
    body = await read_body(request, min(MOST_BYTES, services.settings.max_body))
    repeat = repeatable(request, caller.subject, caller.provider.id, sha256(body).hexdigest())
    with services.repeats.running(repeat):
        known = await services.repeats.known(repeat, context.now)
        if known:
            return known
        faults = Faults()
        pairs = [*_from_query(request, name, faults), *_from_body(request, body, faults)]
        asked = _read(
            name, pairs, faults, scope=caller.scope, now=context.now, box=services.cursors, lenient=handling.lenient
        )
        context.mark("read")

        def remember(job: int) -> Answered | None:
            return repeat.answered(200, _document(job), context.now) if repeat else None

        job = await asyncio.to_thread(services.jobs.create, asked, remember)
    headers = {**API_HEADERS, "Content-Type": JSON, **handling.headers(asked.cleaned.ignored)}
    return Response(_document(job.id), headers=headers)


def _document(job: int) -> bytes:
    return msgspec.json.encode({"job": job})


def _read(name: str, pairs: Pairs, faults: Faults, **how: Any) -> ReportRequest:
    """Check the request whole, and raise all its faults together with those that were found before."""
    own = []
    for pair in pairs:
        bare = pair[0].removesuffix("[]")
        if bare in PAGES:
            faults.add(pair[0], no_page(bare))
        else:
            own.append(pair)
    try:
        asked = parse(EXPORTS[name], own, **how)
    except TurnoutError as error:
        for field, texts in error.fields.items():
            for text in texts:
                faults.add(field, text)
    faults.raise_if_any()
    return asked


def _from_query(request: Request, name: str, faults: Faults) -> Pairs:
    """The query's one parameter, and what is for the parser to refuse. One that belongs into the body is a fault."""
    found = []
    for pair in pairs_of(request.scope["query_string"]):
        bare = pair[0].removesuffix("[]")
        if bare != _IN_QUERY and bare in EXPORTS[name].parameter:
            text = f"It belongs into the body: of an export's parameters, only {_IN_QUERY!r} may be in the query."
            faults.add(pair[0], text)
        else:
            found.append(pair)
    return found


def _from_body(request: Request, body: bytes, faults: Faults) -> Pairs:
    """The body's parameters. Raises `unsupported_media_type`; what is wrong with the body's form is a fault."""
    if not body:
        return []
    given = request.headers.get("Content-Type", "")
    media_type, options = parse_options_header(given)
    charset = options.get(b"charset", b"utf-8").lower()
    if media_type.decode("latin-1") not in MEDIA_TYPES or charset not in (b"utf-8", b"utf8"):
        expected = ", ".join(MEDIA_TYPES)
        raise TurnoutError("unsupported_media_type", f"The Content-Type {shown(given)} is not one of {expected}.")
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise TurnoutError("unsupported_media_type", "The body must not be encoded.")
    return pairs_of_body(media_type.decode("latin-1"), options.get(b"boundary", b""), body, faults)
