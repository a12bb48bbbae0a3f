"""The rules of a merge in plain Python: slow, obvious, one row after the other (contract sections 5 and 9)."""

from __future__ import annotations

from datetime import UTC, date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from store.rows import Row, at
from turnout.catalog.text import fold

OWN = (
    "customer_id",
    "event_id",
    "booking_method",
    "customer_membership_id",
    "booking_source_id",
    "status",
    "checkin_ocurred_at",
)
MEMBERS = {
    "customer": ("customer_name", "customer_email", "customer_thumbnail_url"),
    "event": (
        "event_starts_at",
        "event_ends_at",
        "event_name",
        "event_type",
        "offering_type_id",
        "venue_id",
        "instructor_ids",
    ),
    "offering_type": ("offering_type_name",),
    "venue": ("venue_name", "venue_timezone"),
    "customer_membership": ("membership_id",),
    "membership": ("membership_name",),
    "booking_source": ("booking_source_name",),
}
PERSONAL = ("customer_name", "customer_email", "customer_thumbnail_url")
DELETED = "(Deleted Customer)"
BY_NAME = ("offering_type", "venue", "membership", "booking_source")
INSTANTS = ("updated_at", "checkin_ocurred_at", "event_starts_at", "event_ends_at")
FOLDED = (
    "customer_name",
    "customer_email",
    "event_name",
    "offering_type_name",
    "venue_name",
    "membership_name",
    "booking_source_name",
)


class Model:
    """The data of one provider."""

    def __init__(self, zone: str = "UTC") -> None:
        self.zone = zone
        self.rows: dict[int, Row] = {}
        # kind -> id -> member -> (stamp, value)
        self.things: dict[str, dict[int, dict[str, tuple[tuple[int, int], Any]]]] = {
            kind: {} for kind in (*MEMBERS, "instructor")
        }
        self.erased: set[int] = set()
        # Who was erased and is not named again: erasing that is lifted brings no name back.
        self.nameless: set[int] = set()
        self.before: int | None = None

    def merge(self, rows: list[Row]) -> tuple[int, int, int, int]:
        """Take in rows; return how many were (created, updated, unchanged), and how many of erased customers."""
        met = sum(row["customer_id"] in self.erased for row in rows)
        rows = [self._hushed(row) for row in rows]
        accepted, newest = [], {id_: known["updated_at"] for id_, known in self.rows.items()}
        created = 0
        for row in rows:
            if row["id"] in newest and row["updated_at"] <= newest[row["id"]]:
                continue
            created += row["id"] not in newest
            newest[row["id"]] = row["updated_at"]
            accepted.append(dict(row))
        for row in accepted:
            self._say_named_things(row)
        self._give_ids(accepted)
        for row in accepted:
            self._say_named_things(row)
            for kind in ("customer", "event", "customer_membership"):
                self._say(kind, row)
            self._keep(row)
        return created, len(accepted) - created, len(rows) - len(accepted), met

    def _hushed(self, row: Row) -> Row:
        """The row without what it may not say of its customer."""
        old = self.before is not None and row["event_starts_at"] < self.before
        silent = old or row["customer_id"] in self.erased
        return {member: value for member, value in row.items() if not (silent and member in PERSONAL)}

    def erase(self, customers: list[int]) -> None:
        """Forget who customers are, now and when more is said of them."""
        for customer in set(customers) - self.erased:
            self.erased.add(customer)
            self.nameless.add(customer)
            self._forget(customer)

    def restore(self, customers: list[int]) -> None:
        """Let rows say again who customers are."""
        self.erased -= set(customers)

    def retain(self, before: int | None) -> None:
        """Let rows of events before an instant show nobody, and forget who has no others."""
        self.before = before
        if before is not None:
            seen = {own["customer_id"] for own in self.rows.values() if self._starts(own) >= before}
            for customer in set(self.things["customer"]) - seen:
                self._forget(customer)

    def _forget(self, customer: int) -> None:
        for member in PERSONAL:
            self.things["customer"][customer].pop(member, None)

    def _starts(self, own: Row) -> int:
        return int(self.truth("event", own["event_id"], "event_starts_at"))

    def _show_person(self, wide: Row, own: Row) -> None:
        """Take out of a wide row what it may not show of its customer."""
        customer = own["customer_id"]
        for member in PERSONAL:
            if self.before is not None and self._starts(own) < self.before:
                wide[member] = None
        if customer in self.nameless:
            wide["customer_name"] = DELETED

    def delete(self, ids: list[int]) -> int:
        """Take rows away; what they said stays. Return how many there were."""
        return sum(self.rows.pop(id_, None) is not None for id_ in ids)

    def _say_named_things(self, row: Row) -> None:
        for kind in BY_NAME:
            self._say(kind, row)
        for id_, name in row.get("instructor_ids") or []:
            if id_ is not None:
                said = {"instructor_name": name} if name is not None or "instructor_name" in row else {}
                self._learn("instructor", id_, said, (row["updated_at"], row["id"]))

    def _say(self, kind: str, row: Row) -> None:
        id_ = row.get(f"{kind}_id")
        if id_ is None:
            return
        said = {member: row[member] for member in MEMBERS[kind] if member in row}
        if "instructor_ids" in said:
            said["instructor_ids"] = sorted({id_ for id_, _ in said["instructor_ids"] or []})
        self._learn(kind, id_, said, (row["updated_at"], row["id"]))

    def _learn(self, kind: str, id_: int, said: Row, stamp: tuple[int, int]) -> None:
        known = self.things[kind].setdefault(id_, {})
        if kind == "customer" and "customer_name" in said:
            self.nameless.discard(id_)
        for member, value in said.items():
            if member not in known or known[member][0] < stamp:
                known[member] = (stamp, value)

    def truth(self, kind: str, id_: int | None, member: str, default: Any = None) -> Any:
        return self.things[kind].get(id_, {}).get(member, (None, default))[1]

    def _give_ids(self, accepted: list[Row]) -> None:
        ids = {kind: self._known_names(kind) for kind in (*BY_NAME, "instructor")}

        def id_of(kind: str, name: str) -> int:
            if name not in ids[kind]:
                # The new ones are not among the things yet.
                ids[kind][name] = max([0, *self.things[kind], *ids[kind].values()]) + 1
            return ids[kind][name]

        for row in accepted:
            for kind in BY_NAME:
                name = row.get(f"{kind}_name")
                if f"{kind}_id" in row and row[f"{kind}_id"] is None and name is not None:
                    row[f"{kind}_id"] = id_of(kind, name)
            people = row.get("instructor_ids")
            if people:
                row["instructor_ids"] = [(id_of("instructor", n) if i is None else i, n) for i, n in people]

    def _known_names(self, kind: str) -> dict[str, int]:
        names: dict[str, int] = {}
        for id_ in sorted(self.things[kind], reverse=True):
            names[self.truth(kind, id_, f"{kind}_name")] = id_
        names.pop(None, None)
        return names

    def _keep(self, row: Row) -> None:
        own = self.rows.setdefault(row["id"], {"first_given": None})
        own["updated_at"] = row["updated_at"]
        own.update({member: row[member] for member in OWN if member in row})
        if row.get("is_first_attendance") is not None:
            own["first_given"] = row["is_first_attendance"]

    def firsts(self) -> dict[int, int]:
        """The row of the earliest attended event of each customer."""
        attended = [
            (self.truth("event", own["event_id"], "event_starts_at"), id_, own["customer_id"])
            for id_, own in self.rows.items()
            if own["status"] == "attended"
        ]
        found: dict[int, int] = {}
        for _, id_, customer in sorted(attended):
            found.setdefault(customer, id_)
        return found

    def wide(self) -> dict[int, Row]:
        """Every row as the wide table should have it."""
        firsts = self.firsts()
        return {id_: self._wide(id_, own, firsts) for id_, own in self.rows.items()}

    def _wide(self, id_: int, own: Row, firsts: dict[int, int]) -> Row:
        wide = {"id": id_, "updated_at": own["updated_at"], "first_given": own["first_given"]}
        wide |= {member: own.get(member) for member in OWN}
        given = own["first_given"]
        wide["is_first_attendance"] = firsts.get(own["customer_id"]) == id_ if given is None else given
        # Things that things name come after them.
        for kind, members in MEMBERS.items():
            thing_id = wide[f"{kind}_id"]
            wide |= {member: self.truth(kind, thing_id, member) for member in members}
        self._show_person(wide, own)
        wide |= self._local_start(wide.pop("venue_timezone"), wide["event_starts_at"])
        wide["event_type"] = wide["event_type"] or "class"
        people = [(self.truth("instructor", i, "instructor_name"), i) for i in wide["instructor_ids"] or []]
        people.sort(key=lambda one: (one[0] is None, fold(one[0] or ""), one[0] or "", one[1]))
        wide["instructor_ids"] = [i for _, i in people]
        wide["instructor_names"] = [name for name, _ in people]
        for member in FOLDED:
            wide[member + "_folded"] = None if wide[member] is None else fold(wide[member])
        for member in INSTANTS:
            wide[member] = None if wide[member] is None else at(wide[member])
        return wide

    def _local_start(self, zone: str | None, starts_at: int) -> dict[str, date | int]:
        """By the clock of the venue, or of the provider where no zone of that name is known."""
        try:
            clock = ZoneInfo(zone or self.zone)
        except ZoneInfoNotFoundError:
            clock = ZoneInfo(self.zone)
        local = at(starts_at).replace(tzinfo=UTC).astimezone(clock)
        return {"event_day": local.date(), "event_minute": local.hour * 60 + local.minute}

    def facts(self) -> dict[tuple[str, int, str], tuple[int, int, Any]]:
        """Everything that was said of things: (kind, id, member) -> (updated_at, row id, value)."""
        return {
            (kind, id_, member): (*stamp, value)
            for kind, things in self.things.items()
            for id_, members in things.items()
            for member, (stamp, value) in members.items()
        }
