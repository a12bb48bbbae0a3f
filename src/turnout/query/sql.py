"""From a plan to statements. Every statement names its provider; every value is bound.

A statement reads only the columns asked for: over all of them even an empty table costs
1.75 ms (docs/adr/0001-duckdb.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from turnout.catalog.attendances import LOCAL_START
from turnout.catalog.types import FOLDED, Op, Part
from turnout.query.plan import as_moment
from turnout.query.request import Condition
from turnout.query.window import DEEP_OFFSET, WHOLE, has_windows, step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from turnout.query.dialect import Dialect
    from turnout.query.plan import OrderKey, Plan
    from turnout.query.request import Scope
    from turnout.query.window import Window

TABLE: Final = "attendances"
KEPT: Final = "change"
"""The table of how many rows each provider has, where the store keeps that (`Dialect.keeps_totals`)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with placeholders, as its dialect has them, and their values in order."""

    sql: str
    values: tuple[Any, ...]


class Narrowed(Protocol):
    """Which attendances are meant: a `Plan`, or what else has a scope and conditions."""

    @property
    def scope(self) -> Scope: ...

    @property
    def conditions(self) -> tuple[Condition, ...]: ...


class Builder:
    """Collects the values in the order of their placeholders."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.values: list[Any] = []

    def bind(self, value: Any, *, instant: bool = False) -> str:
        moment = as_moment(value) if instant else None
        self.values.append(value if moment is None else moment)
        placeholder = self.dialect.placeholder(len(self.values))
        # A function is worked out while a statement is planned, which takes about as long as the planning of a column.
        return self.dialect.moment(placeholder) if instant and moment is None else placeholder


def page_statement(plan: Plan, window: Window = WHOLE) -> Statement:
    """One page and the row after it, as far as they are in the window, in the direction of reading.

    Where many rows are passed over or sorted, choosing the rows first and then reading their wide columns is faster
    than carrying those through the sort: 213 against 500 ms at offset 500,000 of DuckDB; 11 against 17 ms for the
    first 100 by name of 20,000 of PostgreSQL.
    """
    builder, dialect = Builder(plan.dialect), plan.dialect
    columns = ", ".join(plan.storages)
    order = order_by(plan.order, reverse=plan.backwards)
    offset = plan.offset - window.skipped
    page = f"LIMIT {plan.limit + 1} OFFSET {offset}" if offset else f"LIMIT {plan.limit + 1}"
    if offset < DEEP_OFFSET and not dialect.chooses_first(plan.order):
        where = _where(builder, plan, window)
        return Statement(f"SELECT {columns} FROM {TABLE} WHERE {where} ORDER BY {order} {page}", tuple(builder.values))
    provider = _provider(builder, plan.scope)
    chosen = f"SELECT {dialect.row} FROM {TABLE} WHERE {_where(builder, plan, window)} ORDER BY {order} {page}"
    sql = f"SELECT {columns} FROM {TABLE} WHERE {provider} AND {dialect.among(chosen)} ORDER BY {order}"
    return Statement(sql, tuple(builder.values))


def all_statement(plan: Plan) -> Statement:
    """Every row of the plan, in its order, whatever its page."""
    builder = Builder(plan.dialect)
    where = _where(builder, plan)
    order = order_by(plan.order, reverse=False)
    return Statement(
        f"SELECT {', '.join(plan.storages)} FROM {TABLE} WHERE {where} ORDER BY {order}", tuple(builder.values)
    )


def marks_statement(plan: Plan, one_in: int) -> Statement:
    """About one in so many rows of the report, picked by a hash of their ids: their places, in its order."""
    builder = Builder(plan.dialect)
    keys = ", ".join(key.storage for key in plan.order if not key.storage.endswith(FOLDED))
    where = f"{narrowing(builder, plan)} AND {plan.dialect.one_in(builder.bind(one_in))}"
    order = order_by(plan.order, reverse=False)
    return Statement(f"SELECT {keys} FROM {TABLE} WHERE {where} ORDER BY {order}", tuple(builder.values))


def span_statement(plan: Plan, start: tuple[Any, ...] | None, end: tuple[Any, ...] | None) -> Statement:
    """The rows of the report from a place on, itself included, up to another, in its order; None is open."""
    builder = Builder(plan.dialect)
    parts = [narrowing(builder, plan)]
    if start is not None:
        parts.append(beyond(builder, plan.order, start, reverse=False, itself=True))
    if end is not None:
        parts.append(beyond(builder, plan.order, end, reverse=True))
    columns, order = ", ".join(plan.storages), order_by(plan.order, reverse=False)
    return Statement(
        f"SELECT {columns} FROM {TABLE} WHERE {' AND '.join(parts)} ORDER BY {order}", tuple(builder.values)
    )


def extent_statement(plan: Plan) -> Statement:
    """How many rows match, whatever the page, and where windows can be made the ends of the first order key."""
    builder = Builder(plan.dialect)
    if plan.dialect.keeps_totals and _is_nearly_whole(plan):
        return _kept_statement(builder, plan)
    key = plan.order[0].storage
    found = f"{plan.dialect.count}, min({key}), max({key})" if has_windows(plan) else plan.dialect.count
    return Statement(f"SELECT {found} FROM {TABLE} WHERE {narrowing(builder, plan)}", tuple(builder.values))


def _is_nearly_whole(plan: Plan) -> bool:
    """Whether a report has all rows of its provider, or all but those of events that start after an instant."""
    only_until = all(one.op is Op.UNTIL and one.storage == LOCAL_START.of for one in plan.conditions)
    return plan.scope.instructor_id is None and only_until and len(plan.conditions) <= 1


def _kept_statement(builder: Builder, plan: Plan) -> Statement:
    """How many rows a provider has, as the store keeps that, less those that come later: few, and in an index."""
    whole = f"SELECT coalesce(sum({TABLE}), 0)::BIGINT FROM {KEPT} WHERE {_provider(builder, plan.scope)}"
    if not plan.conditions:
        return Statement(whole, tuple(builder.values))
    (condition,) = plan.conditions
    later = f"{_provider(builder, plan.scope)} AND {condition.storage} > {builder.bind(condition.value, instant=True)}"
    return Statement(f"SELECT ({whole}) - count(*) FROM {TABLE} WHERE {later}", tuple(builder.values))


def count_statement(plan: Plan, window: Window = WHOLE) -> Statement:
    """How many rows match and are in the window, whatever the page."""
    builder = Builder(plan.dialect)
    where = f"{narrowing(builder, plan)}{_within(builder, plan, window)}"
    return Statement(f"SELECT {plan.dialect.count} FROM {TABLE} WHERE {where}", tuple(builder.values))


def follows_statement(plan: Plan, position: tuple[Any, ...]) -> Statement:
    """One row where any row of the report comes after `position`, else none."""
    builder = Builder(plan.dialect)
    where = narrowing(builder, plan)
    after = beyond(builder, plan.order, position, reverse=False)
    return Statement(f"SELECT 1 FROM {TABLE} WHERE {where} AND {after} LIMIT 1", tuple(builder.values))


def any_statement(provider_id: int, dialect: Dialect) -> Statement:
    """One row where the provider has any, else none."""
    return Statement(f"SELECT 1 FROM {TABLE} WHERE provider_id = {dialect.placeholder(1)} LIMIT 1", (provider_id,))


def listing_statement(provider_id: int, after: int, most: int, dialect: Dialect) -> Statement:
    """The ids that follow `after`, in their order, each with its `updated_at` in microseconds since 1970."""
    first, second, third = map(dialect.placeholder, (1, 2, 3))
    listed = f"SELECT id, {dialect.micros('updated_at')} FROM {TABLE} WHERE provider_id = {first} AND id > {second}"
    return Statement(f"{listed} ORDER BY id LIMIT {third}", (provider_id, after, most))


def next_statement(provider_id: int, storage: str, now: int, dialect: Dialect) -> Statement:
    """The least value of a column of instants after `now`, over all of a provider's rows; null where there is none."""
    builder = Builder(dialect)
    after = f"provider_id = {builder.bind(provider_id)} AND {storage} > {builder.bind(now, instant=True)}"
    return Statement(f"SELECT min({storage}) FROM {TABLE} WHERE {after}", tuple(builder.values))


def _provider(builder: Builder, scope: Scope) -> str:
    return f"provider_id = {builder.bind(scope.provider_id)}"


def _where(builder: Builder, plan: Plan, window: Window = WHOLE) -> str:
    where = narrowing(builder, plan) + _within(builder, plan, window)
    if plan.position is None:
        return where
    return f"{where} AND {beyond(builder, plan.order, plan.position, reverse=plan.backwards)}"


def _within(builder: Builder, plan: Plan, window: Window) -> str:
    """The window's bounds, each with an AND before it."""
    key = plan.order[0]
    up = key.descending == plan.backwards
    parts = []
    for bound, sign in ((window.start, ">=" if up else "<="), (window.end, "<" if up else ">")):
        if bound is not None:
            parts.append(f" AND {key.storage} {sign} {builder.bind(step(plan, bound), instant=key.instant)}")
    return "".join(parts)


def narrowing(builder: Builder, plan: Narrowed) -> str:
    """SQL for the provider, the instructor's own rows where the role is limited to them, and the filters."""
    parts = [_provider(builder, plan.scope)]
    conditions: Iterable[Condition] = plan.conditions
    if plan.scope.instructor_id is not None:
        conditions = (Condition(Op.ANY_OR_EMPTY, "instructor_ids", (plan.scope.instructor_id,)), *conditions)
    parts += (_condition(builder, condition) for condition in conditions)
    return " AND ".join(parts)


def _condition(builder: Builder, condition: Condition) -> str:  # noqa: PLR0911 - one return for each operator
    column, value = part_of(builder.dialect, condition.storage, condition.part), condition.value
    match condition.op:
        case Op.IN:
            return f"{column} IN ({_bound(builder, value)})"
        case Op.IN_OR_NULL:
            present = [one for one in value if one is not None]
            some = f"{column} IN ({_bound(builder, present)})" if present else None
            return _or(some, f"{column} IS NULL" if None in value else None)
        case Op.ANY_OR_EMPTY:
            present = [one for one in value if one is not None]
            some = builder.dialect.has_any(column, _bound(builder, present)) if present else None
            return _or(some, builder.dialect.is_empty(column) if None in value else None)
        case Op.GREATER:
            return f"{column} > {builder.bind(value)}"
        case Op.FROM:
            return f"{column} >= {builder.bind(value, instant=True)}"
        case Op.UNTIL:
            return f"{column} <= {builder.bind(value, instant=True)}"
        case Op.WITHIN:
            start, end = value
            parts = [] if start is None else [f"{column} >= {builder.bind(start, instant=True)}"]
            parts += [] if end is None else [f"{column} < {builder.bind(end, instant=True)}"]
            return " AND ".join(parts) or "true"
        case Op.NOT_FUTURE:
            raise AssertionError("NOT_FUTURE is resolved to UNTIL when the request is read")


def part_of(dialect: Dialect, storage: str, part: Part | None) -> str:
    """SQL for what is stored, or for the part of it that is meant: a day of the week, of which Monday is 1; an hour."""
    match part:
        case Part.WEEK_DAY:
            return dialect.week_day(storage)
        case Part.HOUR:
            return dialect.hour(storage)
        case None:
            return storage
        case _:
            raise AssertionError(f"no filter is of the {part}")


def _bound(builder: Builder, values: Iterable[Any]) -> str:
    return ", ".join(builder.bind(value) for value in values)


def _or(*alternatives: str | None) -> str:
    return "(" + " OR ".join(alternative for alternative in alternatives if alternative) + ")"


def order_by(order: Iterable[OrderKey], *, reverse: bool) -> str:
    """SQL for an order.

    `NULLS` is said only where there can be some: the word alone keeps an engine from using its order.
    """
    parts = []
    for key in order:
        descending = key.descending != reverse
        nulls = f" NULLS {'FIRST' if reverse else 'LAST'}" if key.nullable else ""
        parts.append(f"{key.storage}{' DESC' if descending else ''}{nulls}")
    return ", ".join(parts)


def beyond(
    builder: Builder, order: tuple[OrderKey, ...], position: tuple[Any, ...], *, reverse: bool, itself: bool = False
) -> str:
    """SQL for the rows after `position` in the order (before it, where reversed), with the one at it where `itself`.

    For keys a, b, c: `a past OR (a same AND (b past OR (b same AND c past)))`. A bound on the first key alone is put
    in front, so that the engine can pass over blocks by their minimum and maximum; `a same` then goes without saying.
    """
    first, value = order[0], position[0]
    guard = ""
    if not first.nullable:
        sign = "<" if first.descending != reverse else ">"
        guard = f"{first.storage} {sign}= {builder.bind(value, instant=first.instant)} AND "
    found = _lexicographic(builder, order, position, reverse=reverse, itself=itself, guarded=bool(guard))
    return f"{guard}({found})"


def _lexicographic(
    builder: Builder,
    order: tuple[OrderKey, ...],
    position: tuple[Any, ...],
    *,
    reverse: bool,
    itself: bool,
    guarded: bool = False,
) -> str:
    key, value = order[0], position[0]
    past = _past(builder, key, value, reverse=reverse)
    if len(order) == 1 and not itself:
        return past or "false"
    same = ""
    if not guarded:
        same = (
            f"{key.storage} IS NULL" if value is None else f"{key.storage} = {builder.bind(value, instant=key.instant)}"
        )
    rest = "true"
    if len(order) > 1:
        rest = _lexicographic(builder, order[1:], position[1:], reverse=reverse, itself=itself)
    if guarded:
        return f"{past} OR {rest}"
    both = f"({same} AND ({rest}))"
    return f"{past} OR {both}" if past else both


def _past(builder: Builder, key: OrderKey, value: Any, *, reverse: bool) -> str | None:
    """The condition that one key alone is past the value; None where nothing can be. Missing values come last."""
    if value is None:
        return f"{key.storage} IS NOT NULL" if reverse else None
    sign = "<" if key.descending != reverse else ">"
    beyond = f"{key.storage} {sign} {builder.bind(value, instant=key.instant)}"
    return f"({beyond} OR {key.storage} IS NULL)" if key.nullable and not reverse else beyond
