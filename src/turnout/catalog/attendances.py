"""The attendances report (contract sections 2.1 and 2.2), the grouped one (7), and what rows state (5).

A new column or filter is one line here; no other file lists them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from turnout.catalog.types import (
    WEEK_DAYS,
    Column,
    Group,
    Kind,
    LocalStart,
    Member,
    Op,
    Parameter,
    Part,
    Report,
    Sort,
    Thing,
    Value,
)

STATUSES: Final = ("attended", "late_cancelled", "no_show", "registered")
BOOKING_METHODS: Final = ("dropin", "free", "membership")
EVENT_TYPES: Final = ("appointment", "class")
FORMATS: Final = ("csv", "json")

_I, _D, _T, _C, _B = Kind.INTEGER, Kind.INSTANT, Kind.TEXT, Kind.CHOICE, Kind.BOOLEAN

LOCAL_START: Final = LocalStart("event_day", "event_minute", of="event_starts_at", zone="venue_timezone")

_COLUMNS_CALLED: Final = ("fields", "select")
_SORT_CALLED: Final = ("order", "order_by", "orderby", "ordering", "sort_by")

# fmt: off
COLUMNS: Final = (
    Column("id", "ID", _I, "id", nullable=False, help="The attendance's id."),
    Column("updated_at", "Updated At", _D, "updated_at", nullable=False, help="When the attendance last changed."),
    Column("customer.id", "Customer ID", _I, "customer_id", "customer_id", nullable=False, required=True, holds_customer_id=True, help="The customer's id."),
    Column("customer.name", "Customer Name", _T, "customer_name", "customer_name", help="The customer's full name."),
    Column("customer.email", "Customer Email", _T, "customer_email", "customer_email", help="The customer's e-mail address."),
    Column("customer.thumbnail_url", "Customer Thumbnail URL", _T, "customer_thumbnail_url", "customer_thumbnail_url", sortable=False, help="The address of the customer's picture."),
    Column("event.id", "Event ID", _I, "event_id", "event_id", nullable=False, help="The event's id."),
    Column("event.starts_at", "Event Starts At", _D, "event_starts_at", "event_starts_at", nullable=False, help="When the event starts."),
    Column("event.ends_at", "Event Ends At", _D, "event_ends_at", "event_ends_at", help="When the event ends."),
    Column("event.name", "Event Name", _T, "event_name", "event_name", help="The event's name."),
    Column("event.type", "Event Type", _C, "event_type", "event_type", nullable=False, extension=True, choices=EVENT_TYPES, help="Whether the event is a class or an appointment."),
    Column("offering_type.id", "Offering Type ID", _I, "offering_type_id", "offering_type_id", help="The offering type's id."),
    Column("offering_type.name", "Offering Type Name", _T, "offering_type_name", "offering_type_name", help="The offering type's name."),
    Column("venue.id", "Venue ID", _I, "venue_id", "venue_id", help="The venue's id."),
    Column("venue.name", "Venue Name", _T, "venue_name", "venue_name", help="The venue's name."),
    Column("instructors", "Instructors", Kind.PEOPLE, "instructor", sortable=False, nullable=False, help="The event's instructors, ordered by name."),
    Column("booking_method", "Booking Method", _C, "booking_method", choices=BOOKING_METHODS, help="How the attendance was booked."),
    Column("customer_membership.id", "Customer Membership ID", _I, "customer_membership_id", "customer_membership_id", help="The id of the customer's own instance of the membership."),
    Column("customer_membership.membership.id", "Membership ID", _I, "membership_id", "membership_id", help="The membership's id."),
    Column("customer_membership.membership.name", "Membership Name", _T, "membership_name", "membership_name", help="The membership's name."),
    Column("booking_source", "Booking Source", _T, "booking_source_name", help="The application that made the booking."),
    Column("booking_source_id", "Booking Source ID", _I, "booking_source_id", extension=True, help="The id of the application that made the booking."),
    Column("status", "Status", _C, "status", nullable=False, choices=STATUSES, help="What became of the booking."),
    Column("checkin.ocurred_at", "Checked In At", _D, "checkin_ocurred_at", "checkin_ocurred_at", help="When the customer checked in."),
    Column("is_first_attendance", "First Attendance", _B, "is_first_attendance", nullable=False, help="Whether this is the customer's first attendance at any event."),
)

GROUPS: Final = (
    Group("customer"),
    Group("event"),
    Group("offering_type", presence="offering_type_id"),
    Group("venue", presence="venue_id"),
    Group("customer_membership", presence="customer_membership_id"),
    Group("customer_membership.membership", presence="membership_id"),
    Group("checkin", presence="checkin_ocurred_at"),
)

FILTERS: Final = (
    Parameter("status", Value.CHOICE, "Attendances of one of these statuses.", is_list=True, choices=STATUSES, op=Op.IN, storage="status", example="attended", listed=True),
    Parameter("attendance_status", Value.CHOICE, "Another name of `status`; where both are given, both hold.", is_list=True, choices=STATUSES, op=Op.IN, storage="status"),
    Parameter("booking_methods", Value.CHOICE, "Attendances booked by one of these methods.", is_list=True, choices=BOOKING_METHODS, op=Op.IN, storage="booking_method", listed=True),
    Parameter("booking_sources", Value.ID_OR_NONE, "Attendances booked through one of these applications; `none` for no application.", is_list=True, op=Op.IN_OR_NULL, storage="booking_source_id", listed=True, label="booking_source_name"),
    Parameter("event_types", Value.CHOICE, "Attendances of events of one of these types.", is_list=True, choices=EVENT_TYPES, op=Op.IN, storage="event_type", listed=True),
    Parameter("customers", Value.INTEGER, "Attendances of one of these customers.", is_list=True, op=Op.IN, storage="customer_id", listed=True, label="customer_name"),
    Parameter("customer_memberships", Value.INTEGER, "Attendances booked with one of these customer memberships.", is_list=True, op=Op.IN, storage="customer_membership_id", listed=True, label="membership_name"),
    Parameter("memberships", Value.INTEGER, "Attendances booked with one of these memberships.", is_list=True, op=Op.IN, storage="membership_id", listed=True, label="membership_name"),
    Parameter("offering_types", Value.INTEGER, "Attendances of events of one of these offering types.", is_list=True, op=Op.IN, storage="offering_type_id", listed=True, label="offering_type_name"),
    Parameter("venues", Value.INTEGER, "Attendances of events at one of these venues.", is_list=True, op=Op.IN, storage="venue_id", listed=True, label="venue_name"),
    Parameter("instructors", Value.ID_OR_NONE, "Attendances of events that any of these instructors instructs; `none` for events without one.", is_list=True, op=Op.ANY_OR_EMPTY, storage="instructor_ids", listed=True, label="instructor_name"),
    Parameter("event_start_gte", Value.INSTANT, "Events that start at this moment or later.", op=Op.FROM, storage="event_starts_at", example="2026-10-01T00:00:00Z", called=("from", "since", "after", "start", "start_date", "date_from", "from_date", "start_time", "event_start", "event_start_from", "event_start_after", "starts_at_gte", "event_starts_at_gte", "starts_at", "start_at", "event_starts_at", "starts_after", "event_starts_after")),
    Parameter("event_start_lte", Value.INSTANT, "Events that start at this moment or earlier.", op=Op.UNTIL, storage="event_starts_at", called=("to", "until", "before", "end", "end_date", "date_to", "to_date", "end_time", "event_end", "event_start_to", "event_start_before", "starts_at_lte", "event_starts_at_lte", "ends_at", "end_at", "starts_before", "event_starts_before", "end_date_lte")),
    Parameter("updated_at_gte", Value.INSTANT, "Attendances changed at this moment or later.", op=Op.FROM, storage="updated_at", called=("updated", "updated_at", "updated_since", "updated_after", "updated_from", "modified_since", "modified_after", "changed_since", "modified", "modified_at", "changed", "changed_at")),
    Parameter("updated_at_lte", Value.INSTANT, "Attendances changed at this moment or earlier.", op=Op.UNTIL, storage="updated_at", called=("updated_until", "updated_before", "updated_to", "modified_before")),
    Parameter("event_timeframe", Value.TIMEFRAME, "Events that start within a timeframe of the provider's calendar.", op=Op.WITHIN, storage="event_starts_at", example="last_30_days", called=("period", "range", "dates", "date_range", "date", "day")),
    Parameter("days_of_week", Value.CHOICE, "Events that start on one of these days of the week, in local time.", is_list=True, choices=WEEK_DAYS, op=Op.IN, storage=LOCAL_START.day, part=Part.WEEK_DAY, extension=True, listed=True, example="monday,tuesday"),
    Parameter("start_hours", Value.INTEGER, "Events that start within one of these hours of the day, in local time: `18` is from 18:00 up to, but without, 19:00.", is_list=True, maximum=23, op=Op.IN, storage=LOCAL_START.minute, part=Part.HOUR, extension=True, listed=True, example="18"),
    Parameter("include_future", Value.BOOLEAN, "Whether events that have not started yet are included.", default="false", op=Op.NOT_FUTURE, storage="event_starts_at", called=("future", "upcoming")),
    Parameter("id_gt", Value.INTEGER, "Attendances with an id greater than this; orders them by id.", op=Op.GREATER, storage="id", example="0", called=("id_after", "after_id", "since_id", "min_id")),
)

SELECTION: Final = (
    Parameter("columns", Value.COLUMN, "The columns of the answer, in this order; a group name selects all of its columns.", is_list=True, example="id,customer.name,status", called=_COLUMNS_CALLED),
    Parameter("sort", Value.SORT_KEY, "The columns to order by; `-` in front for descending.", is_list=True, example="-event.starts_at,customer.name", called=_SORT_CALLED),
)

PAGING: Final = (
    Parameter("limit", Value.INTEGER, "How many rows to answer at most.", default="50", maximum=100, paging=True, called=("per_page", "top", "take", "size")),
    Parameter("offset", Value.INTEGER, "How many rows to pass over.", default="0", paging=True, called=("skip",)),
    Parameter("page", Value.INTEGER, "The page to answer, counted from 1.", minimum=1, paging=True, called=("page_number", "page_no")),
    Parameter("page_size", Value.INTEGER, "Another name of `limit`.", maximum=100, same_as="limit", paging=True),
    Parameter("cursor", Value.CURSOR, "The place to go on from, taken from a `Link` header.", extension=True, paging=True),
)

PRESENTATION: Final = (
    Parameter("format", Value.CHOICE, "The form of the answer; absent, what `Accept` prefers.", choices=FORMATS, default="csv", example="json"),
    Parameter("timezone", Value.ZONE, "Writes date-times with this zone's offset, and reads naive ones and timeframes in it.", extension=True, example="Europe/Berlin", called=("tz", "zone")),
    Parameter("csv_header", Value.CHOICE, "Whether the CSV header row has labels or keys.", choices=("key", "label"), default="label", extension=True),
    Parameter("csv_escape", Value.BOOLEAN, "Whether CSV text that a spreadsheet would run as a formula is made harmless.", default="true", extension=True),
    Parameter("bom", Value.BOOLEAN, "Whether the CSV begins with a byte-order mark.", default="false", extension=True),
)
# fmt: on

ATTENDANCES: Final = Report(
    name="attendances",
    title="Attendances Report",
    columns=COLUMNS,
    groups=GROUPS,
    parameters=FILTERS + SELECTION + PAGING + PRESENTATION,
    default_sort=(Sort("event.starts_at", descending=True),),
    id_gt_sort=(Sort("id"),),
    file_stem="attendances",
)

# The same texts as those of the periods of a pivot, of which an answer has a few; there can be any number of rows.
# fmt: off
_PERIOD_COLUMNS: Final = (
    Column("event.start_date", "Start Date", _T, "event_start_date", "event_start_date", nullable=False, extension=True, of=LOCAL_START.day, part=Part.DATE, pattern="^[0-9]{4,5}-[0-9]{2}-[0-9]{2}$", help="The day on which the event starts, such as `2026-10-05`, in local time."),
    Column("event.start_week", "Start Week", _T, "event_start_week", "event_start_week", nullable=False, extension=True, of=LOCAL_START.day, part=Part.WEEK, pattern="^[0-9]{4,5}-(W[0-9]{2}|[0-9]{2}-[0-9]{2})$", help="The week in which the event starts, in local time: `2026-W41`, or its first day where weeks do not begin on Monday."),
    Column("event.start_month", "Start Month", _T, "event_start_month", "event_start_month", nullable=False, extension=True, of=LOCAL_START.day, part=Part.MONTH, pattern="^[0-9]{4,5}-[0-9]{2}$", help="The month in which the event starts, such as `2026-10`, in local time."),
    Column("event.start_year", "Start Year", _T, "event_start_year", "event_start_year", nullable=False, extension=True, of=LOCAL_START.day, part=Part.YEAR, pattern="^[0-9]{4,5}$", help="The year in which the event starts, in local time."),
)
# fmt: on

_FLAT: Final = {column.key: replace(column, required=False) for column in COLUMNS}
# fmt: off
GROUPED_COLUMNS: Final = (
    *(_FLAT[key] for key in ("customer.id", "customer.name", "customer.email")),
    Column("day_of_week", "Day of Week", _C, "day_of_week", nullable=False, choices=WEEK_DAYS, of=LOCAL_START.day, part=Part.WEEK_DAY, help="The day of the week on which the event starts, in local time; in the order of the provider's week."),
    Column("event.start_time", "Start Time", _T, "event_start_time", "event_start_time", nullable=False, of=LOCAL_START.minute, pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", help="The time of day at which the event starts, such as `18:30`, in local time."),
    Column("event.start_hour", "Start Hour", _I, "event_start_hour", "event_start_hour", nullable=False, extension=True, of=LOCAL_START.minute, part=Part.HOUR, help="The hour of the day within which the event starts, such as `18`, in local time."),
    *_PERIOD_COLUMNS,
    *(_FLAT[key] for key in ("offering_type.id", "offering_type.name", "venue.id", "venue.name", "booking_method", "booking_source", "status")),
    Column("count", "Count", _I, "count", nullable=False, counts=True, help="How many attendances have the values of the row."),
)

PIVOTS: Final = ("all", "year", "month", "week")
PERIODS: Final = "count_by_period"
"""The member of a grouped row that has its counts by period."""

GROUPED_SELECTION: Final = (
    Parameter("columns", Value.COLUMN, "The columns of the answer, in this order: attendances with the same values make one row. A group name selects all of its columns.", is_list=True, needed=True, example="venue.name,day_of_week,count", called=_COLUMNS_CALLED),
    Parameter("sort", Value.SORT_KEY, "The selected columns to order by, and with a pivot the periods, such as `count_by_period.2026-10`; `-` in front for descending.", is_list=True, example="-count", called=_SORT_CALLED),
    Parameter("pivot", Value.CHOICE, "Splits the count by the period in which the event starts, in local time.", choices=PIVOTS, default="all", example="month"),
    Parameter("max_pivot_columns", Value.INTEGER, "How many periods at most, up to the newest one that has an attendance.", minimum=1, maximum=12, default="4"),
)
# fmt: on

_OTHER_HELP: Final = {
    "id_gt": "Attendances with an id greater than this.",
    "timezone": "Reads naive date-times and timeframes in this zone. Weekday, start time and period stay local.",
}

ATTENDANCES_GROUPED: Final = Report(
    name="attendances.grouped",
    title="Attendances Report, Grouped",
    columns=GROUPED_COLUMNS,
    groups=(Group("customer"), Group("event"), Group("offering_type"), Group("venue")),
    parameters=tuple(
        replace(parameter, help=_OTHER_HELP.get(parameter.name, parameter.help))
        for parameter in FILTERS + GROUPED_SELECTION + PAGING + PRESENTATION
    ),
    default_sort=(),
    file_stem="attendances-grouped",
)

REPORTS: Final = (ATTENDANCES, ATTENDANCES_GROUPED)
"""Every report."""


def period_column(label: str, title: str, storage: str) -> Column:
    """The column of one period of a pivot."""
    help_ = "How many of the row's attendances are of the period."
    return Column(f"{PERIODS}.{label}", title, _I, storage, nullable=False, counts=True, help=help_)


# What a row states of itself, and of the things that it names. The same paths are the members of an incoming JSON row.
# fmt: off
ROW: Final = (
    Member("id", _I, "id", needed=True),
    Member("updated_at", _D, "updated_at", needed=True),
    Member("customer_id", _I, "customer.id", needed=True, names="customer"),
    Member("event_id", _I, "event.id", needed=True, names="event"),
    Member("booking_method", _C, "booking_method", choices=BOOKING_METHODS),
    Member("customer_membership_id", _I, "customer_membership.id", names="customer_membership"),
    Member("booking_source_id", _I, "booking_source_id", names="booking_source"),
    Member("status", _C, "status", needed=True, choices=STATUSES),
    Member("checkin_ocurred_at", _D, "checkin.ocurred_at"),
    Member("is_first_attendance", _B, "is_first_attendance"),
)

THINGS: Final = (
    Thing("customer", "customer_id", (
        Member("customer_name", _T, "customer.name", personal=True, erased_as="(Deleted Customer)"),
        Member("customer_email", _T, "customer.email", personal=True),
        Member("customer_thumbnail_url", _T, "customer.thumbnail_url", sorts=False, personal=True),
    )),
    Thing("event", "event_id", (
        Member("event_starts_at", _D, "event.starts_at", needed=True),
        Member("event_ends_at", _D, "event.ends_at"),
        Member("event_name", _T, "event.name"),
        Member("event_type", _C, "event.type", choices=EVENT_TYPES),
        Member("offering_type_id", _I, "offering_type.id", names="offering_type"),
        Member("venue_id", _I, "venue.id", names="venue"),
        Member("instructor_ids", Kind.PEOPLE, "instructors", names="instructor"),
    )),
    Thing("offering_type", "offering_type_id", (Member("offering_type_name", _T, "offering_type.name"),), by_name=True),
    Thing("venue", "venue_id", (
        Member("venue_name", _T, "venue.name"),
        Member("venue_timezone", _T, "venue.timezone", sorts=False),
    ), by_name=True),
    Thing("instructor", "instructor_ids", (Member("instructor_name", _T, "instructors.name"),), by_name=True),
    Thing("customer_membership", "customer_membership_id", (
        Member("membership_id", _I, "customer_membership.membership.id", names="membership"),
    )),
    Thing("membership", "membership_id", (Member("membership_name", _T, "customer_membership.membership.name"),), by_name=True),
    Thing("booking_source", "booking_source_id", (Member("booking_source_name", _T, "booking_source"),), by_name=True),
)
# fmt: on
