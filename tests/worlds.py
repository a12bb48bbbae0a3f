"""What the tests of the report are run against: a real server, or the application alone, and what is in its store."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import jwt

from inside import Inside, load, new_store, token
from live import Asking, Server, served
from oracle import calendar
from oracle.data import Imports, make
from oracle.requests import DataSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

JWT_KEY = "a shared key that is long enough for HS256"
LATER = 4_102_444_800
SIZES = (260, 70, 20, 1, 180, 40, 3, 0)


@dataclass(frozen=True)
class World:
    """A server, or the application alone, with several random providers that the oracle knows as well."""

    data: tuple[DataSet, ...]
    clients: tuple[Asking, ...]
    instructors: tuple[tuple[int, Asking], ...]
    """For each provider, one of its instructors, and a client that may see that one's events alone."""


def _data_set(imports: Imports) -> DataSet:
    return DataSet(imports.tenant, tuple(imports.truth().flat()))


def _an_instructor(data: DataSet) -> int:
    """The one with the most attendances."""
    people = [one for row in data.rows for one, _ in row["instructors"]]
    return max(people, key=people.count, default=1)


@contextmanager
def world_in(directory: Path) -> Iterator[World]:
    """The real server, and data around the real today."""
    today = date.fromtimestamp(calendar.now_micros() / 1_000_000)
    imports = [make(number + 1, number, size, today) for number, size in enumerate(SIZES)]
    data = tuple(map(_data_set, imports))
    store = new_store(directory)
    for one in imports:
        load(store, one)
    everyone = token(store, *(one.tenant.id for one in data))
    limited = [
        (who, token(store, one.tenant.id, role="instructor_attendances", instructor=who))
        for one in data
        for who in [_an_instructor(one)]
    ]
    store.close()
    with served(directory / "turnout.duckdb", auth_failures="none") as server:
        yield World(
            data,
            tuple(server.client(everyone, one.tenant.id) for one in data),
            tuple((who, server.client(text)) for who, text in limited),
        )


# Days on which calendars are interesting, each with a local time: clocks change, years and weeks begin, a leap day.
MOMENTS = (
    "2024-02-29T12:00:00+00:00",
    "2024-03-31T00:30:00+00:00",
    "2024-11-03T05:59:59.999999+00:00",
    "2025-01-01T00:00:00+00:00",
    "2025-12-31T23:59:59.999999+00:00",
    "2026-01-01T05:45:00+00:00",
    "2024-04-26T12:34:56.789012+00:00",
    "2024-09-08T04:30:00+00:00",
    "2021-01-03T10:00:00+00:00",
)


@dataclass(frozen=True)
class Calendar:
    """A provider, and a moment at which it is asked."""

    now: int
    data: DataSet
    inside: Inside
    client: Asking

    def ask(self) -> Asking:
        """The client, after the clock was set."""
        self.inside.now = self.now
        return self.client


@contextmanager
def calendars_in(directory: Path) -> Iterator[tuple[Calendar, ...]]:
    """The application alone, and providers each with a moment of its own."""
    store = new_store(directory)
    found = []
    inside = Inside(store, 0)
    for number, text in enumerate(MOMENTS):
        now = calendar.micros(text)
        imports = make(number + 1, 100 + number * 5, 40, calendar.local(now, "UTC").date())
        load(store, imports)
        found.append(Calendar(now, _data_set(imports), inside, inside.as_(token(store, imports.tenant.id))))
    yield tuple(found)
    inside.close()
    store.close()


@dataclass(frozen=True)
class Studio:
    """A server with two small providers, 1 and 2, and tokens of all kinds by name."""

    server: Server
    tokens: Mapping[str, str]

    def client(self, name: str) -> Asking:
        return self.server.client(self.tokens[name])


def signed(**claims: object) -> str:
    """A JWT of the configured key."""
    return jwt.encode({"exp": LATER, "providers": [1], "role": "attendances", **claims}, JWT_KEY, "HS256")


@contextmanager
def studio_in(directory: Path) -> Iterator[Studio]:
    store = new_store(directory)
    for number in (1, 2):
        load(store, make(number, 40 + number, 30, date(2026, 1, 1)))
    revoked = token(store, 1)
    store.revoke_token(max(one.id for one in store.tokens()), 1)
    tokens = {
        "none": "",
        "one": token(store, 1),
        "two": token(store, 2),
        "both": token(store, 1, 2),
        "revoked": revoked,
        "expired": token(store, 1, expires_in="1s", now=calendar.now_micros() - 2_000_000),
        "other_role": signed(role="customers"),
    }
    store.close()
    with served(directory / "turnout.duckdb", auth_failures="none", jwt_key=JWT_KEY) as server:
        yield Studio(server, tokens)
