"""Kills and stops (sections 5 and 6): an import leaves all of its rows or none, and a server ends well or not at all.

The moments of the kills are random; what has to hold afterwards holds for every moment.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from http.client import IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inside import Inside, add_provider, import_file, new_store, token
from live import PATIENCE, REPORT, TURNOUT, Answer, Client, Server, environment, raw, served, turnout, until
from oracle import calendar
from oracle.report import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Asking
    from oracle.data import Row

TENANT = Tenant(1, "Europe/London", "monday")
NOW = calendar.micros("2026-06-01T12:00:00Z")
OLD, ADDED = 2_000, 18_000
KILLS = 6


def _row(number: int, version: int) -> Row:
    """Rows of few customers and events, so that a newer version renames and moves things under many older rows."""
    return {
        "id": number,
        "updated_at": f"2026-05-0{version}T00:00:00Z",
        "customer": {"id": 1 + number % 500, "name": f"Version {version}", "email": f"c{number % 500}@example.org"},
        "event": {
            "id": 1 + number % 800,
            "starts_at": f"2026-0{version + 1}-{1 + number % 28:02}T10:00:00Z",
            "name": "Yoga",
        },
        "status": "attended",
        "venue": {"id": 1 + number % 5, "name": f"Hall {version}"},
        "instructors": [{"id": 1 + number % 7, "name": f"Teacher {version}"}],
    }


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a newer version of every old row, and many new rows."""
    file = tmp_path_factory.mktemp("import") / "newer.ndjson"
    with file.open("w") as out:
        out.writelines(json.dumps(_row(number, 2)) + "\n" for number in range(1, OLD + ADDED + 1))
    return file


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with the old rows, and a token."""
    directory = tmp_path_factory.mktemp("template")
    store = new_store(directory)
    add_provider(store, TENANT)
    import_file(store, 1, [_row(number, 1) for number in range(1, OLD + 1)])
    text = token(store, 1)
    store.close()
    return directory / "turnout.duckdb", text


@pytest.fixture
def database(tmp_path: Path, template: tuple[Path, str]) -> Path:
    """A copy of it that nobody has open."""
    return Path(shutil.copy(template[0], tmp_path))


def version_of(database: Path) -> int:
    """Open the store, and find every row, name and time of one version, and none of another."""
    store = new_store(database.parent)
    inside = Inside(store, NOW)
    client = inside.as_(token(store, 1))
    try:
        newer = client.get("updated_at_gte=2026-05-02&limit=0&format=json").json["total"]
        total = client.get("limit=0&format=json").json["total"]
        version = 2 if newer else 1
        assert (newer, total) == ((OLD + ADDED, OLD + ADDED) if newer else (0, OLD))
        for sort, limit in (
            ("customer.name", 100),
            ("-customer.name", 100),
            ("venue.name", 10),
            ("-venue.name", 10),
            ("id", 100),
            ("-id", 100),
        ):
            rows = client.get(f"sort={sort}&limit={limit}&format=json").json["rows"]
            assert {row["customer"]["name"] for row in rows} == {f"Version {version}"}
            assert {row["venue"]["name"] for row in rows} == {f"Hall {version}"}
            assert {one["name"] for row in rows for one in row["instructors"]} == {f"Teacher {version}"}
            assert {row["event"]["starts_at"][:7] for row in rows} == {f"2026-0{version + 1}"}
        firsts = client.get("sort=-is_first_attendance&limit=1&offset=500&format=json").json["rows"]
        assert [row["is_first_attendance"] for row in firsts] == [False]
    finally:
        inside.close()
        store.close()
    return version


def _import(database: Path, file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [TURNOUT, "import", str(file), "--provider", "1", "--database", str(database)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=database.parent,
    )  # fmt: skip


def test_an_import_that_is_killed_leaves_all_or_nothing(database: Path, newer: Path) -> None:
    """kill -9 at random moments between start and end, then once undisturbed."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it with a failure
    chance = random.Random(seed)
    assert version_of(database) == 1
    began = time.monotonic()
    trial = database.parent / "trial" / database.name
    trial.parent.mkdir()
    shutil.copy(database, trial)
    process = _import(trial, newer)
    process.communicate(timeout=PATIENCE * 4)
    lasts = time.monotonic() - began
    assert (process.returncode, version_of(trial)) == (0, 2)
    for _ in range(KILLS):
        process = _import(database, newer)
        try:
            process.wait(timeout=chance.uniform(0.2, 1.0) * lasts)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        found = version_of(database)
        assert found == 2 or process.returncode == -signal.SIGKILL
        if found == 2:
            break
    done = turnout("import", str(newer), "--provider", "1", "--json", database=database)
    counts = json.loads(done.stdout)
    assert counts["created"] + counts["updated"] + counts["unchanged"] == OLD + ADDED
    assert version_of(database) == 2


def test_an_import_that_is_asked_to_stop_leaves_all_or_nothing(database: Path, newer: Path) -> None:
    """SIGTERM and Ctrl-C as soon as the file is owned: it ends by itself, and can be run again."""
    for number in (signal.SIGTERM, signal.SIGINT):
        process = _import(database, newer)
        for _ in until():
            if (
                (database.parent / f"{database.name}.wal").exists()
                or process.poll() is not None
                or _reads(process, newer)
            ):
                break
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
        found = version_of(database)
        assert found == 1 or process.returncode == 0
        assert list(database.parent.glob("*.tmp/*")) == []
    turnout("import", str(newer), "--provider", "1", database=database)
    assert version_of(database) == 2


def _reads(process: subprocess.Popen[bytes], file: Path) -> bool:
    """Whether the process has the file open."""
    try:
        return any(one.resolve() == file for one in Path(f"/proc/{process.pid}/fd").iterdir())
    except OSError:
        return False


def test_a_server_that_is_killed_keeps_what_it_said(database: Path, template: tuple[Path, str]) -> None:
    """kill -9 while requests run and tokens are made: every token that was shown works after the restart."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it with a failure
    chance = random.Random(seed)
    shown = [template[1]]
    for _ in range(3):
        server = Server(database)
        client = server.client(shown[0])
        asking = threading.Thread(target=_ask_until_it_ends, args=(server.url, shown[0]))
        asking.start()
        making = subprocess.Popen(
            [TURNOUT, "token", "create", "--provider", "1", "--database", str(database)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), cwd=database.parent,
        )  # fmt: skip
        assert all(client.get("limit=5").status == 200 for _ in range(chance.randrange(1, 40)))
        server.kill()
        out, _ = making.communicate(timeout=PATIENCE)
        asking.join(PATIENCE)
        if making.returncode == 0:
            shown.append(out.decode().strip())
        assert not asking.is_alive()
    with served(database) as server:
        for text in shown:
            assert server.client(text).get("limit=0&format=json").json["total"] == OLD
    assert version_of(database) == 1


def _ask_until_it_ends(url: str, text: str) -> None:
    client = Client(url, text)
    try:
        while client.get("sort=customer.name&limit=100").status == 200:
            pass
    except (OSError, IncompleteRead):
        pass
    finally:
        client.close()


@pytest.fixture
def running(database: Path, template: tuple[Path, str]) -> Iterator[tuple[Server, str]]:
    server = Server(database)
    yield server, template[1]
    if server.process.poll() is None:
        server.kill()


def test_sigterm_answers_what_runs_and_exits_0(running: tuple[Server, str]) -> None:
    """Every request that a server began to answer is answered whole; nothing is half sent; the exit status is 0."""
    server, text = running
    whole: list[Answer] = []
    broken: list[object] = []
    started = threading.Barrier(9)
    workers = [threading.Thread(target=_hammer, args=(server.url, text, started, whole, broken)) for _ in range(8)]
    for worker in workers:
        worker.start()
    started.wait(PATIENCE)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10
    for worker in workers:
        worker.join(PATIENCE)
    assert broken == []
    assert len(whole) >= 8
    assert {answer.status for answer in whole} == {200}
    assert len({answer.body for answer in whole}) == 1


def _hammer(url: str, text: str, started: threading.Barrier, whole: list[Answer], broken: list[object]) -> None:
    """Ask on new connections until none is accepted. A connection that closes without a byte was not yet answered."""
    request = f"GET {REPORT}?sort=-customer.name&limit=100 HTTP/1.1\r\nHost: x\r\nAuthorization: Token {text}\r\nConnection: close\r\n\r\n"
    first = True
    while True:
        try:
            found = raw(url, request.encode())
        except OSError:
            return
        if first:
            started.wait(PATIENCE)
            first = False
        if not found:
            return
        head, _, body = found.partition(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"")
        if not length or int(length.partition(b":")[2]) != len(body):
            broken.append(found[:2000])
            return
        whole.append(Answer(int(head.split(b" ")[1]), {}, body))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clients_that_say_nothing_do_not_hold_a_server(running: tuple[Server, str], number: signal.Signals) -> None:
    """Idle connections, half a request, a body that never comes: the server ends within 10 seconds all the same."""
    server, text = running
    host, port = server.url.removeprefix("http://").split(":")
    beginnings = (
        b"", b"GET ", b"GET /live HTTP/1.1\r\nHost: x\r\n",
        b"POST /admin/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Token " + text.encode() + b"\r\nContent-Length: 1000\r\n\r\n{",
    )  # fmt: skip
    connections = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in beginnings]
    for connection, beginning in zip(connections, beginnings, strict=True):
        connection.sendall(beginning)
    assert server.client(text).get("limit=1").status == 200
    began = time.monotonic()
    server.process.send_signal(number)
    assert server.process.wait(PATIENCE) == 0
    assert time.monotonic() - began < 10
    for connection in connections:
        connection.close()
    server.stop()
    assert not (server.database.parent / f"{server.database.name}.sock").exists()


def test_a_second_server_on_the_same_file_says_who_has_it(running: tuple[Server, str]) -> None:
    server, text = running
    second = turnout("serve", "--port", "0", database=server.database, check=False)
    assert second.returncode == 1
    assert second.stdout == b""
    words = second.stderr.decode()
    assert f"process {server.process.pid} (turnout serve)" in " ".join(words.split())
    assert "Traceback" not in words
    assert server.client(text).get("limit=0&format=json").json["total"] == OLD


def test_an_import_beside_a_server_goes_through_it(running: tuple[Server, str], newer: Path) -> None:
    server, text = running
    done = turnout("import", str(newer), "--provider", "1", "--json", database=server.database)
    assert json.loads(done.stdout)["created"] == ADDED
    assert server.client(text).get("limit=0&format=json").json["total"] == OLD + ADDED


def test_an_import_through_a_server_that_is_killed_leaves_all_or_none(running: tuple[Server, str], newer: Path) -> None:
    server, _ = running
    process = _import(server.database, newer)
    time.sleep(random.Random(1).random())
    server.kill()
    process.wait(PATIENCE * 4)
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
    assert version_of(server.database) in (1, 2)


def test_commands_reach_the_server_that_owns_the_file(running: tuple[Server, str]) -> None:
    """Making and revoking tokens beside a running server: each counts from the next request on."""
    server, _ = running
    made = turnout("token", "create", "--provider", "1", database=server.database).stdout.decode().strip()
    client: Asking = server.client(made)
    assert client.get("limit=0").status == 200
    listed = json.loads(turnout("token", "list", "--json", database=server.database).stdout)
    turnout("token", "revoke", str(max(one["id"] for one in listed)), database=server.database)
    assert client.get("limit=0").error()[:2] == (401, "authentication_failed")


def test_a_stale_socket_is_no_obstacle(running: tuple[Server, str]) -> None:
    """After kill -9 the socket's file is left behind; commands and servers work as if it were not there."""
    server, text = running
    server.kill()
    assert (server.database.parent / f"{server.database.name}.sock").exists()
    assert turnout("provider", "list", "--json", database=server.database).returncode == 0
    with served(server.database) as again:
        assert again.client(text).get("limit=0&format=json").json["total"] == OLD
