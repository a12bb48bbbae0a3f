"""The real `turnout sync`: its words and exit status, killed at any moment, through servers, and between two of them."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from inside import import_file, new_store
from live import TURNOUT, Server, environment, served, turnout, until
from store.look import STUDIO, wide
from sync.published import START, TOKEN, attendance, type_of
from turnout.admin import create_token
from turnout.store.open import open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    store = new_store(tmp_path)
    store.put_provider(STUDIO)
    store.close()
    return tmp_path / "turnout.duckdb"


def fill(service, rows: int = 230) -> None:
    service.put(*(attendance(id_, START + timedelta(minutes=id_)) for id_ in range(1, rows + 1)))


def arguments(service, *more: str) -> list[str]:
    return ["sync", "--from", service.url, "--token", TOKEN, "--provider", "1", "--from-provider", "4711", *more]


def held(database: Path) -> dict[int, tuple[str, str]]:
    with closing(open_store(str(database))) as store:
        return {id_: (row["status"], row["event_type"]) for id_, row in wide(store).items()}


def expected(service) -> dict[int, tuple[str, str]]:
    return {row["id"]: (row["status"], type_of(row)) for row in service.rows.values()}


def start(database: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [TURNOUT, *command, "--database", str(database)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=database.parent,
    )


def test_a_copy_and_its_summary(service, database):
    fill(service)
    done = turnout(*arguments(service), database=database)
    assert done.stdout.startswith(b"Synced provider 1: 230 created, 0 updated, ")
    assert done.stderr == b""
    assert held(database) == expected(service)
    service.put(attendance(5, START + timedelta(days=3), "attended"))
    result = json.loads(turnout(*arguments(service, "--json"), database=database).stdout)
    assert (result["created"], result["updated"], result["rejected_count"]) == (0, 1, 0)
    assert result["as_of"].endswith("Z")


def test_a_dry_run_changes_nothing(service, database):
    fill(service)
    done = turnout(*arguments(service, "--dry-run"), database=database)
    assert done.stdout == b"Would read about 230 rows for provider 1.\n"
    assert held(database) == {}
    turnout(*arguments(service), database=database)
    service.remove(1, 2, 3)
    done = turnout(*arguments(service, "--dry-run", "--reconcile"), database=database)
    assert b"3 rows of 230 (1.30%) gone at the source, 0 rows there lacking or older here." in done.stderr
    assert b"3 rows would be removed, 0 rows fetched" in done.stdout
    assert len(held(database)) == 230


def test_reconciling(service, database):
    fill(service)
    turnout(*arguments(service), database=database)
    service.remove(*range(1, 13))
    refused = turnout(*arguments(service, "--reconcile"), database=database, check=False)
    assert refused.returncode == 1
    assert b"12 of 230 rows (5.2%) are gone at the source, more than the 5.0%" in refused.stderr
    done = turnout(*arguments(service, "--reconcile", "--max-removed", "6%"), database=database)
    assert b", 12 removed (" in done.stdout
    assert held(database) == expected(service)


def test_what_stops_it_is_said(service, database):
    service.faults.append(("status", 403, {}, {"message": "Not this provider."}))
    done = turnout(*arguments(service), database=database, check=False)
    assert done.returncode == 1
    assert b"answered 403 Forbidden: Not this provider" in done.stderr
    fill(service, 30)
    service.rows[4]["status"] = "asleep"
    done = turnout(*arguments(service), database=database, check=False)
    assert done.returncode == 1
    assert b"row 4: status: " in done.stderr
    assert b"1 row cannot be taken; the others were copied." in done.stderr
    assert len(held(database)) == 29


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "example.com", "--token", "T", "--provider", "1"], b"not the address of a server"),
        (["--from", "https://example.com", "--provider", "1"], b"The source needs a token"),
        (["--from", "https://example.com", "--token", "a b", "--provider", "1"], b"characters that no token has"),
        (["--from", "https://example.com", "--token", "T", "--provider", "x"], b"not an id"),
        (["--from", "https://e.com", "--token", "T", "--provider", "1", "--max-removed", "200%"], b"not a share"),
        (["--from", "https://e.com", "--token", "T", "--provider", "1", "--every", "soon"], b"not a length of time"),
    ],
)
def test_commands_that_are_wrong(database, options, words):
    done = turnout("sync", *options, database=database, check=False)
    assert done.returncode == 2
    assert words in done.stderr


def test_an_unknown_provider(service, database):
    wrong = [{"1": "9"}.get(word, word) for word in arguments(service)]
    done = turnout(*wrong, database=database, check=False)
    assert done.returncode == 1
    assert b"There is no provider 9" in done.stderr
    assert service.asked == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_repetition_ends_in_good_order(service, database, number):
    fill(service, 150)
    running = start(database, *arguments(service, "--every", "1s"))
    assert running.stdout
    assert running.stdout.readline().startswith(b"Synced provider 1: 150 created")
    service.put(attendance(1, START + timedelta(days=1), "attended"))
    assert b"Synced" in running.stdout.readline()
    assert b"Synced" in running.stdout.readline()
    running.send_signal(number)
    out, err = running.communicate(timeout=20)
    assert running.returncode == 0, err
    assert b"Traceback" not in out + err
    assert held(database) == expected(service)


def test_killed_at_random_moments(service, database):
    """A kill at any moment loses nothing, and nothing is there twice; the last run makes both sides equal."""
    fill(service, 1500)
    chance = random.Random(20)
    kills = 0
    arrived = threading.Condition()
    due = 0

    def count(asked: int) -> None:
        with arrived:
            arrived.notify_all()
        if asked % 4 == 0:
            service.put(attendance(chance.randrange(1, 1500), START + timedelta(days=2, seconds=asked), "attended"))

    service.on_request = count
    while kills < 12:
        running = start(database, *arguments(service))
        due = len(service.asked) + chance.randrange(1, 5)
        with arrived:
            arrived.wait_for(
                lambda due=due, running=running: len(service.asked) >= due or running.poll() is not None, 20
            )
        threading.Event().wait(chance.random() * 0.05)
        running.kill()
        running.communicate()
        kills += 1
    service.on_request = lambda _: None
    turnout(*arguments(service), database=database)
    turnout(*arguments(service), database=database)
    assert held(database) == expected(service)


def admin_token(database: Path) -> str:
    with closing(open_store(str(database))) as store:
        return create_token(store, None, {"providers": [1], "role": "super_admin"}, 0).text


def test_through_the_server_that_has_the_store(service, database):
    fill(service)
    token = admin_token(database)
    with served(database) as server:
        turnout(*arguments(service), database=database)
        client = server.client(token)
        answer = client.get({"include_future": "true", "format": "json", "limit": 1})
        assert answer.json["total"] == 230
        as_of = answer.headers["x-data-as-of"]
        turnout(*arguments(service), database=database)
        assert client.get().headers["x-data-as-of"] > as_of


def test_through_a_server_elsewhere(service, database, tmp_path):
    fill(service, 120)
    token = admin_token(database)
    with served(database) as server:
        command = [TURNOUT, *arguments(service), "--server", server.url]
        without = subprocess.run(command, capture_output=True, env=environment(), cwd=tmp_path)
        assert (without.returncode, b"needs a token" in without.stderr) == (2, True)
        done = subprocess.run(command, capture_output=True, env=environment(token=token), cwd=tmp_path, check=True)
        assert b"120 created" in done.stdout
        own = ["--from-token", TOKEN, "--token", token]
        again = subprocess.run([*command, *own], capture_output=True, env=environment(), cwd=tmp_path, check=True)
        assert b"0 created" in again.stdout
    assert held(database) == expected(service)


def test_between_two_servers(database, tmp_path):
    """Both are real, and rows land at the source while they are copied."""
    origin = tmp_path / "origin"
    origin.mkdir()
    store = new_store(origin)
    store.put_provider(STUDIO)
    later = {"booking_source": "Web", "checkin": {"ocurred_at": "2026-03-01T09:00:00Z"}}
    import_file(store, 1, [attendance(id_, START + timedelta(minutes=id_), **later) for id_ in range(1, 640)])
    admin = create_token(store, None, {"providers": [1], "role": "super_admin"}, 0).text
    reader = create_token(store, None, {"providers": [1]}, 0).text
    store.close()
    with served(origin / "turnout.duckdb") as source, served(database) as target:
        posting = source.client(admin)
        command = ["sync", "--from", f"{source.url}/api/v2/", "--token", reader, "--provider", "1"]
        running = start(database, *command)
        for n in range(20):
            rows = [attendance(n * 30 + 1, START + timedelta(days=2, seconds=n), "attended", **later)]
            rows.append(attendance(2000 + n, START + timedelta(days=2, seconds=n)))
            sent = {"Content-Type": "application/json"}
            assert posting.send("POST", "/ingest/v1/attendances", sent, json.dumps(rows).encode()).status == 200
        running.communicate(timeout=60)
        assert running.returncode == 0
        turnout(*command, database=database)
        here = target.client(admin_of(target, database))
        asked = {"include_future": "true", "format": "json", "limit": 100, "sort": "id"}
        for after in range(0, 2100, 100):
            one, other = (client.get({**asked, "id_gt": after}).json for client in (source.client(reader), here))
            assert one == other


def admin_of(target: Any, database: Path) -> str:
    done = turnout("token", "create", "--provider", "1", "--role", "super_admin", database=database)
    assert target.process.poll() is None
    return done.stdout.decode().strip()


def test_in_the_background_of_a_server(service, database):
    fill(service)
    token = admin_token(database)
    settings = {"sync_from": service.url, "sync_token": TOKEN, "sync_providers": "1=4711", "sync_every": "1s"}
    with served(database, **settings) as server:
        client = server.client(token)
        for _ in until():
            answer = client.get({"include_future": "true", "format": "json", "limit": 1})
            if "x-data-as-of" in answer.headers:
                break
        assert (
            answer.json["total"] == 230 or client.get({"include_future": "true", "format": "json"}).json["total"] == 230
        )
        for _ in until():
            metrics = client.get(path="/metrics").body.decode()
            if (
                'turnout_sync_runs_total{outcome="success"}' in metrics
                and 'sync_rows_total{outcome="created"} 230.0' in metrics
            ):
                break
        assert "turnout_sync_failing 0.0" in metrics
        assert TOKEN not in metrics
        service.faults.extend([("status", 401, {}, {"message": "It was revoked."})] * 1000)
        for _ in until():
            status = client.get(path="/admin/v1/status").json
            if any("It was revoked" in fault for fault in status["faults"]):
                break
        assert TOKEN not in json.dumps(status)
        doctor = turnout("doctor", "--json", database=database, check=False)
        assert doctor.returncode == 1
        assert b"The sync of provider 1 failed at " in doctor.stdout
        service.faults.clear()
        service.put(attendance(999, START + timedelta(days=1)))
        for _ in until():
            if client.get({"include_future": "true", "format": "json", "id_gt": 998}).json["total"]:
                break
        for _ in until():
            if not client.get(path="/admin/v1/status").json["faults"]:
                break


def test_a_server_ends_while_its_source_is_slow(service, database):
    free = threading.Event()
    asked = threading.Event()

    def hold(_asked: int) -> None:
        asked.set()
        free.wait(30)

    service.on_request = hold
    settings = {"sync_from": service.url, "sync_token": TOKEN, "sync_providers": "1=4711"}
    server = Server(database, **settings)
    try:
        assert asked.wait(20)
        assert server.client().get(path="/live").status == 200
        assert server.stop() == 0, "it does not wait for the source"
    finally:
        server.kill()
        free.set()
