"""The pages of a report, from any server that speaks the protocol: the first, then each that the last one links to."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from turnout.catalog.attendances import ATTENDANCES
from turnout.cli.api import Refused, call
from turnout.cli.problems import Misuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

PATH: Final = ATTENDANCES.path
LARGEST_PAGE: Final = 100
_TRIES: Final = 8
_LONGEST_WAIT: Final = 60
_WORTH_WAITING: Final = frozenset({"throttled", "overloaded"})

Pairs = list[tuple[str, str]]


def first_page(client: httpx.Client, provider: int, pairs: Pairs, path: str = PATH) -> httpx.Response:
    """Ask for a page of `provider`'s report at `path`."""
    try:
        return call(client, "GET", path, params=pairs, headers={"TeamUp-Provider-ID": str(provider)})
    except Refused as refused:
        if refused.code == "parameter_invalid":
            raise Misuse(refused.message, fields=refused.fields) from refused
        raise


def every_page(
    client: httpx.Client,
    provider: int,
    pairs: Pairs,
    path: str = PATH,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[httpx.Response]:
    """Ask for one page after the other until the last. A server that is busy is waited for."""
    if not {"limit", "page_size"} & {name for name, _ in pairs}:
        pairs = [*pairs, ("limit", str(LARGEST_PAGE))]
    while True:
        response = _patiently(partial(first_page, client, provider, pairs, path), sleep)
        yield response
        following = response.links.get("next", {}).get("url")
        if not following:
            return
        # Only the query of the link counts: behind a proxy, its host may be another one, which must not get the token.
        pairs = parse_qsl(urlsplit(following).query, keep_blank_values=True)


def _patiently(ask: Callable[[], httpx.Response], sleep: Callable[[float], None]) -> httpx.Response:
    for tried in range(1, _TRIES + 1):
        try:
            return ask()
        except Refused as refused:
            if refused.code not in _WORTH_WAITING or tried == _TRIES:
                raise
            sleep(min(refused.retry_after or 1, _LONGEST_WAIT))
    raise AssertionError("the last try answers or raises")
