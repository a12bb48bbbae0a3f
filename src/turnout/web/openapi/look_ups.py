"""The operation that looks up what a report can be filtered by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnout.catalog.look_ups import LOOK_UP, OF
from turnout.web.openapi.parameters import EXTENSION, ID, header_parameters, query_parameters
from turnout.web.openapi.reports import not_modified
from turnout.web.openapi.responses import RATE_HEADERS, REPORT_ERRORS, error_responses, with_headers
from turnout.web.openapi.schemas import closed, ref

if TYPE_CHECKING:
    from turnout.catalog.types import Parameter

Json = dict[str, Any]


def look_up_schemas() -> dict[str, Json]:
    """The component of the answer."""
    listed = [parameter for parameter in LOOK_UP.parameters if parameter.listed]
    count = {"type": "integer", "format": "int64", "minimum": 0}
    value = {
        "value": {
            "anyOf": [{**ID, "minimum": 0}, {"type": "string", "enum": _choices(listed)}],
            "description": "What the filter takes: an id, an hour, or a choice.",
        },
        "label": {"type": ["string", "null"], "description": "What people call it; null where the value says it."},
        "count": {**count, "minimum": 1, "description": "How many attendances have it."},
    }
    values = {
        "total": {**count, "description": "How many values there are, whatever the page."},
        "values": {
            "type": "array",
            "description": "The most frequent first, then by label.",
            "items": closed(value, value),
            "maxItems": LOOK_UP.parameter["limit"].maximum,
        },
        "missing": {**count, "description": "How many attendances have none, whatever is searched for."},
    }
    return {f"{LOOK_UP.type_name}Values": closed(values, values, description="The values of a filter that occur.")}


def _choices(listed: list[Parameter]) -> list[str]:
    return sorted({choice for parameter in listed for choice in parameter.choices})


def look_up_paths() -> Json:
    """The operation."""
    return {
        LOOK_UP.values_path: {
            "parameters": [*query_parameters(LOOK_UP), *header_parameters()],
            "get": {
                "tags": ["Reports"],
                "operationId": f"get{LOOK_UP.type_name}Values",
                "summary": f"The values of a filter of the {LOOK_UP.title}, with counts",
                "description": "Which values occur in the attendances that pass all other filters, and in how many: "
                f"what else the filter that `{OF}` names could be set to.",
                EXTENSION: True,
                "responses": {
                    "200": {
                        "description": "A page of the values.",
                        "headers": with_headers(
                            "X-Timeframe",
                            "ETag",
                            "Cache-Control",
                            "Vary",
                            "Preference-Applied",
                            "X-Ignored-Parameters",
                            *RATE_HEADERS,
                            required=("ETag", "Cache-Control", "Vary"),
                        ),
                        "content": {"application/json": {"schema": ref("schemas", f"{LOOK_UP.type_name}Values")}},
                    },
                    "304": not_modified(),
                    **error_responses(code for code in REPORT_ERRORS if code != "not_acceptable"),
                },
            },
        }
    }
