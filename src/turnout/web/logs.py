"""Log lines: one JSON object each, or text, on standard error, written by a thread of their own.

A reader that does not read must not hold up the server: lines wait in a bounded queue, and what does not fit is
counted and dropped.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec

if TYPE_CHECKING:
    from turnout.settings import Settings

_MOST_WAITING: Final = 10_000
_MOMENT: Final = 0.05


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `message`, the record's `fields`, and `error` where there is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class TextFormatter(logging.Formatter):
    """The same for people: `TIME LEVEL message key=value ...`, and the traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        words = [_moment(record), record.levelname.lower(), record.getMessage()]
        words += [f"{key}={value}" for key, value in _fields(record).items() if value not in (None, {})]
        text = " ".join(words)
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class BackgroundHandler(logging.Handler):
    """Hands records to a thread that formats and writes them, some at a time."""

    def __init__(self, stream: TextIO, most_waiting: int = _MOST_WAITING) -> None:
        super().__init__()
        self._stream = stream
        self._most_waiting = most_waiting
        self._waiting: deque[logging.LogRecord] = deque()
        self._something = threading.Event()
        self._ending = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="turnout-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._waiting) >= self._most_waiting:
            self.dropped += 1
            return
        self._waiting.append(record)
        # Waking the thread costs more than all the rest: it is done once for all that comes within a moment.
        if not self._something.is_set():
            self._something.set()

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, for at most `timeout` seconds; the second time, do nothing."""
        if not self._ending.is_set():
            self._ending.set()
            self._something.set()
            self._thread.join(timeout)
        super().close()

    def _write_all(self) -> None:
        while not self._ending.is_set():
            self._something.wait()
            self._ending.wait(_MOMENT)
            self._something.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        lines = []
        while self._waiting:
            record = self._waiting.popleft()
            try:
                lines.append(self.format(record) + "\n")
            except Exception as error:  # noqa: BLE001 - one record that cannot be written must not end the log
                lines.append(f"a record of {record.name} cannot be formatted ({type(error).__name__})\n")
        # Nobody may be reading any more; there is no other place to say so.
        with suppress(OSError, ValueError):
            self._stream.write("".join(lines))
            self._stream.flush()


def configure_logging(settings: Settings) -> BackgroundHandler:
    """Send the log of this process to standard error as the settings say. Close the handler at the end."""
    handler = BackgroundHandler(sys.stderr)
    _configure(handler, settings)
    return handler


def plain_logging(settings: Settings) -> None:
    """The same for a process that may have no threads."""
    _configure(logging.StreamHandler(sys.stderr), settings)


def _configure(handler: logging.Handler, settings: Settings) -> None:
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("turnout").setLevel(settings.log_level.upper())
    # Whoever cannot be answered because the database is away logs that; how often it is looked for is no news.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
