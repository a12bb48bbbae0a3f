"""Looking at what a store holds, through its own snapshots."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb

from store.rows import EPOCH, Row
from turnout.catalog.attendances import LOCAL_START, THINGS
from turnout.query.sql import Statement
from turnout.store.base import Provider
from turnout.store.schema import wide_columns

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.store.base import Store

STUDIO = Provider(1, "Studio", "Europe/Berlin")
OTHER = Provider(2, "Other", "Europe/Berlin")

_HEADERS = 12_288
_BLOCK = 262_144


def ask(store: Store, sql: str, *values: Any, provider: int | None = None) -> list[tuple[Any, ...]]:
    """The rows of a query of a provider's data, with `?` for each value."""
    with store.snapshot(provider) as snapshot:
        pieces = sql.split("?")
        numbers = map(snapshot.dialect.placeholder, range(1, len(pieces)))
        sql = "".join(piece for pair in zip(pieces, (*numbers, ""), strict=True) for piece in pair)
        return snapshot.rows(Statement(sql, values))


def wide(store: Store, provider: Provider = STUDIO) -> dict[int, Row]:
    """The complete wide rows of a provider, by id."""
    columns = [column for column in wide_columns() if column != "provider_id"]
    found = ask(
        store, f"SELECT {', '.join(columns)} FROM attendances WHERE provider_id = ?", provider.id, provider=provider.id
    )
    rows = [dict(zip(columns, map(_days_apart, columns, values), strict=True)) for values in found]
    assert len({row["id"] for row in rows}) == len(rows), "a row is there twice"
    return {row["id"]: row for row in rows}


def _days_apart(column: str, value: Any) -> Any:
    """A day that is stored as its number, as a date where there is one."""
    if column != LOCAL_START.day or not isinstance(value, int):
        return value
    with suppress(OverflowError):
        return date(1970, 1, 1) + timedelta(days=value)
    return value


def facts(store: Store, provider: Provider = STUDIO) -> dict[tuple[str, int, str], tuple[int, int, Any]]:
    """Everything that is known of a provider's things: (kind, id, member) -> (updated_at, row id, value)."""
    known = {}
    for thing in THINGS:
        ids = [
            id_
            for (id_,) in ask(
                store, f"SELECT id FROM {thing.name} WHERE provider_id = ?", provider.id, provider=provider.id
            )
        ]
        assert len(set(ids)) == len(ids), "a thing is there twice"
        for member in thing.members:
            m = member.storage
            sql = f"SELECT id, {m}_stamp, {m} FROM {thing.name} WHERE provider_id = ? AND {m}_stamp IS NOT NULL"
            for id_, stamp, value in ask(store, sql, provider.id, provider=provider.id):
                known[thing.name, id_, m] = (*divmod(int(stamp), 2**63), _plain(value))
    return known


def _plain(value: Any) -> Any:
    return _micros(value) if isinstance(value, datetime) else value


def _micros(value: datetime) -> int:
    since = value - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def damage(path: Path, column: str) -> None:
    """Change a byte of a block in which values of a column of the attendances are."""
    with duckdb.connect(str(path), read_only=True) as connection:
        blocks = connection.execute(
            "SELECT block_id FROM pragma_storage_info('attendances') "
            "WHERE column_name = ? AND block_id >= 0 AND segment_type <> 'VALIDITY'",
            [column],
        ).fetchall()
    at = _HEADERS + blocks[0][0] * _BLOCK + 1_000
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
