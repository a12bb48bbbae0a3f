"""The second step of a merge: the one truth of each thing that the accepted rows name (contract section 5).

A thing's member is what the newest accepted row that has it says; rows compare by (`updated_at`, row id), the stamp
that is kept beside each member. The work is per kind of thing:

    said     what the newest row of each thing and each set of stated members says
    news     the things that are new, or of which a newer row spoke, with their members after this merge
    changed  the known things of which a report now shows something else
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its values are integers

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from turnout.catalog.text import fold
from turnout.catalog.types import FOLDED, MAX_ID, Kind, Member, Thing
from turnout.errors import TurnoutError
from turnout.store.schema import HAS_BIT, LISTED, NEVER_SAID, is_folded, is_shown, thing_columns

if TYPE_CHECKING:
    from turnout.store.merge import Work

_FOLD_CHUNK: Final = 100_000


def stamp(at: str, row: str) -> str:
    """SQL for a number that orders as the pair (`at`, `row`) does; far cheaper to compare than the pair."""
    return f"(epoch_us({at})::HUGEINT * {MAX_ID + 1} + {row})"


def changed_table(thing: Thing) -> str:
    """The temporary table of the ids of known things of which a report now shows something else."""
    return f"changed_{thing.name}"


class Things:
    """Settles the truths of one merge, kind by kind: the kinds that come by name before those that refer to them."""

    def __init__(self, work: Work) -> None:
        self._work = work
        for thing in LISTED.values():
            self._spread_lists(thing)

    def settle(self, thing: Thing) -> None:
        """Apply what the accepted rows say of a kind of thing.

        First what they say with ids; then names without an id get one, and what is said of them is applied likewise.
        """
        self._work.run(f"CREATE TEMP TABLE {changed_table(thing)} (id BIGINT)")
        self._apply(thing)
        if thing.by_name and self._resolve_names(thing):
            self._apply(thing)
        if thing.reference in LISTED:
            self._gather_lists(thing)

    # Lists of {id, name}: each distinct list is looked at once, in the tables
    #   lists     number, people (the list as it came), seq (its first row), at/row_id/stamp (its newest row)
    #   elements  number, position, id, name

    def _spread_lists(self, thing: Thing) -> None:
        key, ref, run = stamp("updated_at", "id"), thing.reference, self._work.run
        run(
            f"CREATE TEMP TABLE lists_{thing.name} AS SELECT row_number() OVER () AS number, * FROM ("
            f"SELECT {ref} AS people, min(seq) AS seq, max({key}) AS stamp, "
            f"arg_max(updated_at, {key}) AS said_at, arg_max(id, {key}) AS said_row "
            f"FROM staged WHERE {ref} IS NOT NULL GROUP BY {ref})"
        )
        run(
            f"CREATE TEMP TABLE elements_{thing.name} AS "
            f"SELECT number, seq, position, person.id AS id, person.name AS name FROM ("
            f"SELECT number, seq, unnest(people) AS person, generate_subscripts(people, 1) AS position "
            f"FROM lists_{thing.name})"
        )

    def _gather_lists(self, thing: Thing) -> None:
        """`rosters`: each list as it came, and its distinct ids in order."""
        self._work.run(
            f"CREATE TEMP TABLE rosters_{thing.name} AS "
            f"SELECT people, coalesce(ids, []) AS ids FROM lists_{thing.name} LEFT JOIN ("
            f"SELECT number, list(DISTINCT id ORDER BY id) AS ids FROM elements_{thing.name} GROUP BY number) "
            f"USING (number)"
        )

    def _apply(self, thing: Thing) -> None:
        self._work.run(f"CREATE OR REPLACE TEMP TABLE said AS {_said(thing)}")
        self._work.run(f"CREATE OR REPLACE TEMP TABLE news AS {_news(thing, self._work.provider)}")
        self._store(thing)

    def _store(self, thing: Thing) -> None:
        provider, run = self._work.provider, self._work.run
        run(f"INSERT INTO {changed_table(thing)} SELECT id FROM news WHERE differs")
        run(f"DELETE FROM {thing.name} WHERE provider_id = {provider} AND id IN (SELECT id FROM news WHERE is_known)")
        texts = [member.storage for member in thing.members if is_folded(member)]
        self._fold(texts)
        values, joins = [], []
        for column in thing_columns(thing):
            if column == "provider_id":
                values.append(str(provider))
            elif column.removesuffix(FOLDED) in texts and column.endswith(FOLDED):
                text = column.removesuffix(FOLDED)
                values.append(f"CASE WHEN {_is_ascii('news.' + text)} THEN lower(news.{text}) ELSE {column}.folded END")
                joins.append(f"LEFT JOIN folds AS {column} ON {column}.text = news.{text}")
            else:
                values.append("news." + column)
        run(f"INSERT INTO {thing.name} SELECT {', '.join(values)} FROM news {' '.join(joins)}")

    def _fold(self, texts: list[str]) -> None:
        """Make `folds`: the folded form of every non-ASCII text in these columns of `news`, computed once each."""
        cursor, run = self._work.cursor, self._work.run
        run("CREATE OR REPLACE TEMP TABLE folds (text VARCHAR, folded VARCHAR)")
        if not texts:
            return
        union = " UNION ALL ".join(f"SELECT {text} AS text FROM news WHERE NOT {_is_ascii(text)}" for text in texts)
        run(f"CREATE OR REPLACE TEMP TABLE unfolded AS SELECT text, row_number() OVER () AS number FROM (SELECT DISTINCT text FROM ({union}))")
        (count,) = self._work.one("SELECT count(*) FROM unfolded")
        for start in range(0, count, _FOLD_CHUNK):
            numbers = f"number > {start} AND number <= {start + _FOLD_CHUNK}"
            found = [text for (text,) in cursor.execute(f"SELECT text FROM unfolded WHERE {numbers}").fetchall()]
            cursor.register("chunk", pa.table({"text": found, "folded": [fold(text) for text in found]}))
            run("INSERT INTO folds SELECT text, folded FROM chunk")
            cursor.unregister("chunk")

    def _resolve_names(self, thing: Thing) -> bool:
        """Give an id to each name that came without one; return whether there was any (contract section 9)."""
        (name,), ref, work = [thing.members[0].storage], thing.reference, self._work
        listed = ref in LISTED
        source = f"elements_{thing.name}" if listed else "staged"
        id_, text = ("id", "name") if listed else (ref, name)
        nameless = f"{id_} IS NULL AND {text} IS NOT NULL"
        nameless += "" if listed else f" AND has & {HAS_BIT[ref]} <> 0"
        first = "min((seq, position))" if listed else "min(seq)"
        work.run(
            f"CREATE OR REPLACE TEMP TABLE names AS "
            f"SELECT {text} AS name, {first} AS first FROM {source} WHERE {nameless} GROUP BY {text}"
        )
        if not work.any("names"):
            return False
        known = f"{thing.name} WHERE provider_id = {work.provider}"
        work.run(
            f"CREATE OR REPLACE TEMP TABLE known AS "
            f"SELECT {name} AS known_name, min(id) AS known_id FROM {known} "
            f"AND {name} IN (SELECT name FROM names) GROUP BY {name}"
        )
        largest, new = work.one(
            f"SELECT (SELECT coalesce(max(id), 0) FROM {known}), "
            f"(SELECT count(*) FROM names ANTI JOIN known ON known_name = name)"
        )
        if largest + new > MAX_ID:
            raise TurnoutError("conflict", f"No id is left for a new {thing.name.replace('_', ' ')}.")
        work.run(
            f"INSERT INTO known SELECT name, {largest} + row_number() OVER (ORDER BY first) "
            f"FROM names ANTI JOIN known ON known_name = name"
        )
        work.run(f"UPDATE {source} SET {id_} = known_id FROM known WHERE {nameless} AND {text} = known_name")
        return True


def _is_ascii(text: str) -> str:
    return f"strlen({text}) = length({text})"


def _said(thing: Thing) -> str:
    """SQL for (thing, has, said_at, said_row, stamp, members ...): what the newest rows say.

    Of all rows that state the same members of the same thing only the newest can matter, so this is small however many
    rows came.
    """
    if thing.reference in LISTED:
        (name,) = thing.members
        return (
            f"SELECT id AS thing, CASE WHEN name IS NULL THEN 0 ELSE {HAS_BIT[name.storage]} END AS has, "
            f"said_at, said_row, stamp, name AS {name.storage} FROM lists_{thing.name} JOIN ("
            # Twice in one list with two names: the first stays.
            f"SELECT number, id, arg_min(name, position) AS name FROM elements_{thing.name} "
            f"WHERE id IS NOT NULL GROUP BY number, id) USING (number)"
        )
    values, joins = [], []
    for member in thing.members:
        if member.storage in LISTED:
            rosters = f"rosters_{LISTED[member.storage].name}"
            joins.append(f"LEFT JOIN {rosters} ON {rosters}.people = staged.{member.storage}")
            values.append(f"coalesce({rosters}.ids, []) AS {member.storage}")
        else:
            values.append(f"staged.{member.storage}")
    key, ref = stamp("updated_at", "id"), thing.reference
    mask = sum(HAS_BIT[member.storage] for member in thing.members)
    return (
        f"SELECT staged.{ref} AS thing, has, updated_at AS said_at, id AS said_row, {key} AS stamp, "
        f"{', '.join(values)} FROM staged JOIN (SELECT arg_max(seq, {key}) AS seq FROM staged "
        f"WHERE {ref} IS NOT NULL GROUP BY {ref}, has & {mask}) USING (seq) {' '.join(joins)}"
    )


def _news(thing: Thing, provider: int) -> str:
    """SQL for (id, is_known, members and stamps ..., differs) of the things that this merge writes."""
    newest, pairs, members, wins, differs = [], [], [], [], []
    for member in thing.members:
        m = member.storage
        stated = f"FILTER (WHERE has & {HAS_BIT[m]} <> 0)"
        newest += [
            f"arg_max_null({m}, stamp) {stated} AS {m}",
            f"arg_max(said_at, stamp) {stated} AS {m}_at",
            f"arg_max(said_row, stamp) {stated} AS {m}_row",
        ]
        pairs += [f"newest.{m}{end}, known.{m}{end} AS known_{m}{end}" for end in ("", "_at", "_row")]
        # The same stamp again: what was there stays.
        pairs.append(
            f"newest.{m}_at IS NOT NULL AND (known.{m}_at IS NULL OR newest.{m}_at > known.{m}_at "
            f"OR (newest.{m}_at = known.{m}_at AND newest.{m}_row > known.{m}_row)) AS {m}_wins"
        )
        members += [
            f"CASE WHEN {m}_wins THEN {m}{end} ELSE known_{m}{end} END AS {m}{end}" for end in ("", "_at", "_row")
        ]
        wins.append(f"{m}_wins")
        if is_shown(member):
            differs.append(f"({m}_wins AND {_shown(member, m)} IS DISTINCT FROM {_shown(member, 'known_' + m)})")
    return (
        f"WITH newest AS (SELECT thing AS id, {', '.join(newest)} FROM said GROUP BY thing), "
        f"pairs AS (SELECT newest.id, known.id IS NOT NULL AS is_known, {', '.join(pairs)} FROM newest "
        f"LEFT JOIN (SELECT * FROM {thing.name} WHERE provider_id = {provider}) AS known USING (id)) "
        f"SELECT id, is_known, {', '.join(members)}, is_known AND ({' OR '.join(differs)}) AS differs "
        f"FROM pairs WHERE NOT is_known OR {' OR '.join(wins)}"
    )


def _shown(member: Member, value: str) -> str:
    """SQL for what a report shows where `value` is stored."""
    text = f"{value}::VARCHAR" if member.kind is Kind.CHOICE else value
    return f"coalesce({text}, {NEVER_SAID[member.storage]})" if member.storage in NEVER_SAID else text
