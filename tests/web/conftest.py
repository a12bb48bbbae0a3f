"""Fixtures of the web layer's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from web.fakes import Client, FakeStore, Times, make_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(1, 2, 3)


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def asking(store: FakeStore, times: Times) -> Iterator[Callable[..., Client]]:
    """Makes clients of an application with the given settings. `trusted` ones come over the owner's socket."""
    made: list[Client] = []

    def make(address: str = "192.0.2.1", *, trusted: bool = False, app: object = None, **given: object) -> Client:
        made.append(Client(app or make_app(store, times, **given), address, trusted=trusted))
        return made[-1]

    yield make
    for client in made:
        client.close()
