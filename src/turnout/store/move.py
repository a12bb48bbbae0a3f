"""Moving a whole store into another one, of whatever kind: table by table, provider by provider.

A provider counts as moved when there is a note of what its rows add up to, which is committed with the last of them;
one without a note is cleared away first. A mark says that the target is not whole yet; it goes away in the transaction
that makes it so, after everything was read back and compared. So a move that was killed is run again, and goes on where
it was: providers that are there, and that are still the same in the source, are not moved twice.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.attendances import THINGS
from turnout.errors import TurnoutError
from turnout.query.sql import TABLE as ATTENDANCES
from turnout.store.layout import MARK
from turnout.store.raw import PROVIDERS, SHARED, Desk, Sum

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    import pyarrow as pa

    from turnout.store.raw import RawStore, Session

_VERSIONED: Final = {ATTENDANCES, *(thing.name for thing in THINGS)}
"""The tables of which `Session.version` says whether they have changed."""
_SMALL: Final = tuple(table for table in PROVIDERS if table not in _VERSIONED)
_COUNTED: Final = tuple(table for table in SHARED if table not in ("meta", "secret"))
"""The tables without an owner whose rows mean that a store is in use."""


@dataclass
class Moved:
    """What a move did: rows by table, and how many providers an earlier run of it had moved already."""

    providers: int = 0
    kept: int = 0
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass(frozen=True, slots=True)
class _Copied:
    """What a provider's rows add up to, by table, and of which version they are in the source."""

    sums: Mapping[str, Sum]
    version: int

    def text(self) -> str:
        return json.dumps({table: [one.rows, f"{one.digest:x}"] for table, one in self.sums.items()})

    @staticmethod
    def of(text: str) -> dict[str, Sum]:
        return {table: Sum(rows, int(digest, 16)) for table, (rows, digest) in json.loads(text).items()}


def plan(source: RawStore) -> Moved:
    """What there is to be moved."""
    found = Moved()
    for provider in (None, *source.providers()):
        found.providers += provider is not None
        with source.reading(provider) as session:
            for table in SHARED if provider is None else PROVIDERS:
                found.rows[table] += session.count(table)
    return found


def secret_of(source: RawStore, name: str) -> bytes | None:
    """A secret of a store, where it has it."""
    with source.reading(None) as session:
        return dict(_secrets(session)).get(name)


def move(
    source: RawStore,
    target: RawStore,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    carry: Callable[[], None] = lambda: None,
) -> Moved:
    """Move everything, and compare; `carry` is called when only the end is left to be done, and may take its time.

    `progress` is told of attendances: how many have been copied and compared, and how many there are to be. Raises
    `conflict` where the target holds other data, or another move's, or where the source has changed meanwhile;
    `storage_unavailable` where the two do not agree. The target then stays as it is, and the move can be run again.
    """
    return _Move(source, target, progress).run(carry)


class _Move:
    def __init__(self, source: RawStore, target: RawStore, progress: Callable[[int, int], None]) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._done = self._total = 0
        self._desk = Desk()

    def run(self, carry: Callable[[], None]) -> Moved:
        try:
            there = self._begin()
            planned = plan(self._source)
            self._total = 2 * planned.rows[ATTENDANCES]
            providers = self._source.providers()
            for gone in there.keys() - set(providers):
                self._clear(gone)
            copied = {}
            moved = Moved(len(providers))
            for provider in providers:
                copied[provider], kept = self._carry_over(provider, there.get(provider))
                moved.kept += kept
            for provider in providers:
                self._compare(provider, copied[provider])
                for table, one in copied[provider].sums.items():
                    moved.rows[table] += one.rows
            if more := set(self._target.providers()) - set(providers):
                words = ", ".join(map(str, sorted(more)))
                raise TurnoutError("conflict", f"The target has providers that the source has not: {words}.")
            carry()
            self._end(moved, copied)
            return moved
        finally:
            self._desk.close()

    def _begin(self) -> dict[int, dict[str, Sum]]:
        """Mark the target, unless it is; what is there already of which provider."""
        if self._source.place == self._target.place:
            raise TurnoutError("conflict", "--from and --to are the same store.")
        with self._source.reading(None) as session:
            secrets = {name: sha256(value).hexdigest() for name, value in _secrets(session)}
        with self._target.writing(None) as session:
            notes = session.notes()
            if MARK in notes:
                shown, _, known = notes[MARK].partition("\n")
                if not _is_same(json.loads(known), self._source.place, secrets):
                    raise TurnoutError("conflict", f"{self._target.location} holds a part of another store, {shown}.")
                own = f"{MARK}."
                return {int(name[len(own) :]): _Copied.of(text) for name, text in notes.items() if name.startswith(own)}
            self._must_be_empty(session)
            for table in SHARED:
                session.clear(table)
            known = json.dumps({"place": self._source.place, "secrets": secrets})
            session.note(MARK, f"{self._source.location}\n{known}")
        return {}

    def _must_be_empty(self, session: Session) -> None:
        found = {"provider": len(self._target.providers()), **{table: session.count(table) for table in _COUNTED}}
        if any(found.values()):
            there = ", ".join(f"{table}: {rows:,}" for table, rows in found.items() if rows)
            raise TurnoutError(
                "conflict",
                f"{self._target.location} holds data already ({there}). Move into a new file, or into a database "
                "without any.",
            )

    def _carry_over(self, provider: int, there: Mapping[str, Sum] | None) -> tuple[_Copied, bool]:
        """See that a provider is in the target; whether it was there before."""
        with self._source.reading(provider) as session:
            if there is not None:
                found = self._add_up(session, PROVIDERS)
                if found == there:
                    return _Copied(found, session.version()), True
                self._done -= found[ATTENDANCES].rows
            self._clear(provider)
            with self._target.writing(provider) as into:
                sums = {table: self._copy(session, into, table) for table in PROVIDERS}
                copied = _Copied(sums, session.version())
                into.tally(sums[ATTENDANCES].rows)
                into.note(f"{MARK}.{provider}", copied.text())
        return copied, False

    def _copy(self, session: Session, into: Session, table: str) -> Sum:
        total = Sum()

        def batches() -> Generator[pa.RecordBatch]:
            nonlocal total
            for batch in session.read(table, in_order=True):
                total += self._desk.sum(batch)
                yield batch
                self._advance(table, batch.num_rows)

        # Closed, since a reading that was left in the middle keeps its connection to itself.
        with closing(batches()) as found:
            first = next(found, None)
            # Most providers have nothing in most tables.
            written = 0 if first is None else into.write(table, chain([first], found))
        if written != total.rows:
            raise TurnoutError("server_error", f"Of {total.rows} rows of {table} {written} were written.")
        return total

    def _add_up(self, session: Session, tables: tuple[str, ...]) -> dict[str, Sum]:
        found = dict.fromkeys(tables, Sum())
        for table in tables:
            for batch in session.read(table):
                found[table] += self._desk.sum(batch)
                self._advance(table, batch.num_rows)
        return found

    def _clear(self, provider: int) -> None:
        """Take a provider out of the target. A transaction of its own: an engine may not know a key anew in one."""
        with self._target.writing(provider) as session:
            session.note(f"{MARK}.{provider}", None)
            for table in PROVIDERS:
                session.clear(table)
            session.tally(0)

    def _compare(self, provider: int, copied: _Copied) -> None:
        """Read a provider back from the target. One that differs is taken for one that was not moved yet."""
        with self._target.reading(provider) as session:
            found = self._add_up(session, PROVIDERS)
        differ = _differing(copied.sums, found)
        if differ:
            with self._target.writing(provider) as session:
                session.note(f"{MARK}.{provider}", None)
            raise TurnoutError(
                "storage_unavailable",
                f"Provider {provider} is not the same in {self._target.location}: {differ}. Nobody may change the "
                "target while it is moved into. Run the move again: it moves this provider anew.",
            )

    def _check_source(self, copied: Mapping[int, _Copied]) -> None:
        """Refuse to end where somebody has changed the source since it was read."""
        changed = sorted(set(self._source.providers()) ^ copied.keys())
        for provider, then in copied.items():
            with self._source.reading(provider) as session:
                now = self._add_up(session, _SMALL)
                if session.version() != then.version or _differing({t: then.sums[t] for t in _SMALL}, now):
                    changed.append(provider)
        if changed:
            raise TurnoutError(
                "conflict",
                f"{self._source.location} was changed while it was moved (provider {', '.join(map(str, changed))}). "
                "Stop what works on it, then run the move again: it moves what has changed anew.",
            )

    def _end(self, moved: Moved, copied: Mapping[int, _Copied]) -> None:
        """Move what belongs to no provider, compare it, and take the marks away, in one transaction.

        The last that is done in it is to look whether the source is still the same.
        """
        with self._target.writing(None) as into:
            with self._source.reading(None) as session:
                sums = {table: self._copy(session, into, table) for table in SHARED}
            differ = _differing(sums, self._add_up(into, SHARED))
            if differ:
                raise TurnoutError("storage_unavailable", f"{self._target.location} is not the same: {differ}.")
            for name in into.notes():
                if name == MARK or name.startswith(f"{MARK}."):
                    into.note(name, None)
            self._check_source(copied)
        for table, one in sums.items():
            moved.rows[table] += one.rows

    def _advance(self, table: str, rows: int) -> None:
        if table == ATTENDANCES:
            self._done += rows
            self._progress(self._done, self._total)


def _secrets(session: Session) -> Iterator[tuple[str, bytes]]:
    for batch in session.read("secret"):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _is_same(known: dict[str, Any], place: str, secrets: Mapping[str, str]) -> bool:
    """Whether a mark is of this source. A store that has no secrets yet is told by where it is."""
    then: dict[str, str] = known["secrets"]
    return then.items() <= secrets.items() if then else bool(known["place"] == place)


def _differing(wanted: Mapping[str, Sum], found: Mapping[str, Sum]) -> str:
    """In words, which tables differ and how; empty where none does."""
    words = []
    for table, one in wanted.items():
        other = found[table]
        if one.rows != other.rows:
            words.append(f"{table} has {other.rows:,} rows for {one.rows:,}")
        elif one != other:
            words.append(f"{table} has other values in its {one.rows:,} rows")
    return "; ".join(words)
