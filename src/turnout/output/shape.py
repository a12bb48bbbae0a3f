"""From stored rows to what a format writes: headers, nested rows, flat cells (contract sections 2.5 and 2.6)."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.types import Column, Kind
from turnout.query.instants import utc_text, zone_text
from turnout.query.plan import stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from turnout.query.plan import Plan
    from turnout.query.request import ReportRequest

Row = tuple[Any, ...]
Getter = "Callable[[Row], Any]"

# A spreadsheet runs a text that begins with one of these as a formula (contract section 2.6).
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def column_headers(request: ReportRequest) -> list[dict[str, Any]]:
    """The `column_headers` member, one object for each column of the answer."""
    levels = {level.column.key: (priority, level) for priority, level in enumerate(request.sort)}
    headers = []
    for column in request.columns:
        header: dict[str, Any] = {
            "label": column.label,
            "key": column.key,
            "sortable": column.sortable,
            "holds_customer_id": column.holds_customer_id,
            "required": column.required,
        }
        if column.key in levels:
            priority, level = levels[column.key]
            header["sorted"] = {"order": "desc" if level.descending else "asc", "priority": priority}
        headers.append(header)
    return headers


def nester(request: ReportRequest, plan: Plan) -> Callable[[Row], dict[str, Any]]:
    """A function from a row read by `plan` to the nested object of section 2.5."""
    at = {storage: index for index, storage in enumerate(plan.storages)}
    tree: dict[str, Any] = {}
    gates: dict[tuple[str, ...], int] = {}
    for column in request.columns:
        node = tree
        for depth, member in enumerate(column.path[:-1], start=1):
            node = node.setdefault(member, {})
            presence = request.report.group[".".join(column.path[:depth])].presence
            if presence:
                gates[column.path[:depth]] = at[presence]
        node[column.path[-1]] = _json_getter(request, column, at)
    return _object_getter(tree, (), gates)


def _object_getter(
    tree: dict[str, Any], path: tuple[str, ...], gates: dict[tuple[str, ...], int]
) -> Callable[[Row], Any]:
    members = tuple(
        (name, _object_getter(child, (*path, name), gates) if isinstance(child, dict) else child)
        for name, child in tree.items()
    )
    gate = gates.get(path)
    if gate is None:
        return lambda row: {name: get(row) for name, get in members}
    return lambda row: None if row[gate] is None else {name: get(row) for name, get in members}


def _json_getter(request: ReportRequest, column: Column, at: dict[str, int]) -> Callable[[Row], Any]:
    if column.kind is Kind.PEOPLE:
        ids, names = (at[storage] for storage in stored(column))
        return lambda row: [{"id": id_, "name": name} for id_, name in zip(row[ids], row[names], strict=True)]
    index = at[column.storage]
    if column.kind is Kind.INSTANT:
        write = instant_writer(request)
        return lambda row: None if row[index] is None else write(row[index])
    return itemgetter(index)


def instant_writer(request: ReportRequest) -> Callable[[datetime], str]:
    """How date-times are written: in UTC, or with the offset of the zone asked for."""
    zone = request.zone
    return utc_text if zone is None else lambda moment: zone_text(moment, zone)


def csv_header(request: ReportRequest) -> list[str]:
    """The header row: labels, or dotted keys."""
    return [column.label if request.csv.header == "label" else column.key for column in request.columns]


def csv_cells(request: ReportRequest, plan: Plan) -> Callable[[Row], list[Any]]:
    """A function from a row read by `plan` to its cells; None is an empty cell."""
    at = {storage: index for index, storage in enumerate(plan.storages)}
    getters = tuple(_cell_getter(request, column, at) for column in request.columns)
    return lambda row: [get(row) for get in getters]


def _cell_getter(request: ReportRequest, column: Column, at: dict[str, int]) -> Callable[[Row], Any]:
    text: Callable[[str], str] = _harmless if request.csv.escape else str
    if column.kind is Kind.PEOPLE:
        names = at[stored(column)[1]]
        return lambda row: text("; ".join(filter(None, row[names])))
    index = at[column.storage]
    match column.kind:
        case Kind.INSTANT:
            write = instant_writer(request)
            return lambda row: None if row[index] is None else write(row[index])
        case Kind.TEXT:
            return lambda row: None if row[index] is None else text(row[index])
        case Kind.BOOLEAN:
            return lambda row: None if row[index] is None else ("true" if row[index] else "false")
        case _:
            return itemgetter(index)


def _harmless(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA_STARTS) else text
