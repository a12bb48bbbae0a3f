"""From stored rows to what a format writes: headers, nested rows, flat cells (contract sections 2.5 and 2.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.types import Column, Kind
from turnout.query.instants import utc_text, zone_text
from turnout.query.plan import stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, tzinfo
    from types import CodeType

    from turnout.catalog.types import Report
    from turnout.query.plan import Plan
    from turnout.query.request import ReportRequest

Row = tuple[Any, ...]

# A spreadsheet runs a text that begins with one of these as a formula (contract section 2.6).
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
ENDS_LINE: Final = "\r\n"
"""What ends a row of CSV (RFC 4180)."""
_MOST_WRITTEN: Final = 10_000
_MOST_ZONES: Final = 16
_MOST_KEPT: Final = 256
_FLAGS: Final = {True: "true", False: "false"}
_EMPTY: Final = "''"


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


@dataclass(frozen=True, slots=True)
class Nested:
    """An object of a nested row: its members, in order. It is null where all `presences`, if any, are missing."""

    presences: tuple[str, ...]
    members: dict[str, Column | Nested] = field(default_factory=dict)


def nesting(report: Report, columns: tuple[Column, ...]) -> Nested:
    """How columns of a report are nested by their dotted keys (section 2.5)."""
    root = Nested(())
    for column in columns:
        inside = root
        for depth, member in enumerate(column.path[:-1], start=1):
            child = inside.members.setdefault(member, Nested(_presences(report, columns, column.path[:depth])))
            if not isinstance(child, Nested):
                raise TypeError(f"{column.key} is inside of a column")
            inside = child
        inside.members[column.path[-1]] = column
    return root


def _presences(report: Report, columns: tuple[Column, ...], path: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that tell whether an object is there: in a grouped report, those of all its members."""
    if report.grouped:
        return tuple(column.storage for column in columns if column.path[: len(path)] == path)
    presence = report.group[".".join(path)].presence
    return (presence,) if presence else ()


def nester(request: ReportRequest, plan: Plan) -> Callable[[Row], dict[str, Any]]:
    """A function from a row read by `plan` to the nested object of section 2.5."""
    return _of_row(_nested(request.report, request.columns, plan.storages), instant=instant_writer(request.zone))


@lru_cache(maxsize=_MOST_KEPT)
def _nested(report: Report, columns: tuple[Column, ...], storages: tuple[str, ...]) -> CodeType:
    return _compiled(_object(nesting(report, columns), _places(storages)))


def _places(storages: tuple[str, ...]) -> dict[str, int]:
    return {storage: index for index, storage in enumerate(storages)}


def _object(nested: Nested, at: dict[str, int]) -> str:
    """The source of an object; null where all its presences are."""
    members = (
        f"{name!r}: {_object(child, at) if isinstance(child, Nested) else _json_value(child, at)}"
        for name, child in nested.members.items()
    )
    made = f"{{{', '.join(members)}}}"
    missing = " and ".join(f"row[{at[presence]}] is None" for presence in nested.presences)
    return f"(None if {missing} else {made})" if missing else made


def _json_value(column: Column, at: dict[str, int]) -> str:
    """The source of a column's value in a nested row."""
    if column.kind is Kind.PEOPLE:
        ids, names = (at[storage] for storage in stored(column))
        return f"[{{'id': id_, 'name': name}} for id_, name in zip(row[{ids}], row[{names}], strict=True)]"
    index = at[column.storage]
    return _unless_null(index, "instant({})") if column.kind is Kind.INSTANT else f"row[{index}]"


def _unless_null(index: int, made: str, null: str = "None") -> str:
    """The source of what is made of a value, in the place of {}; or that of what a null is."""
    return f"({null} if row[{index}] is None else {made.format(f'row[{index}]')})"


def _compiled(source: str) -> CodeType:
    """The code of a function of a row, from the source of its result.

    One expression for a whole row takes a third of the time that a function for each of its values takes, which is
    most of what it takes to write a page. The source has names of the catalogue and numbers in it, nothing else.
    """
    return compile(f"lambda row: {source}", "<row>", "eval")


def _of_row(code: CodeType, **names: Any) -> Callable[[Row], Any]:
    """The function of a row that `code` is, which knows `names`."""
    function: Callable[[Row], Any] = eval(code, names)  # noqa: S307 - see `_compiled`
    return function


class _Written(dict["datetime", str]):
    """The texts of date-times, most of them made once: other rows, and the next page, have the same events."""

    def __init__(self, write: Callable[[datetime], str]) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, moment: datetime) -> str:
        if len(self) >= _MOST_WRITTEN:
            self.clear()
        text = self[moment] = self._write(moment)
        return text


@lru_cache(maxsize=_MOST_ZONES)
def instant_writer(zone: tzinfo | None) -> Callable[[datetime], str]:
    """How date-times are written: in UTC, or with the offset of a zone."""
    return _Written(utc_text if zone is None else lambda moment: zone_text(moment, zone)).__getitem__


def csv_header(request: ReportRequest) -> list[str]:
    """The header row: labels, or dotted keys."""
    return [column.label if request.csv.header == "label" else column.key for column in request.columns]


def csv_cells(request: ReportRequest, plan: Plan) -> Callable[[Row], list[Any]]:
    """A function from a row read by `plan` to its cells; None is an empty cell."""
    return _csv_row(request, _in_cells(request.columns, plan.storages))


def csv_line(request: ReportRequest, plan: Plan) -> Callable[[Row], str]:
    """A function from a row read by `plan` to its cells with commas between them, nothing of which is quoted."""
    return _csv_row(request, _in_line(request.columns, plan.storages))


def _csv_row(request: ReportRequest, code: CodeType) -> Callable[[Row], Any]:
    return _of_row(
        code,
        instant=instant_writer(request.zone),
        text=harmless if request.csv.escape else str,
        flag=_FLAGS.get,
    )


@lru_cache(maxsize=_MOST_KEPT)
def _in_cells(columns: tuple[Column, ...], storages: tuple[str, ...]) -> CodeType:
    at = _places(storages)
    return _compiled(f"[{', '.join(_cell(column, at, 'None') for column in columns)}]")


@lru_cache(maxsize=_MOST_KEPT)
def _in_line(columns: tuple[Column, ...], storages: tuple[str, ...]) -> CodeType:
    at = _places(storages)
    cells = (f"{{{_cell(column, at, _EMPTY)}}}" for column in columns)
    return _compiled(f'f"{",".join(cells)}"')


def _cell(column: Column, at: dict[str, int], empty: str) -> str:
    """The source of a column's cell, where `empty` is that of an empty one."""
    if column.kind is Kind.PEOPLE:
        return f"text('; '.join(filter(None, row[{at[stored(column)[1]]}])))"
    index = at[column.storage]
    match column.kind:
        case Kind.INSTANT:
            return _unless_null(index, "instant({})", empty)
        case Kind.TEXT:
            return _unless_null(index, "text({})", empty)
        case Kind.BOOLEAN:
            return f"flag(row[{index}], {empty})"
        case _:
            return _unless_null(index, "{}", empty)


def harmless(text: str) -> str:
    """A text that no spreadsheet runs as a formula (section 2.6)."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text
