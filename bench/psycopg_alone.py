"""The limit for PostgreSQL: the statements of a page by psycopg alone, on one connection, fetched into Python.

As `bench.engine`, which takes the statements down: a `Slice` in, milliseconds out. There is no transaction around them.

`python -m bench.psycopg_alone FILE` answers the questions that the file has: msgpack of an `engine.Setup`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg

from bench.children import BenchError
from bench.engine import Setup, Slice, repeated, statements_of
from bench.worker import serve
from turnout.store.postgres_address import parameters
from turnout.store.postgres_walls import SETTING

if TYPE_CHECKING:
    from turnout.query.sql import Statement

# As the store's own connections, so that the database plans alike.
_SETTINGS: Final = "-c TimeZone=UTC"


def _once(connection: psycopg.Connection[Any], provider: int, statements: list[Statement]) -> float:
    """The milliseconds of one answer; whose rows the connection is about is said before."""
    connection.execute("SELECT set_config(%s, %s, false)", (SETTING, str(provider)))
    rows: list[tuple[Any, ...]] = []
    began = time.perf_counter()
    for statement in statements:
        rows = psycopg.RawCursor(connection).execute(statement.sql, statement.values).fetchall()
    milliseconds = (time.perf_counter() - began) * 1000
    if not rows:
        raise BenchError(f"psycopg alone finds no rows of provider {provider}")
    return milliseconds


def main(file: str) -> None:
    """Do slices until there are no more."""
    setup = msgspec.msgpack.decode(Path(file).read_bytes(), type=Setup)
    statements = statements_of(setup)
    with psycopg.connect(
        setup.database, autocommit=True, prepare_threshold=None, **parameters(setup.database, _SETTINGS)
    ) as connection:
        providers = {asked.name: asked.provider for asked in setup.questions}

        def do(slice_: Slice) -> list[float]:
            return repeated(lambda: _once(connection, providers[slice_.name], statements[slice_.name]), slice_)

        serve(Slice, do, psycopg.Error)


if __name__ == "__main__":
    main(sys.argv[1])
