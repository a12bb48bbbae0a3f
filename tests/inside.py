"""The application without a server around it, with a clock that tests set and a store that they can change."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING

import httpx

from databases import address_of
from live import Answer, Asking, identity, joined
from turnout.admin import create_token
from turnout.imports import import_rows
from turnout.settings import Settings
from turnout.store.base import Provider
from turnout.store.open import open_store
from turnout.web.app import create_app
from turnout.web.context import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from oracle.data import Imports, Row
    from oracle.report import Tenant
    from turnout.store.base import Store

MAX_TEXT = 10_000


def add_provider(store: Store, tenant: Tenant) -> None:
    store.put_provider(Provider(tenant.id, f"Provider {tenant.id}", tenant.zone, tenant.week_start))


def import_file(store: Store, provider_id: int, rows: Iterable[Row]) -> dict[str, int]:
    """Import rows as `turnout import` does, from NDJSON. Says what it counted."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    done = import_rows(store, provider_id, io.BytesIO(text.encode()), "rows.ndjson", max_text=MAX_TEXT)
    assert not done.rejected_count, done.rejected
    return {"created": done.created, "updated": done.updated, "unchanged": done.unchanged}


def load(store: Store, imports: Imports) -> None:
    add_provider(store, imports.tenant)
    for file in filter(None, imports.files):
        import_file(store, imports.tenant.id, file)


def token(
    store: Store, *providers: int, role: str = "attendances", instructor: int | None = None, **given: object
) -> str:
    """A new token's text. With `now` and `expires_in`, one that may have expired."""
    now = given.pop("now", 0)
    fields = {"providers": list(providers), "role": role, "instructor_id": instructor, **given}
    return create_token(store, None, {name: value for name, value in fields.items() if value is not None}, now).text


class Inside(Asking):
    """A client of an application that runs in this process. `now` is the server's clock, in microseconds."""

    def __init__(self, store: Store, now: int, **settings: object) -> None:
        self.store, self.now = store, now
        self.base: Mapping[str, str] = {}
        self._runner = asyncio.Runner()
        app = create_app(store, Settings(**settings), clock=Clock(now=lambda: self.now))
        self.services = app.services
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside")

    def as_(self, token: str, provider: int | None = None) -> Asking:
        """The same application, asked by someone."""
        return _Someone(self, identity(token, provider))

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        request = self._client.build_request(method, target, headers=self._sent(headers), content=body)
        response = self._runner.run(self._client.send(request))
        return Answer(response.status_code, joined(response.headers.multi_items()), response.content)

    def close(self) -> None:
        self.services.jobs.close()
        self._runner.run(self._client.aclose())
        self._runner.close()


class _Someone(Asking):
    def __init__(self, inside: Inside, base: dict[str, str]) -> None:
        self.inside, self.base = inside, base

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        return self.inside.send(method, target, self._sent(headers), body)


def new_store(directory: Path) -> Store:
    return open_store(address_of(directory / "turnout.duckdb"))
