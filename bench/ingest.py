"""Rows that land while the report is read: batches over HTTP into the largest provider, and readers of all sizes."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bench import turnout_server
from bench.children import ask
from bench.client import ENDLESS, Call, Job, Load, pooled
from bench.copies import copied
from bench.machine import Busy
from bench.questions import Kind, post, questions, target
from bench.results import IngestRun, percentile
from bench.say import say
from bench.worker import Worker, working
from turnout.admin import create_token
from turnout.query.instants import SECOND, format_utc
from turnout.store.open import open_store

if TYPE_CHECKING:
    from bench.children import Server
    from bench.data import DataSet

PATH: Final = "/ingest/v1/attendances"
BATCH: Final = 1_000
PACE: Final = 32.0
"""So many batches are due in a second, whatever becomes of those before."""
WRITERS: Final = 64
READERS: Final = 8
_ALONE: Final = 10.0
BESIDE: Final = 30.0
LEAD: Final = 5.0
"""Seconds of both that are not measured: until as many batches come in as go out."""
_SETTLING: Final = 15.0
"""Seconds of readers that are not measured: a server puts in order what was written, or copied, within some ten."""
_SENT_WITHIN: Final = 10.0
"""Seconds until both clients have what they are to ask: the batches are many megabytes."""
_BATCHES: Final = round(PACE * (LEAD + BESIDE))
_TEMPLATES: Final = 2_000
_PAGE: Final = 100
_SEED: Final = 11
_MICROSECONDS: Final = 1_000


def ingest_run(data: DataSet) -> IngestRun:
    """Measure readers beside writers, and before and after that alone. Each answer is worked out anew."""
    file = copied(data.database, "ingest")
    with closing(open_store(str(file))) as store:
        providers = {"providers": [size.provider for size in data.sizes], "role": "super_admin"}
        token = create_token(store, None, providers, data.day).text
    large = max(data.sizes, key=lambda size: size.rows)
    log = data.directory / "ingest.log"
    with ExitStack() as stack:
        server = stack.enter_context(turnout_server.serve(file, log, turnout_server.ANEW))
        reader, writer = (
            Worker[Job, Load](
                stack.enter_context(working(["-m", "bench.client"], data.directory / f"{name}.log")), Load
            )
            for name in ("readers", "writers")
        )
        headers = {
            "Authorization": f"Token {token}",
            "TeamUp-Provider-ID": str(large.provider),
            "Content-Type": "application/x-ndjson",
        }
        say("Making batches", passing=True)
        batches = _batches(_templates(server, headers, large.rows), data.day)
        write = tuple(Call(str(number), (post(PATH, headers, body),)) for number, body in enumerate(batches))
        asked = [question for question in questions(data) if question.kind != Kind.CSV]
        read = tuple(
            turnout_server.call(data, question, turnout_server.address(server, data, question), turnout_server.MANY)
            for question in asked
        )

        def readers(seconds: float, starts: float = 0.0, lead: float = 0.0) -> Load:
            job = Job(server.port, read, READERS, ENDLESS, seconds, starts=starts, lead=lead)
            return reader.do(job, seconds + _SENT_WITHIN)

        def settled() -> Load:
            readers(_SETTLING)
            return readers(_ALONE)

        say("Readers alone", passing=True)
        before = settled()
        say("Readers beside writers", passing=True)
        starts, whole = time.monotonic() + _SENT_WITHIN, LEAD + BESIDE
        writing = Job(server.port, write, WRITERS, _BATCHES, whole, starts=starts, per_second=PACE, lead=LEAD)
        with ThreadPoolExecutor() as threads:
            landing = threads.submit(writer.do, writing, _SENT_WITHIN + whole)
            reading = threads.submit(readers, whole, starts, LEAD)
            time.sleep(max(0.0, starts + LEAD - time.monotonic()))
            busy = Busy()
            time.sleep(BESIDE)
            cores = busy.cores()
            written, beside = landing.result(), reading.result()
        say("Readers alone again", passing=True)
        alone = pooled((before, settled()))
    one, other = (sorted(each for times in load.milliseconds.values() for each in times) for load in (alone, beside))
    waited = [each for times in written.milliseconds.values() for each in times]
    return IngestRun(
        rows=data.rows,
        batch=BATCH,
        pace=PACE,
        writers=WRITERS,
        readers=READERS,
        batches=written.rate,
        waited=percentile(waited, 0.5),
        alone_p50=percentile(one, 0.5),
        alone_p99=percentile(one, 0.99),
        beside_p50=percentile(other, 0.5),
        beside_p99=percentile(other, 0.99),
        busy=cores,
    )


def _templates(server: Server, headers: dict[str, str], rows: int) -> list[dict[str, Any]]:
    """Rows of the provider, from all over it, as the report writes them."""
    chance = Random(_SEED)  # noqa: S311 - repeatable, no secret
    found: dict[int, dict[str, Any]] = {}
    while len(found) < _TEMPLATES:
        start = chance.randrange(rows - _PAGE)
        page = {"format": "json", "limit": str(_PAGE), "id_gt": str(start), "include_future": "true"}
        answer = ask(server, "GET", target(page), headers)
        found |= {row["id"]: row for row in msgspec.json.decode(answer.body)["rows"]}
    return list(found.values())


def _batches(templates: list[dict[str, Any]], day: int) -> list[bytes]:
    """Batches of which half the rows are new, and half are newer versions of rows that are there."""
    chance = Random(_SEED)  # noqa: S311 - as above
    next_id = 1_000_000_000
    made = []
    for number in range(_BATCHES):
        updated_at = format_utc(day + (number + 1) * _MICROSECONDS + 400 * 86_400 * SECOND)
        rows = [{**row, "updated_at": updated_at} for row in chance.sample(templates, BATCH)]
        for row in rows[::2]:
            row["id"] = next_id
            next_id += 1
        made.append(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return made
