"""Schemas of what a report answers, made from its columns and groups (contract sections 2.5 and 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.attendances import PERIODS
from turnout.catalog.types import Column, Kind, Part, Report
from turnout.errors import ERRORS, NON_FIELD
from turnout.query.pivot import PATTERN as PERIOD
from turnout.web.openapi.parameters import EXTENSION, ID, period

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]


def ref(section: str, name: str) -> Json:
    return {"$ref": f"#/components/{section}/{name}"}


def closed(properties: Json, required: Iterable[str] = (), **more: Any) -> Json:
    """An object with these members and no others."""
    needed = list(required)
    return {
        "type": "object",
        **more,
        "properties": properties,
        **({"required": needed} if needed else {}),
        "additionalProperties": False,
    }


def nullable(schema: Json) -> Json:
    """The same values, and null."""
    choices = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **choices}


def report_schemas(report: Report) -> dict[str, Json]:
    """The components of one report's JSON document: the document, a column header, a row and a person."""
    stem = report.type_name
    return {
        f"{stem}Report": closed(
            {
                "total": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "description": "How many rows match, whatever the page.",
                },
                "column_headers": {
                    "type": "array",
                    "description": "What each column holds, in the order of the columns.",
                    "items": ref("schemas", f"{stem}ColumnHeader"),
                    "minItems": 1,
                },
                "rows": {
                    "type": "array",
                    "description": "The rows of this page.",
                    "items": ref("schemas", f"{stem}Row"),
                    "maxItems": report.parameter["limit"].maximum,
                },
            },
            ["total", "column_headers", "rows"],
            description=f"One page of the {report.title}.",
        ),
        f"{stem}ColumnHeader": _column_header(report),
        f"{stem}Row": {**_members(report, ()), "description": "A row, with the selected members only."},
        "Person": closed(
            {"id": ID, "name": {"type": ["string", "null"]}}, ["id", "name"], description="An instructor of an event."
        ),
    }


def _column_header(report: Report) -> Json:
    keys: Json = {"type": "string", "enum": [column.key for column in report.columns]}
    labels: Json = {"type": "string", "enum": [column.label for column in report.columns]}
    if report.grouped:
        keys = {"anyOf": [keys, period()]}
        labels = {"type": "string"}  # those of periods are words
    return closed(
        {
            "label": {**labels, "description": "The column's display name."},
            "key": {**keys, "description": "Where a row has the value; a dot leads into a nested object."},
            "sortable": {"type": "boolean", "description": "Whether the report can be sorted on this column."},
            "holds_customer_id": {"type": "boolean", "description": "Whether the values are customers' ids."},
            "required": {"type": "boolean", "description": "Whether the column is part of every answer."},
            "sorted": closed(
                {
                    "order": {"type": "string", "enum": ["desc", "asc"]},
                    "priority": {"type": "integer", "minimum": 0, "description": "0 decides first."},
                },
                ["order", "priority"],
                description="Present only on columns that the report is sorted on.",
            ),
        },
        ["label", "key", "sortable", "holds_customer_id", "required"],
        description="What one column holds.",
    )


def _members(report: Report, path: tuple[str, ...]) -> Json:
    """The object at `path` of a row. Only a required column's members are always there."""
    properties: Json = {}
    required: list[str] = []
    for column in report.columns:
        if column.path[: len(path)] != path or column.path == path:
            continue
        member = column.path[len(path)]
        if column.required and member not in required:
            required.append(member)
        if member not in properties:
            at = (*path, member)
            properties[member] = _value(report, column) if column.path == at else _members(report, at)
    if report.grouped and not path:
        properties[PERIODS] = _counts_by_period()
    schema = closed(properties, required)
    if report.grouped:
        # With one member selected that is missing, the object is.
        may_lack = bool(path) and any(c.nullable for c in report.columns if c.path[: len(path)] == path)
    else:
        may_lack = _presence(report, path) is not None
    return {**schema, "type": ["object", "null"]} if may_lack else schema


def _presence(report: Report, path: tuple[str, ...]) -> str | None:
    group = report.group.get(".".join(path))
    return group.presence if group else None


def _counts_by_period() -> Json:
    return {
        "type": "object",
        "description": "The count by period; there with a `pivot` other than `all`, where `count` is selected.",
        "propertyNames": {"pattern": f"^{PERIOD}$"},
        "additionalProperties": {"type": "integer", "format": "int64", "minimum": 0},
        "minProperties": 1,
    }


def _value(report: Report, column: Column) -> Json:
    # Inside an object that is there, the value that tells of its presence is there as well.
    may_lack = column.nullable and column.storage != _presence(report, column.path[:-1])
    schema = _of_kind(column)
    return {
        **(nullable(schema) if may_lack else schema),
        "description": column.help + (" Answered only when it is asked for by name." if column.extension else ""),
        **({EXTENSION: True} if column.extension else {}),
    }


def _of_kind(column: Column) -> Json:
    if column.counts:
        return {"type": "integer", "format": "int64", "minimum": 1}
    if column.part is Part.HOUR:
        return {"type": "integer", "minimum": 0, "maximum": 23}
    if column.choices:
        return {"type": "string", "enum": list(column.choices)}
    return _KINDS[column.kind] | ({"pattern": column.pattern} if column.pattern else {})


_KINDS: Final[dict[Kind, Json]] = {
    Kind.INTEGER: ID,
    Kind.INSTANT: {"type": "string", "format": "date-time", "examples": ["2026-10-05T17:30:00Z"]},
    Kind.TEXT: {"type": "string"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.PEOPLE: {"type": "array", "items": ref("schemas", "Person")},
}


def rejected_members() -> Json:
    """What an answer says of bad rows (contract section 5)."""
    bad = {
        "line": {"type": "integer", "minimum": 1, "description": "The line where the row starts, from 1."},
        "number": {
            "type": "integer",
            "minimum": 1,
            "description": "Which row it is, from 1; absent of what is no row.",
        },
        "column": {"type": "string", "description": "The first member at fault; empty where it is the whole row."},
        "reason": {"type": "string", "description": "What is wrong with it, and what was expected."},
    }
    rejected = {
        "type": "array",
        "items": closed(bad, [name for name in bad if name != "number"]),
        "description": "The first bad rows.",
    }
    return {
        "rejected": rejected,
        "rejected_count": {
            "type": "integer",
            "minimum": 0,
            "description": "How many rows are bad; at least so many where the message says that reading stopped.",
        },
    }


def error_schema() -> Json:
    """The one form of every error (contract section 4)."""
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "description": "What every error looks like.",
        "properties": {
            "code": {"type": "string", "enum": list(ERRORS), "description": "What went wrong, for programs."},
            "type": {"type": "string", "enum": sorted({kind.type for kind in ERRORS.values()})},
            "message": {"type": "string", "description": "What went wrong, for people."},
            "field_errors": {
                "type": "object",
                "description": f"The faults of each parameter; those of several together under `{NON_FIELD}`.",
                "properties": {NON_FIELD: texts},
                "required": [NON_FIELD],
                "additionalProperties": texts,
            },
            **rejected_members(),
        },
        "required": ["code", "type", "message", "field_errors"],
        "additionalProperties": False,
    }
