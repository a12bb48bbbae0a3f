"""Exports and the end of the server: killed, asked to stop, or out of room, there is never half a file (section 8)."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inside import add_provider, import_file, new_store, token
from live import Server, served, until
from oracle.report import Tenant
from slow_exports import PROGRAM

if TYPE_CHECKING:
    from live import Answer, Asking

EXPORT, JOBS = "/api/v2/reports/attendances/export", "/api/v2/jobs"
ROWS = 6_000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("template")
    store = new_store(directory)
    add_provider(store, Tenant(1, "Europe/London", "monday"))
    rows = [
        {
            "id": number,
            "updated_at": "2026-05-01T00:00:00Z",
            "customer": {"id": 1 + number % 500, "name": f"Customer {number % 500}"},
            "event": {"id": 1 + number % 800, "starts_at": f"2026-05-{1 + number % 28:02}T10:00:00Z", "name": "Yoga"},
            "status": "attended" if number % 1000 else "no_show",
        }
        for number in range(1, ROWS + 1)
    ]
    import_file(store, 1, rows)
    text = token(store, 1)
    store.close()
    return directory / "turnout.duckdb", text


@pytest.fixture
def database(tmp_path: Path, template: tuple[Path, str]) -> Path:
    return Path(shutil.copy(template[0], tmp_path))


@pytest.fixture
def text(template: tuple[Path, str]) -> str:
    return template[1]


def files(database: Path) -> list[Path]:
    return sorted(Path(f"{database}.exports").glob("[!.]*"))


def ask(client: Asking, format_: str = "ndjson", headers: dict[str, str] | None = None, **body: Any) -> Answer:
    sent = {"Content-Type": "application/json", **(headers or {})}
    return client.send("POST", EXPORT, sent, json.dumps({"format": format_, **body}).encode())


def look(client: Asking, job: int) -> dict[str, Any]:
    return dict(client.get(path=f"{JOBS}/{job}").json)


def when(client: Asking, job: int, *statuses: str) -> dict[str, Any]:
    for _ in until():
        found = look(client, job)
        if found["status"] in statuses:
            return found
    raise AssertionError


def running(client: Asking, job: int) -> None:
    """Wait until the job has written its first rows."""
    for _ in until():
        if look(client, job)["complete_items"]:
            return


def whole(client: Asking, job: int) -> None:
    """The job is complete, and its file has every row once."""
    found = when(client, job, "complete", "failed")
    assert (found["status"], found["total_items"], found["complete_items"]) == ("complete", ROWS, ROWS), found
    answer = client.follow(found["result_url"])
    assert len(answer.body) == found["size"]
    assert {json.loads(line)["id"] for line in answer.body.splitlines()} == set(range(1, ROWS + 1))
    assert answer.body.count(b"\n") == ROWS


def test_a_server_that_is_killed_makes_its_exports_again(database: Path, text: str) -> None:
    server = Server(database, program=PROGRAM)
    client = server.client(text)
    key = {"Idempotency-Key": "once"}
    jobs = [ask(client, headers=key).json["job"], ask(client).json["job"], ask(client).json["job"]]
    for job in jobs[:2]:
        running(client, job)
    assert [path.suffix for path in files(database)] == [".part", ".part"]
    assert look(client, jobs[2])["status"] == "queued"
    server.kill()
    assert len(files(database)) == 2
    (database.parent / "go").touch()
    with served(database, program=PROGRAM) as again:
        client = again.client(text)
        for job in jobs:
            whole(client, job)
        assert ask(client, headers=key).json["job"] == jobs[0]
        assert client.get(path=JOBS).json["total"] == 3
        assert len(files(database)) == 3
        assert not [path for path in files(database) if path.suffix == ".part"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_stops_puts_its_exports_back(database: Path, text: str, number: signal.Signals) -> None:
    server = Server(database, program=PROGRAM)
    client = server.client(text)
    job = ask(client).json["job"]
    running(client, job)
    began = time.monotonic()
    server.process.send_signal(number)
    assert server.process.wait() == 0
    assert time.monotonic() - began < 10
    server.stop()
    assert files(database) == []
    store = new_store(database.parent)
    found = store.jobs.get(1, job)
    store.close()
    assert found
    assert (found.status, found.crashes) == ("queued", 0)
    (database.parent / "go").touch()
    with served(database, program=PROGRAM) as again:
        whole(again.client(text), job)


def test_kills_at_any_moment_leave_whole_files_or_none(database: Path, text: str) -> None:
    """kill -9 at random moments between queueing and completion, then once undisturbed."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it with a failure
    chance = random.Random(seed)
    jobs = []
    for _ in range(4):
        server = Server(database)
        client = server.client(text)
        jobs += [ask(client).json["job"] for _ in range(2)]
        time.sleep(chance.uniform(0, 0.5))
        for job in jobs:
            found = look(client, job)
            if found["status"] == "complete":
                assert client.follow(found["result_url"]).body.count(b"\n") == ROWS
        server.kill()
    with served(database) as again:
        client = again.client(text)
        for job in jobs:
            whole(client, job)
        assert len(files(database)) == len(jobs)


def test_a_disk_that_is_full_fails_the_job_and_nothing_else(
    database: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (database.parent / "go").touch()
    monkeypatch.setenv("LIMIT", "100000")
    with served(database, program=PROGRAM) as server:
        client = server.client(text)
        large = ask(client, "json").json["job"]
        found = when(client, large, "failed", "complete")
        assert found["status"] == "failed"
        assert "too large" in found["error"] or "full" in found["error"]
        assert found["result_url"] is None
        assert files(database) == []
        assert client.get("limit=1").status == 200
        small = ask(client, status="no_show").json["job"]
        assert when(client, small, "failed", "complete")["status"] == "complete"
