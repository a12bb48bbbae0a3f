"""Rows that came as CSV: all at once where they are plainly right, else one by one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa
import pyarrow.csv

from turnout.errors import did_you_mean, shown
from turnout.ingest.columns import Columns, UnfitError, from_cells
from turnout.ingest.csv_split import CsvBlock, CsvRecord, cells, csv_blocks, each_record, malformation
from turnout.ingest.faults import FORMS, MOST_FAULTS, BadRow, Fault, FileFaultError, column_name, cut
from turnout.ingest.fields import FIELDS, HEADERS
from turnout.ingest.json_rows import as_text, not_utf8
from turnout.ingest.rows import RowError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.catalog.types import Member
    from turnout.ingest.rows import RowChecker, Stated

_OTHER_SEPARATORS: Final = {b";": "semicolons (;)", b"\t": "tabs", b"|": "bars (|)"}


@dataclass(frozen=True, slots=True)
class Header:
    """The names of a header's cells, without blanks around them, and the members that they mean."""

    names: tuple[str, ...]
    fields: tuple[Member, ...]


def csv_chunks(blocks: Iterator[bytes], limit: int) -> Iterator[CsvBlockOf]:
    """The records below the header. Raises `FileFaultError` where the header is wrong."""
    header = None
    for block in csv_blocks(blocks, limit):
        if header:
            yield CsvBlockOf(header, block)
            continue
        first = next((record for record in each_record(block.data, block.first_line) if not record.blank), None)
        if first:
            header = read_header(first)
            # Every line above is blank.
            start = block.data.index(first.data) + len(first.data)
            line = first.line + first.data.count(b"\n")
            yield CsvBlockOf(header, CsvBlock(line, block.data[start:], block.well_formed))


def read_header(record: CsvRecord) -> Header:
    """The header. Raises `FileFaultError` with everything that is wrong with it."""
    for separator, word in _OTHER_SEPARATORS.items():
        # No column's name has one.
        if record.data.count(separator) > record.data.count(b","):
            reason = f"the columns are separated by {word}; commas are expected. Save it as CSV with commas."
            raise FileFaultError(record.line, Fault("", reason))
    if record.malformed:
        raise FileFaultError(record.line, Fault("", f"the header is malformed: {malformation(record.data)[1]}"))
    try:
        names = tuple(cell.decode().strip(" ") for cell in cells(record.data))
    except UnicodeDecodeError as fault:
        raise FileFaultError(record.line, Fault("", not_utf8(fault))) from None
    seen: dict[str, str] = {}
    faults: list[Fault] = []
    for name in names:
        field = HEADERS.get(name)
        if field is None:
            faults.append(Fault(column_name(name), _unknown(name, len(names)) if len(faults) < MOST_FAULTS else ""))
        elif field.path in seen:
            faults.append(Fault(field.path, f"the column stands twice in the header: {seen[field.path]!r}, {name!r}."))
        else:
            seen[field.path] = name
    if len(names) > 1 or seen:
        lacking = (field.path for field in FIELDS if field.needed and field.path not in seen)
        faults += (Fault(path, "the header lacks this column, which every row needs.") for path in lacking)
    if faults:
        raise FileFaultError(record.line, *cut(faults))
    return Header(names, tuple(HEADERS[name] for name in names))


def _unknown(name: str, count: int) -> str:
    hint = did_you_mean(name, HEADERS) or (f" {FORMS}" if count == 1 else "")
    return f"{shown(name)} is not a column; a key, other name or label of the report is expected.{hint}"


@dataclass(frozen=True, slots=True)
class CsvBlockOf:
    """A block of records below a header."""

    header: Header
    block: CsvBlock

    def columns(self) -> Columns:
        """All records at once. Raises `UnfitError`."""
        if not self.block.well_formed:
            raise UnfitError("malformed records")
        return from_csv(self.header, self.block.data)

    def pieces(self, size: int) -> Iterator[CsvRecordsOf]:
        """The same records, `size` at a time."""
        found = each_record(self.block.data, self.block.first_line)
        while piece := tuple(islice(found, size)):
            yield CsvRecordsOf(self.header, piece)


@dataclass(frozen=True, slots=True)
class CsvRecordsOf:
    """Some records below a header."""

    header: Header
    records: tuple[CsvRecord, ...]

    def columns(self) -> Columns:
        """All records at once. Raises `UnfitError`."""
        if any(record.malformed for record in self.records):
            raise UnfitError("malformed records")
        return from_csv(self.header, b"".join(record.data for record in self.records))

    def each(self, checker: RowChecker) -> Iterator[Stated | BadRow]:
        """One by one."""
        return (_checked(self.header, record, checker) for record in self.records if not record.blank)


def from_csv(header: Header, data: bytes) -> Columns:
    """The columns of well-formed records. Raises `UnfitError`."""
    names = [field.storage for field in header.fields]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=b'"' in data),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as fault:
        raise UnfitError(str(fault)) from None
    return from_cells({name: column.combine_chunks() for name, column in zip(names, table.columns, strict=True)})


def _checked(header: Header, record: CsvRecord, checker: RowChecker) -> Stated | BadRow:
    if record.malformed:
        number, reason = malformation(record.data)
        column = header.fields[number].path if number < len(header.fields) else ""
        return BadRow(record.line, (Fault(column, reason),), as_text(record.data))
    try:
        values = [cell.decode() for cell in cells(record.data)]
    except UnicodeDecodeError as fault:
        return BadRow(record.line, (Fault("", not_utf8(fault)),), as_text(record.data))
    if len(values) != len(header.fields):
        hint = " Is a comma inside a cell that is not quoted?" if len(values) > len(header.fields) else ""
        counts = f"the row has {len(values)} cells; the header has {len(header.fields)}.{hint}"
        return BadRow(record.line, (Fault("", counts),), as_text(record.data))
    try:
        return checker.csv(header.fields, values)
    except RowError as error:
        row = msgspec.json.encode(dict(zip(header.names, values, strict=True)))
        return BadRow(record.line, error.faults, row)
