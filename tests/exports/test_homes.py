"""Where export files lie: both homes keep them whole or not at all, and say why where they cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bucket import BUCKET, storage
from live import environment
from turnout.errors import TurnoutError
from turnout.jobs.bucket import bucket_of
from turnout.jobs.files import Files
from turnout.jobs.homes import Folder, home_of
from turnout.query.instants import DAY
from turnout.settings import Settings
from turnout.store.duckdb import DuckStore
from turnout.store.jobs import Job, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bucket import Storage
    from turnout.jobs.bucket import Bucket
    from turnout.jobs.homes import Home

LARGE = 20 << 20
"""More than one part of an upload, and more than what sockets hold."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Storage]:
    with storage() as found:
        yield found


@pytest.fixture
def bucket(shared: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name, value in shared.keys.items():
        monkeypatch.setenv(name, value)
    with closing(bucket_of(shared.address(tmp_path.name), tmp_path / "made" / "aside")) as found:
        yield found


@pytest.fixture(params=["folder", "bucket"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    if request.param == "folder":
        return Folder(tmp_path / "exports")
    found: Home = request.getfixturevalue("bucket")
    return found


def go_on() -> None:
    pass


class Stop(Exception):  # noqa: N818 - it is no error
    pass


def put(home: Home, name: str, content: bytes) -> None:
    with home.making(name, go_on) as path:
        path.write_bytes(content)


# What both keep


def test_a_file_is_there_when_it_is_whole(home: Home) -> None:
    assert home.names("") == set()
    with home.making("a-1", go_on) as path:
        path.write_bytes(b"0123")
        assert "a-1" not in home.names("")
        with pytest.raises(FileNotFoundError):
            home.size("a-1")
        path.write_bytes(b"0123456789")
    assert home.names("") == home.names("a-") == {"a-1"}
    assert home.names("b-") == set()
    assert home.size("a-1") == 10
    assert b"".join(home.read("a-1", 0, 10)) == b"0123456789"
    assert b"".join(home.read("a-1", 3, 5)) == b"34"
    put(home, "a-1", b"anew")
    assert b"".join(home.read("a-1", 0, 4)) == b"anew"
    home.remove("a-1")
    home.remove("a-1")
    assert home.names("") == set()


def test_a_file_that_broke_off_is_nowhere(home: Home, tmp_path: Path) -> None:
    with pytest.raises(Stop), home.making("a", go_on) as path:  # noqa: PT012
        path.write_bytes(b"half")
        raise Stop
    assert home.names("") == set()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_is_not_there(home: Home) -> None:
    put(home, "aa", b"")
    for name in ("a", "b"):
        with pytest.raises(FileNotFoundError):
            home.size(name)
        for end in (0, 1):
            with pytest.raises(FileNotFoundError):
                home.read(name, 0, end)
    assert list(home.read("aa", 0, 0)) == []


def test_a_large_file_is_the_same_again(home: Home) -> None:
    content = os.urandom(LARGE // 8) * 8
    put(home, "large", content)
    assert home.size("large") == LARGE
    assert b"".join(home.read("large", 0, LARGE)) == content
    assert b"".join(home.read("large", LARGE - 7, LARGE)) == content[-7:]


def test_a_home_that_is_well_has_no_fault(home: Home) -> None:
    assert home.fault() is None


# Files of jobs


JOB = Job(7, 1, None, "attendances", "csv", "[]", created_at=100 * DAY, run=2)


def kept_names(files: Files, *, kept: list[Job], known: list[Job], now: int = 101 * DAY) -> set[str]:
    files.sweep(lambda: kept, lambda: known, now)
    return {name.partition("-")[2] for name in files.found()}


@pytest.mark.parametrize("store_is_shared", [False, True])
def test_what_is_swept(home: Home, tmp_path: Path, store_is_shared: bool) -> None:
    """A store that has a directory for itself removes all that is of no use, others what nobody else can need."""
    with closing(DuckStore(tmp_path / "turnout.duckdb", threads=1)) as store:
        store.shared = store_is_shared
        files = Files(store, home, 7 * DAY)
        alone = not store_is_shared and not home.far
        runs = [replace(JOB, run=run) for run in (1, 2, 3)]
        strange = replace(JOB, id=8)
        old = replace(JOB, id=9, created_at=90 * DAY)
        for job in (*runs, strange, old):
            put(home, files.name(job), b"x")
        put(home, files.name(JOB) + ".part", b"x")
        put(home, "strange-7-1-1.csv", b"x")
        own = {"7-8640000000000-2.csv", "7-8640000000000-2.csv.part"}
        others = set() if alone else {"7-8640000000000-3.csv", "8-8640000000000-2.csv"}
        assert kept_names(files, kept=[JOB], known=[JOB]) == own | others
        gone = replace(JOB, status=Status.EXPIRED)
        assert kept_names(files, kept=[], known=[gone]) == others
        assert kept_names(files, kept=[], known=[], now=108 * DAY + 1) == set()
        assert home.names("strange") == {"strange-7-1-1.csv"}
        files.home.close()


def test_the_jobs_are_asked_for_after_the_files(home: Home, tmp_path: Path) -> None:
    """A file that another process finishes meanwhile is not taken for the rest of something."""
    with closing(DuckStore(tmp_path / "turnout.duckdb", threads=1)) as store:
        files = Files(store, home, 7 * DAY)
        put(home, files.name(replace(JOB, id=1)), b"x")

        def kept() -> list[Job]:
            put(home, files.name(JOB), b"x")
            return []

        files.sweep(kept, lambda: [JOB], 101 * DAY)
        assert files.name(JOB) in files.found()
        files.home.close()


# The bucket


def test_an_upload_that_is_to_end_leaves_nothing(bucket: Bucket, shared: Storage) -> None:
    asked, begun = 0, False

    def check() -> None:
        nonlocal asked, begun
        asked += 1
        begun = begun or (asked % 9 == 0 and bool(shared.unfinished()))
        if begun:
            raise Stop

    with pytest.raises(Stop), bucket.making("large", check) as path:
        path.write_bytes(b"x" * LARGE)
    assert asked >= 9, "it was on its way"
    assert (bucket.names(""), shared.unfinished()) == (set(), [])


def test_a_storage_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with storage() as going:
        for name, value in going.keys.items():
            monkeypatch.setenv(name, value)
        bucket = bucket_of(going.address(), tmp_path / "aside")
        put(bucket, "large", b"x" * LARGE)
        blocks = bucket.read("large", 0, LARGE)
        assert next(blocks) == b"x" * (1 << 18)

        asked = 0

        def kill() -> None:
            nonlocal asked
            asked += 1
            if asked == 20:
                going.kill()

        with (
            pytest.raises(OSError, match="The storage cannot be used"),
            bucket.making("second", kill) as path,
        ):
            path.write_bytes(b"x" * LARGE)
        with pytest.raises(OSError, match="The storage cannot be used"):
            list(blocks)
        for work in (
            lambda: bucket.names(""),
            lambda: bucket.size("large"),
            lambda: bucket.read("large", 0, 9),
            lambda: bucket.remove("large"),
        ):
            with pytest.raises(OSError, match="The storage cannot be used"):
                work()
        assert "cannot be used (EndpointConnectionError)" in (bucket.fault() or "")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        bucket.close()


def test_a_download_goes_on_after_a_connection_that_broke_off(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(1 << 20)
    put(bucket, "a", content)
    get, broken = bucket._get, []

    class Breaking:
        def __init__(self, body: object) -> None:
            self.body, self.left = body, 2

        def read(self, size: int) -> bytes:
            self.left -= 1
            return self.body.read(size) if self.left else b""

        def close(self) -> None:
            self.body.close()

    def once(*given: object) -> object:
        broken.append(given)
        return Breaking(get(*given)) if len(broken) < 3 else get(*given)

    monkeypatch.setattr(bucket, "_get", once)
    assert b"".join(bucket.read("a", 5, len(content))) == content[5:]
    assert [start for _, start, _ in broken] == [5, 5 + (1 << 18), 5 + (2 << 18)]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "InvalidAccessKeyId"),
        ({"AWS_SECRET_ACCESS_KEY": "a-secret-that-is-wrong"}, "SignatureDoesNotMatch"),
    ],
)
def test_credentials_that_are_wrong(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, keys: dict[str, str], said: str
) -> None:
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OSError, match=f"^.Errno 5. The storage answers {said}$"):
        put(bucket, "a", b"x")
    assert (bucket.fault() or "").endswith(f"The storage answers {said}.")
    assert not any(value in (bucket.fault() or "") for value in keys.values())


def test_no_credentials(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(OSError, match="NoCredentialsError"):
        bucket.size("a")


def test_a_bucket_that_is_not_there(shared: Storage, bucket: Bucket, tmp_path: Path) -> None:
    with closing(bucket_of(shared.address(bucket="another-one"), tmp_path / "aside")) as missing:
        assert (missing.fault() or "").endswith("The storage answers NoSuchBucket.")
        for work in (lambda: put(missing, "a", b"x"), lambda: missing.size("a"), lambda: missing.read("a", 0, 1)):
            with pytest.raises(OSError, match="NoSuchBucket"):
                work()


def test_keys_begin_with_the_prefix(shared: Storage, bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "a", b"xy")
    assert shared.objects()[f"{tmp_path.name}/a"] == 2
    with closing(bucket_of(shared.address(""), tmp_path / "aside")) as bare:
        put(bare, "root", b"x")
        assert "root" in bare.names("")
        bare.remove("root")


def test_what_a_killed_process_left_of_a_file_is_removed(bucket: Bucket, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from turnout.jobs.bucket import bucket_of\n"
        "with bucket_of(sys.argv[1], Path(sys.argv[2])).making('a', lambda: None) as path:\n"
        "    path.write_bytes(b'persons'); print('there', flush=True); sys.stdin.read()"
    )
    aside = tmp_path / "made" / "aside"
    maker = subprocess.Popen(
        [sys.executable, "-c", program, "s3://some-bucket", str(aside)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert maker.stdout
    assert maker.stdout.readline() == b"there\n"
    bucket.tidy()
    assert len(list(aside.parent.rglob("a"))) == 1, "it is being made"
    maker.kill()
    maker.communicate()
    bucket.tidy()
    assert list(aside.parent.iterdir()) == []


# The setting


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://", "neither a directory's path nor s3://BUCKET"),
        ("s3://AKIASOMEBODY:hidden-secret@bucket/prefix", "credentials come from the environment"),
        ("s3://bucket/prefix#hidden-secret", "neither a directory's path"),
        ("s3://bucket?secret_key=hidden-secret", "'secret_key' is not known"),
        ("s3://bucket?regoin=eu", "Did you mean 'region'?"),
        ("s3://bucket?region=hidden_secret", "The region is not one"),
        ("s3://bucket?endpoint=https://me:hidden-secret@example.com", "The endpoint is not one"),
        ("s3://bucket?endpoint=ftp://example.com", "The endpoint is not one"),
        ("s3://bucket?region=a&region=b", "The region is not one"),
        ("gs://bucket", "neither a directory's path"),
    ],
)
def test_addresses_that_are_none(address: str, said: str) -> None:
    with pytest.raises(TurnoutError) as raised:
        home_of(Settings(export_directory=address))
    (fault,) = raised.value.fields["export_directory"]
    assert raised.value.code == "parameter_invalid"
    assert said in fault
    assert "hidden" not in fault


def test_where_a_bucket_is(tmp_path: Path) -> None:
    home = home_of(
        Settings(database=str(tmp_path / "x"), export_directory="s3://bucket/a%20b/c/?endpoint=https://[::1]:9/")
    )
    assert home.place == "s3://bucket/a b/c/ at https://[::1]:9"
    assert home_of(Settings(export_directory="s3://bucket")).place == "s3://bucket/"


def test_a_storage_without_tls_is_told_of(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_address", replace(bucket._address, endpoint="http://storage.example.com"))

    class Answering:
        def list_objects_v2(self, **_: object) -> dict[str, object]:
            return {}

        def close(self) -> None:
            pass

    bucket._clients[False] = Answering()
    assert "without TLS" in (bucket.fault() or "")


def test_who_keeps_files_in_a_directory_loads_no_client() -> None:
    program = "import sys, turnout.web.jobs, turnout.web.app; assert 'boto3' not in sys.modules, 'loaded'"
    subprocess.run([sys.executable, "-c", program], check=True, env=environment())


def test_a_bucket_without_its_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.jobs.bucket.find_spec", lambda _: None)
    with pytest.raises(TurnoutError) as raised:
        home_of(Settings(export_directory=f"s3://{BUCKET}"))
    assert raised.value.fields == {"export_directory": ["Storage in a bucket needs boto3: pip install 'turnout[s3]'."]}
