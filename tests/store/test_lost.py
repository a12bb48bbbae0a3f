"""An engine that gives its file up within a small write, because its checkpoint fails: the store opens it anew."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from turnout.errors import TurnoutError
from turnout.store.base import Token
from turnout.store.duckdb import DuckStore

TESTS = Path(__file__).parents[1]

# Writes providers until a checkpoint finds no room; then there is room again.
LOST = """
import resource, secrets, sys
from pathlib import Path
from store.look import STUDIO, ask
from store.rows import many
from turnout.errors import TurnoutError
from turnout.store.base import Provider
from turnout.store.duckdb import DuckStore

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def large(id_):
    return Provider(id_, secrets.token_hex(500_000), "UTC")

path = Path(sys.argv[1])
store = DuckStore(path)
store.put_provider(STUDIO)
store.merge(STUDIO, many(20_000))
for number in range(40):
    store.put_provider(large(100 + number))
store.upkeep.copy().close()
limit(path.stat().st_size)
added = 0
try:
    while added < 100:
        store.put_provider(large(1_000 + added))
        added += 1
except TurnoutError as error:
    print(error.code)
    print(error.message)
print(ask(store, "SELECT count(*) FROM attendances"))
limit(resource.RLIM_INFINITY)
print(ask(store, "SELECT count(*) FROM attendances"))
store.put_provider(Provider(5, "Another", "UTC"))
print(store.merge(STUDIO, many(5, first_id=900_000)).created)
print(len(store.providers()) == ask(store, "SELECT count(*) FROM provider")[0][0])
store.close()
"""


def test_everybody_finds_it_open_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST, tmp_path / "turnout.duckdb"],
        capture_output=True,
        text=True,
        cwd=TESTS,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "storage_unavailable",
        "Writing the store failed: the disk is full.",
        *["[(20000,)]"] * 2,
        *("5", "True"),
    ]


class Forgetful:
    """A cursor whose changes are on disk, after which the engine finds no room to tidy up, and gives the file up."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def execute(self, sql: str, *values: Any) -> Any:
        done = self._cursor.execute(sql, *values)
        if sql.startswith(("UPDATE", "INSERT")):
            raise duckdb.IOException("Transaction COMMIT succeeded and is durable, but the autocheckpoint failed.")
        return done

    def close(self) -> None:
        self._cursor.close()


def test_what_was_changed_though_it_seemed_not_so_is_known(tmp_path: Path) -> None:
    """A token whose revocation is on disk is not accepted until the next start."""
    with closing(DuckStore(tmp_path / "turnout.duckdb")) as store:
        token = store.add_token(Token(0, "hash", "tk", (1,), "super_admin", None, 1, None, None))
        store._engine._cursor = Forgetful(store._engine._cursor)  # type: ignore[assignment]
        with pytest.raises(TurnoutError, match="Writing the store") as failed:
            store.revoke_token(token.id, 5)
        assert failed.value.code == "storage_unavailable"
        known = store.token("hash")
        assert known is not None
        assert known.revoked_at == 5
        assert store.add_token(Token(0, "other", "tk", (1,), "super_admin", None, 1, None, None)).id == token.id + 1
