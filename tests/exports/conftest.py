"""The store that these tests read, and spans so small that even its reports are read in many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exports.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(tmp_path_factory.mktemp("exports"))
    yield made
    made.store.close()


@pytest.fixture
def small_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.exports.ROWS_OF_A_MARK", 5)
    monkeypatch.setattr("turnout.exports._BATCH", 9)
    monkeypatch.setattr("turnout.query.spans.SPAN_BYTES", 5_000)
