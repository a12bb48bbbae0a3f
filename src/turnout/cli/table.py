"""A report as a table of text, in as many chunks of rows as come.

Widths are settled by the first chunk, so that a table of a million rows starts at once and costs no memory. On a
terminal, what does not fit is left out or cut, with an ellipsis; elsewhere every cell is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from turnout.catalog.attendances import ATTENDANCES, PERIODS, REPORTS
from turnout.catalog.types import Column, Kind
from turnout.cli.render import visible
from turnout.cli.report_options import COUNT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

_GAP: Final = "  "
_WIDEST: Final = 40
_COMFORTABLE: Final = 18
_NARROWEST: Final = 8
_LOOKS: Final[Mapping[str, tuple[str, str]]] = {
    "attended": ("✓ ", "green"),
    "registered": ("○ ", "cyan"),
    "no_show": ("✗ ", "red"),
    "late_cancelled": ("! ", "yellow"),
}


@dataclass(frozen=True, slots=True)
class Head:
    """A column as the answer describes it."""

    key: str
    label: str

    @property
    def kind(self) -> Kind | None:
        columns = (report.by_key.get(self.key) for report in REPORTS)
        period = Kind.INTEGER if self.key.startswith(f"{PERIODS}.") else None
        return next((column.kind for column in columns if column), period)

    @property
    def is_attribute(self) -> bool:
        """Whether it tells the groups of a grouped report apart."""
        columns = (report.by_key.get(self.key) for report in REPORTS)
        return any(column is not None and not column.counts for column in columns)


@dataclass(frozen=True, slots=True)
class Total:
    """A last row, for all that matches."""

    label: str
    row: Any


def summary_keys() -> list[str]:
    """The columns that matter most, best first: what a narrow terminal shows where no columns are asked for.

    Derived from the catalogue: what the report is ordered by; the names of the things that the ordering and the
    required column belong to; choices that are never missing; other names, and people; other choices.
    """
    order = [level.key for level in ATTENDANCES.default_sort]
    required = [column.key for column in ATTENDANCES.columns if column.required]
    main = {key.rpartition(".")[0] for key in (*order, *required)}

    def rank(column: Column) -> int | None:
        group, _, member = column.key.rpartition(".")
        is_name = column.kind is Kind.TEXT and member == "name"
        if column.key in order:
            return 0
        if is_name and group in main:
            return 1
        if column.kind is Kind.CHOICE:
            return 4 if column.nullable else 2
        return 3 if is_name or column.kind is Kind.PEOPLE else None

    ranked = [(rank(column), column.key) for column in ATTENDANCES.default_columns]
    best = sorted((place, n, key) for n, (place, key) in enumerate(ranked) if place is not None)
    return [key for _, _, key in best]


class Table:
    """Writes rows under the heads. With `best`, only as many columns as fit, the best first.

    With a `total`, its counts have bars on a terminal that is wide enough, as long as the greatest of the first rows
    makes them, and `finish` writes it as the last row.
    """

    def __init__(
        self, console: Console, heads: Sequence[Head], best: Sequence[str] = (), total: Total | None = None
    ) -> None:
        self.heads = list(heads)
        self._total = total
        self._bars: _Bars | None = None
        self.left_out: list[Head] = []
        self._console = console
        self._best = best
        self._whole = not console.is_terminal
        self._plain = not console.encoding.startswith("utf")
        self._columns: list[_Drawn] = []
        self._count = 0

    def add(self, rows: Sequence[Any]) -> None:
        """Write some rows; the first call settles the widths and writes the heads."""
        lines: list[Text | str] = []
        if not self._columns:
            self._settle(rows)
            if not self._as_records:
                lines += [self._line([(column.head.label, "bold") for column in self._columns]), self._rule()]
        for row in rows:
            self._count += 1
            cells = [self._cell(row, column) for column in self._columns]
            lines += self._record(cells, str(self._count)) if self._as_records else [self._line(cells, self._bar(row))]
        self._write(lines)

    def finish(self) -> None:
        """Write the last row."""
        if self._total is None or not self._columns:
            return
        cells = [(self._cell(self._total.row, column)[0], "bold") for column in self._columns]
        if self._as_records:
            self._write(self._record(cells, self._total.label))
            return
        label = next(n for n, column in enumerate(self._columns) if column.head.is_attribute)
        cells[label] = (self._total.label, "bold")
        self._write([self._rule(), self._line(cells)])

    def _write(self, lines: list[Text | str]) -> None:
        if self._whole:
            self._console.file.write("".join(f"{line}\n" for line in lines))
        elif lines:
            self._console.print(Text("\n").join(map(Text.assemble, lines)), soft_wrap=True)

    def _rule(self) -> Text | str:
        return self._line([(("-" if self._plain else "─") * column.width, "dim") for column in self._columns])

    def _bar(self, row: Any) -> str:
        return self._bars.of(row) if self._bars else ""

    @property
    def _as_records(self) -> bool:
        """Whether the columns that were asked for are too many for the width: one line for each cell then."""
        return not self._whole and not self._best and _total(self._columns) > self._console.width

    def _settle(self, rows: Sequence[Any]) -> None:
        drawn = {head.key: _Drawn(head, head.kind, tuple(head.key.split("."))) for head in self.heads}
        for column in drawn.values():
            written = [*rows, self._total.row] if self._total else rows
            longest = max((cell_len(self._cell(row, column)[0]) for row in written), default=0)
            column.width = max(cell_len(column.head.label), longest if self._whole else min(longest, _WIDEST))
        self._columns = list(drawn.values())
        if self._total:
            label = next(column for column in self._columns if column.head.is_attribute)
            label.width = max(label.width, cell_len(self._total.label))
        if self._whole:
            return
        room = self._console.width - _total(self._columns) - len(_GAP)
        if self._total and room >= _NARROWEST:
            self._bars = _Bars(min(room, _WIDEST), max(_count_of(row) for row in rows), plain=self._plain)
        if self._best:
            kept: list[_Drawn] = []
            for column in (drawn[key] for key in self._best if key in drawn):
                if not kept or _total([*kept, column], most=_COMFORTABLE) <= self._console.width:
                    kept.append(column)
            self._columns = [column for column in self._columns if column in kept]
            self.left_out = [column.head for column in drawn.values() if column not in kept]
        while _total(self._columns) > self._console.width:
            widest = max(self._columns, key=lambda column: column.width)
            if widest.width <= _NARROWEST:
                break
            widest.width -= 1

    def _cell(self, row: Any, column: _Drawn) -> tuple[str, str]:
        """A cell's text and style."""
        value = row
        for name in column.path:
            value = value.get(name) if isinstance(value, dict) else None
        text = visible(cell_text(value, column.kind))
        if self._whole or column.kind is not Kind.CHOICE:
            return text, ""
        icon, style = _LOOKS.get(text, ("", ""))
        return ("" if self._plain else icon) + text, style

    def _line(self, cells: Sequence[tuple[str, str]], bar: str = "") -> Text | str:
        parts = []
        for (text, style), column in zip(cells, self._columns, strict=True):
            length = cell_len(text)
            if length > column.width and not self._whole:
                text, length = set_cell_size(text, column.width - 1) + (">" if self._plain else "…"), column.width  # noqa: PLW2901 - cut to fit
            room = " " * (column.width - length)
            parts.append((room + text if column.kind is Kind.INTEGER else text + room, style))
        if bar:
            parts.append((bar, "cyan"))
        last, style = parts[-1]
        parts[-1] = (last.rstrip(), style)
        if self._whole:
            return _GAP.join(text for text, _ in parts)
        return Text(_GAP).join(Text(text, style) for text, style in parts)

    def _record(self, cells: Sequence[tuple[str, str]], title: str) -> list[Text | str]:
        widest = max(cell_len(column.head.label) for column in self._columns)
        lines: list[Text | str] = [Text(f"-- {title} --", "dim")]
        for (text, style), column in zip(cells, self._columns, strict=True):
            room = " " * (widest - cell_len(column.head.label))
            lines.append(Text.assemble((column.head.label + room, "bold"), _GAP, (text, style)))
        return lines


@dataclass
class _Drawn:
    """A column with the way to its values and the width it takes."""

    head: Head
    kind: Kind | None
    path: tuple[str, ...]
    width: int = 0


class _Bars:
    """Bars of at most `width` cells, which the count `longest` has."""

    _EIGHTHS = " ▏▎▍▌▋▊▉"

    def __init__(self, width: int, longest: int, *, plain: bool) -> None:
        self._width, self._longest, self._plain = width, longest, plain

    def of(self, row: Any) -> str:
        """The bar of a row; of a later one that counts more, one that goes on beyond the edge."""
        count = _count_of(row)
        if count > self._longest:
            return "#" * (self._width - 1) + ">" if self._plain else "█" * (self._width - 1) + "▶"
        whole, eighths = divmod(max(count * self._width * 8 // self._longest, 1), 8)
        if self._plain:
            return "#" * max(whole, 1)
        return "█" * whole + (self._EIGHTHS[eighths] if eighths else "")


def _count_of(row: Any) -> int:
    return int(row[COUNT])


def _total(columns: Sequence[_Drawn], *, most: int = _WIDEST) -> int:
    """The width of a line; of columns that are cut to `most` where they are wider."""
    return sum(min(column.width, most) for column in columns) + len(_GAP) * (len(columns) - 1)


def cell_text(value: Any, kind: Kind | None) -> str:
    """A value as people read it: a date-time as the clock shows it, without its offset."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(person.get("name") or person.get("id")) for person in value)
    if kind is Kind.INSTANT:
        day, _, clock = str(value).partition("T")
        return f"{day} {clock[:5] if clock[5:8] == ':00' else clock[:8]}"
    return str(value)
