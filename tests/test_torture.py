"""Writers, readers and kill -9 at random (section 5): what was acknowledged is there, and no batch is half there.

`make torture` does it for minutes: TORTURE_KILLS says how often the server is killed. The moments are random; what has
to hold, holds whenever they are.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from inside import add_provider, new_store, token
from live import REPORT, Client, Server, until
from oracle.report import Tenant

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("TORTURE_KILLS", "4"))
SEED = int(os.environ.get("TORTURE_SEED", "1"))
WRITERS, READERS = 3, 2
BATCH = 40
COUNTERS = 5
"""Rows of each writer that every batch of it writes anew."""
SPACE = 1_000_000
PATH = "/ingest/v1/attendances"
BROKEN = (OSError, http.client.HTTPException)


@dataclass
class Lane:
    """What one writer has sent and what of it was acknowledged. Its ids are its own."""

    number: int
    sent: int = 0
    acknowledged: int = 0
    deleted: set[int] = field(default_factory=set)
    """Ids whose deletion was acknowledged."""
    doubtful: set[int] = field(default_factory=set)
    """Ids whose deletion was sent and not answered."""
    errors: list[str] = field(default_factory=list)

    @property
    def base(self) -> int:
        return self.number * SPACE

    def ids(self, batch: int) -> range:
        start = self.base + COUNTERS + (batch - 1) * BATCH + 1
        return range(start, start + BATCH)

    def body(self, batch: int) -> bytes:
        """A batch: new rows, and newer versions of the writer's counters, which say which batch they are from."""
        rows = [self._row(id_, 1, batch) for id_ in self.ids(batch)]
        rows += [self._row(self.base + number, batch, batch) for number in range(1, COUNTERS + 1)]
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    def _row(self, id_: int, version: int, batch: int) -> dict[str, object]:
        stamp = f"2026-01-01T{version // 3600:02}:{version // 60 % 60:02}:{version % 60:02}Z"
        event = {"id": id_, "starts_at": f"2025-0{1 + id_ % 9}-{1 + id_ % 28:02}T10:00:00Z", "name": f"Batch {batch}"}
        # Customers are shared by all rows of a writer, so that names are rewritten under older rows.
        customer = {"id": self.base + id_ % 7, "name": f"Name {version}"}
        return {"id": id_, "updated_at": stamp, "customer": customer, "event": event, "status": "attended"}


class World:
    """The server, which comes and goes, and those who work with it."""

    def __init__(self, database: Path, text: str) -> None:
        self.database = database
        self.text = text
        self.server = Server(database)
        self.over = threading.Event()
        self.lanes = [Lane(number) for number in range(1, WRITERS + 1)]
        self.read = 0
        self.faults: list[str] = []

    def client(self) -> Client:
        return Client(self.server.url, self.text, 1)

    def write(self, lane: Lane) -> None:
        """Send batch after batch; one that was not answered is sent again, as it was, with the same key."""
        chance = random.Random(SEED * 100 + lane.number)
        client = self.client()
        while not self.over.is_set():
            try:
                if lane.acknowledged and chance.random() < 0.2:
                    self._delete(client, lane, chance.choice(lane.ids(chance.randint(1, lane.acknowledged))))
                    continue
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
            except BROKEN:
                client.close()
                time.sleep(0.01)
                client = self.client()

    def _delete(self, client: Client, lane: Lane, id_: int) -> None:
        lane.doubtful.add(id_)
        answer = client.send("DELETE", f"{PATH}/{id_}")
        if answer.status in (204, 404):
            lane.deleted.add(id_)
            lane.doubtful.discard(id_)

    def look(self, number: int) -> None:
        """Ask for random batches; each is there as a whole or not at all, its deleted rows aside."""
        chance = random.Random(SEED * 1000 + number)
        client = self.client()
        while not self.over.is_set():
            lane = chance.choice(self.lanes)
            batch = chance.randint(1, lane.sent + 1)
            gone = lane.deleted | lane.doubtful
            ids = lane.ids(batch)
            try:
                query = f"format=json&columns=id,event.name&sort=id&limit=100&id_gt={ids[0] - 1}"
                answer = client.send("GET", f"{REPORT}?{query}")
                if answer.status != 200:
                    continue
                found = {row["id"] for row in answer.json["rows"]} & set(ids)
                gone |= lane.deleted | lane.doubtful
                if found and not set(ids) - gone <= found:
                    self.faults.append(f"batch {batch} of {lane.number} is half there: {sorted(set(ids) - found)}")
                self.read += 1
            except BROKEN:
                client.close()
                time.sleep(0.01)
                client = self.client()


def check(world: World) -> None:
    """Every acknowledged batch is there, whole; what was not acknowledged is there whole or not at all."""
    client = world.client()
    found: dict[int, str] = {}
    target = f"{REPORT}?format=json&columns=id,updated_at,event.name,customer.name&sort=id&limit=100"
    rows = []
    while target:
        answer = client.send("GET", target)
        assert answer.status == 200, answer.body
        rows += answer.json["rows"]
        total = int(answer.headers["x-total-count"])
        link = answer.links.get("next", "")
        target = link.partition(world.server.url)[2]
    client.close()
    assert len(rows) == total
    found = {row["id"]: row for row in rows}
    assert len(found) == total, "a row is there twice"
    for lane in world.lanes:
        for batch in range(1, lane.sent + 1):
            ids = set(lane.ids(batch))
            there = ids & found.keys()
            missing = ids - there
            assert missing <= lane.deleted | lane.doubtful or (batch > lane.acknowledged and not there)
            assert not there & lane.deleted, "a deleted row came back"
        counters = (
            {found[lane.base + number]["event"]["name"] for number in range(1, COUNTERS + 1)} if lane.sent else ()
        )
        assert len(counters) <= 1, "a batch is half there"
        for name in counters:
            assert lane.acknowledged <= int(name.split()[-1]) <= lane.sent
        names = {row["customer"]["name"] for id_, row in found.items() if id_ // SPACE == lane.number}
        assert len(names) <= 2, "customers have different truths"


def test_whatever_happens(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    add_provider(store, Tenant(1, "Europe/Berlin", "monday"))
    text = token(store, 1, role="super_admin")
    store.close()
    world = World(tmp_path / "turnout.duckdb", text)
    chance = random.Random(SEED)
    threads = [threading.Thread(target=world.write, args=(lane,)) for lane in world.lanes]
    threads += [threading.Thread(target=world.look, args=(number,)) for number in range(READERS)]
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
            world.server.kill()
            world.server = Server(world.database)
            assert not world.faults
    finally:
        world.over.set()
        for thread in threads:
            thread.join()
    try:
        assert not world.faults
        assert not [error for lane in world.lanes for error in lane.errors]
        assert world.read
        check(world)
    finally:
        if world.server.process.poll() is None:
            assert world.server.stop() == 0


@pytest.mark.parametrize("batch", [1, 3])
def test_the_model_is_sound(batch: int) -> None:
    """A batch has its rows and the counters, and no id of another."""
    lane = Lane(2)
    rows = [json.loads(line) for line in lane.body(batch).splitlines()]
    assert len({row["id"] for row in rows}) == BATCH + COUNTERS
    assert not set(lane.ids(1)) & set(lane.ids(2))
