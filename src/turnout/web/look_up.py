"""The endpoint that looks up what a report can be filtered by: the values of one filter, under all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from turnout.catalog.look_ups import LOOK_UP
from turnout.query.look_ups import parse_look_up
from turnout.query.raw import pairs_of
from turnout.query.timeframe import echo
from turnout.reports import Values, look_up
from turnout.web.accept import handling_of
from turnout.web.context import context_of
from turnout.web.respond import finish

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.web.work import Job


async def answer_look_up(request: Request) -> Response:
    """`GET .../values`: how many values there are, a page of them, and how many attendances have none."""
    context = context_of(request)
    services = context.services
    caller = await services.auth.report_caller(request)
    context.mark("authenticate")
    handling = handling_of(request.headers.getlist("Prefer"), services.settings.unknown_parameters)
    given = pairs_of(request.scope["query_string"])
    asked = parse_look_up(LOOK_UP, given, caller.scope, now=context.now, lenient=handling.lenient)
    context.mark("read")

    def answer(job: Job) -> Values:
        return look_up(services.store, asked, on_snapshot=job.attach)

    found = await services.workers.run(answer, request=request)
    context.mark("answer")
    values = [{"value": value, "label": label, "count": count} for value, label, count in found.values]
    document = {"total": found.total, "values": values, "missing": found.missing}
    headers = handling.headers(asked.ignored)
    if asked.timeframe:
        headers["X-Timeframe"] = echo(asked.timeframe, asked.zone)
    return await finish(request, msgspec.json.encode(document), media_type="application/json", headers=headers)
