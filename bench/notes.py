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
        "Merging a group of batches is dozens of statements, nearly all on one core, the commit and the wide rows "
        "above all; checking the next ones takes a process of its own. 8 readers who ask again at once keep both cores "
        "busy by themselves."
    ),
    targets.QUICK_IMPORT: (
        "Checking NDJSON is making objects of text and columns of objects, which the interpreter does one at a time. "
        "The rate is of the whole command, from its start. The processes that help it share the cores with its "
        "comparing of the rows; how much they win depends on what the cores share."
    ),
    targets.QUICK_EXPORT: (
        "The file is written in constant memory: COPY takes three times as much. The machine drifts within a minute: "
        "in runs right after another Parquet was between 0.60 and 0.87 x COPY, CSV between 0.58 and 0.89."
    ),
    targets.GROUPED: (
        "The server's own part is the same for few rows as for many, and the bound's 1.5 ms are less than that."
    ),
    targets.POSTGRES_IMPORT: (
        "The rows are checked and merged first, and then inserted by one process of the database, on one core, as the "
        "import is one transaction: it reads each row from what was sent, writes it, its log and its entries in five "
        "indexes. Each of those serves requests (ADR 13), and none can be left out meanwhile."
    ),
    targets.NEAR_PSYCOPG: (
        "Beside its statements a page is what begins its transaction, with the token, the place of the sync and the "
        "version; what ends it; the hand-over to a thread and back; and what an answer of the embedded store takes as "
        "well: parameters, nesting, encoding, links."
    ),
    targets.TWO_WORKERS: (
        "Where workers have no part of a core of their own: the database and the client take their share of the same "
        "cores. One process keeps more than one of two busy, as 'cores busy' says: what is left for a second is less "
        "than a core."
    ),
    targets.QUICK_VIEW: (
        "Nearly all of it is the browser's: loading, running and painting take more than a second of processor time, "
        "which browser and server share two cores for. The server's answers are a tenth of it."
    ),
    targets.CALM_READERS: (
        "Merges and readers share two cores, and each merge changes what readers are answered with. In 1,000,000 rows "
        "the writers make the largest provider some three times as large meanwhile, which all of its pages count."
    ),
}
