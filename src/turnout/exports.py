"""Whole reports as files (contract section 8): every matching row, of one snapshot, in the report's order."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError
from turnout.output.files import FILES, Asked, FileFormat, Whole
from turnout.query.groups import every_group_statement, settled, total_statement
from turnout.query.plan import plan
from turnout.query.spans import ROWS_OF_A_MARK, marks, spans
from turnout.query.sql import extent_statement, marks_statement, span_statement

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from turnout.query.plan import Plan
    from turnout.query.request import ReportRequest
    from turnout.store.base import Batch, Snapshot, Store

__all__ = ["FILES", "Asked", "FileFormat", "write_file"]

_BATCH: Final = 8_192


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
    be, `progress` how many are on their way into the file, again and again. `check` is called often, and raises to stop
    the work: what it raises comes through. Whatever is raised, the file is then left behind unfinished, and is the
    caller's to remove. Raises `OSError` where the file cannot be written, else as `Snapshot` does.
    """
    written = 0
    with store.snapshot(request.scope.provider_id, long=True) as snapshot, file.open("wb") as out:
        on_snapshot(snapshot)
        request = settled(request, snapshot.rows, snapshot.dialect)
        the_plan = plan(request, snapshot.dialect, with_order_keys=False)
        count = total_statement if the_plan.grouping else extent_statement
        total = int(snapshot.rows(count(the_plan))[0][0])
        on_total(total)

        def batches() -> Generator[Batch]:
            nonlocal written
            read = _read_groups(snapshot, the_plan) if the_plan.grouping else _read(snapshot, the_plan, total)
            with closing(read):
                for batch in read:
                    check()
                    yield batch
                    written += batch.num_rows
                    progress(written)

        # Whatever ends the work, what is read with ends before the snapshot does.
        with closing(batches()) as given:
            format_.write(Whole(request, the_plan, total, asked), given, out)
    if written != total:
        raise TurnoutError("server_error", f"The file has {written} rows, the report {total}.")
    return written


def _read(snapshot: Snapshot, the_plan: Plan, total: int) -> Generator[Batch]:
    """All rows in the report's order, one span after the other."""
    sample = snapshot.rows(marks_statement(the_plan, ROWS_OF_A_MARK)) if total > ROWS_OF_A_MARK else []
    parts = spans(marks(the_plan, sample))
    start, end = next(parts)
    while True:
        held = 0
        with closing(snapshot.columns(span_statement(the_plan, start, end), _BATCH)) as read:
            for batch in read:
                held += batch.nbytes
                if batch.num_rows:
                    yield batch
        try:
            start, end = parts.send(held)
        except StopIteration:
            return


def _read_groups(snapshot: Snapshot, the_plan: Plan) -> Generator[Batch]:
    """All groups in the report's order: they are few, compared with the rows that they are made of."""
    with closing(snapshot.columns(every_group_statement(the_plan), _BATCH)) as read:
        yield from (batch for batch in read if batch.num_rows)
