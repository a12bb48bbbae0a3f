"""The administration of providers and tokens, as `turnout.admin` answers it (contract sections 3, 6 and 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.admin import INSTRUCTOR, ROLES
from turnout.catalog.types import WEEK_DAYS
from turnout.web.openapi.parameters import EXTENSION, ID, ZONE
from turnout.web.openapi.responses import AUTHENTICATION, error_responses, with_headers
from turnout.web.openapi.schemas import closed, nullable, ref

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]

_ERRORS: Final = (*AUTHENTICATION, "permission_denied", "throttled", "server_error", "storage_unavailable")
_LONGEST_LIFE: Final = 1000 * 366 * 86_400

_INSTANT: Final[Json] = {"type": "string", "format": "date-time"}
_NAME: Final[Json] = {"type": "string", "minLength": 1, "pattern": r"[^\s\u001c-\u001f\u0085]"}
_WEEK_START: Final[Json] = {"type": "string", "enum": list(WEEK_DAYS), "description": "The first day of its week."}


def administration_schemas() -> dict[str, Json]:
    """The components of the administration."""
    provider = {
        "id": ID,
        "name": {"type": "string"},
        "timezone": {**ZONE, "description": "The zone of its local times (IANA)."},
        "week_start": _WEEK_START,
    }
    return {
        "Provider": closed(provider, provider, description="One business."),
        "NewProvider": closed(
            {**provider, "name": _NAME, "week_start": {**nullable(_WEEK_START), "default": WEEK_DAYS[0]}},
            ["id", "name", "timezone"],
        ),
        "ProviderChange": closed(
            {
                "name": nullable(_NAME),
                "timezone": {"anyOf": [ZONE, {"type": "null"}]},
                "week_start": nullable(_WEEK_START),
            },
            description="What is missing or null stays as it is.",
        ),
        **_token_schemas(),
        **_server_schemas(),
    }


def _token_schemas() -> dict[str, Json]:
    providers = {"type": "array", "items": ID, "minItems": 1, "description": "The providers that it covers."}
    role = {"type": "string", "enum": list(ROLES)}
    token = {
        "id": ID,
        "hint": {"type": "string", "description": "The token's last characters."},
        "providers": providers,
        "role": role,
        "instructor_id": {**nullable(ID), "description": f"Whose events it sees, with the role `{INSTRUCTOR}`."},
        "created_at": _INSTANT,
        "expires_at": {**nullable(_INSTANT), "description": "null: it does not expire."},
        "revoked_at": {**nullable(_INSTANT), "description": "null: it was not revoked."},
    }
    lifetime = {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": _LONGEST_LIFE, "description": "Seconds."},
            {"type": "string", "pattern": "^[1-9][0-9]{0,3}[smhdw]$", "examples": ["90d"]},
            {"type": "null"},
        ],
        "description": "How long it lives; for ever unless given.",
    }
    others = [name for name in ROLES if name != INSTRUCTOR]
    return {
        "Token": closed(token, token, description="A token, without its text, which is stored nowhere."),
        "CreatedToken": closed(
            {**token, "token": {"type": "string", "description": "What clients send. It is shown this once."}},
            [*token, "token"],
        ),
        "NewToken": {
            "oneOf": [
                closed(
                    {
                        "providers": providers,
                        "role": {**nullable({**role, "enum": others}), "default": "attendances"},
                        "instructor_id": {"type": "null"},
                        "expires_in": lifetime,
                    },
                    ["providers"],
                    title="All rows of its providers",
                ),
                closed(
                    {
                        "providers": providers,
                        "role": {"type": "string", "const": INSTRUCTOR},
                        "instructor_id": ID,
                        "expires_in": lifetime,
                    },
                    ["providers", "role", "instructor_id"],
                    title="The rows of one instructor's events",
                ),
            ]
        },
    }


def _server_schemas() -> dict[str, Json]:
    count = {"type": "integer", "minimum": 0}
    text = {"type": "string"}
    store = {
        "engine": text,
        "version": text,
        "location": text,
        "size": {**count, "description": "Bytes."},
        "schema_version": count,
        "attendances": count,
        "providers": count,
        "tail": {**count, "description": "Attendances that are not in order; see docs/operating.md."},
        "free": {**count, "description": "Bytes of the file that hold nothing."},
        "rebuilt_at": {**nullable(_INSTANT), "description": "When all of it was last put in order; null: never."},
        "retained_at": {**nullable(_INSTANT), "description": "When retention was last carried out for every provider."},
        "kept": {
            "type": "array",
            "items": text,
            "description": "Files beside the store that hold older states of it, with all persons of then.",
        },
    }
    exports = {
        "queued": count,
        "running": count,
        "oldest_queued_at": {
            **nullable(_INSTANT),
            "description": "Since when the first of them waits; null: none does.",
        },
        "files_size": {**count, "description": "Bytes."},
        "directory": {**text, "description": "Where the files are."},
    }
    status = {
        "version": text,
        "uptime": {"type": "number", "minimum": 0, "description": "Seconds."},
        "providers": {**count, "description": "How many the token covers."},
        "settings": {
            "type": ["object", "null"],
            "description": "Without secrets; null unless all providers are covered.",
        },
        "jwt_keys": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "How many keys of the key set can check JWTs; null where no key set is configured.",
        },
        "store": {**closed(store, store), "type": ["object", "null"]},
        "exports": {**closed(exports, exports), "type": ["object", "null"]},
        "faults": {"type": "array", "items": text},
    }
    return {
        "Status": closed(status, status, description="What `turnout doctor` shows."),
        "Owner": closed(
            {"pid": count, "command": text}, ["pid", "command"], description="The process that owns the store."
        ),
    }


def administration_paths() -> Json:
    """The operations under `/admin/v1`."""
    return {
        "/admin/v1/providers": {
            "get": _operation("listProviders", "The providers that the token covers", _ok(_list_of("Provider"))),
            "post": _change("addProvider", "Add a provider", "NewProvider", "201", "Provider", "conflict"),
        },
        "/admin/v1/providers/{id}": {
            "parameters": [_path_id("provider")],
            "patch": _change(
                "changeProvider",
                "Change a provider's name, time zone or week",
                "ProviderChange",
                "200",
                "Provider",
                "not_found",
            ),
        },
        "/admin/v1/tokens": {
            "get": _operation("listTokens", "The tokens, without their texts", _ok(_list_of("Token"))),
            "post": _change("createToken", "Make a token", "NewToken", "201", "CreatedToken"),
        },
        "/admin/v1/tokens/{id}": {
            "parameters": [_path_id("token")],
            "delete": _operation(
                "revokeToken",
                "Revoke a token: it is refused from the next request on",
                {"204": {"description": "It is revoked.", "headers": with_headers()}},
                ("not_found",),
            ),
        },
        "/admin/v1/status": {"get": _operation("getStatus", "How the server is", _ok(ref("schemas", "Status")))},
        "/admin/v1/owner": {"get": _operation("getOwner", "Who owns the store", _ok(ref("schemas", "Owner")))},
        "/admin/v1/backup": {"get": _operation("getBackup", "A copy of the store, as of one moment", _copy())},
    }


def _copy() -> Json:
    media_type = "application/vnd.duckdb"
    return {
        "200": {
            "description": "The store's file. For tokens that cover every provider.",
            "headers": with_headers(),
            "content": {media_type: {"schema": {"type": "string", "contentMediaType": media_type}}},
        }
    }


def _operation(
    name: str, summary: str, responses: Json, errors: Iterable[str] = (), *, body: str | None = None
) -> Json:
    content = {"application/json": {"schema": ref("schemas", body)}} if body else {}
    return {
        "tags": ["Administration"],
        "operationId": name,
        "summary": summary,
        EXTENSION: True,
        **({"requestBody": {"required": True, "content": content}} if body else {}),
        "responses": {**responses, **error_responses((*errors, *_ERRORS))},
    }


def _change(name: str, summary: str, body: str, status: str, answer: str, *errors: str) -> Json:
    """An operation that takes one component, and answers with another."""
    wrong = ("parameter_invalid", "request_too_large", "unsupported_media_type", "provider_invalid", *errors)
    return _operation(name, summary, _ok(ref("schemas", answer), status), wrong, body=body)


def _ok(schema: Json, status: str = "200") -> Json:
    made = ("Location",) if status == "201" else ()
    return {
        status: {
            "description": "Made." if made else "Done.",
            "headers": with_headers(*made, required=made),
            "content": {"application/json": {"schema": schema}},
        }
    }


def _list_of(name: str) -> Json:
    return {"type": "array", "items": ref("schemas", name)}


def _path_id(what: str) -> Json:
    return {"name": "id", "in": "path", "required": True, "description": f"The {what}'s id.", "schema": ID}
