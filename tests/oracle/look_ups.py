"""Look-ups over flat rows: which values of a filter occur under all the others, and how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from oracle import calendar, report
from oracle.report import Ask, Row, Tenant

# What each filter is of, and where people's word for it stands; typed in by hand.
OF = {
    "status": ("status", None),
    "booking_methods": ("booking_method", None),
    "event_types": ("event.type", None),
    "booking_sources": ("booking_source_id", "booking_source"),
    "customers": ("customer.id", "customer.name"),
    "customer_memberships": ("customer_membership.id", "customer_membership.membership.name"),
    "memberships": ("customer_membership.membership.id", "customer_membership.membership.name"),
    "offering_types": ("offering_type.id", "offering_type.name"),
    "venues": ("venue.id", "venue.name"),
    "instructors": ("instructors", None),
    "days_of_week": ("day_of_week", None),
    "start_hours": ("start_hour", None),
}


def _pairs(row: Row, of: str, tenant: Tenant) -> set[tuple[Any, str | None]]:
    """The values of an attendance, each with its label."""
    key, label = OF[of]
    start = report.local(row, tenant)
    row = {**row, "day_of_week": calendar.WEEK_DAYS[start.weekday()], "start_hour": start.hour}
    if of == "instructors":
        return set(row["instructors"])
    return set() if row[key] is None else {(row[key], row[label] if label else None)}


def answer(rows: list[Row], of: str, ask: Ask, search: str, *, now: int, tenant: Tenant) -> Row:
    """The document of `GET .../values` for a page; `ask` has the filters and the page."""
    others = {name: value for name, value in ask.filters.items() if name != of}
    found = report.matching(rows, replace(ask, filters=others), now, tenant)
    counts = Counter(pair for row in found for pair in _pairs(row, of, tenant))
    wanted = [
        (value, label, count)
        for (value, label), count in counts.items()
        if report.fold(search) in report.fold(str(value) if label is None else label)
    ]
    wanted.sort(key=lambda one: (-one[2], one[1] is None, report.fold(one[1] or ""), one[1] or "", one[0]))
    return {
        "total": len(wanted),
        "values": [{"value": value, "label": label, "count": count} for value, label, count in report.cut(wanted, ask)],
        "missing": sum(not _pairs(row, of, tenant) for row in found),
    }
