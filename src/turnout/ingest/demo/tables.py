"""Bookings as batches of `STAGING`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from turnout.catalog.attendances import BOOKING_METHODS, EVENT_TYPES, ROW, STATUSES, THINGS
from turnout.ingest.demo import people
from turnout.ingest.demo.days import MINUTE
from turnout.ingest.demo.outcomes import NO_CHECKIN
from turnout.ingest.demo.studio import CLASSES, MEMBERSHIPS, OFFERING_TYPES, SOURCES, STYLES
from turnout.store.schema import HAS_BIT
from turnout.store.staging import STAGING

if TYPE_CHECKING:
    from turnout.catalog.types import Member
    from turnout.ingest.demo.chance import Bools, Ints
    from turnout.ingest.demo.records import Records
    from turnout.ingest.demo.world import World

_STYLE: Final = pa.array([style.name for style in STYLES])
_TYPE: Final = tuple(
    EVENT_TYPES.index("class" if number < len(CLASSES) else "appointment") for number in range(len(STYLES))
)
_OFFERING_TYPE: Final = tuple(
    OFFERING_TYPES.index(style.offering_type) if style.offering_type else -1 for style in STYLES
)
_LENGTH: Final = tuple(style.minutes * MINUTE for style in STYLES)


def _leaves(members: tuple[Member, ...]) -> dict[str, str]:
    """Map the last words of the members' paths to their columns; references are said with the thing they lead to."""
    return {member.path.rpartition(".")[2]: member.storage for member in members if not member.names}


_THINGS: Final = {thing.name: (thing, _leaves(thing.members)) for thing in THINGS}
_ROW: Final = _leaves(ROW)


def _integers(values: Ints, missing: Bools | None = None) -> pa.Array:
    return pa.array(np.ascontiguousarray(values, dtype=np.int64), mask=missing)


def _instants(values: Ints, missing: Bools | None = None) -> pa.Array:
    return _integers(values, missing).view(pa.timestamp("us"))


def _texts(pool: pa.StringArray, place: Ints, missing: Bools | None = None) -> pa.StringArray:
    """Pick the texts of a pool at these places, null where missing."""
    return pool.take(pa.array(np.ascontiguousarray(place, dtype=np.int32), mask=missing))


class _Said:
    """What the rows of a batch say, by column of `STAGING`."""

    def __init__(self) -> None:
        self._columns: dict[str, pa.Array] = {}

    def row(self, **members: pa.Array) -> None:
        """Say members of the rows themselves, by the last word of their path."""
        self._columns.update({_ROW[leaf]: values for leaf, values in members.items()})

    def thing(self, kind: str, reference: pa.Array, /, **members: pa.Array) -> None:
        """Say which thing of a kind each row names, null for none, and the thing's members, in the same way."""
        thing, leaves = _THINGS[kind]
        self._columns[thing.reference] = reference
        self._columns.update({leaves[leaf]: values for leaf, values in members.items()})

    def batch(self, first: int, size: int) -> pa.RecordBatch:
        """Make the batch of `size` rows that begins with number `first`; what nobody said is not stated."""
        self._columns["seq"] = _integers(np.arange(first, first + size))
        self._columns["has"] = _integers(self._has(size))
        arrays = [self._columns.get(field.name, pa.nulls(size, field.type)) for field in STAGING]
        return pa.RecordBatch.from_arrays(arrays, schema=STAGING)

    def _has(self, size: int) -> Ints:
        """Return the bits of what is stated. A row that names none of a kind states nothing of its members."""
        has = np.full(size, self._bits(ROW), dtype=np.int64)
        for thing in THINGS:
            named = self._columns[thing.reference].is_valid().to_numpy(zero_copy_only=False)
            has[named] |= self._bits(thing.members)
        return has

    def _bits(self, members: tuple[Member, ...]) -> int:
        # A member without a column of its own stands inside the list of its things.
        return sum(HAS_BIT[m.storage] for m in members if m.storage in self._columns or m.storage not in STAGING.names)


class Tables:
    """Turns bookings into batches; holds the texts of all things but customers."""

    def __init__(self, world: World) -> None:
        venues = world.venues
        self._seed = world.seed
        self._online = venues.online
        self._venue = pa.array(venues.names)
        self._zone = pa.array(world.calendar.zones).take(pa.array(venues.zone))
        self._instructor = people.instructor_names(world.seed, np.arange(1, world.timetable.instructors + 1))

    def batch(self, bookings: Records, first: int) -> pa.RecordBatch:
        """Make one batch of the bookings from number `first` on, counted from 0."""
        said = _Said()
        said.row(
            id=_integers(np.arange(first + 1, first + 1 + len(bookings))),
            updated_at=_instants(bookings["updated"]),
            booking_method=_texts(pa.array(BOOKING_METHODS), bookings["method"]),
            status=_texts(pa.array(STATUSES), bookings["status"]),
            ocurred_at=_instants(bookings["checkin"], bookings["checkin"] == NO_CHECKIN),
        )
        self._say_customer(said, bookings["customer"])
        self._say_event(said, bookings)
        self._say_payment(said, bookings)
        return said.batch(first, len(bookings))

    def _say_customer(self, said: _Said, ids: Ints) -> None:
        known, place = np.unique(ids, return_inverse=True)
        texts = people.customers(self._seed, known)
        said.thing(
            "customer",
            _integers(ids),
            name=_texts(texts.names, place),
            email=_texts(texts.emails, place),
            thumbnail_url=_texts(texts.pictures, place),
        )

    def _say_event(self, said: _Said, bookings: Records) -> None:
        style, venue = bookings["style"], bookings["venue"]
        said.thing(
            "event",
            _integers(bookings["event"]),
            starts_at=_instants(bookings["starts"]),
            ends_at=_instants(bookings["starts"] + np.array(_LENGTH)[style]),
            name=_texts(_STYLE, style),
            type=_texts(pa.array(EVENT_TYPES), np.array(_TYPE)[style]),
        )
        offered = np.array(_OFFERING_TYPE)[style]
        untyped = offered < 0
        said.thing(
            "offering_type",
            _integers(offered + 1, untyped),
            name=_texts(pa.array(OFFERING_TYPES), offered, untyped),
        )
        online = venue == self._online
        said.thing(
            "venue",
            _integers(venue + 1, online),
            name=_texts(self._venue, venue, online),
            timezone=_texts(self._zone, venue, online),
        )
        said.thing("instructor", self._instructors(bookings["lead"], bookings["second"]))

    def _instructors(self, lead: Ints, second: Ints) -> pa.ListArray:
        both = np.stack([lead, second], axis=1)
        there = both > 0
        ids = both[there].astype(np.int64)
        ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
        named = pa.StructArray.from_arrays([pa.array(ids), _texts(self._instructor, ids - 1)], names=["id", "name"])
        return pa.ListArray.from_arrays(pa.array(ends), named)

    def _say_payment(self, said: _Said, bookings: Records) -> None:
        membership, source = bookings["membership"], bookings["source"]
        unpaid, direct = membership < 0, source < 0
        said.thing("customer_membership", _integers(bookings["instance"], unpaid))
        said.thing(
            "membership", _integers(membership + 1, unpaid), name=_texts(pa.array(MEMBERSHIPS), membership, unpaid)
        )
        said.thing(
            "booking_source", _integers(source + 1, direct), booking_source=_texts(pa.array(SOURCES), source, direct)
        )
