"""Files that commands write: none of them takes the place of a store, or of what belongs to one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from test_owner import serving

from conftest import ROWS, ndjson, row
from turnout.store.files import log_of, store_of_log

if TYPE_CHECKING:
    from pathlib import Path

    from shell import Shell

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


def test_what_is_no_store_is_replaced(shell: Shell) -> None:
    for name in ("rows.csv", "rows.csv.wal", "DUCK.csv"):
        file = shell.database.parent / name
        file.write_bytes(b"DUCK")
        shell.run("export", "--provider", "1", "-o", name, "--format", "csv")
        assert file.read_bytes().count(b"\r\n") == ROWS + 1


def test_the_log_of(tmp_path: Path) -> None:
    assert log_of(tmp_path / "a") == tmp_path / "a.wal"
    assert store_of_log(tmp_path / "a.wal") == tmp_path / "a"
    for name in ("a", ".wal", "a.wal.csv"):
        assert store_of_log(tmp_path / name) is None
