"""An export from the outside: ask for it, wait for it, fetch its file."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from turnout.cli.api import Refused, Unreachable, answered, call, read_json
from turnout.cli.patience import Patience, passes
from turnout.cli.problems import Failure, Misuse
from turnout.cli.render import counting, progress, say, write_bytes
from turnout.cli.whole import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from turnout.catalog.types import Report
    from turnout.cli.pages import Pairs

_JOBS: Final = "/api/v2/jobs"
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.5
_STDOUT: Final = "-"
_SILENCE: Final = 60.0
"""So many seconds without a byte, and a file does not come any more."""


@dataclass(frozen=True)
class Exported:
    """What was exported. `size` is bytes."""

    job: int
    format: str
    rows: int
    size: int
    seconds: float


class _Job(msgspec.Struct):
    """A job, as far as it matters here."""

    id: int
    status: str
    format: str
    total_items: int
    complete_items: int
    result_url: str | None = None
    error: str | None = None
    size: int | None = None


def export(client: httpx.Client, provider: int, report: Report, pairs: Pairs, output: str) -> Exported:
    """Export a report to the file `output`, or `-`, standard output. What ends it before that cancels the job."""
    began = time.monotonic()
    headers = {"TeamUp-Provider-ID": str(provider)}
    number = _ask(client, report, pairs, headers)
    try:
        job = _wait(client, number, headers)
    except BaseException as ended:
        # Whatever it is, Ctrl-C above all: nobody will fetch the file.
        with suppress(Failure):
            call(client, "DELETE", f"{_JOBS}/{number}", headers=headers)
            if isinstance(ended, KeyboardInterrupt):
                say("The export was cancelled.")
        raise
    with _target(output) as write:
        _fetch(client, job, write)
    return Exported(job.id, job.format, job.total_items, job.size or 0, time.monotonic() - began)


def _ask(client: httpx.Client, report: Report, pairs: Pairs, headers: dict[str, str]) -> int:
    body: dict[str, list[str]] = {}
    for name, value in pairs:
        body.setdefault(name, []).append(value)
    try:
        answer = call(client, "POST", report.export_path, body=body, headers=headers)
    except Refused as refused:
        if refused.code == "parameter_invalid":
            raise Misuse(refused.message, fields=refused.fields) from refused
        raise
    return int(read_json(answer, dict[str, Any])["job"])


def _wait(client: httpx.Client, number: int, headers: dict[str, str]) -> _Job:
    pause = _FIRST_LOOK
    with counting("Exporting") as report:
        while True:
            answer = _patiently(lambda: call(client, "GET", f"{_JOBS}/{number}", headers=headers))
            job: _Job = read_json(answer, _Job)
            report(job.complete_items, job.total_items)
            if job.status not in ("queued", "running"):
                break
            time.sleep(pause)
            pause = min(2 * pause, _LAST_LOOK)
    if job.status == "complete":
        return job
    raise Failure(f"The export failed: {job.error}" if job.error else f"The export was {job.status} by somebody else.")


def _patiently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """An answer of a server that answered before. What passes is waited out: it goes on with its jobs where it was."""
    patience = Patience()
    while True:
        try:
            return ask()
        except (Unreachable, Refused) as error:
            if not passes(error):
                raise
            patience.wait(error)


def _fetch(client: httpx.Client, job: _Job, write: Callable[[bytes], object]) -> None:
    # Only the query of the link counts: behind a proxy, its host may be another one, which must not get the token.
    query = urlsplit(job.result_url or "").query
    received = 0
    with (
        answered(client, "GET", f"{_JOBS}/{job.id}/result?{query}", whole=False, timeout=_SILENCE) as response,
        progress("Fetching", job.size, in_bytes=True) as report,
    ):
        for block in response.iter_bytes():
            write(block)
            received += len(block)
            report(received)


@contextmanager
def _target(output: str) -> Iterator[Callable[[bytes], object]]:
    if output == _STDOUT:
        yield write_bytes
        return
    with whole_file(output, "--output") as file:
        try:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise Failure(f"{output} cannot be written: {error.strerror}.") from error
