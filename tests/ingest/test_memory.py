"""Memory does not grow with the file, whatever its form, and however many of its rows are bad (contract section 5)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Reads an endless file's first rows in a process of its own, and prints its peak memory in MiB.
PROBE = """
import io, json, sys
from pathlib import Path
from ingest_rows import BERLIN, FULL
from turnout.ingest.faults import Rejects
from turnout.ingest.files import read_file

form, count = sys.argv[1], int(sys.argv[2])
row = json.dumps(FULL).encode()
paths = "id,updated_at,customer.id,event.id,event.starts_at,status,customer.name\\r\\n"
parts = {
    "ndjson": (b"", row, b"\\n", b"\\n"),
    "array": (b"[", row, b",", b"]"),
    "document": (b'{"total":1,"rows":[', row, b",", b']}'),
    "csv": (paths.encode(), b'7,2026-10-01T10:00:00Z,1,2,2026-10-01T10:00:00Z,attended,"x, y"', b"\\r\\n", b"\\r\\n"),
    "bad": (b"", b'{"id": "x"}', b"\\n", b""),
}
before, row, between, after = parts[form]

def pieces():
    yield before
    many = (row + between) * 1_000
    for _ in range(count // 1_000 - 1):
        yield many
    yield many.removesuffix(between)
    yield after

class Pieces(io.RawIOBase):
    def __init__(self):
        self.left = pieces()
    def read(self, size=-1):
        return next((piece for piece in self.left if piece), b"")

rejects = Rejects("rows", open("/dev/null", "wb"))
rows = sum(batch.num_rows for batch in read_file(Pieces(), BERLIN, rejects, partial=True))
assert rows + rejects.count == count, (rows, rejects.count)
# Not getrusage's, which begins with what the process that started this one had.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1024)
"""


def peak(form: str, rows: int) -> int:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE, form, str(rows)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(("form", "few", "many"), [
    ("ndjson", 40_000, 200_000),
    ("array", 40_000, 200_000),
    ("document", 40_000, 200_000),
    ("csv", 200_000, 1_000_000),
    ("bad", 15_000, 45_000),
])  # fmt: skip
def test_memory_does_not_grow_with_the_file(form: str, few: int, many: int) -> None:
    """Between the two lie 100 MB of JSON, 60 MB of CSV: what is kept of them shows."""
    small, large = peak(form, few), peak(form, many)
    assert large < small + 25
    assert large < 400
