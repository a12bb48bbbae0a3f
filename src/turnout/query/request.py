"""From raw parameters to a checked request, with all faults reported together (contract sections 2.1 to 2.4).

The one parser for HTTP, the command line and jobs. It reads only the declaration of the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from turnout.catalog.attendances import PERIODS, PIVOTS
from turnout.catalog.types import WEEK_DAYS, Column, Op, Parameter, Part, Report, Value
from turnout.errors import NON_FIELD, Faults, did_you_mean, shown
from turnout.query import values
from turnout.query.instants import load_zone, parse_from, parse_instant, parse_until
from turnout.query.pivot import Pivot
from turnout.query.raw import MOST_FAULTS, Cleaned, clean
from turnout.query.timeframe import Timeframe, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from turnout.query.cursor import CursorBox, Place

T = TypeVar("T")

# They may change between the pages of one paging run, or begin it; every other parameter must stay as it is.
_MAY_CHANGE: Final = frozenset({"limit", "page_size", "columns", "cursor", "offset", "page"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a request may see, and in which calendar it is read."""

    provider_id: int
    zone: tzinfo
    week_start: str = "monday"
    instructor_id: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One narrowing of the rows. `value` is a tuple for lists (None in it: 'none'), else an integer or an interval.

    Days of the week are numbers, of which Monday is 1.
    """

    op: Op
    storage: str
    value: Any
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class SortLevel:
    column: Column
    descending: bool


@dataclass(frozen=True, slots=True)
class CsvOptions:
    header: str = "label"
    escape: bool = True
    bom: bool = False


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A checked request for one page of a report. `now` is of the first page of a paging run (microseconds)."""

    report: Report
    scope: Scope
    now: int
    columns: tuple[Column, ...]
    sort: tuple[SortLevel, ...]
    conditions: tuple[Condition, ...]
    limit: int
    offset: int
    place: Place | None
    format: str | None
    zone: tzinfo | None
    timeframe: Timeframe | None
    csv: CsvOptions
    cleaned: Cleaned
    belongs_to: tuple[bytes, ...]
    pivot: Pivot | None = None
    periods: tuple[int, ...] = ()
    """The periods of the pivot that are shown; only the data tells: see `pivot.with_periods`."""

    @property
    def reading_zone(self) -> tzinfo:
        """The zone that naive date-times and timeframes were read in."""
        return self.zone or self.scope.zone


def parse(
    report: Report,
    pairs: Iterable[tuple[str, str]],
    scope: Scope,
    *,
    now: int,
    box: CursorBox,
    lenient: bool = False,
) -> ReportRequest:
    """Check a request whole. Raises `TurnoutError("parameter_invalid")` with every fault under its parameter."""
    faults = Faults()
    cleaned = clean(report.parameter, pairs, faults, lenient=lenient)
    reader = Reader(report, cleaned, faults)
    belongs_to = _fingerprint(report, scope, cleaned)
    zone = reader.one("timezone", lambda text, _: load_zone(text))
    place = reader.one("cursor", lambda text, _: box.open(text, belongs_to))
    moment = place.now if place else now
    columns = _columns(reader)
    pivot = _pivot(reader, scope, columns)
    sort = _sort(reader, columns, pivot)
    conditions, timeframe = conditions_of(reader, zone or scope.zone, scope, moment)
    limit, offset = paging_of(reader)
    request = ReportRequest(
        report=report,
        scope=scope,
        now=moment,
        columns=columns,
        sort=sort,
        conditions=conditions,
        limit=limit,
        offset=offset,
        place=place,
        format=reader.choice("format"),
        zone=zone,
        timeframe=timeframe,
        csv=CsvOptions(
            header=reader.choice("csv_header") or "label",
            escape=reader.boolean("csv_escape", default=True),
            bom=reader.boolean("bom", default=False),
        ),
        cleaned=cleaned,
        belongs_to=belongs_to,
        pivot=pivot,
    )
    faults.raise_if_any()
    return request


class Reader:
    """Reads cleaned texts by parameter and notes a fault for each that does not read."""

    def __init__(self, report: Report, cleaned: Cleaned, faults: Faults) -> None:
        self.report = report
        self.texts = cleaned.texts
        self.faults = faults

    def all(self, name: str, read: Callable[[str, Parameter], T]) -> list[T]:
        parameter = self.report.parameter[name]
        found = []
        faulty = 0
        for text in self.texts.get(name, ()):
            try:
                found.append(read(text, parameter))
            except ValueError as error:
                self.faults.add(name, str(error))
                faulty += 1
                if faulty == MOST_FAULTS:
                    self.faults.add(name, "Only the first faults of this parameter are listed.")
                    break
        return found

    def one(self, name: str, read: Callable[[str, Parameter], T]) -> T | None:
        found = self.all(name, read) if name in self.texts else []
        return found[0] if found else None

    def choice(self, name: str) -> str | None:
        return self.one(name, lambda text, parameter: values.choice(text, parameter.choices))

    def boolean(self, name: str, *, default: bool) -> bool:
        found = self.one(name, lambda text, _: values.boolean(text))
        return default if found is None else found


def _fingerprint(report: Report, scope: Scope, cleaned: Cleaned) -> tuple[bytes, ...]:
    """What a cursor belongs to: the provider, the report, and every parameter that must not change."""
    # Groups are what the columns make them; rows stay the same rows.
    may_change = _MAY_CHANGE - {"columns"} if report.grouped else _MAY_CHANGE
    given = sorted((name, texts) for name, texts in cleaned.texts.items() if name not in may_change)
    texts = ["\x1f".join((name, *texts)) for name, texts in given]
    head = f"{report.name}\x1f{scope.provider_id}"
    return (head.encode(), "\x1e".join(texts).encode("utf-8", "surrogateescape"))


def _columns(reader: Reader) -> tuple[Column, ...]:
    """The columns asked for, each where first named; required ones that were not asked for come first."""
    report = reader.report
    keys = [column.key for column in report.columns]
    named = reader.all("columns", lambda text, _: _by_name(report, text, report.by_name, keys))
    asked = dict.fromkeys(column for columns in named for column in columns)
    if not asked and not report.parameter["columns"].needed:
        asked = dict.fromkeys(report.default_columns)
    elif "columns" not in reader.texts and report.parameter["columns"].needed:
        reader.faults.add("columns", f"At least one is needed; the choices are: {', '.join(keys)}.")
    missing = (column for column in report.columns if column.required and column not in asked)
    return (*missing, *asked)


def _by_name(report: Report, text: str, names: Iterable[str], choices: Iterable[str]) -> tuple[Column, ...]:
    """The columns of a name. Raises `ValueError` with the nearest of `names`, or all `choices` where none is near."""
    found = report.by_name.get(text)
    if found is None:
        # What the header of a table or of a CSV file says is a name that people have before them.
        labelled = [column.key for column in report.columns if column.label.lower() == text.lower()]
        hint = did_you_mean(next(iter(labelled), text), names) or f" The choices are: {', '.join(choices)}."
        raise ValueError(f"{shown(text)} is not a column.{hint}")
    return found


def _pivot(reader: Reader, scope: Scope, columns: tuple[Column, ...]) -> Pivot | None:
    """The division of the count, where there is one to divide."""
    if "pivot" not in reader.report.parameter:
        return None
    name = reader.choice("pivot") or PIVOTS[0]
    most = reader.one("max_pivot_columns", values.integer)
    if most is None:
        most = int(reader.report.parameter["max_pivot_columns"].default or 0)
    counted = any(column.counts for column in columns)
    return Pivot(name, most, scope.week_start) if counted and name != PIVOTS[0] else None


def _sort(reader: Reader, columns: tuple[Column, ...], pivot: Pivot | None) -> tuple[SortLevel, ...]:
    report = reader.report
    among = columns if report.grouped and "columns" not in reader.faults.fields else report.columns
    levels = reader.all("sort", lambda text, _: _sort_level(report, text, among, pivot))
    seen: set[str] = set()
    for level in levels:
        key = level.column.key
        if key in seen:
            reader.faults.add("sort", f"{key!r} is there more than once; name a column once.")
        seen.add(key)
        if report.grouped and not key.startswith(f"{PERIODS}.") and level.column not in columns:
            _not_selected(reader, key, columns)
    if levels:
        return tuple(levels)
    if report.grouped:
        return tuple(SortLevel(column, descending=False) for column in columns if not column.counts)
    default = report.id_gt_sort if report.id_gt_sort and "id_gt" in reader.texts else report.default_sort
    return tuple(SortLevel(report.by_key[level.key], level.descending) for level in default)


def _not_selected(reader: Reader, key: str, columns: tuple[Column, ...]) -> None:
    if "columns" in reader.faults.fields:
        return  # what is selected is not known
    selected = ", ".join(column.key for column in columns)
    reader.faults.add("sort", f"{key!r} is not among the selected columns; those can be sorted on: {selected}.")


def _sort_level(report: Report, text: str, among: Sequence[Column], pivot: Pivot | None) -> SortLevel:
    """One level; `among` are the columns that there may be to sort on, which errors name."""
    name = text.removeprefix("-")
    descending = text.startswith("-")
    if report.grouped and name.startswith(f"{PERIODS}."):
        if pivot is None:
            raise ValueError(f"{shown(name)} is there with a 'pivot' other than 'all', and with 'count' selected.")
        return SortLevel(pivot.read(name.removeprefix(f"{PERIODS}.")), descending)
    sortable = [column.key for column in among if column.sortable]
    if name in report.group:
        inside = ", ".join(column.key for column in report.by_name[name] if column.key in sortable)
        which = f"sort on one of its columns: {inside}" if inside else f"these can be sorted on: {', '.join(sortable)}"
        raise ValueError(f"{shown(name)} is a group; {which}.")
    known = [*sortable, *(c.other_name for c in among if c.other_name and c.sortable)]
    column = _by_name(report, name, known, sortable)[0]
    if not column.sortable:
        raise ValueError(f"{shown(name)} cannot be sorted on; these can: {', '.join(sortable)}.")
    return SortLevel(column, descending)


def conditions_of(
    reader: Reader, zone: tzinfo, scope: Scope, now: int, *, without: str | None = None
) -> tuple[tuple[Condition, ...], Timeframe | None]:
    """How the filters narrow the rows, and the timeframe; the filter `without` is checked, and narrows nothing."""
    conditions = []
    timeframe = None
    for parameter in reader.report.parameters:
        if parameter.op is Op.NOT_FUTURE:
            if not reader.boolean(parameter.name, default=False):
                conditions.append(Condition(Op.UNTIL, parameter.storage, now))
        elif parameter.op is Op.WITHIN:
            timeframe = reader.one(parameter.name, lambda text, _: resolve(text, zone, scope.week_start, now))
            if timeframe:
                conditions.append(Condition(Op.WITHIN, parameter.storage, (timeframe.start, timeframe.end)))
        elif parameter.op is not None and parameter.name in reader.texts:
            found = reader.all(parameter.name, _value_reader(parameter, zone))
            if found and parameter.name != without:
                value = tuple(dict.fromkeys(found)) if parameter.is_list else found[0]
                conditions.append(Condition(parameter.op, parameter.storage, value, parameter.part))
    return tuple(conditions), timeframe


def _value_reader(parameter: Parameter, zone: tzinfo) -> Callable[[str, Parameter], Any]:
    match parameter.value:
        case Value.INTEGER:
            return values.integer
        case Value.ID_OR_NONE:
            return values.id_or_none
        case Value.CHOICE if parameter.part is Part.WEEK_DAY:
            return lambda text, parameter: WEEK_DAYS.index(values.choice(text, parameter.choices)) + 1
        case Value.CHOICE:
            return lambda text, parameter: values.choice(text, parameter.choices)
        case Value.INSTANT:
            read = {Op.FROM: parse_from, Op.UNTIL: parse_until}.get(parameter.op or Op.IN, parse_instant)
            return lambda text, _: read(text, zone)
        case _:
            raise AssertionError(f"no filter has values of the form {parameter.value}")


def paging_of(reader: Reader) -> tuple[int, int]:
    """The size and the offset of the page."""
    report = reader.report
    if "limit" not in report.parameter:
        return 0, 0
    given = reader.texts
    size = int(report.parameter["limit"].default or 0)
    for name in ("page_size", "limit"):
        found = reader.one(name, values.integer)
        size = size if found is None else found
    if "limit" in given and "page_size" in given and given["limit"] != given["page_size"]:
        reader.faults.add(
            NON_FIELD,
            f"'limit' and 'page_size' are two names of one parameter; they have different values: "
            f"{shown(given['limit'][0])} and {shown(given['page_size'][0])}.",
        )
    offset = reader.one("offset", values.integer)
    page = reader.one("page", values.integer)
    for one, other in (("page", "offset"), ("cursor", "offset"), ("cursor", "page")):
        if one in given and other in given:
            reader.faults.add(NON_FIELD, f"{one!r} and {other!r} cannot be given together.")
    if page is not None:
        return size, (page - 1) * size
    return size, offset or 0
