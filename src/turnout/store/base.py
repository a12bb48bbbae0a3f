"""The one small interface between the program and a database. A backend is one file here and one line in `open_store`.

Reading happens in snapshots: all statements of one snapshot see the same data. Writing happens in whole merges.
Small tables (providers, tokens) are asked for on every request, so a store must answer them without a query where it
can know that nobody else writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from turnout.query.dialect import Dialect
    from turnout.query.sql import Statement
    from turnout.store.jobs import JobTable
    from turnout.store.layout import Upkeep
    from turnout.store.persons import Persons
    from turnout.store.together import Together
    from turnout.store.views import ViewTable

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
    """What a merge did, in rows of the input: each row is counted once, and `erased` are those of erased persons."""

    created: int
    updated: int
    unchanged: int
    erased: int = 0


KEPT: Final = 86_400 * 1_000_000
"""For so many microseconds an answer is kept for who asks again."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to a request that may be repeated (contract section 8).

    `key` is a hash; `request` is the id of the provider that it was about, `-`, and a hash. `answered_at` is
    microseconds since 1970.
    """

    key: str
    request: str
    status: int
    body: bytes
    answered_at: int


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """How far the sync of a provider has come: `document` is its own JSON, `mark` names it among its earlier ones.

    The provider's data is whole as of the instant `as_of`, microseconds since 1970; None before the first sync's end.
    """

    mark: str
    as_of: int | None
    document: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What an answer of a provider's attendances is given by, beside them, as of one moment.

    `version` is that of `Store.version`. The token that was asked for and the provider are None where there are none;
    where no token is asked for, either may be.
    """

    version: int | None
    place: StoredPlace | None
    token: Token | None = None
    provider: Provider | None = None


@dataclass(frozen=True, slots=True)
class PlaceChange:
    """A new place of a provider's sync, and the mark of the place that it follows; None where it is the first."""

    provider_id: int
    follows: str | None
    place: StoredPlace


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
    tail: int = 0
    """Attendances that are not where the table's order wants them."""
    free: int = 0
    """Bytes of the file that hold nothing."""
    rebuilt_at: int | None = None
    """When the table was last put in order as a whole (microseconds since 1970)."""
    retained_at: int | None = None
    """When every provider's old attendances had last been looked through (microseconds since 1970)."""
    kept: tuple[str, ...] = ()
    """Files that hold older states of the store, with all persons that were in it then."""


class Batch(Protocol):
    """Rows by columns: an Arrow record batch, for those who need not know that."""

    @property
    def num_rows(self) -> int: ...

    @property
    def nbytes(self) -> int: ...


class Snapshot(Protocol):
    """One consistent view of the data, for the thread that opened it; `cancel` may come from any thread.

    All of them raise `TurnoutError` that holds neither SQL nor values: `query_timeout` when cancelled,
    `storage_unavailable` when the database fails. One statement at a time: the next one ends a stream.
    """

    @property
    def dialect(self) -> Dialect:
        """What the engine's statements are written in."""
        ...

    def rows(self, statement: Statement) -> list[type_row]:
        """All rows of a statement. Instants come as the statement selects them."""
        ...

    def together(self, statements: Sequence[Statement], *, last: bool = False) -> list[list[type_row]]:
        """All rows of each of several statements, asked for at once; nothing may be asked after the `last`."""
        ...

    def stream(self, statement: Statement, batch: int) -> Iterator[list[type_row]]:
        """The rows of a statement in lists of at most `batch`, in constant memory. It may be left early."""
        ...

    def columns(self, statement: Statement, batch: int) -> Generator[Batch]:
        """The rows of a statement by columns, each under its stored name, in batches of at most `batch` rows.

        Instants are timestamps in microseconds without a zone, choices texts or dictionaries of them. It may be left
        early.
        """
        ...

    def cancel(self) -> None:
        """Stop what runs, without waiting for it, and all that would follow. Harmless when it comes too late."""
        ...


class Store(Protocol):
    """A database of attendances, safe for use by several threads.

    What returns has been committed and outlives a crash. Raises `TurnoutError` `storage_unavailable` when it fails.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes change it as well: then little of it is known by heart, and asking takes time."""
        ...

    @property
    def together(self) -> Together | None:
        """What those processes agree on, where it is shared."""
        ...

    @property
    def persons(self) -> Persons:
        """What forgets customers."""
        ...

    @property
    def upkeep(self) -> Upkeep:
        """What keeps the store quick, and copies it."""
        ...

    @property
    def jobs(self) -> JobTable:
        """The export jobs."""
        ...

    @property
    def views(self) -> ViewTable:
        """The page's saved views."""
        ...

    def snapshot(self, provider_id: int | None, *, long: bool = False) -> AbstractContextManager[Snapshot]:
        """A view of a provider's data that lasts as long as the context. It blocks nobody, and nobody blocks it.

        A store may hide other providers' data from it, whatever a statement asks for. None: of no provider's data.
        Statements of one that is not for `long` may be ended by the database when they take longer than a page may.
        """
        ...

    def providers(self) -> dict[int, Provider]:
        """All providers by id, in the order of their ids."""
        ...

    def put_provider(self, provider: Provider) -> None:
        """Add a provider, or replace the one with its id."""
        ...

    def tokens(self) -> Sequence[Token]:
        """All tokens, revoked and expired ones included, in the order of their ids."""
        ...

    def token(self, sha256: str) -> Token | None:
        """The token with this hash, be it revoked or expired."""
        ...

    def token_and_providers(self, sha256: str) -> tuple[Token | None, dict[int, Provider]]:
        """Both `token` and `providers`, asked for at once."""
        ...

    def add_token(self, token: Token) -> Token:
        """Add a token; return it with the id that it was given. A hash that is there already is a `conflict`."""
        ...

    def revoke_token(self, token_id: int, now: int) -> bool:
        """Revoke a token from `now` on (microseconds since 1970); False where it is unknown or revoked already."""
        ...

    def secret(self, name: str) -> bytes:
        """32 random bytes, made at the first call for a name, the same ever after."""
        ...

    def merge(self, provider: Provider, batches: Iterable[pa.RecordBatch], *, dry_run: bool = False) -> Merged:
        """Merge checked rows, in batches of `staging.STAGING`, by the rules of contract section 5: all or none.

        `dry_run` counts and changes nothing. What `batches` raises comes through, and nothing is changed. Raises
        `conflict` where no id is left for a thing that came by name.
        """
        ...

    def merge_together(
        self,
        provider: Provider,
        inputs: Sequence[Iterable[pa.RecordBatch]],
        remember: Callable[[Sequence[Merged]], Iterable[Answered]] = lambda _: (),
        *,
        place: PlaceChange | None = None,
    ) -> Sequence[Merged]:
        """Merge several inputs at once, each as if after the one before, all or none; their counts, in order.

        Costs little more than one of them. `remember` tells what `answered` is to know, in the same transaction; the
        `place` of a sync is saved in it as well. Raises `conflict` where the place that is there is neither the one
        that it follows nor itself: another sync is at work.
        """
        ...

    def place(self, provider_id: int) -> StoredPlace | None:
        """How far the sync of a provider has come; None where it was never synced."""
        ...

    def standing(self, provider_id: int, sha256: str | None = None) -> Standing:
        """A provider's version and place, and the token with a hash, at once.

        Costs no query, but for a store that is shared.
        """
        ...

    def standing_in(
        self, snapshot: Snapshot, provider_id: int, sha256: str | None, then: Callable[[Standing], None]
    ) -> None:
        """Tell `then` what `standing` is, of a store that is shared as of a snapshot of the provider's data.

        It is told before anything else that the snapshot is asked for, and asked for together with that.
        """
        ...

    def delete(self, provider: Provider, ids: Sequence[int], updated_at: Sequence[int] | None = None) -> int:
        """Delete attendances by their ids, all or none; return how many there were.

        With `updated_at` (microseconds since 1970, one for each id), those that are no longer of it stay.
        What they said of customers, events and the other things stays; first attendances are worked out anew.
        """
        ...

    def answered(self, key: str) -> Answered | None:
        """What was remembered under a key."""
        ...

    def forget_answered(self, before: int) -> None:
        """Forget what was answered before an instant (microseconds since 1970)."""
        ...

    def version(self, provider_id: int) -> int | None:
        """A number that changes with each change of a provider's attendances; None while that cannot be said.

        What a snapshot shows is of the version that was told before it was opened, where the same one is told
        afterwards. A change counts before the call that makes it returns.
        """
        ...

    def status(self) -> StoreStatus:
        """What `turnout doctor` says of the store."""
        ...

    def close(self) -> None:
        """Stop what runs, undo a merge that has not ended, and let go of the database. Harmless when done twice."""
        ...
