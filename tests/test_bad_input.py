"""Bad input: the exact status, code and names of faults for each of many wrong requests (sections 2, 3, 4 and 9)."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st

from live import GROUPED, REPORT, Answer, parsed, raw
from turnout.catalog.attendances import REPORTS
from turnout.catalog.look_ups import LOOK_UP

if TYPE_CHECKING:
    from turnout.catalog.types import Report
    from worlds import Studio

INVALID = (400, "parameter_invalid")
NON_FIELD = "non_field_errors"
TOO_LARGE = 2**63


@dataclass(frozen=True)
class Wrong:
    """One wrong request and what has to come back. `texts` must occur in the faults of the names that they stand by."""

    query: str
    fields: tuple[str, ...] = ()
    status: int = 400
    code: str = "parameter_invalid"
    texts: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    path: str = REPORT
    token: str = "one"

    def __str__(self) -> str:
        named = self.path.removeprefix(REPORT) + "?" + self.query if self.query else self.path
        extra = " ".join(f"{name}={value}" for name, value in self.headers.items())
        return f"{self.method} {named[-70:]} {extra} {self.token}".encode("unicode_escape").decode()


def wrong(query: str, *names: str, **texts: str) -> Wrong:
    """A query with faults under exactly these names; `name="text"` wants the text in that name's faults as well."""
    return Wrong(query, tuple(dict.fromkeys((*names, *texts))), texts=tuple(texts.items()))


def each(name: str, *values: str) -> list[Wrong]:
    """The same parameter with one wrong value after the other."""
    return [wrong(f"{name}={value}", name) for value in values]


COLUMNS = [
    *each("columns", "foo", "Id", "ID", "-id", "id;status", "id%20status", "customer.id.name", "event.*", "*", "."),
    *each(
        "columns",
        "%00",
        "id%00",
        "%ff",
        "id%ff",
        "%C3%28",
        "%ED%A0%80",
        "Customer%20ID",
        "status[]",
        "count",
        "x" * 5000,
    ),
    wrong("columns=customer.names", columns="'customer.name'"),
    wrong("columns=custmer.name", columns="Did you mean 'customer.name'?"),
    wrong("columns=id,foo,status,bar", columns="bar"),
    wrong("columns[]=foo", "columns"),
    wrong("columns=id&columns[]=foo", "columns"),
    wrong("columns%5B%5D=foo", "columns"),
    wrong("columns=" + ",".join(["id"] * 1001), "columns"),
]
SORT = [
    *each("sort", "foo", "-foo", "--id", "-", "%2Bid", "ID", "id%20desc", "id:desc", "id.asc", "count", "%ff", "%00"),
    wrong("sort=custmer.name", sort="Did you mean 'customer.name'?"),
    wrong("sort=-event_start_at", sort="event_starts_at"),
    wrong("sort=customer", sort="customer.name"),
    wrong("sort=-event", sort="event.starts_at"),
    wrong("sort=customer_membership.membership", sort="customer_membership.membership.name"),
    wrong("sort=instructors", sort="event.starts_at"),
    wrong("sort=-customer.thumbnail_url", sort="customer.name"),
    wrong("sort=customer_thumbnail_url", sort="customer.email"),
    wrong("sort=id,id", "sort"),
    wrong("sort=id,-id", "sort"),
    wrong("sort=id&sort=id", "sort"),
    wrong("sort=customer_id,status,-customer.id", "sort"),
]
CHOICES = [
    *each(
        "status", "done", "Attended", "ATTENDED", "no-show", "none", "null", "attended;no_show", "%FF", "attended,foo"
    ),
    *each("attendance_status", "foo", "checked_in"),
    *each("booking_methods", "drop-in", "none", "Free", "membership%00"),
    *each("event_types", "classes", "Class", "course"),
    *each("days_of_week", "mon", "Monday", "1", "weekend", "none", "monday;sunday", "monday,foo", "%ff"),
    wrong("days_of_week=tusday", days_of_week="Did you mean 'tuesday'?"),
    wrong("day_of_week=monday", day_of_week="Did you mean 'days_of_week'?"),
    *each("csv_header", "labels", "KEY", "none"),
    *each("format", "xml", "JSON", "xlsx", "csv,json", "text/csv", "%ff"),
    wrong("status=atended", status="attended"),
    wrong("status[]=foo", "status"),
    wrong("status=attended&status=foo", "status"),
    wrong("format=json&csv_header=labels", "csv_header"),
    wrong("format=csv&format=json", "format"),
]
IDS = [
    *each("start_hours", "25", "-1", "18:00", "6pm", "none", "1.5", "0x1", "18,24", "18-20", "%D9%A3"),
    wrong("start_hours=24", start_hours="the most is 23"),
    wrong("start_hour=6", start_hour="Did you mean 'start_hours'?"),
    *each(
        "customers",
        "abc",
        "-1",
        "1.0",
        "1e3",
        "0x10",
        "1_000",
        "%2B1",
        "none",
        "null",
        "true",
        "1%202",
        "1;2",
        "%FF",
        "%00",
    ),
    *each(
        "customers",
        str(TOO_LARGE),
        "9" * 400,
        "%EF%BC%91",
        "%D9%A3",
        "%C2%B2",
        "%E2%91%A0",
        "1,2,x",
        "-0",
        "%E2%88%921",
    ),
    *each("customer_memberships", "x", str(TOO_LARGE)),
    *each("memberships", "1.5"),
    *each("offering_types", "Yoga", "none"),
    *each("venues", "none", "1-2"),
    *each("booking_sources", "abc", "None", "-1", "1.5", "none;1", "%D9%A3", str(TOO_LARGE), "null"),
    *each("instructors", "x", "None", "NONE", "1,x", "-5", "1;2", str(TOO_LARGE), "%ff", "%EF%BC%91"),
    *each("id_gt", "abc", "-1", "1.5", str(TOO_LARGE), "1,2", "none", "%D9%A3", "%2B1"),
    wrong("id_gt=1&id_gt=2", "id_gt"),
    wrong("customers=" + ",".join(map(str, range(1, 1002))), customers="1001"),
    wrong("&".join(["venues[]=5"] * 1001), "venues"),
]
DATE_TIMES = [
    *each(
        "event_start_gte",
        "foo",
        "yesterday",
        "2024",
        "2024-05",
        "20240101",
        "2024-001",
        "2024-W05-1",
        "1700000000",
        "1.7e9",
    ),
    *each(
        "event_start_gte", "2024-13-01", "2024-00-01", "2024-02-30", "2023-02-29", "2024-1-1", "24-01-01", "0000-01-01"
    ),
    *each("event_start_gte", "2024-01-01T24:00", "2024-01-01T24:00:00Z", "2024-01-01T10:60", "2024-01-01T23:59:60Z"),
    *each(
        "event_start_gte",
        "2024-01-01T10",
        "2024-01-01T",
        "2024-01-01T1:00",
        "2024-01-01TT10:00",
        "2024-01-01T10:00:00,5Z",
    ),
    *each(
        "event_start_gte", "2024-01-01T10:00:00.Z", "2024-01-01T10:00:00ZZ", "2024-01-01T10:00:00%20UTC", "2024-01-01Z"
    ),
    *each("event_start_gte", "2024-01-01T10:00:00%2B0200", "2024-01-01T10:00:00%2B02", "2024-01-01T10:00:00%2B24:00"),
    *each(
        "event_start_gte",
        "2024-01-01T10:00:00%2B02:60",
        "2024-01-01T10:00:00%E2%88%9202:00",
        "2024/01/01",
        "01-02-2024",
    ),
    *each("event_start_gte", "%2B12024-01-01", "-2024-01-01", "%EF%BC%92024-01-01", "2024-01-01%00", "%ff", "1" * 3000),
    *each("event_start_lte", "2024-01-32", "now"),
    *each("updated_at_gte", "2024-01-01T10:00:00Europe/London", "today"),
    *each("updated_at_lte", "2024-06-31", "none"),
    wrong("event_start_gte=2024-01-01&event_start_gte=2024-01-02", "event_start_gte"),
    wrong("updated_at_lte[]=2024-01-01", "updated_at_lte[]"),
]
TIMEFRAMES = [
    *each("event_timeframe", "foo", "todayy", "_today", "today_", "all", "this_day", "last_day", "day_to_date", "now"),
    *each(
        "event_timeframe", "last_0_days", "last_1000_days", "last_07_days", "last_-1_days", "last_1.5_days", "last_days"
    ),
    *each(
        "event_timeframe",
        "last__7_days",
        "last_7__days",
        "last_-_7_days",
        "last_7",
        "7_days",
        "last_7_dayss",
        "last7days",
    ),
    *each(
        "event_timeframe",
        "last_%D9%A7_days",
        "last_week_incl",
        "this_week_incl",
        "last_7_days_inclusive",
        "next_7_hours",
    ),
    *each(
        "event_timeframe", "week_to_date_incl", "last_7_days_incl_incl", "next_99999999999999999999_years", "%FF", "%00"
    ),
    *each("event_timeframe", "2026-Q5", "2026-Q0", "2026-13", "2026-00", "2026-W54", "2026-W00", "2025-W53", "2026-W1"),
    *each(
        "event_timeframe",
        "2026-10-32",
        "2026-02-29",
        "2026-1",
        "26",
        "0000",
        "02026",
        "2026-W41-1",
        "2026_10",
        "2026%20Q3",
    ),
    *each(
        "event_timeframe", "2026-10-05..2026-10-04", "2026..2027", "2026-10..2026-11", "2026-10-05...2026-10-06", "."
    ),
    *each(
        "event_timeframe",
        "...",
        "..2026",
        "today..tomorrow",
        "2026-10-05..x",
        "2026-10-05..2026-02-30",
        "2026-10-05T10:00..",
    ),
    wrong("event_timeframe=lastweek", event_timeframe="last_"),
    wrong("event_timeframe=today&event_timeframe=tomorrow", "event_timeframe"),
    wrong("event_timeframe[]=today", "event_timeframe[]"),
]
SCALARS = [
    *each("include_future", "yes", "on", "2", "t", "01", "truee", "none", "true%00", "%ff", "true,true"),
    *each("csv_escape", "maybe", "no"),
    *each("bom", "x", "2"),
    *each(
        "timezone",
        "Mars/Phobos",
        "%2B02:00",
        "europe/berlin",
        "EUROPE/BERLIN",
        "../etc/passwd",
        "/etc/localtime",
        "Europe",
    ),
    *each(
        "timezone",
        "Europe/",
        "UTC%2B1",
        "%00",
        "UTC%00",
        "%ff",
        "x" * 5000,
        "Europe/Berlin,UTC",
        "../Europe/Berlin",
        ".",
    ),
    wrong("timezone=Europe/Berln", timezone="Europe/Berlin"),
    wrong("include_future=true&include_future=false", "include_future"),
    wrong("include_future=true&include_future=1", "include_future"),
    wrong("timezone=UTC&timezone=Europe/London", "timezone"),
]
PAGING = [
    *each("limit", "-1", "101", "abc", "1.0", "1e1", str(TOO_LARGE), "9" * 400, "%D9%A3", "5,6", "none", "all", "%ff"),
    *each("page_size", "-1", "101", "x"),
    *each("offset", "-1", "abc", "1.5", str(TOO_LARGE), "%2B5"),
    *each("page", "0", "-1", "abc", str(TOO_LARGE), "last"),
    *each("cursor", "x", "%ff", "%00", "A" * 64, "=" * 8, "a" * 20000, "null", "e30", "%F0%9F%92%A5"),
    wrong("limit=5&limit=6", "limit"),
    wrong("limit=5&page_size=6", NON_FIELD),
    wrong("page=1&offset=0", NON_FIELD),
    wrong("page=2&offset=50&page_size=50", NON_FIELD),
    wrong("cursor=a&cursor=b", "cursor"),
    wrong("page=1&page=2", "page"),
]
UNKNOWN = [
    wrong("foo=1", "foo"),
    wrong("foo", "foo"),
    wrong("foo=", "foo"),
    wrong("statuses=attended", statuses="Did you mean 'status'?"),
    wrong("colums=id", colums="Did you mean 'columns'?"),
    wrong("customer=5", customer="Did you mean 'customers'?"),
    wrong("event_timefram=today", event_timefram="Did you mean 'event_timeframe'?"),
    wrong("Limit=5", Limit="Did you mean 'limit'?"),
    wrong("LIMIT=5", LIMIT="Did you mean 'limit'?"),
    wrong("pageSize=5", pageSize="Did you mean 'page_size'?"),
    # What others call it. The nearest spelling would turn some of them round.
    wrong("from=2026-10-01", **{"from": "Did you mean 'event_start_gte'?"}),
    wrong("start_date=2026-10-01", start_date="Did you mean 'event_start_gte'?"),
    wrong("end-date=2026-10-01", **{"end-date": "Did you mean 'event_start_lte'?"}),
    wrong("updatedSince=2026-10-01", updatedSince="Did you mean 'updated_at_gte'?"),
    wrong("updated.since=2026-10-01", **{"updated.since": "Did you mean 'updated_at_gte'?"}),
    wrong("event_starts_at=2026-10-01", event_starts_at="Did you mean 'event_start_gte'?"),
    wrong("starts_at=2026-10-01", starts_at="Did you mean 'event_start_gte'?"),
    wrong("pageNumber=2", pageNumber="Did you mean 'page'?"),
    wrong("sort=Customer+Thumbnail+URL", sort="'Customer Thumbnail URL' is not a column."),
    wrong("order_by=id", order_by="Did you mean 'sort'?"),
    wrong("fields=id", fields="Did you mean 'columns'?"),
    wrong("tz=UTC", tz="Did you mean 'timezone'?"),
    wrong("columns=CUSTOMER.NAME", columns="Did you mean 'customer.name'?"),
    wrong("columns=Customer+ID", columns="Did you mean 'customer.id'?"),
    wrong("sort=-ID", sort="Did you mean 'id'?"),
    wrong("STATUS=attended", "STATUS"),
    wrong("limit[]=5", "limit[]"),
    wrong("format[]=csv", "format[]"),
    wrong("columns[0]=id", "columns[0]"),
    wrong("columns[][]=id", "columns[][]"),
    wrong("page[size]=5", "page[size]"),
    wrong("ordering=-id", "ordering"),
    wrong("pivot=year", "pivot"),
    wrong("max_pivot_columns=3", "max_pivot_columns"),
    wrong("customers%20=5&x=%FF", "customers ", "x"),
    wrong("status%00=attended", "status\x00"),
    wrong("%E2%98%83=1", "\u2603"),
    wrong("%20=1&limit=5", " "),
    wrong("&&&foo=1&&", "foo"),
    wrong("a=1&a=2&b=3", "a", "b"),
]
TOGETHER = [
    wrong("sort=custmer.name&limit=500&foo=1", "limit", "foo", sort="customer.name"),
    wrong("columns=x&sort=y&status=z&customers=w&event_start_gte=v", "columns", "sort", "status", "customers", "event_start_gte"),
    wrong("page=0&offset=-1", "page", "offset", NON_FIELD),
    wrong("page=2&offset=1&limit=1&page_size=2&bom=x", "bom", non_field_errors="page_size"),
    wrong("limit=x&page_size=y", "limit", "page_size", NON_FIELD),
    wrong("event_timeframe=x&timezone=y&include_future=z", "event_timeframe", "timezone", "include_future"),
    wrong("event_timeframe=today&timezone=y", "timezone"),
    wrong("cursor=zzz&offset=5", "cursor", NON_FIELD),
    wrong("status=a,b&status[]=c&attendance_status=d", "attendance_status", status="'b'"),
    wrong("format=pdf&csv_header=x&csv_escape=y&bom=z", "format", "csv_header", "csv_escape", "bom"),
    wrong("limit=1&limit=2&offset=3&offset=4&zzz=1", "limit", "offset", "zzz"),
    wrong("sort=id,id,foo,instructors,customer", "sort"),
    wrong("customers=x&customer_memberships=x&memberships=x&offering_types=x&venues=x&instructors=x&booking_sources=x&id_gt=x",
          "customers", "customer_memberships", "memberships", "offering_types", "venues", "instructors", "booking_sources", "id_gt"),
    wrong("updated_at_gte=x&updated_at_lte=y&event_start_lte=z", "updated_at_gte", "updated_at_lte", "event_start_lte"),
]  # fmt: skip


def refused(headers: dict[str, str], status: int, code: str, *, query: str = "", token: str = "one") -> Wrong:
    return Wrong(query, (), status, code, headers=headers, token=token)


def at(path: str, status: int, code: str, *, method: str = "GET", token: str = "one") -> Wrong:
    return Wrong("", (), status, code, method=method, path=path, token=token)


AUTH, WHO, MODE = "Authorization", "TeamUp-Provider-ID", "TeamUp-Request-Mode"
NOBODY = (401, "not_authenticated")
FAILED = (401, "authentication_failed")
NOT_ALLOWED = (405, "method_not_allowed")
NOTHING = (404, "not_found")
UNACCEPTABLE = (406, "not_acceptable")
# {"alg": "none"} with every claim, unsigned; the same as HS256 with a signature of nobody.
UNSIGNED = "eyJhbGciOiJub25lIn0.eyJwcm92aWRlcnMiOlsxXSwicm9sZSI6ImF0dGVuZGFuY2VzIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
MISSIGNED = "eyJhbGciOiJIUzI1NiJ9.eyJwcm92aWRlcnMiOlsxXSwicm9sZSI6ImF0dGVuZGFuY2VzIiwiZXhwIjo0MTAyNDQ0ODAwfQ.AAAA"

CREDENTIALS = [
    refused({}, *NOBODY, token="none"),
    refused({MODE: "customer"}, *NOBODY, token="none"),
    refused({WHO: "abc"}, *NOBODY, token="none"),
    refused({"Accept": "image/png"}, *NOBODY, token="none", query="foo=1"),
    *(
        refused({AUTH: value}, *FAILED, token="none")
        for value in (
            "Token x", "Bearer x", "JWT x", "Basic dXNlcjpwYXNz", "Digest a=b", "tk_abc", "Token", "Bearer ", "Token tk_", "Foo tk_x",
            "Token tk_" + "A" * 43, f"Bearer {UNSIGNED}", f"JWT {UNSIGNED}", f"Bearer {MISSIGNED}", "Bearer a.b.c", "JWT ...",
            "Token \xff\xfe", "Token a b", "Token,x", "Bearer " + "x" * 8000, "Bearer eyJ9.e30.e30", "token:x",
        )
    ),
    refused({WHO: "abc", MODE: "foo"}, 400, "mode_header_invalid"),
    *(refused({MODE: value}, 400, "mode_header_invalid") for value in ("foo", "Provider", "provider,customer", "1", "\xff")),
    refused({MODE: "customer"}, 403, "mode_not_allowed"),
    refused({MODE: "customer", WHO: "abc"}, 403, "mode_not_allowed", query="foo=1"),
    *(
        refused({WHO: value}, 400, "provider_header_invalid")
        for value in ("abc", "1.5", "-1", "+1", "1,2", "0x1", "1 2", "\xb9", "1e0", "1_0", "one", "none", "'1'")
    ),
    refused({WHO: "abc"}, 400, "provider_header_invalid", query="foo=1&sort=x"),
    refused({WHO: "999"}, 403, "provider_invalid"),
    refused({WHO: "2"}, 403, "provider_invalid", query="foo=1"),
    refused({WHO: str(2**63 - 1)}, 403, "provider_invalid"),
    refused({}, 400, "provider_header_missing", token="both"),
    refused({}, 400, "provider_header_missing", token="both", query="foo=1"),
    refused({WHO: "999"}, 403, "provider_invalid", token="both"),
    refused({}, 403, "permission_denied", token="other_role"),
    refused({"Accept": "image/png"}, 403, "permission_denied", token="other_role", query="foo=1"),
    refused({WHO: "2"}, 403, "provider_invalid", token="other_role"),
    refused({}, *FAILED, token="revoked"),
    refused({}, *FAILED, token="expired"),
]  # fmt: skip
ACCEPTS = [
    refused({"Accept": value}, *UNACCEPTABLE)
    for value in (
        "image/png", "text/html", "application/xml", "text/plain", "application/json;q=0", "*/*;q=0", "application/json;q=0, text/csv;q=0",
        "text/*;q=0, application/json;q=0", "application/pdf, image/*;q=0.8", "application/json;q=0.0, image/png", "application/vnd.api+json",
    )
] + [
    Wrong("foo=1", ("foo",), headers={"Accept": "image/png"}),
    Wrong("limit=x", ("limit",), headers={"Accept": "text/html"}),
]  # fmt: skip
PATHS = [
    *(
        at(path, *NOTHING, token=token)
        for token in ("one", "none")
        for path in (
            "/api", "/api/v2", "/api/v2/", "/api/v2/reports", "/api/v2/reports/attendances", "/api/v2/reports/attendances/",
            "/api/v2/reports/attendances/data/x", "/api/v2/reports/attendances/Data", "/API/v2/reports/attendances/data",
            "/api/v2/reports/foo/data", "/api/v1/reports/attendances/data", "/favicon.icox", "/%ff", "/%00", "/api/v2/reports/attendances/data%20",
            "/api/v2/reports/attendances/data%00", "/docs/../../etc/passwd", "/docs/..%2f..%2f..%2fetc/passwd", "/.env", "/" + "x" * 6000,
        )
    ),
    *(at(REPORT, *NOT_ALLOWED, method=method) for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FOO")),
    *(at(REPORT, *NOT_ALLOWED, method=method, token="none") for method in ("POST", "DELETE", "OPTIONS")),
    at("/api/v2//reports/attendances/data", *NOT_ALLOWED, method="POST"),
    at(REPORT + "/", *NOT_ALLOWED, method="PUT"),
    at("/live", *NOT_ALLOWED, method="POST"),
    at("/ready", *NOT_ALLOWED, method="DELETE"),
    at("/openapi.json", *NOT_ALLOWED, method="POST"),
    at("/api/v2/nowhere", *NOTHING, method="POST"),
    at("/nowhere", *NOTHING, method="OPTIONS"),
    at("/nowhere", *NOTHING, method="FOO"),
]  # fmt: skip

TABLE = [
    *COLUMNS, *SORT, *CHOICES, *IDS, *DATE_TIMES, *TIMEFRAMES, *SCALARS, *PAGING, *UNKNOWN, *TOGETHER,
    *CREDENTIALS, *ACCEPTS, *PATHS,
]  # fmt: skip


def grouped(query: str, *names: str, **texts: str) -> Wrong:
    """As `wrong`, asked of the grouped report."""
    return replace(wrong(query, *names, **texts), path=GROUPED)


GROUPS = [
    grouped("", columns="venue.name, booking_method"),
    grouped("columns=", columns="At least one"),
    grouped("columns=,%20,", "columns"),
    grouped("sort=count", "columns"),
    *(grouped(f"columns={name}", "columns") for name in ("id", "foo", "event.id", "event.name", "customer.thumbnail_url", "instructors", "membership", "count_by_period.2026-10", "Count")),
    grouped("columns=day_of_wek", columns="Did you mean 'day_of_week'?"),
    grouped("columns=venue.name,id,foo", columns="foo"),
    grouped("columns=count,foo&sort=status", "columns"),
    grouped("columns=count&sort=status", sort="'status' is not among the selected columns; those can be sorted on: count."),
    grouped("columns=venue.name,count&sort=-venue_id", sort="venue.name, count"),
    grouped("columns=venue,count&sort=venue", sort="sort on one of its columns: venue.id, venue.name"),
    # What is suggested is not refused in its turn.
    grouped("columns=status,count&sort=venue", sort="'venue' is a group; these can be sorted on: status, count."),
    grouped("columns=status,count&sort=bar", sort="'bar' is not a column. The choices are: status, count."),
    grouped("columns=status,count&sort=statsu", sort="Did you mean 'status'?"),
    grouped("columns=status&sort=foo", "sort"),
    grouped("columns=status&sort=--status", "sort"),
    grouped("columns=status,count&sort=status,-status", sort="more than once"),
    grouped("columns=count&pivot=month&sort=count_by_period.2026-10,-count_by_period.2026-10", sort="more than once"),
    grouped("columns=count&sort=count_by_period.2026-10", sort="'pivot'"),
    grouped("columns=count&pivot=month&sort=count_by_period.2026", sort="2026-10"),
    grouped("columns=count&pivot=month&sort=count_by_period", "sort"),
    grouped("columns=count&pivot=week&sort=count_by_period.2026-W60", "sort"),
    *(grouped(f"columns=count&pivot={value}", "pivot") for value in ("day", "Month", "monthly", "quarter", "all,year", "none")),
    grouped("columns=count&pivot=monht", pivot="'month'"),
    grouped("columns=count&pivot=year&pivot=month", "pivot"),
    *(grouped(f"columns=count&max_pivot_columns={value}", "max_pivot_columns") for value in ("0", "13", "-1", "x", "1.5", str(TOO_LARGE))),
    grouped("columns=count&pivot[]=month", "pivot[]"),
    grouped("columns=count&foo=1", "foo"),
    grouped("columns=count&max_pivot_column=3", max_pivot_column="'max_pivot_columns'"),
    grouped("columns=count&limit=101&status=x&pivot=y", "limit", "status", "pivot"),
    grouped("columns=count&page=1&offset=0", NON_FIELD),
    grouped("columns=count&cursor=abc", "cursor"),
    grouped("columns=count&cursor=abc&page=1", "cursor", NON_FIELD),
    grouped("columns=" + ",".join(["count"] * 1001), "columns"),
    wrong("pivot=month", "pivot"),
    wrong("max_pivot_columns=4", "max_pivot_columns"),
    wrong("columns=day_of_week", "columns"),
    at("/api/v2/reports/attendances.grouped", *NOTHING),
    at("/api/v2/reports/attendances_grouped/data", *NOTHING),
    at("/api/v2/reports/grouped/data", *NOTHING),
    *(at(GROUPED, *NOT_ALLOWED, method=method) for method in ("POST", "PUT", "DELETE", "OPTIONS")),
    at(GROUPED, 401, "not_authenticated", token="none"),
    at(GROUPED, 403, "permission_denied", token="other_role"),
    Wrong("columns=count", (), 406, "not_acceptable", headers={"Accept": "image/png"}, path=GROUPED),
    Wrong("columns=count", (), 403, "provider_invalid", headers={"TeamUp-Provider-ID": "2"}, path=GROUPED),
]  # fmt: skip
TABLE += GROUPS


def test_the_table_is_long() -> None:
    assert len({(one.query, one.path, one.method, one.token, str(one.headers)) for one in TABLE}) == len(TABLE) >= 150


@pytest.mark.parametrize("one", TABLE, ids=str)
def test_wrong_request(studio: Studio, one: Wrong) -> None:
    answer = studio.client(one.token).get(one.query, one.headers, one.path, one.method)
    assert answer.error() == (one.status, one.code, set(one.fields))
    for name, text in one.texts:
        assert text in " ".join(answer.json["field_errors"][name])
    _check_headers(answer)


def _check_headers(answer: Answer) -> None:
    """What goes with some statuses."""
    assert ("www-authenticate" in answer.headers) == (answer.status == 401)
    if answer.status == 405:
        assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("one", random.Random(5).sample(TABLE, 40), ids=str)
def test_head_of_a_wrong_request_has_the_status_and_no_body(studio: Studio, one: Wrong) -> None:
    if one.method != "GET":
        assert one.status in {404, 405}
        return
    answer = studio.client(one.token).get(one.query, one.headers, one.path, "HEAD")
    assert (answer.status, answer.body) == (one.status, b"")


FINE = (
    "", "&", "&&", "status=", "status=,,", "columns=", "sort=", "limit=", "page=&offset=3", "cursor=", "timezone=", "event_timeframe=%20", "status",
    "limit=%205%20", "limit=007", "limit=5&page_size=5", "limit=5&limit=5", "customers=0", "customers=00012", f"customers={2**63 - 1}", "venues=1,1,1",
    f"id_gt={2**63 - 1}", f"offset={2**63 - 1}", f"page={2**63 - 1}", f"page={2**63 - 1}&page_size=100", "page=92233720368547758&page_size=100",
    "booking_sources=0,none", "instructors=none,5", "instructors=1&instructors=2", "instructors[]=1", "event_start_gte=0001-01-01", "event_start_lte=9999-12-31",
    "event_start_gte=9999-12-31T23:59:59.999999-23:59", "event_start_lte=0001-01-01T00:00:00%2B23:59", "event_start_lte=9999-12-31&timezone=Pacific/Kiritimati",
    "event_start_gte=0001-01-01&timezone=Pacific/Kiritimati", "event_start_gte=9999-12-31&timezone=Pacific/Pago_Pago", "event_timeframe=0001", "event_timeframe=9999",
    "event_timeframe=9999-12-31", "event_timeframe=9999-W52", "event_timeframe=9999-Q4", "event_timeframe=9999-12", "event_timeframe=0001-01-01..9999-12-31",
    "event_timeframe=last_999_years", "event_timeframe=next_999_years_incl", "event_timeframe=next_999_years&timezone=Asia/Tokyo", "event_timeframe=2020-02-29",
    "event_timeframe=2020-W53", "event_timeframe=..", "event_timeframe=LAST%207-days_Incl", "event_timeframe=last-1-day", "event_timeframe=2026-q3",
    "event_start_gte=2024-01-01%2010:00", "event_start_gte=2024-01-01t10:00z", "event_start_gte=2024-01-01T10:00:00.123456789Z", "event_start_gte=2024-01-01T10:00:00+02:00",
    "event_start_gte=2030-01-01&event_start_lte=2020-01-01", "columns=event.type,booking_source_id", "sort=event_type,-booking_source_id", "columns=event.type&columns=event_type",
    "include_future=TRUE", "bom=1&csv_escape=0&csv_header=key", "columns=" + ",".join(["id"] * 1000), "columns=" + ",".join(["id"] * 600 + [""] * 600),
    "customers=" + ",".join(str(10**14 + n) for n in range(1000)), "&".join(f"customers={n}" for n in range(1000)), "timezone=Etc/GMT%2B12", "sort=%20-id%20,",
)  # fmt: skip


@pytest.mark.parametrize("query", FINE, ids=[query[:60] or "nothing" for query in FINE])
def test_odd_but_right_request(studio: Studio, query: str) -> None:
    """What looks wrong and is not: each is answered, in both formats, with the same total."""
    client = studio.client("one")
    as_json = client.get(query, {"Accept": "application/json"})
    as_csv = client.get(query, {"Accept": "text/csv"})
    assert (as_json.status, as_csv.status) == (200, 200), as_json.body[:500]
    assert str(as_json.json["total"]) == as_json.headers["x-total-count"] == as_csv.headers["x-total-count"]


def test_the_longest_url(studio: Studio) -> None:
    """64 KiB are answered; more is refused, as JSON."""
    client = studio.client("one")
    padding = 65_536 - len(f"{REPORT}?format=json&foo=")
    assert client.get("format=json&foo=" + "x" * padding).error() == (*INVALID, {"foo"})
    filler = "format=json&status=" + "," * (padding - 3)
    assert client.get(filler).status == 200
    for beyond in (1, 100_000):
        status, code, _ = client.get("format=json&foo=" + "x" * (padding + beyond)).error()
        assert (status, code) == (413, "request_too_large")


MALFORMED = (
    b"\r\n\r\n", b"FOO\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\nHost: x\r\nBad\x00Name: 1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n: novalue\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", b"GE\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", b"G" * 70_000,
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /a b c HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 300_000 + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 30_000 + b"\r\n",
)  # fmt: skip


@pytest.mark.parametrize("request_", MALFORMED, ids=lambda one: repr(one[:50]))
def test_malformed_http(studio: Studio, request_: bytes) -> None:
    """What is no HTTP request is answered as any other error, and the connection is closed."""
    found = raw(studio.server.url, request_ + b"\r\n\r\n")
    answer = parsed(found)
    status, code, fields = answer.error()
    assert (status, code) in {INVALID, NOTHING, (413, "request_too_large")}
    assert not fields
    assert studio.client("one").get("limit=0").status == 200


@pytest.mark.parametrize("target", ["%", "%zz", "a=%", "limit=%2", "limit=%GG", "%=%", "a%=b", "limit=5%"])
def test_broken_percent_encoding_is_taken_as_it_stands(studio: Studio, target: str) -> None:
    """A percent sign that encodes nothing stands for itself, so it makes a wrong name or value, never a failure."""
    status, code, fields = studio.client("one").get(target).error()
    assert (status, code, len(fields)) == (*INVALID, 1)


PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=&,-_.[]+"
BYTES = st.binary(max_size=60).map(lambda data: "".join(chr(one) if one in PLAIN else f"%{one:02x}" for one in data))
NAMES = st.sampled_from(
    "columns sort status booking_sources customers instructors event_start_gte event_timeframe include_future id_gt limit "
    "offset page page_size cursor format timezone csv_header csv_escape bom columns[] x".split()
)


@runs(max_examples=400)
@given(st.lists(st.one_of(BYTES, st.tuples(NAMES, BYTES).map("=".join)), max_size=6).map("&".join))
def test_random_queries_are_answered_in_the_envelope(studio: Studio, query: str) -> None:
    answer = studio.client("one").get(query, {"Accept": "application/json"})
    if answer.status == 200:
        assert set(answer.json) == {"total", "column_headers", "rows"}
    else:
        status, code, fields = answer.error()
        assert (status, code) == INVALID
        assert fields


@runs(max_examples=150)
@given(st.binary(min_size=1, max_size=120).filter(lambda data: not set(b" \r\n\x00") & set(data)))
def test_random_bytes_in_the_target(studio: Studio, data: bytes) -> None:
    """Bytes that no client would send as they are, straight on the wire."""
    token = studio.tokens["one"].encode()
    head = (
        b"\r\nHost: x\r\nConnection: close\r\nAuthorization: Token " + token + b"\r\nAccept: application/json\r\n\r\n"
    )
    answer = parsed(raw(studio.server.url, b"GET " + REPORT.encode() + b"?" + data + b" HTTP/1.1" + head))
    assert answer.status == 200 or answer.error()[:2] == INVALID


HEADERS = st.sampled_from(
    "Authorization TeamUp-Provider-ID TeamUp-Request-Mode Accept Accept-Encoding If-None-Match Prefer X-Request-ID Host Origin "
    "Content-Type Content-Length Transfer-Encoding Range Connection Expect Cookie X-Forwarded-For Forwarded traceparent Upgrade".split()
)
VALUES = st.binary(max_size=60).filter(lambda data: not set(b"\r\n\x00") & set(data))


@runs(max_examples=250)
@given(st.lists(st.tuples(HEADERS, VALUES), min_size=1, max_size=3))
def test_random_header_values(studio: Studio, headers: list[tuple[str, bytes]]) -> None:
    """Random bytes in headers that mean something: an answer or a refusal, never a failure of the server."""
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    named = {name for name, _ in headers}
    lines += b"" if "Host" in named else b"Host: x\r\n"
    lines += b"" if "Authorization" in named else b"Authorization: Token " + studio.tokens["one"].encode() + b"\r\n"
    found = raw(
        studio.server.url, b"GET " + REPORT.encode() + b"?limit=2 HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n"
    )
    if found.startswith(b"HTTP/1.1 1"):
        found = found.partition(b"\r\n\r\n")[2]
    answer = parsed(found)
    assert answer.status in {200, 304} or 400 <= answer.error()[0] < 500


@pytest.mark.parametrize("report", [*REPORTS, LOOK_UP], ids=lambda report: report.path)
def test_what_others_call_a_parameter_leads_to_one(report: Report) -> None:
    called = [word for parameter in report.parameters for word in parameter.called]
    assert len(called) == len(set(called))
    assert not set(called) & set(report.parameter)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", word) for word in called)  # as it is looked for
