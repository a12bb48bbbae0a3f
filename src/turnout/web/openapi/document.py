"""The document itself: what it says in words, and the parts put together."""

from __future__ import annotations

from typing import Any, Final

from turnout.catalog.attendances import REPORTS
from turnout.query.timeframe import GRAMMAR
from turnout.web.openapi.administration import administration_paths, administration_schemas
from turnout.web.openapi.exports import export_paths, export_schemas
from turnout.web.openapi.ingest import ingest_paths, ingest_schemas
from turnout.web.openapi.look_ups import look_up_paths, look_up_schemas
from turnout.web.openapi.operating import operating_paths
from turnout.web.openapi.page import COOKIE, page_paths, page_schemas
from turnout.web.openapi.persons import person_paths, person_schemas
from turnout.web.openapi.reports import report_path
from turnout.web.openapi.responses import error_examples, headers
from turnout.web.openapi.schemas import error_schema, report_schemas
from turnout.web.openapi.sync import sync_paths, sync_schemas

Json = dict[str, Any]

_DESCRIPTION: Final = """\
**Authentication.** `Authorization: Token T`, `Bearer T` or `JWT T`, where T is a token made by `turnout token create`,
or a signed JWT; or the cookie of the page's session. A token that covers several providers chooses one with
`TeamUp-Provider-ID`.

**Lists.** A parameter that is a list may be repeated (`status=attended&status=no_show`), separated by commas
(`status=attended,no_show`) or written with brackets (`status[]=attended`), also mixed. Its values are alternatives;
different parameters narrow. A parameter without a value is as if absent.

**Times.** Date-times are RFC 3339. Without an offset they are local to the provider; a date alone is a whole local day.

**Timeframes** are read in the provider's calendar. Upper case is understood, and `-` or a blank for `_`; the answer's
`X-Timeframe` header says what it came to.

{forms}

**Unknown parameters are errors**, because a filter that is silently ignored gives a wrong report.
`Prefer: handling=lenient` ignores them instead.

**Paging.** Follow `rel="next"` of the `Link` header until there is none: page 10,000 costs what page 2 costs, and rows
that arrive meanwhile neither repeat nor hide others.

**Errors** have one form on every path. All faults of a request are reported together, each under its parameter's name.

**Extensions** of the published API are marked with `x-turnout-extension`.
"""


def openapi_document(*, version: str, server_url: str | None) -> Json:
    """The OpenAPI 3.1 document of this server. Without `server_url` it describes the server that it came from."""
    schemas: Json = {}
    paths: Json = {}
    for report in REPORTS:
        schemas |= report_schemas(report)
        paths[report.path] = report_path(report)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Turnout",
            "summary": "Attendance reports of classes and appointments.",
            "version": version,
            "description": _DESCRIPTION.format(forms=_forms()),
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server_url or "/", "description": "This server"}],
        "tags": [
            {"name": "Reports", "description": "Rows and totals."},
            {"name": "Exports", "description": "Whole reports as files, made by jobs."},
            {"name": "Ingest", "description": "Rows in; needs a token of role `super_admin`."},
            {"name": "Administration", "description": "Providers and tokens; needs a token of role `super_admin`."},
            {"name": "Persons", "description": "Customers as persons; needs a token of role `super_admin`."},
            {"name": "Page", "description": "What the page in a browser needs beside the reports."},
            {"name": "Operating", "description": "For monitors and tools; open to everyone who reaches the server."},
        ],
        "security": [{"bearer": []}, {"token": []}, {"jwt": []}, {"session": []}],
        "paths": {
            **paths,
            **look_up_paths(),
            **export_paths(),
            **ingest_paths(),
            **sync_paths(),
            **administration_paths(),
            **person_paths(),
            **page_paths(),
            **operating_paths(),
        },
        "components": {
            "schemas": {
                **schemas,
                **look_up_schemas(),
                **export_schemas(),
                **ingest_schemas(),
                **sync_schemas(),
                **administration_schemas(),
                **person_schemas(),
                **page_schemas(),
                "Error": error_schema(),
            },
            "headers": headers(),
            "examples": error_examples(),
            "securitySchemes": _security_schemes(),
        },
    }


def _forms() -> str:
    """The forms of a timeframe, one a line."""
    listed = ((", ".join(f"`{part}`" for part in form.notation.split(", ")), form.meaning) for form in GRAMMAR)
    return "\n".join(f"- {notation}: {meaning}" for notation, meaning in listed)


def _security_schemes() -> Json:
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token made by `turnout token create`, sent as `Bearer T`.",
        },
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The same token, sent as `Token T`: write the word `Token`, a blank, and the token.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": f"The session of the page; behind TLS, its name is `__Host-{COOKIE}`. It is looked at where "
            "there is no `Authorization`, and changes something from a page of this server alone.",
        },
        "jwt": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A JWT with the claims `exp`, `providers` and `role`, signed with a key that the server is "
            "configured for. `JWT T` is understood as well.",
        },
    }
