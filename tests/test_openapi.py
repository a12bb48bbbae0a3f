"""The OpenAPI document says what the catalogue says, is valid, and is shown by a page that is shipped with it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
import httpx
import jsonschema_rs
import pytest
import schemathesis
from starlette.applications import Starlette

from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED, REPORTS
from turnout.catalog.look_ups import LOOK_UP
from turnout.catalog.types import Value
from turnout.errors import ERRORS
from turnout.web.app import ROUTES
from turnout.web.docs_page import docs_routes
from turnout.web.openapi import openapi_document

SNAPSHOT = Path(__file__).parent / "snapshots" / "openapi.json"
PATH = "/api/v2/reports/attendances/data"
STATIC = files("turnout.web").joinpath("static")

DOCUMENT = openapi_document(version="0.0.0", server_url=None)
ITEM = DOCUMENT["paths"][PATH]
PARAMETERS = {parameter["name"]: parameter for parameter in ITEM["parameters"]}
GROUPED = {parameter["name"]: parameter for parameter in DOCUMENT["paths"][ATTENDANCES_GROUPED.path]["parameters"]}


def resolved(value: Any) -> Any:
    """The value with every reference replaced by what it refers to."""
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        found: Any = DOCUMENT
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return resolved(found)
    return {name: resolved(member) for name, member in value.items()}


def valid(instance: Any, schema: Any) -> bool:
    return jsonschema_rs.Draft202012Validator(resolved(schema), validate_formats=True).is_valid(instance)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    methods = {"get", "head", "post", "put", "patch", "delete"}
    return [
        (path, method, operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in methods
    ]


def test_it_is_valid_openapi_3_1():
    schemathesis.openapi.from_dict(DOCUMENT).validate()


@pytest.mark.parametrize("parameter", [one for one in LOOK_UP.parameters if one.listed], ids=lambda one: one.name)
def test_a_look_up_may_answer_with_all_that_its_filter_takes(parameter):
    """The hour after midnight as well."""
    value = DOCUMENT["components"]["schemas"][f"{LOOK_UP.type_name}Values"]["properties"]["values"]["items"]
    ends = parameter.choices or (parameter.minimum, parameter.maximum)
    assert all(valid(one, value["properties"]["value"]) for one in ends)


def test_it_has_not_changed_unseen():
    text = json.dumps(DOCUMENT, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert SNAPSHOT.read_text(encoding="utf-8") == text, "run the tests once with UPDATE_SNAPSHOTS=1"


def test_every_reference_leads_somewhere_and_every_component_is_used():
    text = json.dumps(DOCUMENT)
    referred = set(re.findall(r'"#/components/(\w+)/([^"]+)"', text))
    declared = {
        (section, name)
        for section, members in DOCUMENT["components"].items()
        if section != "securitySchemes"
        for name in members
    }
    assert referred <= declared
    assert {name for section, name in declared - referred if section == "schemas"} == set()


def test_every_route_is_documented():
    served = {(path, method) for path, methods in ROUTES.items() for method in methods if path != "/"}
    served |= {(report.path, method) for report in REPORTS for method in ("GET", "HEAD")} | {("/openapi.json", "GET")}
    assert {(path, method.upper()) for path, method, _ in operations()} == served


def test_operation_ids_are_unique_and_tags_are_declared():
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    used = {tag for _, _, operation in operations() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in DOCUMENT["tags"]}


@pytest.mark.parametrize("report", REPORTS, ids=lambda r: r.name)
def test_every_parameter_of_the_catalogue_is_there_in_its_order(report):
    documented = DOCUMENT["paths"][report.path]["parameters"]
    assert [p["name"] for p in documented if p["in"] == "query"] == [p.name for p in report.parameters]


@pytest.mark.parametrize(
    ("parameters", "declared"),
    [*((PARAMETERS, p) for p in ATTENDANCES.parameters), *((GROUPED, p) for p in ATTENDANCES_GROUPED.parameters)],
    ids=lambda one: "" if isinstance(one, dict) else one.name,
)
def test_a_parameter_says_what_the_catalogue_says(parameters, declared):
    documented = parameters[declared.name]
    assert documented["required"] is declared.needed
    schema = documented["schema"]
    assert documented.get("x-turnout-extension", False) is declared.extension
    assert ("extension" in documented["description"].lower()) is declared.extension
    assert declared.help in documented["description"]
    assert (schema.get("type") == "array") is declared.is_list
    if declared.is_list:
        assert documented["style"] == "form"
        assert documented["explode"] is True
        assert schema["maxItems"] == 1000
    values = schema["items"] if declared.is_list else schema
    if declared.choices:
        assert values["enum"] == list(declared.choices)
    if declared.value is Value.INTEGER:
        assert (values["minimum"], values["maximum"]) == (declared.minimum, declared.maximum)


def test_defaults_are_the_published_ones():
    found = {name: p["schema"]["default"] for name, p in PARAMETERS.items() if "default" in p["schema"]}
    assert found == {
        "include_future": False,
        "limit": 50,
        "offset": 0,
        "csv_header": "label",
        "csv_escape": True,
        "bom": False,
    }


def test_columns_are_listed_as_published():
    published = """
        id updated_at customer_id customer.id customer customer_name customer.name customer_email customer.email
        customer_thumbnail_url customer.thumbnail_url event_id event.id event event_starts_at event.starts_at
        event_ends_at event.ends_at event_name event.name offering_type_id offering_type.id offering_type
        offering_type_name offering_type.name venue_id venue.id venue venue_name venue.name instructors
        booking_method customer_membership_id customer_membership.id customer_membership membership_id
        customer_membership.membership.id customer_membership.membership membership_name
        customer_membership.membership.name booking_source status checkin_ocurred_at checkin.ocurred_at checkin
        is_first_attendance
    """.split()
    extensions = ["event_type", "event.type", "booking_source_id"]
    documented = PARAMETERS["columns"]["schema"]["items"]["enum"]
    assert [name for name in documented if name not in extensions] == published
    assert set(documented) == set(ATTENDANCES.by_name)


def test_sort_offers_every_name_of_every_sortable_column_both_ways():
    documented = PARAMETERS["sort"]["schema"]["items"]["enum"]
    expected = {name for column in ATTENDANCES.columns if column.sortable for name in (column.key, column.other_name)}
    assert set(documented) == {sign + name for name in expected - {None} for sign in ("", "-")}
    assert len(set(documented)) == len(documented)


@pytest.mark.parametrize(
    ("parameter", "accepted", "refused"),
    [
        ("event_start_gte", ["2026-10-05T17:30:00Z", "2026-10-05T17:30:00+02:00", "2026-10-05"], ["yesterday", 5]),
        (
            "event_timeframe",
            [
                "last_7_days",
                "last_1_day_incl",
                "2026",
                "2026-Q3",
                "2026-W41",
                "week_to_date",
                "..",
            ],
            ["last_0_days", "last_1000_days", "2026-Q5", "fortnight"],
        ),
        (
            "event_timeframe",
            [
                "2026-10-05",
                "2026-10-01..2026-10-05",
                "..2026-10-05",
                "2026-10-05..",
                "all_time",
            ],
            ["2026-10-01...2026-10-05", ""],
        ),
        ("booking_sources", [[7, "none"], ["none"], []], [["web"], [-1], [2**63]]),
        ("customers", [[1, 2**63 - 1]], [["none"], [2**63]]),
        ("limit", [0, 100], [101, -1, "ten"]),
        ("page", [1], [0]),
    ],
)
def test_the_schema_of_a_value_is_truthful(parameter, accepted, refused):
    schema = PARAMETERS[parameter]["schema"]
    assert [value for value in accepted if not valid(value, schema)] == []
    assert [value for value in refused if valid(value, schema)] == []


def test_every_example_is_valid():
    checked = 0
    for parameter in PARAMETERS.values():
        for example in parameter.get("examples", {}).values():
            assert valid(example["value"], parameter["schema"]), parameter["name"]
            checked += 1
    for path, method, operation in operations():
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                for example in resolved(content.get("examples", {})).values():
                    assert valid(example["value"], content["schema"]), (path, method)
                    checked += 1
    assert checked > 20


def row_schema() -> dict[str, Any]:
    return resolved(DOCUMENT["components"]["schemas"]["AttendancesRow"])


@pytest.mark.parametrize("column", ATTENDANCES.columns, ids=lambda c: c.key)
def test_a_row_has_every_column_at_its_place(column):
    schema = row_schema()
    for member in column.path:
        assert schema["additionalProperties"] is False
        schema = schema["properties"][member]
    assert column.help in schema["description"]
    assert schema.get("x-turnout-extension", False) is column.extension
    assert set(column.choices) <= set(schema.get("enum", column.choices))


def test_nullability_is_as_the_rows_have_it():
    full = {
        "id": 1,
        "updated_at": "2026-10-05T17:30:00Z",
        "customer": {"id": 1, "name": None, "email": None, "thumbnail_url": None},
        "event": {"id": 1, "starts_at": "2026-10-05T17:30:00Z", "ends_at": None, "name": None},
        "offering_type": None,
        "venue": {"id": 3, "name": None},
        "instructors": [{"id": 4, "name": "Mara"}],
        "booking_method": None,
        "customer_membership": {"id": 5, "membership": None},
        "booking_source": None,
        "status": "attended",
        "checkin": None,
        "is_first_attendance": False,
    }
    schema = row_schema()
    assert valid(full, schema)
    assert valid({"customer": {"id": 1}}, schema)
    faults = [
        {**full, "more": 1},
        {**full, "id": None},
        {**full, "status": None},
        {**full, "status": "came"},
        {**full, "venue": {"id": None, "name": "Hall"}},
        {**full, "checkin": {"ocurred_at": None}},
        {**full, "instructors": None},
        {**full, "customer": None},
        {key: value for key, value in full.items() if key != "customer"},
    ]
    assert [fault for fault in faults if valid(fault, schema)] == []


@pytest.mark.parametrize("column", ATTENDANCES_GROUPED.columns, ids=lambda c: c.key)
def test_a_group_has_every_column_at_its_place(column):
    schema = resolved(DOCUMENT["components"]["schemas"]["AttendancesGroupedRow"])
    for member in column.path:
        assert schema["additionalProperties"] is False
        schema = schema["properties"][member]
    assert column.help in schema["description"]
    assert set(column.choices) <= set(schema.get("enum", column.choices))


def test_groups_and_their_periods_are_as_documented():
    schema = DOCUMENT["components"]["schemas"]["AttendancesGroupedRow"]
    full = {
        "customer": {"id": 1, "name": None},
        "day_of_week": "monday",
        "event": {"start_time": "18:30"},
        "venue": None,
        "booking_source": None,
        "count": 3,
        "count_by_period": {"2026-09": 0, "2026-10": 3},
    }
    assert valid(full, schema)
    assert valid({"count": 3, "count_by_period": {"2026": 3}}, schema)
    assert valid({"status": "attended", "count_by_period": {"2026-W41": 3, "2026-10-04": 1}}, schema)
    faults = [
        {**full, "id": 1},
        {**full, "day_of_week": None},
        {**full, "day_of_week": "Monday"},
        {**full, "event": None},
        {**full, "event": {"start_time": "24:00"}},
        {**full, "count": 0},
        {**full, "count_by_period": {"Oct 2026": 3}},
        {**full, "count_by_period": {"2026-10": None}},
    ]
    assert [fault for fault in faults if valid(fault, schema)] == []
    header = DOCUMENT["components"]["schemas"]["AttendancesGroupedColumnHeader"]
    named = {"label": "Oct 2026", "key": "count_by_period.2026-10", "sortable": True}
    assert valid({**named, "holds_customer_id": False, "required": False}, header)
    assert not valid({**named, "key": "count_by_period.x", "holds_customer_id": False, "required": False}, header)


def test_groups_can_be_sorted_on_columns_and_periods():
    sort = GROUPED["sort"]["schema"]
    for good in (
        "count",
        "-count",
        "day_of_week",
        "-event_start_time",
        "count_by_period.2026-10",
        "-count_by_period.2026",
    ):
        assert valid([good], sort), good
    for bad in ("id", "--count", "count_by_period.", "count_by_period.2026-13", "venue"):
        assert not valid([bad], sort), bad


def test_every_error_of_a_report_has_its_status_and_the_common_form():
    for code in ("parameter_invalid", "not_authenticated", "provider_invalid", "throttled", "query_timeout"):
        response = ITEM["get"]["responses"][str(ERRORS[code].status)]
        content = response["content"]["application/json"]
        example = resolved(content["examples"][code])["value"]
        assert example["code"] == code
        assert not valid({**example, "code": "conflict"}, content["schema"])
        assert not valid({**example, "more": 1}, content["schema"])


def test_the_server_is_named_where_it_is_known():
    assert DOCUMENT["servers"][0]["url"] == "/"
    named = openapi_document(version="1", server_url="https://reports.example.com")
    assert named["servers"][0]["url"] == "https://reports.example.com"


class Page:
    """The routes of the page, asked without a network."""

    def __init__(self) -> None:
        self.app = Starlette(routes=docs_routes(version="0.0.0"))

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://turnout.test") as client:
                return await client.get(path, headers=headers)

        return anyio.run(ask)


@pytest.fixture(scope="module")
def page():
    return Page()


def test_the_document_is_served(page):
    answer = page.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT
    again = page.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_loads_only_what_is_shipped_and_is_kept_for_good(page):
    answer = page.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    addresses = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert "openapi.json" in addresses
    assets = sorted(set(addresses) - {"openapi.json"})
    assert len(assets) == 5
    for address in assets:
        assert re.fullmatch(r"docs/[\w-]+\.[0-9a-f]{16}\.(js|css|svg)", address)
        asset = page.get("/" + address)
        assert asset.status_code == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert asset.headers["x-content-type-options"] == "nosniff"
        assert hashlib.sha256(asset.content).hexdigest().startswith(address.split(".")[-2])


def test_the_page_allows_no_inline_script_and_has_none(page):
    answer = page.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", answer.text) == []


def test_assets_are_packed_where_the_client_takes_it(page):
    address = re.search(r"docs/swagger-ui-bundle[^\"]+", page.get("/docs").text)[0]
    packed = page.get("/" + address, headers={"Accept-Encoding": "gzip"})
    plain = page.get("/" + address, headers={"Accept-Encoding": "identity"})
    refused = page.get("/" + address, headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert packed.content == plain.content
    assert packed.headers["etag"] == "W/" + plain.headers["etag"]
    assert "content-encoding" not in refused.headers


def test_a_slash_after_the_page_leads_back_to_it(page):
    answer = page.get("/docs/")
    assert (answer.status_code, answer.headers["location"]) == (308, "../docs")


def test_the_files_of_others_are_unchanged_and_named():
    notes = STATIC.joinpath("THIRD_PARTY.md").read_text(encoding="utf-8")
    listed = dict(reversed(line.split("  ")) for line in notes.splitlines() if re.match(r"[0-9a-f]{64}  ", line))
    shipped = {f"swagger-ui/{file.name}" for file in STATIC.joinpath("swagger-ui").iterdir()}
    assert set(listed) == shipped
    for name, checksum in listed.items():
        assert hashlib.sha256(STATIC.joinpath(*name.split("/")).read_bytes()).hexdigest() == checksum


@pytest.mark.parametrize("name", ["docs.html", "docs.js", "docs.css"])
def test_our_own_files_fetch_nothing_from_elsewhere(name):
    text = STATIC.joinpath(name).read_text(encoding="utf-8")
    assert re.findall(r"https?://|//[\w-]+\.\w+", text) == []


BROWSER = """
globalThis.window = { matchMedia: () => ({ matches: false, addEventListener() {} }) };
globalThis.document = {
  baseURI: "http://turnout.test/behind/a/proxy/docs",
  documentElement: { classList: { toggle() {} } },
};
globalThis.fetch = async () => ({ ok: true, json: async () => JSON.parse(require("fs").readFileSync(0)) });
globalThis.SwaggerUIBundle = (options) => process.stdout.write(JSON.stringify(options.spec));
SwaggerUIBundle.presets = { apis: [] };
"""


def test_the_page_sends_nothing_that_nobody_chose():
    """Swagger UI fills defaults and examples in; the page's own script takes them out, and says them in words."""
    script = BROWSER + STATIC.joinpath("docs.js").read_text(encoding="utf-8")
    done = subprocess.run(
        ["node", "--eval", script], input=json.dumps(DOCUMENT).encode(), capture_output=True, check=True, timeout=60
    )
    shown = json.loads(done.stdout)
    assert shown["servers"] == [{"url": "/behind/a/proxy", "description": "This server"}]
    parameters = {parameter["name"]: parameter for parameter in shown["paths"][PATH]["parameters"]}
    assert set(parameters) == set(PARAMETERS)
    for parameter in parameters.values():
        assert not {"example", "examples", "allowEmptyValue"} & set(parameter)
        assert "default" not in parameter["schema"]
    assert parameters["limit"]["description"].endswith("Default: `50`.")
    assert parameters["columns"]["description"].endswith("Example: `id,customer.name,status`.")
    assert "date-time-local" in parameters["event_start_gte"]["description"]
