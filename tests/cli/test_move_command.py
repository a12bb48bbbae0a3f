"""`turnout move`: there and back, with the files of exports, and what is refused."""

from __future__ import annotations

import json
import resource
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from shell import TURNOUT, Shell, environment, typed
from test_owner import report, serving

from cluster import new_database
from conftest import ROWS, ndjson, row
from live import until
from turnout.store.open import open_store

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"


@pytest.fixture
def database(postgres: str) -> str:
    return new_database(postgres)


class At(Shell):
    """A shell on a store that is no file; its commands run in a directory."""

    def __init__(self, url: str, directory: Path) -> None:
        super().__init__(directory / "unused")
        self.env = environment(TURNOUT_DATABASE=url, TURNOUT_DATA_DIRECTORY=str(directory / "data"))


def exported(url: str, token: str) -> tuple[str, bytes]:
    """The link to an export, from its path on, and the file behind it."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        job = client.post("/api/v2/reports/attendances/export").json()["job"]
        for _ in until():
            found = client.get(f"/api/v2/jobs/{job}").json()
            if found["status"] == "complete":
                break
        parts = urlsplit(found["result_url"])
        return f"{parts.path}?{parts.query}", client.get(found["result_url"]).content


def test_there_and_back_with_what_was_given_out(shell: Shell, database: str, tmp_path: Path) -> None:
    token = shell.out("token", "create", "--provider", "1").strip()
    with serving(shell) as (url, _):
        link, content = exported(url, token)
        rows = report(url, token).text
        words = shell.words("move", "--from", str(shell.database), "--to", database, status=1)
        assert "in use by process" in words
        assert "(turnout serve)" in words
        assert "Stop that process, then run 'turnout move' again." in words
    there = At(database, tmp_path)
    done = there.run("move", "--from", str(shell.database), "--to", database)
    assert done.stdout.decode().startswith(
        f"{ROWS} attendances of 2 providers, 1 tokens and 1 export jobs moved and compared ("
    )
    data = tmp_path / "data" / "exports"
    assert f"1 files of exports were copied from {shell.database}.exports to {data}." in done.stderr.decode()
    with serving(there) as (url, _):
        assert report(url, token).text == rows
        assert httpx.get(url + link, trust_env=False).content == content
    back = Shell(tmp_path / "back.duckdb")
    told = json.loads(there.out("move", "--from", database, "--to", str(back.database), "--json"))
    assert (told["moved"], told["providers"], told["moved_before"], told["files"]) == (True, 2, 0, 1)
    assert told["rows"]["attendances"] == ROWS
    assert back.database.stat().st_mode & 0o777 == 0o600
    with serving(back) as (url, _):
        assert report(url, token).text == rows
        assert httpx.get(url + link, trust_env=False).content == content


def test_exports_in_one_directory_stay_where_they_are(shell: Shell, database: str, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    shell.env["TURNOUT_EXPORT_DIRECTORY"] = shared
    assert f"Files of exports stay in {shared}." in shell.words("move", "--from", str(shell.database), "--to", database)


def test_exports_that_cannot_be_copied_end_it_before_its_end(shell: Shell, database: str, tmp_path: Path) -> None:
    token = shell.out("token", "create", "--provider", "1").strip()
    with serving(shell) as (url, _):
        exported(url, token)
    (tmp_path / "taken").write_text("a file")
    move = ("move", "--from", str(shell.database), "--to", database)
    words = shell.words(*move, "--to-exports", str(tmp_path / "taken"), status=1)
    assert "Files of exports cannot be copied" in words
    there = At(database, tmp_path)
    assert "has not ended. 'turnout move' with the same --from and --to" in there.words("provider", "list", status=1)
    shell.run(*move, "--to-exports", str(tmp_path / "free"))
    assert len(json.loads(there.out("provider", "list", "--json"))) == 2
    assert len([path for path in (tmp_path / "free").iterdir() if path.suffix == ".csv"]) == 1


def test_what_would_be_moved(shell: Shell, database: str, tmp_path: Path) -> None:
    move = ("move", "--from", str(shell.database), "--to", database, "--dry-run")
    assert shell.out(*move) == f"{ROWS} attendances of 2 providers, 0 tokens and 0 export jobs would be moved\n"
    told = json.loads(shell.out(*move, "--json"))
    assert (told["moved"], told["rows"]["attendances"]) == (False, ROWS)
    assert "There is no store" in At(database, tmp_path).words("provider", "list", status=1)


def test_a_full_disk_leaves_what_can_be_gone_on_with(shell: Shell, tmp_path: Path) -> None:
    rows = [row(number, customer={"id": number, "name": f"{number * 7919}" * 9}) for number in range(1, 6001)]
    shell.run("import", "-", "--provider", "2", stdin=ndjson(rows))
    target = Shell(tmp_path / "target.duckdb")
    move = [TURNOUT, "move", "--from", str(shell.database), "--to", str(target.database)]
    open_store(str(tmp_path / "empty.duckdb")).close()
    limit = (tmp_path / "empty.duckdb").stat().st_size + 400_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    full = subprocess.run(move, check=False, capture_output=True, env=shell.env, preexec_fn=limited)
    assert full.returncode == 1
    assert b"the disk is full" in full.stderr
    assert b"has not ended" in target.run("provider", "list", status=1).stderr
    shell.run(*move[1:])
    assert json.loads(target.out("doctor", "--json"))["store"]["attendances"] == ROWS + 6000


def test_a_store_is_not_moved_into_itself(shell: Shell, tmp_path: Path) -> None:
    file = str(shell.database)
    assert "--from and --to are the same store" in shell.words("move", "--from", file, "--to", file, status=2)
    (tmp_path / "link.duckdb").symlink_to(file)
    (tmp_path / "second.duckdb").hardlink_to(file)
    for other in ("link.duckdb", "second.duckdb", f"duckdb://{file}", "./turnout.duckdb"):
        assert f"{other} is the store itself" in shell.words("move", "--from", file, "--to", other, status=1)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--to", "b.duckdb"), "--from"),
        (("--from", "a.duckdb"), "--to"),
        (("--from", "a.duckdb", "--to", "b.duckdb", "--database", "c.duckdb"), "--from and --to, and no --database"),
        (("--from", "a", "--to", "b", "--server", "http://x", "--token", "tk_x"), "works on a store of this machine"),
    ],
)
def test_a_command_that_is_wrong(arguments: tuple[str, ...], word: str) -> None:
    done = typed("move", *arguments)
    assert done.exit_code == 2
    assert word in " ".join(done.stderr.split())


def test_no_password_is_shown(shell: Shell, postgres: str, tmp_path: Path) -> None:
    """Neither of a database that is not reached, nor of one that is."""
    away = f"postgresql://turnout:{SECRET}@127.0.0.1:1/turnout"
    for both in (("--from", str(shell.database), "--to", away), ("--from", away, "--to", str(tmp_path / "new"))):
        done = shell.run("move", *both, status=1)
        assert "cannot be reached" in done.stderr.decode()
        assert SECRET.encode() not in done.stdout + done.stderr
    there = new_database(postgres).replace("turnout@", f"turnout:{SECRET}@")
    done = shell.run("move", "--from", str(shell.database), "--to", there)
    again = shell.run("move", "--from", str(shell.database), "--to", there, status=1)
    assert b"holds data already (provider: 2)" in again.stderr
    assert SECRET.encode() not in done.stdout + done.stderr + again.stdout + again.stderr


def test_a_source_that_is_not_there(shell: Shell, database: str, tmp_path: Path) -> None:
    assert "There is no store" in shell.words("move", "--from", str(tmp_path / "none"), "--to", database, status=1)
    assert "There is no store" in shell.words("move", "--from", database, "--to", str(tmp_path / "new"), status=1)
    assert not (tmp_path / "new").exists()
