"""The report's endpoint beside its rows: what depends on names and lengths that only odd requests have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from turnout.settings import Settings
from turnout.store.base import Provider
from turnout.store.open import open_store
from turnout.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATH = "/api/v2/reports/attendances/data"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    store = open_store(str(tmp_path / "turnout.duckdb"))
    store.put_provider(Provider(1, "Studio", "Europe/Berlin"))
    application = create_app(store, Settings.load({"database": str(tmp_path / "turnout.duckdb")}), metrics=False)
    transport = httpx.ASGITransport(application.trusted)
    async with httpx.AsyncClient(transport=transport, base_url="http://turnout") as opened:
        yield opened
    application.services.workers.close()
    store.close()


@pytest.mark.anyio
async def test_ignored_names_that_are_not_utf8(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH + "?%ff=1&b%20c=2&format=json", headers={"Prefer": "handling=lenient"})
    assert answer.status_code == 200
    assert answer.headers["X-Ignored-Parameters"] == "%5Cxff, b%20c"
    assert answer.headers["Preference-Applied"] == "handling=lenient"


@pytest.mark.anyio
async def test_an_ignored_name_names_at_most_a_hundred(client: httpx.AsyncClient) -> None:
    names = "&".join(f"x{number}=1" for number in range(500))
    answer = await client.get(f"{PATH}?{names}", headers={"Prefer": "handling=lenient"})
    assert answer.status_code == 200
    assert len(answer.headers["X-Ignored-Parameters"].split(", ")) == 100


@pytest.mark.anyio
async def test_white_space_around_a_header_is_no_part_of_it(client: httpx.AsyncClient) -> None:
    headers = {"TeamUp-Provider-ID": "1 \t", "TeamUp-Request-Mode": "provider ", "Accept": "application/json"}
    assert (await client.get(PATH, headers=headers)).status_code == 200
