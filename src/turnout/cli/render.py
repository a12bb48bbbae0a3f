"""Words, tables and progress on a terminal. Data is never read as markup, and cannot steer the terminal."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.progress import Progress as RichProgress

# Control characters, and those that turn the direction of the text or break the line.
_STEERING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

_UNBOUNDED: Final = 100_000
"""The width of an output that is no terminal: nothing is cut or wrapped."""


def visible(text: str) -> str:
    r"""The text with everything that would steer a terminal written out, such as `\x1b`."""
    return _STEERING.sub(lambda found: repr(found[0])[1:-1], text)


class _Console(Console):
    """Lets a closed pipe be an ordinary error, which `main` ends quietly."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def out(width: int | None = None) -> Console:
    """A console on standard output. It has colours on a terminal only, and none with `NO_COLOR`."""
    return _Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


class Words:
    """What is said to people, on standard error; never wrapped, so that it can be searched and copied."""

    def __init__(self) -> None:
        self.console = _Console(file=sys.stderr, highlight=False, markup=False, emoji=False)

    def say(self, text: str, style: str = "") -> None:
        self.console.print(Text("\n").join(Text(visible(line), style) for line in text.split("\n")), soft_wrap=True)

    def error(self, text: str) -> None:
        self.console.print(Text.assemble(("Error: ", "bold red"), visible(text)), soft_wrap=True)

    @property
    def on_terminal(self) -> bool:
        return self.console.is_terminal


def say(text: str) -> None:
    """One line of words on standard error."""
    Words().say(text)


def write_json(value: Any) -> None:
    """One JSON value on standard output: laid out on a terminal, on one line elsewhere."""
    import msgspec  # noqa: PLC0415 - only results need it

    encoded = msgspec.json.encode(value)
    write_bytes((msgspec.json.format(encoded, indent=2) if sys.stdout.isatty() else encoded) + b"\n")


def write_bytes(data: bytes) -> None:
    """Bytes on standard output, as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A small table on standard output, with a header; nothing is cut where it does not go to a terminal."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    console = out()
    if console.is_terminal:
        console.print(table)
        return
    console = out(_UNBOUNDED)
    with console.capture() as drawn:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """A title, and named facts below it, on standard output."""
    console = out()
    console.print(Text(title, "bold"))
    widest = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else visible(str(value))
        console.print(Text(f"  {name.replace('_', ' '):{widest}}  {shown}"), soft_wrap=True)


@contextmanager
def progress(what: str, total: int | None, *, in_bytes: bool = False) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal (a spinner where the total is not known), nothing elsewhere.

    Yields a function that takes how much is done so far, in bytes or rows.
    """
    words = Words()
    if not words.on_terminal:
        yield lambda _: None
        return
    with _bar(words.console, total, in_bytes=in_bytes) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """As `progress`, of rows whose number becomes known: the function takes those done, and how many there are."""
    words = Words()
    if not words.on_terminal:
        yield lambda _done, _total: None
        return
    with _bar(words.console, 0, in_bytes=False) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar(console: Console, total: int | None, *, in_bytes: bool) -> RichProgress:
    from rich.progress import (  # noqa: PLC0415 - only long work draws it
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
    if total is None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), amount, TimeElapsedColumn())
        return Progress(*columns, console=console, transient=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn(), console=console, transient=True
    )
