"""Providers, tokens, reports: results on standard output, words on standard error, and the exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from shell import PATIENCE, TURNOUT, Shell

from conftest import ROWS, ndjson, row
from turnout.cli import pages
from turnout.cli.pages import first_page
from turnout.cli.problems import Failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_providers(new_shell: Callable[..., Shell]) -> None:
    shell = new_shell("a/new/directory.duckdb")
    (shell.database.parent.parent).mkdir()
    shell.database.parent.mkdir()
    assert json.loads(shell.out("provider", "list", "--json")) == []
    assert "There is no store" in shell.words("provider", "list")
    assert not shell.database.exists(), "reading makes no store"

    added = shell.run("provider", "add", "--id", "7", "--name", " Łódź [b]Gym ", "--timezone", "Europe/Warsaw")
    assert added.stdout == b""
    assert added.stderr.decode() == "Added provider 7: Łódź [b]Gym, Europe/Warsaw, weeks start on Monday.\n"
    assert stat.S_IMODE(shell.database.stat().st_mode) == 0o600

    again = shell.run("provider", "add", "--id", "7", "--name", "x", "--timezone", "UTC", status=1)
    assert again.stderr.decode() == "Error: Provider 7 is there already.\n"

    changed = shell.out("provider", "set", "--id", "7", "--week_start", "sunday", "--json")
    seven = {"id": 7, "name": "Łódź [b]Gym", "timezone": "Europe/Warsaw", "week_start": "sunday"}
    assert json.loads(changed) == seven
    assert (
        shell.run("provider", "set", "--id", "8", "--name", "x", status=1).stderr == b"Error: There is no provider 8.\n"
    )

    assert json.loads(shell.out("provider", "list", "--json")) == [seven]
    table = shell.out("provider", "list").splitlines()
    assert re.split(r"\s{2,}", table[2].strip()) == ["7", "Łódź [b]Gym", "Europe/Warsaw", "sunday"]
    assert not shell.database.with_name(shell.database.name + ".sock").exists()


def test_tokens(shell: Shell) -> None:
    made = shell.run("token", "create", "--provider", "1", "--provider", "2", "--expires", "90d")
    assert re.fullmatch(r"tk_[\w-]{40,}\n", made.stdout.decode()), "the token alone"
    said = made.stderr.decode()
    assert re.fullmatch(
        r"Token 1 for provider 1, 2, role attendances, expires 2\d{3}-.*\. It is shown this once\.\n", said
    )
    scoped = ("--role", "instructor_attendances", "--instructor", "12", "--json")
    document = json.loads(shell.out("token", "create", "--provider", "1", *scoped))
    assert document["token"].startswith("tk_")
    assert (document["role"], document["instructor_id"], document["expires_at"]) == ("instructor_attendances", 12, None)

    assert "Token 2 is revoked." in shell.words("token", "revoke", "2")
    assert shell.run("token", "revoke", "9", status=1).stderr == b"Error: There is no token 9.\n"
    first, second = json.loads(shell.out("token", "list", "--json"))
    assert (first["id"], first["revoked_at"], second["id"]) == (1, None, 2)
    assert second["revoked_at"]
    listed = shell.out("token", "list")
    assert "12" in listed
    for secret in (made.stdout.decode().strip(), document["token"]):
        assert secret not in listed + json.dumps([first, second])


def test_a_token_for_a_provider_that_is_not_there(shell: Shell) -> None:
    said = shell.words("token", "create", "--provider", "77", status=1)
    assert "  --provider: There is no provider 77.\n" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "--provider", "1"),
        ("token", "create", "--provider", "1"),
        ("token", "revoke", "1"),
        ("import", "/dev/null", "--provider", "1"),
    ],
    ids=" ".join,
)
def test_what_needs_a_store_does_not_make_one(new_shell: Callable[..., Shell], arguments: tuple[str, ...]) -> None:
    shell = new_shell()
    assert f"Error: There is no store {shell.database}. " in shell.words(*arguments, status=1)
    assert not shell.database.exists()


def test_a_report_as_a_table(shell: Shell) -> None:
    done = shell.run(
        "report", "--provider", "1", "--columns", "id,event.starts_at,status,customer.name", "--limit", "2"
    )
    heads, _, *rows = done.stdout.decode().splitlines()
    assert re.split(r"\s{2,}", heads.strip()) == ["ID", "Event Starts At", "Status", "Customer Name"]
    cells = [re.split(r"\s{2,}", line.strip()) for line in rows]
    # 22:10Z is 23:10 in Berlin.
    assert cells == [["250", "2026-01-01 23:10", "no_show", "Zoë 5"], ["249", "2026-01-01 23:09", "attended", "Zoë 4"]]
    assert done.stderr.decode() == "2 of 250 rows; times in Europe/Berlin; --all has every row.\n"


def test_a_report_of_counts(shell: Shell) -> None:
    """`--group-by` is the columns and their count, in every form; a table ends with all that matches."""
    report = ("report", "--provider", "1", "--group-by", "status", "--sort", "-count", "--pivot", "year")
    same = ("report", "--provider", "1", "--columns", "status,count", "--sort", "-count", "--pivot", "year")
    document = json.loads(shell.out(*report, "--json"))
    assert document == json.loads(shell.out(*same, "--json"))
    counts = {row["status"]: row["count"] for row in document["rows"]}
    assert sum(counts.values()) == ROWS
    keys = [header["key"] for header in document["column_headers"]]
    assert keys[:2] == ["status", "count"]
    assert all(key.startswith("count_by_period.") for key in keys[2:])
    done = shell.run(*report, "--limit", "1")
    _, _, first, _, last = done.stdout.decode().splitlines()
    assert first.split()[:2] == [max(counts, key=counts.__getitem__), str(max(counts.values()))]
    assert last.split()[:4] == ["all", str(len(counts)), "matching", str(ROWS)]
    assert done.stderr.decode() == f"1 of {len(counts)} rows; --all has every row.\n"
    text = shell.out(*report, "--all", "--format", "csv", "--limit", "1")
    records = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {record["Status"]: int(record["Count"]) for record in records} == counts


def test_an_order_by_weeks_of_the_provider_is_left_to_the_server(shell: Shell) -> None:
    report = ("report", "--provider", "1", "--group-by", "status", "--pivot", "week", "--json")
    shell.run(*report, "--sort", "count_by_period.2026-W01")
    wrong = shell.run(*report, "--sort", "count_by_period.2026-01-04", status=2)
    assert "is not a week that begins on Monday" in wrong.stderr.decode()


def test_every_page_in_every_form(shell: Shell) -> None:
    document = json.loads(shell.out("report", "--provider", "1", "--all", "--json"))
    ids = [one["id"] for one in document["rows"]]
    assert document["total"] == ROWS
    assert ids == list(range(ROWS, 0, -1))
    text = shell.out("report", "--provider", "1", "--all", "--format", "csv", "--limit", "30")
    records = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [int(record["ID"]) for record in records] == ids
    assert {record["Event Name"] for record in records} == {"Vinyasa, Flow"}
    table = shell.out("report", "--provider", "1", "--all", "--columns", "id").splitlines()
    assert [int(line) for line in table[2:]] == ids


def test_a_file_has_what_standard_output_would_have(shell: Shell) -> None:
    for form in ("csv", "json"):
        report = ("report", "--provider", "1", "--all", "--limit", "90", "--format", form)
        done = shell.run(*report, "-o", "out")
        assert (done.stdout, done.stderr) == (b"", b"250 of 250 rows.\n")
        assert shell.database.with_name("out").read_bytes() == shell.run(*report).stdout
    assert sorted(path.name for path in shell.database.parent.iterdir()) == ["out", "turnout.duckdb"]


def test_a_file_that_cannot_be_written_whole_stays_what_it_was(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shell.database.with_name("out")
    before.write_text("of yesterday")
    asked: list[object] = []

    def page(*given: object) -> object:
        asked.append(given)
        if len(asked) == 3:
            raise Failure("The server is gone.")
        return first_page(*given)

    monkeypatch.setattr(pages, "first_page", page)
    report = ("report", "--provider", "1", "--all", "--json")
    assert shell.words(*report, "-o", "out", status=1) == (
        "Error: The report broke off after 200 rows; out was not written. The server is gone.\n"
    )
    assert before.read_text() == "of yesterday"
    assert sorted(path.name for path in shell.database.parent.iterdir()) == ["out", "turnout.duckdb"]
    asked.clear()
    done = shell.run(*report, status=1)
    assert done.stdout
    assert b"what was written is incomplete. The server is gone." in done.stderr


def test_a_device_is_not_replaced_by_a_file(shell: Shell) -> None:
    said = shell.words("report", "--provider", "1", "--json", "-o", "/dev/null", status=1)
    assert said == "Error: /dev/null is a device; --output names a file.\n"


def test_one_page_is_the_servers_own_bytes(shell: Shell) -> None:
    page = shell.run("report", "--provider", "1", "--limit", "1", "--columns", "id,status", "--format", "csv")
    assert page.stdout == b"Customer ID,ID,Status\r\n1005,250,no_show\r\n"
    assert json.loads(shell.out("report", "--provider", "1", "--limit", "0", "--format", "json"))["rows"] == []


def test_filters_sort_and_timeframe(shell: Shell) -> None:
    done = shell.run(
        *("report", "--provider", "1", "--status", "attended,no_show", "--status", "attended"),
        *("--sort", "-customer.name", "--sort", "id", "--event-timeframe", "2026-01-01", "--columns", "id"),
    )
    ids = [int(line) for line in done.stdout.decode().splitlines()[2:]]
    expected = sorted((n for n in range(1, ROWS + 1) if n % 3 != 2), key=lambda n: (-(n % 7), n))
    assert ids == expected[:50]
    assert "timeframe 2026-01-01T00:00:00+01:00/2026-01-02T00:00:00+01:00" in done.stderr.decode()


def test_a_provider_that_is_not_there(shell: Shell) -> None:
    done = shell.run("report", "--provider", "77", status=1)
    assert done.stdout == b""
    assert done.stderr.startswith(b"Error: ")


def test_a_cursor_that_is_none(shell: Shell) -> None:
    assert "--cursor: This cursor is damaged" in shell.words("report", "--provider", "1", "--cursor", "abc", status=2)


def test_who_reads_the_first_lines_alone_ends_it_quietly(shell: Shell) -> None:
    for form in ("table", "csv", "json"):
        process = shell.start("report", "--provider", "1", "--all", "--limit", "1", "--format", form)
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()
        process.stderr.close()
        assert process.wait(PATIENCE) == 0
        assert said == b""


def test_help_into_a_closed_pipe_is_quiet(shell: Shell) -> None:
    command = f"{TURNOUT} report --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, env=shell.env)
    assert (done.stdout, done.stderr) == (b"0\n", b"")


def test_a_full_disk_is_said(shell: Shell) -> None:
    with open("/dev/full", "wb") as full:
        process = shell.start("provider", "list", stdout=full)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert said == b"Error: No space left on device.\n"


def test_an_interrupt(shell: Shell) -> None:
    # It waits for rows on its standard input, the store open: the moment does not matter.
    process = shell.start("import", "-", "--provider", "1", stdin=subprocess.PIPE)
    assert process.stdin
    assert process.stderr
    sent = b"[\n" + b"\n" * 4_000_000
    process.stdin.write(sent)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(PATIENCE) == 130
    assert said == b"Interrupted.\n"
    process.stdin.close()
    process.stderr.close()
    assert process.stdout
    process.stdout.close()


def on_a_terminal(shell: Shell, *arguments: str, **env: str) -> str:
    """What a command writes on a terminal of 80 columns."""
    ours, its = pty.openpty()
    settings = {**shell.env, "TERM": "xterm-256color", "COLUMNS": "80"} | env
    process = subprocess.Popen([TURNOUT, *arguments], stdout=its, stderr=its, stdin=its, env=settings)
    os.close(its)
    found = bytearray()
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        found += part
    os.close(ours)
    assert process.wait(PATIENCE) == 0, found
    return found.decode().replace("\r\n", "\n")


def test_a_terminal_has_colours_and_what_fits(shell: Shell) -> None:
    report = ("report", "--provider", "1", "--limit", "2")
    coloured = on_a_terminal(shell, *report)
    assert "\x1b[31m✗ no_show\x1b[0m" in coloured
    plain = on_a_terminal(shell, *report, NO_COLOR="1")
    assert "\x1b[31m" not in plain
    bare = re.sub(r"\x1b\[[0-9;]*m", "", plain).splitlines()
    assert max(map(len, bare[:-1])) <= 80
    assert "more columns: --columns chooses" in bare[-1]
    assert on_a_terminal(shell, "provider", "list", "--json").startswith("[\n  {")


def test_names_that_an_output_cannot_show(shell: Shell) -> None:
    plain = Shell(shell.database, PYTHONIOENCODING="ascii")
    arguments = ("report", "--provider", "1", "--limit", "1", "--columns", "customer.name")
    assert plain.out(*arguments, process=True).split() == ["Customer", "Name", "-------------", "Zo\\xeb", "5"]
    assert "\\u" not in plain.out("provider", "list", process=True)


def test_progress_is_drawn_on_a_terminal_alone(shell: Shell, tmp_path: Path) -> None:
    rows = tmp_path / "rows.ndjson"
    rows.write_bytes(ndjson([row(number) for number in range(1, 2000)]))
    drawn = on_a_terminal(shell, "import", str(rows), "--provider", "2")
    assert "Importing" in drawn
    assert "Imported 1,999 rows" in drawn
    assert shell.run("import", str(rows), "--provider", "2").stderr == b""
    made = on_a_terminal(shell, "demo", "--rows", "500", "--provider", "9")
    assert "Making demonstration data" in made
    assert "Made 500 rows" in made
