"""Several processes on one database: workers of one server, and servers beside each other (contract section 6)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import databases
from cluster import cluster_of_its_own
from inside import import_file, new_store, token
from live import TURNOUT, Client, Server, environment, served, until
from turnout.store.base import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster import Cluster
    from live import Answer

INGEST = "/ingest/v1/attendances"
EXPORT = "/api/v2/reports/attendances/export"


def row(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "updated_at": "2026-05-01T10:00:00Z",
        "customer": {"id": 1 + number % 7, "name": f"Customer {number % 7}"},
        "event": {"id": 1, "starts_at": "2026-05-01T09:00:00Z"},
        "status": "attended",
    }


@pytest.fixture(scope="module")
def machine() -> Iterator[Cluster]:
    """The machine of the databases, which may lose its power."""
    with cluster_of_its_own() as made:
        yield made


@pytest.fixture
def database(tmp_path: Path, machine: Cluster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The name of a store with one provider and 40 rows."""
    monkeypatch.setattr(databases, "server", machine.address)
    with closing(new_store(tmp_path)) as store:
        store.put_provider(Provider(1, "Studio", "Europe/London"))
        import_file(store, 1, map(row, range(1, 41)))
    return tmp_path / "turnout.duckdb"


@pytest.fixture
def text(database: Path) -> str:
    """A token that may do everything."""
    with closing(new_store(database.parent)) as store:
        return token(store, 1, role="super_admin")


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def ask(server: Server, text: str, target: str = "limit=1", **more: Any) -> Answer:
    """One request on a connection of its own, which any of the workers may take."""
    with closing(Client(server.url, text)) as client:
        return client.get(target, **more) if not more.get("body") else client.send("POST", target, None, more["body"])


def total(server: Server, text: str) -> int:
    answer = ask(server, text, "format=json&limit=0")
    assert answer.status == 200, answer
    return int(answer.json["total"])


def metrics(server: Server) -> list[str]:
    with closing(Client(server.url)) as client:
        return client.send("GET", "/metrics").body.decode().splitlines()


def test_workers_share_an_address_and_are_replaced(database: Path, text: str) -> None:
    with served(database, workers=3) as server:
        for _ in until():
            if len(children(server.process.pid)) == 3:
                break
        for _ in until():
            lines = metrics(server)
            if [line for line in lines if line.startswith("turnout_worker_up")] == [
                f'turnout_worker_up{{worker="{number}"}} 1.0' for number in (1, 2, 3)
            ]:
                break
        assert sum(line.startswith("# TYPE turnout_store_up ") for line in lines) == 1
        assert {'turnout_store_up{worker="1"}', 'turnout_store_up{worker="2"}'} <= {line.split()[0] for line in lines}
        for killed in range(3):
            before = children(server.process.pid)
            victim = sorted(before)[killed]
            os.kill(victim, signal.SIGKILL)
            for _ in until():
                with suppress(OSError):  # a connection that the killed one had taken
                    assert total(server, text) == 40
                now = children(server.process.pid)
                if len(now) == 3 and victim not in now:
                    break
        pids = children(server.process.pid)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_end_with_their_parent(database: Path, text: str) -> None:
    server = Server(database, workers=2)
    assert total(server, text) == 40
    for _ in until():
        pids = children(server.process.pid)
        if len(pids) == 2:
            break
    server.kill()
    for _ in until():
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            break


_FIRST = """
import ctypes, os, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what is an orphan among its children becomes its own child
if not (child := os.fork()):
    if orphan := os.fork():
        print(orphan, file=open("orphan", "w"), flush=True)
        os._exit(0)
    while not os.path.exists("end"):
        time.sleep(0.01)
    os._exit(1)
os.waitpid(child, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_orphans_of_others_do_not_matter(database: Path, text: str) -> None:
    """As the first process of a container has them."""
    here = database.parent
    server = Server(database, program=[sys.executable, "-c", _FIRST, TURNOUT], workers=2)
    orphan = Path(f"/proc/{(here / 'orphan').read_text().strip()}")
    assert int(orphan.name) in children(server.process.pid)
    (here / "end").touch()
    for _ in until():
        if not orphan.exists():
            break
    for _ in until():
        if len(children(server.process.pid)) == 2:
            break
    assert total(server, text) == 40
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"database": "turnout.duckdb"}, "several workers need a database: --database postgresql://"),
        ({"database": "postgresql://nobody:secret-word@127.0.0.1:1/none"}, "The database cannot be reached"),
        ({"database": "postgresql://host/none?password=secret-word&colour=blue"}, "not an address of a database"),
    ],
)
def test_a_server_that_cannot_begin_says_why(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    done = subprocess.run(
        [TURNOUT, "serve", "--port", "0", "--workers", "2"],
        env=environment(**settings),
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
    )
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b""), said
    assert words in " ".join(said.split())
    assert "secret-word" not in said


def test_a_token_is_revoked_for_all_at_once(database: Path, text: str) -> None:
    with served(database) as one, served(database) as other:
        with closing(new_store(database.parent)) as store:
            lesser = token(store, 1)
            number = max(known.id for known in store.tokens())
        assert [ask(server, lesser).status for server in (one, other, one)] == [200, 200, 200]
        with closing(Client(one.url, text)) as client:
            assert client.send("DELETE", f"/admin/v1/tokens/{number}").status == 204
        assert [ask(server, lesser).status for server in (other, one, other)] == [401, 401, 401]


def test_a_rate_is_that_of_all(database: Path, text: str) -> None:
    with served(database, token_rate="6/hour") as one, served(database, token_rate="6/hour") as other:
        answers = [ask(server, text) for server in (one, other) * 4]
        assert [answer.status for answer in answers] == [200] * 6 + [429] * 2
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == [*"543210", "0", "0"]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 600


def test_failures_are_counted_for_all(database: Path) -> None:
    with served(database, auth_failures="3/hour") as one, served(database, auth_failures="3/hour") as other:
        statuses = [ask(server, "tk_wrong").status for server in (one, other, one, other, one)]
        assert statuses == [401, 401, 401, 429, 429]


@pytest.mark.parametrize("target", [INGEST, EXPORT])
def test_what_is_asked_twice_at_once_is_done_once(database: Path, text: str, target: str) -> None:
    body = b"{}" if target == EXPORT else b"\n".join(json.dumps(row(number)).encode() for number in range(100, 200))
    headers = {
        "Idempotency-Key": "the same",
        "Content-Type": "application/json" if target == EXPORT else "application/x-ndjson",
    }
    with served(database) as one, served(database) as other:
        start = threading.Barrier(8)

        def send(server: Server) -> Answer:
            with closing(Client(server.url, text)) as client:
                start.wait()
                for _ in until():
                    answer = client.send("POST", target, headers, body)
                    if answer.status != 409:
                        break
                return answer

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(send, [one, other] * 4))
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        if target == INGEST:
            assert json.loads(answers[0].body)["created"] == 100
        else:
            with closing(Client(one.url, text)) as client:
                assert client.send("GET", "/api/v2/jobs").json["total"] == 1


def test_a_database_that_goes_and_comes_back(database: Path, text: str, machine: Cluster) -> None:
    """/ready falls, /live holds, requests get 503 with Retry-After; all of it recovers by itself."""

    def state(server: Server) -> tuple[int, int, int]:
        with closing(Client(server.url)) as client:
            live, ready = (client.send("GET", path).status for path in ("/live", "/ready"))
        answer = ask(server, text)
        assert answer.status == 200 or (answer.error()[1], answer.headers["retry-after"]) == (
            "storage_unavailable",
            "5",
        )
        return live, ready, answer.status

    with served(database, workers=2) as server:
        for _ in range(3):
            for _ in until():
                # Each of the workers finds it again by itself.
                up = [line.split()[1] for line in metrics(server) if line.startswith("turnout_store_up{")]
                if up == ["1.0", "1.0"]:
                    break
            assert state(server) == (200, 200, 200)
            assert total(server, text) == 40
            machine.kill()
            try:
                assert state(server) == (200, 503, 503)
                assert state(server) == (200, 503, 503)
            finally:
                machine.start()


def test_a_machine_that_says_nothing_is_not_waited_for(database: Path, text: str, machine: Cluster) -> None:
    """Its processes are stopped, as those of a machine that cannot be reached: nobody hears of it."""
    with served(database, query_timeout=1) as server:
        assert total(server, text) == 40
        with machine.silent():
            with closing(Client(server.url)) as client:
                assert client.send("GET", "/live").status == 200
                assert client.send("GET", "/ready").status == 503
            assert ask(server, text).status == 503
        for _ in until():
            if ask(server, text).status == 200:
                break


def test_connections_are_spread_over_the_workers(database: Path, text: str) -> None:
    """Lasting connections, as programs keep them, come to all workers, whichever of them is quicker."""
    with served(database, workers=2) as server, ExitStack() as stack:
        for _ in until():
            workers = sorted(children(server.process.pid))
            if len(workers) == 2 and len(listening(server)) == 2:
                break
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        host, port = server.url.removeprefix("http://").split(":")
        clients = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(40)]
        waiting = listening(server)
        os.kill(workers[0], signal.SIGCONT)
        for _ in until():
            if min(listening(server)) == 0:
                break
        os.kill(workers[1], signal.SIGCONT)
        for client in clients:
            client.sendall(b"GET /live HTTP/1.1\r\nHost: here\r\n\r\n")
        assert all(client.recv(15) == b"HTTP/1.1 200 OK" for client in clients)
    assert min(waiting) > 0, waiting
    assert sum(waiting) == 40


def test_an_address_is_one_server_s(database: Path) -> None:
    """Its workers share it with nobody else, though each of them listens there."""
    with served(database, workers=2) as server:
        port = server.url.rpartition(":")[2]
        done = subprocess.run(
            [TURNOUT, "serve", "--port", port, "--workers", "2"],
            env=environment(**databases.settings_of(database)),
            cwd=database.parent,
            capture_output=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"port {port} is in use by another process" in " ".join(done.stderr.decode().split())


def listening(server: Server) -> list[int]:
    """How many connections wait at each of the server's sockets to be taken."""
    port = f":{int(server.url.rpartition(':')[2]):04X}"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return [int(line[4].partition(":")[2], 16) for line in lines if line[1].endswith(port) and line[3] == "0A"]
