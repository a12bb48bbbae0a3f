"""The process: how it starts, what it says, and that it ends well and in time, whatever it is busy with."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from turnout.errors import TurnoutError
from turnout.web.listening import bind, url_of
from web.fakes import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).with_name("serving.py")
REPORT = "/api/v2/reports/attendances/data"
INGEST = "/ingest/v1/attendances"
INCOMING = {"Content-Type": "application/x-ndjson", "TeamUp-Provider-ID": "1", "Idempotency-Key": "one"}
BUSY = 409
LIMIT = 10.0


class Process:
    """A server of `serving.py`, once it has said where it is."""

    def __init__(self, directory: Path, *ways: str, stderr: int | Any = None, **settings: object) -> None:
        self.file = directory / "t.duckdb"
        self.log = (directory / "log").open("wb")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TURNOUT_")}
        given = {"database": self.file, "port": 0, **settings}
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, *ways],
            stdout=subprocess.PIPE,
            stderr=self.log if stderr is None else stderr,
            env={**clean, **{f"TURNOUT_{name.upper()}": str(value) for name, value in given.items()}},
            cwd=directory,
        )
        self.url = self._line().removeprefix("Turnout serves ").strip()

    def _line(self) -> str:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        return self.process.stdout.readline().decode() if ready else ""

    def owner(self, **given: Any) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=f"{self.file}.sock")
        return httpx.Client(base_url="http://owner", transport=transport, timeout=PATIENCE, **given)

    def signal(self, number: int = signal.SIGTERM) -> float:
        self.process.send_signal(number)
        return time.monotonic()

    def ends(self, since: float, within: float = LIMIT) -> None:
        """Exit status 0, in time, with nothing more on standard output and no socket left."""
        assert self.process.wait(PATIENCE) == 0, (self.file.parent / "log").read_text()
        assert time.monotonic() - since < within
        assert self.process.stdout
        assert self.process.stdout.read() == b""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr, self.log):
            if stream:
                stream.close()


@contextmanager
def process(directory: Path, *ways: str, **given: Any) -> Iterator[Process]:
    made = Process(directory, *ways, **given)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def asking(server: Process) -> Iterator[list[httpx.Response | Exception]]:
    """A report that is being asked for; its answer is there at the end of the block."""
    found: list[httpx.Response | Exception] = []

    def ask() -> None:
        try:
            with server.owner() as client:
                found.append(client.get(REPORT))
        except httpx.HTTPError as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    with server.owner() as client:
        while "turnout_queries_active 1.0" not in client.get("/metrics").text:
            assert thread.is_alive()
    yield found
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_server_from_start_to_end(tmp_path: Path) -> None:
    with process(tmp_path, "real") as server:
        # It accepts requests as soon as it says so.
        assert httpx.get(f"{server.url}/ready", timeout=PATIENCE).json() == {"status": "ready"}
        assert stat.S_IMODE((tmp_path / "t.duckdb.sock").stat().st_mode) == 0o600
        with server.owner() as client:
            assert client.get("/admin/v1/owner").json() == {"pid": server.process.pid, "command": "turnout serve"}
            status = client.get("/admin/v1/status").json()
            assert status["store"]["location"] == str(server.file)
            assert status["faults"] == []
            new = {"id": 1, "name": "One", "timezone": "Europe/Berlin"}
            assert client.post("/admin/v1/providers", json=new).status_code == 201
            token = client.post("/admin/v1/tokens", json={"providers": [1]}).json()["token"]
            asked = {"headers": {"Authorization": f"Token {token}"}, "params": {"format": "json"}, "timeout": PATIENCE}
            answer = httpx.get(server.url + REPORT, **asked)
            assert (answer.status_code, answer.json()["total"]) == (200, 0)
            assert client.delete("/admin/v1/tokens/1").status_code == 204
            assert httpx.get(server.url + REPORT, **asked).status_code == 401
        server.ends(server.signal())
        assert [one.name for one in tmp_path.glob("*.sock")] == []
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        assert lines[0]["message"] == "serving"
        assert sum(line["message"] == "request" for line in lines) == 8
        assert lines[-1]["message"] == "stopping"
        assert token not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_is_finished(tmp_path: Path, number: int) -> None:
    with process(tmp_path, "fake", "wait") as server:
        with asking(server) as found:
            since = server.signal(number)
            until_it_stops(server)
            # Nobody new is let in.
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{server.url}/live", timeout=PATIENCE)
            (tmp_path / "go").touch()
        server.ends(since)
        assert isinstance(found[0], httpx.Response)
        assert (found[0].status_code, found[0].json()["rows"]) == (200, [[1]])


def until_it_stops(server: Process) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    while "stopping" not in (server.file.parent / "log").read_text():
        assert server.process.poll() is None
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))):
                return
    raise AssertionError("it goes on listening")


def test_a_request_that_runs_too_long_is_cancelled_and_answered(tmp_path: Path) -> None:
    with process(tmp_path, "fake", "hold", shutdown_timeout=0.1) as server:
        with asking(server) as found:
            since = server.signal()
        server.ends(since)
        assert isinstance(found[0], httpx.Response)
        assert (found[0].status_code, found[0].json()["code"]) == (503, "overloaded")
        assert found[0].headers["retry-after"]


@contextmanager
def sending(server: Process, body: bytes) -> Iterator[list[httpx.Response | Exception]]:
    """Rows that are being sent; the answer is there at the end of the block. Meanwhile their key is taken."""
    found: list[httpx.Response | Exception] = []

    def send() -> None:
        try:
            with server.owner() as client:
                answer = None
                while answer is None or answer.status_code == BUSY:
                    answer = client.post(f"{INGEST}?partial=true", content=body, headers=INCOMING)
                found.append(answer)
        except httpx.HTTPError as error:
            found.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    yield found
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_body_that_is_being_checked_does_not_keep_the_process(tmp_path: Path) -> None:
    with process(tmp_path, "real", shutdown_timeout=0.1) as server:
        with server.owner() as client:
            new = {"id": 1, "name": "One", "timezone": "Europe/Berlin"}
            assert client.post("/admin/v1/providers", json=new).status_code == 201
            with sending(server, b"{}\n" * 500_000) as found:
                while client.post(INGEST, content=b"{}", headers=INCOMING).status_code != BUSY:
                    assert not found
                since = server.signal()
        server.ends(since)
        log = (tmp_path / "log").read_text()
        assert "Traceback" not in log
        assert "requests unfinished" not in log
        # On a machine that has no time for it, the connection may be closed without an answer.
        assert not isinstance(found[0], httpx.Response) or found[0].json()["code"] == "overloaded"


def test_a_merge_does_not_keep_the_process_and_its_end_is_no_fault(tmp_path: Path) -> None:
    row = {"id": 1, "updated_at": "2026-10-01T10:00:00Z", "customer": {"id": 1}, "status": "attended"}
    row["event"] = {"id": 1, "starts_at": "2026-10-01T10:00:00Z"}
    with process(tmp_path, "fake", "merge", shutdown_timeout=0.1) as server:
        with sending(server, json.dumps(row).encode()) as found:
            while not (tmp_path / "merging").exists():
                assert not found
            since = server.signal()
        server.ends(since)
        assert isinstance(found[0], httpx.HTTPError)
        assert "Traceback" not in (tmp_path / "log").read_text()


def test_work_that_cannot_be_stopped_does_not_keep_the_process(tmp_path: Path) -> None:
    with process(tmp_path, "fake", "deaf", shutdown_timeout=0.1) as server:
        with asking(server):
            since = server.signal()
        server.ends(since)


def test_a_store_that_cannot_be_closed_does_not_keep_the_process(tmp_path: Path) -> None:
    with process(tmp_path, "fake", "stuck", "late") as server:
        server.ends(server.signal())
        assert "the process ends with requests unfinished" in (tmp_path / "log").read_text()


def test_idle_and_stuck_clients_do_not_keep_the_process(tmp_path: Path) -> None:
    with process(tmp_path, "fake", shutdown_timeout=0.2) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as new, socket.create_connection((host, int(port))) as idle:
            idle.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(15) == b"HTTP/1.1 200 OK"
            new.sendall(b"GET /live HT")
            with (
                socket.create_connection((host, int(port))) as body,
                socket.create_connection((host, int(port))) as deaf,
            ):
                body.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
                # Answers that are not read fill the buffers of both sides.
                deaf.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
                with server.owner() as client:
                    assert client.get("/live").status_code == 200
                server.ends(server.signal())


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with process(tmp_path, "fake", "deaf") as server, asking(server):
        since = server.signal()
        until_it_stops(server)
        server.signal()
        server.ends(since, within=5)


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with process(tmp_path, "fake", port=taken.getsockname()[1]) as server:
            assert server.process.wait(PATIENCE) == 1
            assert f"port {taken.getsockname()[1]} is in use" in (tmp_path / "log").read_text()
            assert not server.file.exists()


def test_a_second_server_on_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with process(tmp_path, "real") as first:
        with process(tmp_path / "second", "real", database=first.file) as second:
            assert second.process.wait(PATIENCE) == 1
            assert f"process {first.process.pid}" in (tmp_path / "second" / "log").read_text()
        # The first one's socket is not touched.
        with first.owner() as client:
            assert client.get("/live").status_code == 200


def test_a_killed_server_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with process(tmp_path, "real") as first:
        first.process.kill()
        first.process.wait()
    assert (tmp_path / "t.duckdb.sock").exists()
    with process(tmp_path, "real") as second, second.owner() as client:
        assert client.get("/ready").status_code == 200


def test_without_a_socket_it_serves_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.duckdb.sock").mkdir()
    with process(tmp_path, "fake") as server:
        assert httpx.get(f"{server.url}/live", timeout=PATIENCE).status_code == 200
        server.ends(server.signal())
        assert "cannot reach this server" in (tmp_path / "log").read_text()
        assert (tmp_path / "t.duckdb.sock").is_dir()


def test_a_key_set_that_cannot_be_read_is_said_once_and_does_not_stop_it(tmp_path: Path) -> None:
    with process(tmp_path, "fake", jwt_jwks=tmp_path / "keys.json") as server:
        with server.owner() as client:
            faults = client.get("/admin/v1/status").json()["faults"]
        assert any("keys.json, cannot be used: No such file or directory." in fault for fault in faults)
        server.ends(server.signal())
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        assert [line["message"] for line in lines if line["level"] == "warning"] == [
            "jwt_jwks cannot be used: No such file or directory"
        ]


def test_a_log_that_nobody_reads_does_not_hold_up_the_server(tmp_path: Path) -> None:
    with process(tmp_path, "fake", stderr=subprocess.PIPE) as server:
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
            # Each line has more than 150 bytes; a pipe holds 64 KiB.
            assert all(client.get("/live").status_code == 200 for _ in range(1500))
        server.ends(server.signal())


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0"])
def test_hosts_by_name_and_all_of_them(tmp_path: Path, host: str) -> None:
    with process(tmp_path, "fake", host=host) as server:
        assert httpx.get(f"{server.url}/live", timeout=PATIENCE).status_code == 200
        server.ends(server.signal())


def test_addresses_that_this_machine_does_not_have_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, here = (
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("192.0.2.1", "127.0.0.1")
    )
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [elsewhere, here, here])
    (bound,) = bind("somewhere", 0)
    with bound:
        assert bound.getsockname()[0] == "127.0.0.1"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [elsewhere])
    with pytest.raises(TurnoutError, match="Cannot listen on somewhere, port 0"):
        bind("somewhere", 0)


def test_of_two_servers_that_start_at_once_one_is_refused_at_once() -> None:
    """Two sockets may be bound to one address while neither listens; the second would fail only when it does."""
    (first,) = bind("127.0.0.1", 0)
    with first, pytest.raises(TurnoutError, match=f"port {first.getsockname()[1]} is in use by another process"):
        bind("127.0.0.1", first.getsockname()[1])


def test_a_name_that_is_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TurnoutError, match="Cannot listen on nowhere, port 80: Name or service not known"):
        bind("nowhere", 80)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("fe80::1", "[fe80::1]")],
)
def test_the_address_that_is_shown_can_be_opened(host: str, shown: str) -> None:
    (bound,) = bind("127.0.0.1", 0)
    with bound:
        assert url_of(bound, host) == f"http://{shown}:{bound.getsockname()[1]}"
