"""Moving a store: file to PostgreSQL and back, killed anywhere, compared, and refused where it must not be."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest
from psycopg.conninfo import conninfo_to_dict

from cluster import as_administrator, as_role, new_database
from exports.studio import EVERYTHING, SIZES
from store.move_stores import FAR, Everything, everything, fill, moved, reading
from store.rows import batches, row
from turnout.admin import hash_of
from turnout.errors import TurnoutError
from turnout.jobs.links import Links
from turnout.output.formats import FORMATS
from turnout.reports import cursor_box, report_page
from turnout.store import postgres_raw
from turnout.store.base import Provider
from turnout.store.duckdb import DuckStore
from turnout.store.duckdb_raw import DuckRaw
from turnout.store.jobs import Job
from turnout.store.move import plan
from turnout.store.open import open_raw, open_store
from turnout.store.postgres_owner import prepare
from turnout.store.raw import PROVIDERS, SHARED, Desk, Sum, columns, owner_of, portable
from turnout.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exports.studio import Studio
    from turnout.store.base import Store

PLACES = [*range(1, len(SIZES) + 1), FAR.id]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with something in every table. Not to be changed."""
    directory = tmp_path_factory.mktemp("full")
    studio, _ = fill(directory)
    studio.store.close()
    return directory / "turnout.duckdb"


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """The address of a store of a kind that is not there yet."""
    count = iter(range(99))

    def made(kind: str) -> str:
        if kind == "file":
            return str(tmp_path / f"{next(count)}.duckdb")
        return new_database(request.getfixturevalue("postgres"))

    return made


def as_it_arrives(rows: Everything) -> Everything:
    """What runs waits again."""
    names = list(tables()["job"])
    status, total, complete, started = map(names.index, ("status", "total_items", "complete_items", "started_at"))
    found = []
    for job in map(list, rows["job"]):
        if job[status] == "running":
            job[status], job[total], job[complete], job[started] = "queued", 0, 0, None
        found.append(tuple(job))
    return {**rows, "job": sorted(found, key=repr)}


@pytest.mark.parametrize("kinds", [("postgres", "file"), ("file", "file"), ("postgres", "postgres", "file")])
def test_everything_arrives_whatever_the_kind(full: Path, new: Callable[[str], str], kinds: tuple[str, ...]) -> None:
    before = full.read_bytes()
    stores = [str(full), *map(new, kinds)]
    wanted = everything(stores[0])
    assert all(wanted.values()), "a table is empty"
    for source, target in itertools.pairwise(stores):
        done = moved(source, target)
        assert everything(target) == as_it_arrives(wanted)
        assert (done.providers, done.kept) == (len(PLACES), 0)
        assert dict(done.rows.items()) == {t: len(rows) for t, rows in wanted.items()}
    assert full.read_bytes() == before


def test_every_column_of_every_table_travels() -> None:
    for table, described in tables().items():
        assert portable(table).names == list(columns(table)) == list(described)
    assert {*PROVIDERS, *SHARED} == set(tables())
    assert {table for table in tables() if "provider_id" in tables()[table]} == {
        t for t in PROVIDERS if t != "provider"
    }
    assert [owner_of(table) for table in SHARED] == [None] * len(SHARED)


@pytest.mark.parametrize("kind", ["postgres", "file"])
def test_what_was_given_out_stays_good(tmp_path: Path, new: Callable[[str], str], kind: str) -> None:
    """Tokens, cursors, links, places of sync and erasures; reports are the same to the byte."""
    studio, text = fill(tmp_path)
    pages = {number: studio.page(studio.request(number), "json") for number in range(len(SIZES))}
    cursor = next_cursor(studio)
    job = studio.store.jobs.page(1, None, 9, 0)[1][0]
    link = Links(studio.store).query(job)
    following = page_after(studio, cursor)
    tokens, place = studio.store.tokens(), studio.store.place(FAR.id)
    erased, retention = studio.store.persons.erased(FAR.id), studio.store.persons.retention()
    greatest = max(one.id for number in (1, 2) for one in studio.store.jobs.page(number, None, 99, 0)[1])
    studio.store.close()
    target = new(kind)
    moved(str(tmp_path / "turnout.duckdb"), target)
    with closing(open_store(target)) as store:
        studio.store, studio.box = store, cursor_box(store)
        assert {number: studio.page(studio.request(number), "json") for number in range(len(SIZES))} == pages
        assert page_after(studio, cursor) == following
        assert Links(store).check(str(job.id), link)[:2] == (1, job.id)
        assert (store.tokens(), store.place(FAR.id)) == (tokens, place)
        assert (store.persons.erased(FAR.id), store.persons.retention()) == (erased, retention)
        assert list(store.providers()) == PLACES
        assert store.status().attendances == sum(map(len, (one.rows for one in studio.data))) + 23
        assert add_job(store) == greatest + 1
        # It is a store like any other: rows go on to be merged, and the erased stay so.
        again = [row(id_, 9, customer_id=who, customer_name="Back", event_id=900) for id_, who in ((500, 3), (501, 77))]
        assert store.merge(FAR, batches(again)).erased == 1
        assert store.token(hash_of(text)) in tokens


def next_cursor(studio: Studio) -> str:
    page = report_page(studio.store, studio.request(0), FORMATS["json"], studio.box)
    return dict(page.links["next"])["cursor"]


def page_after(studio: Studio, cursor: str) -> bytes:
    return studio.page(studio.request(0, (*EVERYTHING, ("cursor", cursor))), "json")


def add_job(store: Store) -> int:
    job = Job(0, 1, None, "attendances", "csv", "[]", 1)
    added = store.jobs.add(job, most=99, most_of_provider=99, remember=lambda _: None)
    assert added
    return added.id


# Killed, and run again

KILLED = """
import os, sys
from turnout.store.{module} import {kind}
from turnout.store.open import open_raw
from turnout.store.move import move
left = int(sys.argv[3])
def last(name):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
def counted(method):
    def called(*given, **named):
        last(method.__name__)
        result = method(*given, **named)
        last(method.__name__)
        return result
    return called
for name in ("write", "clear", "note", "read", "tally"):
    setattr({kind}, name, counted(getattr({kind}, name)))
source = open_raw(sys.argv[1], written=False)
target = open_raw(sys.argv[2], written=True)
move(source, target, carry=lambda: last("carry"))
last("end")
print("whole")
"""


def killed(source: str, target: str, steps: int, kind: str) -> bool:
    """Move in a process that is killed after so many steps in the target; whether it had ended before that."""
    names = ("duckdb_raw", "DuckSession") if kind == "file" else ("postgres_raw", "PostgresSession")
    program = KILLED.format(module=names[0], kind=names[1])
    done = subprocess.run(
        [sys.executable, "-c", program, source, target, str(steps)], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) in ((0, "whole\n"), (-9, "")), done.stderr
    return done.returncode == 0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with two small providers. Not to be changed."""
    path = tmp_path_factory.mktemp("small") / "small.duckdb"
    with closing(DuckStore(path)) as store:
        for number in (1, 2):
            provider = Provider(number, f"Studio {number}", "Europe/Berlin")
            store.put_provider(provider)
            store.merge(provider, batches([row(id_, 1, customer_name=f"Ann {id_}") for id_ in range(1, 6)]))
            add_job(store)
        store.secret("links")
    return str(path)


@pytest.mark.parametrize("kind", ["postgres", "file"])
def test_killed_anywhere_it_goes_on_where_it_was(small: str, new: Callable[[str], str], kind: str) -> None:
    """Each time it comes some steps further before it is killed; nobody may use what is there meanwhile."""
    target = new(kind)
    chance = random.Random(kind)
    steps = 0
    kept: list[int] = []
    while not killed(small, target, steps, kind):
        steps += chance.randrange(1, 14)
        if is_refused(target):
            with pytest.raises(TurnoutError, match="has not ended"):
                open_raw(target, written=False)
            with closing(open_raw(target, written=True)) as raw:
                kept.append(len(raw.providers()))
        else:
            assert not kept, "it was taken for a whole store"
    assert kept == sorted(kept)
    assert {0, 1, 2} <= set(kept)
    assert everything(target) == everything(small)
    with closing(open_store(target)) as store:
        assert list(store.providers()) == [1, 2]


def is_refused(target: str) -> bool:
    """Whether a store is refused because a move into it has not ended; one that is not has nothing yet."""
    try:
        store = open_store(target)
    except TurnoutError as error:
        assert (error.code, "the move from " in error.message) == ("storage_unavailable", True)
        return True
    with closing(store):
        assert not store.providers()
    return False


def test_a_large_provider_that_breaks_off_is_cleared_away(
    small: str, new: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are committed in parts; it is moved from its beginning."""
    monkeypatch.setattr("turnout.store.duckdb_raw.BATCH_ROWS", 1)
    target = new("file")

    def broken(copied: int, _: int) -> None:
        if copied > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moved(small, target, progress=broken)
    with closing(open_raw(target, written=True)) as raw:
        assert raw.providers() == [1, 2]
    assert moved(small, target).kept == 1
    assert everything(target) == everything(small)


def test_what_is_there_already_is_not_moved_twice(small: str, new: Callable[[str], str]) -> None:
    """What has changed in the source since then is."""
    target = new("file")
    interrupt(small, target)
    assert moved(small, target).kept == 2


def interrupt(source: str, target: str) -> None:
    """A move that breaks off just before its end."""

    def broken() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moved(source, target, carry=broken)


@pytest.mark.parametrize("kind", ["postgres", "file"])
def test_the_source_may_change_between_two_runs(
    small: str, new: Callable[[str], str], tmp_path: Path, kind: str
) -> None:
    source = tmp_path / "source.duckdb"
    source.write_bytes(Path(small).read_bytes())
    target = new(kind)
    interrupt(str(source), target)
    with closing(DuckStore(source)) as store:
        store.merge(Provider(2, "Studio 2", "Europe/Berlin"), batches([row(1, 9, customer_name="Other")]))
        store.put_provider(Provider(3, "New", "UTC"))
        store.secret("exports")
    assert moved(str(source), target).kept == 1
    assert everything(target) == everything(str(source))


# Compared


def change_postgres(address: str, sql: str) -> None:
    with psycopg.connect(as_administrator(address)) as connection:
        connection.execute(sql)


def change_file(path: str, sql: str) -> None:
    with closing(DuckRaw(Path(path), written=True)) as raw, raw.writing(None) as session:
        session._cursor.execute(sql)


BEHIND = {
    "changed": (
        "UPDATE customer SET customer_name = 'Eve' WHERE provider_id = 2 AND id = 1",
        "customer has other values",
    ),
    "removed": ("DELETE FROM attendances WHERE provider_id = 2 AND id = 3", "attendances has 4 rows for 5"),
    "added": (
        "INSERT INTO sync (provider_id, mark, as_of, document) VALUES (2, 'x', NULL, 'y')",
        "sync has 1 rows for 0",
    ),
}


@pytest.mark.parametrize("kind", ["postgres", "file"])
@pytest.mark.parametrize("how", BEHIND)
def test_a_target_that_was_changed_behind_its_back(small: str, new: Callable[[str], str], kind: str, how: str) -> None:
    target = new(kind)
    interrupt(small, target)
    sql, words = BEHIND[how]
    (change_postgres if kind == "postgres" else change_file)(target, sql)
    with pytest.raises(TurnoutError, match=f"Provider 2 is not the same in .*: {words}"):
        moved(small, target)
    with pytest.raises(TurnoutError, match="has not ended"):
        open_store(target)
    assert moved(small, target).kept == 1
    assert everything(target) == everything(small)


def test_a_provider_that_was_added_behind_its_back(small: str, new: Callable[[str], str]) -> None:
    target = new("postgres")
    interrupt(small, target)
    change_postgres(target, "INSERT INTO provider VALUES (7, 'Other', 'UTC', 'monday')")
    with pytest.raises(TurnoutError, match="has providers that the source has not: 7"):
        moved(small, target)


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.merge(Provider(1, "", "UTC"), batches([row(1, 99, status="attended")])),
        lambda store: store.put_provider(Provider(1, "Renamed", "Europe/Berlin")),
        lambda store: store.put_provider(Provider(9, "New", "Europe/Berlin")),
        add_job,
    ],
    ids=["rows", "provider", "new-provider", "job"],
)
def test_a_database_that_changes_while_it_is_moved(
    small: str, new: Callable[[str], str], change: Callable[[Store], object]
) -> None:
    source, target = new("postgres"), new("file")
    moved(small, source)
    done = []

    def meanwhile(copied: int, total: int) -> None:
        if copied == total and not done:
            done.append(True)
            with closing(open_store(source)) as store:
                change(store)

    with pytest.raises(TurnoutError, match="was changed while it was moved") as refused:
        moved(source, target, progress=meanwhile)
    assert refused.value.code == "conflict"
    moved(source, target)
    assert everything(target) == everything(source)


def test_a_row_that_comes_while_files_are_carried_is_noticed(small: str, new: Callable[[str], str]) -> None:
    """That takes minutes where there are many of them, and comes last."""
    source, target = new("postgres"), new("postgres")
    moved(small, source)

    def meanwhile() -> None:
        with closing(open_store(source)) as store:
            store.merge(Provider(1, "", "UTC"), batches([row(77, 99)]))

    with pytest.raises(TurnoutError, match="was changed while it was moved") as refused:
        moved(source, target, carry=meanwhile)
    assert refused.value.code == "conflict"
    assert is_refused(target)
    assert moved(source, target).kept == 1
    assert everything(target) == everything(source)


def test_a_sum_is_of_the_rows_in_any_order() -> None:
    schema = portable("attendances")
    rows = pa.RecordBatch.from_pylist(
        [{"provider_id": 1, "id": id_, "customer_name": str(id_)} for id_ in range(50)], schema
    )
    desk = Desk()
    whole = desk.sum(rows)
    assert whole.rows == 50
    assert desk.sum(rows.take(pa.array(random.Random(1).sample(range(50), 50)))) == whole
    assert desk.sum(rows.slice(0, 20)) + desk.sum(rows.slice(20)) == whole
    assert desk.sum(rows.slice(0, 0)) == Sum()
    assert desk.sum(rows.take(pa.array([0, *range(49)]))) != whole
    desk.close()


# Interrupted by others


@contextmanager
def one_client_less(address: str) -> Iterator[Callable[[], None]]:
    """A function that ends every connection to a database but its own."""
    with psycopg.connect(address, autocommit=True) as connection:
        yield lambda: connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )  # type: ignore[func-returns-value]


@pytest.mark.parametrize("as_target", [True, False])
def test_a_lost_connection(small: str, new: Callable[[str], str], as_target: bool) -> None:
    source, target = small, new("postgres")
    if not as_target:
        source, target = target, new("file")
        moved(small, source)
    with one_client_less(target if as_target else source) as cut:
        seen = []

        def meanwhile(copied: int, _: int) -> None:
            if not seen:
                cut()
            seen.append(copied)

        with pytest.raises(TurnoutError) as refused:
            moved(source, target, progress=meanwhile)
    assert refused.value.code == "storage_unavailable"
    with pytest.raises(TurnoutError, match="has not ended"):
        open_store(target)
    moved(source, target)
    assert everything(target) == everything(small)


def test_a_target_that_is_lost_in_the_middle_of_a_table(
    small: str, new: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has not been read yet of the source is let go of."""
    source, target = new("postgres"), new("postgres")
    moved(small, source)
    monkeypatch.setattr(postgres_raw, "BATCH_ROWS", 1)
    with one_client_less(target) as cut:
        seen = []

        def meanwhile(copied: int, _: int) -> None:
            if copied == 2:
                cut()
            seen.append(copied)

        with pytest.raises(TurnoutError) as refused:
            moved(source, target, progress=meanwhile)
    assert refused.value.code == "storage_unavailable"
    assert 2 in seen
    assert 5 not in seen
    moved(source, target)
    assert everything(target) == everything(small)


def test_a_role_that_owns_nothing(small: str, new: Callable[[str], str]) -> None:
    """One that sees a provider's rows in transactions that say so, and no others, moves them in and out."""
    owner, back = new("postgres"), new("file")
    change_postgres(owner, "DROP ROLE IF EXISTS mover")
    change_postgres(owner, "CREATE ROLE mover LOGIN")
    prepare(owner, "mover")
    # As deploy/roles.sql makes a database.
    change_postgres(owner, f"REVOKE ALL ON DATABASE {conninfo_to_dict(owner)['dbname']} FROM PUBLIC")
    change_postgres(owner, f"GRANT CONNECT ON DATABASE {conninfo_to_dict(owner)['dbname']} TO mover")
    target = as_role(owner, "mover")
    with psycopg.connect(target) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("INSERT INTO sync (provider_id, mark, document) VALUES (1, 'x', 'y')")
    interrupt(small, target)
    assert moved(small, target).kept == 2
    assert everything(target) == everything(owner) == everything(small)
    moved(target, back)
    assert everything(back) == everything(small)


# Refused


def test_a_target_with_data_is_left_alone(small: str, full: Path, new: Callable[[str], str]) -> None:
    for kind in ("postgres", "file"):
        target = new(kind)
        with closing(open_store(target)) as store:
            store.put_provider(Provider(1, "There", "UTC"))
        before = everything(target)
        with pytest.raises(TurnoutError, match=r"holds data already \(provider: 1\)") as refused:
            moved(small, target)
        assert refused.value.code == "conflict"
        assert everything(target) == before
    target = new("postgres")
    interrupt(str(full), target)
    with pytest.raises(TurnoutError, match=r"holds a part of another store, .*turnout.duckdb"):
        moved(small, target)
    moved(str(full), target)


def test_a_target_that_a_server_was_started_on_is_as_good_as_new(small: str, new: Callable[[str], str]) -> None:
    """It has made secrets of its own, for which nothing was given out yet."""
    for kind in ("postgres", "file"):
        target = new(kind)
        with closing(open_store(target)) as store:
            store.secret("links")
            store.secret("cursors")
        moved(small, target)
        assert everything(target) == everything(small)


def test_one_move_at_a_time(small: str, new: Callable[[str], str]) -> None:
    target = new("postgres")
    with closing(open_raw(target, written=True)):
        with pytest.raises(TurnoutError, match="Another move writes into") as refused:
            open_raw(target, written=True)
        assert refused.value.code == "conflict"
    moved(small, target)


def test_a_store_is_not_moved_into_itself(small: str, new: Callable[[str], str]) -> None:
    target = new("postgres")
    moved(small, target)
    with pytest.raises(TurnoutError, match="are the same store"):
        moved(target, f"{target}&application_name=other")


def test_a_source_that_is_none(new: Callable[[str], str], tmp_path: Path) -> None:
    with pytest.raises(TurnoutError, match=r"There is no store .*nothing"):
        open_raw(str(tmp_path / "nothing"), written=False)
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(TurnoutError, match="There is no store in the database"):
        open_raw(new("postgres"), written=False)


def test_a_source_of_an_older_turnout_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    with closing(DuckStore(path)):
        pass
    with closing(DuckRaw(path, written=True)) as raw, raw.writing(None) as session:
        session.note("schema_version", "1")
    with pytest.raises(TurnoutError, match="older Turnout; 'turnout doctor'"):
        open_raw(str(path), written=False)


def test_a_file_whose_last_process_was_killed(tmp_path: Path, new: Callable[[str], str]) -> None:
    """What was committed is in its log alone."""
    path = tmp_path / "killed.duckdb"
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom turnout.store.duckdb import DuckStore\n"
        "from turnout.store.base import Provider\n"
        "DuckStore(Path(sys.argv[1])).put_provider(Provider(4, 'Four', 'UTC'))\nos.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program, path], check=False).returncode == -9
    target = new("postgres")
    moved(str(path), target)
    assert [name for _, name, *_ in everything(target)["provider"]] == ["Four"]


def test_what_would_be_moved(full: Path) -> None:
    with reading(str(full)) as raw:
        found = plan(raw)
    assert dict(found.rows) == {table: len(rows) for table, rows in everything(str(full)).items()}
    assert found.providers == len(PLACES)


def test_what_is_told_on_the_way(small: str, new: Callable[[str], str]) -> None:
    told: list[Any] = []
    moved(small, new("postgres"), progress=lambda *both: told.append(both))
    assert told[-1] == (20, 20)
    assert told == sorted(told)


def test_marks_are_gone_at_the_end(small: str, new: Callable[[str], str]) -> None:
    for kind in ("postgres", "file"):
        target = new(kind)
        moved(small, target)
        with reading(target) as raw, raw.reading(None) as session:
            assert not [name for name in session.notes() if name.startswith("move")]
