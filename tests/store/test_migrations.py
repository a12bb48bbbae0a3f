"""Stores of older versions: upgraded whole, after a copy, with all that they hold."""

from __future__ import annotations

import errno
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from store.look import STUDIO, wide
from store.rows import batches, row
from turnout.errors import TurnoutError
from turnout.store.duckdb import DuckStore
from turnout.store.migrations import MIGRATIONS
from turnout.store.schema import SCHEMA_VERSION

FIRST = Path(__file__).with_name("schema_1.sql").read_text("utf-8")
COLUMNS = "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
CONSTRAINTS = "SELECT table_name, constraint_type, constraint_column_names FROM duckdb_constraints() ORDER BY ALL"


def make_first(path: Path) -> None:
    """A store of version 1, with a provider."""
    with duckdb.connect(path) as made:
        made.execute(FIRST)
        made.execute("INSERT INTO provider VALUES (1, 'Studio', 'Europe/Berlin', 'monday')")
        made.execute("INSERT INTO secret VALUES ('cursor', ?)", [bytes(32)])


def described(path: Path) -> list[object]:
    with duckdb.connect(path, read_only=True) as store:
        return [store.execute(sql).fetchall() for sql in (COLUMNS, CONSTRAINTS)]


def test_each_version_has_its_migration() -> None:
    assert list(MIGRATIONS) == list(range(2, SCHEMA_VERSION + 1))


def test_an_upgraded_store_equals_a_new_one(tmp_path: Path) -> None:
    old, new = tmp_path / "old.duckdb", tmp_path / "new.duckdb"
    make_first(old)
    for path in (old, new):
        DuckStore(path).close()
    assert described(old) == described(new)


def test_what_was_there_is_there_and_a_copy_stays(path: Path) -> None:
    make_first(path)
    with closing(DuckStore(path)) as store:
        assert [provider.name for provider in store.providers().values()] == ["Studio"]
        assert store.secret("cursor") == bytes(32)
        store.merge(STUDIO, batches([row(1, 10)]))
        assert store.status().schema_version == SCHEMA_VERSION
    copy = path.with_name("turnout.duckdb.schema-1")
    assert copy.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(copy, read_only=True) as kept:
        assert kept.execute("SELECT value FROM meta").fetchall() == [("1",)]
    with closing(DuckStore(path)) as store:
        assert list(wide(store)) == [1]
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, copy.name]


def test_what_is_in_the_log_alone_is_copied_too(path: Path) -> None:
    """A process that was killed leaves a write-ahead log: its rows are in the copy."""
    make_first(path)
    program = (
        "import duckdb, os, sys\n"
        "store = duckdb.connect(sys.argv[1], config={'checkpoint_threshold': '1TB'})\n"
        "store.execute(\"INSERT INTO provider VALUES (2, 'Late', 'UTC', 'monday')\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, path], check=False).returncode == -9
    assert path.with_name(path.name + ".wal").exists()
    with closing(DuckStore(path)) as store:
        assert list(store.providers()) == [1, 2]
    with duckdb.connect(path.with_name("turnout.duckdb.schema-1"), read_only=True) as kept:
        assert kept.execute("SELECT count(*) FROM provider").fetchall() == [(2,)]


def test_an_upgrade_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_first(path)
    monkeypatch.setitem(MIGRATIONS, 2, (*MIGRATIONS[2], "CREATE TABLE meta (again INTEGER)"))
    with pytest.raises(TurnoutError) as caught:
        DuckStore(path)
    assert caught.value.code == "storage_unavailable"
    monkeypatch.undo()
    with duckdb.connect(path, read_only=True) as store:
        assert store.execute("SELECT value FROM meta").fetchall() == [("1",)]
        assert not store.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'answered'").fetchall()
    DuckStore(path).close()


def test_without_room_for_the_copy_nothing_is_upgraded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_first(path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(TurnoutError, match=r"older Turnout, and cannot be copied .* No space left"):
        DuckStore(path)
    monkeypatch.undo()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with duckdb.connect(path, read_only=True) as store:
        assert store.execute("SELECT value FROM meta").fetchall() == [("1",)]
