"""A provider that somebody else is changing, for long or for ever: nobody waits for that but those who change it too.

The test is the somebody: it holds the lock that a merge takes, in a transaction of its own.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from cluster import as_administrator, free_port, new_database, node
from inside import import_file, token
from store.look import wide
from store.rows import many
from turnout.cli.main import cli
from turnout.cli.patience import Patience
from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.settings import Settings
from turnout.store.base import Answered, Provider
from turnout.store.postgres_pool import Connections
from turnout.store.postgres_small import _LOCK
from turnout.web.app import create_app
from turnout.web.opening import open_own
from turnout.web.writing import THREADS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from turnout.store.base import Store

    Task = asyncio.Task[httpx.Response]
    Ask = Callable[..., Task]

PATIENCE = 60.0
INGEST = "/ingest/v1/attendances"
PAGE = "/api/v2/reports/attendances/data?format=json"
FREE = 99
"""A provider whom nobody changes."""


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "updated_at": "2026-01-01T00:00:00Z",
        "status": "attended",
        "customer": {"id": 1},
        "event": {"id": 1, "starts_at": "2025-01-01T00:00:00Z"},
        **more,
    }


class Locked:
    """A store, a transaction beside it that changes some of its providers, and an application that is asked."""

    def __init__(self, store: Store, settings: Settings, other: psycopg.Connection[Any]) -> None:
        self.store, self.other, self.address = store, other, settings.database
        self._settings = settings
        self._text = token(store, *store.providers(), role="super_admin")

    def lock(self, *providers: int) -> None:
        for provider in providers:
            self.other.execute("SELECT pg_advisory_xact_lock(%s, hashint8(%s))", (_LOCK, provider))

    async def until_waiting(self, number: int) -> None:
        """Until so many wait for the other."""
        asked = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        async with asyncio.timeout(PATIENCE):
            while self.other.execute(asked).fetchall() != [(number,)]:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Ask]:
        app = create_app(self.store, self._settings)
        self.merges = app.services.merges
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"Authorization": f"Token {self._text}", "Content-Type": "application/json"}
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://inside", headers=headers) as client:

                def ask(method: str, path: str, provider: int, body: object = None) -> Task:
                    content = None if body is None else json.dumps(body).encode()
                    asked = client.request(method, path, content=content, headers={"TeamUp-Provider-ID": str(provider)})
                    return asyncio.create_task(asyncio.wait_for(asked, PATIENCE))

                yield ask
        finally:
            app.services.close()


@pytest.fixture
def locked(postgres: str, tmp_path: Path) -> Iterator[Locked]:
    address = new_database(postgres)
    settings = Settings(database=address, data_directory=str(tmp_path))
    with closing(open_own(settings)) as store:
        for provider in (*range(1, 2 * THREADS), FREE):
            store.put_provider(Provider(provider, f"Studio {provider}", "UTC"))
        with closing(psycopg.connect(as_administrator(address))) as other:
            yield Locked(store, settings, other)


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


CHANGES: dict[str, Callable[[Store, Provider], object]] = {
    "a merge": lambda store, provider: store.merge(provider, many(3)),
    "a deletion": lambda store, provider: store.delete(provider, [1]),
    "another zone": lambda store, provider: store.put_provider(replace(provider, timezone="Asia/Tokyo")),
    "an erasure": lambda store, provider: store.persons.erase(provider, [2], at=0, by="me"),
    "retention": lambda store, provider: store.persons.retain(provider, 1, at=0, go_on=lambda: True),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_waits_for_so_long_and_is_not_made(
    locked: Locked, monkeypatch: pytest.MonkeyPatch, change: Callable[[Store, Provider], object]
) -> None:
    provider = locked.store.providers()[1]
    locked.store.merge(provider, many(1))
    before = wide(locked.store, provider)
    locked.lock(1)
    with monkeypatch.context() as shortly:
        shortly.setattr("turnout.store.postgres_small.PATIENCE", 0.01)
        with pytest.raises(
            TurnoutError, match=r"^Another process is changing the attendances of provider 1\.$"
        ) as told:
            change(locked.store, provider)
    assert (told.value.code, told.value.retry_after) == ("overloaded", 5)
    assert (wide(locked.store, provider), locked.store.version(1)) == (before, 1)
    locked.other.rollback()
    change(locked.store, provider)


def test_who_waits_in_vain_is_told_to_come_again(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.store.postgres_small.PATIENCE", 0.01)

    async def ask() -> None:
        async with locked.asking() as asked:
            for method, path, body in (("POST", INGEST, [row(1)]), ("DELETE", f"{INGEST}/1", None)):
                answer = await asked(method, path, 1, body)
                assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
                assert answer.headers["retry-after"] == "5"
                assert "Another process is changing the attendances of provider 1." in answer.text
            locked.other.rollback()
            assert (await asked("POST", INGEST, 1, [row(1)])).json()["created"] == 1

    locked.lock(1)
    asyncio.run(ask())


def test_an_import_waits_longer_and_says_so(locked: Locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads its file once more: nothing is there twice, neither rows nor rejected ones."""
    monkeypatch.setattr("turnout.store.postgres_small.PATIENCE", 0.01)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            locked.other.rollback()

    monkeypatch.setattr("turnout.cli.patience.Patience", lambda: Patience(pause))
    file, rejects = tmp_path / "rows.ndjson", tmp_path / "rejects.ndjson"
    file.write_text("".join(json.dumps(one) + "\n" for one in (row(1), {"id": 2}, row(3))))
    locked.lock(1)
    arguments = ["import", str(file), "--provider", "1", "--rejects", str(rejects), "--json"]
    env = {"TURNOUT_DATABASE": locked.address, "TURNOUT_DATA_DIRECTORY": str(tmp_path)}
    done = CliRunner().invoke(cli, arguments, env=env, prog_name="turnout")
    assert pauses == [5, 5]
    assert done.stderr.count("Another process is changing the attendances of provider 1. It is waited for.\n") == 2
    told = json.loads(done.stdout)
    assert (told["created"], told["rejected_count"]) == (2, 1)
    assert len(rejects.read_text().splitlines()) == 1


def test_who_froze_in_a_merge_does_not_keep_the_others(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database ends its connection: nothing of the merge is there, and it is told so when it wakes up."""
    provider = locked.store.providers()[1]
    monkeypatch.setattr("turnout.store.postgres_small.PATIENCE", PATIENCE)
    froze, awake = Event(), Event()

    def freeze(connection: psycopg.Connection[Any], _: Answered) -> None:
        asked = "SELECT setting::INTEGER FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
        bound = connection.execute(asked)
        assert 0 < bound.fetchall()[0][0] <= 600_000
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 1")
        froze.set()
        assert awake.wait(PATIENCE)

    monkeypatch.setattr("turnout.store.postgres.remember_in", freeze)
    answered = Answered("key", "1-x", 200, b"{}", 0)
    with ThreadPoolExecutor(1) as threads:
        frozen = threads.submit(locked.store.merge_together, provider, [many(3)], lambda _: [answered])
        try:
            assert froze.wait(PATIENCE)
            locked.lock(1)  # once the database has taken it from the other one
            assert wide(locked.store, provider) == {}
            locked.other.rollback()
            assert locked.store.merge(provider, many(2)).created == 2
        finally:
            awake.set()
        with pytest.raises(TurnoutError) as told:
            frozen.result(PATIENCE)
    assert told.value.code == "storage_unavailable"
    assert (sorted(wide(locked.store, provider)), locked.store.version(1)) == ([1, 2], 1)


@pytest.mark.parametrize(("long", "bound"), [(True, "0"), (False, "10min")])
def test_an_export_may_rest_and_a_page_may_not(locked: Locked, long: bool, bound: str) -> None:
    with locked.store.snapshot(FREE, long=long) as snapshot:
        shown = snapshot.rows(Statement("SELECT current_setting('idle_in_transaction_session_timeout')", ()))
    assert shown == [(bound,)]


def test_the_database_looks_whether_a_machine_is_still_there() -> None:
    """Over TCP: of a socket of the machine's own it need not."""
    port = free_port()
    asked = "SELECT name, setting::INTEGER FROM pg_settings WHERE name LIKE 'tcp\\_%'"
    with (
        node(port) as address,
        closing(Connections(f"{address}&hostaddr=127.0.0.1", 1)) as connections,
        connections.connection() as one,
    ):
        shown = one.execute(asked)
        assert dict(shown.fetchall()) == {
            "tcp_keepalives_idle": 10,
            "tcp_keepalives_interval": 5,
            "tcp_keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }


def test_what_keeps_one_provider_keeps_no_other(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.store.postgres_small.PATIENCE", PATIENCE)

    async def ask() -> None:
        async with locked.asking() as asked:
            kept = [asked("POST", INGEST, 1, [row(1)])]
            await locked.until_waiting(1)
            kept += [asked("POST", INGEST, 1, [row(number)]) for number in (2, 3)]
            for number in range(1, 4):
                assert (await asked("POST", INGEST, FREE, [row(number)])).json()["created"] == 1
            assert not any(one.done() for one in kept)
            locked.other.rollback()
            assert statuses(await asyncio.gather(*kept)) == [200] * 3

    locked.lock(1)
    asyncio.run(ask())
    assert [locked.store.version(provider) for provider in (1, FREE)] == [2, 3]


def test_many_that_are_kept_leave_room_for_those_who_read(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, they have neither all threads nor all connections."""
    monkeypatch.setattr("turnout.store.postgres_small.PATIENCE", PATIENCE)
    import_file(locked.store, FREE, [row(1)])
    providers = [provider for provider in locked.store.providers() if provider != FREE]

    async def ask() -> None:
        async with locked.asking() as asked:
            kept = [asked("POST", INGEST, provider, [row(1)]) for provider in providers]
            kept += [asked("DELETE", f"{INGEST}/1", provider) for provider in providers]
            await locked.until_waiting(THREADS)
            for path in (PAGE, "/ready", "/admin/v1/status"):
                assert (await asked("GET", path, FREE)).status_code == 200
            locked.other.rollback()
            assert statuses(await asyncio.gather(*kept))[: len(providers)] == [200] * len(providers)

    locked.lock(*providers)
    asyncio.run(ask())


def test_what_waits_behind_one_who_waited_in_vain_does_not_wait_as_long_again(
    locked: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where each of them would be merged by itself."""
    monkeypatch.setattr("turnout.web.merging._MOST_TOGETHER", 1)
    tried, over = 0, Event()
    merge = locked.store.merge_together

    def in_vain(provider: Provider, *rest: Any) -> object:
        nonlocal tried
        if provider.id == FREE:
            return merge(provider, *rest)
        tried += 1
        assert over.wait(PATIENCE)
        raise TurnoutError("overloaded", "Another process is changing them.")

    monkeypatch.setattr(locked.store, "merge_together", in_vain)

    async def ask() -> None:
        async with locked.asking() as asked:
            kept = [asked("POST", INGEST, 1, [row(number)]) for number in range(1, 5)]
            async with asyncio.timeout(PATIENCE):
                while len(locked.merges._waiting) < 3:
                    await asyncio.sleep(0.01)
            over.set()
            assert statuses(await asyncio.gather(*kept)) == [503] * 4
            assert (await asked("POST", INGEST, FREE, [row(1)])).status_code == 200

    asyncio.run(ask())
    assert tried == 1


def test_one_provider_leaves_the_others_room_to_wait(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.store.postgres_small.PATIENCE", PATIENCE)
    monkeypatch.setattr("turnout.web.merging._MOST_WAITING", 8)

    async def ask() -> None:
        async with locked.asking() as asked:
            kept = [asked("POST", INGEST, 1, [row(1)])]
            await locked.until_waiting(1)
            kept += [asked("POST", INGEST, 1, [row(number)]) for number in range(2, 8)]
            refused: set[Task] = set()
            pending = set(kept)
            while len(refused) < 2:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                refused |= done
            assert [(await one).json()["code"] for one in refused] == ["overloaded"] * 2
            assert (await asked("POST", INGEST, FREE, [row(1)])).status_code == 200
            locked.other.rollback()
            assert sorted(statuses(await asyncio.gather(*kept))) == [200] * 5 + [503] * 2

    locked.lock(1)
    asyncio.run(ask())
