"""What a report is made of: columns, groups, parameters, and the things its rows name.

Frozen values, standard library only. `attendances.py` declares the reports with them; everything else (parsing and
error texts, SQL, headers, OpenAPI, command-line options, the importer's mapping) is derived from those declarations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

MAX_ID: Final = 2**63 - 1
FOLDED: Final = "_folded"
NUMBER: Final = "_number"
WEEK_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Part(StrEnum):
    """What of a stored local start is meant, where it is not the whole."""

    WEEK_DAY = "day of the week"
    HOUR = "hour of the day"
    DATE = "date"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Kind(StrEnum):
    """The type of a column's values."""

    INTEGER = "integer"
    INSTANT = "date-time"
    TEXT = "text"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    PEOPLE = "list of {id, name}"


@dataclass(frozen=True)
class Column:
    """One column of a report.

    `storage` is the column of the wide table that holds it; a PEOPLE column is held in two parallel lists,
    `instructor_ids` and `instructor_names`. `order_by` lists the stored columns that one sort level compares, in turn.

    In a grouped report, a column may be the value of a number, which groups are told apart and sorted by, and which
    follows from the stored column `of`, or from that `part` of it; one that `counts` holds how many attendances a group
    has. `pattern` is what every text matches, where that can be said.
    """

    key: str
    label: str
    kind: Kind
    storage: str
    other_name: str | None = None
    sortable: bool = True
    nullable: bool = True
    required: bool = False
    holds_customer_id: bool = False
    extension: bool = False
    choices: tuple[str, ...] = ()
    of: str = ""
    part: Part | None = None
    counts: bool = False
    pattern: str = ""
    help: str = ""

    def __hash__(self) -> int:
        # Every request looks columns up in sets, where one of all members is most of what that takes.
        return hash(self.key)

    @cached_property
    def path(self) -> tuple[str, ...]:
        """The members that lead to the value in a nested row."""
        return tuple(self.key.split("."))

    @cached_property
    def order_by(self) -> tuple[str, ...]:
        if self.of:
            return (self.storage + NUMBER,)
        if self.kind is Kind.TEXT:
            return (self.storage + FOLDED, self.storage)
        return (self.storage,)


@dataclass(frozen=True)
class Group:
    """A member of a row that is an object. Where `presence` is stored as null, the whole object is null.

    In a grouped report it is null where all of its selected members are missing.
    """

    key: str
    presence: str | None = None


class Value(StrEnum):
    """The form of a parameter's value."""

    CHOICE = "choice"
    TEXT = "text"
    INTEGER = "integer"
    ID_OR_NONE = "id or 'none'"
    BOOLEAN = "boolean"
    INSTANT = "date-time"
    TIMEFRAME = "timeframe"
    ZONE = "IANA time zone"
    COLUMN = "column or group"
    SORT_KEY = "column, '-' in front for descending"
    CURSOR = "cursor"


class Op(StrEnum):
    """How a filter's values narrow the rows."""

    IN = "in"
    IN_OR_NULL = "in, 'none' for missing"
    ANY_OR_EMPTY = "any of a list, 'none' for an empty one"
    GREATER = ">"
    FROM = ">="
    UNTIL = "<="
    WITHIN = "in [start, end)"
    NOT_FUTURE = "<= now, unless true"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a report request; a filter where it has an `op`, which then holds on the column `storage`.

    Where it has a `part`, its values are those of that part of what is stored.
    """

    name: str
    value: Value
    help: str
    is_list: bool = False
    needed: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None
    minimum: int = 0
    maximum: int = MAX_ID
    op: Op | None = None
    storage: str = ""
    part: Part | None = None
    extension: bool = False
    example: str | None = None
    same_as: str | None = None
    """The parameter that this one is merely another name of."""
    paging: bool = False
    """Whether it chooses a page: a whole report has none of these."""
    listed: bool = False
    """Whether the values of this filter that occur can be looked up, with how many attendances have each."""
    label: str = ""
    """The member by which people know such a value; none where the value says it itself."""
    called: tuple[str, ...] = ()
    """What others call it, or people expect it to be called: it is suggested to whoever writes that."""


@dataclass(frozen=True)
class Sort:
    """One level of a report's default order."""

    key: str
    descending: bool = False


@dataclass(frozen=True)
class Report:
    """A report, declared once."""

    name: str
    title: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    parameters: tuple[Parameter, ...]
    default_sort: tuple[Sort, ...]
    id_gt_sort: tuple[Sort, ...] = ()
    file_stem: str = ""
    by_name: dict[str, tuple[Column, ...]] = field(init=False, repr=False, compare=False)
    by_key: dict[str, Column] = field(init=False, repr=False, compare=False)
    parameter: dict[str, Parameter] = field(init=False, repr=False, compare=False)
    group: dict[str, Group] = field(init=False, repr=False, compare=False)

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"/api/v2/reports/{self.name}/data"

    @property
    def export_path(self) -> str:
        """Where a file of it is asked for."""
        return f"/api/v2/reports/{self.name}/export"

    @property
    def values_path(self) -> str:
        """Where the values of its filters are looked up."""
        return f"/api/v2/reports/{self.name}/values"

    @property
    def type_name(self) -> str:
        """What types made of it are called, such as `AttendancesGrouped`."""
        return "".join(part.capitalize() for part in self.name.split("."))

    @cached_property
    def grouped(self) -> bool:
        """Whether a row stands for all attendances that have the same values, and may say how many those are."""
        return any(column.counts for column in self.columns)

    def __post_init__(self) -> None:
        names: dict[str, tuple[Column, ...]] = {}
        for group in self.groups:
            inside = tuple(c for c in self.columns if c.key.startswith(group.key + ".") and not c.extension)
            names[group.key] = inside
        for column in self.columns:
            names[column.key] = (column,)
            if column.other_name:
                names[column.other_name] = (column,)
        object.__setattr__(self, "by_name", names)
        object.__setattr__(self, "by_key", {c.key: c for c in self.columns})
        object.__setattr__(self, "parameter", {p.name: p for p in self.parameters})
        object.__setattr__(self, "group", {g.key: g for g in self.groups})

    def __hash__(self) -> int:
        return hash(self.name)

    @cached_property
    def default_columns(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if not c.extension)


@dataclass(frozen=True)
class Member:
    """One fact that a row may state: of itself, or of a thing that it names.

    `storage` is the column's name in the staging, thing and attendance tables. A member of Kind.INTEGER with `names`
    is a reference: the id of a thing of that name.
    """

    storage: str
    kind: Kind
    path: str
    """Where an incoming JSON row has it, dotted; the same path is a CSV header."""
    needed: bool = False
    choices: tuple[str, ...] = ()
    names: str | None = None
    sorts: bool = True
    """Whether reports sort on it, so that its folded form is stored."""
    personal: bool = False
    """Whether it tells who a person is: erasing the person, and retention, take it away."""
    erased_as: str | None = None
    """What is shown instead of it when the person was erased."""


@dataclass(frozen=True)
class LocalStart:
    """When a row's event starts by the clock where it is held, worked out on the way in and stored beside the row.

    `day` is the stored column of the local date, `minute` that of the minute of that day. They follow from the member
    `of`, an instant, in the time zone that the member `zone` names; without one, in the provider's.
    """

    day: str
    minute: str
    of: str
    zone: str


@dataclass(frozen=True)
class Thing:
    """Something that rows name by id, with one truth per member (contract section 5).

    `reference` is the staging column that holds its id. A thing `by_name` may come with a name alone, and is then
    the known one of that name with the smallest id, or a new one.
    """

    name: str
    reference: str
    members: tuple[Member, ...]
    by_name: bool = False
