"""ETag, 304 and compression (contract section 2.7)."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.web.respond import _compress, accepts_gzip, matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.fakes import Client

GZIPPED = [
    "gzip",
    "GZIP",
    "x-gzip",
    "gzip, deflate, br",
    "br;q=1.0, gzip;q=0.8, *;q=0.1",
    "*",
    "gzip;q=0.001",
    "deflate,gzip ; q=0.5",
    "gzip;q=1, identity;q=0.5",
    "identity;q=0, *",
]
PLAIN = [
    "",
    "identity",
    "br",
    "deflate, br",
    "gzip;q=0",
    "gzip;q=0.000",
    "*;q=0",
    "gzip;q=0, *",
    "identity;q=1, gzip;q=0.5",
    "identity, gzip;q=0.9",
    "gzip;q=2",
    "gzip;q=x",
    ",,;,",
    "gzip2",
]


@pytest.mark.parametrize("header", GZIPPED)
def test_gzip_is_preferred(header: str) -> None:
    assert accepts_gzip([header])


@pytest.mark.parametrize("header", PLAIN)
def test_the_body_as_it_is_is_preferred(header: str) -> None:
    assert not accepts_gzip([header])


def test_no_header_means_as_it_is_and_several_are_one_list() -> None:
    assert not accepts_gzip([])
    assert accepts_gzip(["br", "gzip"])
    assert not accepts_gzip(["gzip;q=0.5", "identity"])


@given(st.text(alphabet="gzip;q=01.,*identy -/\t", max_size=40))
def test_any_header_is_understood_somehow(header: str) -> None:
    assert accepts_gzip([header]) in (True, False)


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        (['"abc"'], True),
        (['W/"abc"'], True),
        (['"x", W/"abc" ,"y"'], True),
        (['"x"', '"abc"'], True),
        (["*"], True),
        ([" * "], True),
        ([], False),
        ([""], False),
        (["abc"], False),
        (['"ab"'], False),
        (['"abc'], False),
        (['"x,abc"'], False),
        (['"*"'], False),
    ],
)
def test_weak_comparison(headers: list[str], same: bool) -> None:
    assert matches(headers, '"abc"') is same


def test_a_large_body_is_compressed_when_asked_for(asking: Callable[..., Client]) -> None:
    client = asking()
    plain = client.send("GET", "/large")
    assert "content-encoding" not in plain.headers
    assert plain.headers["content-length"] == "200000"
    assert plain.headers["etag"].startswith('"')
    packed = client.send("GET", "/large", headers=[("Accept-Encoding", "gzip")])
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] == "W/" + plain.headers["etag"]
    assert int(packed.headers["content-length"]) < 20_000
    assert packed.content == plain.content
    for answer in (plain, packed):
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["vary"] == "Accept, Accept-Encoding, Authorization, TeamUp-Provider-ID"


def test_a_small_body_is_not_compressed(asking: Callable[..., Client]) -> None:
    answer = asking().send("GET", "/echo", headers=[("Accept-Encoding", "gzip")])
    assert "content-encoding" not in answer.headers
    assert answer.json()["method"] == "GET"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_what_the_client_has_is_not_sent_again(asking: Callable[..., Client], encoding: str) -> None:
    client = asking()
    headers = [("Accept-Encoding", encoding)]
    first = client.send("GET", "/large", headers=headers)
    for known in (
        first.headers["etag"],
        f'"other", {first.headers["etag"]}',
        "*",
        first.headers["etag"].removeprefix("W/"),
    ):
        again = client.send("GET", "/large", headers=[*headers, ("If-None-Match", known)])
        assert (again.status_code, again.content) == (304, b"")
        for name in ("etag", "cache-control", "vary"):
            assert again.headers[name] == first.headers[name]
        assert "content-encoding" not in again.headers
        assert "content-length" not in again.headers
    assert client.send("GET", "/large", headers=[*headers, ("If-None-Match", '"other"')]).status_code == 200


def test_304_keeps_what_the_answer_says_beside_its_body(asking: Callable[..., Client]) -> None:
    answer = asking().send("GET", "/echo", headers=[("If-None-Match", "*")])
    assert (answer.status_code, answer.headers["x-total-count"]) == (304, "1")


def test_head_has_the_headers_of_get_and_no_body(asking: Callable[..., Client]) -> None:
    client = asking()
    for encoding in ("identity", "gzip"):
        get, head = (
            client.send(method, "/large", headers=[("Accept-Encoding", encoding)]) for method in ("GET", "HEAD")
        )
        assert head.content == b""
        for name in ("content-length", "content-type", "etag", "vary"):
            assert head.headers[name] == get.headers[name]


def test_the_same_body_compresses_to_the_same_bytes() -> None:
    assert _compress(b"abc" * 1000) == _compress(b"abc" * 1000)
    assert gzip.decompress(_compress(b"abc")) == b"abc"
