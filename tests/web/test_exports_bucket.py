"""Exports whose files are in a bucket, over HTTP: fetched through the server, and while the storage is away."""

from __future__ import annotations

import csv
import io
import json
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import turnout.exports
from bucket import storage
from inside import Inside, add_provider, import_file, new_store, token
from live import until
from oracle.report import Tenant
from turnout.query.instants import DAY
from web.test_exports import JOBS, NOW, ROWS, ended, fetched, job_of, look, post, row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bucket import Storage
    from live import Answer, Asking


@pytest.fixture(scope="module")
def shared() -> Iterator[Storage]:
    with storage() as found:
        yield found


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Inside]]:
    """Starts the application with its files in a storage, for who has its keys."""
    with closing(new_store(tmp_path)) as store:
        add_provider(store, Tenant(1, "America/Chicago", "monday"))
        import_file(store, 1, [row(number) for number in range(1, ROWS + 1)])
        started: list[Inside] = []

        def begin(found: Storage, **address: str) -> Inside:
            for name, value in found.keys.items():
                monkeypatch.setenv(name, value)
            where = found.address(**{"prefix": tmp_path.name, **address})
            started.append(Inside(store, NOW, database=str(tmp_path / "turnout.duckdb"), export_directory=where))
            return started[-1]

        yield begin
        for inside in started:
            inside.close()


@pytest.fixture
def inside(start: Callable[..., Inside], shared: Storage) -> Inside:
    return start(shared)


@pytest.fixture
def client(inside: Inside) -> Asking:
    return inside.as_(token(inside.store, 1))


def doctor(inside: Inside) -> dict[str, Any]:
    return dict(inside.as_(token(inside.store, 1, role="super_admin")).get(path="/admin/v1/status").json)


def keys(shared: Storage, tmp_path: Path) -> list[str]:
    """What is in the bucket of this test."""
    return sorted(key for key in shared.objects() if key.startswith(f"{tmp_path.name}/"))


def refused(answer: Answer) -> None:
    assert answer.error()[:2] == (503, "storage_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json["message"] == "The file cannot be read at the moment."


def test_a_file_and_its_parts_come_through_the_server(client: Asking, shared: Storage, tmp_path: Path) -> None:
    job = ended(client, job_of(post(client)))
    assert job["status"] == "complete"
    assert job["result_url"].startswith("http://inside/")
    (key,) = keys(shared, tmp_path)
    assert shared.objects()[key] == job["size"]
    whole = fetched(client, job)
    assert (whole.status, len(whole.body), whole.headers["content-length"]) == (200, job["size"], str(job["size"]))
    assert len(list(csv.reader(io.StringIO(whole.body.decode())))) == ROWS + 1
    part = fetched(client, job, {"Range": "bytes=5-9"})
    assert (part.status, part.body) == (206, whole.body[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{job['size']}"
    assert fetched(client, job, {"Range": f"bytes={job['size']}-"}).error()[:2] == (416, "range_not_satisfiable")
    again = fetched(client, job, {"If-None-Match": whole.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert list(tmp_path.rglob("*.csv")) == [], "nothing of it is here"


def test_removing_expiring_and_erasing_remove_the_object(inside: Inside, shared: Storage, tmp_path: Path) -> None:
    admin = inside.as_(token(inside.store, 1, role="super_admin"))
    jobs = [ended(admin, job_of(post(admin))) for _ in range(3)]
    assert len(keys(shared, tmp_path)) == 3
    assert admin.send("DELETE", f"{JOBS}/{jobs[0]['id']}").status == 204
    assert len(keys(shared, tmp_path)) == 2
    assert fetched(admin, jobs[0]).error()[:2] == (404, "not_found")
    erase = json.dumps({"customers": [5]}).encode()
    assert admin.send("POST", "/admin/v1/erasures", {"Content-Type": "application/json"}, erase).status == 200
    assert keys(shared, tmp_path) == []
    for job in jobs[1:]:
        assert look(admin, job["id"])["status"] == "expired"
        assert fetched(admin, job).error()[:2] == (404, "not_found")
    ended(admin, job_of(post(admin)))
    inside.now += 7 * DAY
    inside.services.jobs.tidy()
    assert keys(shared, tmp_path) == []


def test_an_object_that_somebody_removed(client: Asking, inside: Inside) -> None:
    job = ended(client, job_of(post(client)))
    inside.services.jobs.files.remove(inside.store.jobs.get(1, job["id"]))
    assert fetched(client, job).error()[:2] == (404, "not_found")
    for headers in ({"Range": "bytes=0-1"}, {"If-None-Match": "*"}):
        assert fetched(client, job, headers).error()[:2] == (404, "not_found")


def test_what_another_server_left_is_swept_at_the_start(
    start: Callable[..., Inside], shared: Storage, tmp_path: Path
) -> None:
    inside = start(shared)
    client = inside.as_(token(inside.store, 1))
    kept = ended(client, job_of(post(client)))
    job = inside.store.jobs.get(1, kept["id"])
    (key,) = keys(shared, tmp_path)
    left = key.replace(f"-{job.run}.csv", f"-{job.run - 1}.csv")
    with inside.services.jobs.files.home.making(left.rpartition("/")[2], lambda: None) as path:
        path.write_bytes(b"x")
    assert keys(shared, tmp_path) == sorted([key, left])
    inside.services.jobs.close()
    again = start(shared)
    again.services.jobs.start()
    for _ in until():
        if keys(shared, tmp_path) == [key]:
            break
    assert fetched(again.as_(token(inside.store, 1)), kept).status == 200


def test_a_bucket_that_is_not_there_fails_the_job_and_says_why(start: Callable[..., Inside], shared: Storage) -> None:
    inside = start(shared, bucket="another-one")
    client = inside.as_(token(inside.store, 1))
    job = ended(client, job_of(post(client)))
    assert (job["status"], job["result_url"]) == ("failed", None)
    assert job["error"] == "The file cannot be written: The storage answers NoSuchBucket."
    (fault,) = doctor(inside)["faults"]
    assert fault.startswith("Exports cannot be kept in s3://another-one/")
    assert fault.endswith("The storage answers NoSuchBucket.")
    assert client.get("limit=1").status == 200


def test_wrong_credentials_fail_the_job_and_are_shown_nowhere(
    inside: Inside, client: Asking, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, shared: Storage
) -> None:
    done = ended(client, job_of(post(client)))
    caplog.set_level(logging.DEBUG, "turnout")
    inside.services.jobs.files.home.close()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    job = ended(client, job_of(post(client)))
    assert job["error"] == "The file cannot be written: The storage answers SignatureDoesNotMatch."
    refused(fetched(client, done))
    document = doctor(inside)
    assert document["faults"][0].endswith("The storage answers SignatureDoesNotMatch.")
    assert document["exports"]["directory"].startswith("s3://")
    told = caplog.text + str([record.__dict__ for record in caplog.records]) + json.dumps([document, job])
    for secret in ("a-wrong-secret", *shared.keys.values()):
        assert secret not in told


def test_a_storage_that_is_away(start: Callable[..., Inside], monkeypatch: pytest.MonkeyPatch) -> None:
    with storage() as going:
        inside = start(going)
        client = inside.as_(token(inside.store, 1))
        done, other = (ended(client, job_of(post(client))) for _ in range(2))
        write_file = turnout.exports.write_file

        def gone(*given: Any, **named: Any) -> int:
            going.kill()
            return write_file(*given, **named)

        monkeypatch.setattr(turnout.exports, "write_file", gone)
        job = ended(client, job_of(post(client)))
        assert (job["status"], job["error"]) == (
            "failed", "The file cannot be written: The storage cannot be used (EndpointConnectionError).",
        )  # fmt: skip
        for headers in ({}, {"Range": "bytes=0-1"}, {"If-None-Match": "*"}):
            refused(fetched(client, done, headers))
        assert look(client, done["id"])["status"] == "complete", "its file will be there again"
        assert client.get(path=JOBS).json["total"] == 3
        inside.services.jobs.tidy()
        assert client.send("DELETE", f"{JOBS}/{other['id']}").status == 204
        assert client.get("limit=1").status == 200
        (fault,) = doctor(inside)["faults"]
        assert fault.endswith("The storage cannot be used (EndpointConnectionError).")
        admin = inside.as_(token(inside.store, 1, role="super_admin"))
        erase = json.dumps({"customers": [5]}).encode()
        assert admin.send("POST", "/admin/v1/erasures", {"Content-Type": "application/json"}, erase).status == 200
        assert fetched(client, done).error()[:2] == (404, "not_found"), "its link ends all the same"
