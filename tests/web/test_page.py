"""The page's files: what a browser is shown at the server's address, under which headers and names."""

from __future__ import annotations

import gzip
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from inside import Inside
from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED
from turnout.web.page import PAGE, served
from turnout.web.page_catalogue import NAME, catalogue_script
from web.fakes import FakeStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Answer

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Accept-Encoding": "identity"}
FOLDER = files("turnout.web").joinpath("static", "page")


@pytest.fixture(scope="module")
def inside() -> Iterator[Inside]:
    made = Inside(FakeStore(1), 0)
    yield made
    made.close()


def get(inside: Inside, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    return inside.send(method, path, BROWSER | {name.replace("_", "-"): value for name, value in headers.items()})


def loaded(inside: Inside) -> list[str]:
    """The addresses that the page loads, and those that its scripts and styles load."""
    found = re.findall(r'(?:src|href)="(page/static/[^"]+)"', get(inside).body.decode())
    for address in found:
        for name in re.findall(rb"""["'(]\./([\w.-]+)["')]""", get(inside, "/" + address).body):
            if f"page/static/{name.decode()}" not in found:
                found.append(f"page/static/{name.decode()}")
    return found


@pytest.mark.parametrize(
    ("accept", "shown"),
    [
        (BROWSER["Accept"], True),
        ("text/html", True),
        ("TEXT/HTML;q=0.1, */*", True),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("text/html;q=0, */*", False),
        ("", False),
    ],
)
def test_browsers_are_shown_the_page_and_others_led_to_the_documentation(
    inside: Inside, accept: str, shown: bool
) -> None:
    answer = inside.send("GET", "/?once=x", {"Accept": accept} if accept else {"Accept": "*/*"})
    if shown:
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    else:
        assert (answer.status, answer.headers["location"]) == (307, "docs")
    assert "Accept" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize("query", ["", "?once=abc", "?event_timeframe=today&venues=1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", [False, True])
def test_every_answer_of_the_page_has_its_headers(inside: Inside, query: str, method: str, known: bool) -> None:
    tag = {"If_None_Match": get(inside).headers["etag"]} if known else {}
    answer = get(inside, f"/{query}", method, **tag)
    assert answer.status == (304 if known else 200)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert answer.headers["cache-control"] == "no-cache"
    assert "set-cookie" not in answer.headers
    if known or method == "HEAD":
        assert answer.body == b""


def test_the_page_has_no_inline_code_and_asks_nobody_else(inside: Inside) -> None:
    text = get(inside).body.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:", text) == []
    for address in loaded(inside):
        body = get(inside, "/" + address).body.decode("latin-1")
        assert re.findall(r"""(?:(?:import\(?|from|fetch\()\s*["']|url\(["']?)(?:https?:)?//""", body) == []


def test_what_the_page_loads_is_kept_for_good(inside: Inside) -> None:
    addresses = loaded(inside)
    assert {address.rpartition(".")[2] for address in addresses} >= {"css", "js", "svg"}
    assert len(addresses) == len(set(addresses)) >= 4
    for address in addresses:
        assert re.fullmatch(r"page/static/[\w.-]+\.[0-9a-f]{16}\.(css|js|svg|png|woff2|json)", address)
        answer = get(inside, "/" + address)
        assert answer.status == 200, address
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        head = get(inside, "/" + address, "HEAD")
        assert (head.status, head.body, head.headers["etag"]) == (200, b"", answer.headers["etag"])
        again = get(inside, "/" + address, If_None_Match=answer.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        for method in ("POST", "DELETE", "PUT"):
            refused = get(inside, "/" + address, method)
            assert refused.error()[:2] == (405, "method_not_allowed")
            assert refused.headers["allow"] == "GET, HEAD"


def test_files_are_compressed_where_the_client_takes_it(inside: Inside) -> None:
    for address in ("", *loaded(inside)):
        plain = get(inside, "/" + address)
        packed = inside.send("GET", "/" + address, {**BROWSER, "Accept-Encoding": "br;q=0.9, gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.body == plain.body, "unpacked by the client"
        assert packed.headers["etag"] == "W/" + plain.headers["etag"]
        assert int(packed.headers["content-length"]) == len(gzip.compress(plain.body, mtime=0))
        assert "content-encoding" not in plain.headers
        assert "Accept-Encoding" in plain.headers["vary"]


@pytest.mark.parametrize(
    "name",
    [
        "index.html", "page.js", "page.0000000000000000.js", "", "..", ".", "../docs.html", "..%2f..%2fdocs.html", "%2e%2e/%2e%2e/page.py", "..%5c..%5cpage.py",
        "....//....//etc/passwd", "%2fetc%2fpasswd", "/etc/passwd", "page.js%00.css", "%ff", "__init__.py", "x" * 2000,
    ],
)  # fmt: skip
def test_names_that_are_none_lead_nowhere(inside: Inside, name: str) -> None:
    answer = get(inside, f"/page/static/{name}")
    assert answer.error()[:2] == (404, "not_found")
    assert "immutable" not in answer.headers["cache-control"]


def test_references_are_by_hashed_names() -> None:
    raw = {
        PAGE: b'<script src="./a.js"></script><link href="./lib/b.css"><a href="./unknown.js"><a href="docs">',
        "a.js": b"""import x from "./lib/c.js"; import('./lib/c.js'); import "../a.js"; "./lib/c.js?x" """,
        "lib/c.js": b"""import '../a.js'; import "./c.js";""",
        "lib/b.css": b"""@import "./d.css"; src: url(./f.woff2), url("../f.svg")""",
        "lib/d.css": b"",
        "lib/f.woff2": b"./a.js",
        "f.svg": b"",
        "LICENSE": b"",
        "notes.md": b"",
    }
    found = served(raw)
    (mark,) = {name.split(".")[1] for name in found if name != PAGE}
    assert set(found) == {PAGE, *(f"{stem}.{mark}.{end}" for stem, end in (
        ("a", "js"), ("c", "js"), ("b", "css"), ("d", "css"), ("f", "woff2"), ("f", "svg")))}  # fmt: skip
    assert found[PAGE].body.decode() == (
        f'<script src="page/static/a.{mark}.js"></script><link href="page/static/b.{mark}.css">'
        '<a href="./unknown.js"><a href="docs">'
    )
    script = found[f"a.{mark}.js"].body.decode()
    assert script == f"""import x from "./c.{mark}.js"; import('./c.{mark}.js'); import "../a.js"; "./lib/c.js?x" """
    assert found[f"c.{mark}.js"].body.decode() == f"""import './a.{mark}.js'; import "./c.{mark}.js";"""
    style = found[f"b.{mark}.css"].body.decode()
    assert style == f"""@import "./d.{mark}.css"; src: url(./f.{mark}.woff2), url("./f.{mark}.svg")"""
    assert found[f"f.{mark}.woff2"].body == b"./a.js"


def test_any_change_gives_all_files_new_names() -> None:
    raw = {PAGE: b"", "a.js": b"1", "b.js": b"2"}
    names = set(served(raw))
    for change in ({"a.js": b"3"}, {PAGE: b"x"}, {"c.js": b""}, {"a.js": b"", "b.js": b"12"}):
        assert set(served(raw | change)) & names == {PAGE}
    assert set(served(dict(reversed(raw.items())))) == names


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        served({PAGE: b"", "a.js": b"", "lib/a.js": b""})


def test_the_page_is_small(inside: Inside) -> None:
    """At most 300 KB compressed in all."""
    sizes = [len(gzip.compress(get(inside, "/" + address).body)) for address in ("", *loaded(inside))]
    assert sum(sizes) <= 300_000


def test_what_is_needed_first_are_two_files(inside: Inside) -> None:
    """All of the page's modules and styles but the drawings, and what belongs to those."""
    first = re.findall(r'(?:src|href)="page/static/([^"]+)"', get(inside).body.decode())
    assert [re.sub(r"\.[0-9a-f]{16}\.", ".", name) for name in first] == ["favicon.svg", "page.css", "page.js"]
    names = {re.sub(r"page/static/|\.[0-9a-f]{16}(?=\.)", "", address) for address in loaded(inside)}
    assert names - {"favicon.svg", "page.css", "page.js"} == {"charts.js", "d3.min.js", "plot.umd.min.js", "save.js"}
    script, style = (get(inside, f"/page/static/{name}").body.decode() for name in reversed(first[1:]))
    for path in FOLDER.rglob("*.css"):
        assert path.name == "page.css" or path.read_text("utf-8") in style
    paths = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.js")} | {NAME}
    late = {path for path in paths if path.startswith(("draw/", "vendor/d3/", "vendor/plot/"))}
    held = re.findall(r"^const \$(\w+) = \(\(\) => \{$", script, re.MULTILINE)
    assert len(held) == len(set(held))
    assert {"page", *held} == {re.sub(r"\W", "_", path.removesuffix(".js")) for path in paths - late}


def test_the_page_is_told_of_every_column_and_filter() -> None:
    """What filters by what is worked out, and worth a look: it is what 'only this' does."""
    told = {
        name: json.loads(value)
        for name, value in re.findall(r"export const (\w+) = (.*);\n", catalogue_script().decode())
    }
    assert list(told["COLUMNS"]) == [column.key for column in ATTENDANCES.columns]
    assert set(told["GROUPED"]) == {column.key for column in ATTENDANCES_GROUPED.columns} - {"count"}
    assert set(told["LOOK_UPS"]) == {parameter.name for parameter in ATTENDANCES.parameters if parameter.listed}
    by = {key: (one.get("filter"), one.get("value")) for key, one in told["COLUMNS"].items() if "filter" in one}
    assert by == {
        "customer.name": ("customers", "customer.id"),
        "event.starts_at": ("event_timeframe", None),
        "event.type": ("event_types", "event.type"),
        "offering_type.name": ("offering_types", "offering_type.id"),
        "venue.name": ("venues", "venue.id"),
        "instructors": ("instructors", None),
        "booking_method": ("booking_methods", "booking_method"),
        "customer_membership.membership.name": ("memberships", "customer_membership.membership.id"),
        "booking_source": ("booking_sources", "booking_source_id"),
        "status": ("status", "status"),
    }
    grouped = {key: one["filter"] for key, one in told["GROUPED"].items() if "filter" in one}
    assert grouped == {
        "customer.name": "customers",
        "day_of_week": "days_of_week",
        "event.start_hour": "start_hours",
        **dict.fromkeys((f"event.start_{unit}" for unit in ("date", "week", "month", "year")), "event_timeframe"),
        "offering_type.name": "offering_types",
        "venue.name": "venues",
        "booking_method": "booking_methods",
        "status": "status",
    }
    kinds = {name: one["kind"] for name, one in told["LOOK_UPS"].items() if one["kind"]}
    assert kinds == {"days_of_week": "weekday", "start_hours": "hour"}
    assert {name for name, one in told["LOOK_UPS"].items() if one["none"]} == {"booking_sources", "instructors"}
    assert told["LOOK_UPS"]["customer_memberships"]["label"] == "customer_membership.membership.name"
