"""`turnout serve` and `turnout demo`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from shell import PATIENCE, Shell

if TYPE_CHECKING:
    from collections.abc import Callable


def begin(shell: Shell, *arguments: str, lines: int) -> tuple[subprocess.Popen[bytes], list[str]]:
    process = shell.start("serve", *arguments)
    assert process.stdout
    return process, [process.stdout.readline().decode() for _ in range(lines)]


def end(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    process.send_signal(number)
    out, said = process.communicate(timeout=PATIENCE)
    return process.returncode, out.decode(), said.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_with_the_address_when_it_accepts_requests(
    new_shell: Callable[..., Shell], number: signal.Signals
) -> None:
    process, (line,) = begin(new_shell(), "--port", "0", lines=1)
    address = re.search(r"http://127\.0\.0\.1:(\d+)$", line.rstrip("\n"))
    assert address
    socket.create_connection(("127.0.0.1", int(address[1])), PATIENCE).close()
    status, more, _ = end(process, number)
    assert (status, more) == (0, "")


def test_a_port_that_is_taken(new_shell: Callable[..., Shell]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = new_shell().run("serve", "--port", str(port), status=1, process=True)
    assert done.stdout == b""
    assert done.stderr.decode() == (
        f"Error: Cannot listen on 127.0.0.1: port {port} is in use by another process; --port takes another one.\n"
    )


def test_the_demo_of_a_server(new_shell: Callable[..., Shell]) -> None:
    shell = new_shell()
    curl = shutil.which("curl")
    assert curl, "curl is needed to try the printed line"
    process, (url, token, line, link) = begin(shell, "--port", "0", "--demo", "--rows", "300", lines=4)
    arguments = shlex.split(line)
    assert arguments[0] == "curl"
    answer = subprocess.run(line, check=True, shell=True, capture_output=True, env=shell.env)
    document = json.loads(answer.stdout)
    assert document["total"] > 100
    assert document["rows"]
    assert subprocess.run(arguments, check=True, capture_output=True, env=shell.env).stdout == answer.stdout
    assert token.split()[-1].startswith("tk_")
    assert url.split()[-1] in line
    address = re.search(r"(http://\S+)/\?once=([\w-]{43})$", link.strip())
    assert address
    assert address[1] == url.split()[-1]
    signing_in = [
        curl,
        "--silent",
        "--include",
        "--json",
        json.dumps({"once": address[2]}),
        f"{address[1]}/page/v1/session",
    ]
    first, second = (
        subprocess.run(signing_in, check=True, capture_output=True, env=shell.env).stdout for _ in range(2)
    )
    assert b" 200 " in first.splitlines()[0]
    assert b"turnout_session=" in first
    assert b" 401 " in second.splitlines()[0]
    assert b"Set-Cookie" not in second.replace(b"set-cookie", b"Set-Cookie")
    status, more, said = end(process)
    assert (status, more) == (0, "")
    assert address[2] not in said
    assert "Making 300 rows of demonstration data" in said
    assert token.split()[-1] not in said

    # Over rows that are there, it serves them.
    process, (_, _, line, again) = begin(shell, "--port", "0", "--demo", lines=4)
    assert again != link
    again = json.loads(subprocess.run(shlex.split(line), check=True, capture_output=True, env=shell.env).stdout)
    status, _, said = end(process)
    assert status == 0
    assert again["total"] == document["total"]
    assert "Making" not in said
    first, second = json.loads(shell.out("token", "list", "--json"))
    assert (first["hint"][:6], second["hint"][:6]) == ("demo …", "demo …")
    assert first["revoked_at"] is not None, "there is one such token at a time"
    assert second["revoked_at"] is None


def test_demo_rows(new_shell: Callable[..., Shell]) -> None:
    shell = new_shell()
    assert shell.out("demo", "--rows", "400", "--seed", "3").startswith("Made 400 rows for provider 1 (")
    whole = ("report", "--provider", "1", "--all", "--json", "--include-future")
    rows = json.loads(shell.out(*whole))
    assert rows["total"] == 400
    refused = shell.words("demo", "--rows", "400", status=1)
    assert "Provider 1 has rows" in refused

    other = new_shell("other.duckdb")
    made = json.loads(other.out("demo", "--rows", "400", "--seed", "3", "--provider", "5", "--json"))
    assert made == {"provider": 5, "seed": 3, "created": 400}
    assert json.loads(other.out("report", "--provider", "5", *whole[3:])) == rows, "the same seed, the same rows"
    assert json.loads(other.out("demo", "--rows", "400", "--seed", "4", "--provider", "6", "--json"))["created"] == 400
    assert json.loads(other.out("report", "--provider", "6", *whole[3:])) != rows
