"""How the engines' SQL differs. What is not here is written the same for each of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.query.plan import OrderKey


class Dialect(Protocol):
    """Pieces of SQL. A *placeholder* stands for a bound value."""

    def placeholder(self, number: int) -> str:
        """The placeholder of the value with this number, counted from 1 in the order in which they are bound."""
        ...

    def moment(self, micros: str) -> str:
        """The timestamp of so many microseconds since 1970."""
        ...

    def micros(self, moment: str) -> str:
        """The other way round."""
        ...

    def is_empty(self, ids: str) -> str:
        """Whether a list of ids has none."""
        ...

    def has_any(self, ids: str, placeholders: str) -> str:
        """Whether a list of ids has one of those that are bound."""
        ...

    def among(self, chosen: str) -> str:
        """Whether a row is one of those that `chosen` selects, whose `row` it selects."""
        ...

    @property
    def row(self) -> str:
        """What tells the rows of one provider apart, and finds them quickly."""
        ...

    def chooses_first(self, order: Sequence[OrderKey]) -> bool:
        """Whether a page in this order is found quicker where its rows are chosen before they are read."""
        ...

    @property
    def windows(self) -> bool:
        """Whether a page is found quicker in a window (`window`); not where an index has the order."""
        ...

    @property
    def keeps_totals(self) -> bool:
        """Whether the store keeps how many rows each provider has, because counting them takes long."""
        ...

    @property
    def count(self) -> str:
        """How many rows there are, 0 where there is none."""
        ...

    def one_in(self, number: str) -> str:
        """Whether a row belongs to a sample of about one in so many."""
        ...

    def any_of_group(self, column: str) -> str:
        """The value of a column that is the same in the whole group, wherever it is not null."""
        ...

    def each(self, ids: str) -> str:
        """The ids of a list, each in a row of its own; one null where it has none."""
        ...

    def day_number(self, day: str) -> str:
        """A stored day, counted from 1970-01-01."""
        ...

    def day(self, number: str) -> str:
        """The other way round."""
        ...

    def week_day(self, day: str) -> str:
        """The day of the week of a stored day: Monday is 1, Sunday 7."""
        ...

    def first_day(self, day: str, unit: str) -> str:
        """The first day of the `month` or `year` of a stored day, counted from 1970-01-01."""
        ...

    def written(self, number: str, form: str) -> str:
        """The text of a day that is counted from 1970-01-01, in a form made of `%Y %m %d`, or `%G %V`."""
        ...

    def nth(self, texts: Sequence[str], number: str) -> str:
        """One of the texts by its number, from 1 on. None of them has a quote."""
        ...

    def hour(self, minute: str) -> str:
        """The hour that a minute of the day is in."""
        ...

    def clock(self, minute: str) -> str:
        """The text HH:MM of a minute of the day."""
        ...


_DAY_0: Final = "'1970-01-01'::DATE"
# Years before 1 are written in another way; after so many years, and days, the calendar repeats itself.
_CYCLE: Final = 400
_CYCLE_DAYS: Final = 146_097


class _DuckDb:
    """DuckDB 2.0."""

    row = "rowid"
    windows = True
    keeps_totals = False
    # Of a bare count the engine first sees whether it knows it without reading. It looks at each column of each group
    # of rows, of all providers: 0.4 to 0.8 ms in 10,000,000 rows, for an answer that it does not have. Where there is
    # one provider it may have it: that of 1,000,000 rows costs 0.2 ms more this way.
    count = "greatest(count(*), min(0))"

    def placeholder(self, number: int) -> str:  # noqa: ARG002 - they are told apart by their order
        return "?"

    def moment(self, micros: str) -> str:
        return f"make_timestamp({micros})"

    def micros(self, moment: str) -> str:
        return f"epoch_us({moment})"

    def is_empty(self, ids: str) -> str:
        # Not `= []`: that would need a cast of the empty list.
        return f"len({ids}) = 0"

    def has_any(self, ids: str, placeholders: str) -> str:
        return f"list_has_any({ids}, [{placeholders}]::BIGINT[])"

    def among(self, chosen: str) -> str:
        return f"rowid IN ({chosen})"

    def chooses_first(self, order: Sequence[OrderKey]) -> bool:  # noqa: ARG002 - it does so by itself
        return False

    def one_in(self, number: str) -> str:
        return f"hash(id) % {number} = 0"

    def any_of_group(self, column: str) -> str:
        return f"any_value({column})"

    def each(self, ids: str) -> str:
        return f"unnest(CASE WHEN {self.is_empty(ids)} THEN [NULL]::BIGINT[] ELSE {ids} END)"

    def day_number(self, day: str) -> str:
        return f"{day} - {_DAY_0}"

    def day(self, number: str) -> str:
        return f"{_DAY_0} + {number}::INTEGER"

    def week_day(self, day: str) -> str:
        return f"isodow({day})"

    def first_day(self, day: str, unit: str) -> str:
        return self.day_number(f"date_trunc('{unit}', {day})::DATE")

    def written(self, number: str, form: str) -> str:
        return f"strftime({self.day(number)}, '{form}')"

    def nth(self, texts: Sequence[str], number: str) -> str:
        return f"list_extract([{', '.join(map(_quoted, texts))}], {number})"

    def hour(self, minute: str) -> str:
        return f"{minute} // 60"

    def clock(self, minute: str) -> str:
        return f"printf('%02d:%02d', {self.hour(minute)}, {minute} % 60)"


class _Postgres:
    """PostgreSQL 15 and later."""

    row = "id"
    windows = False
    keeps_totals = True
    count = "count(*)"

    def placeholder(self, number: int) -> str:
        return f"${number}"

    def moment(self, micros: str) -> str:
        return f"('1970-01-01'::TIMESTAMP + {micros}::BIGINT * '1 microsecond'::INTERVAL)"

    def micros(self, moment: str) -> str:
        return f"(extract(epoch FROM {moment}) * 1000000)::BIGINT"

    def is_empty(self, ids: str) -> str:
        return f"cardinality({ids}) = 0"

    def has_any(self, ids: str, placeholders: str) -> str:
        return f"{ids} && ARRAY[{placeholders}]::BIGINT[]"

    def among(self, chosen: str) -> str:
        # An array: the planner then looks each row up by its key, and does not read the whole provider.
        return f"id = ANY (ARRAY({chosen}))"

    def chooses_first(self, order: Sequence[OrderKey]) -> bool:
        # What no index has in this order (`store.postgres_schema`) is sorted, and would be carried through that as wide
        # as it is. Of rows that start together there are few to sort, of those that were imported together very many.
        first, *others = order
        if first.storage == "updated_at":
            return [(key.storage, key.descending) for key in others[:1]] != [("id", first.descending)]
        return first.storage not in {"event_starts_at", "id"}

    def one_in(self, number: str) -> str:
        return f"mod(hashint8(id)::BIGINT & 2147483647, {number}) = 0"

    def any_of_group(self, column: str) -> str:
        return f"min({column})"

    def each(self, ids: str) -> str:
        return f"unnest(CASE WHEN {self.is_empty(ids)} THEN ARRAY[NULL]::BIGINT[] ELSE {ids} END)"

    # Days are stored as their numbers: drivers know no date of the years before 1 or after 9999.
    def day_number(self, day: str) -> str:
        return day

    def day(self, number: str) -> str:
        return f"{number}::INTEGER"

    def week_day(self, day: str) -> str:
        return f"((({day} + 3) % 7 + 7) % 7 + 1)"

    def first_day(self, day: str, unit: str) -> str:
        return f"(date_trunc('{unit}', ({_DAY_0} + {day})::TIMESTAMP)::DATE - {_DAY_0})"

    def written(self, number: str, form: str) -> str:
        day = f"{_DAY_0} + {number} + {_CYCLE_DAYS}"
        parts = {name: f"to_char({day}, '{pattern}')" for name, pattern in (("%m", "MM"), ("%d", "DD"), ("%V", "IW"))}
        for name, field in (("%Y", "year"), ("%G", "isoyear")):
            year = f"(extract({field} FROM {day})::INTEGER - {_CYCLE})::TEXT"
            parts[name] = f"lpad({year}, greatest(length({year}), 4), '0')"
        pieces = (piece for piece in re.split("(%.)", form) if piece)
        return f"({' || '.join(parts.get(piece) or _quoted(piece) for piece in pieces)})"

    def nth(self, texts: Sequence[str], number: str) -> str:
        return f"(ARRAY[{', '.join(map(_quoted, texts))}])[{number}]"

    def hour(self, minute: str) -> str:
        return f"({minute} / 60)"

    def clock(self, minute: str) -> str:
        return f"(lpad({self.hour(minute)}::TEXT, 2, '0') || ':' || lpad(({minute} % 60)::TEXT, 2, '0'))"


def _quoted(text: str) -> str:
    return f"'{text}'"


DUCKDB: Final[Dialect] = _DuckDb()
POSTGRES: Final[Dialect] = _Postgres()
