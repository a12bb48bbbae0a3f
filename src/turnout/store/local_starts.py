"""Local starts: by which day and minute of the local clock events start (contract section 1, 'local time').

Worked out on the way in, so that no report needs a time zone: each wide row has them. The one source of the rules of
zones is Python's `zoneinfo`. For the years that occur it says when the clocks of a zone change, and the engine looks
each event up in that short list.
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its values are integers

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from turnout.catalog.attendances import LOCAL_START, THINGS
from turnout.query.instants import load_zone, offsets_in
from turnout.store.schema import LOCAL, MINE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from turnout.store.merge import Work

OWN: Final = ""
"""Stands for the provider's own zone."""
EVENT, PLACE = (
    next(thing for thing in THINGS for member in thing.members if member.storage == storage)
    for storage in (LOCAL_START.of, LOCAL_START.zone)
)


def find_starts(work: Work, events: str) -> None:
    """Make `starts` (id, and the columns of `schema.LOCAL`) of the provider's events whose ids `events` selects."""
    work.run(
        f"CREATE OR REPLACE TEMP TABLE zoned AS SELECT {EVENT.name}.id, {LOCAL_START.of} AS moment, "
        f"coalesce({LOCAL_START.zone}, '{OWN}') AS zone FROM {EVENT.name} LEFT JOIN {PLACE.name} "
        f"ON {PLACE.name}.{MINE} AND {PLACE.name}.id = {EVENT.name}.{PLACE.reference} "
        f"WHERE {EVENT.name}.{MINE} AND {EVENT.name}.id IN ({events})"
    )
    needed = work.rows("SELECT DISTINCT zone, year(moment) FROM zoned")
    work.cursor.register("offsets", offsets(needed, work.zone))
    work.run(
        f"CREATE OR REPLACE TEMP TABLE starts AS SELECT id, {day_and_minute('local')} FROM ("
        "SELECT id, make_timestamp(epoch_us(moment) + shift) AS local "
        "FROM zoned ASOF JOIN offsets ON zoned.zone = offsets.zone AND zoned.moment >= offsets.since)"
    )
    work.cursor.unregister("offsets")


def move_starts(work: Work) -> int:
    """Correct the wide rows whose local start is another one in the provider's zone; return how many."""
    find_starts(work, f"SELECT id FROM {EVENT.name} WHERE {MINE}")
    settings = ", ".join(f"{column} = starts.{column}" for column in LOCAL)
    differ = " OR ".join(f"attendances.{column} <> starts.{column}" for column in LOCAL)
    (moved,) = work.one(
        f"UPDATE attendances SET {settings} FROM starts WHERE {MINE} AND starts.id = {EVENT.reference} AND ({differ})"
    )
    return int(moved)


def offsets(needed: Iterable[tuple[str, int]], own: str) -> pa.Table:
    """The offsets of zones in years: (zone, since, shift), the last one in microseconds.

    A name that is no zone, and `OWN`, stand for the zone `own`.
    """
    found: list[tuple[str, int, int]] = []
    for name, year in needed:
        try:
            zone = load_zone(name or own)
        except ValueError:
            zone = load_zone(own)
        found += [(name, since, shift) for since, shift in offsets_in(year, zone)]
    names, sinces, shifts = zip(*found, strict=True) if found else ((), (), ())
    return pa.table(
        {
            "zone": pa.array(names, pa.string()),
            "since": pa.array(sinces, pa.timestamp("us")),
            "shift": pa.array(shifts, pa.int64()),
        }
    )


def day_and_minute(local: str) -> str:
    """SQL for the two columns of `schema.LOCAL`, from a local time."""
    day, minute = LOCAL
    return f"{local}::DATE AS {day}, (hour({local}) * 60 + minute({local}))::USMALLINT AS {minute}"
