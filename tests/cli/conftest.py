"""Stores for the tests of the command line."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from shell import Shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 250


def row(number: int, **more: Any) -> dict[str, Any]:
    """An attendance; its event starts `number` minutes after 2026-01-01T18:00Z."""
    starts = datetime(2026, 1, 1, 18, tzinfo=UTC) + timedelta(minutes=number)
    return {
        "id": number,
        "updated_at": "2026-02-01T09:00:00Z",
        "customer": {"id": 1000 + number % 7, "name": f"Zoë {number % 7}", "email": None},
        "event": {"id": number, "starts_at": starts.isoformat(), "name": "Vinyasa, Flow"},
        "status": ("attended", "no_show", "late_cancelled")[number % 3],
        **more,
    }


def ndjson(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with provider 1, of Europe/Berlin, with 250 rows, and provider 2, with none. Not to be changed."""
    database = tmp_path_factory.mktemp("stocked") / "turnout.duckdb"
    shell = Shell(database)
    shell.run("provider", "add", "--id", "1", "--name", "Harbour Yoga", "--timezone", "Europe/Berlin")
    shell.run("provider", "add", "--id", "2", "--name", "Lakeside Gym", "--timezone", "America/Chicago")
    rows = ndjson([row(number) for number in range(1, ROWS + 1)])
    shell.run("import", "-", "--provider", "1", stdin=rows)
    return database


@pytest.fixture
def shell(stocked: Path, tmp_path: Path) -> Shell:
    """A shell on a copy of the store that the test may change."""
    database = tmp_path / "turnout.duckdb"
    shutil.copy(stocked, database)
    database.chmod(0o600)
    return Shell(database)


@pytest.fixture
def new_shell(tmp_path: Path) -> Callable[..., Shell]:
    """Makes shells on a store that is not there yet."""
    return lambda name="turnout.duckdb", **env: Shell(tmp_path / name, **env)
