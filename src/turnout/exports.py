"""Whole reports as files (contract section 8): every matching row, of one snapshot, in the report's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.output.files import FILES, Asked, FileFormat
from turnout.query.plan import plan
from turnout.query.sql import all_statement, extent_statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from turnout.query.request import ReportRequest
    from turnout.store.base import Snapshot, Store

__all__ = ["FILES", "Asked", "FileFormat", "write_file"]

_BATCH: Final = 2_000


def write_file(
    store: Store,
    request: ReportRequest,
    format_: FileFormat,
    file: Path,
    *,
    asked: Asked,
    on_snapshot: Callable[[Snapshot], None] = lambda _: None,
    on_total: Callable[[int], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> int:
    """Write a report to `file`, which is made or replaced; return how many rows are in it.

    `on_snapshot` gets to see the snapshot, so that it can cancel it; `on_total` is told once how many rows there will
    be, `progress` how many are written, again and again. `check` is called often, and raises to stop the work: what
    it raises comes through. Whatever is raised, the file is then left behind unfinished, and is the caller's to remove.
    Raises `OSError` where the file cannot be written, else as `Snapshot` does.
    """
    del asked  # no format has a place for it yet
    the_plan = plan(request, with_order_keys=False)
    written = 0
    with store.snapshot() as snapshot, file.open("wb") as out:
        on_snapshot(snapshot)
        total = int(snapshot.rows(extent_statement(the_plan))[0][0])
        on_total(total)

        def batches() -> Iterator[list[tuple[Any, ...]]]:
            nonlocal written
            for rows in snapshot.stream(all_statement(the_plan), _BATCH):
                check()
                yield rows
                written += len(rows)
                progress(written)

        for piece in format_.write(request, the_plan, total, batches()):
            out.write(piece)
    return written
