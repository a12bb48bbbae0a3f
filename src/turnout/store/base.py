"""The one small interface between the program and a database. A backend is one file here and one line in `open_store`.

Reading happens in snapshots: all statements of one snapshot see the same data. Writing happens in whole merges.
Small tables (providers, tokens) are asked for on every request, so a store must answer them without a query where it
can know that nobody else writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from turnout.query.sql import Statement

type_row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Provider:
    """One business (tenant)."""

    id: int
    name: str
    timezone: str
    week_start: str = "monday"


@dataclass(frozen=True, slots=True)
class Token:
    """One opaque token as stored: its SHA-256, never itself. Instants are microseconds since 1970 in UTC."""

    id: int
    sha256: str
    hint: str
    providers: tuple[int, ...]
    role: str
    instructor_id: int | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did, in rows of the input: each row is counted once."""

    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What `turnout doctor` says of a store. Sizes are bytes."""

    engine: str
    version: str
    location: str
    size: int
    schema_version: int
    attendances: int
    providers: int
    faults: tuple[str, ...]


class Snapshot(Protocol):
    """One consistent view of the data, for the thread that opened it; `cancel` may come from any thread."""

    def rows(self, statement: Statement) -> list[type_row]: ...

    def stream(self, statement: Statement, batch: int) -> Iterator[list[type_row]]: ...

    def cancel(self) -> None: ...


class Store(Protocol):
    """A database of attendances."""

    def snapshot(self) -> AbstractContextManager[Snapshot]: ...

    def providers(self) -> dict[int, Provider]: ...

    def put_provider(self, provider: Provider) -> None: ...

    def tokens(self) -> Sequence[Token]: ...

    def token(self, sha256: str) -> Token | None: ...

    def add_token(self, token: Token) -> Token: ...

    def revoke_token(self, token_id: int, now: int) -> bool: ...

    def secret(self, name: str) -> bytes: ...

    def merge(self, provider: Provider, batches: Iterable[pa.RecordBatch], *, dry_run: bool = False) -> Merged: ...

    def status(self) -> StoreStatus: ...

    def close(self) -> None: ...
