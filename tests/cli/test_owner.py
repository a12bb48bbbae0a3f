"""A command finds the owner of the store or becomes it, whoever else is at it at the same time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import httpx
import pytest
from shell import PATIENCE, TURNOUT, Shell

from conftest import ROWS, ndjson, row
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A server's own upkeep has begun by then, in seconds.
_BEGUN: Final = 3.0


@contextmanager
def serving(shell: Shell, *more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server on the shell's store: its address and its process."""
    process = shell.start("serve", "--port", "0", *more, stderr=subprocess.DEVNULL)
    assert process.stdout
    try:
        line = process.stdout.readline().decode()
        assert "http://" in line
        yield line.split()[-1], process
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def report(url: str, token: str) -> httpx.Response:
    return httpx.get(
        f"{url}/api/v2/reports/attendances/data", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )


def test_who_only_answers_loads_nothing_that_only_changing_needs(shell: Shell) -> None:
    token = shell.out("token", "create", "--provider", "1").strip()
    with serving(shell) as (url, process):
        assert report(url, token).status_code == 200
        time.sleep(_BEGUN)
        libraries = Path(f"/proc/{process.pid}/maps").read_text("utf-8")
        assert "duckdb" in libraries
        assert not {"pyarrow", "numpy", "pandas"} & set(libraries.split("/"))


def test_commands_work_while_a_server_owns_the_store(shell: Shell) -> None:
    with serving(shell) as (url, process):
        where = shell.database.with_name(shell.database.name + ".sock")
        assert stat.S_ISSOCK(where.lstat().st_mode)
        assert stat.S_IMODE(where.lstat().st_mode) == 0o600
        shell.run("provider", "add", "--id", "3", "--name", "New", "--timezone", "UTC")
        token = shell.out("token", "create", "--provider", "1").strip()
        assert report(url, token).status_code == 200
        shell.run("token", "revoke", "1")
        assert report(url, token).status_code == 401
        document = json.loads(shell.out("report", "--provider", "1", "--all", "--json"))
        assert len(document["rows"]) == ROWS
        findings = json.loads(shell.out("doctor", "--json"))
        assert findings["ok"]
        assert findings["store"]["owner"] == f"process {process.pid} (turnout serve)"

        done = shell.run("import", "-", "--provider", "1", "--json", stdin=ndjson([row(9999)]))
        assert json.loads(done.stdout)["created"] == 1
        assert f"process {process.pid} (turnout serve)" in shell.words("demo", status=1)
        assert f"process {process.pid} (turnout serve)" in shell.words("serve", "--port", "0", status=1, process=True)
    assert [one["id"] for one in json.loads(shell.out("provider", "list", "--json"))] == [1, 2, 3]


def test_doctor_shows_the_settings_of_the_server_that_has_the_store(shell: Shell) -> None:
    caller = Shell(shell.database, TURNOUT_RETENTION="1y", TURNOUT_LOG_LEVEL="debug")
    with serving(shell, "--retention", "6mo"):
        settings = json.loads(caller.out("doctor", "--json"))["settings"]
        assert settings["port"] == {"value": 0, "source": "server"}
        assert settings["retention"] == {"value": "6mo", "source": "server"}
        assert settings["log_level"]["value"] != "debug"
    settings = json.loads(caller.out("doctor", "--json"))["settings"]
    assert settings["log_level"] == {"value": "debug", "source": "TURNOUT_LOG_LEVEL"}


def test_a_server_elsewhere(shell: Shell, new_shell: Callable[..., Shell]) -> None:
    elsewhere = new_shell("elsewhere.duckdb")
    with serving(shell) as (url, _):
        everything = shell.out("token", "create", "--provider", "1", "--provider", "2", "--role", "super_admin").strip()
        rows_only = shell.out("token", "create", "--provider", "1").strip()
        there = ("--server", url, "--token", everything)
        assert [one["id"] for one in json.loads(elsewhere.out("provider", "list", "--json", *there))] == [1, 2]
        assert elsewhere.out("token", "create", "--provider", "2", *there).startswith("tk_")
        assert "Europe/Berlin" in elsewhere.words("report", "--provider", "1", *there)
        assert "in UTC" in elsewhere.words("report", "--provider", "1", "--server", url + "/", "--token", rows_only)
        from_environment = Shell(elsewhere.database, TURNOUT_SERVER=url, TURNOUT_TOKEN=everything)
        del from_environment.env["TURNOUT_DATABASE"]
        assert json.loads(from_environment.out("doctor", "--json"))["ok"]

        refused = elsewhere.words("provider", "list", "--server", url, "--token", rows_only, status=1)
        assert refused.startswith("Error: ")
        assert "The credential is not valid" in elsewhere.words(
            "report", "--provider", "1", "--server", url, "--token", "tk_no", status=1
        )
        other = elsewhere.run("report", "--provider", "2", "--server", url, "--token", rows_only, status=1)
        assert b"does not cover" in other.stderr
    assert not elsewhere.database.exists()


def test_commands_at_the_same_time_share_the_store(shell: Shell) -> None:
    running = [
        shell.start(*arguments)
        for number in range(4)
        for arguments in (
            ("provider", "add", "--id", str(10 + number), "--name", "x", "--timezone", "UTC"),
            ("report", "--provider", "1", "--all", "--limit", "5", "--json"),
        )
    ]
    for number, process in enumerate(running):
        out, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        if number % 2:
            assert len(json.loads(out)["rows"]) == ROWS
    assert [one["id"] for one in json.loads(shell.out("provider", "list", "--json"))] == [1, 2, 10, 11, 12, 13]


def test_commands_of_a_pipe_share_the_store(shell: Shell) -> None:
    """Each needs the store while the other runs, and the pipe holds less than the report."""
    pipe = f"{TURNOUT} report --provider 1 --all --json | tee out | {TURNOUT} import - --provider 2 --json"
    where = shell.database.parent
    done = subprocess.run(
        ["bash", "-c", pipe], check=True, capture_output=True, env=shell.env, cwd=where, timeout=PATIENCE
    )
    assert json.loads(done.stdout)["created"] == ROWS
    assert (where / "out").stat().st_size > 1 << 16
    assert sorted(path.name for path in where.iterdir()) == ["out", "turnout.duckdb"]


def test_a_socket_that_nobody_listens_on_is_replaced(shell: Shell) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(shell.database) + ".sock")
    assert len(json.loads(shell.out("provider", "list", "--json"))) == 2


def test_the_socket_of_another_user_is_not_talked_to(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    where = shell.database.with_name(shell.database.name + ".sock")
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(where))
        stranger.listen()
        monkeypatch.setattr("turnout.cli.connect.check_owner", refuse)
        assert shell.words("provider", "list", status=1) == "Error: It is somebody else's.\n"
        client, _ = stranger.accept()
        with client:
            assert client.recv(1) == b"", "connected to, and told nothing"


def refuse(_path: str, _database: str) -> None:
    raise TurnoutError("storage_unavailable", "It is somebody else's.")


def test_a_killed_server_is_in_nobodys_way(shell: Shell) -> None:
    process = shell.start("serve", "--port", "0", stderr=subprocess.DEVNULL)
    assert process.stdout
    assert process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(json.loads(shell.out("provider", "list", "--json"))) == 2


def test_a_path_longer_than_a_socket_address(stocked: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    shutil.copy(stocked, deep / "turnout.duckdb")
    shell = Shell(deep / "turnout.duckdb")
    with serving(shell):
        assert len(json.loads(shell.out("provider", "list", "--json"))) == 2
    assert len(json.loads(shell.out("provider", "list", "--json"))) == 2


def test_an_owner_that_is_no_turnout(shell: Shell) -> None:
    with duckdb.connect(str(shell.database)):
        said = shell.words("provider", "list", status=1, process=True)
    assert f"in use by process {os.getpid()} (" in said
    assert "--server URL --token T" in said
    assert "turnout" not in said.partition(str(os.getpid()))[2].partition(")")[0]


@pytest.mark.parametrize("proxy", ["http_proxy", "all_proxy"])
def test_proxies_of_the_environment_have_no_say(shell: Shell, proxy: str) -> None:
    behind = Shell(shell.database, **{proxy: "http://127.0.0.1:9", proxy.upper(): "http://127.0.0.1:9"})
    assert len(json.loads(behind.out("provider", "list", "--json"))) == 2
