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
        "Alone, and without readers, merging takes 22 ms a batch and checking 8 ms, of a core each (groups of 32 "
        "batches, 1,000,000 rows): about 30 ms of the 67 ms that two cores have for a batch at this rate, if each were "
        "as fast beside the other. They are not, where they share one core's units: both together do a third more than "
        "one. And 8 readers who ask again at once keep both busy by themselves."
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
    targets.GROUPED: (
        "Of 14 ms, 3 to 4 are the server's own, as with every page; over 1,500,000 rows they do not count."
    ),
    targets.CALM_READERS: "Merges and readers share two cores, and each merge changes what readers are answered with.",
}
