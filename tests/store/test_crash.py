"""A process that is killed at any moment of a merge leaves all of it or nothing, and a store that opens again."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from store.look import STUDIO, ask
from store.rows import many
from turnout.store.base import Merged
from turnout.store.duckdb import DuckStore

TESTS = Path(__file__).parent.parent
BEFORE = 1_000
# More than a group of rows, so that the engine writes into the file before the commit.
AFTER = 70_000

# Merges, and says each statement before it runs it. Where `how` is 'stop' it waits there for its end.
MERGE = """
import sys
from pathlib import Path
from store.look import STUDIO
from store.rows import many
from turnout.store import duckdb as module, duckdb_engine as engine

path, stop_at, how, count = sys.argv[1:]

class Told:
    def __init__(self, cursor):
        self.cursor = cursor
    def __getattr__(self, name):
        return getattr(self.cursor, name)
    def execute(self, sql, *values):
        if getattr(sql, "query", sql).startswith(stop_at):
            print("here", flush=True)
            if how == "stop":
                sys.stdin.read()
        return self.cursor.execute(sql, *values)

store = module.DuckStore(Path(path))
inner = engine.cursor_of
engine.cursor_of = lambda connection: Told(inner(connection))
store._engine._cursor = Told(store._engine._cursor)
module._LARGE_MERGE = 1
store.merge(STUDIO, many(int(count), updated_at=2))
print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("stop_at", "how", "expected"),
    [
        ("INSERT INTO staged", "stop", {BEFORE}),
        ("DELETE FROM customer", "stop", {BEFORE}),
        ("DELETE FROM attendances", "stop", {BEFORE}),
        ("INSERT INTO attendances", "go on", {BEFORE}),
        ("SELECT count(*) FROM fresh", "stop", {BEFORE}),
        ("COMMIT", "stop", {BEFORE}),
        ("COMMIT", "go on", {BEFORE, AFTER}),
        ("CHECKPOINT", "stop", {AFTER}),
        ("CHECKPOINT", "go on", {AFTER}),
    ],
)
def test_killed(path: Path, stop_at: str, how: str, expected: set[int]) -> None:
    with closing(DuckStore(path)) as store:
        store.merge(STUDIO, many(BEFORE))
    command = [sys.executable, "-c", MERGE, path, stop_at, how, str(AFTER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TESTS) as merging:
        assert merging.stdout is not None
        assert merging.stdout.readline() == "here\n"
        merging.kill()
    with closing(DuckStore(path)) as store:
        ((found,),) = ask(store, "SELECT count(*) FROM attendances")
        assert found in expected
        stale = f"SELECT count(*) FROM attendances WHERE updated_at = make_timestamp({1 if found == AFTER else 2})"
        assert ask(store, stale) == [(0,)]
        again = store.merge(STUDIO, many(AFTER, updated_at=2))
        assert again == (Merged(0, 0, AFTER) if found == AFTER else Merged(AFTER - BEFORE, BEFORE, 0))
    # Nor is anything left beside the file.
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# Merges with a statement that does not end, which Ctrl-C must end.
INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from threading import Timer
from store.look import STUDIO
from store.rows import many
from turnout.store import merge as module
from turnout.store.duckdb import DuckStore

run = module.Work.run

def run_long(self, sql):
    if sql.startswith("INSERT INTO attendances"):
        Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        sql = "INSERT INTO attendances (id) SELECT range FROM range(1000000000000) WHERE hash(range) = 7"
    run(self, sql)

module.Work.run = run_long
store = DuckStore(Path(sys.argv[1]))
try:
    store.merge(STUDIO, many(10))
except KeyboardInterrupt:
    print("interrupted")
module.Work.run = run
print(store.merge(STUDIO, many(10)).created)
store.close()
"""


def test_ctrl_c_ends_a_merge_at_once(path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TESTS, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n10\n", "")


MAKE = """
import sys
from pathlib import Path
from turnout.store.duckdb import DuckStore
print("here", flush=True)
DuckStore(Path(sys.argv[1]))
"""


def test_killed_while_the_store_is_made(path: Path) -> None:
    """However far it came: the file is not there, or is a store."""
    with subprocess.Popen([sys.executable, "-c", MAKE, path], stdout=subprocess.PIPE) as making:
        assert making.stdout is not None
        making.stdout.readline()
        making.kill()
    DuckStore(path).close()
