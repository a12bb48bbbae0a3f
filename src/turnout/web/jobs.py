"""Export jobs over HTTP: how they are, and their files (contract section 8)."""

from __future__ import annotations

import asyncio
import logging
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from starlette.responses import Response, StreamingResponse

from turnout.catalog.exports import EXPORTS, LISTING
from turnout.errors import Faults, TurnoutError
from turnout.exports import FILES
from turnout.jobs.links import NO_FILE
from turnout.query import values
from turnout.query.instants import format_utc, local_date
from turnout.query.raw import clean, pairs_of
from turnout.store.jobs import Status
from turnout.web.admin import json_response
from turnout.web.asked import path_id
from turnout.web.context import base_url, context_of
from turnout.web.respond import API_HEADERS, matches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from turnout.catalog.types import Parameter
    from turnout.store.jobs import Job
    from turnout.web.auth import Caller

_log: Final = logging.getLogger("turnout.exports")

PATH: Final = "/api/v2/jobs"
_RANGE: Final = re.compile(r"bytes=\s*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))\s*")
_PARAMETERS: Final[Mapping[str, Parameter]] = {parameter.name: parameter for parameter in LISTING}


async def list_jobs(request: Request) -> Response:
    """`GET /api/v2/jobs`: the jobs that the caller could have asked for, the newest first."""
    services = context_of(request).services
    caller = await services.auth.report_caller(request)
    chosen = _chosen(request, _PARAMETERS)
    total, jobs = await asyncio.to_thread(
        services.jobs.page, caller.provider.id, caller.instructor_id, chosen["limit"], chosen["offset"]
    )
    return json_response({"total": total, "jobs": [_document(request, job) for job in jobs]})


async def get_job(request: Request) -> Response:
    """`GET /api/v2/jobs/{id}`: the job as it is."""
    caller = await context_of(request).services.auth.report_caller(request)
    job = await _find(request, caller)
    _chosen(request, {})
    return json_response(_document(request, job))


async def remove_job(request: Request) -> Response:
    """`DELETE /api/v2/jobs/{id}`: cancel a job that has not ended, forget one that has; 204."""
    services = context_of(request).services
    caller = await services.auth.report_caller(request)
    job = await _find(request, caller)
    _chosen(request, {})
    await asyncio.to_thread(services.jobs.remove, job)
    return Response(status_code=204, headers=API_HEADERS)


async def get_result(request: Request) -> Response:
    """The file of a job, for whoever has the link. Any link that is not good is `not_found`, and says no more."""
    services = context_of(request).services
    query = request.scope["query_string"].decode("latin-1")
    provider, id_, expires = services.links.check(request.path_params["id"], query)
    job = await asyncio.to_thread(services.jobs.get, provider, id_)
    if job is None or job.status is not Status.COMPLETE or job.expires_at != expires:
        raise TurnoutError("not_found", NO_FILE)
    try:
        return await asyncio.to_thread(_sent, request, job)
    except FileNotFoundError:
        raise TurnoutError("not_found", NO_FILE) from None
    except OSError as error:
        # Who has the link need not know where files are; the log says it.
        _log.error("the file of an export cannot be read", extra={"fields": {"job": id_, "reason": error.strerror}})
        raise TurnoutError("storage_unavailable", "The file cannot be read at the moment.") from None


async def _find(request: Request, caller: Caller) -> Job:
    """The job that the address names, where the caller could have asked for it; else `not_found`."""
    id_ = path_id(request)
    job = await asyncio.to_thread(context_of(request).services.jobs.get, caller.provider.id, id_)
    if job is None or caller.instructor_id not in (None, job.instructor_id):
        raise TurnoutError("not_found", f"There is no job {id_}.")
    return job


def _chosen(request: Request, known: Mapping[str, Parameter]) -> dict[str, int]:
    """The integers of the query string. Raises `parameter_invalid` with every fault."""
    faults = Faults()
    texts = clean(known, pairs_of(request.scope["query_string"]), faults).texts
    chosen = {name: int(parameter.default or 0) for name, parameter in known.items()}
    for name, (text,) in texts.items():
        try:
            chosen[name] = values.integer(text, known[name])
        except ValueError as error:
            faults.add(name, str(error))
    faults.raise_if_any()
    return chosen


def _document(request: Request, job: Job) -> dict[str, Any]:
    """The job as JSON. The link is as good as a token for this one file: nothing of it is to be kept."""
    link = None
    if job.status is Status.COMPLETE:
        link = f"{_absolute(request)}{PATH}/{job.id}/result?{context_of(request).services.links.query(job)}"
    return {
        "id": job.id,
        "object": "job",
        "result_url": link,
        "total_items": job.total_items,
        "complete_items": job.complete_items,
        "status": job.status,
        "error": job.error,
        "format": job.format,
        "size": job.size,
        "created_at": format_utc(job.created_at),
        "finished_at": None if job.finished_at is None else format_utc(job.finished_at),
        "expires_at": None if job.expires_at is None else format_utc(job.expires_at),
    }


def _absolute(request: Request) -> str:
    """The server's address; where the client did not say how it reached it, the one that it listens on."""
    base = base_url(request)
    if base:
        return base
    host, port = request.scope.get("server") or ("localhost", None)
    named = f"[{host}]" if ":" in host else host
    return f"{request.url.scheme}://{named}{f':{port}' if port else ''}"


# Files


def _sent(request: Request, job: Job) -> Response:
    """The file, or the part of it that `Range` asks for (RFC 9110, section 14). Raises `OSError`."""
    files = context_of(request).services.jobs.files
    size = files.size(job)
    tag = f'"{sha256(f"{job.id} {job.created_at} {job.run}".encode()).hexdigest()[:32]}"'
    format_ = FILES[job.format]
    zone = context_of(request).services.store.providers()[job.provider_id].timezone
    name = f"{EXPORTS[job.report].file_stem}-{local_date(job.created_at, ZoneInfo(zone))}.{format_.extension}"
    headers = {
        **API_HEADERS,
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    if matches(request.headers.getlist("If-None-Match"), tag):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = format_.media_type
    part = _part(request, tag, size)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(size)})
    if part is None:
        return StreamingResponse(files.read(job, 0, size), headers={**headers, "Content-Length": str(size)})
    start, end = part
    if start >= end:
        unsatisfied = {"Content-Range": f"bytes */{size}"}
        raise TurnoutError("range_not_satisfiable", f"The file has {size} bytes.", headers=unsatisfied)
    headers |= {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/{size}"}
    return StreamingResponse(files.read(job, start, end), 206, headers)


def _part(request: Request, tag: str, size: int) -> tuple[int, int] | None:
    """Where the wanted part begins, and where it is over (not after its beginning: there is none); None for the whole.

    A `Range` that is no single range of bytes, or that comes with an `If-Range` of another file, is as if absent.
    """
    ranges = request.headers.getlist("Range")
    match = _RANGE.fullmatch(ranges[0]) if len(ranges) == 1 and request.method == "GET" else None
    if match is None or request.headers.get("If-Range", tag).strip() != tag:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return max(size - int(suffix), 0), size if int(suffix) else 0
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size
