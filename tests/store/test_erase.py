"""Erased customers: nothing of them can be read, nothing brings them back, and the file does not hold them any more."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from store.look import OTHER, STUDIO, ask, facts, wide
from store.rows import batches, many, row
from turnout.catalog.text import fold
from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.store import overwrite as overwrite_module
from turnout.store.base import Answered, Merged
from turnout.store.duckdb import DuckStore
from turnout.store.persons import Erasure

if TYPE_CHECKING:
    from store.rows import Row

TESTS = Path(__file__).parent.parent
SHOWN = "(Deleted Customer)"
WHO = ("customer_name", "customer_name_folded", "customer_email", "customer_email_folded", "customer_thumbnail_url")
WORDS = random.Random(7)


def text(start: str, length: int) -> str:
    """A text that is nowhere else, and that nothing shortens much."""
    return start + "".join(WORDS.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=length))


def person(start: str, length: int) -> Row:
    said = {member: text(start, length) for member in ("customer_name", "customer_email", "customer_thumbnail_url")}
    return {**said, "status": "attended"}


# The least and the greatest texts, which the engine notes apart; one that is stored apart for its length.
ANN, BO, CY, DI = range(900_001, 900_005)
PEOPLE = {ANN: person("!!", 60), BO: person("~~", 60), CY: person("Mm", 6_000), DI: person("Zo\u00eb", 60)}


def pieces(people: dict[int, Row]) -> list[bytes]:
    """Texts that tell the people, as they are and folded: their beginnings, as far as the engine notes them, and parts."""
    found = []
    for said in people.values():
        forms = [said[WHO[0]], said[WHO[2]], said[WHO[4]], fold(said[WHO[0]]), fold(said[WHO[2]])]
        for form in forms:
            found += [form[:8], form[20:32], form[-12:]]
    return [piece.encode() for piece in dict.fromkeys(found)]


def found_in(directory: Path, sought: list[bytes]) -> set[bytes]:
    """What of it is in the files of a directory."""
    content = b"\0".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())
    return {piece for piece in sought if piece in content}


def fill(store: DuckStore, others: int) -> None:
    """Attendances of the people and of others, and what the people were called before."""
    rows = [
        row(10 * (id_ - ANN + 1) + n, 1, customer_id=id_, event_id=n, **PEOPLE[id_]) for id_ in PEOPLE for n in (1, 2)
    ]
    store.merge(STUDIO, many(others, first_id=1_000, customers=others))
    store.merge(STUDIO, batches([{**one, "customer_name": "FORMERLY" + one["customer_name"]} for one in rows]))
    store.merge(STUDIO, batches([{**one, "updated_at": 2} for one in rows]))


def write_plainly(path: Path) -> None:
    """Write the texts of a store's file as they are: what compresses them would hide them from a search."""
    with duckdb.connect(path) as store:
        store.execute("PRAGMA force_compression = 'uncompressed'")
        for table in ("attendances", "customer", "answered"):
            store.execute(f"CREATE TABLE again AS SELECT * FROM {table}")
            store.execute(f"DELETE FROM {table}")
            store.execute(f"INSERT INTO {table} SELECT * FROM again")
            store.execute("CHECKPOINT")
            store.execute("DROP TABLE again")
        store.execute("CHECKPOINT")


@pytest.mark.parametrize("others", [20, 70_000])
def test_the_file_holds_nothing_of_them(path: Path, others: int) -> None:
    sought = pieces(PEOPLE)
    with closing(DuckStore(path, threads=2)) as store:
        fill(store, others)
        quoted = b'{"rejected":[{"reason":"' + PEOPLE[ANN]["customer_email"].encode() + b'"}]}'
        kept = [
            *(Answered("a", "1-r", 200, quoted, 1), Answered("b", "1-r", 200, b'{"rejected":[]}', 1)),
            # Of other providers, and of a store from before providers were told.
            *(Answered("c", "11-r", 200, b'{"rejected":[{"reason":"X"}]}', 1), Answered("d", "r", 200, quoted, 1)),
        ]
        store.merge_together(STUDIO, [batches([row(9, 1, customer_id=900)])], lambda _: kept)
    write_plainly(path)
    path.with_name(f"{path.name}.schema-1").write_bytes(path.read_bytes())
    with closing(DuckStore(path, threads=2)) as store:
        before = wide(store)
        store.merge(STUDIO, batches([row(11, 3, customer_id=ANN, event_id=1, **PEOPLE[ANN])]))  # in the log
        assert found_in(path.parent, sought) == set(sought)
        store.persons.erase(STUDIO, list(PEOPLE), at=5, by="owner")
        assert store.persons.overwrite() is True
        assert found_in(path.parent, sought) == set()
        assert store.persons.overwrite() is False
        assert len(wide(store)) == len(before)
        assert [store.answered(key) is None for key in "abcd"] == [True, False, False, True]
        store.merge(STUDIO, batches([row(11, 4, customer_id=ANN, event_id=1, **PEOPLE[ANN])]))
        assert store.token("x") is None
        assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.wal"]
    # What is left is small beside what is there.
    assert found_in(path.parent, sought) == set()
    with closing(DuckStore(path, threads=2)) as store:
        assert {id_: {**one, **dict.fromkeys(WHO)} for id_, one in wide(store).items() if id_ != 11} == {
            id_: {**one, **dict.fromkeys(WHO)} for id_, one in before.items() if id_ != 11
        }


def test_rows_and_counts_stay(store: DuckStore) -> None:
    fill(store, 20)
    store.merge(OTHER, batches([row(1, 1, **PEOPLE[ANN])]))
    before, other, said = wide(store), wide(store, OTHER), facts(store)
    version = store.version(STUDIO.id)
    told = store.persons.erase(STUDIO, [ANN, DI, ANN], at=77, by="token 3")
    assert told == [Erasure(1, ANN, 77, "token 3", 2), Erasure(1, DI, 77, "token 3", 2)]
    assert store.version(STUDIO.id) != version
    erased = {WHO[0]: SHOWN, WHO[1]: SHOWN.lower(), WHO[2]: None, WHO[3]: None, WHO[4]: None}
    expected = {id_: {**one, **(erased if one["customer_id"] in (ANN, DI) else {})} for id_, one in before.items()}
    expected = {id_: {k: v for k, v in one.items() if k in before[id_]} for id_, one in expected.items()}
    assert wide(store) == expected
    assert wide(store, OTHER) == other
    gone = {key for key in said if key[0] == "customer" and key[1] in (ANN, DI)}
    assert facts(store) == {key: fact for key, fact in said.items() if key not in gone}
    # Again, later and by another: what is told is what was done.
    assert store.persons.erase(STUDIO, [DI, ANN], at=99, by="owner") == [told[1], told[0]]
    assert store.persons.erased(STUDIO.id) == told
    assert store.persons.erased(OTHER.id) == []


def test_newer_rows_do_not_bring_them_back_until_told(store: DuckStore) -> None:
    fill(store, 20)
    store.persons.erase(STUDIO, [ANN], at=5, by="owner")
    newer = [row(11, 8, customer_id=ANN, event_id=1, **PEOPLE[ANN]), row(500, 8, customer_id=ANN, **PEOPLE[ANN])]
    same = row(21, 2, customer_id=BO, event_id=1, **PEOPLE[BO])
    moved = row(22, 9, customer_id=ANN, event_id=2, customer_name="Not me")
    inputs = [newer, [same], [moved, newer[0]]]
    merged = store.merge_together(STUDIO, [batches(one) for one in inputs])
    assert merged == (Merged(1, 1, 0, 2), Merged(0, 0, 1, 0), Merged(0, 1, 1, 2))
    assert {id_: one[WHO[0]] for id_, one in wide(store).items() if one["customer_id"] == ANN} == dict.fromkeys(
        (11, 12, 22, 500), SHOWN
    )
    assert store.persons.restore(STUDIO, [ANN, BO]) == 1
    assert store.persons.restore(STUDIO, [ANN]) == 0
    assert wide(store)[11][WHO[0]] == SHOWN
    assert store.merge(STUDIO, batches([row(11, 9, customer_id=ANN, event_id=1, customer_name="Ann")])) == Merged(
        0, 1, 0
    )
    assert {wide(store)[id_][WHO[0]] for id_ in (11, 12, 22, 500)} == {"Ann"}


def test_rows_of_one_shape_say_nothing_of_an_erased_customer(store: DuckStore) -> None:
    """What was taken out of a row was not said with it: after it, somebody else may still say it of an earlier time."""

    def said(id_: int, updated_at: int, customer: int, name: str) -> Row:
        return row(id_, updated_at, customer_id=customer, customer_name=name)

    store.merge(STUDIO, batches([said(1, 1, ANN, "Ann"), said(2, 1, BO, "Bo")]))
    store.persons.erase(STUDIO, [ANN], at=5, by="owner")
    store.merge(STUDIO, batches([said(3, 8, ANN, "Ann"), said(4, 8, BO, "Bob")]))
    assert {id_: one[WHO[0]] for id_, one in wide(store).items()} == {1: SHOWN, 2: "Bob", 3: SHOWN, 4: "Bob"}
    store.persons.restore(STUDIO, [ANN])
    store.merge(STUDIO, batches([said(5, 7, ANN, "Anna"), said(6, 7, BO, "Robert")]))
    assert {wide(store)[id_][WHO[0]] for id_ in (1, 3, 5)} == {"Anna"}
    assert {wide(store)[id_][WHO[0]] for id_ in (2, 4, 6)} == {"Bob"}


def test_one_unknown_customer_and_nobody_is_erased(store: DuckStore) -> None:
    fill(store, 20)
    store.merge(OTHER, batches([row(1, 1, customer_id=77)]))
    before = wide(store)
    with pytest.raises(TurnoutError, match=r"no customer 77, 99999999; nobody") as raised:
        store.persons.erase(STUDIO, [ANN, 99_999_999, 77], at=5, by="owner")
    assert raised.value.code == "not_found"
    assert wide(store) == before
    assert store.persons.erased(STUDIO.id) == []
    assert store.persons.overwrite() is False


def test_asking_what_would_be_erased_changes_nothing(store: DuckStore) -> None:
    fill(store, 20)
    before, version = wide(store), store.version(STUDIO.id)
    assert store.persons.erase(STUDIO, [CY], at=5, by="owner", dry_run=True) == [Erasure(1, CY, 5, "owner", 2)]
    assert (wide(store), store.version(STUDIO.id), store.persons.erased(STUDIO.id)) == (before, version, [])
    assert store.persons.overwrite() is False


def test_a_reader_goes_on_and_is_waited_for(path: Path, store: DuckStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 20)
    names = f"SELECT count(*) FROM attendances WHERE {WHO[0]} = '{PEOPLE[ANN][WHO[0]]}'"
    with store.snapshot(None) as reading:
        statement = Statement(names, ())
        assert reading.rows(statement) == [(2,)]
        store.persons.erase(STUDIO, [ANN], at=5, by="owner")
        monkeypatch.setattr(overwrite_module, "PATIENCE", 0.0)
        with pytest.raises(TurnoutError, match="cannot be read any more, but the file still holds it") as raised:
            store.persons.overwrite()
        assert raised.value.code == "storage_unavailable"
        assert reading.rows(statement) == [(2,)]
        assert ask(store, names) == [(0,)]
        store.merge(STUDIO, batches([row(600, 1)]))
    assert store.persons.overwrite() is True
    assert found_in(path.parent, pieces({ANN: PEOPLE[ANN]})) == set()
    assert 600 in wide(store)


# Erases, and says the statement before it runs it, where it is killed; `nth` counts those that begin alike.
ERASE = """
import sys
from pathlib import Path
from store.look import STUDIO
from turnout.store import duckdb_engine as engine
from turnout.store.duckdb import DuckStore

path, stop_at, nth = sys.argv[1:]
left = int(nth)

class Told:
    def __init__(self, cursor):
        self.cursor = cursor
    def __getattr__(self, name):
        return getattr(self.cursor, name)
    def execute(self, sql, *values):
        global left
        if getattr(sql, "query", sql).startswith(stop_at):
            left -= 1
            if not left:
                print("here", flush=True)
                sys.stdin.read()
        return self.cursor.execute(sql, *values)

store = DuckStore(Path(path))
inner = engine.cursor_of
engine.cursor_of = lambda connection: Told(inner(connection))
store.persons.erase(STUDIO, [900001, 900002, 900003, 900004], at=5, by="owner")
store.persons.overwrite()
"""


@pytest.mark.parametrize(
    ("stop_at", "nth", "done"),
    [
        ("UPDATE attendances", 1, False),
        ("UPDATE customer", 1, False),
        ("COMMIT", 1, False),
        ("CREATE TABLE being_rewritten", 1, True),
        ("DROP TABLE attendances", 1, True),
        ("COMMIT", 2, True),
        ("CHECKPOINT", 1, True),
        ("CREATE TABLE filler_wide_0", 1, True),
        ("DROP TABLE filler", 1, True),
        ("INSERT INTO filler", 1, True),
        ("DELETE FROM meta", 1, True),
    ],
)
def test_killed_at_any_point_and_run_again(path: Path, stop_at: str, nth: int, done: bool) -> None:
    sought = pieces(PEOPLE)
    with closing(DuckStore(path)) as store:
        fill(store, 70_000)
        before = len(wide(store))
    write_plainly(path)
    command = [sys.executable, "-c", ERASE, path, stop_at, str(nth)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TESTS) as erasing:
        assert erasing.stdout is not None
        assert erasing.stdout.readline() == "here\n"
        erasing.kill()
    with closing(DuckStore(path)) as store:
        shown = {one[WHO[0]] for one in wide(store).values() if one["customer_id"] in PEOPLE and one["id"] < 100}
        assert shown == ({SHOWN} if done else {said[WHO[0]] for said in PEOPLE.values()})
        assert len(store.persons.erased(STUDIO.id)) == (len(PEOPLE) if done else 0)
        store.persons.erase(STUDIO, list(PEOPLE), at=6, by="owner")
        assert store.persons.overwrite() is True
        assert found_in(path.parent, sought) == set()
        assert len(wide(store)) == before
        tables = [name for (name,) in ask(store, "SELECT table_name FROM duckdb_tables() WHERE NOT temporary")]
        assert not [name for name in tables if name.startswith(("filler", "being"))]


def test_old_rows_forget_their_customers(path: Path, store: DuckStore) -> None:
    def of(id_: int, starts: int, customer: int, **said: Any) -> Row:
        return row(id_, 1, event_id=id_, event_starts_at=starts, customer_id=customer, **said)

    store.merge(
        STUDIO,
        batches(
            [
                of(1, 10, ANN, **PEOPLE[ANN]),
                of(2, 90, ANN, **PEOPLE[ANN]),
                of(3, 10, BO, **PEOPLE[BO]),
                of(4, 10, CY, **PEOPLE[CY]),
            ]
        ),
    )
    store.persons.erase(STUDIO, [CY], at=5, by="owner")
    assert store.persons.retain(STUDIO, 50, at=1_000, go_on=lambda: True) == 2
    name, gone = PEOPLE[ANN][WHO[0]], dict.fromkeys(WHO[:4])
    assert {id_: one[WHO[0]] for id_, one in wide(store).items()} == {1: None, 2: name, 3: None, 4: SHOWN}
    assert {column: wide(store)[1][column] for column in gone} == gone
    assert {key[1] for key in facts(store) if key[0] == "customer"} == {ANN}
    assert [(one.before, one.ran_at) for one in store.persons.retention()] == [(50, 1_000)]
    assert store.status().retained_at == 1_000
    # What comes late does not bring them back, and a name that newer rows have stays in those.
    late = [of(5, 20, BO, **PEOPLE[BO]), {**of(1, 10, ANN, **PEOPLE[ANN]), "updated_at": 9}, of(6, 95, ANN)]
    store.merge(STUDIO, batches(late))
    assert {id_: one[WHO[0]] for id_, one in wide(store).items()} == {
        1: None,
        2: name,
        3: None,
        4: SHOWN,
        5: None,
        6: name,
    }
    assert store.persons.retain(STUDIO, 50, at=2_000, go_on=lambda: True) == 0
    store.persons.overwrite()
    assert found_in(path.parent, pieces({BO: PEOPLE[BO], CY: PEOPLE[CY]})) == set()


def test_a_longer_retention_shows_whom_newer_rows_still_name(store: DuckStore) -> None:
    def of(id_: int, starts: int, customer: int) -> Row:
        return row(id_, 1, event_id=id_, event_starts_at=starts, customer_id=customer, **PEOPLE[customer])

    def shown() -> list[str | None]:
        return [one[WHO[0]] for _, one in sorted(wide(store).items())]

    store.merge(STUDIO, batches([of(1, 10, ANN), of(2, 30, ANN), of(3, 90, ANN), of(4, 10, BO)]))
    store.merge(OTHER, batches([of(1, 10, ANN), of(3, 90, ANN)]))
    store.persons.retain(STUDIO, 50, at=1, go_on=lambda: True)
    store.persons.retain(OTHER, 50, at=1, go_on=lambda: True)
    ann = PEOPLE[ANN][WHO[0]]
    assert shown() == [None, None, ann, None]
    version = store.version(STUDIO.id)
    assert store.persons.retain(STUDIO, 20, at=2, go_on=lambda: True) == 1
    assert shown() == [None, ann, ann, None]
    assert store.version(STUDIO.id) != version
    assert store.persons.retain(STUDIO, None, at=3, go_on=lambda: True) == 1
    assert shown() == [ann, ann, ann, None]
    assert {id_: one[WHO[0]] for id_, one in wide(store, OTHER).items()} == {1: None, 3: ann}


def test_retention_goes_on_where_it_was_stopped(store: DuckStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.store.erase.AT_ONCE", 40)
    store.merge(STUDIO, many(100, customers=100))
    asked = iter((True, False))
    assert store.persons.retain(STUDIO, 10**15, at=1, go_on=lambda: next(asked)) == 40
    assert store.persons.retention()[0].ran_at is None
    assert store.status().retained_at is None
    assert store.persons.retain(STUDIO, 10**15, at=2, go_on=lambda: True) == 60
    assert {one[WHO[0]] for one in wide(store).values()} == {None}
    # Without the setting, what comes is shown, and what is gone stays gone.
    store.persons.retain(STUDIO, None, at=3, go_on=lambda: True)
    store.merge(STUDIO, many(1, first_id=500, customers=10**6))
    assert {id_ for id_, one in wide(store).items() if one[WHO[0]]} == {500}
