"""A studio with demonstration data, one with odd names, an empty one; a server; and a browser."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from live import served, turnout
from page.browser import DESKTOP, chromium, ndjson, visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from live import Client, Server
    from page.browser import Visit

ROWS = 4000
LONG = "Anna-Maria Theodora Wilhelmina " * 12
RIGHT_TO_LEFT = "ليلى الحسن"


@dataclass(frozen=True)
class Site:
    """A running server, and what its tokens are."""

    server: Server
    token: str
    """Of the provider 1 alone."""
    wide: str
    """Of the providers 1, 2 and 3."""

    @property
    def client(self) -> Client:
        return self.server.client(self.token)

    def new_token(self, *arguments: str) -> str:
        return turnout("token", "create", *arguments, database=self.server.database).stdout.decode().strip()


def _odd_rows() -> list[dict[str, Any]]:
    """Rows of yesterday, with names that try the page."""
    starts = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=1)
    names = [RIGHT_TO_LEFT, LONG, "<img src=x onerror=alert(1)>", "O’Neill & “Söhne”", "=1+1"]
    return [
        {
            "id": number,
            "updated_at": starts.isoformat(),
            "customer": {"id": number, "name": name},
            "event": {"id": number, "name": LONG if number == 2 else "Yoga", "starts_at": starts.isoformat()},
            "status": "attended",
        }
        for number, name in enumerate(names, 1)
    ]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = tmp_path_factory.mktemp("page") / "turnout.duckdb"
    turnout("demo", "--rows", str(ROWS), database=database)
    for id_, name, zone in (("2", "Studio النجمة", "Asia/Kathmandu"), ("3", "Empty Hall", "America/St_Johns")):
        turnout("provider", "add", "--id", id_, "--name", name, "--timezone", zone, database=database)
    turnout("import", "-", "--provider", "2", database=database, stdin=ndjson(_odd_rows()))
    with served(database, auth_failures="none") as server:
        made = Site(server, "", "")
        yield Site(server, made.new_token("--provider", "1"), made.new_token(*"--provider 1 --provider 2 --provider 3".split()))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = chromium(playwright)
        yield found
        found.close()


@pytest.fixture
def visiting(site: Site, browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Makes visits: of the token of the first provider, on a desktop, unless told otherwise."""
    with ExitStack() as stack:

        def make(token: str | None = site.token, size: tuple[int, int] = DESKTOP, **options: Any) -> Visit:
            return stack.enter_context(visit(browser, options.pop("url", site.server.url), token, size, **options))

        yield make


@pytest.fixture
def seen(visiting: Callable[..., Visit]) -> Visit:
    return visiting()
