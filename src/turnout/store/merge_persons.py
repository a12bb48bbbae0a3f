"""What a merge may not say, and may not show, of persons: erased ones, and those of old rows (contract section 9).

What rows say of an erased person is taken out of them on their way in. So is what a row says that is older than the
provider's retention mark; and such a row shows nothing that was said of its person, whom newer rows may well show.
"""
# ruff: noqa: S608 - the names in the SQL come from the catalogue, and its values are integers

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from turnout.store.schema import AGE_BY, HAS_BIT, MINE, PERSON, PERSONAL, STAMP

if TYPE_CHECKING:
    from turnout.store.merge import Work

_WHO: Final = PERSON.reference
_SAID: Final = sum(HAS_BIT[member.storage] for member in PERSONAL)


@dataclass(frozen=True, slots=True)
class Hushed:
    """What was to be forgotten: how many rows name an erased person, by input; the mark, as `retention_mark`.

    `any` where something may have been taken out of rows.
    """

    met: dict[int, int]
    before: int | None = None
    any: bool = False


def hush(work: Work, input_of: str, *, only_count: bool) -> Hushed:
    """Take out of `staged` what its rows may not say.

    `input_of` is SQL for the number of a row's input. Every row that names an erased person counts, whatever becomes of
    it. Where they are `only_count`ed, nothing is taken out.
    """
    erased = f"SELECT {_WHO} FROM erased WHERE {MINE}"
    silent: list[str] = []
    met: dict[int, int] = {}
    if work.any(f"erased WHERE {MINE}"):
        counted = f"SELECT {input_of} AS input, count(*) FROM staged WHERE {_WHO} IN ({erased}) GROUP BY input"
        met = dict(work.rows(counted))
        silent.append(f"{_WHO} IN ({erased})")
    if only_count:
        return Hushed(met)
    before = retention_mark(work)
    if before is not None:
        silent.append(is_old("staged", before))
    if silent:
        nothing = ", ".join(f"{member.storage} = NULL" for member in PERSONAL)
        work.run(
            f"UPDATE staged SET has = has & {~_SAID}, {nothing} WHERE has & {_SAID} <> 0 AND ({' OR '.join(silent)})"
        )
    return Hushed(met, before, bool(silent))


def retention_mark(work: Work) -> int | None:
    """The provider's retention mark, in microseconds since 1970; None where it has none."""
    (mark,) = work.one(f"SELECT max(before) FROM retention WHERE {MINE}")
    return None if mark is None else int(mark)


def is_old(row: str, before: int) -> str:
    """SQL for whether a row, or an event, is older than the mark."""
    return f"{row}.{AGE_BY} < make_timestamp({before})"


def shown(member: str, column: str, event: str, before: int | None) -> str:
    """SQL for what a wide row shows in `column` of a personal member, with its person and event joined.

    What stands in place of an erased person's name was said by nobody, and stays.
    """
    value = f"{PERSON.name}.{column}"
    if before is None:
        return value
    return f"CASE WHEN NOT ({is_old(event, before)} AND {PERSON.name}.{member}{STAMP} IS NOT NULL) THEN {value} END"
