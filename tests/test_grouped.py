"""The grouped report by example: groups, periods, order, links, local time, and who sees what (sections 7 and 9)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from inside import Inside, add_provider, import_file, new_store, token
from live import GROUPED
from oracle import calendar, groups, report
from oracle.groups import GroupAsk
from oracle.report import Tenant
from oracle.truth import Truth
from test_isolation import NOW, QUERIES, SECRETS, ZONES, _rows
from turnout.admin import set_provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Answer, Asking
    from oracle.data import Row

pytestmark = pytest.mark.any_store


LATER = calendar.micros("2030-01-01T00:00:00Z")


class Studio:
    """A provider, whose rows are events with what matters here; asked at a moment after all of them."""

    def __init__(self, directory: Path, zone: str = "Europe/Berlin", week_start: str = "monday") -> None:
        self.store = new_store(directory)
        self.inside = Inside(self.store, LATER)
        add_provider(self.store, Tenant(1, zone, week_start))
        self.client = self.inside.as_(token(self.store, 1))
        self._next = 1

    def add(self, *starts: str, **more: Any) -> None:
        """An attendance of an event of its own at each of these moments."""
        rows = []
        for start in starts:
            n, self._next = self._next, self._next + 1
            event = {"id": n, "starts_at": start}
            rows.append(
                {
                    "id": n,
                    "updated_at": "2029-01-01T00:00:00Z",
                    "customer": {"id": 1},
                    "event": event,
                    "status": "attended",
                    **more,
                }
            )
        self.bring(rows)

    def bring(self, rows: list[Row]) -> None:
        import_file(self.store, 1, rows)

    def ask(self, query: str, client: Asking | None = None) -> Answer:
        answer = (client or self.client).get(f"format=json&{query}", path=GROUPED)
        assert answer.status == 200, answer.body
        return answer

    def rows(self, query: str) -> list[Row]:
        return self.ask(query).json["rows"]

    def split(self, query: str) -> dict[str, int]:
        """The counts by period of the single group."""
        (row,) = self.rows(f"columns=count&{query}")
        return row["count_by_period"]

    def close(self) -> None:
        self.inside.close()
        self.store.close()


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(tmp_path)
    yield made
    made.close()


def test_the_addresses(studio: Studio) -> None:
    studio.add("2026-10-05T17:30:00Z")
    bodies = {
        studio.client.get("columns=count&format=json", path=path).body
        for path in (GROUPED, GROUPED + "/", GROUPED.replace("v2/", "v2//"))
    }
    assert len(bodies) == 1
    head = studio.client.get("columns=count", path=GROUPED, method="HEAD")
    assert (head.status, head.body, head.headers["x-total-count"]) == (200, b"", "1")
    assert studio.client.get(path=GROUPED, method="POST").error() == (405, "method_not_allowed", set())


def test_an_answer_whole(studio: Studio) -> None:
    studio.add("2026-10-05T16:30:00Z", "2026-09-07T16:30:00Z", venue={"id": 1, "name": "Hall"})
    studio.add("2026-10-06T16:30:00Z")
    document = studio.ask("columns=count,venue,day_of_week,event&pivot=month&sort=-count_by_period.2026-10,count").json

    def header(key: str, label: str, **more: Any) -> Row:
        return {"label": label, "key": key, "sortable": True, "holds_customer_id": False, "required": False, **more}

    assert document == {
        "total": 2,
        "column_headers": [
            header("count", "Count", sorted={"order": "asc", "priority": 1}),
            header("venue.id", "Venue ID"),
            header("venue.name", "Venue Name"),
            header("day_of_week", "Day of Week"),
            header("event.start_time", "Start Time"),
            header("count_by_period.2026-09", "Sep 2026"),
            header("count_by_period.2026-10", "Oct 2026", sorted={"order": "desc", "priority": 0}),
        ],
        "rows": [
            {"count": 1, "venue": None, "day_of_week": "tuesday", "event": {"start_time": "18:30"}, "count_by_period": {"2026-09": 0, "2026-10": 1}},
            {"count": 2, "venue": {"id": 1, "name": "Hall"}, "day_of_week": "monday", "event": {"start_time": "18:30"}, "count_by_period": {"2026-09": 1, "2026-10": 1}},
        ],
    }  # fmt: skip


def test_csv_has_labels_or_keys(studio: Studio) -> None:
    studio.add("2026-10-05T16:30:00Z", venue={"id": 1, "name": "=Hall"})
    studio.add("2026-10-06T16:30:00Z")
    query = "columns=venue.name,day_of_week,event_start_time,count&pivot=month&max_pivot_columns=1"
    answer = studio.client.get(query, path=GROUPED)
    assert answer.body.decode() == (
        "Venue Name,Day of Week,Start Time,Count,Oct 2026\r\n'=Hall,monday,18:30,1,1\r\n,tuesday,18:30,1,1\r\n"
    )
    assert answer.headers["content-disposition"] == 'attachment; filename="attendances-grouped-2030-01-01.csv"'
    keys = studio.client.get(f"{query}&csv_header=key&limit=0", path=GROUPED)
    assert keys.body == b"venue.name,day_of_week,event.start_time,count,count_by_period.2026-10\r\n"


def test_the_count_alone(studio: Studio) -> None:
    assert studio.ask("columns=count").json["rows"] == []
    empty = studio.ask("columns=count&pivot=week").json
    assert (empty["total"], len(empty["column_headers"]), empty["rows"]) == (0, 1, [])
    assert "sorted" not in empty["column_headers"][0]
    studio.add("2026-10-05T16:30:00Z", "2026-10-06T16:30:00Z")
    assert studio.ask("columns=count").json["rows"] == [{"count": 2}]
    nothing = studio.ask("columns=count&status=no_show&pivot=year").json
    assert (nothing["total"], nothing["rows"]) == (0, [])
    beyond = studio.ask("columns=count&offset=1").json
    assert (beyond["total"], beyond["rows"]) == (1, [])
    assert studio.ask(f"columns=count&page={2**63 - 1}").json["total"] == 1


def test_things_that_are_missing(studio: Studio) -> None:
    """A thing of which no id is selected and all selected members are missing is null."""
    studio.add("2026-10-05T16:30:00Z", venue={"id": 1, "name": None}, offering_type={"id": 4})
    studio.add("2026-10-05T16:30:00Z")
    assert studio.rows("columns=venue.name,count") == [{"venue": None, "count": 2}]
    assert studio.rows("columns=venue,count") == [
        {"venue": {"id": 1, "name": None}, "count": 1},
        {"venue": None, "count": 1},
    ]
    assert studio.rows("columns=customer.name,customer.email") == [{"customer": None}]
    assert studio.rows("columns=customer") == [{"customer": {"id": 1, "name": None, "email": None}}]
    assert studio.rows("columns=booking_source,booking_method") == [{"booking_source": None, "booking_method": None}]


def test_namesakes_are_one_group_and_sort_as_text(studio: Studio) -> None:
    names = ("Zoë", "zoe", "ZOE", "Émile", "emile", None)
    for venue, name in enumerate(names, 1):
        studio.add("2026-10-05T16:30:00Z", venue={"id": venue, "name": name})
    studio.add("2026-10-05T16:30:00Z", venue={"id": 99, "name": "zoe"})
    found = [(row["venue"] and row["venue"]["name"], row["count"]) for row in studio.rows("columns=venue.name,count")]
    assert found == [("emile", 1), ("Émile", 1), ("ZOE", 1), ("Zoë", 1), ("zoe", 2), (None, 1)]
    down = [row["venue"] and row["venue"]["name"] for row in studio.rows("columns=venue.name&sort=-venue_name")]
    assert down == ["zoe", "Zoë", "ZOE", "Émile", "emile", None]


@pytest.mark.parametrize("first", calendar.WEEK_DAYS)
def test_days_sort_in_the_providers_week(tmp_path: Path, first: str) -> None:
    studio = Studio(tmp_path, week_start=first)
    studio.add(*(f"2026-10-{day:02}T12:00:00Z" for day in range(1, 15)))
    at = calendar.WEEK_DAYS.index(first)
    wanted = list(calendar.WEEK_DAYS[at:] + calendar.WEEK_DAYS[:at])
    assert [row["day_of_week"] for row in studio.rows("columns=day_of_week,count")] == wanted
    assert [row["day_of_week"] for row in studio.rows("columns=day_of_week&sort=-day_of_week")] == wanted[::-1]
    studio.close()


def test_weekday_time_and_period_are_of_the_venues_clock(studio: Studio) -> None:
    """One instant: Wednesday evening and last year in New York, Thursday morning in Berlin."""
    for number, zone in ((1, "America/New_York"), (2, None), (3, "Asia/Kathmandu")):
        studio.add("2025-12-31T23:30:00Z", venue={"id": number, "name": f"V{number}", "timezone": zone})
    rows = studio.rows("columns=venue.id,day_of_week,event,count&pivot=year")
    assert [(row["day_of_week"], row["event"]["start_time"], row["count_by_period"]) for row in rows] == [
        ("wednesday", "18:30", {"2025": 1, "2026": 0}),
        ("thursday", "00:30", {"2025": 0, "2026": 1}),
        ("thursday", "05:15", {"2025": 0, "2026": 1}),
    ]
    # Filters and the parameter `timezone` are about instants, and move none of it.
    assert studio.rows("columns=venue.id,day_of_week,event,count&pivot=year&timezone=Asia/Tokyo") == rows
    assert studio.split("pivot=year&event_timeframe=2026") == {"2025": 1, "2026": 2}


def test_hours_that_clock_changes_skip_and_repeat(studio: Studio) -> None:
    studio.add("2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")
    found = {row["event"]["start_time"]: row["count"] for row in studio.rows("columns=event.start_time,count")}
    assert found == {"01:59": 1, "03:00": 1, "02:30": 2}
    by_hour = {row["event"]["start_hour"]: row["count"] for row in studio.rows("columns=event.start_hour,count")}
    assert by_hour == {1: 1, 2: 2, 3: 1}
    hours = {hour: studio.rows(f"columns=count&start_hours={hour}") for hour in range(24)}
    assert {hour: rows[0]["count"] for hour, rows in hours.items() if rows} == by_hour


def test_weekdays_and_hours_are_filtered_by_the_venues_clock(studio: Studio) -> None:
    """One instant: Wednesday evening in New York, Thursday morning in Berlin and Kathmandu."""
    for number, zone in ((1, "America/New_York"), (2, None), (3, "Asia/Kathmandu")):
        studio.add("2025-12-31T23:30:00Z", venue={"id": number, "name": f"V{number}", "timezone": zone})

    def ids(query: str) -> list[int]:
        """Of the rows; the groups count as many."""
        answer = studio.client.get(f"format=json&columns=id&sort=id&{query}")
        assert answer.status == 200, answer.body
        assert sum(row["count"] for row in studio.rows(f"columns=count&{query}")) == answer.json["total"]
        return [row["id"] for row in answer.json["rows"]]

    assert ids("days_of_week=wednesday") == [1]
    assert ids("days_of_week=thursday") == [2, 3]
    assert ids("days_of_week=thursday&days_of_week=wednesday,friday") == [1, 2, 3]
    assert ids("days_of_week=friday") == []
    assert ids("start_hours=18") == [1]
    assert ids("start_hours=0,5") == [2, 3]
    assert ids("start_hours=00,05&days_of_week=wednesday") == []
    assert ids("start_hours=4,6,17,19,23") == []
    # Neither moves with the parameter `timezone`, as the columns do not.
    assert ids("days_of_week=thursday&start_hours=5&timezone=Asia/Tokyo") == [3]


def test_another_zone_of_the_provider_moves_the_weekdays_that_are_filtered_by(studio: Studio) -> None:
    """Answers that were kept are not given again."""
    studio.add("2026-10-05T22:30:00Z")
    tuesday = "columns=count&days_of_week=tuesday&start_hours=0"
    assert [studio.rows(tuesday) for _ in range(2)] == [[{"count": 1}]] * 2
    set_provider(studio.store, None, 1, {"timezone": "Europe/London"}, max_text=100)
    assert studio.rows(tuesday) == []
    assert studio.rows("columns=count&days_of_week=monday&start_hours=23") == [{"count": 1}]


def test_a_cursor_is_of_the_same_weekdays_and_hours_only(studio: Studio) -> None:
    studio.add("2026-10-05T12:00:00Z", "2026-10-12T12:00:00Z", "2026-10-13T12:00:00Z")
    link = studio.client.get("format=json&limit=1&columns=id&days_of_week=monday&start_hours=14").links["next"]
    assert studio.client.follow(link).json["total"] == 2
    for old, new in (("=monday", "=tuesday"), ("start_hours=14", "start_hours=15")):
        assert studio.client.follow(link.replace(old, new)).error() == (400, "parameter_invalid", {"cursor"})


@pytest.mark.parametrize(
    ("week_start", "wanted"),
    [
        ("monday", {"2020-W53": 2, "2021-W01": 1}),
        ("sunday", {"2020-12-27": 1, "2021-01-03": 2}),
        ("saturday", {"2020-12-26": 1, "2021-01-02": 2}),
    ],
)
def test_weeks_at_the_turn_of_a_year(tmp_path: Path, week_start: str, wanted: dict[str, int]) -> None:
    studio = Studio(tmp_path, week_start=week_start)
    studio.add("2021-01-01T12:00:00Z", "2021-01-03T12:00:00Z", "2021-01-04T12:00:00Z")
    assert studio.split("pivot=week") == wanted
    (*_, last) = studio.ask("columns=count&pivot=week").json["column_headers"]
    assert (last["key"], last["label"]) == (f"count_by_period.{list(wanted)[-1]}", list(wanted)[-1])
    studio.close()


def test_periods_end_at_local_midnight(studio: Studio) -> None:
    studio.add("2026-09-30T21:59:59.999999Z", "2026-09-30T22:00:00Z", "2026-10-31T22:59:59Z", "2026-10-31T23:00:00Z")
    assert studio.split("pivot=month") == {"2026-09": 1, "2026-10": 2, "2026-11": 1}
    studio.add("2026-12-31T23:00:00Z")
    assert studio.split("pivot=year") == {"2026": 4, "2027": 1}


def test_periods_are_consecutive_and_no_more_than_asked_for(studio: Studio) -> None:
    studio.add("2026-01-15T12:00:00Z", "2026-01-16T12:00:00Z", "2026-06-15T12:00:00Z")
    assert studio.split("pivot=month") == {"2026-03": 0, "2026-04": 0, "2026-05": 0, "2026-06": 1}
    assert studio.split("pivot=month&max_pivot_columns=1") == {"2026-06": 1}
    whole = studio.split("pivot=month&max_pivot_columns=12")
    assert list(whole.items()) == [
        ("2026-01", 2),
        ("2026-02", 0),
        ("2026-03", 0),
        ("2026-04", 0),
        ("2026-05", 0),
        ("2026-06", 1),
    ]
    assert studio.rows("columns=count&pivot=month&max_pivot_columns=1")[0]["count"] == 3
    # The oldest and the newest are of what matches.
    assert studio.split("pivot=month&event_start_lte=2026-02-01") == {"2026-01": 2}
    assert "count_by_period" not in studio.rows("columns=status&pivot=month")[0]


def test_dates_at_the_ends_of_time(studio: Studio) -> None:
    """Local days that no calendar has: the year 10000 in Berlin."""
    studio.inside.now = calendar.micros("9999-12-31T23:59:59.999999Z")
    studio.add("9999-12-31T23:59:59Z", "9999-11-30T12:00:00Z")
    query = "include_future=true&max_pivot_columns=2"
    assert studio.split(f"{query}&pivot=year") == {"9999": 1, "10000": 1}
    assert studio.split(f"{query}&pivot=month") == {"9999-12": 0, "10000-01": 1}
    assert studio.split(f"{query}&pivot=week") == {"9999-W51": 0, "9999-W52": 1}
    assert studio.rows(f"{query}&columns=status,count&pivot=year&sort=-count_by_period.10000")[0]["count"] == 2
    studio.add("0001-01-01T00:00:00Z", venue={"id": 1, "timezone": "America/New_York"})
    assert studio.split("event_start_lte=0001-02-01&pivot=year") == {"0000": 1}
    assert studio.split("event_start_lte=0001-02-01&pivot=month") == {"0000-12": 1}
    assert studio.rows("event_start_lte=0001-02-01&columns=day_of_week,count") == [
        {"day_of_week": "sunday", "count": 1}
    ]


def test_periods_as_rows_are_called_as_those_of_a_pivot(tmp_path: Path) -> None:
    """At a turn of the year, by the venue's clock, in their order; none for what has no attendance."""
    for week_start, weeks in (("monday", ["2020-W53", "2021-W01"]), ("sunday", ["2020-12-27", "2021-01-03"])):
        studio = Studio(tmp_path / week_start, week_start=week_start)
        studio.add("2021-01-04T12:00:00Z", "2021-01-10T12:00:00Z" if week_start == "monday" else "2021-01-09T12:00:00Z")
        studio.add("2020-12-31T22:59:00Z", "2020-12-31T23:00:00Z", "2021-01-01T12:00:00Z")
        studio.add("2020-12-31T23:00:00Z", venue={"id": 1, "timezone": "America/New_York"})
        for unit, wanted in (("week", weeks), ("month", ["2020-12", "2021-01"]), ("year", ["2020", "2021"])):
            rows = studio.rows(f"columns=event.start_{unit},count")
            found = {row["event"][f"start_{unit}"]: row["count"] for row in rows}
            assert (list(found), found) == (wanted, studio.split(f"pivot={unit}"))
            down = studio.rows(f"columns=event_start_{unit}&sort=-event.start_{unit}")
            assert [row["event"][f"start_{unit}"] for row in down] == wanted[::-1]
        days = studio.rows("columns=event.start_date,venue.id,count&sort=event.start_date&limit=2")
        assert days == [
            {"event": {"start_date": "2020-12-31"}, "venue": {"id": 1}, "count": 1},
            {"event": {"start_date": "2020-12-31"}, "venue": None, "count": 1},
        ]
        # The group of the published protocol has no more in it than before.
        assert studio.rows("columns=event&limit=1") == [{"event": {"start_time": "00:00"}}]
        studio.close()


def test_periods_as_rows_at_the_ends_of_time(studio: Studio) -> None:
    studio.inside.now = calendar.micros("9999-12-31T23:59:59.999999Z")
    studio.add("9999-12-31T23:59:59Z", "9999-12-30T12:00:00Z")
    studio.add("0001-01-01T00:00:00Z", venue={"id": 1, "timezone": "America/New_York"})
    columns = ",".join(f"event.start_{unit}" for unit in ("date", "week", "month", "year"))
    found = [tuple(row["event"].values()) for row in studio.rows(f"include_future=true&columns={columns}")]
    assert found == [
        ("0000-12-31", "0000-W52", "0000-12", "0000"),
        ("9999-12-30", "9999-W52", "9999-12", "9999"),
        ("10000-01-01", "9999-W52", "10000-01", "10000"),
    ]


def test_a_period_that_is_not_shown_counts_as_0(studio: Studio) -> None:
    """The address stays good when new rows push the period out, and its order becomes that of the attributes."""
    studio.add("2026-05-01T12:00:00Z", "2026-06-01T12:00:00Z", venue={"id": 1, "name": "B"})
    studio.add("2026-06-02T12:00:00Z", "2026-06-03T12:00:00Z", venue={"id": 2, "name": "A"})
    query = "columns=venue.name,count&pivot=month&max_pivot_columns=2&sort=-count_by_period.2026-05&limit=1"
    first = studio.ask(query)
    assert first.json["rows"][0]["venue"]["name"] == "B"
    second = studio.inside.as_(token(studio.store, 1)).follow(first.links["next"]).json
    assert second["rows"][0]["venue"]["name"] == "A"
    studio.add("2026-08-02T12:00:00Z", venue={"id": 2})
    assert studio.rows(query)[0]["venue"]["name"] == "A"
    assert not any("sorted" in header for header in studio.ask(query).json["column_headers"])
    assert studio.client.follow(first.links["next"]).status == 200


def test_other_periods_of_sort_are_explained(studio: Studio, tmp_path: Path) -> None:
    def fault(query: str, client: Asking = studio.client) -> str:
        answer = client.get(f"format=json&{query}", path=GROUPED)
        assert answer.error() == (400, "parameter_invalid", {"sort"})
        (text,) = answer.json["field_errors"]["sort"]
        return text

    month = "columns=status,count&pivot=month&sort=-count_by_period."
    for wrong in ("2026", "2026-W41", "2026-13", "Oct%202026", "", "2026-10-05", "26-10"):
        assert "is not a month, such as 2026-10." in fault(month + wrong)
    assert "'count_by_period.2026-10'" in fault(month.replace("-count", "count") + "02026-10")
    week = month.replace("month", "week")
    assert "'count_by_period.2026-W01'" in fault(week + "2025-W53")
    assert "a 'pivot' other than 'all'" in fault("columns=count&sort=count_by_period.2026")
    assert "with 'count' selected" in fault("columns=status&pivot=year&sort=count_by_period.2026")
    set_provider(studio.store, None, 1, {"week_start": "sunday"}, max_text=100)
    assert "begins on Sunday" in fault(week + "2026-W41")
    assert "'count_by_period.2026-10-04'" in fault(week + "2026-10-05")
    assert studio.ask(week + "2026-10-04").json["total"] == 0


def test_a_cursor_is_of_the_same_columns_only(studio: Studio) -> None:
    studio.add("2026-10-05T12:00:00Z", "2026-10-06T13:00:00Z", "2026-10-07T14:00:00Z")
    link = studio.ask("columns=day_of_week,count&limit=1").links["next"]
    assert studio.client.follow(link + "&limit=2").status == 400  # twice, with different values
    assert len(studio.client.follow(link.replace("limit=1", "limit=2")).json["rows"]) == 2
    for old, new in (
        ("day_of_week,count", "day_of_week"),
        ("day_of_week,count", "count,day_of_week"),
        ("day_of_week", "status"),
    ):
        assert studio.client.follow(link.replace(old, new)).error() == (400, "parameter_invalid", {"cursor"})
    flat = studio.client.get("limit=1&format=json").links["next"].partition("cursor=")[2]
    assert studio.client.get(f"columns=day_of_week&cursor={flat}", path=GROUPED).error()[2] == {"cursor"}


def test_another_zone_and_week_of_the_provider_hold_at_once(studio: Studio) -> None:
    """Answers that were kept are not given again."""
    studio.add("2026-10-05T22:30:00Z")
    assert [studio.rows("columns=day_of_week,event,count") for _ in range(2)] == [
        [{"day_of_week": "tuesday", "event": {"start_time": "00:30"}, "count": 1}]
    ] * 2
    set_provider(studio.store, None, 1, {"timezone": "Europe/London"}, max_text=100)
    assert studio.rows("columns=day_of_week,event,count") == [
        {"day_of_week": "monday", "event": {"start_time": "23:30"}, "count": 1}
    ]
    assert studio.split("pivot=week") == {"2026-W41": 1}
    set_provider(studio.store, None, 1, {"week_start": "tuesday"}, max_text=100)
    assert studio.split("pivot=week") == {"2026-09-29": 1}


def test_merges_move_events_and_venues(studio: Studio) -> None:
    studio.add("2026-10-05T17:30:00Z", venue={"id": 1, "timezone": "Asia/Tokyo"})
    studio.add("2026-10-05T18:30:00Z")
    assert [row["event"]["start_time"] for row in studio.rows("columns=event")] == ["02:30", "20:30"]
    other = {"id": 9, "updated_at": "2029-02-01T00:00:00Z", "customer": {"id": 1}, "status": "no_show"}
    studio.bring([{**other, "event": {"id": 2, "starts_at": "2026-10-05T18:30:00Z"}, "venue": {"id": 1}}])
    assert [(row["event"]["start_time"], row["count"]) for row in studio.rows("columns=event,count")] == [
        ("02:30", 1),
        ("03:30", 2),
    ]
    studio.bring(
        [
            {
                **other,
                "id": 10,
                "event": {"id": 3, "starts_at": "2026-10-06T18:30:00Z"},
                "venue": {"id": 1, "timezone": "UTC"},
            }
        ]
    )
    found = [(row["event"]["start_time"], row["count"]) for row in studio.rows("columns=event,count")]
    assert found == [("17:30", 1), ("18:30", 3)]


def test_who_is_forgotten_in_old_rows_makes_two_groups(studio: Studio) -> None:
    studio.add("2020-01-01T12:00:00Z", "2026-01-01T12:00:00Z", customer={"id": 5, "name": "Ann"})
    provider = studio.store.providers()[1]
    studio.store.persons.retain(provider, calendar.micros("2025-01-01T00:00:00Z"), at=LATER, go_on=lambda: True)
    assert studio.rows("columns=customer.id,customer.name,count") == [
        {"customer": {"id": 5, "name": "Ann"}, "count": 1},
        {"customer": {"id": 5, "name": None}, "count": 1},
    ]
    assert studio.rows("columns=customer.id,count") == [{"customer": {"id": 5}, "count": 2}]
    studio.store.persons.erase(provider, [5], at=LATER, by="test")
    assert studio.rows("columns=customer.name,count&sort=-count")[0] == {
        "customer": {"name": "(Deleted Customer)"},
        "count": 2,
    }


def test_the_future_is_left_out_unless_it_is_asked_for(studio: Studio) -> None:
    studio.add("2029-12-31T12:00:00Z", "2030-01-01T12:00:00Z")
    assert studio.rows("columns=count") == [{"count": 1}]
    assert studio.rows("columns=count&include_future=true") == [{"count": 2}]
    studio.inside.now = calendar.micros("2030-01-01T12:00:00Z")
    assert studio.rows("columns=count") == [{"count": 2}]


# Isolation: the same ids and names at two providers.


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Inside, dict[int, Truth]]]:
    store = new_store(tmp_path_factory.mktemp("house"))
    truths = {}
    for provider, zone in ZONES.items():
        add_provider(store, Tenant(provider, zone, "monday"))
        truths[provider] = Truth()
        if provider in SECRETS:
            truths[provider].take_all(_rows(provider))
            import_file(store, provider, _rows(provider))
    inside = Inside(store, NOW)
    yield inside, truths
    inside.close()
    store.close()


ASKED = [query for query in QUERIES if "columns" not in query and "sort" not in query]


@pytest.mark.parametrize("query", ASKED)
def test_every_parameter_counts_the_own_provider_alone(house: tuple[Inside, dict[int, Truth]], query: str) -> None:
    inside, _ = house
    for mine, theirs in ((1, 2), (2, 1)):
        client = inside.as_(token(inside.store, mine))
        for form, by in product(
            ("json", "csv"), ("customer,venue.name,count&pivot=week", "booking_source,day_of_week,count")
        ):
            answer = client.get(f"{query}&columns={by}&format={form}", path=GROUPED)
            assert answer.status == 200, answer.body
            for secret in (SECRETS[theirs], f"Hall {theirs}", f"App {theirs}"):
                assert secret.encode() not in answer.body
        # As many as the flat report has, whatever is asked.
        if "limit" not in query and "page" not in query:
            (found,) = client.get(f"{query}&columns=count&format=json", path=GROUPED).json["rows"] or [{"count": 0}]
            assert found["count"] == client.get(f"{query}&limit=0&format=json").json["total"]


@pytest.mark.parametrize("pivot", ["all", "year", "month", "week"])
@pytest.mark.parametrize(
    "names", [("count",), ("venue.name", "count"), ("customer", "status", "count"), ("day_of_week", "event")]
)
def test_an_instructor_counts_own_events(
    house: tuple[Inside, dict[int, Truth]], pivot: str, names: tuple[str, ...]
) -> None:
    """Groups, totals, counts and periods, be the token opaque or not; as the oracle has them."""
    inside, truths = house
    client = inside.as_(token(inside.store, 1, role="instructor_attendances", instructor=2))
    ask = GroupAsk(columns=names, pivot=pivot, instructor=2)
    wanted = groups.document(groups.answer(truths[1].flat(), ask, NOW, Tenant(1, ZONES[1], "monday")))
    pairs = {"columns": ",".join(names), "pivot": pivot, "format": "json"}
    assert client.get(pairs, path=GROUPED).json == wanted
    everyone = inside.as_(token(inside.store, 1)).get(f"{urlencode(pairs)}&instructors=2", path=GROUPED)
    assert everyone.json == wanted
    assert everyone.json["total"] > 0


def test_an_empty_provider_has_no_groups(house: tuple[Inside, dict[int, Truth]]) -> None:
    inside, _ = house
    client = inside.as_(token(inside.store, 3))
    answer = client.get("columns=customer,count&pivot=month&format=json", path=GROUPED)
    assert (answer.json["total"], answer.json["rows"], answer.links) == (0, [], {})


def test_a_cursor_of_one_is_an_error_at_the_other(house: tuple[Inside, dict[int, Truth]]) -> None:
    inside, _ = house
    one, two = (inside.as_(token(inside.store, provider)) for provider in (1, 2))
    query = "columns=customer.id,count&limit=2&format=json"
    link = one.get(query, path=GROUPED).links["next"]
    assert one.follow(link).status == 200
    assert two.follow(link).error() == (400, "parameter_invalid", {"cursor"})


def test_groups_put_together_are_the_flat_report(house: tuple[Inside, dict[int, Truth]]) -> None:
    """The counts of all groups add up to the total, for every choice of two attributes."""
    inside, truths = house
    client = inside.as_(token(inside.store, 1))
    total = len(report.matching(truths[1].flat(), GroupAsk(), NOW, Tenant(1, ZONES[1], "monday")))
    keys = [key for key in groups.LABEL if key != "count"]
    for one, other in product(keys, keys):
        if one < other:
            rows = client.get(f"columns={one},{other},count&limit=100&format=json", path=GROUPED).json["rows"]
            assert sum(row["count"] for row in rows) == total


def test_every_column_sorts_both_ways(house: tuple[Inside, dict[int, Truth]]) -> None:
    inside, truths = house
    client = inside.as_(token(inside.store, 2))
    tenant = Tenant(2, ZONES[2], "monday")
    for (name, key), down in product(groups.KEY_OF.items(), (False, True)):
        ask = GroupAsk(columns=("status", name, "count"), sort=((name, down),), limit=100)
        wanted = groups.document(groups.answer(truths[2].flat(), ask, NOW, tenant))
        pairs = {
            "columns": f"status,{name},count",
            "sort": ("-" if down else "") + name,
            "limit": 100,
            "format": "json",
        }
        assert client.get(pairs, path=GROUPED).json == wanted, key
