"""`turnout import`: what it says, and that all rows go in or none."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from shell import PATIENCE, Shell

from conftest import ROWS, ndjson, row

if TYPE_CHECKING:
    from pathlib import Path

NEW = [row(number) for number in range(1001, 1011)]
BAD = [row(2001, status="attendedd"), row(2002, updated_at=None), row(2003)]


def count(shell: Shell) -> int:
    return int(json.loads(shell.out("report", "--provider", "1", "--limit", "0", "--json"))["total"])


def file(shell: Shell, data: bytes, name: str = "rows.ndjson") -> str:
    path = shell.database.with_name(name)
    path.write_bytes(data)
    return str(path)


def test_a_file_twice(shell: Shell) -> None:
    rows = file(shell, ndjson(NEW))
    done = shell.run("import", rows, "--provider", "1")
    summary = r"Imported 10 rows: 10 created, 0 updated, 0 unchanged \(\d+\.\d s\)\n"
    assert re.fullmatch(summary, done.stdout.decode())
    assert done.stderr == b""
    again = json.loads(shell.out("import", rows, "--provider", "1", "--json"))
    assert again == {"created": 0, "updated": 0, "unchanged": 10, "rejected": [], "rejected_count": 0}
    assert count(shell) == ROWS + 10


def test_what_the_report_writes_can_be_read(shell: Shell) -> None:
    whole = shell.run("report", "--provider", "1", "--all", "--json").stdout
    table = shell.run("report", "--provider", "1", "--all", "--format", "csv").stdout
    for data in (whole, table, gzip.compress(whole), gzip.compress(table)):
        done = json.loads(shell.out("import", "-", "--provider", "1", "--json", stdin=data))
        assert (done["created"], done["updated"], done["unchanged"]) == (0, 0, ROWS)
    assert (
        json.loads(shell.out("import", "-", "--provider", "2", "--json", stdin=gzip.compress(table)))["created"] == ROWS
    )


def test_a_dry_run_changes_nothing(shell: Shell) -> None:
    done = shell.out("import", "-", "--provider", "1", "--dry-run", stdin=ndjson(NEW))
    assert done.startswith("Would import 10 rows: 10 created")
    assert count(shell) == ROWS


def test_one_bad_row_and_nothing_is_changed(shell: Shell) -> None:
    rows = file(shell, ndjson([*NEW, *BAD]))
    done = shell.run("import", rows, "--provider", "1", status=1)
    first, second, last = done.stderr.decode().splitlines()
    assert first.startswith(f"{rows}:11: status: 'attendedd' is not ")
    assert second.startswith(f"{rows}:12: updated_at: ")
    assert last == "Error: 2 rows rejected; nothing was changed. --rejects FILE imports the others."
    assert done.stdout == b""
    assert count(shell) == ROWS


def test_the_first_hundred_bad_rows_and_how_many_there_are(shell: Shell) -> None:
    bad = ndjson([row(number, status=None) for number in range(1, 131)])
    done = shell.run("import", "-", "--provider", "1", "--json", stdin=bad, status=1)
    result = json.loads(done.stdout)
    assert len(result["rejected"]) == 100
    assert result["rejected_count"] == 130
    assert {"line", "column", "reason"} <= set(result["rejected"][0])
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 102
    assert lines[0].startswith("-:1: status: ")
    assert lines[100] == "... and 30 more."


def test_bad_rows_in_a_file_of_their_own(shell: Shell) -> None:
    rejects = shell.database.with_name("bad.ndjson")
    rejects.write_text("of an earlier import")
    done = shell.run("import", "-", "--provider", "1", "--rejects", str(rejects), stdin=ndjson([*NEW, *BAD]), status=1)
    assert done.stdout.startswith(b"Imported 11 rows: 11 created")
    assert done.stderr.decode() == f"Error: 2 rows rejected; {rejects} has them, with the reasons.\n"
    kept = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(one["line"], one["column"], one["row"]) for one in kept] == [
        (11, "status", BAD[0]),
        (12, "updated_at", BAD[1]),
    ]
    assert count(shell) == ROWS + 11
    again = shell.run("import", "-", "--provider", "1", "--rejects", str(rejects), stdin=ndjson(NEW))
    assert again.stderr == b""
    assert rejects.read_text() == "", "there are none this time"
    assert sorted(path.name for path in shell.database.parent.iterdir()) == ["bad.ndjson", "turnout.duckdb"]


def test_the_rejects_are_not_written_over_the_input(shell: Shell) -> None:
    rows = file(shell, ndjson(NEW))
    (shell.database.parent / "link.ndjson").symlink_to(rows)
    for name in (rows, str(shell.database.parent / "link.ndjson")):
        assert "--rejects names the file that is imported" in shell.words(
            "import", rows, "--provider", "1", "--rejects", name, status=2
        )
    assert json.loads(shell.database.with_name("rows.ndjson").read_text().splitlines()[0]) == NEW[0]
    said = shell.words("import", rows, "--provider", "1", "--rejects", "/nonexistent/bad.ndjson", status=1)
    assert said == "Error: /nonexistent/bad.ndjson cannot be written: No such file or directory.\n"
    assert "is a directory" in shell.words(
        "import", rows, "--provider", "1", "--rejects", str(shell.database.parent), status=1
    )
    assert count(shell) == ROWS


def test_files_that_cannot_be_read(shell: Shell, tmp_path: Path) -> None:
    assert (
        shell.words("import", "no.csv", "--provider", "1", status=1)
        == "Error: no.csv cannot be read: No such file or directory.\n"
    )
    assert "cannot be read: Is a directory" in shell.words("import", str(tmp_path), "--provider", "1", status=1)


def test_a_header_that_is_wrong_is_no_bad_row(shell: Shell) -> None:
    rows = file(shell, b"id;updated_at;status\r\n1;2;3\r\n", "rows.csv")
    fault = f"{rows}:1: the columns are separated by semicolons (;); commas are expected. Save it as CSV with commas."
    error = f"Error: {rows} cannot be read beyond line 1; nothing was changed."
    assert shell.words("import", rows, "--provider", "1", status=1).splitlines() == [fault, error]
    asked = ("import", rows, "--provider", "1", "--rejects", "bad.ndjson")
    assert shell.words(*asked, status=1).splitlines() == [error, f"  {fault}"]
    assert not shell.database.with_name("bad.ndjson").exists()


@pytest.mark.parametrize("data", [b"", b"\n", b"[]", b"id,updated_at,customer.id,event.id,event.starts_at,status\n"])
def test_a_file_without_rows_is_said_to_be_one(shell: Shell, data: bytes) -> None:
    """It is no error: a night on which nothing changed has such a file."""
    rows = file(shell, data)
    done = shell.run("import", rows, "--provider", "1")
    assert done.stdout.startswith(b"Imported 0 rows: 0 created, 0 updated, 0 unchanged (")
    assert done.stderr.decode() == f"{rows} has no rows.\n"


def test_a_provider_that_is_not_there(shell: Shell) -> None:
    assert "There is no provider 9" in shell.words("import", "-", "--provider", "9", stdin=ndjson(NEW), status=1)


def test_csv_lines_are_those_of_the_file(shell: Shell) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", "updated_at", "customer_id", "event_id", "event_starts_at", "status", "event_name"])
    good = ["2026-01-01T00:00:00Z", 1, 1, "2026-01-01T00:00:00Z", "attended", "two\r\nlines"]
    writer.writerows([[1, *good], [2, *good], [3, *good[:-2], "no", "x"]])
    rows = file(shell, text.getvalue().encode(), "rows.csv")
    done = shell.words("import", rows, "--provider", "2", status=1)
    assert done.splitlines()[0].startswith(f"{rows}:6: status: 'no' is not ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_import_that_is_cut_off_leaves_nothing(shell: Shell, number: signal.Signals) -> None:
    rejects = shell.database.with_name("bad.ndjson")
    arguments = ("import", "-", "--provider", "1", "--rejects", str(rejects))
    process = shell.start(*arguments, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin
    # More than the pipe holds: when it is written, the import has begun to read it.
    process.stdin.write(ndjson([row(number) for number in range(5000, 12000)]))
    process.stdin.flush()
    process.send_signal(number)
    assert process.wait(PATIENCE) == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}[number]
    process.stdin.close()
    assert process.stdout
    process.stdout.close()
    assert not rejects.exists()
    if number != signal.SIGKILL:
        assert [path.name for path in shell.database.parent.iterdir()] == ["turnout.duckdb"]
    assert count(shell) == ROWS
