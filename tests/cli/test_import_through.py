"""`turnout import` through the server that has the store, here or elsewhere: as from a file, whatever comes between."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from test_owner import serving

from conftest import ROWS, ndjson, row
from turnout.cli import patience, through
from turnout.cli.api import Refused, Unreachable
from turnout.cli.patience import TRIES
from turnout.cli.through import Through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shell import Shell

    from turnout.imports import ImportResult

NEW = [row(number) for number in range(1001, 1011)]
BAD = [row(2001, status="attendedd"), row(2002, updated_at=None), row(2003)]


def count(shell: Shell) -> int:
    return int(json.loads(shell.out("report", "--provider", "1", "--limit", "0", "--json"))["total"])


def file(shell: Shell, data: bytes, name: str = "rows.ndjson") -> Path:
    path = shell.database.with_name(name)
    path.write_bytes(data)
    return path


@contextmanager
def elsewhere(shell: Shell) -> Iterator[tuple[str, ...]]:
    """The options of a command that asks the server by its address."""
    with serving(shell) as (url, _):
        token = shell.out("token", "create", "--provider", "1", "--role", "super_admin").strip()
        yield ("--server", url, "--token", token)


def test_through_the_owner(shell: Shell) -> None:
    with serving(shell):
        rows = str(file(shell, ndjson(NEW)))
        done = shell.out("import", rows, "--provider", "1")
        assert done.startswith("Imported 10 rows: 10 created, 0 updated, 0 unchanged (")
        again = json.loads(shell.out("import", rows, "--provider", "1", "--json"))
        assert again == {"created": 0, "updated": 0, "unchanged": 10, "rejected": [], "rejected_count": 0}
        dry = shell.out("import", "-", "--provider", "1", "--dry-run", stdin=ndjson([row(3000)]))
        assert dry.startswith("Would import 1 row: 1 created")
        table = shell.run("report", "--provider", "1", "--all", "--format", "csv").stdout
        assert json.loads(shell.out("import", "-", "--provider", "1", "--json", stdin=table))["unchanged"] == ROWS + 10
        assert count(shell) == ROWS + 10


def test_bad_rows_are_told_as_from_a_file(shell: Shell) -> None:
    data = ndjson([*NEW, *BAD])
    rows = file(shell, data)
    alone = shell.run("import", str(rows), "--provider", "1", status=1)
    alone_json = shell.out("import", str(rows), "--provider", "1", "--json", status=1)
    with serving(shell):
        beside = shell.run("import", str(rows), "--provider", "1", status=1)
        assert beside.stderr == alone.stderr
        assert b"rows.ndjson:11: status: " in beside.stderr
        assert shell.out("import", str(rows), "--provider", "1", "--json", status=1) == alone_json
        assert count(shell) == ROWS


def test_rejects_come_back_as_they_were(shell: Shell) -> None:
    rows = file(shell, ndjson([*NEW, *BAD]))
    expected = file(shell, b"", "expected.ndjson")
    got = file(shell, b"", "got.ndjson")
    shell.run("import", str(rows), "--provider", "1", "--rejects", str(expected), "--dry-run", status=1)
    with serving(shell):
        shell.run("import", str(rows), "--provider", "1", "--rejects", str(got), status=1)
        assert count(shell) == ROWS + 11
    assert got.read_bytes() == expected.read_bytes()
    assert [json.loads(line)["line"] for line in got.read_bytes().splitlines()] == [11, 12]


def test_a_file_that_cannot_be_read_to_its_end(shell: Shell) -> None:
    rows = file(shell, ndjson(NEW)[:-20])
    with serving(shell):
        said = shell.words("import", str(rows), "--provider", "1", status=1)
    assert "nothing was changed" in said


def test_unknown_providers_are_named(shell: Shell) -> None:
    with serving(shell):
        assert "provider 77" in shell.words("import", "-", "--provider", "77", stdin=ndjson(NEW), status=1)


def test_a_server_elsewhere(shell: Shell) -> None:
    with elsewhere(shell) as there:
        done = shell.out("import", str(file(shell, ndjson(NEW))), "--provider", "1", *there)
        assert done.startswith("Imported 10 rows: 10 created")
        assert count(shell) == ROWS + 10


def test_a_large_file_goes_in_parts(shell: Shell) -> None:
    padded = [row(5000 + number, customer={"id": 1, "name": "x" * 9_000}) for number in range(1, 1_200)]
    rows = file(shell, ndjson(padded))
    assert rows.stat().st_size > through.PART
    with elsewhere(shell) as there:
        done = json.loads(shell.out("import", str(rows), "--provider", "1", "--json", *there))
        assert done["created"] == 1_199
        assert not list(shell.database.with_name("turnout.duckdb.uploads").iterdir())
        # Whoever may read reports only uploads nothing.
        token = shell.out("token", "create", "--provider", "1").strip()
        denied = (*there[:3], token)
        assert "super_admin" in shell.words("import", str(rows), "--provider", "1", *denied, status=1)


class Rough:
    """A proxy between a client and a server that breaks connections after some bytes, as often as it is told to."""

    def __init__(self, port: int, after: list[int]) -> None:
        self._port, self._after = port, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        passed = 0
        try:
            while data := source.recv(65_536):
                passed += len(data)
                if counted and self._after and passed > self._after[0]:
                    self._after.pop(0)
                    break
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # the other thread waits on it, which keeps it open
            one.close()

    def close(self) -> None:
        self._listener.close()


def through_a(url: str, token: str, path: Path, pauses: list[float]) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client, path.open("rb", buffering=0) as source:
        return Through(client, source, 1, pause=shortly(pauses)).run(rejects=None, dry_run=False)


def shortly(pauses: list[float]) -> Callable[[float], None]:
    """Notes how long a pause should be, and makes a short one: the server has to see that a connection is broken."""

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(0.05)

    return pause


def test_broken_connections_are_gone_on_with(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "PART", 20_000)
    padded = [row(5000 + number, customer={"id": 1, "name": "x" * 2_000}) for number in range(1, 101)]
    rows = file(shell, ndjson(padded))
    with elsewhere(shell) as (_, url, _, token):
        rough = Rough(int(url.rpartition(":")[2]), [5_000, 60_000, 12_000])
        pauses: list[float] = []
        done = through_a(rough.url, token, rows, pauses)
        rough.close()
        assert done.created == 100
        assert len(pauses) >= 3
        assert count(shell) == ROWS + 100


def test_an_import_that_was_given_up_goes_on_later(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "PART", 20_000)
    monkeypatch.setattr(patience, "TRIES", 1)
    padded = [row(5000 + number, customer={"id": 1, "name": "x" * 2_000}) for number in range(1, 101)]
    rows = file(shell, ndjson(padded))
    with elsewhere(shell) as (_, url, _, token):
        rough = Rough(int(url.rpartition(":")[2]), [100_000])
        with pytest.raises(Unreachable):
            through_a(rough.url, token, rows, [])
        rough.close()
        assert count(shell) == ROWS
        (there,) = shell.database.with_name("turnout.duckdb.uploads").iterdir()
        kept = there.stat().st_size
        assert kept >= 60_000
        assert there.stat().st_mode & 0o777 == 0o600
        sent: list[int] = []
        monkeypatch.setattr(patience, "TRIES", 8)
        monkeypatch.setattr(Through, "_send", counting(Through._send, sent))
        assert through_a(url, token, rows, []).created == 100
        assert sent[0] == kept


def counting(send: Any, offsets: list[int]) -> Any:
    def counted(self: Through, path: str, offset: int) -> int:
        offsets.append(offset)
        return int(send(self, path, offset))

    return counted


def test_what_is_refused_is_not_tried_again(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "PART", 20_000)
    rows = file(shell, b" " * 30_000)
    pauses: list[float] = []
    with elsewhere(shell) as (_, url, _, _), pytest.raises(Refused):
        through_a(url, "tk_wrong", rows, pauses)
    assert not pauses


@pytest.mark.parametrize("code", ["overloaded", "throttled"])
def test_a_busy_server_is_asked_again_when_it_says(code: str) -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.read())
        if len(asked) <= 2:
            busy = {"code": code, "message": "Later.", "field_errors": {}}
            return httpx.Response(503, json=busy, headers={"Retry-After": "7"} if len(asked) == 1 else {})
        return httpx.Response(200, json={"created": 1, "updated": 0, "unchanged": 0, "rejected_count": 0})

    pauses: list[float] = []
    content = Path(__file__).read_bytes()
    with (
        httpx.Client(transport=httpx.MockTransport(answer), base_url="http://inside") as client,
        open(__file__, "rb") as source,
    ):
        assert Through(client, source, 1, pause=pauses.append).run(rejects=None, dry_run=False).created == 1
    assert asked == [content] * 3
    assert pauses == [7, 2.0]


def test_an_import_that_failed_is_not_tried_again() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.read())
        return httpx.Response(503, json={"code": "storage_unavailable", "message": "Full.", "field_errors": {}})

    transport = httpx.MockTransport(answer)
    with (
        httpx.Client(transport=transport, base_url="http://inside") as client,
        open(__file__, "rb") as source,
        pytest.raises(Refused, match="Full"),
    ):
        Through(client, source, 1, pause=lambda _: None).run(rejects=None, dry_run=False)
    assert len(asked) == 1


class Restarted:
    """A server that keeps what was uploaded and merged, and is away for some requests after the one `at`."""

    def __init__(self, at: str, away: int) -> None:
        self.at, self.away = at, away
        self.received = 0
        self.merged = False
        self.left: int | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        if self.left:
            self.left -= 1
            raise httpx.ConnectError("Connection refused")
        if request.method == "PATCH":
            self.received += len(content)
        elif request.method == "POST":
            self.merged = True
        if request.method == self.at and self.left is None:
            self.left = self.away
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        if request.method == "POST":
            return httpx.Response(200, json={"created": 1, "updated": 0, "unchanged": 0, "rejected_count": 0})
        return httpx.Response(200, json={"received": self.received})


def import_this_file(server: Restarted, pauses: list[float]) -> ImportResult:
    with (
        httpx.Client(transport=httpx.MockTransport(server), base_url="http://elsewhere") as client,
        open(__file__, "rb") as source,
    ):
        return Through(client, source, 1, pause=pauses.append).run(rejects=None, dry_run=False)


@pytest.mark.parametrize("at", ["PATCH", "POST"])
def test_a_server_that_starts_again_is_waited_for(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    monkeypatch.setattr(through, "PART", 4_000)
    server, pauses = Restarted(at, away=3), list[float]()
    assert import_this_file(server, pauses).created == 1
    assert server.merged
    assert server.received == Path(__file__).stat().st_size
    assert pauses == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("at", ["PATCH", "POST"])
def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    monkeypatch.setattr(through, "PART", 4_000)
    pauses: list[float] = []
    with pytest.raises(Unreachable):
        import_this_file(Restarted(at, away=1_000), pauses)
    assert len(pauses) == TRIES - 1


def test_a_server_that_was_never_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "PART", 4_000)
    pauses: list[float] = []
    with pytest.raises(Unreachable):
        import_this_file(Restarted("GET", away=1_000), pauses)
    assert not pauses


def test_an_upload_that_another_import_merged_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both were of the same file, and have one upload: its rows are in, and are not there a second time."""
    monkeypatch.setattr(through, "PART", 4_000)
    received, merges, parts = 0, 0, 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal received, merges, parts
        if request.method == "PATCH":
            received += len(request.read())
            parts += 1
        if request.method != "POST":
            return httpx.Response(200, json={"received": received})
        merges += 1
        if merges == 1:
            received = 0
            return httpx.Response(404, json={"code": "not_found", "message": "Nothing.", "field_errors": {}})
        return httpx.Response(200, json={"created": 0, "updated": 0, "unchanged": 1, "rejected_count": 0})

    with (
        httpx.Client(transport=httpx.MockTransport(answer), base_url="http://elsewhere") as client,
        open(__file__, "rb") as source,
    ):
        assert Through(client, source, 1, pause=lambda _: None).run(rejects=None, dry_run=False).unchanged == 1
    assert received == Path(__file__).stat().st_size
    assert parts == 2 * -(-received // 4_000)


def test_parts_have_their_place(shell: Shell) -> None:
    with elsewhere(shell) as (_, url, _, token):
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
            path = "/ingest/v1/uploads/abcdefgh"
            assert client.get(path).json() == {"received": 0}
            assert client.post(path).status_code == 404
            assert client.patch(path, content=b"ab", headers={"Upload-Offset": "0"}).json() == {"received": 2}
            refused = client.patch(path, content=b"ab", headers={"Upload-Offset": "0"})
            assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
            for offset in ({}, {"Upload-Offset": "-1"}, {"Upload-Offset": "x"}):
                wrong = client.patch(path, content=b"ab", headers=offset)
                assert (wrong.status_code, "Upload-Offset" in wrong.json()["field_errors"]) == (400, True)
            assert client.get(path).json() == {"received": 2}
            other = shell.out("token", "create", "--provider", "1", "--role", "super_admin").strip()
            assert client.get(path, headers={"Authorization": f"Bearer {other}"}).json() == {"received": 0}
            assert client.delete(path).status_code == 204
            assert client.get(path).json() == {"received": 0}
            for name in ("short", "a" * 65, "..%2f..%2fetc%2fpasswd", "with-dash"):
                assert client.get(f"/ingest/v1/uploads/{name}").status_code == 404


def test_a_sum_is_read_whatever_pieces_it_comes_in() -> None:
    """The rejected rows and the sum come in blocks that have nothing to do with their lines."""
    lines = b'{"line":1}\n{"line":2}\n{"created":1,"updated":0,"unchanged":0,"rejected_count":2}\n'
    for size in range(1, len(lines) + 1):
        blocks = [lines[at : at + size] for at in range(0, len(lines), size)]
        transport = httpx.MockTransport(lambda _, blocks=blocks: httpx.Response(200, content=iter(blocks)))
        rejects = io.BytesIO()
        with httpx.Client(transport=transport, base_url="http://inside") as client, open(__file__, "rb") as source:
            result = Through(client, source, 1).run(rejects=rejects, dry_run=False)
        assert rejects.getvalue() == b'{"line":1}\n{"line":2}\n'
        assert (result.created, result.rejected_count) == (1, 2)
