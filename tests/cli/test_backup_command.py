"""`turnout backup` and `turnout restore`: of a store that is served, of one that nobody has, and what is refused."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from shell import Shell, typed
from test_owner import serving

from conftest import ROWS, ndjson, row
from store.look import damage

if TYPE_CHECKING:
    from collections.abc import Callable


def rows_of(shell: Shell) -> int:
    return json.loads(shell.out("doctor", "--json"))["store"]["attendances"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "copy.duckdb"


def test_of_a_store_that_is_served(shell: Shell, file: Path) -> None:
    with serving(shell):
        done = shell.run("backup", str(file))
        assert done.stdout.decode().startswith(f"{ROWS} attendances in ")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        shell.run("import", "-", "--provider", "1", stdin=ndjson([row(ROWS + 1)]))
        words = shell.words("restore", str(file), "--force", status=1)
        assert "is in use by process" in words
        assert "(turnout serve)" in words
    assert rows_of(shell) == ROWS + 1
    assert rows_of(Shell(file)) == ROWS


def test_there_and_back(shell: Shell, file: Path) -> None:
    made = json.loads(shell.out("backup", str(file), "--json"))
    assert (made["file"], made["attendances"], made["providers"]) == (str(file), ROWS, 2)
    assert made["size"] == file.stat().st_size
    shell.run("import", "-", "--provider", "1", stdin=ndjson([row(ROWS + 1)]))
    done = json.loads(shell.out("restore", str(file), "--force", "--json"))
    assert (done["store"], done["attendances"]) == (str(shell.database), ROWS)
    assert rows_of(shell) == ROWS
    assert rows_of(Shell(Path(done["kept"]))) == ROWS + 1
    assert [left.name for left in file.parent.iterdir() if left.name.startswith(".turnout-")] == []


def test_of_a_store_that_is_damaged(shell: Shell, file: Path) -> None:
    """A good backup is not replaced by what cannot be read; whoever asks is told, from then on."""
    shell.run("backup", str(file))
    damage(shell.database, "event_id")
    with serving(shell):
        words = shell.words("backup", str(file), "--force", status=1)
        assert "it was read, and is damaged and cannot be opened" in words
        assert f"{file} was not written" in words
        shell.words("report", "--provider", "1", "--format", "csv", status=1)
        assert "A part of the file is damaged" in shell.run("doctor", status=1).stdout.decode()
    assert rows_of(Shell(file)) == ROWS
    assert [left.name for left in file.parent.iterdir() if left.name.startswith(".copy")] == []


KILLED = """
import os, sys
os.{when} = lambda *_: os.kill(os.getpid(), 9)
from turnout.cli.main import main
main()
"""


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_killed_before_it_has_its_name(shell: Shell, file: Path, when: str) -> None:
    command = [sys.executable, "-c", KILLED.format(when=when), "backup", str(file)]
    done = subprocess.run(command, env=shell.env, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert not file.exists()
    assert rows_of(shell) == ROWS


def test_into_a_new_place(shell: Shell, file: Path, tmp_path: Path) -> None:
    shell.run("backup", str(file))
    new = Shell(tmp_path / "deep" / "new.duckdb")
    new.database.parent.mkdir()
    assert new.out("restore", str(file)).startswith(f"{ROWS} attendances of 2 providers")
    assert rows_of(new) == ROWS


def test_from_a_server_elsewhere(shell: Shell, new_shell: Callable[..., Shell], file: Path) -> None:
    with serving(shell) as (url, _):
        make = ("token", "create", "--role", "super_admin", "--provider", "1")
        some, every = shell.out(*make).strip(), shell.out(*make, "--provider", "2").strip()
        elsewhere = new_shell()
        remote = ("backup", str(file), "--server", url, "--token")
        assert "does not cover them all" in elsewhere.words(*remote, some, status=1)
        assert not file.exists()
        elsewhere.run(*remote, every)
    assert rows_of(Shell(file)) == ROWS


def test_a_file_that_is_there_is_kept(shell: Shell, file: Path) -> None:
    file.write_text("precious")
    assert "--force replaces it" in shell.words("backup", str(file), status=1)
    assert file.read_text() == "precious"
    shell.run("backup", str(file), "--force")
    assert rows_of(Shell(file)) == ROWS


def test_what_is_no_name_of_a_file(shell: Shell, tmp_path: Path) -> None:
    for force in ((), ("--force",)):
        words = shell.words("backup", str(tmp_path), *force, status=1)
        assert f"{tmp_path} is a directory; FILE names a file." in words
        assert "the name of a file is expected" in shell.words("backup", "", *force, status=2)
    assert "the name of a file is expected" in shell.words("restore", "", "--force", status=2)


def test_the_store_is_no_place_for_its_copy(shell: Shell) -> None:
    assert "the store itself" in shell.words("backup", str(shell.database), "--force", status=2)
    assert "the store itself" in shell.words("restore", str(shell.database), "--force", status=2)
    assert rows_of(shell) == ROWS


def test_a_log_beside_the_file_is_no_place_for_a_copy(shell: Shell, file: Path) -> None:
    file.with_name(file.name + ".wal").write_text("of another store")
    assert "choose another name" in shell.words("backup", str(file), status=1)


def test_what_is_no_backup_is_refused(shell: Shell, file: Path) -> None:
    assert "cannot be read" in shell.words("restore", str(file), "--force", status=1)
    assert rows_of(shell) == ROWS


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda _: b"id,updated_at\n" * 1000, "is not a Turnout store"),
        (lambda _: b"", "is not a Turnout store"),
        (lambda whole: whole[:9_000], "is damaged and cannot be opened"),
        (lambda whole: whole[: len(whole) // 2], "is damaged and cannot be opened"),
        (
            lambda whole: b"".join(bytes([byte ^ (n % 5_000 == 0 and n > 13_000)]) for n, byte in enumerate(whole)),
            "is damaged and cannot be opened",
        ),
    ],
    ids=["foreign", "empty", "head", "half", "flipped"],
)
def test_a_bad_backup_is_named_as_it_was_given(shell: Shell, damage: Callable[[bytes], bytes], why: str) -> None:
    shell.run("backup", "copy.duckdb")
    file = shell.database.with_name("copy.duckdb")
    file.write_bytes(damage(file.read_bytes()))
    words = shell.words("restore", "copy.duckdb", "--force", status=1)
    assert words == f"Error: The backup copy.duckdb {why}; choose another one.\n"
    assert rows_of(shell) == ROWS


def test_a_store_is_replaced_only_when_told(shell: Shell, file: Path) -> None:
    shell.run("backup", str(file))
    assert "--force replaces it" in shell.words("restore", str(file), status=1)
    assert (
        "works on a store of this machine"
        in typed("restore", str(file), "--server", "http://localhost", "--token", "t").output
    )


def test_a_directory_that_cannot_be_written(shell: Shell, tmp_path: Path) -> None:
    assert "cannot be written" in shell.words("backup", str(tmp_path / "nowhere" / "copy.duckdb"), status=1)


def test_doctor_tells_the_state_of_the_table(shell: Shell) -> None:
    store = json.loads(shell.out("doctor", "--json"))["store"]
    assert (store["tail"], store["rebuilt_at"]) == (ROWS, None)
    assert store["free"] >= 0
    assert "rebuilt at" in shell.out("doctor")
