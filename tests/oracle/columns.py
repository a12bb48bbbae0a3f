"""The table of section 2.1, typed in by hand, so that a slip in the server's own catalogue shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    key: str
    other_name: str | None
    label: str
    kind: str
    sortable: bool = True
    extension: bool = False


# fmt: off
TABLE = (
    Column("id", None, "ID", "integer"),
    Column("updated_at", None, "Updated At", "date-time"),
    Column("customer.id", "customer_id", "Customer ID", "integer"),
    Column("customer.name", "customer_name", "Customer Name", "text"),
    Column("customer.email", "customer_email", "Customer Email", "text"),
    Column("customer.thumbnail_url", "customer_thumbnail_url", "Customer Thumbnail URL", "text", sortable=False),
    Column("event.id", "event_id", "Event ID", "integer"),
    Column("event.starts_at", "event_starts_at", "Event Starts At", "date-time"),
    Column("event.ends_at", "event_ends_at", "Event Ends At", "date-time"),
    Column("event.name", "event_name", "Event Name", "text"),
    Column("offering_type.id", "offering_type_id", "Offering Type ID", "integer"),
    Column("offering_type.name", "offering_type_name", "Offering Type Name", "text"),
    Column("venue.id", "venue_id", "Venue ID", "integer"),
    Column("venue.name", "venue_name", "Venue Name", "text"),
    Column("instructors", None, "Instructors", "list", sortable=False),
    Column("booking_method", None, "Booking Method", "choice"),
    Column("customer_membership.id", "customer_membership_id", "Customer Membership ID", "integer"),
    Column("customer_membership.membership.id", "membership_id", "Membership ID", "integer"),
    Column("customer_membership.membership.name", "membership_name", "Membership Name", "text"),
    Column("booking_source", None, "Booking Source", "text"),
    Column("status", None, "Status", "choice"),
    Column("checkin.ocurred_at", "checkin_ocurred_at", "Checked In At", "date-time"),
    Column("is_first_attendance", None, "First Attendance", "boolean"),
    Column("event.type", "event_type", "Event Type", "choice", extension=True),
    Column("booking_source_id", None, "Booking Source ID", "integer", extension=True),
)
# fmt: on

GROUPS = {
    "customer": ("customer.id", "customer.name", "customer.email", "customer.thumbnail_url"),
    "event": ("event.id", "event.starts_at", "event.ends_at", "event.name"),
    "offering_type": ("offering_type.id", "offering_type.name"),
    "venue": ("venue.id", "venue.name"),
    "customer_membership": (
        "customer_membership.id",
        "customer_membership.membership.id",
        "customer_membership.membership.name",
    ),
    "customer_membership.membership": ("customer_membership.membership.id", "customer_membership.membership.name"),
    "checkin": ("checkin.ocurred_at",),
}

# The published list of possible values of `columns`, word for word.
PUBLISHED_NAMES = (
    "id, updated_at, customer_id, customer.id, customer, customer_name, customer.name, customer_email, customer.email, "
    "customer_thumbnail_url, customer.thumbnail_url, event_id, event.id, event, event_starts_at, event.starts_at, "
    "event_ends_at, event.ends_at, event_name, event.name, offering_type_id, offering_type.id, offering_type, "
    "offering_type_name, offering_type.name, venue_id, venue.id, venue, venue_name, venue.name, instructors, "
    "booking_method, customer_membership_id, customer_membership.id, customer_membership, membership_id, "
    "customer_membership.membership.id, customer_membership.membership, membership_name, "
    "customer_membership.membership.name, booking_source, status, checkin_ocurred_at, checkin.ocurred_at, checkin, "
    "is_first_attendance"
).split(", ")

BY_KEY = {column.key: column for column in TABLE}
KEY_OF = {name: column.key for column in TABLE for name in (column.key, column.other_name) if name}
DEFAULT = tuple(column.key for column in TABLE if not column.extension)
SORTABLE_NAMES = tuple(name for name, key in KEY_OF.items() if BY_KEY[key].sortable)


def selected(names: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of the answer, in its order, for the names that were asked for; none asked for: the default ones."""
    keys: list[str] = []
    for name in names:
        for key in GROUPS.get(name) or (KEY_OF[name],):
            if key not in keys:
                keys.append(key)
    if not keys:
        return DEFAULT
    return tuple(keys) if "customer.id" in keys else ("customer.id", *keys)
