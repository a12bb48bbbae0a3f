"""The log's own thread: lines in order, a reader that does not read, an end in time."""

from __future__ import annotations

import io
import json
import logging
import threading

from turnout.web.logs import BackgroundHandler, JsonFormatter
from web.fakes import PATIENCE


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("turnout", logging.INFO, "", 0, message, None, None)
    made.fields = fields
    return made


def test_lines_come_in_order_and_whole() -> None:
    stream = io.StringIO()
    handler = BackgroundHandler(stream)
    handler.setFormatter(JsonFormatter())
    for number in range(500):
        handler.emit(record("x", number=number, odd={1, 2}))
    handler.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["number"] for line in lines] == list(range(500))
    assert handler.dropped == 0


class Blocked(io.StringIO):
    """A stream that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.writing = threading.Event()

    def write(self, text: str) -> int:
        self.writing.set()
        self.free.wait(PATIENCE)
        return super().write(text)


def test_what_nobody_takes_is_dropped_and_counted() -> None:
    stream = Blocked()
    handler = BackgroundHandler(stream, most_waiting=3)
    handler.emit(record("first"))
    assert stream.writing.wait(PATIENCE)
    for _ in range(5):
        handler.emit(record("more"))
    assert handler.dropped == 2
    handler.close(timeout=0.01)
    handler.close()
    stream.free.set()
    handler._thread.join(PATIENCE)
    assert not handler._thread.is_alive()
    assert stream.getvalue().split() == ["first", "more", "more", "more"]


def test_a_stream_that_is_closed_is_no_failure() -> None:
    stream = io.StringIO()
    stream.close()
    handler = BackgroundHandler(stream)
    handler.emit(record("x"))
    handler.close()
    assert not handler._thread.is_alive()
