"""Statements that are parsed once, and run often: parsing takes the engine about a fifth of a short statement's time.

Values are bound, so that a report's statements are few, and those of a merge the same for every provider.
"""

from __future__ import annotations

import atexit
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import duckdb

_MOST: Final = 500_000
"""So many characters of SQL are kept; they take 35 bytes each, parsed."""
_LONGEST: Final = 20_000
"""Longer texts are lists of very many filters, which nobody asks for twice."""


class Parsed:
    """The statements used last, by their text. Safe for use by several threads; the engine copies what it runs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[str, duckdb.Statement] = OrderedDict()
        self._length = 0

    def __call__(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement | str:
        """The one statement of a text; the text itself where it is not to be kept."""
        if len(sql) > _LONGEST:
            return sql
        with self._lock:
            known = self._known.get(sql)
            if known is not None:
                self._known.move_to_end(sql)
                return known
        (statement,) = cursor.extract_statements(sql)
        with self._lock:
            if sql not in self._known:
                self._known[sql] = statement
                self._length += len(sql)
            while self._length > _MOST:
                oldest, _ = self._known.popitem(last=False)
                self._length -= len(oldest)
        return statement

    def forget(self) -> None:
        """Let go of all."""
        with self._lock:
            self._known.clear()
            self._length = 0


parsed: Final = Parsed()
"""Of this process. It holds no values and belongs to no store."""
# What the engine's library made is to be gone before the library is, which complains otherwise.
atexit.register(parsed.forget)
