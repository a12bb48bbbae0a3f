"""The report's endpoint: from a request to an answered page (contract section 2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from turnout.catalog.attendances import ATTENDANCES
from turnout.output.formats import FORMATS, Format
from turnout.query.instants import format_utc
from turnout.query.raw import Pairs, pairs_of, printable
from turnout.query.request import ReportRequest, Scope, parse
from turnout.web.accept import handling, preferred_format
from turnout.web.context import Context, context_of
from turnout.web.respond import finish

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.reports import Page
    from turnout.web.auth import Caller
    from turnout.web.work import Job

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
# Clients and proxies bound a header; of three links that repeat a very long request, only the needed one is sent.
_LONG_LINKS: Final = 8_000
_MOST_NAMED: Final = 100
_OFFERED: Final = tuple(FORMATS.values())


async def attendances(request: Request) -> Response:
    """Answer one page of the attendances report."""
    context = context_of(request)
    services = context.services
    caller = await services.auth.report_caller(request)
    context.mark("authenticate")
    preference = handling(request.headers.getlist("Prefer"))
    lenient = preference == "lenient" or (preference != "strict" and services.settings.unknown_parameters == "ignore")
    report = parse(
        ATTENDANCES,
        pairs_of(request.scope["query_string"]),
        _scope(caller),
        now=context.now,
        box=services.cursors,
        lenient=lenient,
    )
    format_ = FORMATS[report.format] if report.format else preferred_format(request.headers.getlist("Accept"), _OFFERED)
    # Before the rows are read: what comes meanwhile makes them fresher than this says, never older.
    place = services.store.place(caller.provider.id)
    context.mark("read")

    def answer(job: Job) -> Page:
        return services.answers.answer(report, format_, on_snapshot=job.attach)

    page = services.answers.kept(report, format_)
    if services.metrics:
        services.metrics.answer(kept=page is not None)
    if page is None:
        page = await services.workers.run(answer, request=request)
    context.mark("answer")
    headers = _headers(request, context, report, page)
    if place and place.as_of is not None:
        headers["X-Data-As-Of"] = format_utc(place.as_of)
    if preference == ("lenient" if lenient else "strict"):
        headers["Preference-Applied"] = f"handling={preference}"
    return await finish(request, page.body, media_type=f"{format_.media_type}{_charset(format_)}", headers=headers)


def _scope(caller: Caller) -> Scope:
    provider = caller.provider
    return Scope(provider.id, ZoneInfo(provider.timezone), provider.week_start, caller.instructor_id)


def _charset(format_: Format) -> str:
    return "; charset=utf-8" if format_.media_type.startswith("text/") else ""


def _headers(request: Request, context: Context, report: ReportRequest, page: Page) -> dict[str, str]:
    headers = {"X-Total-Count": str(page.total)}
    if page.timeframe:
        headers["X-Timeframe"] = page.timeframe
    if page.links:
        base = context.services.settings.public_url or _origin(request)
        links = {rel: f'<{_address(base + request.url.path, pairs)}>; rel="{rel}"' for rel, pairs in page.links.items()}
        if sum(map(len, links.values())) > _LONG_LINKS:
            links = {rel: link for rel, link in links.items() if rel == "next"}
        if links:
            headers["Link"] = ", ".join(links.values())
    if page.format.download:
        headers["Content-Disposition"] = f'attachment; filename="{page.file_name}"'
    if report.cleaned.ignored:
        headers["X-Ignored-Parameters"] = ", ".join(
            quote(printable(name), safe="") for name in report.cleaned.ignored[:_MOST_NAMED]
        )
    return headers


def _origin(request: Request) -> str:
    """Where the client reached the server; nothing, and so relative links, where its Host header is no host."""
    host = request.headers.get("Host", "")
    return f"{request.url.scheme}://{host}" if _HOST.fullmatch(host) else ""


def _address(path: str, pairs: Pairs) -> str:
    return f"{path}?{urlencode(pairs, safe=',:')}" if pairs else path
