"""The owner's socket: where it is, who may open it, how it comes and goes (contract section 5)."""

from __future__ import annotations

import os
import socket
import stat
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from turnout.errors import TurnoutError
from turnout.settings import Settings
from turnout.web import unix
from turnout.web.server import owner
from turnout.web.unix import bind_socket, check_owner, short_path, socket_of
from web.fakes import PATIENCE, FakeStore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["short", "long directory", "long name"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "short":
        yield tmp_path / "t.duckdb.sock"
    elif request.param == "long directory":
        deep = tmp_path / ("d" * 120) / ("e" * 120)
        deep.mkdir(parents=True)
        yield deep / "t.duckdb.sock"
    else:
        yield tmp_path / ("n" * 200 + ".sock")


def test_it_is_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert socket_of("x.duckdb") == tmp_path / "x.duckdb.sock"
    assert socket_of(str(tmp_path / "x")) == tmp_path / "x.sock"
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert socket_of("link") == socket_of("x")


def test_only_its_owner_may_open_it(path: Path) -> None:
    owned = bind_socket(path)
    with owned.socket:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [one.name for one in path.parent.iterdir()] == [path.name]
        with short_path(path) as short, socket.socket(socket.AF_UNIX) as client:
            with pytest.raises(ConnectionRefusedError):
                client.connect(short)
            owned.socket.listen()
            client.connect(short)
    owned.remove()
    assert not path.exists()


def test_the_socket_of_another_user_is_not_talked_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = str(path.with_suffix(""))
    owned = bind_socket(path)
    mine = path.stat().st_uid
    stranger = mine + 1
    with owned.socket, short_path(path) as short:
        check_owner(short, database)
        with patched_owner(monkeypatch, path, stranger):
            with pytest.raises(TurnoutError, match=f"belongs to another user .{stranger}.; nothing was sent"):
                check_owner(short, database)
            path.with_suffix("").touch()
            with pytest.raises(TurnoutError):
                check_owner(short, database)
            # Root asks a service's server: the socket's user is the file's.
            monkeypatch.setattr(unix, "store_path", lambda _: path)
            check_owner(short, database)
        with patched_owner(monkeypatch, path, 0):
            check_owner(short, database)
    owned.remove()


@contextmanager
def patched_owner(monkeypatch: pytest.MonkeyPatch, path: Path, user: int) -> Iterator[None]:
    """As if what is at `path` were another user's: only root could make it so."""
    real, inode = Path.stat, path.stat().st_ino

    def stat_(self: Path, **how: bool) -> os.stat_result:
        found = real(self, **how)
        return os.stat_result([*found[:4], user, *found[5:10]]) if found.st_ino == inode else found

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", stat_)
        yield


def test_a_stale_socket_is_replaced(path: Path) -> None:
    bind_socket(path).socket.close()
    assert path.exists()
    owned = bind_socket(path)
    owned.socket.listen()
    with owned.socket, short_path(path) as short, socket.socket(socket.AF_UNIX) as client:
        client.connect(short)
    owned.remove()


def test_what_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(TurnoutError, match="is no socket"):
        bind_socket(path)
    assert path.read_text() == "precious"


def test_the_socket_of_a_later_owner_is_not_removed(path: Path) -> None:
    first, second = bind_socket(path), bind_socket(path)
    first.remove()
    assert path.exists()
    second.remove()
    assert not path.exists()
    second.remove()
    first.socket.close()
    second.socket.close()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TurnoutError, match="cannot be made"):
        bind_socket(tmp_path / "missing" / "x.sock")
    with pytest.raises(OSError, match="No such file"), short_path(tmp_path / ("n" * 200)):
        pass


def test_where_long_paths_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix, "_HANDLES", tmp_path / "no-proc")
    with pytest.raises(TurnoutError, match="too long for a socket"):
        bind_socket(tmp_path / ("d" * 100 + ".sock"))
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_owns_the_store_answers_others_meanwhile(path: Path) -> None:
    settings = Settings(database=str(path.with_suffix("")))
    store = FakeStore(1)
    with (
        owner(store, settings, path, command="turnout import"),
        short_path(path) as short,
        httpx.Client(base_url="http://x", transport=httpx.HTTPTransport(uds=short), timeout=PATIENCE) as client,
    ):
        assert client.get("/admin/v1/owner").json() == {"pid": os.getpid(), "command": "turnout import"}
        made = client.post("/admin/v1/tokens", json={"providers": [1]})
        assert made.status_code == 201
        assert client.get("/admin/v1/status").json()["settings"]["database"] == settings.database
    assert not path.exists()
    assert len(store.tokens()) == 1


def test_an_owner_ends_with_a_client_still_connected(tmp_path: Path) -> None:
    settings = Settings(database=str(tmp_path / "t"))
    with socket.socket(socket.AF_UNIX) as idle:
        idle.settimeout(PATIENCE)
        with owner(FakeStore(1), settings, tmp_path / "t.sock", command="turnout report"):
            idle.connect(str(tmp_path / "t.sock"))
        assert idle.recv(10) == b""


def test_who_connects_before_the_end_is_answered(tmp_path: Path) -> None:
    """A command that has found the owner, and is slower to ask than the owner is to end."""
    settings = Settings(database=str(tmp_path / "t"))
    request = (
        b"POST /admin/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
    )
    store = FakeStore(1)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    ended = threading.Event()

    def ask() -> None:
        # The path is removed when the end begins.
        while (tmp_path / "t.sock").exists():
            pass
        for client in clients:
            client.sendall(request + b'{"providers":[1]}')
        ended.set()

    asking = threading.Thread(target=ask)
    with owner(store, settings, tmp_path / "t.sock", command="turnout report"):
        for client in clients:
            client.settimeout(PATIENCE)
            client.connect(str(tmp_path / "t.sock"))
        asking.start()
    asking.join(PATIENCE)
    assert ended.is_set()
    for client in clients:
        with client:
            assert client.recv(65536).startswith(b"HTTP/1.1 201 Created\r\n")
    assert len(store.tokens()) == 20


def test_an_error_in_the_block_comes_through_and_leaves_no_socket(tmp_path: Path) -> None:
    settings = Settings(database=str(tmp_path / "t"))
    with pytest.raises(KeyError), owner(FakeStore(1), settings, tmp_path / "t.sock", command="turnout report"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
