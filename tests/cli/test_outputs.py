"""Files that commands write: none of them takes the place of a store, or of what belongs to one."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
import rich_click as click
from shell import Shell
from test_owner import serving

from conftest import ROWS, ndjson, row
from turnout.cli.problems import Failure
from turnout.cli.whole import must_be_replaceable, whole_file
from turnout.store.files import holds_a_store, log_of, store_of_log

WRITING = {
    "export": ("export", "--provider", "1", "--format", "csv", "-o"),
    "report": ("report", "--provider", "1", "--all", "--format", "csv", "-o"),
    "customer": ("customer", "export", "1001", "--provider", "1", "-o"),
    "rejects": ("import", "bad.ndjson", "--provider", "1", "--rejects"),
}


@pytest.mark.parametrize("served", [False, True], ids=["alone", "served"])
@pytest.mark.parametrize("command", WRITING)
def test_a_store_is_not_replaced(shell: Shell, command: str, *, served: bool) -> None:
    bad = ndjson([row(ROWS + 1, status="x"), row(ROWS + 2)])
    (shell.database.parent / "bad.ndjson").write_bytes(bad)
    shell.run("backup", "other.duckdb")
    with ExitStack() as stack:
        if served:
            stack.enter_context(serving(shell))
        for name, words in (
            (shell.database.name, "is a store, all of which would be lost"),
            (f"./{shell.database.name}", "is a store, all of which would be lost"),
            ("other.duckdb", "is a store, all of which would be lost"),
            (log_of(shell.database).name, f"belongs to the store {shell.database.name}"),
            ("other.duckdb.wal", "belongs to the store other.duckdb"),
        ):
            said = " ".join(shell.words(*WRITING[command], name, status=2).split())
            assert words in said, said
    assert f"{ROWS} of {ROWS} rows" in shell.words("report", "--provider", "1", "--all")
    assert not log_of(shell.database.parent / "other.duckdb").exists()
    shell.run("restore", "other.duckdb", "--force")
    assert f"{ROWS} of {ROWS} rows" in shell.words("report", "--provider", "1", "--all")


def test_a_copy_does_not_become_the_log_of_a_store(shell: Shell) -> None:
    words = " ".join(shell.words("backup", log_of(shell.database).name, "--force", status=2).split())
    assert f"belongs to the store {shell.database.name}" in words
    shell.run("backup", "copy.duckdb")
    shell.run("backup", "copy.duckdb", "--force")


def test_a_copy_does_not_replace_a_store_that_somebody_serves(shell: Shell) -> None:
    shell.run("backup", "other.duckdb")
    other = Shell(shell.database.parent / "other.duckdb")
    with serving(other):
        assert not log_of(other.database).exists()
        words = " ".join(shell.words("backup", "other.duckdb", "--force", status=1).split())
        assert f"The store {other.database.name} is in use by another process" in words
    shell.run("backup", "other.duckdb", "--force")


def test_a_store_that_is_made_meanwhile_stays(tmp_path: Path, stocked: Path) -> None:
    target = tmp_path / "new.duckdb"

    def write() -> None:
        with whole_file(str(target), "--output") as file:
            file.write(b"rows")
            shutil.copy(stocked, target)

    with pytest.raises(click.UsageError, match="is a store"):
        write()
    assert holds_a_store(target)
    assert list(tmp_path.iterdir()) == [target]


def test_what_cannot_be_looked_at_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(Failure, match="may be a store, or belong to one: Permission denied"):
        must_be_replaceable(str(tmp_path / "a"), "--output")


def test_nobody_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    must_be_replaceable(str(tmp_path / "pipe.wal"), "--output")


def test_what_is_no_store_is_replaced(shell: Shell) -> None:
    for name in ("rows.csv", "rows.csv.wal", "DUCK.csv"):
        file = shell.database.parent / name
        file.write_bytes(b"DUCK")
        shell.run("export", "--provider", "1", "-o", name, "--format", "csv")
        assert file.read_bytes().count(b"\r\n") == ROWS + 1


def test_the_log_of(tmp_path: Path) -> None:
    assert log_of(tmp_path / "a") == tmp_path / "a.wal"
    for ending in (".wal", ".wal.checkpoint", ".wal.recovery"):
        assert store_of_log(tmp_path / f"a{ending}") == tmp_path / "a"
    for name in ("a", ".wal", "a.wal.csv"):
        assert store_of_log(tmp_path / name) is None
