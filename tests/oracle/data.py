"""Random providers: what several imports bring, with renames, late versions, namesakes and awkward texts.

Everything follows from a seed and from a day: `today` lies among the events, so that timeframes have something to find.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from oracle import calendar
from oracle.report import Tenant
from oracle.truth import Truth

Row = dict[str, Any]

SECOND = 1_000_000
DAY = 86_400 * SECOND
MAX_ID = 2**63 - 1

ZONES = (
    "Europe/London",
    "America/New_York",
    "UTC",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Pacific/Apia",
    "America/St_Johns",
    "Asia/Beirut",
    "Pacific/Kiritimati",
    "America/Havana",
)

# Namesakes under folding, ties by code points, formulas, separators, other scripts, beyond the basic plane, blanks.
TEXTS = (
    "Zoë", "ZOE", "zoe", "Zoe\u0308", "Zoé", "Émile", "emile", "Straße", "STRASSE", "strasse", "İzmir", "izmir",
    "ﬁt", "FIT", "Ａｎｎａ", "anna", "Anna", "ÅSA", "Åsa", "\u212bsa", "각", "\u1100\u1161\u11a8", "Ω", "\u2126", "ΐ", "ϒ",
    "=1+1", "+44 20", "-5", "@home", "\tTab", "\rReturn", "' quoted", 'He said "no"', "a,b", "a;b", "two\r\nlines",
    "line\nfeed", " ", " lead", "trail ", "0", "null", "none", "true", "Zumba", "zumba 2", "Zumba 10", "\U0001f9d8 Yoga",
    "\uff21", "\ufffd", "\U00010000", "\u200f", "\u0301", "l'été", "Ñandú", "ñandu", "x" * 300, "%41", "a&b=c", "<b>",
)  # fmt: skip


@dataclass(frozen=True)
class Imports:
    """One provider and what it imports, file by file."""

    tenant: Tenant
    files: tuple[tuple[Row, ...], ...]

    def truth(self) -> Truth:
        truth = Truth()
        for file in self.files:
            truth.take_all(list(file))
        return truth


class _World:
    """The pools that rows draw from, and what has been settled by earlier files."""

    def __init__(self, chance: random.Random, tenant: Tenant, today: date, rows: int) -> None:
        self.chance, self.tenant = chance, tenant
        self.start_of_today = calendar.start_of_day(today, tenant.zone)
        size = max(2, rows // 8)
        self.ids = {
            "row": self._some_ids(rows + 2, huge=True),
            "customer": self._some_ids(size, huge=True),
            "event": self._some_ids(size, huge=True),
            "customer_membership": self._some_ids(size, huge=True),
            "offering_type": self._some_ids(4),
            "venue": self._some_ids(4),
            "instructor": self._some_ids(5),
            "membership": self._some_ids(4),
            "booking_source": self._some_ids(3),
        }
        self.starts = {event: self._moment() for event in self.ids["event"]}

    def _some_ids(self, count: int, *, huge: bool = False) -> list[int]:
        ids = self.chance.sample(range(1, 6 * count + 5), count)
        if huge and count > 2:
            ids[0], ids[1] = MAX_ID, self.chance.randrange(2**53, MAX_ID)
        return ids

    def _moment(self) -> int:
        """A start: on the edge of a day, near now, around the year, or long ago."""
        chance = self.chance
        kind = chance.random()
        if kind < 0.45:
            day = calendar.local(self.start_of_today, self.tenant.zone).date()
            day += timedelta(
                days=chance.choice((-400, -370, -95, -62, -31, -30, -15, -8, -7, -6, -2, -1, 0, 1, 2, 7, 31))
            )
            edge = calendar.start_of_day(day, self.tenant.zone)
            return edge + chance.choice((-SECOND, -1, 0, 0, 0, 1, 1500, 18 * 3600 * SECOND))
        if kind < 0.9:
            return self.start_of_today + chance.randrange(-500, 60) * DAY + chance.randrange(96) * 900 * SECOND
        if kind < 0.97:
            return self.start_of_today - chance.randrange(3000) * DAY + chance.randrange(DAY)
        return calendar.micros("1969-12-31T23:59:59.999999Z") - chance.choice((0, 1, 9000 * DAY))

    def text(self) -> str | None:
        return None if self.chance.random() < 0.1 else self.chance.choice(TEXTS)

    def written(self, instant: int) -> str:
        """An instant as RFC 3339, in one of several zones."""
        return calendar.text_of(instant, self.chance.choice((None, None, self.tenant.zone, "UTC", "Asia/Kathmandu")))

    def maybe(self, likely: float) -> bool:
        return self.chance.random() < likely


def _named(world: _World, thing: str, settled: Truth | None) -> Row:
    """A reference to a thing. With `settled`, nothing is renamed, but a name alone may stand for the thing."""
    thing_id = world.chance.choice(world.ids[thing])
    if settled is None:
        return {"id": thing_id, "name": world.text()} if world.maybe(0.4) else {"id": thing_id}
    name = settled.fact(thing, thing_id, "name")
    if name is not None and world.maybe(0.5):
        return {"name": name}
    if world.maybe(0.1):
        return {"name": f"New {thing} {world.chance.randrange(3)}"}
    known = thing_id in settled.known.get(thing, ())
    return {"id": thing_id if known else min(settled.known.get(thing, {thing_id}))}


def _row(world: _World, row_id: int, updated_at: int, settled: Truth | None) -> Row:
    maybe, choice = world.maybe, world.chance.choice
    event_id = choice(world.ids["event"])
    if maybe(0.03):
        world.starts[event_id] += choice((-DAY, 3600 * SECOND, 1))
    starts_at = world.starts[event_id]
    customer: Row = {"id": choice(world.ids["customer"])}
    for member in ("name", "email", "thumbnail_url"):
        if maybe(0.3):
            customer[member] = world.text() if maybe(0.95) else ""
    event: Row = {"id": event_id, "starts_at": world.written(starts_at)}
    if maybe(0.5):
        event["ends_at"] = world.written(starts_at + 3600 * SECOND) if maybe(0.8) else None
    if maybe(0.5):
        event["name"] = world.text()
    if maybe(0.3):
        event["type"] = choice(("class", "appointment"))
    row: Row = {
        "id": row_id,
        "updated_at": world.written(updated_at),
        "customer": customer,
        "event": event,
        "status": choice(("registered", "attended", "attended", "no_show", "late_cancelled")),
    }
    if maybe(0.7):
        row["booking_method"] = choice(("membership", "dropin", "free", None))
    if maybe(0.5):
        row["checkin"] = choice((None, {"ocurred_at": world.written(starts_at - choice((0, 1000, 300 * SECOND)))}))
    if maybe(0.15):
        row["is_first_attendance"] = choice((True, False, None))
    _refer(world, row, settled)
    return row


def _refer(world: _World, row: Row, settled: Truth | None) -> None:
    """The things that a row names beside its customer and its event."""
    maybe, choice = world.maybe, world.chance.choice
    for thing in ("offering_type", "venue"):
        if maybe(0.4):
            row[thing] = _named(world, thing, settled) if maybe(0.85) else None
            if thing == "venue" and row[thing] and settled is None and maybe(0.3):
                row[thing]["timezone"] = choice((None, "", *ZONES))
    if maybe(0.4):
        count = choice((0, 1, 1, 2, 3))
        people = {str(one): one for one in (_named(world, "instructor", settled) for _ in range(count))}
        by_id: dict[Any, Row] = {one.get("id") or _id_of(settled, one): one for one in people.values()}
        row["instructors"] = list(by_id.values()) if maybe(0.95) else None
    if maybe(0.6):
        held: Row = {"id": choice(world.ids["customer_membership"])}
        if maybe(0.6):
            held["membership"] = _named(world, "membership", settled) if maybe(0.8) else None
        row["customer_membership"] = held if maybe(0.85) else None
    if maybe(0.6):
        source = _named(world, "booking_source", settled)
        form = choice(("object", "parts", "none"))
        if form == "none":
            row["booking_source"] = None
        elif "id" not in source:
            row["booking_source"] = choice((source["name"], {"name": source["name"]}))
        elif form == "object":
            row["booking_source"] = source
        else:
            row["booking_source_id"] = source["id"]
            if "name" in source:
                row["booking_source"] = source["name"]


def _id_of(settled: Truth | None, said: Row) -> Any:
    """The id that an instructor's name stands for, so that one event does not name one person twice."""
    known = settled.known.get("instructor", set()) if settled else set()
    called = [one for one in known if settled and settled.fact("instructor", one, "name") == said["name"]]
    return min(called, default=said["name"])


def make(provider_id: int, seed: int, rows: int, today: date) -> Imports:
    """A provider with about `rows` attendances: a first file, a second with changes, a third with names alone."""
    chance = random.Random(seed)
    tenant = Tenant(provider_id, ZONES[seed % len(ZONES)], calendar.WEEK_DAYS[(seed * 3) % 7])
    world = _World(chance, tenant, today, rows)
    base = world.start_of_today - 40 * DAY
    unused = world.ids["row"][:rows]
    first = unused[: rows * 3 // 5]
    truth = Truth()
    files: list[tuple[Row, ...]] = []
    stamps = [base + chance.randrange(20) * DAY + chance.choice((0, 0, 1, 999, 1000, 123_456)) for _ in range(9)]
    for place, new in enumerate((first, unused[len(first) : rows * 4 // 5], unused[rows * 4 // 5 :])):
        again = chance.sample(first, min(len(first), rows // 3)) if place else []
        ids = [*new, *again, *chance.sample(new, len(new) // 10)]
        chance.shuffle(ids)
        settled = truth if place == 2 else None
        file = tuple(_row(world, row_id, chance.choice(stamps) + place * 5 * DAY, settled) for row_id in ids)
        truth.take_all(list(file))
        files.append(file)
    return Imports(tenant, tuple(files))
