"""Export jobs of several servers on one database: each is carried out once, whoever is killed, stopped or frozen."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from bucket import storage
from cluster import as_administrator, new_database
from inside import add_provider, import_file, token
from live import Server, until
from oracle.report import Tenant
from slow_exports import PROGRAM
from turnout.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from live import Answer, Asking

EXPORT, JOBS = "/api/v2/reports/attendances/export", "/api/v2/jobs"
ROWS = 600


class Together:
    """A database, and servers on it, each with a directory of its own. `text` is a token for provider 1."""

    def __init__(self, address: str, directory: Path, exports: str) -> None:
        self.address, self.directory, self.exports = address, directory, exports
        self.servers: dict[str, Server] = {}
        with closing(open_store(address)) as store:
            add_provider(store, Tenant(1, "Europe/London", "monday"))
            import_file(store, 1, [row(number) for number in range(1, ROWS + 1)])
            self.text = token(store, 1)

    def start(self, name: str, **settings: object) -> Asking:
        """Start a server, whose exports wait until they may `go`."""
        own = self.directory / name
        own.mkdir()
        given = {"database": self.address, "export_directory": self.exports, "data_directory": str(own), **settings}
        (own / "turnout.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in given.items()))
        self.servers[name] = Server(own / "turnout", program=PROGRAM)
        return self.servers[name].client(self.text)

    def go(self, *names: str) -> None:
        for name in names:
            (self.directory / name / "go").touch()

    def send(self, name: str, number: signal.Signals) -> None:
        os.kill(self.servers[name].process.pid, number)

    def job(self, id_: int, *columns: str) -> tuple[Any, ...]:
        """What the database knows of a job."""
        with psycopg.connect(as_administrator(self.address)) as connection:
            found = connection.execute(f"SELECT {', '.join(columns)} FROM job WHERE id = %s", (id_,)).fetchall()
        return found[0]

    def is_silent(self, id_: int) -> None:
        """As if a job had not been kept for an hour."""
        with psycopg.connect(as_administrator(self.address)) as connection:
            aged = "UPDATE job_alive SET kept_at = kept_at - 3600000000 WHERE job_id = %s"
            assert connection.execute(aged, (id_,)).rowcount == 1

    def files(self) -> list[str]:
        """The names of the files of exports, without what tells one store's from another's."""
        return sorted(path.name.partition("-")[2] for path in Path(self.exports).glob("[!.]*"))

    def close(self) -> None:
        for name, server in self.servers.items():
            if server.process.poll() is None:
                self.send(name, signal.SIGCONT)
            server.kill()


def row(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "updated_at": "2026-05-01T00:00:00Z",
        "customer": {"id": 1 + number % 50, "name": f"Customer {number % 50}"},
        "event": {"id": 1 + number % 80, "starts_at": f"2026-05-{1 + number % 28:02}T10:00:00Z", "name": "Yoga"},
        "status": "attended",
    }


@pytest.fixture
def make(postgres: str, tmp_path: Path) -> Iterator[Callable[..., Together]]:
    made: list[Together] = []

    def begin(exports: str = str(tmp_path / "shared")) -> Together:
        made.append(Together(new_database(postgres), tmp_path, exports))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.fixture
def both(make: Callable[..., Together]) -> Together:
    return make()


def ask(client: Asking) -> int:
    answer = client.send("POST", EXPORT, {"Content-Type": "application/json"}, b'{"format": "ndjson"}')
    assert answer.status == 200, answer.body
    return int(answer.json["job"])


def look(client: Asking, job: int) -> dict[str, Any]:
    return dict(client.get(path=f"{JOBS}/{job}").json)


def when(client: Asking, job: int, *statuses: str) -> dict[str, Any]:
    for _ in until():
        found = look(client, job)
        if found["status"] in statuses:
            return found
    raise AssertionError


def begun(client: Asking, job: int) -> dict[str, Any]:
    """The job when its first rows are written."""
    for _ in until():
        found = look(client, job)
        if found["complete_items"]:
            return found
    raise AssertionError


def whole(client: Asking, job: int) -> None:
    """The job is complete, and its file has every row once."""
    found = when(client, job, "complete", "failed")
    assert (found["status"], found["total_items"], found["complete_items"]) == ("complete", ROWS, ROWS), found
    check(client.follow(found["result_url"]), found["size"])


def check(answer: Answer, size: int) -> None:
    assert (answer.status, len(answer.body)) == (200, size)
    lines = answer.body.splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(range(1, ROWS + 1))
    assert len(lines) == ROWS


def test_each_job_is_carried_out_once_and_any_server_has_its_file(both: Together) -> None:
    one, two = both.start("one"), both.start("two")
    jobs = [ask(one) for _ in range(7)]
    for job in jobs[:4]:
        begun(two, job)
    assert [look(one, job)["status"] for job in jobs] == ["running"] * 4 + ["queued"] * 3, "two of each server"
    both.go("one", "two")
    jobs += [ask(client) for _ in range(4) for client in (one, two)]
    for job in jobs:
        whole(one, job)
        whole(two, job)
        assert both.job(job, "run", "crashes") == (1, 0)
    assert [name.partition("-")[0] for name in both.files()] == sorted(map(str, jobs))


def test_how_far_a_job_is_is_seen_from_every_server(both: Together) -> None:
    one = both.start("one")
    job = ask(one)
    begun(one, job)
    found = begun(both.start("two"), job)
    assert (found["status"], found["total_items"], found["complete_items"]) == ("running", ROWS, ROWS)
    assert (found["finished_at"], found["result_url"]) == (None, None)


def test_a_job_is_cancelled_from_another_server(both: Together) -> None:
    one = both.start("one")
    job = ask(one)
    begun(one, job)
    two = both.start("two")
    (part,) = both.files()
    assert part.endswith(".part")
    assert two.send("DELETE", f"{JOBS}/{job}").status == 204
    assert look(one, job)["status"] == look(two, job)["status"] == "cancelled"
    for _ in until():
        if both.files() == []:
            break
    both.servers["two"].kill()
    both.go("one")
    whole(one, ask(one))
    assert look(one, job)["status"] == "cancelled"


def test_a_job_of_a_server_that_was_killed_is_made_by_another(both: Together) -> None:
    one = both.start("one")
    job = ask(one)
    begun(one, job)
    two = both.start("two")
    both.go("two")
    both.servers["one"].kill()
    whole(two, ask(two))
    assert look(two, job)["status"] == "running", "nobody can know yet"
    both.is_silent(job)
    whole(two, job)
    assert both.job(job, "run", "crashes") == (2, 1)
    assert both.job(job, "(SELECT count(*) FROM job_alive)") == (0,)
    third = both.start("three")
    whole(third, job)
    assert [name.rpartition(".")[2] for name in both.files()] == ["ndjson"] * 2, "what was left was swept"


def test_a_job_of_a_server_that_stops_goes_to_another_at_once(both: Together) -> None:
    one = both.start("one")
    job = ask(one)
    begun(one, job)
    two = both.start("two")
    both.go("two")
    assert both.servers["one"].stop() == 0
    whole(two, job)
    assert both.job(job, "run", "crashes") == (2, 0)
    assert len(both.files()) == 1


@pytest.mark.parametrize("finishes", [False, True])
def test_who_was_frozen_spoils_nothing(both: Together, finishes: bool) -> None:
    """Somebody else has made its job meanwhile; `finishes`: it has all it needs to end its own file, too."""
    one = both.start("one")
    job = ask(one)
    begun(one, job)
    two = both.start("two")
    both.go("two")
    both.send("one", signal.SIGSTOP)
    both.is_silent(job)
    whole(two, job)
    before = both.job(job, "*")
    if finishes:
        both.go("one")
    both.send("one", signal.SIGCONT)
    for _ in until():
        if len(both.files()) == 1:
            break
    whole(one, job)
    assert both.job(job, "*") == before
    assert both.job(job, "status", "run", "crashes") == ("complete", 2, 1)
    both.go("one")
    both.servers["two"].kill()
    whole(one, ask(one))


def test_an_export_whose_connection_was_lost_begins_anew(both: Together) -> None:
    one = both.start("one")
    job = ask(one)
    begun(one, job)
    with psycopg.connect(as_administrator(both.address), autocommit=True) as connection:
        lost = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database() AND state = 'idle in transaction'"
        ).fetchall()
    assert lost == [(1,)], "the one that it reads with"
    both.go("one")
    whole(one, job)
    assert both.job(job, "run", "crashes") == (2, 1)
    assert len(both.files()) == 1


def test_erasing_a_customer_ends_what_another_server_makes(both: Together) -> None:
    two = both.start("two")
    both.go("two")
    done = ask(two)
    whole(two, done)
    one = both.start("one")
    both.send("two", signal.SIGSTOP)
    running = ask(one)
    begun(one, running)
    both.send("two", signal.SIGCONT)
    with ThreadPoolExecutor() as pool:
        erasing = pool.submit(erase, both, "two")
        for _ in until():
            if both.job(running, "run", "status") != (1, "running"):
                break
        both.go("one")  # what is begun anew must not be read for ever: its table is written anew
        erasing.result()
    assert look(one, done)["status"] == "expired"
    assert when(two, running, "complete", "failed")["status"] == "complete"
    assert both.job(running, "run", "crashes") == (2, 0)
    text = one.follow(look(one, running)["result_url"]).body
    assert b"(Deleted Customer)" in text
    assert b'"Customer 4"' not in text
    assert len(both.files()) == 1


def erase(both: Together, name: str) -> None:
    """Erase the customer who is called "Customer 4"."""
    with closing(open_store(both.address)) as store:
        admin = both.servers[name].client(token(store, 1, role="super_admin"))
    body = json.dumps({"customers": [5]}).encode()
    answer = admin.send("POST", "/admin/v1/erasures", {"Content-Type": "application/json"}, body)
    assert answer.status == 200, answer.body


def test_servers_share_a_bucket(make: Callable[..., Together], monkeypatch: pytest.MonkeyPatch) -> None:
    with storage() as found:
        for name, value in found.keys.items():
            monkeypatch.setenv(name, value)
        both = make(found.address())
        one = both.start("one")
        job = ask(one)
        begun(one, job)
        two = both.start("two")
        both.servers["one"].kill()
        both.go("two")
        both.is_silent(job)
        whole(two, job)
        (key,) = found.objects()
        assert key.endswith("-2.ndjson")
        whole(both.start("three"), job)
        erase(both, "two")
        assert found.objects() == {}
        assert look(two, job)["status"] == "expired"
        assert both.servers["two"].stop() == 0
