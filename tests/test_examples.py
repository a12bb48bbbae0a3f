"""What `examples/` shows works: every data file imports to the same rows, every program lists the same bookings."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inside import MAX_TEXT, Inside, import_file, new_store, token
from live import TURNOUT, Answer, Server, environment, served
from turnout.imports import import_rows
from turnout.store.base import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent / "examples"
JSON_FILES = ("document.json", "array.json", "rows.ndjson", "rows.ndjson.gz")
CSV_FILES = ("keys.csv", "labels.csv", "other_names.csv")
NOW = 1_796_000_000_000_000  # late in 2026, after the last of the bookings
COLUMNS = ",".join(header["key"] for header in json.loads((EXAMPLES / "document.json").read_bytes())["column_headers"])


class Studio:
    """A store with the examples' provider, and a client that reads it back."""

    def __init__(self, directory: Path) -> None:
        self.store = new_store(directory)
        self.store.put_provider(Provider(1, "Harbour Studio", "Europe/Berlin"))
        self.inside = Inside(self.store, NOW)
        self.client = self.inside.as_(token(self.store, 1))

    def take(self, name: str) -> tuple[int, int, int]:
        """Import a file; how many rows it created, updated, and left unchanged."""
        with (EXAMPLES / name).open("rb") as file:
            done = import_rows(self.store, 1, file, name, max_text=MAX_TEXT)
        assert done.rejected == ()
        return done.created, done.updated, done.unchanged

    def report(self, **parameters: str) -> Answer:
        answer = self.client.get({"columns": COLUMNS, **parameters})
        assert answer.status == 200
        return answer

    def close(self) -> None:
        self.inside.close()
        self.store.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(tmp_path)
    yield made
    made.close()


def without_instructor_ids(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what a CSV cannot say."""
    for row in document["rows"]:
        for person in row["instructors"]:
            del person["id"]
    return document


@pytest.mark.parametrize("name", [*JSON_FILES, *CSV_FILES])
def test_every_file_imports_to_the_same_rows(fresh, name):
    assert fresh.take(name) == (8, 0, 0)
    document = json.loads((EXAMPLES / "document.json").read_bytes())
    found = fresh.report(format="json").json
    if name in CSV_FILES:
        assert without_instructor_ids(found) == without_instructor_ids(document)
    else:
        assert found == document
    assert fresh.take(name) == (0, 0, 8)


def test_the_files_are_what_the_report_writes(fresh):
    assert fresh.take("document.json") == (8, 0, 0)
    assert fresh.report(format="csv").body == (EXAMPLES / "labels.csv").read_bytes()
    assert fresh.report(format="csv", csv_header="key").body == (EXAMPLES / "keys.csv").read_bytes()
    for name in (*JSON_FILES, *CSV_FILES):
        assert fresh.take(name) == (0, 0, 8), name
    assert fresh.report(format="json").json == json.loads((EXAMPLES / "document.json").read_bytes())


def test_the_commands_of_the_readme_work(tmp_path):
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    commands = next(block for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if "turnout import" in block)
    program = tmp_path / "bin" / "turnout"
    program.parent.mkdir()
    program.symlink_to(TURNOUT)
    done = subprocess.run(
        ["sh", "-euc", commands],
        check=False,
        capture_output=True,
        timeout=120,
        cwd=EXAMPLES,
        env={
            **environment(database=tmp_path / "turnout.duckdb"),
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "COLUMNS": "400",
        },
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "Sean O'Brien, Jr." in done.stdout.decode()


def test_the_compressed_rows_are_the_plain_ones():
    assert gzip.decompress((EXAMPLES / "rows.ndjson.gz").read_bytes()) == (EXAMPLES / "rows.ndjson").read_bytes()


def test_the_readme_names_every_file():
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[\w.]+\.(?:json|ndjson\.gz|ndjson|csv|py|sh|mjs)\b", readme))
    assert named == {file.name for file in EXAMPLES.iterdir()} - {"README.md"}


# The programs


BOOKINGS = 250
STARTED = datetime(2026, 3, 2, 6, tzinfo=UTC)


def bookings() -> list[dict[str, Any]]:
    """Attended bookings in March 2026, more than two pages of them, among others that the programs must not list."""
    rows = []
    for number in range(BOOKINGS + 50):
        starts = STARTED + timedelta(hours=2 * number) if number < BOOKINGS else datetime(2025, 1, 1, tzinfo=UTC)
        attended = {
            "id": number + 1,
            "updated_at": starts.isoformat(),
            "customer": {"id": number % 7 + 1, "name": f'Zoë "{number % 7}", Martín'},
            "event": {"id": number + 1, "starts_at": starts.isoformat(), "name": f"Morning, class {number % 3}"},
            "status": "attended",
        }
        missed = {**attended, "id": number + 1001, "status": "no_show"}
        rows += [attended, missed]
    return rows


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    directory = tmp_path_factory.mktemp("programs")
    store = new_store(directory)
    store.put_provider(Provider(1, "Harbour Studio", "Europe/Berlin"))
    import_file(store, 1, bookings())
    credential = token(store, 1)
    store.close()
    with served(directory / "turnout.duckdb") as running:
        yield running, credential


def expected() -> list[list[str]]:
    rows = [row for row in bookings() if row["status"] == "attended" and row["event"]["starts_at"] >= "2026"]
    return [
        [row["event"]["starts_at"].replace("+00:00", "Z"), row["event"]["name"], row["customer"]["name"]]
        for row in rows
    ]


def program(name: str) -> list[str]:
    """The command that runs an example as its README says."""
    interpreter = {".py": sys.executable, ".sh": shutil.which("sh"), ".mjs": shutil.which("node")}[Path(name).suffix]
    assert interpreter, f"what {name} runs with is not installed"
    return [interpreter, str(EXAMPLES / name)]


def run(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    clean = {key: value for key, value in environment().items() if not key.lower().endswith("_proxy")}
    return subprocess.run(
        [*program(name), *arguments],
        check=False,
        capture_output=True,
        timeout=60,
        env={**clean, **variables},
        cwd=os.sep,
    )


def listed(name: str, output: bytes) -> list[list[str]]:
    text = output.decode()
    if name == "client.sh":
        header, *rows = csv.reader(io.StringIO(text))
        assert header == ["Customer ID", "Event Starts At", "Event Name", "Customer Name"]
        return [row[1:] for row in rows]
    return [line.split("\t") for line in text.splitlines()]


PROGRAMS = ("client.py", "client.sh", "client.mjs")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_lists_every_attended_booking_of_a_timeframe(server, name):
    running, credential = server
    done = run(name, running.url, credential, "2026-03-01..2026-03-31")
    assert done.returncode == 0, done.stderr.decode()
    assert listed(name, done.stdout) == expected()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_takes_server_and_token_from_the_environment(server, name):
    running, credential = server
    done = run(name, "", "", "2025-01-01", TURNOUT_URL=running.url + "/", TURNOUT_TOKEN=credential)
    assert done.returncode == 0, done.stderr.decode()
    assert len(listed(name, done.stdout)) == 50


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_what_the_server_refused(server, name):
    running, credential = server
    done = run(name, running.url, credential, "fortnight")
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"is not a timeframe" in done.stderr
    assert run(name, running.url, "tk_nonsense").returncode == 1
