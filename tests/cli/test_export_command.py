"""`turnout export`: a whole report as a file, by the command itself or through the server that has the store."""

from __future__ import annotations

import csv
import io
import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from shell import Shell, typed

from conftest import ROWS
from live import until
from turnout.cli import api, exporting
from turnout.cli.api import Refused, Unreachable
from turnout.cli.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLOW = (sys.executable, str(Path(__file__).parents[1] / "slow_exports.py"))


def exported(shell: Shell, *arguments: str) -> dict[str, object]:
    return dict(json.loads(shell.out("export", "--provider", "1", *arguments, "--json")))


def test_a_file_without_a_server(shell: Shell) -> None:
    done = exported(shell, "-o", "all.csv")
    file = shell.database.parent / "all.csv"
    assert {**done, "seconds": 0} == {
        "file": str(file), "format": "csv", "job": 1, "rows": ROWS, "size": file.stat().st_size, "seconds": 0,
    }  # fmt: skip
    assert shell.run("report", "--provider", "1", "--all", "--format", "csv").stdout == file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    words = shell.words("export", "--provider", "2", "-o", "none.ndjson")
    assert words.startswith("0 rows in none.ndjson, 0 bytes")
    assert (shell.database.parent / "none.ndjson").read_bytes() == b""


def test_every_parameter_and_the_form_by_the_ending(shell: Shell) -> None:
    asked = ("--status", "attended,no_show", "--sort", "-id", "--columns", "id", "--include-future", "--id-gt", "10")
    done = exported(shell, "-o", "some.json", *asked)
    document = json.loads((shell.database.parent / "some.json").read_bytes())
    ids = [number for number in range(ROWS, 10, -1) if number % 3 < 2]
    assert [row["id"] for row in document["rows"]] == ids
    assert (done["format"], done["rows"]) == ("json", len(ids))
    assert exported(shell, "-o", "some.json", "--format", "csv", *asked)["format"] == "csv"
    assert (shell.database.parent / "some.json").read_bytes().startswith(b"Customer ID,ID\r\n")
    assert exported(shell, "-o", "./none", *asked)["format"] == "csv"
    assert exported(shell, "-o", "ROWS.NDJSON", *asked)["format"] == "ndjson"


def test_to_standard_output(shell: Shell) -> None:
    done = shell.run("export", "--provider", "1", "-o", "-", "--status", "attended")
    rows = list(csv.reader(io.StringIO(done.stdout.decode())))
    assert len(rows) == 1 + sum(number % 3 == 0 for number in range(1, ROWS + 1))
    assert done.stderr.decode().startswith(f"{len(rows) - 1} rows, ")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("-o", "x.csv", "--status", "attendet", "--sort", "nothing"), "--sort: 'nothing'"),
        (("-o", "x.csv", "--limit", "5"), "--limit"),
        (("-o", "x.csv", "--format", "table"), "--format"),
        (("-o", "-", "--json"), "standard output"),
        (("-o", "x.docx"), "'.docx': .csv, .json"),
        (("-o", "x.csv.gz"), "'.gz': .csv, .json"),
        ((), "--output"),
    ],
)
def test_a_command_that_is_wrong(arguments: tuple[str, ...], word: str) -> None:
    done = typed("export", "--provider", "1", *arguments)
    assert done.exit_code == 2
    assert word in done.stderr


def test_what_cannot_be_done(shell: Shell, new_shell: Callable[..., Shell]) -> None:
    assert "There is no provider 3" in shell.words("export", "--provider", "3", "-o", "x.csv", status=1)
    assert "cannot be written" in shell.words("export", "--provider", "1", "-o", "no/x.csv", status=1)
    assert "There is no store" in new_shell("none.duckdb").words("export", "--provider", "1", "-o", "x.csv", status=1)
    assert not list(shell.database.parent.glob("*x.csv*"))


@pytest.fixture
def slow(shell: Shell) -> Iterator[str]:
    """A server whose exports wait for a file `go`; its address."""
    from live import Server

    server = Server(shell.database, program=SLOW)
    yield server.url
    assert server.stop() == 0


def jobs(shell: Shell, url: str) -> list[dict[str, object]]:
    from live import Client

    made = shell.out("token", "create", "--provider", "1").strip()
    client = Client(url, made)
    try:
        return list(client.get(path="/api/v2/jobs").json["jobs"])
    finally:
        client.close()


def test_through_a_server(shell: Shell, slow: str) -> None:
    (shell.database.parent / "go").touch()
    assert exported(shell, "-o", "here.csv")["rows"] == ROWS
    made = shell.out("token", "create", "--provider", "1").strip()
    elsewhere = Shell(shell.database)
    elsewhere.env.pop("TURNOUT_DATABASE")
    done = elsewhere.run(
        "export", "--provider", "1", "-o", "there.csv", "--server", slow, "--token", made, process=True
    )
    assert done.stderr.decode().startswith(f"{ROWS} rows in there.csv")
    here, there = (shell.database.parent / name for name in ("here.csv", "there.csv"))
    assert here.read_bytes() == there.read_bytes()
    assert [job["status"] for job in jobs(shell, slow)] == ["complete", "complete"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_the_job_and_leaves_no_file(shell: Shell, slow: str, number: signal.Signals) -> None:
    process = shell.start("export", "--provider", "1", "-o", "x.csv")
    for _ in until():
        if any(job["complete_items"] for job in jobs(shell, slow)):
            break
    process.send_signal(number)
    _, words = process.communicate()
    assert process.returncode == 128 + number
    assert ("The export was cancelled." in words.decode()) == (number == signal.SIGINT)
    assert [job["status"] for job in jobs(shell, slow)] == ["cancelled"]
    assert not list(shell.database.parent.glob("*x.csv*"))


def test_a_job_that_another_cancels(shell: Shell, slow: str) -> None:
    process = shell.start("export", "--provider", "1", "-o", "x.csv")
    for _ in until():
        if found := jobs(shell, slow):
            break
    from live import Client

    client = Client(slow, shell.out("token", "create", "--provider", "1").strip())
    assert client.send("DELETE", f"/api/v2/jobs/{found[0]['id']}").status == 204
    client.close()
    _, words = process.communicate()
    assert process.returncode == 1
    assert "The export was cancelled by somebody else." in words.decode()
    assert not list(shell.database.parent.glob("*x.csv*"))


def refused(code: str, status: int, retry_after: int | None = None) -> Refused:
    return Refused(status, api._Envelope(code, code), retry_after)


def test_what_passes_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server goes on with a job whether or not it can be asked about it for a moment."""
    pauses: list[float] = []
    monkeypatch.setattr(exporting, "Patience", partial(Patience, pauses.append))
    passing = [refused("throttled", 429, 7), Unreachable("gone"), refused("storage_unavailable", 503), "answer"]

    def ask() -> Any:
        found = passing.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    assert exporting._patiently(ask) == "answer"
    assert pauses[0] == 7
    assert 0 < pauses[1] < pauses[2]
    passing = [refused("not_found", 404), "answer"]
    with pytest.raises(Refused):
        exporting._patiently(ask)
    assert len(pauses) == 3
    passing = [Unreachable("gone") for _ in range(99)]
    with pytest.raises(Unreachable):
        exporting._patiently(ask)
    assert len(passing) == 99 - 8
