"""The same rows state the same in every accepted shape (contract section 5)."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_rows import line, ndjson, read

from turnout.catalog.attendances import ATTENDANCES


@st.composite
def good_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows that a CSV can hold: every member given, things with ids, instructors by name."""
    names = st.text(st.characters(codec="utf-8", exclude_characters="\0;"), min_size=1, max_size=6)
    ids = st.integers(1, 2**63 - 1)
    moments = st.datetimes().map(lambda moment: moment.isoformat(timespec="microseconds") + "Z")

    def thing(name: Any) -> Any:
        return st.fixed_dictionaries({"id": ids, "name": name})

    row = st.fixed_dictionaries(
        {
            "id": ids,
            "updated_at": moments,
            "customer": st.fixed_dictionaries({"id": ids, "name": names | st.none(), "email": names}),
            "event": st.fixed_dictionaries({"id": ids, "starts_at": moments, "ends_at": moments | st.none()}),
            "venue": st.none() | thing(names),
            "instructors": st.lists(names.map(lambda name: {"name": name}), max_size=2),
            "customer_membership": st.none()
            | st.fixed_dictionaries({"id": ids, "membership": st.none() | thing(names)}),
            "booking_source": names | st.none(),
            "status": st.sampled_from(["attended", "no_show"]),
            "checkin": st.none() | st.fixed_dictionaries({"ocurred_at": moments}),
            "is_first_attendance": st.booleans(),
        }
    )
    return draw(st.lists(row, min_size=1, max_size=5))


def as_csv(rows: list[dict[str, Any]], names: list[str]) -> bytes:
    paths = [
        "id", "updated_at", "customer.id", "customer.name", "customer.email", "event.id", "event.starts_at", "event.ends_at",
        "venue.id", "venue.name", "instructors", "customer_membership.id", "customer_membership.membership.id",
        "customer_membership.membership.name", "booking_source", "status", "checkin.ocurred_at", "is_first_attendance",
    ]  # fmt: skip

    def cell(row: Any, path: str) -> str:
        for part in path.split("."):
            row = row and row[part]
        if isinstance(row, list):
            return "; ".join(each["name"] for each in row)
        return str(row).lower() if isinstance(row, bool) else "" if row is None else str(row)

    out = io.StringIO(newline="")
    writer = csv.writer(out)
    headers = {"key": lambda c: c.key, "label": lambda c: c.label, "other": lambda c: c.other_name or c.key}
    writer.writerow([headers[names[n % len(names)]](ATTENDANCES.by_key[path]) for n, path in enumerate(paths)])
    writer.writerows([[cell(row, path) for path in paths] for row in rows])
    return out.getvalue().encode()


@given(good_rows(), st.lists(st.sampled_from(["key", "label", "other"]), min_size=1, max_size=3))
@settings(deadline=None)
def test_the_same_rows_in_every_shape_state_the_same(rows: list[dict[str, Any]], names: list[str]) -> None:
    said = read(ndjson(*rows)).said
    assert len(said) == len(rows)
    for data in (
        line(rows),
        json.dumps(rows, indent=2).encode(),
        line({"total": 1, "rows": rows}),
        gzip.compress(ndjson(*rows)),
        as_csv(rows, names),
    ):
        result = read(data)
        assert result.report == []
        assert result.said == said
