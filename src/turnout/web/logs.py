"""Log lines: one JSON object each, or text, on standard error, written by a thread of their own.

A reader that does not read must not hold up the server: lines wait in a bounded queue, and what does not fit is
counted and dropped.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec

if TYPE_CHECKING:
    from turnout.settings import Settings

_MOST_WAITING: Final = 10_000
_STOP: Final = None


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
    """Hands records to a thread that formats and writes them."""

    def __init__(self, stream: TextIO, most_waiting: int = _MOST_WAITING) -> None:
        super().__init__()
        self._stream = stream
        self._queue: Queue[logging.LogRecord | None] = Queue(most_waiting)
        self.dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="turnout-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._queue.put_nowait(record)
        except Full:
            self.dropped += 1

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, for at most `timeout` seconds."""
        with suppress(Full):
            self._queue.put_nowait(_STOP)
        self._thread.join(timeout)
        super().close()

    def _write_all(self) -> None:
        while (record := self._queue.get()) is not _STOP:
            lines = [self.format(record)]
            with suppress(Empty):
                while (record := self._queue.get_nowait()) is not _STOP:
                    lines.append(self.format(record))
            # Nobody may be reading any more; there is no other place to say so.
            with suppress(OSError, ValueError):
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()
            if record is _STOP:
                return


def configure_logging(settings: Settings) -> BackgroundHandler:
    """Send the log of this process to standard error as the settings say. Close the handler at the end."""
    handler = BackgroundHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("turnout").setLevel(settings.log_level.upper())
    logging.captureWarnings(capture=True)
    return handler
