"""The embedded store: one DuckDB file, owned by this process alone.

As nobody else can write the file, providers, tokens and secrets are mirrored in memory: reading them costs no query.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, fields, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

import duckdb

from turnout.errors import TurnoutError
from turnout.store.base import Answered, Merged, Provider, StoredPlace, StoreStatus, Token
from turnout.store.duckdb_file import EngineLost, attach, attach_when_free, cursor_of, engine_errors
from turnout.store.duckdb_jobs import DuckJobs
from turnout.store.duckdb_persons import DuckPersons
from turnout.store.duckdb_snapshot import Snapshots
from turnout.store.duckdb_upkeep import DuckUpkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa

    from turnout.store.base import PlaceChange, Snapshot
    from turnout.store.merge import Outcome, Work

_SECRET_BYTES: Final = 32
_INSIST_SECONDS: Final = 0.01
# From so many written rows on, the file is put in its final, compact form at once instead of some time later.
_LARGE_MERGE: Final = 100_000

_NOBODY: Final = Provider(0, "", "UTC")
T = TypeVar("T")


class DuckStore:
    """A `Store` in one file. Safe for use by several threads."""

    def __init__(
        self,
        path: Path,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: Path | None = None,
    ) -> None:
        self.path = path
        spilled = temp_directory or path.with_name(path.name + ".tmp")
        self._attach = partial(attach, path, memory_limit=memory_limit, threads=threads, temp_directory=spilled)
        self._connection = self._attach()
        self._merging = Lock()
        self._small = Lock()
        self._work: Work | None = None
        self._versions: dict[int, int] = {}
        self._changing: int | None = None
        self._closed = False
        with engine_errors("Reading the store"):
            self._cursor = cursor_of(self._connection)
            self._snapshots = Snapshots(self._connection)
            self.persons = DuckPersons(self._change, self.snapshot, self._overwrite, self._small)
            self.jobs = DuckJobs(lambda: self._cursor, self._small)
            self.upkeep = DuckUpkeep(path, self._alone, self.snapshot, self._small)
            self._providers = {row[0]: Provider(*row) for row in sorted(self._read("provider", Provider))}
            self._tokens = {row[1]: replace(Token(*row), providers=tuple(row[3])) for row in self._read("token", Token)}
            self._secrets = {name: bytes(value) for name, value in self._query("SELECT name, value FROM secret")}
            places = self._query("SELECT provider_id, mark, as_of, document FROM sync")
            self._places = {provider_id: StoredPlace(*place) for provider_id, *place in places}

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A consistent view; see `base.Snapshot`."""
        if self._snapshots.lost:
            with self._merging:
                if self._snapshots.lost and not self._closed:
                    self._attach_again()
        return self._snapshots.open()

    def providers(self) -> dict[int, Provider]:
        """All providers by id; the caller's own copy."""
        return dict(self._providers)

    def put_provider(self, provider: Provider) -> None:
        """Add a provider, or replace the one with its id; with another zone, its rows get other local starts."""
        known = self._providers.get(provider.id)
        if known and known.timezone != provider.timezone:
            self._change(provider, lambda work: self._move(work, provider))
            return
        with self._small:
            self._write("INSERT OR REPLACE INTO provider VALUES", astuple(provider))
            self._providers = dict(sorted({**self._providers, provider.id: provider}.items()))

    def _move(self, work: Work, provider: Provider) -> Outcome:
        """Replace a provider by the one with another zone, and its rows' local starts, in one transaction."""
        from turnout.store.local_starts import move_starts  # noqa: PLC0415 - as in `_step`
        from turnout.store.merge import Outcome  # noqa: PLC0415 - as in `_step`

        work.run("BEGIN TRANSACTION")
        moved = move_starts(replace(work, zone=provider.timezone))
        with self._small:
            work.cursor.execute("INSERT OR REPLACE INTO provider VALUES (?, ?, ?, ?)", astuple(provider))
            work.run("COMMIT")
            self._providers = dict(sorted({**self._providers, provider.id: provider}.items()))
        return Outcome((), moved)

    def tokens(self) -> Sequence[Token]:
        """All tokens, by id."""
        return sorted(self._tokens.values(), key=lambda token: token.id)

    def token(self, sha256: str) -> Token | None:
        """The token with this hash, revoked and expired ones included."""
        return self._tokens.get(sha256)

    def add_token(self, token: Token) -> Token:
        """Add a token; return it with the id that it was given. A known hash is a `conflict`."""
        with self._small:
            if token.sha256 in self._tokens:
                raise TurnoutError("conflict", "This token is there already.")
            added = replace(token, id=max((known.id for known in self._tokens.values()), default=0) + 1)
            self._write("INSERT INTO token VALUES", astuple(added))
            self._tokens = {**self._tokens, added.sha256: added}
        return added

    def revoke_token(self, token_id: int, now: int) -> bool:
        """Revoke a token from `now` (microseconds since 1970) on; False where it is unknown or was revoked already."""
        with self._small:
            known = next((t for t in self._tokens.values() if t.id == token_id and t.revoked_at is None), None)
            if known is None:
                return False
            revoked = replace(known, revoked_at=now)
            with engine_errors("Writing the store"):
                self._cursor.execute("UPDATE token SET revoked_at = ? WHERE id = ?", [now, token_id])
            self._tokens = {**self._tokens, revoked.sha256: revoked}
        return True

    def secret(self, name: str) -> bytes:
        """32 random bytes, the same for a name as long as the store lives."""
        with self._small:
            if name not in self._secrets:
                made = secrets.token_bytes(_SECRET_BYTES)
                self._write("INSERT INTO secret VALUES", (name, made))
                self._secrets[name] = made
            return self._secrets[name]

    def merge(self, provider: Provider, batches: Iterable[pa.RecordBatch], *, dry_run: bool = False) -> Merged:
        """Merge checked rows, all or none (contract section 5); see `merge.merge`.

        One merge at a time; readers go on meanwhile. What `batches` raises comes through, and nothing is changed.
        """

        def step(work: Work) -> Outcome:
            from turnout.store.merge import merge  # noqa: PLC0415 - as in `_run`

            return merge(work, [batches], dry_run=dry_run)

        (merged,) = self._change(provider, step, changes=not dry_run).merged
        return merged

    def merge_together(
        self,
        provider: Provider,
        inputs: Sequence[Iterable[pa.RecordBatch]],
        remember: Callable[[Sequence[Merged]], Iterable[Answered]] = lambda _: (),
        *,
        place: PlaceChange | None = None,
    ) -> Sequence[Merged]:
        """Merge several inputs in one transaction, and write what is to be remembered of them."""

        def step(work: Work) -> Outcome:
            from turnout.store.merge import merge  # noqa: PLC0415 - as in `_run`

            if place:
                self._check_place(place)
            outcome = merge(work, inputs, remember=remember, place=place)
            if place:
                self._places = {**self._places, place.provider_id: place.place}
            return outcome

        return self._change(provider, step).merged

    def place(self, provider_id: int) -> StoredPlace | None:
        """How far the sync of a provider has come."""
        return self._places.get(provider_id)

    def _check_place(self, change: PlaceChange) -> None:
        """Refuse a place that does not follow the present one; the same one again is welcome."""
        known = self._places.get(change.provider_id)
        mark = known.mark if known else None
        if mark not in (change.follows, change.place.mark):
            message = f"Another sync of provider {change.provider_id} is at work, or was meanwhile."
            raise TurnoutError("conflict", message)

    def delete(self, provider: Provider, ids: Sequence[int], updated_at: Sequence[int] | None = None) -> int:
        """Delete attendances by their ids, with `updated_at` only those that are of it; return how many there were."""

        def step(work: Work) -> Outcome:
            from turnout.store.merge import delete  # noqa: PLC0415 - as in `_run`

            return delete(work, ids, updated_at)

        return self._change(provider, step).deleted

    def answered(self, key: str) -> Answered | None:
        """What was remembered under a key."""
        with engine_errors("Reading the store"), self._small:
            columns = ", ".join(field.name for field in fields(Answered))
            found = self._cursor.execute(f"SELECT {columns} FROM answered WHERE key = ?", [key]).fetchall()  # noqa: S608 - names of this program
        return Answered(*found[0]) if found else None

    def forget_answered(self, before: int) -> None:
        """Forget what was answered before an instant."""
        with engine_errors("Writing the store"), self._small:
            self._cursor.execute("DELETE FROM answered WHERE answered_at < ?", [before])

    def version(self, provider_id: int) -> int | None:
        """How often a provider's attendances have changed since the store was opened; None while a merge is on."""
        if self._changing == provider_id:
            return None
        return self._versions.get(provider_id, 0)

    def _change(self, provider: Provider, step: Callable[[Work], Outcome], *, changes: bool = True) -> Outcome:
        """Run a step that may change a provider's attendances, and give them a new version where it does."""
        with self._merging:
            if self._closed:
                raise _closed()
            self._changing = provider.id if changes else None
            outcome = None
            try:
                outcome = self._run(provider, step)
            finally:
                if changes and (outcome is None or outcome.written):
                    self._versions[provider.id] = self._versions.get(provider.id, 0) + 1
                self._changing = None
            if outcome.written >= _LARGE_MERGE:
                try:
                    # Where somebody reads what was there before, the engine does it later: all is on disk already.
                    with engine_errors("Writing the store"), self._small, suppress(duckdb.TransactionException):
                        self._cursor.execute("CHECKPOINT")
                except EngineLost:
                    self._attach_again()
            return outcome

    def _overwrite(self) -> bool:
        """Overwrite what the file holds of what was forgotten; False where nothing is due."""

        def step(work: Work) -> bool:
            from turnout.store.overwrite import overwrite  # noqa: PLC0415 - as in `_run`

            return overwrite(work, self._small, self.path)

        return self._alone(step, "Overwriting")

    def _alone(self, step: Callable[[Work], T], doing: str) -> T:
        """Run a step that changes no answer while nothing is merged."""
        with self._merging:
            if self._closed:
                raise _closed()
            return self._run(_NOBODY, step, doing)

    def _run(self, provider: Provider, step: Callable[[Work], T], doing: str = "Merging") -> T:
        try:
            return self._step(provider, step, doing)
        except EngineLost:
            self._attach_again()
            raise

    def _attach_again(self) -> None:
        """Open the file anew where the engine gave it up; what was committed is in its log. Nothing is merged now."""
        with self._small:
            self._snapshots.lost = True
            self._snapshots.close()
            self._cursor.close()
            self._connection.close()
            self._connection = attach_when_free(self._attach)
            self._cursor = cursor_of(self._connection)
            self._snapshots = Snapshots(self._connection)

    def _step(self, provider: Provider, step: Callable[[Work], T], doing: str) -> T:
        from turnout.store.merge import Work  # noqa: PLC0415 - a server that only reads starts without pyarrow

        with engine_errors(doing):
            cursor = cursor_of(self._connection)
            try:
                with ThreadPoolExecutor(1, "turnout-merge") as thread:
                    zone = self._providers.get(provider.id, provider).timezone
                    self._work = work = Work(cursor, provider.id, zone, thread)
                    return step(work)
            except duckdb.InterruptException:
                raise _closed() from None
            finally:
                self._work = None
                cursor.close()  # undoes what was not committed

    def status(self) -> StoreStatus:
        """What the store is and holds, and what is wrong with it."""
        return self.upkeep.status(
            len(self._providers), self.persons.retained_at(), holds_forgotten=self.persons.unfinished()
        )

    def close(self) -> None:
        """Stop what runs, undo a merge that has not ended, and give the file free. Harmless when done twice.

        Waits for a merge whose input is waited for.
        """
        self._snapshots.close()
        while not self._merging.acquire(timeout=_INSIST_SECONDS):
            if work := self._work:
                with suppress(duckdb.Error):  # it has just ended
                    work.stop()
        self._closed = True
        self._merging.release()
        with self._small:
            self._cursor.close()
            self._connection.close()
            self.upkeep.close()

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._cursor.execute(sql).fetchall()
        return rows

    def _read(self, table: str, record: type[Provider | Token]) -> list[tuple[Any, ...]]:
        return self._query(f"SELECT {', '.join(field.name for field in fields(record))} FROM {table}")  # noqa: S608 - both are names in this file

    def _write(self, insert: str, values: Sequence[Any]) -> None:
        """Insert one row and make it durable, before the mirror in memory shows it."""
        with engine_errors("Writing the store"):
            self._cursor.execute(f"{insert} ({', '.join('?' * len(values))})", values)


def _closed() -> TurnoutError:
    return TurnoutError("storage_unavailable", "The store was closed; nothing was merged.")
