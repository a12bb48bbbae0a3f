"""Progress, for whoever watches: what passes is overwritten on a terminal and left out elsewhere."""

from __future__ import annotations

import sys


def say(words: str, *, passing: bool = False) -> None:
    """One line on standard error."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{words}" + ("" if passing else "\n"))
        sys.stderr.flush()
    elif not passing:
        print(words, file=sys.stderr, flush=True)
