"""Names without an id, and lists of {id, name}, in the second step of a merge (contract sections 5 and 9).

A thing that comes with a name alone is the known one of that name, else a new one; its id is put into the staged rows,
which from then on are as if they had come with it. Lists are looked at once for each distinct list, in the tables

    lists_THING     number, people (the list as it came)
    elements_THING  number, position, id, name, named (whether the name is stated, null being 'none'), and of the list:
                    seq (of its first row), stamp (of its newest row)
    rosters_THING   people, ids: the list as it came, and its distinct ids in order
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its values are integers

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from turnout.catalog.attendances import THINGS
from turnout.catalog.types import MAX_ID
from turnout.errors import TurnoutError
from turnout.store.schema import HAS_BIT, LISTED, MINE, members_mask, stamp
from turnout.store.staging import ids_and_names

if TYPE_CHECKING:
    from turnout.catalog.types import Thing
    from turnout.store.merge import Work


def spread_lists(work: Work, thing: Thing) -> None:
    """Make `lists` and `elements` of a thing that comes in lists."""
    key, ref = stamp("updated_at", "id"), thing.reference
    named = f"has & {HAS_BIT[thing.members[0].storage]} <> 0"
    work.run(
        f"CREATE TEMP TABLE lists_{thing.name} AS SELECT row_number() OVER () AS number, * FROM ("
        f"SELECT {ref} AS people, {named} AS named, min(seq) AS seq, max({key}) AS stamp "
        f"FROM staged WHERE {ref} IS NOT NULL GROUP BY {ref}, {named})"
    )
    work.run(
        f"CREATE TEMP TABLE elements_{thing.name} AS "
        f"SELECT * EXCLUDE (person, named), person.id AS id, nullif(person.name, '') AS name, "
        f"named OR person.name IS NOT NULL AS named FROM ("
        f"SELECT * EXCLUDE (people), unnest(people) AS person, generate_subscripts(people, 1) AS position "
        f"FROM lists_{thing.name})"
    )


def gather_lists(work: Work, thing: Thing) -> None:
    """Make `rosters` of a thing that comes in lists, when its names have ids."""
    work.run(
        f"CREATE TEMP TABLE rosters_{thing.name} AS SELECT DISTINCT people, coalesce(ids, []) AS ids "
        f"FROM lists_{thing.name} LEFT JOIN ("
        f"SELECT number, list(DISTINCT id ORDER BY id) AS ids FROM elements_{thing.name} GROUP BY number) "
        f"USING (number)"
    )


@dataclass(frozen=True, slots=True)
class HowNamed:
    """How rows name a kind of thing: whether some do with an id, and whether some do without one.

    `stated` are the bits of its members that each of these rows states; several where not all state the same, as the
    rows of one client do.
    """

    with_id: bool = False
    without_id: bool = False
    stated: frozenset[int] = frozenset()

    def __or__(self, other: HowNamed) -> HowNamed:
        return HowNamed(self.with_id or other.with_id, self.without_id or other.without_id, self.stated | other.stated)


def how_named(rows: pa.Table) -> dict[str, HowNamed]:
    """How rows of `staging.STAGING` name each kind of thing, by its name."""
    return {thing.name: _how_named(rows, thing) for thing in THINGS}


def _how_named(rows: pa.Table, thing: Thing) -> HowNamed:
    ids = ids_and_names(rows, thing)[0] if thing.by_name else rows.column(thing.reference)
    named, without_id = pc.is_valid(ids), False
    if thing.by_name and ids.null_count:
        by_name = pc.and_not(pc.is_valid(ids_and_names(rows, thing)[1]), named)
        without_id = pc.any(by_name, min_count=0).as_py()
        named = pc.or_(named, by_name)
    stated: list[int] = []
    if thing.reference not in LISTED:
        bits = pc.bit_wise_and(rows.column("has"), pa.scalar(members_mask(thing), pa.int64()))
        stated = pc.unique(bits.filter(named) if ids.null_count else bits).to_pylist()
    return HowNamed(ids.null_count < len(ids), without_id, frozenset(stated))


def _source(thing: Thing) -> str:
    """The table in which the input's ids and names of a thing are."""
    return f"elements_{thing.name}" if thing.reference in LISTED else "staged"


def _id(thing: Thing) -> str:
    return "id" if thing.reference in LISTED else thing.reference


def _name(thing: Thing) -> str:
    return "name" if thing.reference in LISTED else thing.members[0].storage


def _nameless(thing: Thing) -> str:
    """SQL for whether a row of the source has a name without an id."""
    if not thing.by_name:
        return "false"
    if thing.reference in LISTED:
        return "id IS NULL"
    return f"{thing.reference} IS NULL AND {_name(thing)} IS NOT NULL AND has & {HAS_BIT[thing.reference]} <> 0"


def resolve_names(work: Work, thing: Thing) -> None:
    """Give an id to each name that came without one.

    To be done when what the input says with ids is known: names are compared with the truth after that. New things
    get the ids after the largest one, in the order of the input. Raises `conflict` where there is no id left.
    """
    source, id_, name, nameless = _source(thing), _id(thing), _name(thing), _nameless(thing)
    first = "min((seq, position))" if thing.reference in LISTED else "min(seq)"
    known = f"{thing.name} WHERE {MINE}"
    truth = thing.members[0].storage
    work.run(
        f"CREATE OR REPLACE TEMP TABLE names AS SELECT said, first, known_id FROM ("
        f"SELECT {name} AS said, {first} AS first FROM {source} WHERE {nameless} GROUP BY {name}) LEFT JOIN ("
        f"SELECT {truth} AS truth, min(id) AS known_id FROM {known} GROUP BY {truth}) ON truth = said"
    )
    largest, new = work.one(
        f"SELECT (SELECT coalesce(max(id), 0) FROM {known}), (SELECT count(*) FROM names WHERE known_id IS NULL)"
    )
    if largest + new > MAX_ID:
        raise TurnoutError("conflict", f"No id is left for a new {thing.name.replace('_', ' ')}.")
    work.run(
        f"UPDATE {source} SET {id_} = given FROM (SELECT said, coalesce("
        f"known_id, {largest} + row_number() OVER (PARTITION BY known_id IS NULL ORDER BY first)) AS given "
        f"FROM names) WHERE {nameless} AND {name} = said"
    )
