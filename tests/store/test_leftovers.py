"""What a kill leaves beside the store holds what the store holds: whoever opens it next removes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from store.look import STUDIO
from store.rows import many
from turnout.store.aside import made_aside
from turnout.store.duckdb import DuckStore

TESTS = Path(__file__).parents[1]

# Merges more than the memory holds, and says when something of it is on the disk.
SPILL = """
import sys
from pathlib import Path
from store.look import STUDIO
from store.rows import many
from turnout.store.duckdb import DuckStore

path = Path(sys.argv[1])
store = DuckStore(path, memory_limit="60MB", threads=1)

def rows():
    for first in range(1, 4_000_000, 50_000):
        yield from many(50_000, first_id=first)
        if list(path.with_name(path.name + ".tmp").glob("*")):
            print("spilled", flush=True)
            sys.stdin.read()

store.merge(STUDIO, rows())
"""
# Holds a directory aside, as a restore does.
RESTORE = """
import sys
from pathlib import Path
from turnout.store.aside import made_aside

with made_aside(Path(sys.argv[1])) as aside:
    (aside / "restored.duckdb").write_bytes(b"Needleman")
    print("made", flush=True)
    sys.stdin.read()
"""


def killed(script: str, path: Path) -> None:
    """Run a script until it says something, and kill it."""
    running = subprocess.Popen(
        [sys.executable, "-c", script, path], cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with running:
        assert running.stdout
        assert running.stdout.readline()
        running.kill()
    assert running.returncode == -signal.SIGKILL


def left(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path.parent)) for one in path.parent.rglob("*") if one.is_file())


def test_what_a_killed_merge_has_spilled(path: Path) -> None:
    DuckStore(path).close()
    killed(SPILL, path)
    assert [name for name in left(path) if ".tmp" in name]
    with closing(DuckStore(path)) as store:
        assert not [name for name in left(path) if ".tmp" in name]
        assert store.merge(STUDIO, many(3)).created == 3


def test_what_a_killed_restore_has_copied(path: Path) -> None:
    DuckStore(path).close()
    killed(RESTORE, path)
    assert [name for name in left(path) if name.endswith("restored.duckdb")]
    # Of a restore that is at work, and of another store, nothing is touched.
    with made_aside(path) as aside, made_aside(path.with_name("turnout.duckdb.other")) as other:
        for place in (aside, other):
            (place / "x").write_bytes(b"x")
        DuckStore(path).close()
        assert (aside / "x").exists()
        assert (other / "x").exists()
    assert left(path) == [path.name]


def test_doctor_tells_of_older_states(path: Path) -> None:
    kept = [path.with_name(f"{path.name}.{kind}") for kind in ("replaced-20260101T000000Z", "schema-3")]
    with closing(DuckStore(path)) as store:
        assert store.status().kept == ()
        for file in (*kept, path.with_name(f"{kept[0].name}.wal"), path.with_name(f"other-{kept[1].name}")):
            file.write_bytes(b"")
        assert store.status().kept == tuple(map(str, kept))
        assert store.status().faults == ()
