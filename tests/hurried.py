"""`turnout` whose upkeep is always at work, a few rows at a time: what else takes days is met within seconds."""

from __future__ import annotations

import sys

from turnout import upkeep
from turnout.cli.main import main
from turnout.store import rebuild

PROGRAM = (sys.executable, __file__)

if __name__ == "__main__":
    upkeep._LOOK_EVERY = 0.1
    upkeep._REST = 0.0
    upkeep.LOOSE_ROWS = 100
    upkeep.TAIL_ROWS = 600
    upkeep.MOST_TAIL = 1_500
    rebuild.RUN_ROWS = 2_000
    rebuild.STEP_ROWS = 1_000
    main()
