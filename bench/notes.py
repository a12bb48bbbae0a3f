"""Why a target is missed, for people; shown on the page with those groups in which one is missed."""

from __future__ import annotations

from typing import Final

from bench import targets

_SMALL: Final = (
    "SQLite finds a few rows by an index in a third of a millisecond; DuckDB takes 2 to 4 ms to plan a statement of "
    "24 columns and to start its scan, however few the rows. From 100,000 rows on, that turns round. As served, a "
    "question that was asked before costs neither."
)

NOTES: Final[dict[str, str]] = {
    targets.NEAR_ENGINE: (
        "The table 'Where the time goes' has the parts. A statement takes longer after a pause, in a process that does "
        "nothing else, too ('after a pause': of 2 ms, about what a server has between requests); the bound is of one "
        "that runs in a loop. 'Rows to bytes, threads' is planning, the hand-over to a thread and back, nesting and "
        "encoding, and links. All of it grows with the machine's load, and the bound's 1.5 ms do not."
    ),
    targets.EVEN_CURSOR: (
        "A page of a small provider is mostly planning, and the condition of a cursor has more to plan: the engine "
        "alone takes longer for it, too (see 'engine' below)."
    ),
    targets.MIX_ANEW: _SMALL,
    targets.NOT_BEHIND_ANEW: _SMALL,
    targets.INGEST: (
        "A merge is about forty statements; on two cores that readers keep busy, a group of 32 batches takes 1.5 s, "
        "of which planning is a large part."
    ),
    targets.QUICK_IMPORT: (
        "Checking NDJSON is making objects of text and columns of objects: 7 to 12 microseconds a row of one core, as "
        "the machine goes. The rate is of the whole process, from its start. The processes beside it share the cores "
        "with it: on two of them they win a third."
    ),
    targets.QUICK_EXPORT: (
        "The file is written in constant memory: COPY takes three times as much. The machine drifts within a minute: "
        "in runs right after another Parquet was between 0.60 and 0.87 x COPY, CSV between 0.58 and 0.89."
    ),
    targets.CALM_READERS: "Merges and readers share two cores, and each merge changes what readers are answered with.",
}
