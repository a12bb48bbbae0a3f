"""Opening the store where another process has it: for a moment, for long, or for as long as it lives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from turnout.settings import Settings
from turnout.store.owner import StoreOwned
from turnout.web import opening
from web.fakes import FakeStore

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = Settings(database="t.duckdb", memory_limit=1024, threads=3)


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None, int], list[tuple[Any, Any]]]:
    """Makes the store owned by a program for so many tries; what the tries were is in the list."""

    def make(program: str | None, times: int) -> list[object]:
        tries: list[tuple[Any, Any]] = []

        def open_store(*given: object, **more: object) -> FakeStore:
            tries.append((given, more))
            if len(tries) <= times:
                raise StoreOwned(Path("t.duckdb"), None, program)
            return FakeStore()

        monkeypatch.setattr(opening, "open_store", open_store)
        monkeypatch.setattr(opening, "PAUSE", 0)
        return tries

    return make


def test_it_is_opened_as_the_settings_say(owned: Callable[[str | None, int], list[tuple[Any, Any]]]) -> None:
    tries = owned(None, 0)
    assert isinstance(opening.open_own(SETTINGS), FakeStore)
    ((given, more),) = tries
    assert given == ("t.duckdb",)
    assert {"create": True, "memory_limit": "1024B", "threads": 3, "temp_directory": None}.items() <= more.items()
    assert more["connections"] > SETTINGS.query_concurrency + SETTINGS.export_concurrency
    assert more["limit"] > SETTINGS.query_timeout


@pytest.mark.parametrize("program", ["turnout report", "turnout import", "python3", None])
def test_an_owner_that_goes_soon_is_waited_for(
    owned: Callable[[str | None, int], list[tuple[Any, Any]]], program: str | None
) -> None:
    tries = owned(program, 3)
    assert isinstance(opening.open_own(SETTINGS), FakeStore)
    assert len(tries) == 4


@pytest.mark.parametrize(("program", "patience"), [("turnout serve", 1000), ("turnout import", 0)])
def test_a_server_is_not_waited_for_and_nobody_for_ever(
    owned: Callable[[str | None, int], list[tuple[Any, Any]]], program: str, patience: float
) -> None:
    tries = owned(program, 10**9)
    with pytest.raises(StoreOwned, match=program):
        opening.open_own(SETTINGS, patience=patience)
    assert len(tries) == 1
