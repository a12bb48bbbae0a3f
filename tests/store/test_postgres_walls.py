"""The second wall: whatever a statement asks for, the database shows a transaction one provider's rows. By trying."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cluster import OWNER, as_administrator, as_role, make_role, new_database
from store.look import OTHER, STUDIO
from store.rows import many
from turnout.errors import TurnoutError
from turnout.ingest.demo import demo_batches
from turnout.query.dialect import POSTGRES
from turnout.query.sql import Statement, listing_statement
from turnout.store.base import Answered, PlaceChange, StoredPlace, Token
from turnout.store.jobs import Job
from turnout.store.postgres import PostgresStore
from turnout.store.postgres_owner import prepare, tidy
from turnout.store.postgres_schema import columns_by_table
from turnout.store.postgres_walls import ACROSS, COUNTED, EVERY, SETTING
from turnout.store.views import View

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = "server"
REFUSED = (psycopg.errors.InsufficientPrivilege,)
BOTH = (STUDIO, OTHER)
ROWS = 60
NOW = 1_790_000_000_000_000


@dataclass(frozen=True)
class Prepared:
    """A database that its owner has made, and the server that works in it."""

    owner: str
    store: PostgresStore

    @property
    def server(self) -> str:
        return as_role(self.owner, SERVER)

    @contextmanager
    def trying(self, scope: int | str | None, *, role: str = SERVER) -> Iterator[psycopg.Connection]:
        """A transaction of the server's role in a scope, of which nothing stays."""
        with psycopg.connect(as_role(self.owner, role)) as connection:
            if scope is not None:
                connection.execute("SELECT set_config(%s, %s, true)", (SETTING, str(scope)))
            yield connection
            connection.rollback()


@pytest.fixture(scope="module")
def prepared(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    owner = new_database(postgres)
    with psycopg.connect(postgres, autocommit=True) as connection:
        make_role(connection, SERVER)
    prepare(owner, SERVER)
    with closing(PostgresStore(as_role(owner, SERVER), spilled=tmp_path_factory.mktemp("walls"))) as store:
        for number, provider in enumerate(BOTH):
            store.put_provider(provider)
            fill(store, provider, number)
        yield Prepared(owner, store)


def fill(store: PostgresStore, provider: Any, number: int) -> None:
    """Something of a provider's in every table."""
    place = PlaceChange(provider.id, None, StoredPlace("m", 5, "{}"))
    answered = Answered(f"key-{provider.id}", f"{provider.id}-x", 200, b"{}", 5)
    made = demo_batches(ROWS, number + 1, NOW, zone=provider.timezone)
    store.merge_together(provider, [made], lambda _: [answered], place=place)
    store.persons.erase(provider, [a_customer(store, provider)], at=5, by="owner")
    store.persons.retain(provider, 1, at=6, go_on=lambda: True)
    for _ in range(2):
        job = Job(0, provider.id, None, "attendances", "csv", "[]", created_at=5)
        assert store.jobs.add(job, most=9, most_of_provider=9, remember=lambda _: None)
    assert store.jobs.claim(7)
    for id_ in (1, 2):
        assert store.views.add(
            View(provider.id, id_, "o", f"View {id_}", "", shared=True, is_default=False, updated_at=5), 9
        )


def a_customer(store: PostgresStore, provider: Any) -> int:
    with store.snapshot(provider.id) as snapshot:
        ((found,),) = snapshot.rows(Statement("SELECT min(customer_id) FROM attendances", ()))
    return int(found)


def tables_of_providers(postgres: Prepared) -> list[str]:
    """The tables whose rows name a provider, as the database knows them."""
    with psycopg.connect(postgres.owner) as connection:
        found = connection.execute(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'provider_id' "
            "AND table_schema = current_schema() ORDER BY 1"
        )
        return [name for (name,) in found.fetchall()]


def counts(prepared: Prepared, table: str, scope: int | str | None, *, role: str = SERVER) -> dict[int, int]:
    """How many rows of each provider are seen in a scope."""
    with prepared.trying(scope, role=role) as connection:
        return dict(connection.execute(f"SELECT provider_id, count(*) FROM {table} GROUP BY 1").fetchall())


def test_every_table_of_a_provider_has_rows_of_both(prepared: Prepared) -> None:
    """Else the other tests would prove nothing."""
    found = tables_of_providers(prepared)
    assert {"attendances", "customer", "erased", "job", "sync", "retention", "change"} <= set(found)
    with psycopg.connect(as_administrator(prepared.owner)) as connection:
        for table in found:
            held = {of for (of,) in connection.execute(f"SELECT DISTINCT provider_id FROM {table}").fetchall()}
            assert held == {STUDIO.id, OTHER.id}, table


@pytest.mark.parametrize("role", [SERVER, OWNER])
def test_a_transaction_reads_one_provider(prepared: Prepared, role: str) -> None:
    """Also the owner's: the walls hold for it as well."""
    for table in tables_of_providers(prepared):
        for provider in BOTH:
            seen = counts(prepared, table, provider.id, role=role)
            assert set(seen) == ({STUDIO.id, OTHER.id} if table == COUNTED else {provider.id}), table
        assert counts(prepared, table, 99, role=role).keys() == ({STUDIO.id, OTHER.id} if table == COUNTED else set())


def test_without_saying_for_whom_nothing_is_seen(prepared: Prepared) -> None:
    for table in tables_of_providers(prepared):
        for scope in (None, ""):
            assert set(counts(prepared, table, scope)) == ({STUDIO.id, OTHER.id} if table == COUNTED else set()), table


def test_the_scope_of_all_providers_is_that_of_a_few_tables(prepared: Prepared) -> None:
    for table in tables_of_providers(prepared):
        open_ = table in ACROSS or table == COUNTED
        assert set(counts(prepared, table, EVERY)) == ({STUDIO.id, OTHER.id} if open_ else set()), table
    assert "attendances" not in ACROSS


def test_rows_of_others_are_neither_changed_nor_deleted_nor_added(prepared: Prepared) -> None:
    for table in tables_of_providers(prepared):
        for scope in (OTHER.id, None, *(() if table in ACROSS else (EVERY,))):
            for change in ("UPDATE {} SET provider_id = provider_id", "DELETE FROM {}"):
                with prepared.trying(scope) as connection:
                    done = connection.execute(f"{change.format(table)} WHERE provider_id = {STUDIO.id}")
                    assert done.rowcount == 0, (table, scope, change)
            columns = ", ".join(columns_by_table()[table])
            with prepared.trying(scope) as connection, psycopg.connect(as_administrator(prepared.owner)) as all_seeing:
                (row, *_) = all_seeing.execute(
                    f"SELECT {columns} FROM {table} WHERE provider_id = {STUDIO.id}"
                ).fetchall()
                places = ", ".join(["%s"] * len(row))
                with pytest.raises(REFUSED, match="row-level security"):
                    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", row)
            with prepared.trying(OTHER.id) as connection, pytest.raises(REFUSED):
                # Nor is a row of one's own given to another.
                connection.execute(f"UPDATE {table} SET provider_id = {STUDIO.id}")


def test_what_a_transaction_said_ends_with_it(prepared: Prepared) -> None:
    with psycopg.connect(prepared.server, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SELECT set_config(%s, %s, true)", (SETTING, str(STUDIO.id)))
            assert connection.execute("SELECT count(*) FROM attendances").fetchall() == [(ROWS,)]
        assert connection.execute("SELECT count(*) FROM attendances").fetchall() == [(0,)]


def test_the_program_sees_one_provider_where_its_own_condition_is_missing(prepared: Prepared) -> None:
    statement = listing_statement(STUDIO.id, 0, 1_000, POSTGRES)
    own = "provider_id = $1"
    assert own in statement.sql
    open_ = Statement(statement.sql.replace(own, "$1::BIGINT IS NOT NULL"), statement.values)
    with prepared.store.snapshot(STUDIO.id) as snapshot:
        assert len(snapshot.rows(statement)) == len(snapshot.rows(open_)) == ROWS
        assert {of for (of,) in snapshot.rows(Statement("SELECT provider_id FROM attendances", ()))} == {STUDIO.id}
        assert sum(len(part) for part in snapshot.stream(open_, 7)) == ROWS
    with prepared.store.snapshot(99) as snapshot:
        assert snapshot.rows(statement) == snapshot.rows(open_) == []
    with prepared.store.snapshot(None) as snapshot:
        assert snapshot.rows(open_) == []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE attendances DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE attendances NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY of_provider ON attendances",
        "CREATE POLICY mine ON attendances USING (true)",
        "ALTER TABLE attendances ADD COLUMN more INTEGER",
        "ALTER TABLE attendances OWNER TO server",
        "DROP TABLE attendances",
        "TRUNCATE attendances",
        "CREATE INDEX ON attendances (id)",
        "CREATE TABLE mine (id INTEGER)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE FUNCTION mine() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        "GRANT SELECT ON attendances TO PUBLIC WITH GRANT OPTION",
        f"SET ROLE {OWNER}",
        "ALTER ROLE server BYPASSRLS",
        "SET row_security = off; SELECT count(*) FROM attendances",
    ],
)
def test_what_the_servers_role_may_not_do(prepared: Prepared, sql: str) -> None:
    with prepared.trying(STUDIO.id) as connection, pytest.raises((*REFUSED, psycopg.errors.InvalidGrantOperation)):
        connection.execute(sql)


def test_the_servers_role_owns_nothing(prepared: Prepared) -> None:
    with psycopg.connect(prepared.server) as connection:
        owned = connection.execute("SELECT relname FROM pg_class WHERE relowner = current_user::regrole").fetchall()
        assert owned == []
        granted = connection.execute(
            "SELECT DISTINCT privilege_type FROM information_schema.role_table_grants WHERE grantee = current_user"
        )
        assert {kind for (kind,) in granted.fetchall()} == {"SELECT", "INSERT", "UPDATE", "DELETE"}


def test_the_walls_cost_no_plan(prepared: Prepared) -> None:
    """The first page comes from the index of its order, by one provider's part of it, without a sort."""
    page = (
        "EXPLAIN (COSTS OFF) SELECT id FROM attendances WHERE provider_id = 1 AND event_starts_at < '2030-01-01' "
        "ORDER BY event_starts_at DESC, id LIMIT 10"
    )
    plans = []
    for role in (SERVER, "turnout"):
        with prepared.trying(STUDIO.id, role=role) as connection:
            connection.execute("SET LOCAL enable_seqscan = off")
            connection.execute("SET LOCAL enable_bitmapscan = off")
            plans.append([line.strip() for (line,) in connection.execute(page).fetchall()])
    walled, open_ = plans
    assert "Sort" not in " ".join(walled)
    assert [line for line in walled if "attendances_by_start" in line]
    assert [line for line in walled if line.startswith("Index Cond: ((provider_id = ")]
    # One question before it, whether the provider is the one that the transaction is about.
    assert [line for line in walled if line not in open_ and not line.startswith("->")][:2] == [
        line for line in walled if line.startswith(("Result", "One-Time Filter"))
    ]


def test_doctor_says_where_the_walls_do_not_hold(prepared: Prepared, tmp_path: Path) -> None:
    assert not [fault for fault in prepared.store.status().faults if "row-level security" in fault]
    with closing(PostgresStore(as_administrator(prepared.owner), spilled=tmp_path)) as store:
        (fault, *_) = store.status().faults
        assert "role turnout passes row-level security" in fault
        assert "turnout database prepare --grant-to" in fault


def test_a_wall_that_is_missing_is_told_and_put_up_again(prepared: Prepared) -> None:
    for taken_away in ("DISABLE", "NO FORCE"):
        with psycopg.connect(prepared.owner, autocommit=True) as connection:
            connection.execute(f"ALTER TABLE venue {taken_away} ROW LEVEL SECURITY")
        (fault,) = [fault for fault in prepared.store.status().faults if "Row-level security" in fault]
        assert "off for venue: 'turnout database prepare'" in fault
        prepare(prepared.owner, SERVER)
        assert not [fault for fault in prepared.store.status().faults if "Row-level security" in fault]
    assert counts(prepared, "venue", STUDIO.id, role=OWNER).keys() == {STUDIO.id}


def test_a_schema_of_the_roles_own_name_hides_no_missing_wall(
    postgres: str, tmp_path: Path, prepared: Prepared
) -> None:
    """It comes first on the search path, while the tables are in another one."""
    assert prepared.store.providers()
    owner = new_database(postgres)
    prepare(owner)
    with psycopg.connect(as_administrator(owner), autocommit=True) as connection:
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for role in (SERVER, OWNER):
            connection.execute(f"CREATE SCHEMA {role} AUTHORIZATION {role}")
        connection.execute(f"GRANT USAGE ON SCHEMA public TO {OWNER}")
        connection.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
    prepare(owner, SERVER)
    with closing(PostgresStore(as_role(owner, SERVER), spilled=tmp_path, create=False)) as store:
        assert not store.status().faults
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("ALTER TABLE venue DISABLE ROW LEVEL SECURITY")
        (fault,) = store.status().faults
        assert "Row-level security is off for venue" in fault
        prepare(owner, SERVER)
        assert not store.status().faults


def test_a_server_without_tables_to_use_says_what_to_run(postgres: str, tmp_path: Path, prepared: Prepared) -> None:
    assert prepared.store.providers()
    empty = new_database(postgres)
    with pytest.raises(TurnoutError, match="turnout database prepare") as raised:
        PostgresStore(as_role(empty, SERVER), spilled=tmp_path)
    assert raised.value.code == "storage_unavailable"


def test_preparing_again_changes_nothing(prepared: Prepared) -> None:
    before = prepared.store.status().attendances
    prepare(prepared.owner, SERVER)
    assert prepared.store.status().attendances == before
    with pytest.raises(TurnoutError, match="CREATE ROLE nobody_there LOGIN"):
        prepare(prepared.owner, "nobody_there")


def test_what_was_forgotten_waits_for_the_owner(postgres: str, tmp_path: Path) -> None:
    """The server cannot write the tables anew, says so, and names what does."""
    owner = new_database(postgres)
    prepare(owner, SERVER)
    with closing(PostgresStore(as_role(owner, SERVER), spilled=tmp_path)) as store:
        store.merge(STUDIO, many(20, customers=3))
        store.persons.erase(STUDIO, [1], at=5, by="owner")
        assert not store.persons.overwrite()
        assert store.persons.unfinished()
        (fault,) = [fault for fault in store.status().faults if "forgotten" in fault]
        assert "turnout database tidy" in fault
        with pytest.raises(TurnoutError, match="does not own the tables"):
            tidy(as_role(owner, SERVER))
        assert tidy(owner)
        assert not store.persons.unfinished()
        assert not store.status().faults
        assert not tidy(owner)


def test_everything_else_of_a_store_works_for_the_servers_role(prepared: Prepared) -> None:
    store = prepared.store
    token = store.add_token(Token(0, "f" * 64, "tk", (1,), "attendances", None, 1, None, None))
    assert store.revoke_token(token.id, 5)
    assert store.secret("some") == store.secret("some")
    store.put_provider(replace(OTHER, timezone="Asia/Tokyo"))
    made = list(many(2, first_id=5_000_000))
    assert store.merge(OTHER, made).created == 2
    assert store.delete(OTHER, [5_000_000, 5_000_001]) == 2
    (erased,) = store.persons.erased(OTHER.id)
    assert store.persons.restore(OTHER, [erased.customer_id]) == 1
    store.persons.erase(OTHER, [erased.customer_id], at=9, by="owner")
    store.forget_answered(1)
    assert store.place(OTHER.id)
    assert store.status().attendances == 2 * ROWS
