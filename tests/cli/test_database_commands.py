"""`turnout database` and `turnout cluster`: what the owner of a PostgreSQL database does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from shell import typed

from cluster import as_role, make_role, new_database

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "server"
COMMANDS = [("database", "prepare"), ("database", "tidy"), ("cluster", "plan"), ("cluster", "apply")]


@pytest.fixture
def address(postgres: str) -> str:
    with psycopg.connect(postgres, autocommit=True) as connection:
        make_role(connection, SERVER)
    return new_database(postgres)


def test_a_database_is_prepared_and_kept(address: str) -> None:
    done = typed("database", "prepare", "--database", address, "--grant-to", SERVER)
    assert done.exit_code == 0, done.output
    assert f"The role {SERVER} may use them." in done.stderr
    assert typed("database", "prepare", "--database", address).exit_code == 0
    with psycopg.connect(as_role(address, SERVER)) as connection:
        assert connection.execute("SELECT count(*) FROM attendances").fetchall() == [(0,)]
    done = typed("database", "tidy", "--database", address)
    assert (done.exit_code, done.stderr.strip()) == (0, "Nothing is to be done.")


def test_the_plan_of_a_cluster(address: str) -> None:
    typed("database", "prepare", "--database", address)
    done = typed("cluster", "plan", "--database", address, "--json")
    steps = {step["table"]: step for step in json.loads(done.stdout)}
    assert steps["attendances"] == {
        "table": "attendances",
        "now": "local",
        "wanted": "distributed by provider_id",
        "statement": "SELECT create_distributed_table_concurrently('attendances', 'provider_id', colocate_with => 'none')",
    }
    assert steps["token"]["wanted"] == "reference"
    table = typed("cluster", "plan", "--database", address)
    assert table.exit_code == 0
    assert all(name in table.stdout for name in ("Table", "Now", "Wanted", *steps))
    done = typed("cluster", "apply", "--database", address)
    assert done.exit_code == 1
    assert "CREATE EXTENSION citus" in " ".join(done.stderr.split())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_other_stores_are_refused(command: tuple[str, str], tmp_path: Path) -> None:
    done = typed(*command, "--database", str(tmp_path / "a.duckdb"))
    assert done.exit_code == 2
    assert "works on a PostgreSQL database" in " ".join(done.stderr.split())
    done = typed(*command, "--server", "http://localhost", "--token", "t")
    assert done.exit_code == 2


@pytest.mark.parametrize("command", COMMANDS[1:], ids=" ".join)
def test_a_database_without_tables(command: tuple[str, str], address: str) -> None:
    done = typed(*command, "--database", address)
    assert done.exit_code == 1
    assert "turnout database prepare" in " ".join(done.stderr.split())


def test_no_password_is_shown(address: str) -> None:
    secret = "hunter2"
    for wrong in (address.replace("/turnout-pg-", "/no-such-"), "postgresql://x:hunter2@/%zz"):
        done = typed("database", "prepare", "--database", wrong.replace("//owner@", f"//owner:{secret}@"))
        assert done.exit_code == 1
        assert secret not in done.output


def test_doctor_names_a_database_of_another_encoding(postgres: str) -> None:
    address = new_database(postgres, "ENCODING 'LATIN1' TEMPLATE template0")
    done = typed("doctor", "--database", address)
    assert done.exit_code == 1
    assert "has the encoding LATIN1" in " ".join(done.output.split())
