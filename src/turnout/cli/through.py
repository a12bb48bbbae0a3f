"""Importing through a server: in one request, or in parts that go on where a broken connection left off."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import httpx
import msgspec

from turnout.cli.api import LOCAL_HOST, Refused, Rejected, Unreachable, answered
from turnout.cli.patience import BUSY, Patience, passes
from turnout.errors import ERRORS
from turnout.imports import ImportResult
from turnout.ingest.faults import BadRow, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROWS: Final = "/ingest/v1/attendances"
_FILE: Final = "application/octet-stream"
_LINES: Final = "application/x-ndjson"
_BLOCK: Final = 1024 * 1024
PART: Final = 8 * _BLOCK
"""A file that is larger goes to a server elsewhere in parts of this many bytes."""
_PASSING: Final = frozenset({"conflict", "throttled"})
"""Refusals of a part that pass: it was received after all, or there were too many requests."""
# A merge of many rows takes its time, and tells nothing meanwhile.
_TIMEOUT: Final = httpx.Timeout(None, connect=5.0)


class _Sum(msgspec.Struct):
    created: int
    updated: int
    unchanged: int
    rejected_count: int
    rejected: list[Rejected] = []
    erased: int = 0


class Through:
    """One import through the server of `client`: `source` is a file, read from its start."""

    def __init__(
        self,
        client: httpx.Client,
        source: BinaryIO,
        provider: int,
        *,
        progress: Callable[[int], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._source = source
        self._size = os.fstat(source.fileno()).st_size
        self._headers = {"TeamUp-Provider-ID": str(provider), "Content-Type": _FILE}
        self._progress = progress
        self._pause = pause

    def run(self, *, rejects: BinaryIO | None, dry_run: bool) -> ImportResult:
        """Import the file; `rejects` is where bad rows go, in which case the good ones are imported.

        Raises `Refused`, or `Unreachable`: then the import may be run again, and goes on where it was.
        """
        params = {name: "true" for name, said in (("partial", rejects is not None), ("dry_run", dry_run)) if said}
        in_one = self._size <= PART or self._client.base_url.host == LOCAL_HOST
        path = _ROWS if in_one else self._upload()
        patience = Patience(self._pause)
        while True:
            asked = {**(self._body() if in_one else {"headers": self._headers}), "params": params, "timeout": _TIMEOUT}
            try:
                return self._rejects_of(path, asked, rejects) if rejects else self._sum_of(path, asked)
            except Unreachable as unreachable:
                # An upload is still there, or was merged, which is found out. Rejected rows cannot be taken back.
                if in_one or rejects:
                    raise
                patience.wait(unreachable)
            except Refused as refused:
                if refused.code == "rows_rejected":
                    told = None if refused.message == ERRORS[refused.code].message else refused.message
                    bad = tuple(map(_bad, refused.rejected))
                    return ImportResult(0, 0, 0, bad, refused.rejected_count, told)
                gone = refused.code == "not_found" and not in_one
                if not gone and refused.code not in BUSY:
                    raise
                patience.wait(refused)
                if gone:
                    # Another import of the same file has merged the upload, and forgotten it.
                    self._upload()

    def _body(self) -> dict[str, Any]:
        """The whole file, as what is sent with one request."""
        self._source.seek(0)
        return {"content": self._blocks(), "headers": {**self._headers, "Content-Length": str(self._size)}}

    def _sum_of(self, path: str, asked: dict[str, Any]) -> ImportResult:
        with answered(self._client, "POST", path, **asked) as response:
            found = msgspec.json.decode(response.content, type=_Sum)
        return _result(found)

    def _rejects_of(self, path: str, asked: dict[str, Any], rejects: BinaryIO) -> ImportResult:
        """The sum, which is the last line of the answer; the others are the rejected rows."""
        asked["headers"] = {**asked["headers"], "Accept": _LINES}
        last = b""
        with answered(self._client, "POST", path, whole=False, **asked) as response:
            for block in response.iter_bytes():
                *lines, last = (last + block).split(b"\n")
                if lines and not last:
                    last = lines.pop() + b"\n"
                rejects.writelines(line + b"\n" for line in lines)
        return _result(msgspec.json.decode(last, type=_Sum))

    def _blocks(self) -> Iterator[bytes]:
        done = 0
        while block := self._source.read(_BLOCK):
            yield block
            done += len(block)
            self._progress(done)

    def _upload(self) -> str:
        """Send the file in parts; return the address where it is then imported. What is there already is not sent."""
        path = f"/ingest/v1/uploads/{self._name()}"
        received: int | None = self._received(path)
        patience = Patience(self._pause)
        while received is None or received < self._size:
            try:
                if received is None:
                    received = self._received(path)
                    continue
                self._progress(received)
                received = self._send(path, received)
                patience.reset()
            except (Unreachable, Refused) as error:
                if not passes(error, _PASSING):
                    raise
                patience.wait(error)
                received = None
        self._progress(received)
        return path

    def _name(self) -> str:
        """The same for the same file, so that an import that was interrupted goes on where it was."""
        status = os.fstat(self._source.fileno())
        parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        return sha256(repr(parts).encode()).hexdigest()

    def _received(self, path: str) -> int:
        with answered(self._client, "GET", path, headers=self._headers) as response:
            return int(msgspec.json.decode(response.content)["received"])

    def _send(self, path: str, offset: int) -> int:
        self._source.seek(offset)
        part = self._source.read(PART)
        headers = {**self._headers, "Upload-Offset": str(offset)}
        with answered(self._client, "PATCH", path, content=part, headers=headers) as response:
            return int(msgspec.json.decode(response.content)["received"])


def _bad(row: Rejected) -> BadRow:
    return BadRow(row.line, (Fault(row.column, row.reason),), number=row.number)


def _result(found: _Sum) -> ImportResult:
    bad = tuple(map(_bad, found.rejected))
    return ImportResult(found.created, found.updated, found.unchanged, bad, found.rejected_count, erased=found.erased)
