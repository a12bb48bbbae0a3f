"""Files of rows, read and checked in chunks (contract sections 5 and 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from turnout.errors import TurnoutError
from turnout.ingest.columns import ColumnChecker, UnfitError
from turnout.ingest.csv_rows import csv_chunks
from turnout.ingest.faults import BadRow, FileFaultError, Limits, Rejects
from turnout.ingest.json_rows import BLANK
from turnout.ingest.json_split import DOCUMENT, array, document, ndjson
from turnout.ingest.rows import RowChecker, batch_of
from turnout.ingest.source import BLOCK, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO
    from zoneinfo import ZoneInfo

    import pyarrow as pa

    from turnout.ingest.columns import Columns
    from turnout.ingest.rows import Stated

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
) -> Iterator[pa.RecordBatch]:
    """The rows of a file as batches of `store.schema.STAGING`, whatever of the accepted forms it has.

    The form is told by the content: gzip or not; a document of the API, an array of rows, NDJSON, or CSV. The file
    need not be seekable; memory does not grow with it. Naive date-times are local in `provider_zone`.

    Bad rows go to `rejects`. With `partial` the others are handed out; else nothing is handed out after the first bad
    row, all rows are checked nevertheless, and at the end `rows_rejected` is raised: take the batches into a
    transaction that it undoes. A file that cannot be read to its end raises `rows_rejected` in both cases.

    `on_progress` is called now and then with the bytes of the file read so far, packed as they are, and the rows.
    """
    source = Source(file, block)
    checking = _Checking(provider_zone, limits, rejects)
    try:
        for chunk in _chunks(source.blocks(), limits.row):
            for batch in checking.batches(chunk):
                if partial or not rejects.count:
                    yield batch
            on_progress(source.consumed, checking.seen)
    except FileFaultError as fault:
        rejects.add(fault.bad)
        raise TurnoutError("rows_rejected", f"{rejects.name} cannot be read to its end; nothing was changed.") from None
    if rejects.count and not partial:
        raise TurnoutError("rows_rejected")


def _chunks(blocks: Iterator[bytes], limit: int) -> Iterator[Chunk]:
    first = next(blocks, b"")
    start = first.lstrip(BLANK)[:1]
    if not start:
        if next(blocks, b""):
            first = b"?"
    again = _chain(first, blocks)
    if start == b"[":
        return array(again, limit)
    if start == b"{":
        return document(again, limit) if DOCUMENT.match(first) else ndjson(again, limit)
    return csv_chunks(again, limit)
