"""The second step of a merge: the one truth of each thing that the accepted rows name (contract section 5).

A thing's member is what the newest accepted row that has it says. Rows compare by their stamps, (`updated_at`, row id)
as one number; the stamp of the row that said it is kept beside each member. The work is done for one kind of thing
after the other:

    news           the things that are new, or of which a newer row spoke, with their members after this merge
    changed_THING  the ids of known things whose wide rows change
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its values are integers

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from turnout.catalog.attendances import THINGS
from turnout.catalog.text import fold
from turnout.catalog.types import FOLDED, Kind, Member, Thing
from turnout.store.merge_names import gather_lists, resolve_names, spread_lists
from turnout.store.schema import (
    HAS_BIT,
    LISTED,
    MINE,
    NEVER_SAID,
    PROVIDER,
    STAMP,
    is_behind,
    is_folded,
    members_mask,
    stamp,
    thing_columns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from turnout.store.merge import Work
    from turnout.store.merge_names import HowNamed

_FOLD_BATCH: Final = 50_000


def changed_table(thing: Thing) -> str:
    """The temporary table of the ids of known things whose wide rows change."""
    return f"changed_{thing.name}"


def settle_things(work: Work, named: Mapping[str, HowNamed]) -> list[Thing]:
    """Store what the accepted rows say of things; return the kinds that have a `changed_table`.

    `named` tells how the accepted rows, and maybe others, name each kind of thing.
    """
    for thing in LISTED.values():
        spread_lists(work, thing)
    changed = []
    # Names without an id become ids first, for things that are members of other things.
    for thing in sorted(THINGS, key=lambda thing: not thing.by_name):
        naming = named[thing.name]
        differ = naming.with_id and _apply(work, thing, naming.stated)
        if naming.without_id:
            # Names are compared with the truth after what came with ids; that is not newer than itself.
            resolve_names(work, thing)
            differ = _apply(work, thing, naming.stated) or differ
        if thing.reference in LISTED:
            gather_lists(work, thing)
        if differ:
            changed.append(thing)
    return changed


def _apply(work: Work, thing: Thing, stated: frozenset[int]) -> bool:
    """Store what the staged rows say, with ids, of a kind of thing; return whether a known one changed.

    Each of these rows states the members of one of the bits in `stated`.
    """
    work.run(f"CREATE OR REPLACE TEMP TABLE news AS {_news(thing, stated)}")
    texts = [member.storage for member in thing.members if is_folded(member)]
    foreign = " OR ".join(f"strlen({text}) <> length({text})" for text in texts) or "false"
    news, known, differ, to_fold = work.one(
        "SELECT count(*), count(*) FILTER (WHERE is_known), count(*) FILTER (WHERE differs), "
        f"count(*) FILTER (WHERE {foreign}) FROM news"
    )
    if differ:
        work.run(f"CREATE TEMP TABLE IF NOT EXISTS {changed_table(thing)} (id BIGINT)")
        work.run(f"INSERT INTO {changed_table(thing)} SELECT id FROM news WHERE differs")
    if known:
        work.run(f"DELETE FROM {thing.name} WHERE {MINE} AND id IN (SELECT id FROM news)")
    if news:
        _insert(work, thing, texts if to_fold else [])
    return bool(differ)


def _insert(work: Work, thing: Thing, foreign: list[str]) -> None:
    """Insert `news`, with the folded forms of its texts; those of `foreign` columns are not all ASCII."""
    if foreign:
        _register_folds(work, foreign)
    values, joins = [], []
    for column in thing_columns(thing):
        text = column.removesuffix(FOLDED)
        if column == "provider_id":
            values.append(PROVIDER)
        elif column == text:
            values.append(f"news.{column}")
        elif foreign:
            values.append(f"coalesce({column}.folded, lower(news.{text}))")
            joins.append(f"LEFT JOIN folds AS {column} ON {column}.text = news.{text}")
        else:
            values.append(f"lower(news.{text})")
    work.run(f"INSERT INTO {thing.name} SELECT {', '.join(values)} FROM news {' '.join(joins)}")
    if foreign:
        work.cursor.unregister("folds")


def _register_folds(work: Work, texts: list[str]) -> None:
    """Register `folds`, the folded forms of the texts that are not ASCII; of the others it is SQL's lower()."""
    union = " UNION ALL ".join(
        f"SELECT {text} AS text FROM news WHERE strlen({text}) <> length({text})" for text in texts
    )
    work.cursor.execute(f"SELECT DISTINCT text FROM ({union})")
    batches = []
    while rows := work.cursor.fetchmany(_FOLD_BATCH):
        found = [text for (text,) in rows]
        batches.append(pa.RecordBatch.from_pydict({"text": found, "folded": [fold(text) for text in found]}))
    work.cursor.register("folds", pa.Table.from_batches(batches))


def _news(thing: Thing, stated: frozenset[int]) -> str:
    """SQL for (id, is_known, members and stamps ..., differs) of the things that this merge writes.

    Where all rows state the same members, `_said` has one row for each thing, so that none are put together; and the
    other members stay as they are.
    """
    (same,) = stated if len(stated) == 1 else (None,)
    said = _said(thing, alike=same is not None)
    newest, pairs, members, newer, differs = [], [], [], [], []
    for member in thing.members:
        m, said_at = member.storage, member.storage + STAMP
        if same is not None and not same & HAS_BIT[m]:
            pairs.append(f"known.{m}, known.{said_at}")
            members.append(f"{m}, {said_at}")
            continue
        if same is not None:
            newest += [m, f"stamp AS {said_at}"]
        else:
            only = f"FILTER (WHERE has & {HAS_BIT[m]} <> 0)"
            newest += [f"arg_max_null({m}, stamp) {only} AS {m}", f"max(stamp) {only} AS {said_at}"]
        # The same stamp again: what was there stays.
        pairs.append(
            f"newest.{m} AS new_{m}, known.{m}, greatest(newest.{said_at}, known.{said_at}) AS {said_at}, "
            f"coalesce(newest.{said_at} > known.{said_at}, newest.{said_at} IS NOT NULL) AS {m}_newer"
        )
        members.append(f"CASE WHEN {m}_newer THEN new_{m} ELSE {m} END AS {m}, {said_at}")
        newer.append(f"{m}_newer")
        if is_behind(member):
            differs.append(f"({m}_newer AND {_shown(member, 'new_' + m)} IS DISTINCT FROM {_shown(member, m)})")
    return (
        f"WITH newest AS (SELECT {', '.join(('thing AS id', *newest))} "
        f"FROM ({said}) {'GROUP BY thing' if same is None else ''}), "
        f"pairs AS (SELECT newest.id, known.id IS NOT NULL AS is_known, {', '.join(pairs)} FROM newest "
        f"LEFT JOIN (SELECT * FROM {thing.name} WHERE {MINE}) AS known USING (id)) "
        f"SELECT id, is_known, {', '.join(members)}, is_known AND ({' OR '.join(differs) or 'false'}) AS differs "
        f"FROM pairs WHERE {' OR '.join(('NOT is_known', *newer))}"
    )


def _said(thing: Thing, *, alike: bool) -> str:
    """SQL for (thing, has, stamp, members ...): what the newest rows say.

    Of all rows that state the same members of the same thing only the newest can matter, so this is small however many
    rows came. `alike` where all rows that name a thing state the same members of it.
    """
    if thing.reference in LISTED:
        (name,) = thing.members
        return (
            f"SELECT id AS thing, CASE WHEN named OR name IS NOT NULL THEN {HAS_BIT[name.storage]} ELSE 0 END AS has, "
            # Twice in one list with two names: the first stays.
            f"stamp, name AS {name.storage} FROM (SELECT id, named, stamp, CASE WHEN named "
            f"THEN arg_min_null(name, position) ELSE arg_min(name, position) END AS name "
            f"FROM elements_{thing.name} WHERE id IS NOT NULL GROUP BY number, id, named, stamp)"
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
    same = ref if alike else f"{ref}, has & {members_mask(thing)}"
    return (
        f"SELECT staged.{ref} AS thing, has, {key} AS stamp, {', '.join(values)} FROM staged "
        f"JOIN (SELECT arg_max(seq, {key}) AS seq FROM staged WHERE {ref} IS NOT NULL GROUP BY {same}) "
        f"USING (seq) {' '.join(joins)}"
    )


def _shown(member: Member, value: str) -> str:
    """SQL for what a report shows where `value` is stored."""
    text = f"{value}::VARCHAR" if member.kind is Kind.CHOICE else value
    return f"coalesce({text}, {NEVER_SAID[member.storage]})" if member.storage in NEVER_SAID else text
