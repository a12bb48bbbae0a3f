"""Which values of a filter occur under all the others, and how many attendances have each: from a request to SQL.

The statement names its provider; every value is bound. Labels are those of the attendances that are counted, and never
of others of the same thing: who may not see an attendance learns no name from it.
"""
# ruff: noqa: S608 - names come from the catalogue, values are bound

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.attendances import THINGS
from turnout.catalog.look_ups import OF
from turnout.catalog.text import fold
from turnout.catalog.types import FOLDED, WEEK_DAYS, Op, Part
from turnout.errors import Faults
from turnout.query import values
from turnout.query.instants import load_zone
from turnout.query.raw import clean
from turnout.query.request import Reader, conditions_of, paging_of
from turnout.query.sql import TABLE, Builder, Statement, narrowing, part_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from turnout.catalog.types import Parameter, Report
    from turnout.query.dialect import Dialect
    from turnout.query.request import Condition, Scope
    from turnout.query.timeframe import Timeframe

_MOST: Final = 1 << 62
"""More values than this are nowhere, and an engine can count no further."""
_BESIDE: Final = 3
"""So many values stand before those of a page in a row of `look_up_statement`."""
_ORDER: Final = f"count DESC, label{FOLDED} NULLS LAST, label NULLS LAST, value"


@dataclass(frozen=True, slots=True)
class LookUp:
    """A checked request for a page of the values of the filter `of`. `search` is folded; '' finds every value."""

    scope: Scope
    of: Parameter
    conditions: tuple[Condition, ...]
    search: str
    limit: int
    offset: int
    timeframe: Timeframe | None
    zone: tzinfo
    """In which naive date-times and the timeframe were read."""
    ignored: tuple[str, ...]


def parse_look_up(
    report: Report, pairs: Iterable[tuple[str, str]], scope: Scope, *, now: int, lenient: bool = False
) -> LookUp:
    """Check a request whole. Raises `TurnoutError("parameter_invalid")` with every fault under its parameter."""
    faults = Faults()
    cleaned = clean(report.parameter, pairs, faults, lenient=lenient)
    reader = Reader(report, cleaned, faults)
    of = reader.choice(OF)
    if OF not in cleaned.texts and OF not in faults.fields:
        faults.add(OF, f"It is needed; the choices are: {', '.join(report.parameter[OF].choices)}.")
    zone = reader.one("timezone", lambda text, _: load_zone(text)) or scope.zone
    conditions, timeframe = conditions_of(reader, zone, scope, now, without=of)
    search = reader.one("search", lambda text, _: values.text(text))
    limit, offset = paging_of(reader)
    faults.raise_if_any()
    return LookUp(
        scope=scope,
        of=report.parameter[of or ""],
        conditions=conditions,
        search=fold(search or ""),
        limit=limit,
        offset=offset,
        timeframe=timeframe,
        zone=zone,
        ignored=cleaned.ignored,
    )


def look_up_statement(asked: LookUp, dialect: Dialect) -> Statement:
    """How many values there are, how many attendances have none, and a page of them, in one pass over the attendances.

    Each row has these two numbers, whether a value follows in it (which is so in all rows but a single one without a
    page), and the value, its label and its count.
    """
    builder = Builder(dialect)
    counted = _counted(builder, asked)
    named = _named(builder, asked)
    found = f"label{FOLDED}"
    where = "value IS NOT NULL"
    if asked.search:
        where += f" AND strpos(coalesce({found}, value::VARCHAR), {builder.bind(asked.search)}) > 0"
    total = "SELECT count(*) FROM named"
    missing = "SELECT coalesce(sum(count), 0)::BIGINT FROM counted WHERE value IS NULL"
    page = f"SELECT true AS there, * FROM named ORDER BY {_ORDER} LIMIT {asked.limit} OFFSET {min(asked.offset, _MOST)}"
    return Statement(
        f"WITH counted AS MATERIALIZED ({counted}), named AS MATERIALIZED (SELECT * FROM {named} WHERE {where}) "
        f"SELECT ({total}) AS total, ({missing}) AS missing, coalesce(there, false), value, label, count "
        f"FROM (SELECT 1) AS once LEFT JOIN ({page}) AS page ON true ORDER BY {_ORDER}",
        tuple(builder.values),
    )


def values_of(rows: list[tuple[Any, ...]]) -> tuple[int, int, list[tuple[Any, ...]]]:
    """What `look_up_statement` found: how many values, how many attendances without one, and those of the page."""
    total, missing, *_ = rows[0]
    return total, missing, [row[_BESIDE:] for row in rows if row[_BESIDE - 1]]


def _counted(builder: Builder, asked: LookUp) -> str:
    """SQL for the values and how many attendances have each; with the labels, where attendances have them."""
    of = asked.of
    where = narrowing(builder, asked)
    if _is_list(of):
        each = f"SELECT {builder.dialect.each(of.storage)} AS value FROM {TABLE} WHERE {where}"
        return f"SELECT value, count(*) AS count FROM ({each}) AS listed GROUP BY 1"
    columns = (of.label, of.label + FOLDED)
    labels = ", ".join(builder.dialect.any_of_group(one) if of.label else "NULL::VARCHAR" for one in columns)
    label, folded = labels.split(", ")
    value = _value(builder.dialect, of)
    return (
        f"SELECT {value} AS value, {label} AS label, {folded} AS label{FOLDED}, count(*) AS count "
        f"FROM {TABLE} WHERE {where} GROUP BY 1"
    )


def _value(dialect: Dialect, of: Parameter) -> str:
    """SQL for the value of an attendance, as the filter takes it."""
    found = part_of(dialect, of.storage, of.part)
    return dialect.nth(WEEK_DAYS, found) if of.part is Part.WEEK_DAY else found


def _named(builder: Builder, asked: LookUp) -> str:
    """SQL for what of `counted` is listed. The names of a list are the things' own."""
    of = asked.of
    if not _is_list(of):
        return "counted"
    (thing,) = (thing.name for thing in THINGS if thing.reference == of.storage)
    provider = builder.bind(asked.scope.provider_id)
    return (
        f"(SELECT value, {of.label} AS label, {of.label}{FOLDED} AS label{FOLDED}, count FROM counted "
        f"LEFT JOIN {thing} ON {thing}.provider_id = {provider} AND {thing}.id = value) AS named"
    )


def _is_list(of: Parameter) -> bool:
    return of.op is Op.ANY_OR_EMPTY
