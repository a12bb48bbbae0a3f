"""An engine that gives its file up within a small write, because its checkpoint fails: the store opens it anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
