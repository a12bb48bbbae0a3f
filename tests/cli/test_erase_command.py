"""`turnout erase` and `turnout customer export`: as the owner, through a server, and what they refuse."""

from __future__ import annotations

import json
import os
import pty
from typing import TYPE_CHECKING

from shell import typed

from conftest import ndjson, row
from live import served

if TYPE_CHECKING:
    from shell import Shell

WHO = "Zoë 1"


def holds(shell: Shell) -> bool:
    """Whether the store's files hold the customer's name, as far as nothing hides it."""
    files = [file for file in shell.database.parent.rglob("*") if file.is_file() and file.suffix != ".log"]
    return any(WHO.encode() in file.read_bytes() or b"zoe 1" in file.read_bytes() for file in files)


def named(shell: Shell) -> set[str]:
    found = json.loads(shell.out("report", "--provider", "1", "--customers", "1001", "--columns", "customer", "--json"))
    return {one["customer"]["name"] for one in found["rows"]}


def test_erased_with_a_receipt(shell: Shell) -> None:
    assert holds(shell)
    done = shell.run("erase", "customer", "1001", "1002", "--provider", "1", "--yes")
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("Erased customer 1001 of provider 1 at 20")
    assert lines[0].endswith(", by owner: 36 attendances.")
    assert named(shell) == {"(Deleted Customer)"}
    assert not holds(shell)
    (again,) = json.loads(shell.out("erase", "customer", "1001", "--provider", "1", "--yes", "--json"))["erasures"]
    assert again["erased_at"] in lines[0]
    assert set(again) == {"provider", "customer", "erased_at", "erased_by", "attendances"}


def test_imports_say_how_many_rows_they_met(shell: Shell) -> None:
    shell.run("erase", "customer", "1001", "--provider", "1", "--yes")
    newer = ndjson([row(number, updated_at="2026-03-01T00:00:00Z") for number in (1, 8, 2)])
    done = shell.run("import", "-", "--provider", "1", stdin=newer)
    assert b"3 updated, 0 unchanged; 2 of erased customers, who stay erased (" in done.stdout
    assert named(shell) == {"(Deleted Customer)"}
    same = shell.out("import", "-", "--provider", "1", "--json", stdin=newer)
    assert json.loads(same) == {
        "created": 0,
        "updated": 0,
        "unchanged": 3,
        "rejected": [],
        "rejected_count": 0,
        "erased": 2,
    }
    assert "is erased no more" in shell.words("erase", "customer", "1001", "--provider", "1", "--undo")
    newest = ndjson([row(1, updated_at="2026-04-01T00:00:00Z")])
    assert "erased" not in json.loads(shell.out("import", "-", "--provider", "1", "--json", stdin=newest))
    assert named(shell) == {WHO}
    assert "is not erased" in shell.words("erase", "customer", "1001", "--provider", "1", "--undo", status=1)


def test_refused(shell: Shell) -> None:
    without = typed("erase", "customer", "5", "--provider", "1")
    assert (without.exit_code, "--yes" in without.stderr) == (2, True)
    assert typed("erase", "customer", "--provider", "1").exit_code == 2
    assert typed("erase", "customer", "x", "--provider", "1", "--yes").exit_code == 2
    assert "There is no customer 5; nobody was erased." in shell.words(
        "erase", "customer", "1001", "5", "--provider", "1", "--yes", status=1
    )
    assert "There is no customer 5." in shell.words("customer", "export", "5", "--provider", "1", status=1)
    assert named(shell) == {WHO}


def test_a_terminal_is_asked(shell: Shell) -> None:
    for answer, status, shown in ((b"n\n", 130, {WHO}), (b"y\n", 0, {"(Deleted Customer)"})):
        parent, child = pty.openpty()
        os.write(parent, answer)
        erasing = shell.start("erase", "customer", "1001", "--provider", "1", stdin=child)
        out, words = erasing.communicate()
        os.close(parent)
        os.close(child)
        assert erasing.returncode == status, words
        assert b"Customer 1001: 36 attendances will show nobody." in words
        assert (b"Erased customer 1001" in out) == (status == 0)
        assert named(shell) == shown


def test_exported(shell: Shell) -> None:
    document = json.loads(shell.out("customer", "export", "1001", "--provider", "1"))
    assert (document["total"], len(document["attendances"])) == (36, 36)
    assert {found["customer"]["id"] for found in document["attendances"]} == {1001}
    assert document["customer"]["name"]["value"] == WHO
    file = shell.database.with_name("export.json")
    shell.run("customer", "export", "1001", "--provider", "1", "-o", str(file))
    assert json.loads(file.read_bytes())["attendances"] == document["attendances"]


def test_through_a_server_and_its_own_upkeep(shell: Shell) -> None:
    with served(shell.database, retention="1d") as server:
        token = shell.out("token", "create", "--provider", "1", "--role", "super_admin").strip()
        there = ("--server", server.url, "--token", token)
        receipt = json.loads(_away(shell, "erase", "customer", "1001", "--provider", "1", "--yes", "--json", *there))
        assert receipt["erasures"][0]["erased_by"].startswith("token ")
        assert not holds(shell)
        # The rest is older than a day, or soon is.
        shell.run("erase", "expired", "--provider", "1")
        assert json.loads(_away(shell, "customer", "export", "1003", "--provider", "1", *there))["customer"][
            "name"
        ] == {
            "value": None,
            "said_at": None,
            "said_by_attendance": None,
        }
        done = json.loads(_away(shell, "erase", "expired", "--provider", "1", "--json", *there))
        assert done["attendances"] == 0
        assert json.loads(shell.run("doctor", "--json").stdout)["store"]["retained_at"] is not None
    log = server.log.read_text()
    assert '"customers":[1001]' in log
    assert "Zo" not in log


def _away(shell: Shell, *arguments: str) -> bytes:
    """Run a command that knows of the server alone."""
    database = shell.env.pop("TURNOUT_DATABASE")
    try:
        return shell.run(*arguments, process=True).stdout
    finally:
        shell.env["TURNOUT_DATABASE"] = database


def test_without_the_setting_nothing_is_too_old(shell: Shell) -> None:
    assert "has no period" in shell.out("erase", "expired", "--provider", "1")
    assert named(shell) == {WHO}
