"""The operations of a report (contract sections 2 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnout.web.openapi.parameters import header_parameters, query_parameters
from turnout.web.openapi.responses import RATE_HEADERS, REPORT_ERRORS, error_responses, with_headers, without_bodies
from turnout.web.openapi.schemas import ref

if TYPE_CHECKING:
    from turnout.catalog.types import Report

Json = dict[str, Any]


def report_path(report: Report) -> Json:
    """The path item of one report."""
    stem = report.type_name
    responses = {"200": _report_ok(report), "304": not_modified(), **error_responses(REPORT_ERRORS)}
    return {
        "parameters": [*query_parameters(report), *header_parameters()],
        "get": {
            "tags": ["Reports"],
            "operationId": f"get{stem}",
            "summary": report.title,
            "description": "Answers JSON or CSV as `format` or `Accept` asks; CSV where neither does. The address with "
            "a doubled slash after `v2`, and one with a slash at the end, are the same.",
            "responses": responses,
        },
        "head": {
            "tags": ["Reports"],
            "operationId": f"head{stem}",
            "summary": f"{report.title}, headers only",
            "description": "Answers as `GET` does, without the body: the total is in `X-Total-Count`.",
            "responses": without_bodies(responses),
        },
    }


def _report_ok(report: Report) -> Json:
    example = report.parameter["columns"].example if report.grouped else None
    names = example.split(",") if example else [column.key for column in report.default_columns]
    labels = ",".join(column.label for name in names for column in report.by_name[name])
    return {
        "description": "One page of the report.",
        "headers": with_headers(
            "X-Total-Count",
            "X-Timeframe",
            "X-Data-As-Of",
            "Link",
            "ETag",
            "Cache-Control",
            "Vary",
            "Content-Disposition",
            "Preference-Applied",
            "X-Ignored-Parameters",
            *RATE_HEADERS,
            required=("X-Total-Count", "ETag", "Cache-Control", "Vary"),
        ),
        "content": {
            "application/json": {"schema": ref("schemas", f"{report.type_name}Report")},
            "text/csv": {
                "schema": {"type": "string", "description": "RFC 4180, UTF-8, with one header row."},
                "examples": {"header": {"summary": "The header row", "value": labels + "\r\n"}},
            },
        },
    }


def not_modified() -> Json:
    """The answer to an `If-None-Match` that names what would be answered."""
    return {
        "description": "Nothing has changed since the answer that `If-None-Match` names.",
        "headers": with_headers("ETag", "Cache-Control", "Vary", required=("ETag",)),
    }
