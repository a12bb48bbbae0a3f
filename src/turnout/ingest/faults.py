"""What can be wrong with incoming rows, and where it is collected (contract sections 5 and 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from turnout.errors import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

MOST_FAULTS: Final = 50
"""So many faults of one row are listed: a row can have any number of unknown members."""

MOST_LISTED: Final = 100
"""So many bad rows are listed (contract section 9)."""

MOST_BAD: Final = 10_000
"""After about so many bad rows a file of which nothing is taken is read no further. A bad row takes a hundred times as
long as a good one, and a small packed body can hold many millions of them."""

FORMS: Final = "A JSON document with 'rows', a JSON list, NDJSON (one row on each line) and CSV are understood."

_LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """How large incoming things may be: a text in characters, a row in bytes of its unpacked file."""

    text: int = 10_000
    row: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a row. `column` is a key of section 2.1, or empty where it is the row as a whole."""

    column: str
    reason: str


def cut(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """The first `MOST_FAULTS` of a row's faults, and how many more there are."""
    more = len(faults) - MOST_FAULTS
    return (*faults[:MOST_FAULTS], Fault("", f"there are {more} more faults.")) if more > 0 else tuple(faults)


def column_name(name: str) -> str:
    """An unknown name as the column of a fault: it could be anything, and of any length."""
    return name if name.isprintable() and 0 < len(name) <= _LONGEST_NAME else shown(name, _LONGEST_NAME)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be taken, with all of its faults.

    `line` is the physical line where the row starts, counted from 1. `row` is the row as it came, as JSON on one
    line: the row's own value, for CSV an object from column to cell, or a text where it could not be read. `number`
    is which row it is, from 1, since many may be on one line; 0 where that is not known.
    """

    line: int
    faults: tuple[Fault, ...]
    row: bytes = b"null"
    number: int = 0

    @property
    def column(self) -> str:
        """The column of the first fault."""
        return self.faults[0].column

    @property
    def reason(self) -> str:
        """The reason of the first fault, and the others with their columns."""
        first, *others = self.faults
        return " ".join([first.reason, *(f"Also {_placed(fault)}" for fault in others)])

    def report(self, name: str) -> Iterator[str]:
        """`FILE:LINE: COLUMN: REASON` for each fault."""
        return (f"{name}:{self.line}: {_placed(fault)}" for fault in self.faults)

    def document(self, *, with_row: bool = True) -> dict[str, object]:
        """The JSON object of a rejects file; without the row, that of an answer."""
        number = {"number": self.number} if self.number else {}
        document: dict[str, object] = {"line": self.line, **number, "column": self.column, "reason": self.reason}
        return {**document, "row": msgspec.Raw(self.row)} if with_row else document


def _placed(fault: Fault) -> str:
    return f"{fault.column}: {fault.reason}" if fault.column else fault.reason


class FileFaultError(Exception):
    """A fault after which nothing more of the file can be read, such as an end in the middle of a row."""

    def __init__(self, line: int, *faults: Fault) -> None:
        self.bad = BadRow(line, faults)
        super().__init__(self.bad.reason)


class Rejects:
    """Collects bad rows: counts all, keeps the first `keep`, and writes each to `out` as one line of JSON.

    Memory does not grow with the number of bad rows. `name` is what the file is called in reports.
    """

    def __init__(self, name: str, out: BinaryIO | None = None, *, keep: int = MOST_LISTED) -> None:
        self.name = name
        self.count = 0
        self.first: list[BadRow] = []
        self._out = out
        self._keep = keep

    def add(self, bad: BadRow) -> None:
        self.count += 1
        if len(self.first) < self._keep:
            # Without the row: a hundred of the largest rows are no small thing.
            self.first.append(BadRow(bad.line, bad.faults, number=bad.number))
        if self._out is not None:
            self._out.write(msgspec.json.encode(bad.document()) + b"\n")

    def report(self) -> Iterator[str]:
        """`FILE:LINE: COLUMN: REASON` for each fault of the rows that were kept, in the order of the file."""
        return (text for bad in self.first for text in bad.report(self.name))
