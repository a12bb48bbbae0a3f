"""Opening the embedded store: where, by whom, and what is refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import duckdb
import pytest

from store.look import STUDIO, ask, wide
from store.rows import batches, many, row
from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.store.duckdb import DuckStore
from turnout.store.duckdb_file import engine_errors
from turnout.store.open import StoreOwned, kept_beside, open_raw, open_store, store_path
from turnout.store.owner import command_of, shown_command
from turnout.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

OWN_IT = """
import sys
from pathlib import Path
from turnout.store.duckdb import DuckStore
store = DuckStore(Path(sys.argv[-1]))
print("open", flush=True)
sys.stdin.read()
store.close()
"""


def refusal(path: Path) -> TurnoutError:
    with pytest.raises(TurnoutError) as caught:
        open_store(str(path))
    assert caught.value.code == "storage_unavailable"
    return caught.value


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_store_is_made_with_its_directories_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "turnout.duckdb"
    with closing(open_store(str(path))) as store:
        store.put_provider(STUDIO)
        assert mode(path) == 0o600
        assert mode(path.with_name("turnout.duckdb.wal")) == 0o600
        assert mode(path.parent) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["turnout.duckdb"]


def test_a_file_system_that_is_read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DuckStore(path).close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert refusal(path).message == f"The store {path} cannot be opened: this user may not read and write it."
    monkeypatch.setattr(os, "access", lambda place, _: place == path)
    assert refusal(path).message == f"The store {path} cannot be opened: this user may not write in {path.parent}."
    monkeypatch.setattr(os, "access", lambda *_: False)
    mounted = SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID)
    monkeypatch.setattr(os, "statvfs", lambda _: mounted)
    assert refusal(path).message == f"The store {path} cannot be opened: the file system is read-only."


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (duckdb.TransactionException("x: No space left on device"), "storage_unavailable", "Merging failed: the disk is full."),
        (duckdb.IOException("x: File too large"), "storage_unavailable", "Merging failed: the disk is full."),
        (duckdb.IOException("x: Read-only file system"), "storage_unavailable", "Merging failed: the file system is read-only."),
        (duckdb.FatalException("x"), "storage_unavailable", "Merging failed: the engine has given the file up, which is opened anew."),
        (duckdb.IOException("x"), "storage_unavailable", "Merging failed (IOException)."),
        (duckdb.BinderException("x"), "server_error", "Merging failed (BinderException)."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_what_is_said_of_the_engines_errors(error: duckdb.Error, code: str, message: str) -> None:
    """What it means, where that is known; the names of the engine's own errors are for those that nobody expected."""
    with pytest.raises(TurnoutError) as caught, engine_errors("Merging"):
        raise error
    assert (caught.value.code, caught.value.message) == (code, message)


def test_what_was_written_is_there_again(path: Path) -> None:
    with closing(DuckStore(path)) as store:
        store.merge(STUDIO, batches([row(1, 10, customer_name="Ann")]))
        before = wide(store)
    with closing(DuckStore(path)) as store:
        assert wide(store) == before


def test_memory_threads_and_temporary_directory_can_be_chosen(tmp_path: Path) -> None:
    store = open_store(
        str(tmp_path / "x.duckdb"), memory_limit="600MB", threads=1, temp_directory=str(tmp_path / "elsewhere")
    )
    with closing(store):
        found = ask(store, "SELECT current_setting('memory_limit'), current_setting('threads')")
        assert found == [("572.2 MiB", 1)]
        # Of its own there: another store may be given the same place.
        ((spilled,),) = ask(store, "SELECT current_setting('temp_directory')")
        assert Path(spilled).parent == tmp_path / "elsewhere"
        assert Path(spilled).name.startswith("x.duckdb-")


@pytest.mark.parametrize("limits", [{"memory_limit": "much"}, {"threads": 0}])
def test_limits_that_are_not_understood(path: Path, limits: dict[str, str | int]) -> None:
    with pytest.raises(TurnoutError, match="not understood"):
        open_store(str(path), **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/data/x.duckdb", "/data/x.duckdb"),
        ("duckdb:///data/x.duckdb", "/data/x.duckdb"),
        ("duckdb:///data/with%20blank", "/data/with blank"),
        ("x.duckdb", f"{Path.cwd()}/x.duckdb"),
        (":memory:", f"{Path.cwd()}/:memory:"),
        ("~/x.duckdb", f"{Path.home()}/x.duckdb"),
    ],
)
def test_urls(url: str, expected: str) -> None:
    assert str(store_path(url)) == expected


@pytest.mark.parametrize(
    "url", ["postgresql://host/db", "mysql://host", "duckdb://host/x", "duckdb://", "s3://b/x", ""]
)
def test_urls_that_name_no_store(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TurnoutError) as caught:
        open_store(url)
    assert caught.value.code == "storage_unavailable"
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_another_process_owns(path: Path, tmp_path: Path) -> None:
    program = tmp_path / "turnout"
    program.write_text(OWN_IT)
    command = [sys.executable, program, "serve", "--token", "tk_secret", path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        error = refusal(path)
        owner.communicate("")
    assert isinstance(error, StoreOwned)
    assert (error.pid, error.command) == (owner.pid, "turnout serve")
    assert error.message == f"The store {path} is in use by process {owner.pid} (turnout serve)."
    open_store(str(path)).close()


def test_a_store_that_is_open_in_this_process(path: Path, store: DuckStore) -> None:
    error = refusal(path)
    assert isinstance(error, StoreOwned)
    assert error.pid == os.getpid()
    assert ask(store, "SELECT count(*) FROM attendances") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["/usr/bin/turnout", "serve", "--port", "80"], "turnout serve"),
        (["turnout", "--database", "/data/x.duckdb", "import", "f.csv"], "turnout import"),
        (["/v/bin/python3.11", "/v/bin/turnout", "serve"], "turnout serve"),
        (["python", "-X", "dev", "-m", "turnout", "sync"], "turnout sync"),
        (["python3", "-I", "-m", "turnout.cli.main", "report"], "turnout report"),
        (["python3", "/src/turnout/cli/main.py", "demo"], "turnout demo"),
        (["python3", "/src/turnout/__main__.py"], "turnout"),
        (["python3", "notebook.py", "--password", "secret"], "python3"),
        (["python3", "-c", "secret"], "python3"),
        (["python3"], "python3"),
        (["/opt/duckdb", "x.duckdb"], "duckdb"),
        ([], None),
    ],
)
def test_no_more_of_a_command_is_shown_than_who_it_is(arguments: list[str], shown: str | None) -> None:
    assert shown_command(arguments) == shown


def test_a_process_that_is_gone_has_no_command() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert command_of(gone.pid) is None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a store with something in it."""
    path = tmp_path_factory.mktemp("whole") / "turnout.duckdb"
    with closing(DuckStore(path)) as store:
        store.merge(STUDIO, many(5_000))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda _: b"", "not a Turnout store"),
        (lambda _: b"some notes\n" * 500, "not a Turnout store"),
        (lambda _: b"SQLite format 3\0" + bytes(8_000), "not a Turnout store"),
        (lambda whole: whole[:4_000], "damaged"),
        (lambda whole: whole[: len(whole) // 2], "damaged"),
        (lambda whole: whole[:4_096] + bytes(8_192) + whole[12_288:], "damaged"),
        (lambda whole: whole[:12_288] + bytes(262_144) + whole[12_288 + 262_144 :], "damaged"),
    ],
    ids=["empty", "text", "sqlite", "cut short", "half", "no headers", "a lost block"],
)
def test_a_file_that_is_no_sound_store_is_left_alone(
    path: Path, whole: bytes, damage: Callable[[bytes], bytes], says: str
) -> None:
    path.write_bytes(damage(whole))
    assert says in refusal(path).message
    assert path.read_bytes() == damage(whole)


def test_a_lost_block_of_data_fails_clearly_when_it_is_read(path: Path, whole: bytes) -> None:
    # Wherever the block lies, either opening or reading must say so.
    spoiled = bytearray(whole)
    for place in range(12_288 + 5_000, len(spoiled), 262_144):
        spoiled[place] ^= 0xFF
    path.write_bytes(spoiled)
    with pytest.raises(TurnoutError) as caught, closing(open_store(str(path))) as store:
        wide(store)  # type: ignore[arg-type]
    assert caught.value.code == "storage_unavailable"


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    with duckdb.connect(path) as other:
        other.execute("CREATE TABLE attendances (mine INTEGER)")
    before = path.read_bytes()
    assert "something else" in refusal(path).message
    assert path.read_bytes() == before


def test_a_store_of_a_newer_program_is_refused(path: Path) -> None:
    DuckStore(path).close()
    with duckdb.connect(path) as newer:
        newer.execute("UPDATE meta SET value = '7' WHERE name = 'schema_version'")
    assert f"newer Turnout (schema 7; this one knows {SCHEMA_VERSION})" in refusal(path).message


@pytest.mark.parametrize("place", ["directory", "under a file", "device", "no directory can be made"])
def test_places_where_no_store_can_be(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    path = {
        "directory": tmp_path,
        "under a file": tmp_path / "file" / "turnout.duckdb",
        "device": Path("/dev/null"),
        "no directory can be made": Path("/proc/turnout/turnout.duckdb"),
    }[place]
    assert str(path.parent) in refusal(path).message


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{0}/out.csv'",
        "ATTACH '{0}/other.duckdb'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SET memory_limit = '1GB'",
        "INSTALL httpfs",
        "INSERT INTO provider VALUES (1, 'x', 'UTC', 'monday')",
    ],
)
def test_a_snapshot_reaches_nothing_but_the_store_and_writes_nothing(
    store: DuckStore, tmp_path: Path, sql: str
) -> None:
    files = set(tmp_path.iterdir())
    with pytest.raises(TurnoutError), store.snapshot(None) as snapshot:
        snapshot.rows(Statement(sql.format(tmp_path), ()))
    assert set(tmp_path.iterdir()) == files
    assert ask(store, "SELECT count(*) FROM provider") == [(0,)]


def test_what_doctor_is_told(path: Path, store: DuckStore) -> None:
    store.put_provider(STUDIO)
    store.merge(STUDIO, batches([row(1, 10), row(2, 10)]))
    status = store.status()
    assert (status.engine, status.version, status.location) == ("DuckDB", duckdb.__version__, str(path))
    assert (status.attendances, status.providers, status.schema_version, status.faults) == (2, 1, SCHEMA_VERSION, ())
    assert status.size >= path.stat().st_size > 0
    path.chmod(0o644)
    assert ["Other users may open the file" in fault for fault in store.status().faults] == [True]


def test_a_closed_store_says_so(path: Path) -> None:
    store = DuckStore(path)
    store.close()
    store.close()
    with pytest.raises(TurnoutError, match="closed"), store.snapshot(None):
        pytest.fail("a snapshot of a closed store")
    with pytest.raises(TurnoutError):
        store.merge(STUDIO, [])


def test_a_database_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in [name for name in sys.modules if name.startswith("turnout.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(TurnoutError, match=r"pip install 'turnout\[postgresql\]'") as caught:
        open_store("postgresql://turnout@127.0.0.1/turnout")
    assert caught.value.code == "storage_unavailable"
    with pytest.raises(TurnoutError, match=r"pip install 'turnout\[postgresql\]'"):
        open_raw("postgresql://turnout@127.0.0.1/turnout", written=False)


@pytest.mark.parametrize(
    ("address", "shown"),
    [("mysql://a:b@c/d", "There is no store for 'mysql://' addresses"), ("duckdb://x/y", "'duckdb://' addresses")],
)
def test_an_address_of_no_store_is_refused(address: str, shown: str) -> None:
    with pytest.raises(TurnoutError, match=shown):
        open_store(address)


def test_where_files_are_kept(tmp_path: Path) -> None:
    """Beside a file; those of a database in a directory that is its own, whoever asks and with whatever password."""
    assert kept_beside(str(tmp_path / "a.duckdb"), "exports", "/elsewhere") == tmp_path / "a.duckdb.exports"
    assert kept_beside("postgresql://db/turnout", "exports", str(tmp_path)) == tmp_path / "exports"
    one, same, other = (
        kept_beside(address, "uploads")
        for address in ("postgresql://a:secret@db/one", "postgresql://b@db/one", "postgresql://b@db/other")
    )
    assert one == same != other
    assert "secret" not in str(one)


def test_files_of_databases_that_only_a_parameter_tells_apart() -> None:
    base = "postgresql://a:secret@db/one"
    others = ["port=5433", "dbname=other", "options=-csearch_path%3Done", "options=-csearch_path%3Dtwo", "service=x"]
    kept = [kept_beside(address, "uploads") for address in (base, *(f"{base}?{other}" for other in others))]
    assert len(set(kept)) == len(kept)
    same = [f"postgresql://b@db/one?{more}port=5433" for more in ("", "sslmode=require&")]
    assert {kept_beside(address, "uploads") for address in same} == {kept[1]}
    # Those that were there before this was looked at have what they had.
    assert (
        kept[0].parent.name
        == kept_beside(f"{base}?sslmode=require", "uploads").parent.name
        == "postgresql-713743583b34"
    )
    with pytest.raises(TurnoutError, match="not an address") as refused:
        kept_beside("postgresql://a:secret@db/one?port=1&colour=red", "uploads")
    assert "secret" not in refused.value.message


def test_a_new_store_that_the_disk_has_no_room_for_is_not_left_behind(path: Path) -> None:
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from turnout.errors import TurnoutError\n"
        "from turnout.store.duckdb import DuckStore\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try: DuckStore(Path(sys.argv[1]))\n"
        "except TurnoutError as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True, text=True)
    assert done.stdout == f"The store {path} cannot be made: the disk is full.\n"
    assert not path.exists()
    with closing(DuckStore(path)) as store:
        assert store.providers() == {}
