"""The endpoints of reports: from a request to an answered page (contract sections 2 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from turnout.errors import TurnoutError
from turnout.output.formats import FORMATS, Format
from turnout.query.instants import format_utc
from turnout.query.raw import Pairs, pairs_of
from turnout.query.request import parse
from turnout.store.base import Standing
from turnout.web.accept import handling_of, preferred_format
from turnout.web.by_heart import must_be_known, must_stand
from turnout.web.context import ask, base_url, context_of
from turnout.web.respond import finish

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.catalog.types import Report
    from turnout.reports import Page
    from turnout.store.base import Snapshot
    from turnout.web.work import Job

# Clients and proxies bound a header; of three links that repeat a very long request, only the needed one is sent.
_LONG_LINKS: Final = 8_000
_OFFERED: Final = tuple(FORMATS.values())
_OUR_FAULT: Final = 500


async def answer_report(report: Report, request: Request) -> Response:
    """Answer one page of a report."""
    context = context_of(request)
    try:
        return await _answer(report, request, by_heart=True)
    except TurnoutError as error:
        # Nobody is told what is wrong, which may be what is known by heart, before it is known who they are.
        if context.by_heart is None or error.kind.status >= _OUR_FAULT:
            raise
    finally:
        # However it ended without that being found out: the next time it is asked for first.
        if context.by_heart:
            context.services.auth.forget(context.by_heart)
            context.by_heart = None
    return await _answer(report, request, by_heart=False)


async def _answer(report: Report, request: Request, *, by_heart: bool) -> Response:
    """As `answer_report`. With `by_heart`, who asks may be known from earlier, and is compared before the answer."""
    context = context_of(request)
    services = context.services
    caller = await services.auth.report_caller(request, by_heart=by_heart)
    context.mark("authenticate")
    handling = handling_of(request.headers.getlist("Prefer"), services.settings.unknown_parameters)
    asked = parse(
        report,
        pairs_of(request.scope["query_string"]),
        caller.scope,
        now=context.now,
        box=services.cursors,
        lenient=handling.lenient,
    )
    format_ = FORMATS[asked.format] if asked.format else preferred_format(request.headers.getlist("Accept"), _OFFERED)
    context.mark("read")

    store, provider_id = services.store, caller.provider.id
    sha256 = context.by_heart.sha256 if context.by_heart else None

    def look() -> tuple[Standing, Page | None]:
        # Before the rows are read: what comes meanwhile makes them fresher than the place says, never older.
        found = store.standing(provider_id, sha256)
        must_stand(request, caller, found)
        return found, services.answers.kept(asked, format_, found.version)

    def answer(job: Job) -> tuple[Standing, Page]:
        found = standing

        def told(standing: Standing) -> None:
            nonlocal found
            must_stand(request, caller, standing)
            found = standing

        def attach(snapshot: Snapshot) -> None:
            job.attach(snapshot)
            if store.shared:
                store.standing_in(snapshot, provider_id, sha256, told)

        page = services.answers.answer(asked, format_, on_snapshot=attach, version_read=lambda: found.version)
        must_be_known(request)
        return found, page

    standing, page = Standing(None, None), None
    if not store.shared or services.answers.has(asked, format_):
        standing, page = await ask(store, look)
    if services.metrics:
        services.metrics.answer(kept=page is not None)
    if page is None:
        made = await services.workers.run(answer, request=request)
        standing, page = made
    context.mark("answer")
    headers = {**_headers(request, page), **handling.headers(asked.cleaned.ignored)}
    if standing.place and standing.place.as_of is not None:
        headers["X-Data-As-Of"] = format_utc(standing.place.as_of)
    return await finish(request, page.body, media_type=f"{format_.media_type}{_charset(format_)}", headers=headers)


def _charset(format_: Format) -> str:
    return "; charset=utf-8" if format_.media_type.startswith("text/") else ""


def _headers(request: Request, page: Page) -> dict[str, str]:
    headers = {"X-Total-Count": str(page.total)}
    if page.timeframe:
        headers["X-Timeframe"] = page.timeframe
    if page.links:
        address = base_url(request) + request.scope["path"]
        links = {rel: f'<{_address(address, pairs)}>; rel="{rel}"' for rel, pairs in page.links.items()}
        if sum(map(len, links.values())) > _LONG_LINKS:
            links = {rel: link for rel, link in links.items() if rel == "next"}
        if links:
            headers["Link"] = ", ".join(links.values())
    if page.format.download:
        headers["Content-Disposition"] = f'attachment; filename="{page.file_name}"'
    return headers


def _address(path: str, pairs: Pairs) -> str:
    return f"{path}?{urlencode(pairs, safe=',:')}" if pairs else path
