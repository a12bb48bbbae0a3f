"""Read and check a file, and print how many rows it has: a process of its own, started by `bench.imports`.

The processes that help it load this module too, so that it loads little.
"""

from __future__ import annotations

import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from turnout.ingest.faults import Rejects
from turnout.ingest.files import read_file
from turnout.settings import cores


def main(path: Path, zone: str) -> None:
    """Validate the file, whose naive times are local in `zone`."""
    rejects = Rejects(path.name)
    with path.open("rb") as file:
        rows = sum(batch.num_rows for batch in read_file(file, ZoneInfo(zone), rejects, processes=cores()))
    print(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
