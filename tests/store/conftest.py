"""A store in a temporary directory."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from turnout.store.duckdb import DuckStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "turnout.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[DuckStore]:
    with closing(DuckStore(path, threads=2)) as opened:
        yield opened
