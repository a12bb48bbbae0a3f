"""`Together` in PostgreSQL: one row for each rate that is in use, and for each work that one process does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from turnout.store.together import Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import psycopg

_NOW: Final = "extract(epoch FROM clock_timestamp())::DOUBLE PRECISION"
_SPEND: Final = f"""
    INSERT INTO rate AS known (key, full_at)
    SELECT %(key)s, moment + %(each)s FROM (SELECT {_NOW} AS moment) AS present
    ON CONFLICT (key) DO UPDATE SET full_at = greatest(known.full_at, EXCLUDED.full_at - %(each)s) + %(each)s
    WHERE greatest(known.full_at, EXCLUDED.full_at - %(each)s) + %(each)s <= EXCLUDED.full_at - %(each)s + %(seconds)s
    RETURNING full_at - {_NOW}"""  # noqa: S608 - all of it stands here
_LEFT: Final = f"SELECT full_at - {_NOW} FROM rate WHERE key = %(key)s"  # noqa: S608 - as above
_LEAD: Final = """
    INSERT INTO lease AS known (work, holder, until)
    VALUES (%(work)s, %(holder)s, clock_timestamp() + make_interval(secs => %(seconds)s))
    ON CONFLICT (work) DO UPDATE SET holder = EXCLUDED.holder, until = EXCLUDED.until
    WHERE known.holder = EXCLUDED.holder OR known.until < clock_timestamp()
    RETURNING holder"""


TABLES: Final = ("rate", "lease")
"""Its tables, which say nothing of any provider."""


def definitions() -> Iterator[str]:
    """The statements that make its tables. What is left of a rate need not outlive a crash of the database."""
    yield 'CREATE UNLOGGED TABLE rate (key TEXT COLLATE "C" PRIMARY KEY, full_at DOUBLE PRECISION NOT NULL)'
    yield (
        'CREATE TABLE lease (work TEXT COLLATE "C" PRIMARY KEY, holder TEXT COLLATE "C" NOT NULL, '
        "until TIMESTAMPTZ NOT NULL)"
    )


class PostgresTogether:
    """See `together.Together`. `alone` gives a connection for single statements."""

    def __init__(self, alone: Callable[[], AbstractContextManager[psycopg.Connection[Any]]]) -> None:
        self._alone = alone
        self._me = uuid4().hex

    def spend(self, key: str, count: int, seconds: int) -> Spent:
        """Take one from a rate."""
        values = {"key": key, "each": seconds / count, "seconds": float(seconds)}
        with self._alone() as connection:
            if found := connection.execute(_SPEND, values).fetchall():
                return Spent(True, max(0.0, found[0][0]))
            left = connection.execute(_LEFT, values).fetchall()
        # It may have been forgotten since: then all of it is there at once.
        return Spent(False, max(0.0, left[0][0]) if left else 0.0)

    def lead(self, work: str, seconds: float) -> bool:
        """Whether this process is the one that does some work."""
        with self._alone() as connection:
            return bool(connection.execute(_LEAD, {"work": work, "holder": self._me, "seconds": seconds}).fetchall())

    def expire(self, now: int) -> None:  # noqa: ARG002 - the interface's
        """Forget rates that are full again."""
        with self._alone() as connection:
            connection.execute(f"DELETE FROM rate WHERE full_at < {_NOW}")  # noqa: S608 - as above
