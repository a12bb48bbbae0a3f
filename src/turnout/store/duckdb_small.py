"""Transactions on the embedded store's small tables."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from turnout.store.views import Run

    Briefly = Callable[[str], AbstractContextManager[duckdb.DuckDBPyConnection]]


@contextmanager
def transaction(briefly: Briefly) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor for a transaction, which nobody else disturbs. `briefly` gives the cursor: `duckdb_engine.Engine`."""
    with briefly("Writing the store") as cursor:
        cursor.execute("BEGIN TRANSACTION")
        try:
            yield cursor
            cursor.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):  # the engine may have done it already
                cursor.execute("ROLLBACK")
            raise


@contextmanager
def running(briefly: Briefly) -> Iterator[Run]:
    """The same, as what runs statements; see `views.ViewTable`."""
    with transaction(briefly) as cursor:

        def run(sql: str, *values: Any) -> Sequence[tuple[Any, ...]]:
            return cursor.execute(sql, values).fetchall()

        yield run
