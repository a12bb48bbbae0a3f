"""What the page needs to know of the reports, as one of its modules: made of the catalogue, so that it is said once.

`COLUMNS` and `GROUPED` have, by key, the `kind` of a column's values, its other `name` and whether it is an extension;
where a value of it is one of a filter's, that `filter`, and the column `value` that has what the filter takes.
`LOOK_UPS` has the filters whose values can be looked up: their `choices`, the `kind` of their values where those are
parts of a time, whether they take `none` and are `named`, and the column `label` by which people know a value, where
there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED
from turnout.catalog.types import Kind, Op, Part, Value

if TYPE_CHECKING:
    from turnout.catalog.types import Column, Parameter, Report

NAME: Final = "catalogue.js"
_KINDS: Final = {
    Kind.INTEGER: "id",
    Kind.INSTANT: "instant",
    Kind.TEXT: "text",
    Kind.CHOICE: "choice",
    Kind.BOOLEAN: "boolean",
    Kind.PEOPLE: "people",
}
_PARTS: Final = {
    Part.WEEK_DAY: "weekday",
    Part.HOUR: "hour",
    Part.DATE: "day",
    Part.WEEK: "week",
    Part.MONTH: "month",
    Part.YEAR: "year",
}
_PERIODS: Final = (Part.DATE, Part.WEEK, Part.MONTH, Part.YEAR)


def catalogue_script() -> bytes:
    """The module."""
    told = {
        "COLUMNS": {column.key: _column(ATTENDANCES, column) for column in ATTENDANCES.columns},
        "GROUPED": {
            column.key: _column(ATTENDANCES_GROUPED, column)
            for column in ATTENDANCES_GROUPED.columns
            if not column.counts
        },
        "LOOK_UPS": {one.name: _look_up(one) for one in ATTENDANCES.parameters if one.listed},
    }
    return b"".join(
        b"export const %s = %s;\n" % (name.encode(), msgspec.json.encode(what)) for name, what in told.items()
    )


def _column(report: Report, column: Column) -> dict[str, Any]:
    kind = _PARTS[column.part] if column.part else _KINDS[column.kind]
    known = {"kind": kind, "name": column.other_name, "extension": column.extension}
    for parameter in report.parameters:
        if parameter.value is Value.TIMEFRAME and (parameter.storage == column.storage or column.part in _PERIODS):
            return {**known, "filter": parameter.name, **({"value": column.key} if column.part else {})}
        if column.part and (parameter.storage, parameter.part) == (column.of, column.part):
            return {**known, "filter": parameter.name, "value": column.key}
        if parameter.op is Op.ANY_OR_EMPTY and column.kind is Kind.PEOPLE:
            return {**known, "filter": parameter.name}
        if parameter.listed and column.storage == (parameter.label or parameter.storage):
            taken = _stored(report, parameter.storage)
            # Of the same thing: the name of a membership is not that of a customer's own instance of it.
            if taken and taken.path[:-1] == column.path[:-1]:
                return {**known, "filter": parameter.name, "value": taken.key}
    return known


def _look_up(parameter: Parameter) -> dict[str, Any]:
    label = _stored(ATTENDANCES, parameter.label)
    takes_none = parameter.op in (Op.IN_OR_NULL, Op.ANY_OR_EMPTY)
    return {
        "choices": parameter.choices,
        "kind": _PARTS[parameter.part] if parameter.part else None,
        "none": takes_none,
        "named": bool(parameter.label),
        "label": label.key if label else None,
    }


def _stored(report: Report, storage: str) -> Column | None:
    return next((column for column in report.columns if column.storage == storage), None)
