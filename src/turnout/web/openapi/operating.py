"""What monitors and tools ask; open to everyone who reaches the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnout.web.openapi.responses import error_responses, with_headers
from turnout.web.openapi.schemas import closed

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]


def operating_paths() -> Json:
    """The operations that need no credential."""
    return {
        "/live": {"get": _operation("getLive", "Whether the process answers", _json(_status("live")))},
        "/ready": {
            "get": _operation(
                "getReady", "Whether reports can be answered", _json(_status("ready")), ["storage_unavailable"]
            )
        },
        "/metrics": {
            "get": _operation(
                "getMetrics",
                "Counters and timings, for Prometheus",
                {"text/plain": {"schema": {"type": "string"}}},
                ["not_found"],
            )
        },
        "/openapi.json": {"get": _operation("getOpenapi", "This document", _json({"type": "object"}))},
    }


def _operation(name: str, summary: str, content: Json, errors: Iterable[str] = ()) -> Json:
    return {
        "tags": ["Operating"],
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {
            "200": {"description": "It is so.", "headers": with_headers(), "content": content},
            **error_responses((*errors, "server_error")),
        },
    }


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _status(word: str) -> Json:
    return closed({"status": {"type": "string", "const": word}}, ["status"])
