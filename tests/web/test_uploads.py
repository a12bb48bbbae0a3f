"""Files that come in parts: whose they are, how long they stay, and what the disk does not take."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import ClientDisconnect

from inside import Inside, add_provider, new_store, token
from oracle.report import Tenant
from turnout.web.uploads import Upload, Uploads, _steady

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from live import Answer, Asking
    from turnout.store.base import Store

pytestmark = pytest.mark.any_store


NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
PATH = "/ingest/v1/uploads"


class Studio:
    """An application with two providers, and a client of each."""

    def __init__(self, store: Store, directory: Path) -> None:
        for number in (1, 2):
            add_provider(store, Tenant(number, "UTC", "monday"))
        self.app = Inside(store, NOW, database=str(directory / "turnout.duckdb"))
        self.directory = directory / "turnout.duckdb.uploads"
        self.one, self.two = (self.app.as_(token(store, n, role="super_admin"), n) for n in (1, 2))


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with closing(new_store(tmp_path)) as store:
        made = Studio(store, tmp_path)
        with closing(made.app):
            yield made


def add(client: Asking, name: str, part: bytes = b'{"id"', offset: int = 0) -> Answer:
    return client.send("PATCH", f"{PATH}/{name}", {"Upload-Offset": str(offset)}, part)


def there(client: Asking, name: str) -> int:
    return int(client.send("GET", f"{PATH}/{name}").json["received"])


def test_each_provider_has_room_of_its_own(studio: Studio) -> None:
    for n in range(20):
        assert add(studio.one, f"abcdefgh{n:02}").status == 200
    assert add(studio.one, "abcdefgh20").error()[:2] == (503, "overloaded")
    assert add(studio.two, "abcdefgh20").status == 200
    assert add(studio.one, "abcdefgh19", offset=5).json == {"received": 10}


def test_what_nobody_goes_on_with_is_forgotten_after_a_day(studio: Studio) -> None:
    add(studio.one, "abcdefgh")
    studio.app.now = NOW + DAY - 1
    add(studio.one, "ijklmnop")
    assert add(studio.one, "abcdefgh", b"x", 5).json == {"received": 6}, "each part begins a new day"
    studio.app.now += DAY
    assert (there(studio.one, "abcdefgh"), there(studio.one, "ijklmnop")) == (6, 5)
    studio.app.now += 1
    assert there(studio.one, "abcdefgh") == 0, "what is too old is not there any more"
    assert len(list(studio.directory.iterdir())) == 1
    studio.app.services.sweeping.once()
    assert not list(studio.directory.iterdir()), "also where nobody asks for it"
    for n in range(20):
        add(studio.two, f"abcdefgh{n:02}")
    studio.app.now += DAY + 1
    assert add(studio.two, "ijklmnop").status == 200, "what is too old takes no room"


def test_a_part_that_is_received_is_never_too_old(studio: Studio) -> None:
    add(studio.one, "abcdefgh")
    uploads = studio.app.services.uploads
    (path,) = studio.directory.iterdir()
    with uploads.in_use(Upload(1, path, 5)):
        uploads.expire(NOW + 9 * DAY)
        assert path.exists()
    uploads.expire(NOW + 9 * DAY)
    assert not path.exists()


def test_what_is_being_received_or_merged_is_nobody_else_s(studio: Studio) -> None:
    """In whatever process: the file is locked."""
    add(studio.one, "abcdefgh")
    (path,) = studio.directory.iterdir()
    uploads = studio.app.services.uploads
    with uploads.in_use(Upload(1, path, 5)):
        for method in ("PATCH", "POST", "DELETE"):
            said = {"Upload-Offset": "5"} if method == "PATCH" else {}
            answer = studio.one.send(method, f"{PATH}/abcdefgh", said, b"")
            assert answer.error()[:2] == (409, "conflict"), method
            assert int(answer.headers["retry-after"]) > 0
    assert there(studio.one, "abcdefgh") == 5


def test_an_erasure_takes_a_part_that_is_being_received(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to it afterwards is nowhere, and who sends it is told."""
    add(studio.one, "abcdefgh")
    uploads = studio.app.services.uploads
    receive = Uploads._receive

    async def receive_and_forget(*given: Any) -> None:
        await receive(*given)
        uploads.forget(1)

    monkeypatch.setattr(Uploads, "_receive", receive_and_forget)
    assert add(studio.one, "abcdefgh", offset=5).error()[:2] == (409, "conflict")
    assert not list(studio.directory.iterdir())


def test_a_client_that_falls_silent_does_not_keep_its_upload(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a network is gone without a word: what arrived stays, and may be gone on with."""
    monkeypatch.setattr("turnout.web.uploads._SILENCE", 0.05)

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.Event().wait()

    async def receive() -> list[bytes]:
        return [chunk async for chunk in _steady(half())]

    with pytest.raises(ClientDisconnect):
        asyncio.run(receive())
    upload = Upload(1, studio.directory / "1-x", 0)
    studio.directory.mkdir()

    class Silent:
        def stream(self) -> AsyncIterator[bytes]:
            return half()

    uploads = Uploads(studio.directory)
    with pytest.raises(ClientDisconnect):
        asyncio.run(uploads.append(upload, 0, Silent(), 100, NOW))  # type: ignore[arg-type]
    assert upload.path.read_bytes() == b"half"
    uploads.check_free(upload)


def test_an_upload_that_was_forgotten_meanwhile_begins_anew(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the writing: nothing is written behind what is not there."""
    add(studio.one, "abcdefgh")
    (path,) = studio.directory.iterdir()
    monkeypatch.setattr("turnout.web.uploads.Uploads._make_room", lambda *_: path.unlink())
    assert add(studio.one, "abcdefgh", offset=5).error()[:2] == (409, "conflict")
    monkeypatch.undo()
    assert there(studio.one, "abcdefgh") == 0
    assert add(studio.one, "abcdefgh").status == 200


def test_a_directory_that_cannot_be_made(studio: Studio) -> None:
    studio.directory.write_bytes(b"in the way")
    assert add(studio.one, "abcdefgh").error()[:2] == (503, "storage_unavailable")
    studio.directory.unlink()
    assert add(studio.one, "abcdefgh").status == 200


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """In a process of its own: no file of it may grow beyond a size."""
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    batch, part, received, again = done.stdout.split()
    assert (batch, part) == ("503/storage_unavailable", "503/storage_unavailable")
    assert 0 <= int(received) <= 9 << 20
    assert again == "200"


def _fill(directory: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with closing(new_store(directory)) as store:
        studio = Studio(store, directory)
        resource.setrlimit(resource.RLIMIT_FSIZE, (9 << 20, resource.RLIM_INFINITY))
        large = b" " * (20 << 20)
        rows = {"Content-Type": "application/x-ndjson"}
        batch = studio.one.send("POST", "/ingest/v1/attendances", rows, large)
        part = add(studio.one, "abcdefgh", large)
        said = [f"{answer.status}/{answer.json['code']}" for answer in (batch, part)]
        said.append(str(there(studio.one, "abcdefgh")))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        said.append(str(studio.one.send("POST", "/ingest/v1/attendances", rows, large).status))
        studio.app.close()
    sys.stdout.write(" ".join(said))


if __name__ == "__main__":
    _fill(Path(sys.argv[1]))
