"""A data set in PostgreSQL: a server of the benchmark's own, with the rows of the embedded store."""

from __future__ import annotations

import shutil
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from tests.cluster import Cluster, as_administrator

from bench.children import BenchError
from bench.copies import copied
from bench.data import ROOT
from bench.say import say
from turnout.catalog.attendances import THINGS
from turnout.store.duckdb_file import attach, cursor_of
from turnout.store.open import open_store
from turnout.store.postgres_rows import WRITTEN_AT_ONCE, put_rows
from turnout.store.postgres_schema import definitions
from turnout.store.postgres_walls import say as say_whose
from turnout.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.data import DataSet

SETTINGS: Final = ("shared_buffers=4GB", "maintenance_work_mem=1GB", "max_wal_size=8GB")
"""What the server is told beside its defaults: nothing that a crash would not forgive."""
_INDEX: Final = "CREATE INDEX "


@contextmanager
def database_server(name: str) -> Iterator[str]:
    """The address of a server without any table, for the length of a block; its directory goes with it."""
    # The server runs as a user of its own, who reaches no directory that is this user's alone.
    directory = (ROOT / name).absolute()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        server = Cluster(directory, settings=("listen_addresses=", *SETTINGS))
        try:
            yield server.address
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def fill(address: str, data: DataSet) -> float:
    """Put a data set into an empty database: its rows, things, providers and token. Return the seconds that it took."""
    file = copied(data.database, "engine")
    with closing(open_store(str(file))) as source, closing(open_store(address)) as target:
        providers = source.providers()
        for provider in providers.values():
            target.put_provider(provider)
        for token in source.tokens():
            target.add_token(token)
    began = time.perf_counter()
    indexes = [definition for definition in definitions() if definition.startswith(_INDEX)]
    with psycopg.connect(address, autocommit=True) as connection:
        for index in indexes:
            connection.execute(f"DROP INDEX {index.removeprefix(_INDEX).split()[0]}")
        _copy(file, connection, list(providers), data.rows)
        say("Making the indexes", passing=True)
        for index in indexes:
            connection.execute(index)
        for table in tables():
            connection.execute(f"VACUUM (ANALYZE) {table}")
    with psycopg.connect(as_administrator(address)) as connection:
        connection.execute("CHECKPOINT")
    seconds = time.perf_counter() - began
    say(f"Filled PostgreSQL with {data.rows:,} rows in {seconds:,.0f} s.")
    return seconds


def _copy(file: Path, connection: psycopg.Connection[tuple[object, ...]], providers: list[int], rows: int) -> None:
    done = 0
    spill = file.with_name(file.name + ".tmp")
    with closing(attach(file, memory_limit=None, threads=None, temp_directory=spill)) as engine:
        cursor = cursor_of(engine)
        for provider in providers:
            with connection.transaction():
                say_whose(connection, provider)
                for table in ("attendances", *(thing.name for thing in THINGS)):
                    mine = cursor.sql(f"SELECT * FROM {table} WHERE provider_id = {provider}")
                    put_rows(connection, table, provider, mine.to_arrow_reader(WRITTEN_AT_ONCE))
                counted = "SELECT provider_id, 1, count(*) FROM attendances WHERE provider_id = %s GROUP BY provider_id"
                changed = f"INSERT INTO change (provider_id, version, attendances) {counted} RETURNING attendances"
                done += sum(count for (count,) in connection.execute(changed, (provider,)))  # type: ignore[misc]
            say(f"Filling PostgreSQL: {done:,} of {rows:,} rows", passing=True)
    if done != rows:
        raise BenchError(f"PostgreSQL has {done:,} rows instead of {rows:,}")
