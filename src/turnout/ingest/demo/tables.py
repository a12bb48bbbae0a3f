"""Records as batches of `STAGING`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from turnout.catalog.attendances import BOOKING_METHODS, EVENT_TYPES, STATUSES
from turnout.ingest.demo import people
from turnout.ingest.demo.days import MINUTE
from turnout.ingest.demo.outcomes import NO_CHECKIN
from turnout.ingest.demo.studio import CLASSES, MEMBERSHIPS, OFFERING_TYPES, SOURCES, STYLES
from turnout.store.schema import HAS_BIT, STAGING

if TYPE_CHECKING:
    from turnout.ingest.demo.chance import Bools, Ints
    from turnout.ingest.demo.records import Records
    from turnout.ingest.demo.world import World

_ALL: Final = sum(HAS_BIT.values()) & ~HAS_BIT["is_first_attendance"]
_TYPE: Final = tuple(
    EVENT_TYPES.index("class" if number < len(CLASSES) else "appointment") for number in range(len(STYLES))
)
_OFFERING_TYPE: Final = tuple(
    OFFERING_TYPES.index(style.offering_type) if style.offering_type else -1 for style in STYLES
)
_LENGTH: Final = tuple(style.minutes * MINUTE for style in STYLES)
# A row that has none of such a thing says so by its reference alone.
_SAID_BY_REFERENCE: Final = {
    "offering_type_id": ("offering_type_name",),
    "venue_id": ("venue_name", "venue_timezone"),
    "customer_membership_id": ("membership_id", "membership_name"),
    "booking_source_id": ("booking_source_name",),
}


def _integers(values: Ints, missing: Bools | None = None) -> pa.Array:
    return pa.array(np.ascontiguousarray(values, dtype=np.int64), mask=missing)


def _instants(values: Ints, missing: Bools | None = None) -> pa.Array:
    return _integers(values, missing).view(pa.timestamp("us"))


def _texts(pool: pa.StringArray, place: Ints, missing: Bools | None = None) -> pa.StringArray:
    """Pick the texts of a pool at these places, null where missing."""
    return pool.take(pa.array(np.ascontiguousarray(place, dtype=np.int32), mask=missing))


class Tables:
    """Turns bookings into batches; holds the texts of all things but people."""

    def __init__(self, world: World) -> None:
        venues = world.venues
        self._seed = world.seed
        self._online = venues.online
        self._venue = pa.array(venues.names)
        self._zone = pa.array(world.calendar.zones).take(pa.array(venues.zone))
        self._style = pa.array([style.name for style in STYLES])
        self._instructor = people.instructor_names(world.seed, np.arange(1, world.timetable.instructors + 1))

    def batch(self, bookings: Records, first: int) -> pa.RecordBatch:
        """Make one batch of the bookings from number `first` on, counted from 0."""
        number = np.arange(first, first + len(bookings))
        columns = {
            "seq": _integers(number),
            "id": _integers(number + 1),
            "updated_at": _instants(bookings["updated"]),
            "checkin_ocurred_at": _instants(bookings["checkin"], bookings["checkin"] == NO_CHECKIN),
            "status": _texts(pa.array(STATUSES), bookings["status"]),
            "booking_method": _texts(pa.array(BOOKING_METHODS), bookings["method"]),
            "is_first_attendance": pa.nulls(len(bookings), pa.bool_()),
            **self._customer(bookings["customer"]),
            **self._event(bookings),
            **self._payment(bookings),
        }
        columns["has"] = _integers(self._has(columns))
        return pa.RecordBatch.from_arrays([columns[name] for name in STAGING.names], schema=STAGING)

    def _customer(self, ids: Ints) -> dict[str, pa.Array]:
        known, place = np.unique(ids, return_inverse=True)
        texts = people.customers(self._seed, known)
        return {
            "customer_id": _integers(ids),
            "customer_name": _texts(texts.names, place),
            "customer_email": _texts(texts.emails, place),
            "customer_thumbnail_url": _texts(texts.pictures, place),
        }

    def _event(self, bookings: Records) -> dict[str, pa.Array]:
        style, venue = bookings["style"], bookings["venue"]
        offering_type = np.array(_OFFERING_TYPE)[style]
        untyped, online = offering_type < 0, venue == self._online
        return {
            "event_id": _integers(bookings["event"]),
            "event_starts_at": _instants(bookings["starts"]),
            "event_ends_at": _instants(bookings["starts"] + np.array(_LENGTH)[style]),
            "event_name": _texts(self._style, style),
            "event_type": _texts(pa.array(EVENT_TYPES), np.array(_TYPE)[style]),
            "offering_type_id": _integers(offering_type + 1, untyped),
            "offering_type_name": _texts(pa.array(OFFERING_TYPES), offering_type, untyped),
            "venue_id": _integers(venue.astype(np.int64) + 1, online),
            "venue_name": _texts(self._venue, venue, online),
            "venue_timezone": _texts(self._zone, venue, online),
            "instructor_ids": self._instructors(bookings["lead"], bookings["second"]),
        }

    def _instructors(self, lead: Ints, second: Ints) -> pa.ListArray:
        both = np.stack([lead, second], axis=1)
        there = both > 0
        ids = both[there].astype(np.int64)
        ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
        named = pa.StructArray.from_arrays([pa.array(ids), _texts(self._instructor, ids - 1)], names=["id", "name"])
        return pa.ListArray.from_arrays(pa.array(ends), named)

    def _payment(self, bookings: Records) -> dict[str, pa.Array]:
        membership, source = bookings["membership"].astype(np.int64), bookings["source"].astype(np.int64)
        unpaid, direct = membership < 0, source < 0
        return {
            "customer_membership_id": _integers(bookings["instance"], unpaid),
            "membership_id": _integers(membership + 1, unpaid),
            "membership_name": _texts(pa.array(MEMBERSHIPS), membership, unpaid),
            "booking_source_id": _integers(source + 1, direct),
            "booking_source_name": _texts(pa.array(SOURCES), source, direct),
        }

    @staticmethod
    def _has(columns: dict[str, pa.Array]) -> Ints:
        has = np.full(len(columns["seq"]), _ALL, dtype=np.int64)
        for reference, members in _SAID_BY_REFERENCE.items():
            missing: Any = columns[reference].is_null().to_numpy(zero_copy_only=False)
            has[missing] &= ~sum(HAS_BIT[member] for member in members)
        return has
