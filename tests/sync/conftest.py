"""The stub of the published service, a store to copy into, and what tests compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sync.published import Published, serving
from sync.sides import Here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def service() -> Iterator[Published]:
    with serving(Published()) as running:
        yield running


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    made = Here(tmp_path)
    yield made
    made.store.close()
