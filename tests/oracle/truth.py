"""From incoming rows to the one truth of each thing (section 5), one row after the other."""

from __future__ import annotations

from typing import Any

from oracle.calendar import micros

Row = dict[str, Any]
_ABSENT = object()


def _text(value: str | None) -> str | None:
    """Empty text is null."""
    return value or None


def _instant(value: str | None) -> int | None:
    return None if value is None else micros(value)


class Truth:
    """The data of one provider."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        # (thing, its id, member) -> (the stamp of the row that said it, what it said)
        self.facts: dict[tuple[str, int, str], tuple[tuple[int, int], Any]] = {}
        self.known: dict[str, set[int]] = {}

    def fact(self, thing: str, thing_id: int | None, member: str, default: Any = None) -> Any:
        return self.facts.get((thing, thing_id, member), (None, default))[1]

    def take_all(self, rows: list[Row]) -> dict[str, int]:
        counts = {"created": 0, "updated": 0, "unchanged": 0}
        for row in rows:
            counts[self.take(row)] += 1
        return counts

    def take(self, row: Row) -> str:
        """One incoming row, as JSON has it. Says what became of it."""
        row_id, stamp = row["id"], (micros(row["updated_at"]), row["id"])
        before = self.rows.get(row_id)
        if before is not None and before["updated_at"] >= stamp[0]:
            return "unchanged"
        own = self.rows.setdefault(row_id, {})
        own.update(
            updated_at=stamp[0],
            customer=row["customer"]["id"],
            event=row["event"]["id"],
            status=row["status"],
        )
        if "booking_method" in row:
            own["booking_method"] = row["booking_method"]
        if row.get("is_first_attendance") is not None:
            own["first_given"] = row["is_first_attendance"]
        if "checkin" in row:
            if row["checkin"] is None:
                own["checkin"] = None
            elif "ocurred_at" in row["checkin"]:
                own["checkin"] = _instant(row["checkin"]["ocurred_at"])
        self._customer(row["customer"], stamp)
        self._event(row, stamp)
        self._customer_membership(row, own, stamp)
        self._booking_source(row, own, stamp)
        return "updated" if before is not None else "created"

    def _say(self, thing: str, thing_id: int, member: str, value: Any, stamp: tuple[int, int]) -> None:
        """A newer row's word replaces an older one's; of one moment, the greater row id's."""
        place = (thing, thing_id, member)
        if place not in self.facts or self.facts[place][0] < stamp:
            self.facts[place] = (stamp, value)

    def _named(self, thing: str, said: Row | None, stamp: tuple[int, int]) -> int | None:
        """The id of a thing that a row names: by its id, or by its name alone."""
        if said is None:
            return None
        known = self.known.setdefault(thing, set())
        thing_id = said.get("id")
        if thing_id is None:
            called = [one for one in known if self.fact(thing, one, "name") == said["name"]]
            thing_id = min(called) if called else max(known, default=0) + 1
        known.add(thing_id)
        if "name" in said:
            self._say(thing, thing_id, "name", _text(said["name"]), stamp)
        if "timezone" in said:
            self._say(thing, thing_id, "timezone", _text(said["timezone"]), stamp)
        return thing_id

    def _customer(self, said: Row, stamp: tuple[int, int]) -> None:
        for member in ("name", "email", "thumbnail_url"):
            if member in said:
                self._say("customer", said["id"], member, _text(said[member]), stamp)

    def _event(self, row: Row, stamp: tuple[int, int]) -> None:
        event = row["event"]
        self._say("event", event["id"], "starts_at", micros(event["starts_at"]), stamp)
        if "ends_at" in event:
            self._say("event", event["id"], "ends_at", _instant(event["ends_at"]), stamp)
        if "name" in event:
            self._say("event", event["id"], "name", _text(event["name"]), stamp)
        if "type" in event:
            self._say("event", event["id"], "type", event["type"], stamp)
        for member in ("offering_type", "venue"):
            if member in row:
                self._say("event", event["id"], member, self._named(member, row[member], stamp), stamp)
        if "instructors" in row:
            people = [self._named("instructor", one, stamp) for one in row["instructors"] or []]
            self._say("event", event["id"], "instructors", tuple(people), stamp)

    def _customer_membership(self, row: Row, own: Row, stamp: tuple[int, int]) -> None:
        said = row.get("customer_membership", _ABSENT)
        if said is _ABSENT:
            return
        own["customer_membership"] = said and said["id"]
        if said and "membership" in said:
            membership = self._named("membership", said["membership"], stamp)
            self._say("customer_membership", said["id"], "membership", membership, stamp)

    def _booking_source(self, row: Row, own: Row, stamp: tuple[int, int]) -> None:
        said: Row = {}
        if "booking_source" in row:
            source = row["booking_source"]
            said = source if isinstance(source, dict) else {"name": source}
        if "booking_source_id" in row:
            said = {**said, "id": row["booking_source_id"]}
        if not said:
            return
        nothing = said.get("id") is None and said.get("name") is None
        own["booking_source"] = None if nothing else self._named("booking_source", said, stamp)

    def _first_rows(self) -> set[int]:
        """The row of each customer's earliest attended event, then the smallest row id."""
        first: dict[int, tuple[int, int]] = {}
        for row_id, own in self.rows.items():
            if own["status"] == "attended":
                place = (self.fact("event", own["event"], "starts_at"), row_id)
                first[own["customer"]] = min(first.get(own["customer"], place), place)
        return {row_id for _, row_id in first.values()}

    def flat(self) -> list[Row]:
        """Every attendance with the columns of the report by key; instructors as `(id, name)` in no order yet."""
        first = self._first_rows()
        return [self._flat(row_id, own, worked_out=row_id in first) for row_id, own in self.rows.items()]

    def _flat(self, row_id: int, own: Row, *, worked_out: bool) -> Row:
        customer, event = own["customer"], own["event"]
        offering_type = self.fact("event", event, "offering_type")
        venue = self.fact("event", event, "venue")
        held = own.get("customer_membership")
        membership = self.fact("customer_membership", held, "membership")
        source = own.get("booking_source")
        people = self.fact("event", event, "instructors", ())
        return {
            "id": row_id,
            "updated_at": own["updated_at"],
            "customer.id": customer,
            "customer.name": self.fact("customer", customer, "name"),
            "customer.email": self.fact("customer", customer, "email"),
            "customer.thumbnail_url": self.fact("customer", customer, "thumbnail_url"),
            "event.id": event,
            "event.starts_at": self.fact("event", event, "starts_at"),
            "event.ends_at": self.fact("event", event, "ends_at"),
            "event.name": self.fact("event", event, "name"),
            "offering_type.id": offering_type,
            "offering_type.name": self.fact("offering_type", offering_type, "name"),
            "venue.id": venue,
            "venue.name": self.fact("venue", venue, "name"),
            "venue.timezone": self.fact("venue", venue, "timezone"),
            "instructors": [(one, self.fact("instructor", one, "name")) for one in people],
            "booking_method": own.get("booking_method"),
            "customer_membership.id": held,
            "customer_membership.membership.id": membership,
            "customer_membership.membership.name": self.fact("membership", membership, "name"),
            "booking_source": self.fact("booking_source", source, "name"),
            "status": own["status"],
            "checkin.ocurred_at": own.get("checkin"),
            "is_first_attendance": own.get("first_given", worked_out),
            "event.type": self.fact("event", event, "type") or "class",
            "booking_source_id": source,
        }
