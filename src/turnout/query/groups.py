"""From a grouped plan to statements: attendances become groups, once for their total and a page of them.

Every statement names its provider; every value is bound. A group has its attributes and counts under the names of
their columns, but numbers under those of its order that columns are the texts of; and the folded texts that the order
compares. Those follow from the texts themselves, so that the first one that comes is that of the whole group.
"""
# ruff: noqa: S608 - names come from the catalogue, values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.attendances import LOCAL_START
from turnout.catalog.types import WEEK_DAYS, Part
from turnout.query.pivot import MONDAY, with_periods
from turnout.query.plan import plan
from turnout.query.sql import TABLE, Builder, Statement, beyond, narrowing, order_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.catalog.types import Column
    from turnout.query.dialect import Dialect
    from turnout.query.plan import Grouping, Plan
    from turnout.query.request import ReportRequest

_MOST: Final = 1 << 62
"""More groups than this are nowhere, and an engine can count no further."""
_FORMS: Final = {Part.DATE: "%Y-%m-%d", Part.WEEK: "%Y-%m-%d", Part.MONTH: "%Y-%m", Part.YEAR: "%Y"}
_BESIDE: Final = 3
"""So many values stand before those of a group in a row of `groups_statement`."""


def days_statement(plan: Plan) -> Statement:
    """The days of the oldest and the newest attendance that matches, counted from 1970; null where there is none."""
    builder = Builder(plan.dialect)
    days = ", ".join(plan.dialect.day_number(f"{end}({LOCAL_START.day})") for end in ("min", "max"))
    return Statement(f"SELECT {days} FROM {TABLE} WHERE {narrowing(builder, plan)}", tuple(builder.values))


def settled(
    request: ReportRequest, read: Callable[[Statement], list[tuple[Any, ...]]], dialect: Dialect
) -> ReportRequest:
    """The request with the columns that only the data tells: the periods of its pivot, if it has one."""
    if request.pivot is None:
        return request
    ((oldest, newest),) = read(days_statement(plan(request, dialect)))
    return with_periods(request, oldest, newest)


def groups_statement(plan: Plan) -> Statement:
    """How many groups there are, and a page of them with the one after it, in the direction of reading.

    Each row has the number of groups, the number of those that lie in the direction of reading, and whether a group
    follows in it, which is so in all rows but a single one without a page.
    """
    builder = Builder(plan.dialect)
    groups = _groups(builder, plan)
    ahead = f" FILTER (WHERE {_beyond(builder, plan)})" if plan.position else ""
    counted = f"SELECT count(*) AS total, count(*){ahead} AS ahead FROM groups"
    where = f"WHERE {_beyond(builder, plan)} " if plan.position else ""
    order = f"ORDER BY {order_by(plan.order, reverse=plan.backwards)} " if plan.order else ""
    size = f"LIMIT {plan.limit + 1 if plan.limit else 0} OFFSET {min(plan.offset, _MOST)}"
    compared = "".join(f", {key.storage}" for key in plan.order if key.storage not in plan.storages)
    page = f"SELECT true AS there, {_values(plan)}{compared} FROM groups {where}{order}{size}"
    sql = (
        f"WITH groups AS MATERIALIZED ({groups}) SELECT total, ahead, coalesce(there, false), "
        f"{', '.join(plan.storages)} FROM ({counted}) AS counted LEFT JOIN ({page}) AS page ON true {order}"
    )
    return Statement(sql.rstrip(), tuple(builder.values))


def page_of(rows: list[tuple[Any, ...]]) -> tuple[int, int, list[tuple[Any, ...]]]:
    """What `groups_statement` found: how many groups, how many in the direction of reading, and those of the page."""
    total, ahead, *_ = rows[0]
    return total, ahead, [row[_BESIDE:] for row in rows if row[_BESIDE - 1]]


def every_group_statement(plan: Plan) -> Statement:
    """Every group, in the plan's order."""
    builder = Builder(plan.dialect)
    order = f" ORDER BY {order_by(plan.order, reverse=False)}" if plan.order else ""
    sql = f"SELECT {_values(plan)} FROM ({_groups(builder, plan)}) AS groups{order}"
    return Statement(sql, tuple(builder.values))


def total_statement(plan: Plan) -> Statement:
    """How many groups there are."""
    builder = Builder(plan.dialect)
    return Statement(f"SELECT count(*) FROM ({_groups(builder, plan)}) AS groups", tuple(builder.values))


def _beyond(builder: Builder, plan: Plan) -> str:
    return beyond(builder, plan.order, plan.position or (), reverse=plan.backwards)


def _groups(builder: Builder, plan: Plan) -> str:
    """SQL for the groups, with all that a row and the order need.

    With periods, what is older than all of them is counted apart: most attendances are, and need not be compared with
    each period.
    """
    grouping = _grouping(plan)
    unshown = [f"0 AS {storage}" for storage in grouping.unshown]
    if not grouping.periods:
        return _counted(builder, plan, unshown)
    values = [
        *(_name(column) for column in grouping.attributes),
        *(f"{plan.dialect.any_of_group(storage)} AS {storage}" for storage in grouping.folded),
        *(f"sum({storage})::BIGINT AS {storage}" for storage in ("count", *(p.storage for p in grouping.periods))),
        *unshown,
    ]
    first = grouping.periods[0].first_day
    older = _counted(builder, plan, [f"0 AS {period.storage}" for period in grouping.periods], before=first)
    ends = [*(period.first_day for period in grouping.periods[1:]), None]
    split = [
        f"count(*) FILTER (WHERE {_within(builder, period.first_day, end)}) AS {period.storage}"
        for period, end in zip(grouping.periods, ends, strict=True)
    ]
    newer = _counted(builder, plan, split, since=first)
    return f"SELECT {', '.join(values)} FROM ({older} UNION ALL {newer}) AS parts {_by(grouping, 'sum(count)')}"


def _counted(
    builder: Builder, plan: Plan, more: list[str], *, since: int | None = None, before: int | None = None
) -> str:
    """SQL for the groups of the attendances of days from `since` to before `before`."""
    grouping = _grouping(plan)
    values = [
        *(_attribute(column, plan) for column in grouping.attributes),
        *(f"{plan.dialect.any_of_group(storage)} AS {storage}" for storage in grouping.folded),
        "count(*) AS count",
        *more,
    ]
    where = " AND ".join(filter(None, (narrowing(builder, plan), _within(builder, since, before))))
    return f"SELECT {', '.join(values)} FROM {TABLE} WHERE {where} {_by(grouping, 'count(*)')}".rstrip()


def _grouping(plan: Plan) -> Grouping:
    if plan.grouping is None:
        raise AssertionError("the report is not grouped")
    return plan.grouping


def _by(grouping: Grouping, count: str) -> str:
    """The groups that nothing is in are none; they can only be those of no attributes at all."""
    numbers = ", ".join(str(n) for n in range(1, len(grouping.attributes) + 1))
    return f"GROUP BY {numbers}" if numbers else f"HAVING {count} > 0"


def _name(column: Column) -> str:
    """What the attribute is called that groups are told apart by."""
    return column.order_by[0] if column.of else column.storage


def _attribute(column: Column, plan: Plan) -> str:
    """SQL for it, of an attendance."""
    return f"{_number(column, plan)} AS {_name(column)}" if column.of else column.storage


def _number(column: Column, plan: Plan) -> str:
    """SQL for a number, of an attendance: a day of the provider's week, a minute, or the first day of a period."""
    first, day = WEEK_DAYS.index(plan.scope.week_start), plan.dialect.day_number(column.of)
    match column.part:
        case Part.WEEK_DAY:
            return f"({plan.dialect.week_day(column.of)} + {6 - first}) % 7"
        case Part.HOUR:
            return plan.dialect.hour(column.of)
        case Part.DATE:
            return day
        case Part.WEEK:
            return f"({day}) - ((({day}) + {MONDAY - first}) % 7 + 7) % 7"
        case Part.MONTH | Part.YEAR:
            return plan.dialect.first_day(column.of, column.part)
        case None:
            return column.of


def _values(plan: Plan) -> str:
    """SQL for the values of `plan.storages`, of a group."""
    texts = {column.storage: _text(column, plan) for column in _grouping(plan).attributes if column.of}
    return ", ".join(f"{texts[one]} AS {one}" if one in texts else one for one in plan.storages)


def _text(column: Column, plan: Plan) -> str:
    """SQL for the value of a column by its number."""
    number, first = _name(column), WEEK_DAYS.index(plan.scope.week_start)
    match column.part:
        case None:
            return plan.dialect.clock(number)
        case Part.WEEK_DAY:
            return plan.dialect.nth(WEEK_DAYS[first:] + WEEK_DAYS[:first], f"{number} + 1")
        case Part.HOUR:
            return f"{number}::BIGINT"
        case Part.WEEK if first == 0:
            return plan.dialect.written(number, "%G-W%V")
        case _:
            return plan.dialect.written(number, _FORMS[column.part])


def _within(builder: Builder, since: int | None, before: int | None) -> str:
    """SQL for whether an attendance is of a day from `since` to before `before`."""
    bounds = ((sign, day) for sign, day in ((">=", since), ("<", before)) if day is not None)
    return " AND ".join(f"{LOCAL_START.day} {sign} {builder.dialect.day(builder.bind(day))}" for sign, day in bounds)
