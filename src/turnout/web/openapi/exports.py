"""The operations of exports and their jobs (contract section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.exports import EXPORTS, FILE_FORMATS, LISTING
from turnout.catalog.types import Value
from turnout.exports import FILES
from turnout.query.raw import MOST_VALUES
from turnout.store.jobs import Status
from turnout.web.forms import MEDIA_TYPES
from turnout.web.openapi.parameters import (
    EXTENSION,
    ID,
    IDEMPOTENCY_KEY,
    MODE,
    PREFER,
    PROVIDER,
    declared_parameter,
    value_schema,
)
from turnout.web.openapi.responses import REPORT_ERRORS, error_responses, with_headers
from turnout.web.openapi.schemas import closed, nullable, ref

if TYPE_CHECKING:
    from turnout.catalog.types import Parameter, Report

Json = dict[str, Any]

_INSTANT: Final[Json] = {"type": "string", "format": "date-time"}
_COUNT: Final[Json] = {"type": "integer", "format": "int64", "minimum": 0}
_JOB_ID: Final[Json] = {"name": "id", "in": "path", "required": True, "description": "The job's id.", "schema": ID}
_ERRORS: Final = tuple(code for code in REPORT_ERRORS if code not in ("not_acceptable", "query_timeout"))
_BLANK: Final[Json] = {"type": ["string", "null"], "pattern": r"^\s*$", "description": "As if it were left out."}
_FEW: Final = 100


def export_schemas() -> dict[str, Json]:
    """The components of the operations."""
    job = {
        "id": ID,
        "object": {"type": "string", "const": "job"},
        "result_url": {
            **nullable({"type": "string", "format": "uri"}),
            "description": "Where the file is; null until it is complete. Whoever has the address may read the file.",
        },
        "total_items": {**_COUNT, "description": "How many rows the file will have; 0 until that is known."},
        "complete_items": {**_COUNT, "description": "How many of them are written."},
        "status": {"type": "string", "enum": [str(status) for status in Status], EXTENSION: True},
        "error": {"type": ["string", "null"], "description": "Why it failed.", EXTENSION: True},
        "format": {"type": "string", "enum": list(FILE_FORMATS), EXTENSION: True},
        "size": {**nullable(_COUNT), "description": "Bytes.", EXTENSION: True},
        "created_at": {**_INSTANT, EXTENSION: True},
        "finished_at": {**nullable(_INSTANT), EXTENSION: True},
        "expires_at": {**nullable(_INSTANT), "description": "Until when the file is kept.", EXTENSION: True},
    }
    jobs = {
        "total": {**_COUNT, "description": "How many there are, whatever the page."},
        "jobs": {"type": "array", "items": ref("schemas", "Job")},
    }
    return {
        "Job": closed(job, job, description="An export."),
        "Jobs": closed(jobs, jobs, description="Exports, the newest first."),
        "NewJob": closed({"job": ID}, ["job"], description="The id of the job that makes the file."),
        **{f"{report.type_name}Export": _body(report) for report in EXPORTS.values()},
    }


def _body(report: Report) -> Json:
    members = {parameter.name: _member(report, parameter) for parameter in report.parameters}
    needed = [parameter.name for parameter in report.parameters if parameter.needed]
    return closed(members, needed, description=f"The parameters of the {report.title}, without those of pages.")


def _member(report: Report, parameter: Parameter) -> Json:
    value = value_schema(parameter, report)
    blank = [] if parameter.needed else [_BLANK]
    forms = [*value.get("anyOf", [value]), *_other_forms(parameter), *blank]
    if parameter.is_list:
        unique = {"uniqueItems": True} if parameter.value is Value.SORT_KEY else {}
        least = {"minItems": 1} if parameter.needed else {}
        forms.insert(0, {"type": "array", "items": {"anyOf": list(forms)}, "maxItems": MOST_VALUES, **unique, **least})
    more = {EXTENSION: True} if parameter.extension else {}
    return {"description": parameter.help, **more, "anyOf": forms}


def _other_forms(parameter: Parameter) -> list[Json]:
    """What a value may also be that JSON has an own form of."""
    least, most = parameter.minimum, parameter.maximum
    match parameter.value:
        case Value.BOOLEAN:
            return [{"enum": ["true", "false", "1", "0", 1, 0]}]
        case Value.INTEGER | Value.ID_OR_NONE if most - least < _FEW:
            return [{"type": "string", "enum": [str(number) for number in range(least, most + 1)]}]
        case Value.INTEGER | Value.ID_OR_NONE:
            return [{"type": "string", "pattern": "^[0-9]{1,18}$"}]
        case _:
            return []


def export_paths() -> Json:
    """The operations."""
    jobs = {"tags": ["Exports"]}
    who = [PROVIDER, MODE]
    job = {
        "parameters": [_JOB_ID, *who],
        "get": {
            **jobs,
            "operationId": "getJob",
            "summary": "How an export is",
            "responses": {"200": _ok("Job"), **error_responses((*_ERRORS, "not_found"))},
        },
        "delete": {
            **jobs,
            "operationId": "removeJob",
            "summary": "Cancel an export, or forget it",
            "description": "One that has not ended is cancelled; of one that has, job and file are gone.",
            EXTENSION: True,
            "responses": {
                "204": {"description": "Done.", "headers": with_headers()},
                **error_responses((*_ERRORS, "not_found")),
            },
        },
    }
    listing = {
        **jobs,
        "operationId": "listJobs",
        "summary": "The exports of a provider, the newest first",
        EXTENSION: True,
        "parameters": [declared_parameter(parameter) for parameter in LISTING],
        "responses": {"200": _ok("Jobs"), **error_responses(_ERRORS)},
    }
    return {
        **{report.export_path: _export(report) for report in EXPORTS.values()},
        "/api/v2/jobs": {"parameters": who, "get": listing},
        "/api/v2/jobs/{id}": job,
        "/api/v2/jobs/{id}/result": {"parameters": [_JOB_ID], "get": _result()},
    }


def _export(report: Report) -> Json:
    schema = {"schema": ref("schemas", f"{report.type_name}Export")}
    post = {
        "tags": ["Exports"],
        "operationId": f"export{report.type_name}",
        "summary": f"Export the {report.title}",
        "description": "Every row that matches, as of the moment when the job begins, in the report's order. Lists are "
        "arrays, or texts as in the query of the report; `format` may also be in the query.",
        "parameters": [declared_parameter(report.parameter["format"]), PREFER, IDEMPOTENCY_KEY],
        "requestBody": {
            "required": any(parameter.needed for parameter in report.parameters),
            "content": dict.fromkeys(MEDIA_TYPES, schema),
        },
        "responses": {
            "200": _ok("NewJob", "Idempotency-Replayed", "Preference-Applied", "X-Ignored-Parameters"),
            **error_responses((*_ERRORS, "conflict", "unsupported_media_type")),
        },
    }
    return {"parameters": [PROVIDER, MODE], "post": post}


def _result() -> Json:
    content = {format_.media_type: {"schema": {"type": "string", "format": "binary"}} for format_ in FILES.values()}
    always = ("ETag", "Accept-Ranges", "Content-Disposition")

    def parameter(name: str) -> Json:
        return {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}

    return {
        "tags": ["Exports"],
        "operationId": "getResult",
        "summary": "The file of an export",
        "description": "The address is the `result_url` of the job, as it is, and needs no `Authorization`. One that "
        "was changed, and one of a job that is removed or expired, is 404. `Range` asks for a part.",
        "security": [],
        "parameters": [parameter(name) for name in ("provider", "expires", "signature")],
        "responses": {
            "200": {"description": "The file.", "headers": with_headers(*always, required=always), "content": content},
            "206": {
                "description": "The part of the file that `Range` asked for.",
                "headers": with_headers(*always, "Content-Range", required=(*always, "Content-Range")),
                "content": content,
            },
            "304": {"description": "It is what `If-None-Match` names.", "headers": with_headers("ETag")},
            **error_responses(("not_found", "request_too_large", "range_not_satisfiable", "server_error")),
        },
    }


def _ok(name: str, *headers: str) -> Json:
    return {
        "description": "Done.",
        "headers": with_headers(*headers),
        "content": {"application/json": {"schema": ref("schemas", name)}},
    }
