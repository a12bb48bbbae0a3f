"""Why a target is missed, for people; shown on the page with those groups in which one is missed."""

from __future__ import annotations

from typing import Final

from bench import targets

_SMALL: Final = (
    "SQLite finds a few rows by an index in a third of a millisecond; DuckDB takes 2 to 3 ms to plan a statement of "
    "24 columns and to start its scan, however few the rows. From 100,000 rows on, that turns round. As served, a "
    "question that was asked before costs neither."
)

NOTES: Final[dict[str, str]] = {
    targets.NEAR_ENGINE: (
        "Checking who asks and what takes 0.2 to 0.3 ms, making bytes of 50 rows about 0.5 ms, the answer's headers "
        "0.3 to 0.5 ms. The rest of the column 'rows to bytes, threads' below is the engine itself, which takes longer "
        "in a thread of the server, between requests, than in a process that runs one statement in a loop. In the "
        "server's process without HTTP, in a loop, the same page takes 0.5 to 1.0 ms more than the engine. Why the "
        "difference is larger than that is not understood yet."
    ),
    targets.EVEN_CURSOR: (
        "A page of a small provider is mostly planning, and the condition of a cursor has more to plan: the engine "
        "alone takes 5.0 instead of 3.1 ms."
    ),
    targets.MIX_ANEW: _SMALL,
    targets.NOT_BEHIND_ANEW: _SMALL,
    targets.INGEST: (
        "A merge is about forty statements; on two cores that readers keep busy, a group of 32 batches takes 1.5 s, "
        "of which planning is a large part."
    ),
    targets.CALM_READERS: "Merges and readers share two cores, and each merge changes what readers are answered with.",
}
