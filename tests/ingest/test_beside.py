"""Files that several processes check: what comes of them is the same, and no process outlives the one that needs it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_rows import BERLIN, FULL, LIMITS, Pipe, Result, line, ndjson, read

from live import until
from turnout.ingest import beside
from turnout.ingest.columns import ColumnChecker
from turnout.ingest.faults import Limits, Rejects
from turnout.ingest.files import read_file
from turnout.ingest.json_rows import JsonLines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

BLOCK = 2_000
BAD = {**FULL, "status": "attendedd"}
SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORMS = ["ndjson", "array", "document", "csv", "cut off"]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes help from the second chunk on."""
    monkeypatch.setattr(beside, "ALONE", 1)


class Threads(ThreadPoolExecutor):
    """Stands in for processes, which take a second to start: what is sent and comes back is packed as for them."""

    def __init__(self, number: int, _context: object, begin: object, given: tuple[ZoneInfo, Limits]) -> None:
        assert begin is beside._begin
        super().__init__(number)
        self._checker = ColumnChecker(*sent(given))

    def submit(self, check: Any, chunk: Any) -> Any:
        assert check is beside._check
        return super().submit(lambda: chunk and sent(beside.at_once(self._checker, sent(chunk))))


def sent(value: Any) -> Any:
    """A value as another process gets it."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - of this test's own


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "ProcessPoolExecutor", Threads)


def rows(count: int, *bad: int) -> list[dict[str, Any]]:
    return [{**(BAD if number in bad else FULL), "id": number} for number in range(1, count + 1)]


def csv(count: int, *bad: int) -> bytes:
    lines = ["id,updated_at,customer.id,event.id,event.starts_at,status"]
    for number in range(1, count + 1):
        status = "attendedd" if number in bad else "attended"
        lines.append(f"{number},2026-10-01T10:00:00Z,1,{number},2026-10-01T10:00:00,{status}")
    return "\r\n".join(lines).encode()


def outcome(result: Result) -> tuple[Any, ...]:
    places = [seq for batch in result.batches for seq in batch["seq"].to_pylist()]
    told = result.error and (result.error.code, result.error.message)
    return result.said, places, result.report, result.rejects.count, result.written, told


def file(form: str, *bad: int) -> bytes:
    made = rows(60, *bad)
    elements = b",\n".join(map(line, made))
    return {
        "ndjson": ndjson(*made),
        "array": b"[" + elements + b"]",
        "document": b'{"total":60,"rows":[' + elements + b"]}",
        "csv": csv(60, *bad),
        "cut off": b"[" + elements[:-5],
    }[form]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize("bad", [(), (1,), (40,), (3, 40, 41, 60)])
@pytest.mark.parametrize("form", FORMS)
def test_several_find_what_one_does(form: str, bad: tuple[int, ...], *, partial: bool) -> None:
    data = file(form, *bad)
    alone = read(data, partial=partial, block=BLOCK)
    together = read(data, partial=partial, block=BLOCK, processes=2)
    assert outcome(together) == outcome(alone)


@pytest.mark.usefixtures("threads")
@SHARED
@given(st.lists(st.sampled_from([line(FULL), line(BAD), b"", b"nonsense"]), max_size=30), st.integers(200, 3_000))
def test_whatever_the_rows_are(lines: list[bytes], block: int) -> None:
    data = line(FULL) + b"\n" + b"\n".join(lines)
    assert outcome(read(data, block=block, processes=2)) == outcome(read(data, block=block))


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_real_processes(form: str) -> None:
    data = file(form, 40)
    assert outcome(read(data, block=BLOCK, processes=2)) == outcome(read(data, block=BLOCK))


def workers() -> list[int]:
    """The processes that this one has started to check rows."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_process_that_is_killed_is_done_without() -> None:
    data = ndjson(*rows(400))
    reading = read_file(Pipe(data), BERLIN, Rejects("rows"), limits=LIMITS, block=BLOCK, processes=2)
    found = next(reading).num_rows + next(reading).num_rows
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    assert found + sum(batch.num_rows for batch in reading) == 400
    assert not workers()


def test_no_process_is_left_when_reading_is_given_up() -> None:
    reading = read_file(Pipe(ndjson(*rows(400))), BERLIN, Rejects("rows"), block=BLOCK, processes=2)
    assert next(reading).num_rows
    assert next(reading).num_rows
    assert workers()
    reading.close()
    assert not workers()


READER = """
import sys, time
from ingest_rows import BERLIN, FULL, ndjson
from turnout.ingest import beside
from turnout.ingest.faults import Rejects
from turnout.ingest.files import read_file
import io

if __name__ == "__main__":
    beside.ALONE = 1
    data = io.BytesIO(ndjson(FULL) * 400)
    reading = read_file(data, BERLIN, Rejects("rows"), block=2_000, processes=2)
    for _ in range(3):
        next(reading)
    children = open(f"/proc/self/task/{__import__('os').getpid()}/children").read().split()
    print(*children, flush=True)
    time.sleep(60)
"""


def test_no_process_outlives_one_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "reader.py"
    program.write_text(READER)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, env=environment) as reader:
        assert reader.stdout
        children = [Path(f"/proc/{pid}") for pid in reader.stdout.readline().decode().split()]
        assert len(children) >= 2
        assert all(child.exists() for child in children)
        reader.kill()
    for _ in until():
        if not any(is_running(child) for child in children):
            return


def is_running(process: Path) -> bool:
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_system_without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no semaphores here")

    monkeypatch.setattr(beside, "ProcessPoolExecutor", refuse)
    assert len(read(ndjson(*rows(60)), block=BLOCK, processes=2).said) == 60


def test_a_short_file_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(beside, "ALONE", 4)
    monkeypatch.setattr(beside, "ProcessPoolExecutor", refuse)
    assert len(read(ndjson(*rows(2)), block=BLOCK, processes=2).said) == 2


@pytest.mark.usefixtures("threads")
def test_many_cores_read_no_further_ahead_than_few() -> None:
    """Each chunk is of some megabytes."""
    taken = []

    def chunks() -> Iterator[JsonLines]:
        for number in range(200):
            taken.append(number)
            yield JsonLines(number + 1, line(FULL))

    most = 0
    for done, (_, batch) in enumerate(beside.checked(chunks(), BERLIN, LIMITS, 64), start=1):
        assert batch is not None
        most = max(most, len(taken) - done)
    assert len(taken) == 200
    assert most <= 2 * beside.MOST
