"""Copies of a store in use, and putting them in a store's place, whatever comes between."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from store.look import STUDIO, ask
from store.rows import many
from turnout.errors import TurnoutError
from turnout.store import backup as module
from turnout.store.backup import look_at, prepare, put_in_place
from turnout.store.base import Merged
from turnout.store.duckdb import DuckStore
from turnout.store.files import log_of
from turnout.store.owner import StoreOwned

TESTS = Path(__file__).parent.parent
ROWS = 2_000
EVERYTHING = "SELECT count(*), sum(hash(one))::VARCHAR FROM attendances AS one"
COUNT = "SELECT count(*) FROM attendances"
OPEN = """
import sys
from pathlib import Path
from turnout.store.duckdb import DuckStore
from turnout.store.owner import StoreOwned
try:
    DuckStore(Path(sys.argv[1]))
except StoreOwned as owned:
    print(owned.pid)
"""


def filled(path: Path, rows: int = ROWS) -> DuckStore:
    store = DuckStore(path)
    store.put_provider(STUDIO)
    store.merge(STUDIO, many(rows, customers=50))
    return store


def copied(store: DuckStore, path: Path) -> Path:
    with store.upkeep.copy() as copy:
        path.write_bytes(copy.read())
    return path


def restored(source: Path, path: Path, now: int = 0) -> Path | None:
    """As `turnout restore` does it."""
    aside = path.parent / "aside"
    aside.mkdir()
    with source.open("rb") as file:
        prepare(file, None, aside / "new.duckdb")
    try:
        return put_in_place(aside / "new.duckdb", path, now)
    finally:
        shutil.rmtree(aside)


def test_a_copy_is_a_store(path: Path) -> None:
    with closing(filled(path)) as store:
        secret = store.secret("one")
        copy = copied(store, path.with_name("copy.duckdb"))
        found = look_at(copy)
        assert (found.attendances, found.providers, found.size) == (ROWS, 1, copy.stat().st_size)
        before = ask(store, EVERYTHING)
        # What comes later is not in it, and the store goes on.
        store.merge(STUDIO, many(10, first_id=ROWS + 1))
    with closing(DuckStore(copy)) as store:
        assert ask(store, EVERYTHING) == before
        assert store.secret("one") == secret
    assert sorted(file.name for file in path.parent.iterdir()) == [copy.name, path.name]


def test_the_store_is_still_owned_after_a_copy(path: Path) -> None:
    """Closing any descriptor of the file would take the engine's lock off it."""
    import os

    with closing(filled(path)) as store:
        for _ in range(2):
            store.upkeep.copy().close()
        done = subprocess.run([sys.executable, "-c", OPEN, path], capture_output=True, text=True, check=True)
        assert done.stdout == f"{os.getpid()}\n"


def test_copies_while_merges_land(path: Path) -> None:
    """A copy has whole merges, all that were acknowledged before it, and none that came after."""
    with closing(filled(path)) as store:
        merged = [0]
        ending = []

        def merge() -> None:
            while not ending:
                store.merge(STUDIO, many(100, first_id=ROWS + 1 + 100 * merged[0], customers=50))
                merged[0] += 1

        thread = Thread(target=merge)
        thread.start()
        try:
            for number in range(5):
                least = merged[0]
                copy = copied(store, path.with_name(f"copy-{number}.duckdb"))
                most = merged[0] + 1
                extra = look_at(copy).attendances - ROWS
                assert extra % 100 == 0
                assert least <= extra // 100 <= most
        finally:
            ending.append(True)
            thread.join()


def test_a_reader_does_not_keep_a_copy_from_being_made(path: Path) -> None:
    from turnout.query.sql import Statement

    with closing(filled(path)) as store, store.snapshot(None) as snapshot:
        assert snapshot.rows(Statement(COUNT, ())) == [(ROWS,)]
        store.merge(STUDIO, many(10, first_id=ROWS + 1))
        assert look_at(copied(store, path.with_name("copy.duckdb"))).attendances == ROWS + 10
        assert snapshot.rows(Statement(COUNT, ())) == [(ROWS,)]


def test_no_room_for_a_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(filled(path)) as store:
        monkeypatch.setattr(module, "_SPARE", 1 << 60)
        with pytest.raises(TurnoutError, match="no room for a copy") as raised:
            store.upkeep.copy()
        assert raised.value.code == "storage_unavailable"
        assert ask(store, COUNT) == [(ROWS,)]


def test_put_where_there_is_nothing(path: Path) -> None:
    with closing(filled(path)) as store:
        before = ask(store, EVERYTHING)
        copy = copied(store, path.with_name("copy.duckdb"))
    target = path.with_name("other.duckdb")
    assert restored(copy, target) is None
    assert target.stat().st_mode & 0o777 == 0o600
    with closing(DuckStore(target)) as store:
        assert ask(store, EVERYTHING) == before


def test_put_in_the_place_of_another(path: Path) -> None:
    with closing(filled(path)) as store:
        copy = copied(store, path.with_name("copy.duckdb"))
        store.merge(STUDIO, many(10, first_id=ROWS + 1))
    kept = restored(copy, path)
    assert kept == path.with_name("turnout.duckdb.replaced-19700101T000000Z")
    with closing(DuckStore(path)) as new, closing(DuckStore(kept)) as old:
        assert (ask(new, COUNT), ask(old, COUNT)) == ([(ROWS,)], [(ROWS + 10,)])


def test_put_in_the_place_of_one_that_is_in_use(path: Path) -> None:
    other = path.with_name("other.duckdb")
    with closing(filled(other)) as store:
        copy = copied(store, path.with_name("copy.duckdb"))
    owner = "import sys; from pathlib import Path; from turnout.store.duckdb import DuckStore\n"
    owner += "store = DuckStore(Path(sys.argv[1])); print('here', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", owner, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owning:
        assert owning.stdout
        owning.stdout.readline()
        with pytest.raises(StoreOwned) as raised:
            restored(copy, path)
        assert raised.value.pid == owning.pid
        owning.kill()
    with closing(DuckStore(path)) as store:
        assert ask(store, COUNT) == [(0,)]


def test_what_is_in_the_log_of_the_store_before_is_kept(path: Path) -> None:
    """Its process was killed: what it had acknowledged is in the log alone."""
    with closing(filled(path.with_name("other.duckdb"))) as store:
        copy = copied(store, path.with_name("copy.duckdb"))
    killed(path)
    assert log_of(path).exists()
    kept = restored(copy, path)
    assert kept
    assert not log_of(path).exists()
    with closing(DuckStore(path)) as new, closing(DuckStore(kept)) as old:
        assert (ask(new, COUNT), ask(old, COUNT)) == ([(ROWS,)], [(7,)])


def killed(path: Path) -> None:
    work = "import os, sys; from pathlib import Path; from store.look import STUDIO; from store.rows import many\n"
    work += "from turnout.store.duckdb import DuckStore\n"
    work += "store = DuckStore(Path(sys.argv[1])); store.merge(STUDIO, many(7)); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", work, path], cwd=TESTS, check=False)


def test_a_damaged_store_is_replaced_and_kept(path: Path) -> None:
    with closing(filled(path)) as store:
        copy = copied(store, path.with_name("copy.duckdb"))
    path.write_bytes(b"damaged" * 10_000)
    log_of(path).write_bytes(b"its log")
    kept = restored(copy, path)
    assert kept
    assert (kept.read_bytes()[:7], log_of(kept).read_bytes()) == (b"damaged", b"its log")
    with closing(DuckStore(path)) as store:
        assert ask(store, COUNT) == [(ROWS,)]


@pytest.mark.parametrize("damage", ["header", "middle", "end", "nothing", "text"])
def test_damaged_backups_are_refused(path: Path, damage: str) -> None:
    with closing(filled(path, 20_000)) as store:
        content = bytearray(copied(store, path.with_name("copy.duckdb")).read_bytes())
    match damage:
        case "header":
            content[4096:4200] = bytes(104)
            content[8192:8300] = bytes(108)
        case "middle":  # every block but the headers
            for at in range(12_288 + 1_000, len(content), 100_000):
                content[at] ^= 1
        case "end":
            del content[len(content) // 2 :]
        case "nothing":
            content.clear()
        case "text":
            content[:] = b"id,updated_at\n" * 1_000
    aside = path.parent / "aside"
    aside.mkdir()
    with pytest.raises(TurnoutError) as raised:
        prepare(io.BytesIO(content), None, aside / "new.duckdb")
    assert raised.value.code == "storage_unavailable"


# Puts backups in place, over and over, until it is killed.
SWAP = """
import shutil, sys
from pathlib import Path
from turnout.store.backup import prepare, put_in_place
path, *copies = map(Path, sys.argv[1:])
now = 0
print("here", flush=True)
while True:
    for copy in copies:
        aside = path.parent / "aside"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        with copy.open("rb") as file:
            prepare(file, None, aside / "new.duckdb")
        now += 1_000_000
        put_in_place(aside / "new.duckdb", path, now).unlink()
        print("done", flush=True)
"""


def test_killed_while_it_is_put_in_place(path: Path) -> None:
    """At any moment there is a whole store: the one before, or the new one."""
    with closing(filled(path)) as store:
        copies = [copied(store, path.with_name("copy-1.duckdb"))]
        store.merge(STUDIO, many(100, first_id=ROWS + 1))
        copies.append(copied(store, path.with_name("copy-2.duckdb")))
    chance = random.Random(5)
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", SWAP, path, *copies], stdout=subprocess.PIPE, text=True) as work:
            assert work.stdout is not None
            for _ in range(chance.randint(1, 4)):
                work.stdout.readline()
            work.kill()
        with closing(DuckStore(path)) as store:
            assert ask(store, COUNT)[0][0] in (ROWS, ROWS + 100)
        for left in path.parent.glob("*.replaced-*"):
            left.unlink()


# Writes with a limit on the size of files, which is as a full disk is; then without.
FULL = """
import resource, sys
from pathlib import Path
from store.look import STUDIO, ask
from store.rows import many
from turnout.errors import TurnoutError
from turnout.store.duckdb import DuckStore

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

path = Path(sys.argv[1])
store = DuckStore(path)
works = {
    "merge": lambda: store.merge(STUDIO, many(150_000, first_id=1_000_000)),
    "small merge": lambda: store.merge(STUDIO, many(5_000, first_id=2_000_000)),
    "rebuild": lambda: store.upkeep.rebuild(lambda: 7),
    "copy": lambda: store.upkeep.copy(),
}
for what, work in works.items():
    # Nothing can grow.
    limit(4096 if what == "small merge" else path.stat().st_size // 2 if what == "copy" else path.stat().st_size)
    try:
        work()
        print(what, "done")
    except TurnoutError as error:
        print(what, error.code, error.message)
    print(ask(store, "SELECT count(*), count(DISTINCT id) FROM attendances")[0])
    limit(resource.RLIM_INFINITY)
print(store.merge(STUDIO, many(10, first_id=3_000_000)).created)
store.close()
"""


def test_a_full_disk(path: Path) -> None:
    """Errors are clear, nothing is lost, everybody can read, and when there is room again all goes on."""
    filled(path, 130_000).close()
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, cwd=TESTS, check=False)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    told = dict(zip(lines[:-1:2], lines[1::2], strict=True))
    assert lines[-1] == "10"
    refused = [line for line in told if "storage_unavailable" in line]
    assert [line.partition(" storage")[0] for line in refused] == ["merge", "small merge", "rebuild", "copy"], lines
    assert all(": the disk is full." in line for line in refused), lines
    assert set(told.values()) == {"(130000, 130000)"}
    with closing(DuckStore(path)) as store:
        assert ask(store, COUNT) == [(130_010,)]
        assert store.merge(STUDIO, many(10, first_id=3_000_000)) == Merged(0, 0, 10)
