"""The attendances report (section 2) over flat rows: filter, sort, cut, write as JSON and as CSV."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracle import calendar
from oracle.columns import BY_KEY, KEY_OF, selected

if TYPE_CHECKING:
    from datetime import datetime

Row = dict[str, Any]


@dataclass(frozen=True)
class Tenant:
    """A provider, as far as reports depend on it."""

    id: int
    zone: str
    week_start: str


@dataclass(frozen=True)
class Ask:
    """What a request means. Names of columns are as asked for; instants are already instants; None among ids is `none`.

    `filters` is by parameter name: a set for lists, a number for bounds and `id_gt`. `instructor` is the one that the
    token is limited to.
    """

    columns: tuple[str, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    filters: dict[str, Any] = field(default_factory=dict)
    timeframe: str | None = None
    include_future: bool = False
    limit: int = 50
    offset: int = 0
    timezone: str | None = None
    csv_header: str = "label"
    csv_escape: bool = True
    bom: bool = False
    instructor: int | None = None


_LISTS = {
    "status": "status",
    "attendance_status": "status",
    "booking_methods": "booking_method",
    "booking_sources": "booking_source_id",
    "event_types": "event.type",
    "customers": "customer.id",
    "customer_memberships": "customer_membership.id",
    "memberships": "customer_membership.membership.id",
    "offering_types": "offering_type.id",
    "venues": "venue.id",
}


def _instructs(row: Row, wanted: set[int | None]) -> bool:
    there = {one for one, _ in row["instructors"]}
    return bool(there & wanted) if there else None in wanted


def local(row: Row, tenant: Tenant) -> datetime:
    """When a row's event starts, by the venue's clock where it has one, else by the provider's."""
    return calendar.local(row["event.starts_at"], row["venue.timezone"] or tenant.zone)


def matches(row: Row, name: str, value: Any, tenant: Tenant) -> bool:
    """Whether a row passes one filter."""
    if name in _LISTS:
        # A missing value is let through by `none` alone, which only booking_sources can have.
        return row[_LISTS[name]] in value
    if name == "instructors":
        return _instructs(row, value)
    if name == "id_gt":
        return row["id"] > value
    if name == "days_of_week":
        return calendar.WEEK_DAYS[local(row, tenant).weekday()] in value
    if name == "start_hours":
        return local(row, tenant).hour in value
    column, bound = {"event_start": "event.starts_at", "updated_at": "updated_at"}[name[:-4]], name[-3:]
    return row[column] >= value if bound == "gte" else row[column] <= value


def matching(rows: list[Row], ask: Ask, now: int, tenant: Tenant) -> list[Row]:
    found = [row for row in rows if all(matches(row, name, value, tenant) for name, value in ask.filters.items())]
    if not ask.include_future:
        found = [row for row in found if row["event.starts_at"] <= now]
    if ask.timeframe:
        start, end = window(ask, now, tenant)
        found = [row for row in found if start is None or row["event.starts_at"] >= start]
        found = [row for row in found if end is None or row["event.starts_at"] < end]
    if ask.instructor is not None:
        found = [row for row in found if _instructs(row, {ask.instructor})]
    return found


def window(ask: Ask, now: int, tenant: Tenant) -> calendar.Window:
    return calendar.window_of(ask.timeframe, now, ask.timezone or tenant.zone, tenant.week_start)


def fold(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn")
    return plain.casefold()


def _comparable(key: str, value: Any) -> Any:
    return (fold(value), value) if BY_KEY[key].kind == "text" else value


def levels(ask: Ask) -> tuple[tuple[str, bool], ...]:
    """The levels of the order by key, without the `id` that decides at last."""
    if ask.sort:
        return tuple((KEY_OF[name], descending) for name, descending in ask.sort)
    return (("id", False),) if "id_gt" in ask.filters else (("event.starts_at", True),)


def ordered(rows: list[Row], ask: Ask) -> list[Row]:
    """Sorted from the last level to the first; Python's sort keeps the order of equals."""
    result = sorted(rows, key=lambda row: row["id"])
    for key, descending in reversed(levels(ask)):
        there = [row for row in result if row[key] is not None]
        there.sort(key=lambda row, key=key: _comparable(key, row[key]), reverse=descending)
        result = there + [row for row in result if row[key] is None]
    return result


def all_rows(rows: list[Row], ask: Ask, now: int, tenant: Tenant) -> list[Row]:
    """Every matching row in the report's order."""
    return ordered(matching(rows, ask, now, tenant), ask)


def people(row: Row) -> list[tuple[int, str | None]]:
    """A row's instructors, ordered by name as `sort` orders text, then by id."""
    return sorted(row["instructors"], key=lambda one: (one[1] is None, fold(one[1] or ""), one[1] or "", one[0]))


_PRESENT = {
    "offering_type": "offering_type.id",
    "venue": "venue.id",
    "customer_membership": "customer_membership.id",
    "customer_membership.membership": "customer_membership.membership.id",
    "checkin": "checkin.ocurred_at",
}


def _value(row: Row, key: str, zone: str | None) -> Any:
    if key == "instructors":
        return [{"id": one, "name": name} for one, name in people(row)]
    if BY_KEY[key].kind == "date-time" and row[key] is not None:
        return calendar.text_of(row[key], zone)
    return row[key]


def nested(row: Row, keys: tuple[str, ...], zone: str | None) -> Row:
    """One row of the JSON document."""
    result: Row = {}
    for key in keys:
        place, path = result, key.split(".")
        for depth in range(1, len(path)):
            group = ".".join(path[:depth])
            if group in _PRESENT and row[_PRESENT[group]] is None:
                place[path[depth - 1]] = None
                break
            place = place.setdefault(path[depth - 1], {})
        else:
            place[path[-1]] = _value(row, key, zone)
    return result


def headers(ask: Ask) -> list[Row]:
    """`column_headers`."""
    order = {
        key: {"order": "desc" if down else "asc", "priority": place} for place, (key, down) in enumerate(levels(ask))
    }
    return [
        {
            "label": BY_KEY[key].label,
            "key": key,
            "sortable": BY_KEY[key].sortable,
            "holds_customer_id": key == "customer.id",
            "required": key == "customer.id",
        }
        | ({"sorted": order[key]} if key in order else {})
        for key in selected(ask.columns)
    ]


def cut(rows: list[Row], ask: Ask) -> list[Row]:
    return rows[ask.offset : ask.offset + ask.limit]


def document(total: int, page: list[Row], ask: Ask) -> Row:
    """The whole JSON document for one page."""
    keys = selected(ask.columns)
    return {
        "total": total,
        "column_headers": headers(ask),
        "rows": [nested(row, keys, ask.timezone) for row in page],
    }


def _cell(row: Row, key: str, ask: Ask) -> str:
    value = row[key]
    if value is None:
        return ""
    kind = BY_KEY[key].kind
    if kind == "date-time":
        return calendar.text_of(value, ask.timezone)
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "list":
        value = "; ".join(name for _, name in people(row) if name is not None)
    return harmless(str(value), ask) if kind in {"text", "list"} else str(value)


def table(page: list[Row], ask: Ask) -> list[list[str]]:
    """The cells of the CSV, header row first."""
    keys = selected(ask.columns)
    head = [key if ask.csv_header == "key" else BY_KEY[key].label for key in keys]
    return [head, *([_cell(row, key, ask) for key in keys] for row in page)]


def harmless(text: str, ask: Ask) -> str:
    """A text cell as a spreadsheet may have it."""
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} and ask.csv_escape else text


def csv_text(cells: list[list[str]]) -> str:
    """RFC 4180 with the least quoting, every record ended."""

    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\r\n') else cell

    return "".join(",".join(quoted(cell) for cell in record) + "\r\n" for record in cells)


def read_csv(text: str) -> list[list[str]]:
    """RFC 4180 read by its letter: a stray quote, a bare line feed or an unended record is an error."""
    records: list[list[str]] = [[]]
    at = 0
    while at < len(text):
        if text[at] == '"':
            end = at + 1
            while text[end] != '"' or text[end + 1 : end + 2] == '"':
                end += 2 if text[end] == '"' else 1
            records[-1].append(text[at + 1 : end].replace('""', '"'))
            at = end + 1
        else:
            end = at
            while text[end] not in ',\r\n"':
                end += 1
            records[-1].append(text[at:end])
            at = end
        if text[at : at + 2] == "\r\n":
            records.append([])
            at += 2
        elif text[at] == ",":
            at += 1
        else:
            raise ValueError(f"not RFC 4180 at {at}: {text[at : at + 20]!r}")
    if records.pop():
        raise ValueError("the last record is not ended by CRLF")
    return records
