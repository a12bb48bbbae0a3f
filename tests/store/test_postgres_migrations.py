"""Tables of an older Turnout in PostgreSQL: upgraded once, whoever comes first, to what a new database has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cluster import as_administrator, as_role, make_role, new_database
from store.look import STUDIO, wide
from store.rows import many
from turnout.errors import TurnoutError
from turnout.store.postgres import PostgresStore
from turnout.store.postgres_migrations import MIGRATIONS
from turnout.store.postgres_owner import prepare
from turnout.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "server"
# What an older version may have lacked: a column that is worked out from others, a table, an index.
OLDER = (
    "ALTER TABLE job DROP COLUMN expires_at",
    "DROP TABLE sync",
    "DROP INDEX attendances_by_change",
    "UPDATE attendances SET event_minute = NULL",
    f"UPDATE meta SET value = '{SCHEMA_VERSION - 1}' WHERE name = 'schema_version'",
)
UPGRADE = (
    "ALTER TABLE job ADD COLUMN expires_at BIGINT",
    (
        'CREATE TABLE sync (provider_id BIGINT PRIMARY KEY, mark TEXT COLLATE "C" NOT NULL, as_of BIGINT, '
        'document TEXT COLLATE "C" NOT NULL)'
    ),
    "CREATE INDEX attendances_by_change ON attendances (provider_id, updated_at, id)",
    "UPDATE attendances SET event_minute = 77",
)
CATALOGUE = (
    (
        "SELECT table_name, column_name, data_type, udt_name, collation_name, is_nullable, column_default, "
        "numeric_precision FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
    ),
    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    (
        "SELECT conrelid::regclass::TEXT, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
    ),
    "SELECT tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2",
    (
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = 'public'::regnamespace ORDER BY 1"
    ),
    "SELECT name, value FROM meta WHERE name = 'schema_version'",
)


def catalogue(address: str) -> list[Any]:
    with psycopg.connect(address) as connection:
        return [connection.execute(asked).fetchall() for asked in CATALOGUE]


def make_older(address: str) -> None:
    with psycopg.connect(as_administrator(address)) as connection:
        for statement in OLDER:
            connection.execute(statement)


@pytest.fixture
def address(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of a made-up older version, with rows."""
    made = new_database(postgres)
    with psycopg.connect(postgres, autocommit=True) as connection:
        make_role(connection, SERVER)
    with closing(PostgresStore(made, spilled=tmp_path)) as store:
        store.merge(STUDIO, many(30))
    make_older(made)
    monkeypatch.setitem(MIGRATIONS, SCHEMA_VERSION, UPGRADE)
    return made


def test_an_upgraded_database_equals_a_new_one(postgres: str, address: str, tmp_path: Path) -> None:
    new = new_database(postgres)
    prepare(new)
    assert catalogue(address) != catalogue(new)
    with closing(PostgresStore(address, spilled=tmp_path)) as store:
        rows = wide(store)
    assert catalogue(address) == catalogue(new)
    assert len(rows) == 30
    # Its owner is held by the walls, but not while it upgrades: each row was seen.
    assert {row["event_minute"] for row in rows.values()} == {77}


def test_a_database_of_the_first_version_becomes_one_of_this(postgres: str, tmp_path: Path) -> None:
    """By the program's own statements."""
    new, old = new_database(postgres), new_database(postgres)
    for address in (new, old):
        prepare(address)
    with psycopg.connect(as_administrator(old)) as connection:
        connection.execute("DROP TABLE saved_view")
        connection.execute("UPDATE meta SET value = '4' WHERE name = 'schema_version'")
    PostgresStore(old, spilled=tmp_path).close()
    assert catalogue(old) == catalogue(new)


def test_it_is_done_once(address: str, tmp_path: Path) -> None:
    def open_it(number: int) -> int:
        with closing(PostgresStore(address, spilled=tmp_path / str(number))) as store:
            return store.status().attendances

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(open_it, range(3))) == [30] * 3


def test_a_server_that_owns_nothing_says_what_to_run(address: str, tmp_path: Path) -> None:
    with psycopg.connect(address) as connection:
        connection.execute(f"GRANT SELECT ON meta TO {SERVER}")
    before = catalogue(address)
    with pytest.raises(TurnoutError, match=r"older Turnout.*does not own them.*turnout database prepare") as raised:
        PostgresStore(as_role(address, SERVER), spilled=tmp_path)
    assert raised.value.code == "storage_unavailable"
    assert catalogue(address) == before
    prepare(address, SERVER)
    PostgresStore(as_role(address, SERVER), spilled=tmp_path).close()


def test_one_that_fails_leaves_the_older_version(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalogue(address)
    monkeypatch.setitem(MIGRATIONS, SCHEMA_VERSION, (*UPGRADE, "SELECT 1 / 0"))
    with pytest.raises(TurnoutError):
        PostgresStore(address, spilled=tmp_path)
    assert catalogue(address) == before


def test_tables_of_a_newer_turnout_are_refused(postgres: str, tmp_path: Path) -> None:
    address = new_database(postgres)
    prepare(address)
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE name = 'schema_version'")
    for attempt in (lambda: PostgresStore(address, spilled=tmp_path), lambda: prepare(address)):
        with pytest.raises(TurnoutError, match="newer Turnout") as raised:
            attempt()
        assert raised.value.code == "storage_unavailable"


def test_every_version_since_the_first_can_be_upgraded() -> None:
    from turnout.store.postgres_migrations import FIRST_VERSION

    assert sorted(MIGRATIONS) == list(range(FIRST_VERSION + 1, SCHEMA_VERSION + 1))


def test_nobody_queues_behind_an_upgrade_that_waits(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("turnout.store.postgres_migrations._PAUSE", 0.01)
    waiting = (
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'attendances'::regclass "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with ThreadPoolExecutor(1) as pool, psycopg.connect(as_administrator(address), autocommit=True) as other:
        with psycopg.connect(as_administrator(address)) as reader:
            reader.execute("SELECT count(*) FROM attendances")
            upgrading = pool.submit(PostgresStore, address, spilled=tmp_path)
            for _ in range(2):
                while not other.execute(waiting).fetchall():
                    assert not upgrading.done()
                assert other.execute("SELECT count(*) FROM attendances").fetchall() == [(30,)]
        upgrading.result().close()
    with psycopg.connect(address) as connection:
        assert connection.execute(CATALOGUE[-1]).fetchall() == [("schema_version", str(SCHEMA_VERSION))]
