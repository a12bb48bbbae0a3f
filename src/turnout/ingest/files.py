"""Files of rows, read and checked in chunks (contract sections 5 and 9)."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from turnout.errors import NON_FIELD, TurnoutError
from turnout.ingest.beside import at_once, checked
from turnout.ingest.columns import ColumnChecker
from turnout.ingest.csv_rows import csv_chunks
from turnout.ingest.faults import FORMS, MOST_BAD, BadRow, Fault, FileFaultError, Limits, Rejects
from turnout.ingest.json_rows import BLANK, leading_lines
from turnout.ingest.json_split import DOCUMENT, array, document, ndjson
from turnout.ingest.rows import RowChecker, batch_of
from turnout.ingest.source import BLOCK, Source
from turnout.store.staging import STAGING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO
    from zoneinfo import ZoneInfo

    from turnout.ingest.columns import Columns
    from turnout.ingest.rows import Stated

_VALUE: Final = re.compile(rb"(null|true|false|NaN|-?Infinity|-?[0-9][0-9.eE+-]{,40})[ \t\r]*(?:\n|\Z)")
"""A line that is a JSON value, or taken for one."""
_OPENED: Final = re.compile(rb"[ \t\r{]*(?:\n|\Z)")
"""A line that has nothing but the beginning of an object."""

_SEQ: Final = STAGING.get_field_index("seq")
_PIECE: Final = 512
"""So many rows are checked exactly because of one that is not plainly right."""


class Rows(Protocol):
    """Some rows as they came."""

    def columns(self) -> Columns: ...

    def each(self, checker: RowChecker) -> Iterator[Stated | BadRow]: ...


class Chunk(Protocol):
    """Many rows as they came."""

    def columns(self) -> Columns: ...

    def pieces(self, size: int) -> Iterator[Rows]: ...


def read_file(
    file: BinaryIO,
    provider_zone: ZoneInfo,
    rejects: Rejects,
    *,
    partial: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    on_progress: Callable[[int, int], None] = lambda _bytes, _rows: None,
    block: int = BLOCK,
    processes: int = 1,
) -> Iterator[pa.RecordBatch]:
    """The rows of a file as batches of `store.staging.STAGING`, whatever of the accepted forms it has.

    The form is told by the content: gzip or not; a document of the API, an array of rows, NDJSON, or CSV. The file
    need not be seekable; memory does not grow with it. Naive date-times are local in `provider_zone`.

    Bad rows go to `rejects`. With `partial` the others are handed out; else nothing is handed out after the first bad
    row, the rows are checked nevertheless until about `MOST_BAD` are bad, and at the end `rows_rejected` is raised:
    take the batches into a transaction that it undoes. A file that cannot be read to its end raises `rows_rejected` in
    both cases.

    `on_progress` is called now and then with the bytes of the file read so far, packed as they are, and the rows; what
    it raises ends the reading. `block` bytes are read at once; what stands in front of a document's rows has to be
    among the first of them. With several `processes`, they check a long file.
    """
    source = Source(file, block)
    checking = _Checking(provider_zone, limits, rejects)
    try:
        for chunk, whole in checked(_chunks(source.blocks(), limits.row), provider_zone, limits, processes):
            for batch in checking.batches(chunk, whole):
                on_progress(source.consumed, checking.seen)
                if rejects.count >= MOST_BAD and not partial:
                    raise _too_many(rejects.count)
                if batch.num_rows and (partial or not rejects.count):
                    yield batch
    except FileFaultError as fault:
        rejects.add(fault.bad)
        message = f"{rejects.name} cannot be read beyond line {fault.bad.line}; nothing was changed."
        raise TurnoutError("rows_rejected", message, fields={NON_FIELD: list(fault.bad.report(rejects.name))}) from None
    if rejects.count and not partial:
        raise TurnoutError("rows_rejected")


def _too_many(count: int) -> TurnoutError:
    message = f"At least {count:,} rows were rejected, where reading stopped; nothing was changed."
    return TurnoutError("rows_rejected", message)


def _chunks(blocks: Iterator[bytes], limit: int) -> Iterator[Chunk]:
    """The rows of a file in chunks, by the form that its first character tells."""
    for first in blocks:
        text = first.lstrip(BLANK)
        if not text:
            continue
        whole = chain([first], blocks)
        if text.startswith(b"["):
            return array(whole, limit)
        if not text.startswith(b"{"):
            _refuse_value(text, 1 + leading_lines(first))
            return csv_chunks(whole, limit)
        if DOCUMENT.match(text):
            return document(whole, limit)
        if _OPENED.match(text):
            line = 1 + leading_lines(first)
            raise FileFaultError(line, Fault("", "an object goes over several lines, outside a list of rows. " + FORMS))
        return ndjson(whole, limit)
    return iter(())


def _refuse_value(text: bytes, line: int) -> None:
    """Refuse a file that begins with a JSON value which is no row, and could not be a CSV header either."""
    match = _VALUE.match(text)
    if match:
        reason = f"found {match[1].decode()}; rows are expected. {FORMS}"
        raise FileFaultError(line, Fault("", reason))


class _Checking:
    """Checks chunks: `seen` counts the rows, `accepted` the good ones."""

    def __init__(self, zone: ZoneInfo, limits: Limits, rejects: Rejects) -> None:
        self.seen = 0
        self._accepted = 0
        self._fast = ColumnChecker(zone, limits)
        self._exact = RowChecker(zone, limits)
        self._rejects = rejects

    def batches(self, chunk: Chunk, whole: pa.RecordBatch | None) -> Iterator[pa.RecordBatch]:
        """The good rows of a chunk, piece by piece; the bad ones go to the rejects, and may leave nothing.

        `whole` is the chunk's batch, where all its rows are plainly right.
        """
        if whole is not None:
            yield self._numbered(whole)
            return
        for piece in chunk.pieces(_PIECE):
            batch = at_once(self._fast, piece)
            yield self._one_by_one(piece) if batch is None else self._numbered(batch)

    def _numbered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of rows that are all good, its `seq` counted from the file's first row on."""
        self.seen += batch.num_rows
        shifted = pc.add(batch.column(_SEQ), pa.scalar(self._accepted, pa.int64()))
        self._accepted += batch.num_rows
        return batch.set_column(_SEQ, STAGING.field(_SEQ), shifted)

    def _one_by_one(self, rows: Rows) -> pa.RecordBatch:
        good: list[Stated] = []
        for row in rows.each(self._exact):
            self.seen += 1
            if isinstance(row, BadRow):
                self._rejects.add(replace(row, number=self.seen))
            else:
                good.append(row)
        batch = batch_of(good, self._accepted)
        self._accepted += batch.num_rows
        return batch
