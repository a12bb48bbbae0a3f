"""Upgrading the file of an older Turnout: what changed from version to version, as frozen statements.

A statement here says what a version was, whatever the catalogue says today, and so does a function, where a statement
alone cannot say it; a test holds an upgraded store to equal a new one. A version is reached whole or not at all, and a
copy of the file as it was stays beside it.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from turnout.store.aside import made_aside
from turnout.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb


def _fill_local_starts(connection: duckdb.DuckDBPyConnection) -> None:
    """Work out by which day and minute of the local clock each row's event starts."""
    from turnout.store.local_starts import offsets  # noqa: PLC0415 - a store that is up to date needs no pyarrow

    connection.execute(
        """CREATE TEMP TABLE zoned AS SELECT event.provider_id, event.id, event_starts_at AS moment,
            coalesce(venue_timezone, '') AS zone, coalesce(timezone, 'UTC') AS own FROM event
            LEFT JOIN venue ON venue.provider_id = event.provider_id AND venue.id = event.venue_id
            LEFT JOIN provider ON provider.id = event.provider_id"""
    )
    for (own,) in connection.execute("SELECT DISTINCT own FROM zoned").fetchall():
        needed = connection.execute("SELECT DISTINCT zone, year(moment) FROM zoned WHERE own = ?", [own]).fetchall()
        connection.register("offsets", offsets(needed, own))
        connection.execute(
            """UPDATE attendances SET event_day = local::DATE, event_minute = hour(local) * 60 + minute(local) FROM (
                SELECT provider_id, id, make_timestamp(epoch_us(moment) + shift) AS local FROM (
                    SELECT * FROM zoned WHERE own = ?) AS zoned
                ASOF JOIN offsets ON zoned.zone = offsets.zone AND zoned.moment >= offsets.since) AS starts
            WHERE attendances.provider_id = starts.provider_id AND attendances.event_id = starts.id""",
            [own],
        )
        connection.unregister("offsets")
    connection.execute("DROP TABLE zoned")


MIGRATIONS: Final[dict[int, tuple[str | Callable[[duckdb.DuckDBPyConnection], None], ...]]] = {
    2: (
        """CREATE TABLE answered (
            key VARCHAR PRIMARY KEY, request VARCHAR NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
            answered_at BIGINT NOT NULL)""",
        """CREATE TABLE erased (
            provider_id BIGINT NOT NULL, customer_id BIGINT NOT NULL, erased_at BIGINT NOT NULL,
            erased_by VARCHAR NOT NULL, attendances BIGINT NOT NULL)""",
        "CREATE TABLE retention (provider_id BIGINT PRIMARY KEY, before BIGINT NOT NULL, ran_at BIGINT)",
        """CREATE TABLE sync (
            provider_id BIGINT PRIMARY KEY, mark VARCHAR NOT NULL, as_of BIGINT, document VARCHAR NOT NULL)""",
    ),
    3: (
        """CREATE TABLE job (
            id BIGINT PRIMARY KEY, provider_id BIGINT NOT NULL, instructor_id BIGINT, report VARCHAR NOT NULL,
            format VARCHAR NOT NULL, parameters VARCHAR NOT NULL, created_at BIGINT NOT NULL, status VARCHAR NOT NULL,
            run INTEGER NOT NULL, crashes INTEGER NOT NULL, total_items BIGINT NOT NULL, complete_items BIGINT NOT NULL,
            size BIGINT, error VARCHAR, started_at BIGINT, finished_at BIGINT, expires_at BIGINT)""",
    ),
    4: (
        "ALTER TABLE attendances ADD COLUMN event_day DATE",
        "ALTER TABLE attendances ADD COLUMN event_minute USMALLINT",
        _fill_local_starts,
    ),
    5: (
        """CREATE TABLE saved_view (
            provider_id BIGINT, id BIGINT, owner VARCHAR NOT NULL, name VARCHAR NOT NULL, state VARCHAR NOT NULL,
            shared BOOLEAN NOT NULL, is_default BOOLEAN NOT NULL, updated_at BIGINT NOT NULL)""",
    ),
}
"""By the version that they lead to, the statements that make it from the one before."""


def copy_beside(path: Path, version: int) -> Path:
    """Copy a store's file, which nobody has open, to `FILE.schema-VERSION`, whole or not at all; return its path."""
    kept = path.with_name(f"{path.name}.schema-{version}")
    with made_aside(path) as aside:
        made = aside / kept.name
        with made.open("xb") as target, path.open("rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        made.replace(kept)
    return kept


def upgrade(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Bring an open store from `version` to the present one, in one transaction."""
    connection.execute("BEGIN TRANSACTION")
    for reached in range(version + 1, SCHEMA_VERSION + 1):
        for statement in MIGRATIONS[reached]:
            if isinstance(statement, str):
                connection.execute(statement)
            else:
                statement(connection)
    connection.execute("UPDATE meta SET value = ? WHERE name = 'schema_version'", [str(SCHEMA_VERSION)])
    connection.execute("COMMIT")
