"""What every connection to a database is made with, whatever the environment, its role or its address say."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from cluster import as_administrator, as_role, new_database
from store.move_stores import everything, moved
from store.rows import batches, row
from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.store.base import Provider
from turnout.store.duckdb import DuckStore
from turnout.store.open import open_raw, open_store
from turnout.store.postgres_owner import cluster_steps, prepare, tidy

if TYPE_CHECKING:
    from pathlib import Path

STUDIO = Provider(1, "Zürich — 東京", "Europe/Zurich")
SPEAKER = "speaker"
_TOLD = ("search_path", "random_page_cost", "jit")


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A store with texts that no encoding but UTF-8 has."""
    path = tmp_path / "source.duckdb"
    with closing(DuckStore(path)) as store:
        store.put_provider(STUDIO)
        store.merge(STUDIO, batches([row(1, 1, customer_name="Żółć", event_name="ночь")]))
    return str(path)


@pytest.mark.parametrize("how", ["environment", "role", "address", "options"])
def test_texts_arrive_whatever_the_client_encoding_is_to_be(
    source: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    target = new_database(postgres)
    prepare(target)
    if how == "environment":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    elif how == "role":
        with psycopg.connect(as_administrator(target)) as connection:
            connection.execute(f"DROP ROLE IF EXISTS {SPEAKER}")
            connection.execute(f"CREATE ROLE {SPEAKER} LOGIN")
            connection.execute(
                f"ALTER ROLE {SPEAKER} IN DATABASE {conninfo_to_dict(target)['dbname']} SET client_encoding = 'LATIN1'"
            )
        prepare(target, SPEAKER)
        target = as_role(target, SPEAKER)
    else:
        target += "&client_encoding=LATIN1" if how == "address" else "&options=-cclient_encoding%3DLATIN1"
    moved(source, target)
    with closing(open_store(target)) as store:
        assert store.providers() == {1: STUDIO}
    with psycopg.connect(as_administrator(target), client_encoding="UTF8", options="") as connection:
        assert connection.execute("SELECT name FROM provider").fetchall() == [(STUDIO.name,)]
        assert connection.execute("SELECT customer_name FROM customer").fetchall() == [("Żółć",)]
        assert connection.execute("SELECT event_name FROM attendances").fetchall() == [("ночь",)]
    back = str(tmp_path / "back.duckdb")
    moved(target, back)
    assert everything(back) == everything(source)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_is_refused_by_all(source: str, postgres: str, encoding: str) -> None:
    address = new_database(postgres, f"ENCODING '{encoding}' TEMPLATE template0")
    users = {
        "prepare": lambda: prepare(address),
        "tidy": lambda: tidy(address),
        "plan": lambda: cluster_steps(address),
        "open": lambda: open_store(address),
        "move": lambda: moved(source, address),
        "read": lambda: open_raw(address, written=False),
    }
    for name, use in users.items():
        with pytest.raises(TurnoutError, match=f"has the encoding {encoding}, .*ENCODING 'UTF8' TEMPLATE") as refused:
            use()
        assert refused.value.code == "storage_unavailable", name
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT to_regclass('attendances') IS NULL").fetchall() == [(True,)]


@pytest.mark.parametrize("how", ["address", "environment"])
def test_two_stores_in_one_database_are_told_apart_by_options(
    source: str, postgres: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """By whatever prepares them, moves into them and serves them; what Turnout sets itself is set as well."""
    address = new_database(postgres)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE SCHEMA one")
    own = address
    if how == "address":
        own += "&options=-csearch_path%3Done%20-crandom_page_cost%3D3"
    else:
        monkeypatch.setenv("PGOPTIONS", "-csearch_path=one -crandom_page_cost=3")
    prepare(own)
    moved(source, own)
    with closing(open_store(own, create=False)) as store:
        assert store.providers() == {1: STUDIO}
        with store.snapshot(None) as snapshot:
            told = ", ".join(f"current_setting('{one}')" for one in _TOLD)
            found = snapshot.rows(Statement(f"SELECT {told}", ()))
        assert found == [("one", "3", "off")]
    monkeypatch.delenv("PGOPTIONS", raising=False)
    with pytest.raises(TurnoutError, match="There is no store"):
        open_store(address, create=False)
