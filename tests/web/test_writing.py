"""Who waits for the store to change keeps nobody waiting who does not."""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from inside import add_provider, import_file, new_store, token
from oracle.report import Tenant
from turnout.background import NEAR
from turnout.settings import Settings
from turnout.web.app import create_app
from turnout.web.writing import Writing

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.store.base import Store

PATIENCE = 60.0
MANY = 24
"""More than any pool of threads has on a small machine."""
JSON = {"Content-Type": "application/json"}
ROW = {
    "id": 1,
    "updated_at": "2026-01-01T00:00:00Z",
    "status": "attended",
    "customer": {"id": 1},
    "event": {"id": 1, "starts_at": "2025-01-01T00:00:00Z"},
}
PLACE = {"mark": "m", "state": {"source": "http://x", "provider": 1}}

WRITES: dict[str, tuple[str, str, dict[str, str], Any]] = {
    "a batch": ("POST", "/ingest/v1/attendances", JSON, [ROW]),
    "a large batch": ("POST", "/ingest/v1/attendances", JSON, [{**ROW, "id": id_} for id_ in range(1, 30)]),
    "a deletion": ("DELETE", "/ingest/v1/attendances/1", {}, None),
    "rows of a sync": ("POST", "/ingest/v1/sync", JSON, {"place": PLACE, "rows": [ROW]}),
    "removals of a sync": ("POST", "/ingest/v1/sync/removals", JSON, {"rows": [{"id": 1, "updated_at": 0}]}),
    "an erasure": ("POST", "/admin/v1/erasures", JSON, {"customers": [1]}),
    "an erasure to try": ("POST", "/admin/v1/erasures", JSON, {"customers": [1], "dry_run": True}),
    "an erasure's end": ("DELETE", "/admin/v1/erasures/1", {}, None),
    "retention": ("POST", "/admin/v1/retention", {}, None),
    "a backup": ("GET", "/admin/v1/backup", {}, None),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nobody_waits_for_those_who_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: tuple[str, str, dict[str, str], Any]
) -> None:
    monkeypatch.setattr("turnout.web.operate._ANSWER_WITHIN", PATIENCE)
    monkeypatch.setattr("turnout.web.body.SMALL", 1_000)
    with closing(new_store(tmp_path)) as store:
        add_provider(store, Tenant(1, "UTC", "monday"))
        chance = random.Random(1)
        rows: list[dict[str, Any]] = []
        names = ["".join(chance.choices("abcdefgh", k=1_500)) for _ in range(100)]
        for id_, name in enumerate(names, start=1):
            event = {"id": id_, "starts_at": "2025-01-01T00:00:00Z", "name": name}
            rows.append({**ROW, "id": id_, "event": event})
        import_file(store, 1, rows)
        text = token(store, 1, role="super_admin")
        free = threading.Event()
        _hold(store, monkeypatch, free)
        try:
            asyncio.run(_ask(store, text, write, free))
        finally:
            free.set()


def _hold(store: Store, monkeypatch: pytest.MonkeyPatch, free: threading.Event) -> None:
    """Have everything that changes the store wait, as it does while somebody else changes it."""

    def wait(*_: Any, **__: Any) -> Any:
        free.wait(PATIENCE)
        raise RuntimeError("it is not to be carried out")

    for owner, names in (
        (store, ("merge", "merge_together", "delete")),
        (store.persons, ("erase", "restore", "retain", "overwrite")),
        (store.upkeep, ("copy",)),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, wait)


async def _ask(store: Store, text: str, write: tuple[str, str, dict[str, str], Any], free: threading.Event) -> None:
    method, path, headers, body = write
    app = create_app(store, Settings(retention="1y"))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    own = {"Authorization": f"Token {text}", "Accept-Encoding": "gzip"}
    content = None if body is None else json.dumps(body).encode()
    async with httpx.AsyncClient(transport=transport, base_url="http://inside", headers=own) as client:
        writes = [
            asyncio.create_task(client.request(method, path, headers=headers, content=content)) for _ in range(MANY)
        ]
        page = "/api/v2/reports/attendances/data?format=json&limit=100"
        for n, asked in enumerate((page, "/ready", "/metrics", "/admin/v1/status", "/admin/v1/erasures", page)):
            answer = await asyncio.wait_for(client.get(f"{asked}&offset={n}" if "?" in asked else asked), PATIENCE)
            assert answer.status_code == 200, asked
            assert asked != page or answer.headers["content-encoding"] == "gzip"
        answer = await asyncio.wait_for(client.delete("/admin/v1/tokens/77"), PATIENCE)
        assert answer.status_code == 404
        assert not any(task.done() for task in writes)
        free.set()
        assert {answer.status_code for answer in await asyncio.gather(*writes)} == {500}
    app.services.close()


def test_what_changes_the_store_stands_behind_who_reads() -> None:
    """On the threads themselves: those of the rest of the process stay where they are."""

    def own() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def found() -> int:
        with closing(Writing(1)) as writing:
            return await writing.run(own)

    before = own()
    assert asyncio.run(found()) == before + NEAR
    assert own() == before
