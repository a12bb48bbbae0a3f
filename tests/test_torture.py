"""Everything at once and kill -9 at random (section 5): what was acknowledged is there, and no batch is half there.

Rows are written, deleted and read, customers are erased, the store is put in order and copied meanwhile.

`make torture` does it for minutes: TORTURE_KILLS says how often the server is killed. The moments are random; what has
to hold, holds whenever they are.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import databases
import hurried
from cluster import DURABLE, cluster_of_its_own
from inside import add_provider, new_store, token
from lanes import BATCH, COUNTERS, CUSTOMERS, NOBODY, SPACE, Known, Lane
from live import REPORT, Client, Server, until
from oracle.report import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster import Cluster

KILLS = int(os.environ.get("TORTURE_KILLS", "4"))
SEED = int(os.environ.get("TORTURE_SEED", "1"))
WRITERS, READERS = 3, 2
TO_ERASE = 4
"""So many of each writer's customers are erased sooner or later."""
PATH = "/ingest/v1/attendances"
ERASURES = "/admin/v1/erasures"
BROKEN = (OSError, http.client.HTTPException)


class World:
    """The server, which comes and goes, and those who work with it."""

    def __init__(self, database: Path, text: str) -> None:
        self.database = database
        self.text = text
        self.server = self.serve(database)
        self.over = threading.Event()
        self.lanes = [Lane(number) for number in range(1, WRITERS + 1)]
        self.read = 0
        self.faults: list[str] = []
        self.copy: tuple[bytes, list[Known]] | None = None
        """The last backup, and what is certain of it."""

    @property
    def works(self) -> list[Callable[[], None]]:
        """What is done all the time beside writing."""
        return [*(partial(self.look, number) for number in range(READERS)), self.erase, self.copies]

    def serve(self, database: Path) -> Server:
        return Server(database, program=hurried.PROGRAM)

    def strike(self, _chance: random.Random) -> None:
        """Kill what can be killed, and have it come back."""
        self.server.kill()
        self.server = self.serve(self.database)

    def has_done_everything(self) -> bool:
        """Whether each kind of work was done, so that it may be over."""
        return bool(self.read and any(lane.erased for lane in self.lanes) and self.copy and self.was_put_in_order())

    def files(self) -> list[Path]:
        """Where the data is, when the server has ended."""
        return [self.database, self.database.with_name(f"{self.database.name}.wal")]

    def client(self) -> Client:
        return Client(self.server.url, self.text, 1)

    def known(self) -> list[Known]:
        return [lane.known for lane in self.lanes]

    def was_put_in_order(self) -> bool:
        """Whether rows that landed were sorted, and all rows rebuilt, in this server or in one before it."""
        log = self.server.log.read_text("utf-8")
        return '"what":"rebuild"' in log and '"what":"sort"' in log

    def again_and_again(self, work: Callable[[Client], None]) -> None:
        """Do a piece of work until it is over, whatever becomes of the server."""
        client = self.client()
        while not self.over.is_set():
            try:
                work(client)
            except BROKEN:
                client.close()
                time.sleep(0.01)
                client = self.client()
        client.close()

    def write(self, lane: Lane) -> None:
        """Send batch after batch; one that was not answered is sent again, as it was, with the same key."""
        chance = random.Random(SEED * 100 + lane.number)

        def work(client: Client) -> None:
            if lane.acknowledged and chance.random() < 0.2:
                self._delete(client, lane, chance.choice(lane.ids(chance.randint(1, lane.acknowledged))))
                return
            batch = lane.acknowledged + 1
            lane.sent = batch
            headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"{lane.number}-{batch}"}
            answer = client.send("POST", PATH, headers, lane.body(batch))
            if answer.status == 200:
                counts = answer.json
                # As the first time, even where the answer to that was lost.
                if counts["created"] != BATCH + (COUNTERS if batch == 1 else 0) or counts["rejected"]:
                    lane.errors.append(f"batch {batch}: {counts}")
                lane.acknowledged = batch
            elif answer.status not in (409, 503):
                lane.errors.append(f"batch {batch}: {answer.status} {answer.body!r}")

        self.again_and_again(work)

    def _delete(self, client: Client, lane: Lane, id_: int) -> None:
        lane.perhaps_deleted.add(id_)
        answer = client.send("DELETE", f"{PATH}/{id_}")
        if answer.status in (204, 404):
            lane.deleted.add(id_)

    def look(self, number: int) -> None:
        """Ask for random batches; each is there as a whole or not at all, its deleted rows aside."""
        chance = random.Random(SEED * 1000 + number)

        def work(client: Client) -> None:
            lane = chance.choice(self.lanes)
            before = lane.known
            batch = chance.randint(1, lane.sent + 1)
            ids = lane.ids(batch)
            query = f"format=json&columns=id,customer&sort=id&limit=100&id_gt={ids[0] - 1}"
            answer = client.send("GET", f"{REPORT}?{query}")
            if answer.status != 200:
                return
            known = before.until(lane.known)
            rows = answer.json["rows"]
            found = {row["id"] for row in rows} & set(ids)
            if found and not set(ids) - known.deleted - known.perhaps_deleted <= found:
                self.faults.append(f"batch {batch} of {lane.number} is half there: {sorted(set(ids) - found)}")
            for row in rows:
                if row["customer"]["id"] in known.erased and row["customer"]["name"] != NOBODY:
                    self.faults.append(f"somebody erased is shown: {row}")
            self.read += 1

        self.again_and_again(work)

    def erase(self) -> None:
        """Erase one customer after the other."""
        chance = random.Random(SEED * 10_000)
        left = [(lane, customer) for lane in self.lanes for customer in lane.customers[:TO_ERASE]]
        chance.shuffle(left)

        def work(client: Client) -> None:
            self.over.wait(chance.random())
            if not left:
                return
            lane, customer = left[-1]
            if not lane.acknowledged:
                return
            lane.perhaps_erased.add(customer)
            answer = client.send("POST", ERASURES, {"Content-Type": "application/json"}, _customers(customer))
            if answer.status == 200:
                lane.erased.add(customer)
                left.pop()
            elif answer.status != 503:
                lane.errors.append(f"erasing {customer}: {answer.status} {answer.body!r}")

        self.again_and_again(work)

    def copies(self) -> None:
        """Make one backup after the other, and keep the last."""

        def work(client: Client) -> None:
            self.over.wait(0.2)
            before = self.known()
            answer = client.send("GET", "/admin/v1/backup")
            if answer.status == 200:
                known = [one.until(lane.known) for one, lane in zip(before, self.lanes, strict=True)]
                self.copy = answer.body, known
            elif answer.status != 503:
                self.faults.append(f"backup: {answer.status} {answer.body!r}")

        self.again_and_again(work)


def _customers(*ids: int) -> bytes:
    return json.dumps({"customers": ids}).encode()


def all_rows(client: Client, url: str) -> list[dict[str, Any]]:
    """Every row of the report, page after page."""
    target = f"{REPORT}?format=json&columns=id,event.name,customer&sort=id&limit=100"
    rows: list[dict[str, Any]] = []
    while target:
        answer = client.send("GET", target)
        assert answer.status == 200, answer.body
        rows += answer.json["rows"]
        total = int(answer.headers["x-total-count"])
        target = answer.links.get("next", "").partition(url)[2]
    client.close()
    assert len({row["id"] for row in rows}) == len(rows) == total, "a row is there twice, or not counted"
    return rows


def must_hold(world: World, server: Server, known: list[Known]) -> None:
    rows = all_rows(Client(server.url, world.text, 1), server.url)
    assert len(rows) == sum(row["id"] // SPACE in range(1, WRITERS + 1) for row in rows)
    for lane, one in zip(world.lanes, known, strict=True):
        lane.must_hold(rows, one)


def holds_nobody(world: World) -> None:
    """Nothing of those who were erased is in the files of a server that has ended."""
    content = b"\0".join(file.read_bytes() for file in world.files() if file.exists())
    for lane in world.lanes:
        for customer in lane.erased:
            assert f" of {customer}".encode() not in content


def struggle(world: World) -> None:
    """Everybody works, and the server is killed again and again."""
    chance = random.Random(SEED)
    threads = [threading.Thread(target=world.write, args=(lane,)) for lane in world.lanes]
    threads += [threading.Thread(target=work) for work in world.works]
    for thread in threads:
        thread.start()
    try:
        for _ in range(KILLS):
            before = sum(lane.acknowledged for lane in world.lanes)
            more = before + chance.randint(1, 12)
            for _ in until(120):
                if sum(lane.acknowledged for lane in world.lanes) >= more:
                    break
            time.sleep(chance.random() * 0.3)
            world.strike(chance)
            assert not world.faults
        for _ in until(120):
            if world.has_done_everything():
                break
    finally:
        world.over.set()
        for thread in threads:
            thread.join()
    assert not world.faults
    assert not [error for lane in world.lanes for error in lane.errors]


def erase_the_rest(world: World) -> None:
    """Erase again whoever may be erased already: what a killed erasure left to do is done with it."""
    client = world.client()
    erased = [customer for lane in world.lanes for customer in lane.perhaps_erased]
    answer = client.send("POST", ERASURES, {"Content-Type": "application/json"}, _customers(*erased))
    client.close()
    assert answer.status == 200, answer.body
    for lane in world.lanes:
        lane.erased |= lane.perhaps_erased


class Cities(World):
    """The same on a database, with several workers: of them, of their parent, and of the database, one is killed."""

    def __init__(self, database: Path, text: str, machine: Cluster) -> None:
        self.machine = machine
        super().__init__(database, text)

    @property
    def works(self) -> list[Callable[[], None]]:
        return [*(partial(self.look, number) for number in range(READERS)), self.erase]

    def serve(self, database: Path) -> Server:
        return Server(database, workers=2)

    def strike(self, chance: random.Random) -> None:
        victim = chance.choice(["worker", "worker", "server", "database"])
        if victim == "server":
            super().strike(chance)
        elif victim == "database":
            self.machine.kill()
            time.sleep(chance.random())
            self.machine.start()
        else:
            pid = self.server.process.pid
            workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            os.kill(int(chance.choice(workers)), signal.SIGKILL)

    def has_done_everything(self) -> bool:
        return bool(self.read and any(lane.erased for lane in self.lanes))

    def files(self) -> list[Path]:
        """What it keeps for its own recovery, the write-ahead log, is its administrator's."""
        self.machine.stop()
        return [file for file in (self.machine.directory / "data" / "base").rglob("*") if file.is_file()]


def prepared(directory: Path) -> str:
    """A store with a provider, and the token of who does everything."""
    with closing(new_store(directory)) as store:
        add_provider(store, Tenant(1, "Europe/Berlin", "monday"))
        return token(store, 1, role="super_admin")


def survive(world: World) -> None:
    """Whatever happens, what has to hold holds."""
    try:
        struggle(world)
        must_hold(world, world.server, world.known())
        erase_the_rest(world)
        must_hold(world, world.server, world.known())
    finally:
        if world.server.process.poll() is None:
            assert world.server.stop() == 0
    holds_nobody(world)


def test_whatever_happens_to_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster_of_its_own(DURABLE) as machine:
        monkeypatch.setattr(databases, "server", machine.address)
        world = Cities(tmp_path / "turnout.duckdb", prepared(tmp_path), machine)
        survive(world)


def test_whatever_happens(tmp_path: Path) -> None:
    world = World(tmp_path / "turnout.duckdb", prepared(tmp_path))
    survive(world)
    assert world.copy
    content, known = world.copy
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(content)
    server = world.serve(copy)
    try:
        must_hold(world, server, known)
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("batch", [1, 3])
def test_the_model_is_sound(batch: int) -> None:
    """A batch has its rows and the counters, and no id of another."""
    lane = Lane(2)
    rows = [json.loads(line) for line in lane.body(batch).splitlines()]
    assert len({row["id"] for row in rows}) == BATCH + COUNTERS
    assert not set(lane.ids(1)) & set(lane.ids(2))
    assert {row["customer"]["id"] for row in rows} == set(lane.customers)
    assert len(lane.customers) == CUSTOMERS
