"""Every statement that the program sends to PostgreSQL names its provider, so that a cluster asks one shard.

They are recorded at the driver while everything is done once; and no place that sends one may have been missed.
"""

from __future__ import annotations

import ast
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pglast.ast import (
    AlterTableStmt,
    CreatePolicyStmt,
    CreateStmt,
    DropStmt,
    GrantStmt,
    IndexStmt,
    LockStmt,
    TransactionStmt,
    VacuumStmt,
    VariableSetStmt,
)

from cluster import OWNER, as_role, make_role, new_database
from store.everything import do_everything
from store.statements import open_tables, parsed
from turnout import store as package
from turnout.store import postgres_snapshot
from turnout.store.move import move
from turnout.store.open import open_raw
from turnout.store.postgres import PostgresStore
from turnout.store.postgres_citus import spread
from turnout.store.postgres_owner import cluster_steps, prepare, tidy
from turnout.store.postgres_pipeline import pipelined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from turnout.query.sql import Statement

FOLDER = Path(package.__file__).parent
SERVER = "server"
# What is no question for rows, with the reason why it may name no provider.
OF_TABLES = {
    CreateStmt: "makes a table, by its owner",
    IndexStmt: "makes an index, by its owner",
    AlterTableStmt: "puts the walls up, by the tables' owner",
    CreatePolicyStmt: "as above",
    DropStmt: "as above",
    GrantStmt: "lets the server's role use a table, by its owner",
    LockStmt: "keeps those apart who make tokens, in a small table",
    TransactionStmt: "begins or ends a transaction",
    VacuumStmt: "writes a table anew, on every shard",
    VariableSetStmt: "says whose rows a transaction is about, or how long it waits",
}
# Statements about rows of all providers, with the reason.
OF_ALL = {
    "SELECT coalesce(sum(attendances), 0)::BIGINT, pg_database_size(current_database()) FROM change": (
        "how many attendances there are, for `turnout doctor` and the metrics: no report asks it"
    ),
}
# Functions whose statements are not seen here, with the reason.
ELSEWHERE = {
    "_engine": "sends to the engine in memory, in which a merge happens",
    "_upgraded": "changes the version in `meta`: see test_postgres_migrations.py",
    "distribute": "sends what `cluster_steps` shows: see test_citus.py",
    "_lying": "asks the catalogue of Citus: see test_citus.py",
    "_reasons": "as above",
}


SENDING = ("execute", "executemany", "copy", "stream", "run")


@dataclass
class Recorded:
    """What was sent, and the lines of the store's files that were at it."""

    statements: set[str] = field(default_factory=set)
    lines: set[tuple[str, int]] = field(default_factory=set)

    def note(self, sql: Any) -> None:
        text = sql.as_string() if isinstance(sql, psycopg.sql.Composable) else sql
        self.statements.add(text.decode() if isinstance(text, bytes) else text)
        frame = sys._getframe(2)
        while frame:
            file = Path(frame.f_code.co_filename)
            if file.parent == FOLDER:
                self.lines.add((file.name, frame.f_lineno))
            frame = frame.f_back  # type: ignore[assignment]


@pytest.fixture(scope="module")
def recorded(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    found = Recorded()
    with pytest.MonkeyPatch.context() as patched:
        for kind in (psycopg.Cursor, psycopg.ServerCursor, psycopg.ClientCursor):
            for name in ("execute", "executemany", "copy", "stream"):
                if name in vars(kind):
                    patched.setattr(kind, name, recording(vars(kind)[name], found))
        patched.setattr(postgres_snapshot, "pipelined", recording_all(pipelined, found))
        owner = new_database(postgres)
        with psycopg.connect(postgres, autocommit=True) as connection:
            make_role(connection, SERVER)
        prepare(owner, SERVER)
        directory = tmp_path_factory.mktemp("statements")
        with closing(PostgresStore(as_role(owner, SERVER), spilled=directory / "spilled")) as store:
            do_everything(store, directory)
        there_and_on(as_role(owner, SERVER), directory / "moved.duckdb", new_database(postgres))
        cluster_steps(owner)
        tidy(owner)
    assert OWNER in owner
    return found


def there_and_on(server: str, file: Path, other: str) -> None:
    """Move the store into a file, and from there into another database, in the server's role."""
    prepare(other, SERVER)
    for source, target in ((server, str(file)), (str(file), as_role(other, SERVER))):
        with closing(open_raw(source, written=False)) as read, closing(open_raw(target, written=True)) as written:
            move(read, written)


def recording(method: Any, found: Recorded) -> Any:
    def noted(self: Any, sql: Any, *args: Any, **named: Any) -> Any:
        found.note(sql)
        return method(self, sql, *args, **named)

    return noted


def recording_all(function: Any, found: Recorded) -> Any:
    def noted(connection: Any, statements: Sequence[Statement]) -> Any:
        for statement in statements:
            found.note(statement.sql)
        return function(connection, statements)

    return noted


def test_every_statement_names_its_provider(recorded: Recorded) -> None:
    tables = set(spread())
    assert len(recorded.statements) > 100
    wrong = {}
    for sql in recorded.statements - OF_ALL.keys():
        for statement in parsed(sql):
            if type(statement) not in OF_TABLES and (found := open_tables(statement, tables)):
                wrong[sql] = found
    assert not wrong
    assert OF_ALL.keys() <= recorded.statements, "an exception that is not needed"


def test_every_place_that_sends_a_statement_was_seen(recorded: Recorded) -> None:
    places = {place for file in sorted(FOLDER.glob("postgres*.py")) for place in sending(file)}
    assert len(places) > 60
    missed = {
        (file, first)
        for file, first, last in places
        if not any((file, line) in recorded.lines for line in range(first, last + 1))
    }
    assert not missed


def sending(file: Path) -> Iterator[tuple[str, int, int]]:
    """The calls in a file that send a statement to PostgreSQL."""
    tree = ast.parse(file.read_text("utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name in ELSEWHERE:
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id == "pipelined":
                yield file.name, node.lineno, node.end_lineno or node.lineno
            if not isinstance(node.func, ast.Attribute) or node.func.attr not in SENDING:
                continue
            if not ast.unparse(node.func.value).startswith("work"):
                yield file.name, node.lineno, node.end_lineno or node.lineno


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id FROM attendances WHERE provider_id = $1 AND id > $2", []),
        ("SELECT id FROM attendances WHERE provider_id = %s", []),
        ("SELECT id FROM attendances", ["attendances"]),
        ("SELECT id FROM attendances WHERE provider_id > $1", ["attendances"]),
        ("SELECT id FROM attendances WHERE provider_id = $1 OR id = 3", ["attendances"]),
        ("SELECT id FROM attendances WHERE provider_id = ANY ($1)", ["attendances"]),
        (
            "SELECT 1 FROM attendances AS a JOIN customer AS c ON c.id = a.customer_id WHERE a.provider_id = 1",
            ["customer"],
        ),
        (
            "SELECT 1 FROM attendances AS a JOIN customer AS c ON c.provider_id = a.provider_id WHERE a.provider_id = 1",
            [],
        ),
        ("SELECT 1 FROM attendances AS a, customer AS c WHERE provider_id = 1", ["attendances", "customer"]),
        ("SELECT (SELECT count(*) FROM customer) FROM attendances WHERE provider_id = 1", ["customer"]),
        ("WITH few AS (SELECT id FROM customer) SELECT 1 FROM few", ["customer"]),
        ("SELECT 1 FROM (SELECT id FROM attendances) AS x WHERE id = 1", ["attendances"]),
        ("SELECT 1 FROM meta UNION SELECT 1 FROM venue", ["venue"]),
        ("DELETE FROM attendances WHERE id = 3", ["attendances"]),
        ("DELETE FROM attendances WHERE provider_id = $1 AND id IN (SELECT id FROM venue)", ["venue"]),
        ("UPDATE attendances SET id = 3 FROM unnest($1::INT[]) AS x (y) WHERE attendances.provider_id = $2", []),
        ("UPDATE customer SET name = $1 WHERE id = $2", ["customer"]),
        ("INSERT INTO erased VALUES (1, 2)", ["erased"]),
        ("INSERT INTO erased (customer_id, provider_id) VALUES ($1, $2)", []),
        ("INSERT INTO erased (customer_id, provider_id) SELECT id, provider_id FROM customer", ["erased", "customer"]),
    ],
)
def test_the_reader_of_statements(sql: str, expected: list[str]) -> None:
    ((statement),) = parsed(sql)
    assert open_tables(statement, set(spread())) == expected
