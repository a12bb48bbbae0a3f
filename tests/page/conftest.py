"""A studio with demonstration data, one with odd names, an empty one; a server; and a browser."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from inside import import_file, new_store, token
from live import served, turnout
from page.browser import DESKTOP, chromium, visit
from turnout.imports import load_demo
from turnout.store.base import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from live import Client, Server
    from page.browser import Visit

ROWS = 4000
SPARE = 12
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
    instructor: str
    """Of the instructor 3 of the provider 1."""
    sundays: str
    """Of the provider 4, whose weeks begin on Sunday."""
    spare: list[str]
    """Of the provider 1, each for one test, so that views and exports of others are not in its way."""

    @property
    def client(self) -> Client:
        return self.server.client(self.token)

    def new_token(self) -> str:
        return self.spare.pop()

    def revoke(self, text: str) -> None:
        """Revoke a token, which the list shows by its last characters."""
        listed = json.loads(turnout("token", "list", "--json", database=self.server.database).stdout)
        (id_,) = [one["id"] for one in listed if text.endswith(one["hint"][-4:])]
        turnout("token", "revoke", str(id_), database=self.server.database)


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


def _row(number: int, starts_at: str) -> dict[str, Any]:
    event = {"id": number, "starts_at": starts_at}
    return {"id": number, "updated_at": starts_at, "customer": {"id": 1}, "event": event, "status": "attended"}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("page")
    store = new_store(directory)
    load_demo(store, 1, rows=ROWS, seed=1, now=time.time_ns() // 1000)
    store.put_provider(Provider(2, "Studio النجمة", "Asia/Kathmandu", "monday"))
    store.put_provider(Provider(3, "Empty Hall", "America/St_Johns", "sunday"))
    store.put_provider(Provider(4, "Lake Side", "America/Chicago", "sunday"))
    import_file(store, 2, _odd_rows())
    import_file(store, 4, [_row(number, f"2024-05-{day}T18:00:00Z") for number, day in ((1, "04"), (2, "12"))])
    tokens = [token(store, *providers) for providers in [(1,), (1, 2, 3)] + [(1,)] * SPARE]
    instructor = token(store, 1, role="instructor_attendances", instructor=3)
    sundays = token(store, 4)
    store.close()
    with served(directory / "turnout.duckdb", auth_failures="none") as server:
        yield Site(server, *tokens[:2], instructor, sundays, tokens[2:])


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """For these tests alone: while the driver is there its event loop runs, and others could not run theirs."""
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
