"""The operations of `turnout sync` (contract sections 5 and 9)."""

from __future__ import annotations

from typing import Any, Final

from turnout.catalog.ingest import LISTING
from turnout.catalog.types import MAX_ID
from turnout.sync.place import LATEST, TYPES
from turnout.sync.target import MOST_LISTED, MOST_ROWS
from turnout.web.openapi.ingest import COMMON, errors
from turnout.web.openapi.parameters import ID, MODE, PROVIDER, declared_parameter
from turnout.web.openapi.responses import with_headers
from turnout.web.openapi.schemas import closed, nullable, ref

Json = dict[str, Any]

_INT: Final[Json] = {"type": "integer", "format": "int64", "minimum": -MAX_ID, "maximum": MAX_ID}
_INSTANT: Final[Json] = {**_INT, "description": "Microseconds since 1970."}


_FOUND: Final[Json] = {"place": {"anyOf": [ref("schemas", "SyncPlace"), {"type": "null"}]}}


def _place() -> Json:
    """How far a sync has come, as `turnout.sync.place` has it."""
    position = {"since": _INSTANT, "after": {**nullable(_INT), "description": "An id."}, "done": {"type": "boolean"}}
    sweep = {"began": _INSTANT, "until": _INSTANT, "positions": _by_type(closed(position, ["since"]))}
    state = {
        "source": {"type": "string", "description": "The report's address."},
        "provider": {**_INT, "description": "The provider's id there."},
        "ids": {**_by_type(_INT), "description": "The greatest id that was read, by event type."},
        "since": {**nullable(_INSTANT), "description": "From when on changes are still to be read."},
        "sweep": {"anyOf": [closed(sweep, sweep, description="Changes that are being read."), {"type": "null"}]},
    }
    place = {
        "mark": {"type": "string", "description": "Names this place."},
        "state": closed(state, ["source", "provider"], description="What was read."),
        "as_of": {
            **nullable({**_INSTANT, "minimum": 0, "maximum": LATEST}),
            "description": "The moment whose data is all here, in microseconds since 1970.",
        },
        "refused": {"type": "array", "items": _INT, "description": "Ids of rows that could not be taken."},
    }
    return closed(place, ["mark", "state"], description="How far a sync has come.")


def sync_schemas() -> dict[str, Json]:
    """The components of the operations."""
    count = {"type": "integer", "minimum": 0}
    refused = {"id": _INT, "column": {"type": "string"}, "reason": {"type": "string"}}
    listed = {"id": ID, "updated_at": _INSTANT}
    rows = {"rows": {"type": "array", "items": closed(listed, listed), "maxItems": MOST_LISTED}}
    return {
        "SyncPlace": _place(),
        "SyncPut": closed(
            {
                "created": count,
                "updated": count,
                "unchanged": count,
                "refused": {"type": "array", "items": closed(refused, refused)},
                "place": ref("schemas", "SyncPlace"),
            },
            ["created", "updated", "unchanged", "refused", "place"],
            description="What became of the rows, and the place that was saved with them.",
        ),
        "SyncRows": closed(
            {
                "rows": {
                    "type": "array",
                    "items": True,
                    "maxItems": MOST_ROWS,
                    "description": "Rows as the source has them; those that cannot be taken are told in `refused`.",
                },
                "place": ref("schemas", "SyncPlace"),
                "follows": {"type": ["string", "null"], "description": "The mark of the place before it."},
            },
            ["rows", "place"],
        ),
        "SyncListing": closed(rows, rows, description="Attendances, and when each was updated."),
    }


def _by_type(schema: Json) -> Json:
    return {"type": "object", "properties": dict.fromkeys(TYPES, schema), "additionalProperties": schema}


def sync_paths() -> Json:
    """The operations under `/ingest/v1/sync`."""
    removed = {"removed": {"type": "integer", "minimum": 0}}
    parameters = {"parameters": [PROVIDER, MODE]}
    wrong = ("conflict", "request_too_large", "unsupported_media_type")

    def operation(name: str, summary: str, answer: Json, *codes: str, body: str | None = None, **more: Any) -> Json:
        content = {"application/json": {"schema": ref("schemas", body)}} if body else {}
        return {
            **COMMON,
            "operationId": name,
            "summary": summary,
            **more,
            **({"requestBody": {"required": True, "content": content}} if body else {}),
            "responses": {
                "200": {
                    "description": "Done.",
                    "headers": with_headers(),
                    "content": {"application/json": {"schema": answer}},
                },
                **errors(*codes),
            },
        }

    return {
        "/ingest/v1/sync": {
            **parameters,
            "get": operation("getSyncPlace", "How far a sync has come", closed(_FOUND, _FOUND)),
            "post": operation(
                "addSyncedRows",
                "Bring rows of a sync, and its place",
                ref("schemas", "SyncPut"),
                "rows_rejected",
                *wrong,
                body="SyncRows",
                description="Both in one transaction, or neither: 409 where the place that is there is not the one "
                "that this one follows, or itself. Rows that cannot be taken are listed; the others are merged.",
            ),
        },
        "/ingest/v1/sync/rows": {
            **parameters,
            "get": operation(
                "listSyncedRows",
                "The ids of attendances, in their order",
                ref("schemas", "SyncListing"),
                parameters=[declared_parameter(parameter) for parameter in LISTING],
            ),
        },
        "/ingest/v1/sync/removals": {
            **parameters,
            "post": operation(
                "removeSyncedRows",
                "Remove attendances that are as they were listed",
                closed(removed, removed),
                *wrong,
                body="SyncListing",
                description="An attendance that has another `updated_at` by now stays.",
            ),
        },
    }
