"""The operations on customers as persons, as `turnout.persons` answers them (contract sections 5, 6 and 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.attendances import ATTENDANCES
from turnout.persons import MOST_AT_ONCE
from turnout.store.schema import PERSON
from turnout.web.openapi.parameters import EXTENSION, ID, MODE, PROVIDER
from turnout.web.openapi.responses import WRITING_ERRORS, error_responses, with_headers
from turnout.web.openapi.schemas import closed, nullable, ref

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]

_INSTANT: Final[Json] = {"type": "string", "format": "date-time"}
_COUNT: Final[Json] = {"type": "integer", "format": "int64", "minimum": 0}
_CUSTOMER: Final[Json] = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The customer's id.",
    "schema": ID,
}


def person_schemas() -> dict[str, Json]:
    """The components of the operations."""
    receipt = {
        "provider": ID,
        "customer": ID,
        "erased_at": _INSTANT,
        "erased_by": {"type": "string", "description": "`owner`, `token 3` or `jwt`."},
        "attendances": {**_COUNT, "description": "How many showed the customer then."},
    }
    customers = {
        "type": "array",
        "items": ID,
        "minItems": 1,
        "maxItems": MOST_AT_ONCE,
        "description": "Several at once take hardly longer than one.",
    }
    retained = {
        "provider": ID,
        "before": {**nullable(_INSTANT), "description": "Events before it are too old; null: none are."},
        "attendances": {**_COUNT, "description": "How many have forgotten their customer."},
    }
    return {
        "Erasure": closed(receipt, receipt, description="A receipt: nothing in it is of what was erased."),
        "NewErasure": closed(
            {
                "customers": customers,
                "dry_run": {"type": "boolean", "default": False, "description": "Tell, and change nothing."},
            },
            ["customers"],
        ),
        "CustomerExport": _export(),
        "Retained": closed(retained, retained, description="What retention did."),
    }


def _export() -> Json:
    fact = closed(
        {
            "value": {"type": ["string", "null"]},
            "said_at": {**nullable(_INSTANT), "description": "null: nobody said it."},
            "said_by_attendance": nullable(ID),
        },
        ["value", "said_at", "said_by_attendance"],
    )
    facts = {"id": ID, **{member.path.rpartition(".")[2]: fact for member in PERSON.members}}
    members = {
        "provider": closed({"id": ID, "name": {"type": "string"}}, ["id", "name"]),
        "exported_at": _INSTANT,
        "customer": closed(facts, facts),
        "erased": {"anyOf": [ref("schemas", "Erasure"), {"type": "null"}]},
        "total": _COUNT,
        "attendances": {
            "type": "array",
            "description": "As the report has them, with every column; the newest event first.",
            "items": ref("schemas", f"{ATTENDANCES.type_name}Row"),
        },
    }
    return closed(members, members, description="All that is stored of a customer.")


def person_paths() -> Json:
    """The operations."""
    receipts = {"type": "array", "items": ref("schemas", "Erasure")}
    body = {"required": True, "content": {"application/json": {"schema": ref("schemas", "NewErasure")}}}
    return {
        "/admin/v1/customers/{id}": {
            "parameters": [_CUSTOMER, PROVIDER, MODE],
            "get": _operation(
                "exportCustomer",
                "All that is stored of a customer",
                _ok(ref("schemas", "CustomerExport")),
                ("not_found", "query_timeout"),
            ),
        },
        "/admin/v1/erasures": {
            "parameters": [PROVIDER, MODE],
            "get": _operation("listErasures", "The receipts of erased customers", _ok(receipts)),
            "post": _operation(
                "eraseCustomers",
                "Erase customers",
                _ok(receipts),
                ("not_found", "request_too_large", "unsupported_media_type"),
                requestBody=body,
                description="All or none. Attendances and counts stay. 200 means that nothing of the customers is left "
                "in the store's files; who was erased before is told of as then.",
            ),
        },
        "/admin/v1/erasures/{id}": {
            "parameters": [_CUSTOMER, PROVIDER, MODE],
            "delete": _operation(
                "restoreCustomer",
                "Let rows that come from now on say again who an erased customer is",
                {"204": {"description": "They may.", "headers": with_headers()}},
                ("not_found",),
            ),
        },
        "/admin/v1/retention": {
            "parameters": [PROVIDER, MODE],
            "post": _operation("retain", "Let old attendances forget their customers", _ok(ref("schemas", "Retained"))),
        },
    }


def _operation(name: str, summary: str, responses: Json, errors: Iterable[str] = (), **more: Any) -> Json:
    return {
        "tags": ["Persons"],
        "operationId": name,
        "summary": summary,
        EXTENSION: True,
        **more,
        "responses": {**responses, **error_responses((*errors, *WRITING_ERRORS))},
    }


def _ok(schema: Json) -> Json:
    content = {"application/json": {"schema": schema}}
    return {"200": {"description": "Done.", "headers": with_headers(), "content": content}}
