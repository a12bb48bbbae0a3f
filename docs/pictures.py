"""Draws docs/images/report.svg: what `turnout report` shows on a terminal, with the demo's data (`make pictures`)."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 116, 40
TURNOUT = Path(sys.executable).with_name("turnout")
REPORT = (
    "report --provider 1 --event-timeframe yesterday --sort -event.starts_at,customer.name --limit 14"
    " --columns event.starts_at,customer.name,event.name,venue.name,booking_method,status"
)


def on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """What a command writes to a terminal of COLUMNS by LINES."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)  # noqa: S603
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # a terminal's way to say that the other end is closed
            break
        written += piece
    process.wait()
    return written.decode().replace("\r\n", "\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TURNOUT_DATABASE": f"{folder}/turnout.duckdb", "TERM": "xterm-256color"}
        subprocess.run([TURNOUT, "demo"], env=environment, check=True)  # noqa: S603
        shown = on_a_terminal([str(TURNOUT), *REPORT.split()], environment)
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115
    typed = REPORT.replace(" --columns", " \\\n      --columns")
    console.print(Text.from_ansi(f"$ turnout {typed}\n{shown}"))
    target = Path(__file__).parent / "images" / "report.svg"
    # The template names fonts of the web; the reader's own monospace one will do.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="turnout report"), flags=re.DOTALL)
    target.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
