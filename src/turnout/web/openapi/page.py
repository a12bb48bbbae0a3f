"""What the page needs beside the reports: its session, and saved views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.admin import ROLES
from turnout.views import LARGEST_ID, LONGEST_NAME, LONGEST_STATE
from turnout.web.openapi.parameters import EXTENSION, ID, MODE, PROVIDER
from turnout.web.openapi.responses import AUTHENTICATION, WRITING_ERRORS, error_responses, with_headers
from turnout.web.openapi.schemas import closed, nullable, ref

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]

COOKIE: Final = "turnout_session"
_INSTANT: Final[Json] = {"type": "string", "format": "date-time"}
_BODY: Final = ("parameter_invalid", "request_too_large", "unsupported_media_type")
_CREDENTIAL: Final = (*AUTHENTICATION, "permission_denied", "throttled", "server_error", "storage_unavailable")
_NAME: Final = r"^[^\s\u0000-\u001f\u007f\u0085]+$"
_TEXT: Final = r"^[^\u0000-\u001f\u007f]*$"


def page_schemas() -> dict[str, Json]:
    """The components of the operations."""
    session = {
        "providers": {"type": "array", "items": ref("schemas", "Provider"), "description": "Those that it covers."},
        "role": {"type": "string", "enum": list(ROLES)},
        "instructor_id": {**nullable(ID), "description": "Whose events alone it sees, if anybody's."},
        "expires_at": {**nullable(_INSTANT), "description": "Until when it is good; null: it does not expire."},
    }
    boolean: Json = {"type": ["boolean", "null"]}
    given = {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_NAME,
            "pattern": _NAME,
        },
        "state": {"type": "string", "maxLength": LONGEST_STATE, "pattern": _TEXT},
        "shared": {**boolean, "description": "Whether all who may read the provider's reports see it."},
        "default": {**boolean, "description": "Whether it is the owner's default: at most one is."},
    }
    view = {
        "id": {**ID, "maximum": LARGEST_ID},
        "name": {"type": "string"},
        "state": {"type": "string", "description": "The query string of the page's address."},
        "shared": {"type": "boolean"},
        "default": {"type": "boolean", "description": "Whether it is the caller's default."},
        "mine": {"type": "boolean", "description": "Whether it is the caller's own."},
        "updated_at": _INSTANT,
    }
    token = {"type": "string", "description": "A token, or a JWT."}
    code = {"type": "string", "description": "The code of a link that signs in once."}
    return {
        "Session": closed(session, session, description="What the caller may see, and until when."),
        "SignIn": {"oneOf": [closed({"token": token}, ["token"]), closed({"once": code}, ["once"])]},
        "View": closed(view, view, description="A saved view."),
        "NewView": closed(given, ["name", "state"]),
        "ViewChange": closed(
            {**given, "name": nullable(given["name"]), "state": nullable(given["state"])},
            description="What is missing or null stays as it is.",
        ),
    }


def page_paths() -> Json:
    """The operations."""
    view_id = {"name": "id", "in": "path", "required": True, "description": "The view's id.", "schema": ID}
    changing = (*WRITING_ERRORS, "not_found")
    own = ("permission_denied", "server_error")
    gone = {"204": {"description": "It is gone.", "headers": with_headers()}}
    return {
        "/page/v1/session": {
            "get": _operation("getSession", "Who is signed in", _ok("200", ref("schemas", "Session")), _CREDENTIAL),
            "post": {
                **_operation(
                    "signIn",
                    "Sign in: the answer sets a cookie that stands for the credential",
                    _ok("200", ref("schemas", "Session"), "Set-Cookie"),
                    (*_BODY, "authentication_failed", *_CREDENTIAL[2:]),
                    body="SignIn",
                ),
                "security": [],
            },
            "delete": {**_operation("signOut", "Sign out: the cookie is gone", gone, own), "security": []},
        },
        "/page/v1/views": {
            "parameters": [PROVIDER, MODE],
            "get": _operation(
                "listViews",
                "The caller's own saved views, and those that others share, by name",
                _ok("200", {"type": "array", "items": ref("schemas", "View")}),
                [code for code in WRITING_ERRORS if code != "parameter_invalid"],
            ),
            "post": _operation(
                "addView",
                "Save a view",
                _ok("201", ref("schemas", "View"), "Location"),
                (*WRITING_ERRORS, *_BODY[1:], "conflict"),
                body="NewView",
            ),
        },
        "/page/v1/views/{id}": {
            "parameters": [view_id, PROVIDER, MODE],
            "patch": _operation(
                "changeView",
                "Change a saved view",
                _ok("200", ref("schemas", "View")),
                (*changing, *_BODY[1:]),
                body="ViewChange",
            ),
            "delete": _operation("removeView", "Remove a saved view", gone, changing),
        },
    }


def _operation(name: str, summary: str, responses: Json, errors: Iterable[str], *, body: str | None = None) -> Json:
    content = {"application/json": {"schema": ref("schemas", body)}} if body else {}
    return {
        "tags": ["Page"],
        "operationId": name,
        "summary": summary,
        EXTENSION: True,
        **({"requestBody": {"required": True, "content": content}} if body else {}),
        "responses": {**responses, **error_responses(errors)},
    }


def _ok(status: str, schema: Json, *headers: str) -> Json:
    return {
        status: {
            "description": "Made." if status == "201" else "Done.",
            "headers": with_headers(*headers, required=headers),
            "content": {"application/json": {"schema": schema}},
        }
    }
