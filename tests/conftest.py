"""What all tests share: one setting for generated cases, and servers that are started once for each worker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worlds import Calendar, Studio, World

pytest.register_assert_rewrite("inside", "live", "oracle", "worlds")

# The settings of whoever runs the tests are not those of the tests.
for _name in [name for name in os.environ if name.startswith("TURNOUT_")]:
    del os.environ[_name]

# The same cases on every run, so that a failure is never somebody else's. With HYPOTHESIS_PROFILE=explore, as in
# `make search`, new ones on every run, and several times as many.
settings.register_profile(
    "repeatable", deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
settings.register_profile("explore", settings.get_profile("repeatable"), derandomize=False)
_profile = os.environ.get("HYPOTHESIS_PROFILE", "repeatable")
settings.load_profile(_profile)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store", choices=["embedded", "postgresql"], default="embedded", help="Which store the tests are run on."
    )


def pytest_configure(config: pytest.Config) -> None:
    import databases

    databases.try_cases(config.getoption("--store"), search=_profile == "explore")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On databases, only what is not about the embedded store's file, or about no store."""
    if config.getoption("--store") == "embedded":
        return
    chosen = [
        item for item in items if item.get_closest_marker("any_store") and not item.get_closest_marker("embedded")
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(scope="session", autouse=True)
def _databases(request: pytest.FixtureRequest) -> Iterator[None]:
    import databases

    if request.config.getoption("--store") == databases.EMBEDDED:
        yield
        return
    databases.server = request.getfixturevalue("postgres")
    yield
    databases.server = None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a server of PostgreSQL of this run's own."""
    from cluster import cluster

    with cluster() as address:
        yield address


# The program is imported when a fixture needs it, so that a fault in one part of it leaves the other tests alone.


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    from worlds import world_in

    with world_in(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="session")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Calendar, ...]]:
    from worlds import calendars_in

    with calendars_in(tmp_path_factory.mktemp("calendars")) as made:
        yield made


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    from worlds import studio_in

    with studio_in(tmp_path_factory.mktemp("studio")) as made:
        yield made
