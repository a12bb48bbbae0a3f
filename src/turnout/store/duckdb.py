"""The embedded store: one DuckDB file, owned by this process alone.

As nobody else can write the file, providers, tokens and secrets are mirrored in memory: reading them costs no query.
"""

from __future__ import annotations

import secrets
from dataclasses import astuple, fields, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from turnout.errors import TurnoutError
from turnout.store.base import Answered, Merged, Provider, Standing, StoredPlace, StoreStatus, Token
from turnout.store.duckdb_engine import Engine
from turnout.store.duckdb_file import attach
from turnout.store.duckdb_jobs import DuckJobs
from turnout.store.duckdb_persons import DuckPersons
from turnout.store.duckdb_small import running
from turnout.store.duckdb_upkeep import DuckUpkeep
from turnout.store.persons import looked_through
from turnout.store.views import ViewTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from turnout.store.base import PlaceChange, Snapshot
    from turnout.store.merge import Outcome, Work

    Step = Callable[[Work], Outcome]

_SECRET_BYTES: Final = 32
# From so many written rows on, the file is put in its final, compact form at once instead of some time later.
_LARGE_MERGE: Final = 100_000


class DuckStore:
    """A `Store` in one file. Safe for use by several threads."""

    shared = False
    together = None

    def __init__(
        self,
        path: Path,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: Path | None = None,
    ) -> None:
        self.path = path
        spilled = path.with_name(f"{path.name}.tmp")
        if temp_directory:
            # The same place may be given to several stores.
            spilled = temp_directory / f"{path.name}-{sha256(bytes(path)).hexdigest()[:8]}.tmp"
        self._engine = engine = Engine(
            partial(attach, path, memory_limit=memory_limit, threads=threads, temp_directory=spilled), self._mirror
        )
        self._versions: dict[int, int] = {}
        self._changing: int | None = None
        self.persons = DuckPersons(self._change, engine.snapshot, self._overwrite, engine.small)
        self.jobs = DuckJobs(engine.briefly)
        self.views = ViewTable(lambda _: running(engine.briefly))
        self.upkeep = DuckUpkeep(path, engine)

    def _mirror(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Read what is kept in memory. A change whose commit failed may have been made all the same."""
        self._providers = {row[0]: Provider(*row) for row in sorted(_read(cursor, "provider", Provider))}
        tokens = (Token(*row) for row in _read(cursor, "token", Token))
        self._tokens = {token.sha256: replace(token, providers=tuple(token.providers)) for token in tokens}
        found = cursor.execute("SELECT name, value FROM secret").fetchall()
        self._secrets = {name: bytes(value) for name, value in found}
        places = cursor.execute("SELECT provider_id, mark, as_of, document FROM sync").fetchall()
        self._places = {provider_id: StoredPlace(*place) for provider_id, *place in places}

    def snapshot(self, provider_id: int | None, *, long: bool = False) -> AbstractContextManager[Snapshot]:  # noqa: ARG002 - one file has one wall, and one process ends what takes long
        """A consistent view; see `base.Snapshot`. It shows every provider."""
        return self._engine.snapshot()

    def providers(self) -> dict[int, Provider]:
        """All providers by id; the caller's own copy."""
        return dict(self._providers)

    def put_provider(self, provider: Provider) -> None:
        """Add a provider, or replace the one with its id; with another zone, its rows get other local starts."""
        known = self._providers.get(provider.id)
        if known and known.timezone != provider.timezone:
            self._change(provider, lambda _: lambda work: self._move(work, provider))
            return
        with self._engine.briefly() as cursor:
            _write(cursor, "INSERT OR REPLACE INTO provider VALUES", astuple(provider))
            self._providers = dict(sorted({**self._providers, provider.id: provider}.items()))

    def _move(self, work: Work, provider: Provider) -> Outcome:
        """Replace a provider by the one with another zone, and its rows' local starts, in one transaction."""
        from turnout.store.local_starts import move_starts  # noqa: PLC0415 - as in `Engine.work`
        from turnout.store.merge import Outcome  # noqa: PLC0415 - as in `Engine.work`

        work.run("BEGIN TRANSACTION")
        moved = move_starts(replace(work, zone=provider.timezone))
        with self._engine.small:
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

    def token_and_providers(self, sha256: str) -> tuple[Token | None, dict[int, Provider]]:
        """Both, which cost no query."""
        return self.token(sha256), self.providers()

    def add_token(self, token: Token) -> Token:
        """Add a token; return it with the id that it was given. A known hash is a `conflict`."""
        with self._engine.briefly() as cursor:
            if token.sha256 in self._tokens:
                raise TurnoutError("conflict", "This token is there already.")
            added = replace(token, id=max((known.id for known in self._tokens.values()), default=0) + 1)
            _write(cursor, "INSERT INTO token VALUES", astuple(added))
            self._tokens = {**self._tokens, added.sha256: added}
        return added

    def revoke_token(self, token_id: int, now: int) -> bool:
        """Revoke a token from `now` (microseconds since 1970) on; False where it is unknown or was revoked already."""
        with self._engine.briefly() as cursor:
            known = next((t for t in self._tokens.values() if t.id == token_id and t.revoked_at is None), None)
            if known is None:
                return False
            revoked = replace(known, revoked_at=now)
            cursor.execute("UPDATE token SET revoked_at = ? WHERE id = ?", [now, token_id])
            self._tokens = {**self._tokens, revoked.sha256: revoked}
        return True

    def secret(self, name: str) -> bytes:
        """32 random bytes, the same for a name as long as the store lives."""
        with self._engine.briefly() as cursor:
            if name not in self._secrets:
                made = secrets.token_bytes(_SECRET_BYTES)
                _write(cursor, "INSERT INTO secret VALUES", (name, made))
                self._secrets[name] = made
            return self._secrets[name]

    def merge(self, provider: Provider, batches: Iterable[pa.RecordBatch], *, dry_run: bool = False) -> Merged:
        """Merge checked rows, all or none (contract section 5); see `merge.merge`.

        One merge at a time, when its rows are staged; readers go on meanwhile. What `batches` raises comes through, and
        nothing is changed.
        """

        def prepared(work: Work) -> Step:
            from turnout.store.merge import merge, stage  # noqa: PLC0415 - as in `Engine.work`

            staged = stage(work, [batches], dry_run=dry_run)
            return lambda work: merge(work, staged, dry_run=dry_run)

        (merged,) = self._change(provider, prepared, changes=not dry_run).merged
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

        def prepared(work: Work) -> Step:
            from turnout.store.merge import merge, stage  # noqa: PLC0415 - as in `Engine.work`

            staged = stage(work, inputs)

            def step(work: Work) -> Outcome:
                if place:
                    self._check_place(place)
                outcome = merge(work, staged, remember=remember, place=place)
                if place:
                    self._places = {**self._places, place.provider_id: place.place}
                return outcome

            return step

        return self._change(provider, prepared).merged

    def standing(self, provider_id: int, sha256: str | None = None) -> Standing:
        """What is true of a provider, and of a token, now: it costs no query."""
        token = self._tokens.get(sha256) if sha256 else None
        return Standing(self.version(provider_id), self.place(provider_id), token, self._providers.get(provider_id))

    def standing_in(
        self,
        snapshot: Snapshot,  # noqa: ARG002 - the interface's
        provider_id: int,
        sha256: str | None,
        then: Callable[[Standing], None],
    ) -> None:
        """Tell it now: it costs no query."""
        then(self.standing(provider_id, sha256))

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

        def prepared(_: Work) -> Step:
            from turnout.store.merge import delete  # noqa: PLC0415 - as in `Engine.work`

            return lambda work: delete(work, ids, updated_at)

        return self._change(provider, prepared).deleted

    def answered(self, key: str) -> Answered | None:
        """What was remembered under a key."""
        columns = ", ".join(field.name for field in fields(Answered))
        with self._engine.briefly("Reading the store") as cursor:
            found = cursor.execute(f"SELECT {columns} FROM answered WHERE key = ?", [key]).fetchall()  # noqa: S608 - names of this program
        return Answered(*found[0]) if found else None

    def forget_answered(self, before: int) -> None:
        """Forget what was answered before an instant."""
        with self._engine.briefly() as cursor:
            cursor.execute("DELETE FROM answered WHERE answered_at < ?", [before])

    def version(self, provider_id: int) -> int | None:
        """How often a provider's attendances have changed since the store was opened; None while a merge is on."""
        if self._changing == provider_id:
            return None
        return self._versions.get(provider_id, 0)

    def _change(self, provider: Provider, prepared: Callable[[Work], Step], *, changes: bool = True) -> Outcome:
        """Do work that may change a provider's attendances, and give them a new version where it does.

        `prepared` does what changes nothing yet, and returns the step that is run when it is its turn.
        """
        with self._engine.work(provider.id) as work:
            step = prepared(work)
            with self._engine.turn(work):
                zone = self._providers.get(provider.id, provider).timezone
                self._changing = provider.id if changes else None
                outcome = None
                try:
                    outcome = step(replace(work, zone=zone))
                finally:
                    if changes and (outcome is None or outcome.written):
                        self._versions[provider.id] = self._versions.get(provider.id, 0) + 1
                    self._changing = None
        if outcome.written >= _LARGE_MERGE:
            self._engine.checkpoint()
        return outcome

    def _overwrite(self) -> bool:
        """Overwrite what the file holds of what was forgotten; False where nothing is due."""

        def step(work: Work) -> bool:
            from turnout.store.overwrite import overwrite  # noqa: PLC0415 - as in `Engine.work`

            return overwrite(work, self._engine.small, self.path)

        return self._engine.alone(step, "Overwriting")

    def status(self) -> StoreStatus:
        """What the store is and holds, and what is wrong with it."""
        retained_at = looked_through(self.persons.retention())
        return self.upkeep.status(len(self._providers), retained_at, holds_forgotten=self.persons.unfinished())

    def close(self) -> None:
        """Stop what runs, undo a merge that has not ended, and give the file free. Harmless when done twice.

        Waits for a merge whose input is waited for.
        """
        self._engine.close()
        self.upkeep.close()


def _read(cursor: duckdb.DuckDBPyConnection, table: str, record: type[Provider | Token]) -> list[tuple[Any, ...]]:
    names = ", ".join(field.name for field in fields(record))
    return cursor.execute(f"SELECT {names} FROM {table}").fetchall()  # noqa: S608 - both are names in this file


def _write(cursor: duckdb.DuckDBPyConnection, insert: str, values: Sequence[Any]) -> None:
    """Insert one row and make it durable, before the mirror in memory shows it."""
    cursor.execute(f"{insert} ({', '.join('?' * len(values))})", values)
