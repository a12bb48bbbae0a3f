"""The operations that bring and delete rows (contract section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.ingest import INGEST
from turnout.catalog.types import Kind, Member
from turnout.ingest.fields import PERSON, TEXT_OR_OBJECT, TREE, ZONES
from turnout.web.openapi.parameters import (
    EXTENSION,
    ID,
    IDEMPOTENCY_KEY,
    MODE,
    PROVIDER,
    ZONE,
    declared_parameter,
    header,
)
from turnout.web.openapi.responses import WRITING_ERRORS, error_responses, with_headers
from turnout.web.openapi.schemas import closed, nullable, ref, rejected_members

if TYPE_CHECKING:
    from turnout.ingest.fields import Tree

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string", "pattern": "^[^\\u0000]*$"}


def ingest_schemas() -> dict[str, Json]:
    """The components of the operations."""
    count = {"type": "integer", "minimum": 0}
    merged = {
        "created": {**count, "description": "Rows whose id was not there."},
        "updated": {**count, "description": "Rows that are newer than what was there."},
        "unchanged": {**count, "description": "Rows that are not newer than what was there."},
        **rejected_members(),
    }
    erased = {**count, "description": "Rows of erased customers, about whom they say nothing; left out where none are."}
    row = _members(TREE)
    received = {"received": {**count, "format": "int64", "description": "Bytes."}}
    description = "A row as the report writes it. A member that is missing says nothing; null says 'none'."
    return {
        "Merged": closed({**merged, "erased": erased}, merged, description="What became of the rows."),
        "Received": closed(received, received, description="How much of an upload is there."),
        "IncomingRow": {**row, "type": "object", "description": description},
    }


def _members(tree: Tree) -> Json:
    """An object of a row. One that has a needed member cannot be null."""
    properties: Json = {}
    needed = []
    for name, node in tree.items():
        if isinstance(node, Member):
            properties[name] = _value(node)
            if node.needed:
                needed.append(name)
        else:
            properties[name] = _members(node)
            if properties[name]["type"] == "object":
                needed.append(name)
    return closed(properties, needed, type="object" if needed else ["object", "null"])


def _value(member: Member) -> Json:
    match member.kind:
        case Kind.INTEGER:
            schema = dict(ID)
        case Kind.INSTANT:
            schema = {"type": "string", "format": "date-time"}
        case Kind.CHOICE:
            schema = {"type": "string", "enum": list(member.choices)}
        case Kind.BOOLEAN:
            schema = {"type": "boolean"}
        case Kind.PEOPLE:
            person = _person()
            schema = {"type": "array", "items": {**person, "anyOf": [{"required": [name]} for name in PERSON]}}
        case Kind.TEXT:
            if member.storage in TEXT_OR_OBJECT:
                return {"anyOf": [nullable(_TEXT), _person()]}
            schema = dict(ZONE if member.storage in ZONES else _TEXT)
    return schema if member.needed else nullable(schema)


def _person() -> Json:
    """Something with an id and a name, one of which may be missing."""
    id_, name = PERSON
    return closed({id_: dict(ID), name: {**_TEXT, "minLength": 1}})


def ingest_paths() -> Json:
    """The operations under `/ingest/v1`."""
    rows = {"type": "array", "items": ref("schemas", "IncomingRow")}
    lines = {"type": "string", "description": "A row of JSON on each line."}
    packed = "The body may be packed: `Content-Encoding: gzip`."
    post: Json = {
        "operationId": "addAttendances",
        "summary": "Bring attendances",
        "description": "All or none, as one batch: 200 means that the rows are on disk. A newer `updated_at` replaces, "
        f"an equal or older one changes nothing, so that a batch may be sent again. {packed}",
        "parameters": [
            *(declared_parameter(parameter) for parameter in INGEST),
            PROVIDER,
            MODE,
            IDEMPOTENCY_KEY,
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": rows}, "application/x-ndjson": {"schema": lines}},
        },
        "responses": {
            "200": {
                "description": "Merged, and on disk.",
                "headers": with_headers("Idempotency-Replayed"),
                "content": {"application/json": {"schema": ref("schemas", "Merged")}},
            },
            **errors("rows_rejected", "conflict", "request_too_large", "unsupported_media_type"),
        },
    }
    id_ = {"name": "id", "in": "path", "required": True, "description": "The attendance's id.", "schema": ID}
    delete = {
        "operationId": "deleteAttendance",
        "summary": "Delete an attendance",
        "description": "What it said of its customer, event and so on stays. A later batch may bring it back.",
        "parameters": [PROVIDER, MODE],
        "responses": {"204": {"description": "Deleted.", "headers": with_headers()}, **errors("not_found")},
    }
    return {
        "/ingest/v1/attendances": {"post": {**COMMON, **post}},
        "/ingest/v1/attendances/{id}": {"parameters": [id_], "delete": {**COMMON, **delete}},
        "/ingest/v1/uploads/{name}": _upload_path(post["responses"]["200"]),
    }


def _upload_path(merged: Json) -> Json:
    """The operations of a file that comes in parts."""
    name = {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "What the client calls the upload, which belongs to its token and provider.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9]{8,64}$"},
    }
    received = {
        "200": {
            "description": "How much of the file is there.",
            "headers": with_headers(),
            "content": {"application/json": {"schema": ref("schemas", "Received")}},
        }
    }
    offset = header(
        "Upload-Offset",
        "Where the part begins: what was received so far.",
        {"type": "integer", "minimum": 0},
        example=0,
    )
    part = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    flags = [declared_parameter(parameter) for parameter in INGEST]
    gone = {"204": {"description": "Gone.", "headers": with_headers()}}

    def operation(name: str, summary: str, responses: Json, **more: Any) -> Json:
        return {**COMMON, "operationId": name, "summary": summary, **more, "responses": responses}

    return {
        "parameters": [name, PROVIDER, MODE],
        "get": operation("getUpload", "How much of a file was uploaded", {**received, **errors("not_found")}),
        "patch": operation(
            "addToUpload",
            "Upload the next part of a file",
            {**received, **errors("not_found", "conflict", "request_too_large")},
            parameters=[{**offset, "required": True}],
            requestBody={"required": True, "content": part},
        ),
        "post": operation(
            "mergeUpload",
            "Bring the attendances of an uploaded file",
            {"200": merged, **errors("rows_rejected", "not_found", "conflict")},
            parameters=flags,
        ),
        "delete": operation("removeUpload", "Forget an upload", {**gone, **errors("not_found")}),
    }


COMMON: Final[Json] = {"tags": ["Ingest"], EXTENSION: True}


def errors(*codes: str) -> Json:
    """What the operations can end in, beside success."""
    return error_responses((*codes, "overloaded", *WRITING_ERRORS))
