"""The demo data set: that it looks like a studio."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from demo_sets import DAY, column, local_starts, made, minutes, share, studio_set


@pytest.fixture(scope="module")
def studio() -> pa.Table:
    return studio_set()


@pytest.fixture(scope="module")
def local() -> np.ndarray:
    return local_starts()


def weekly(walls: np.ndarray, venue: np.ndarray, first: str, last: str) -> set[tuple[str, int, int]]:
    """The weekly slots (venue, weekday, minute) that have bookings from one day until another."""
    days = walls.astype("M8[D]")
    chosen = (days >= np.datetime64(first)) & (days < np.datetime64(last))
    weekday = (days.astype(int) + 3) % 7
    return set(zip(venue[chosen], weekday[chosen].tolist(), minutes(walls)[chosen].tolist(), strict=True))


@pytest.mark.parametrize("name", ["Altstadt", "London Shoreditch"])
def test_classes_keep_their_local_time_when_clocks_change(studio, local, name):
    here = pc.equal(pc.fill_null(studio["venue_name"], ""), name).to_numpy()
    venue = np.array(studio["venue_name"].to_pylist())[here]
    before, after = ("2026-03-01", "2026-03-29"), ("2026-03-29", "2026-04-26")
    utc = column(studio, "event_starts_at").astype("M8[us]")
    winter, summer = weekly(local[here], venue, *before), weekly(local[here], venue, *after)
    assert len(winter & summer) >= 0.7 * len(winter | summer) > 10
    shifted = {(venue, day, minute - 60) for venue, day, minute in weekly(utc[here], venue, *before)}
    moved = weekly(utc[here], venue, *after)
    assert len(shifted & moved) == len(winter & summer)


# --- a studio -----------------------------------------------------------------------------------------------------


def test_there_are_two_time_zones_and_online_events(studio):
    assert set(pc.unique(studio["venue_timezone"]).to_pylist()) == {"Europe/Berlin", "Europe/London", None}
    assert 0.02 < studio["venue_id"].null_count / len(studio) < 0.15
    assert set(pc.unique(made(2_000, zone="Europe/London")["venue_timezone"]).to_pylist()) == {
        "Europe/London", "America/New_York", None,
    }  # fmt: skip


def test_evenings_are_busy_and_nights_are_not(local):
    hour = minutes(local) // 60
    by_hour = np.bincount(hour, minlength=24) / len(hour)
    assert by_hour[17:20].sum() > 0.4
    assert by_hour[9] > by_hour[14]
    assert by_hour[:6].sum() + by_hour[22:].sum() == 0
    weekday = np.bincount((local.astype("M8[D]").astype(int) + 3) % 7, minlength=7)
    assert weekday[0] > weekday[4]
    assert weekday.min() > 0


def test_the_year_has_seasons(local):
    month = np.bincount(local[local >= np.datetime64("2025-01-01")].astype("M8[M]").astype(int) - 12 * 55)
    january, february, july, august, september, december = (month[n] for n in (0, 1, 6, 7, 8, 11))
    assert january > 1.1 * february
    assert february > august
    assert september > 1.1 * max(july, august)
    assert december < 0.8 * january
    assert not {"2024-12-25", "2025-01-01", "2025-12-24"} & set(local.astype("M8[D]").astype(str))


def test_outcomes_are_in_sensible_proportion(studio, local):
    status = np.array(studio["status"].to_pylist())
    parts = {name: share(status == name) for name in set(status)}
    assert 0.75 < parts["attended"] < 0.88
    assert 0.07 < parts["late_cancelled"] < 0.14
    assert 0.04 < parts["no_show"] < 0.09
    assert 0.01 < parts["registered"] < 0.05
    checked = pc.is_valid(studio["checkin_ocurred_at"]).to_numpy()
    assert 0.85 < share(checked[status == "attended"]) < 0.97
    month = local.astype("M8[M]").astype(int) % 12 + 1
    bleak = np.isin(month, (11, 12, 1, 2)) & (minutes(local) < 600)
    assert share((status == "no_show")[bleak]) > 1.3 * parts["no_show"]


def test_changes_are_noted_in_milliseconds_mostly(studio):
    updated = column(studio, "updated_at")
    assert 0.1 < share(updated % 1000 != 0) < 0.25
    assert share(updated % 1_000_000 == 0) > 0.02


def test_bookings_are_made_in_several_ways(studio):
    method = np.array(studio["booking_method"].to_pylist())
    paid = pc.is_valid(studio["customer_membership_id"]).to_numpy()
    assert np.array_equal(paid, method == "membership")
    assert 0.65 < share(paid) < 0.9
    assert 0.01 < share(method == "free") < 0.08
    source = Counter(studio["booking_source_name"].to_pylist())
    assert source[None] > 0.08 * len(studio)
    assert len(source) == 4
    marketplace = np.array(studio["booking_source_name"].to_pylist()) == "FitFinder Marketplace"
    assert share(marketplace[method == "dropin"]) > 5 * share(marketplace[method == "membership"])
    assert len(pc.unique(studio["membership_name"]).drop_null()) >= 8


def test_dropins_come_in_waves(studio, local):
    method = np.array(studio["booking_method"].to_pylist())
    month = local.astype("M8[M]").astype(int)
    by_month = np.bincount(month - month.min(), method == "dropin") / np.bincount(month - month.min())
    assert by_month[:-1].max() > 1.6 * np.median(by_month[:-1])


def test_appointments_are_for_one(studio):
    one_to_one = pc.equal(studio["event_type"], "appointment").to_numpy()
    assert 0.02 < share(one_to_one) < 0.1
    bookings = Counter(column(studio, "event_id")[one_to_one].tolist())
    assert set(bookings.values()) == {1}


def test_events_have_room_and_staff(studio):
    size = np.bincount(column(studio, "event_id"))
    assert size.max() <= 40
    assert 4 < size[size > 0].mean() < 15
    instructors = pc.list_value_length(studio["instructor_ids"]).to_numpy()
    assert set(instructors) == {0, 1, 2}
    assert share(instructors == 1) > 0.8
    pairs = [row for row in studio["instructor_ids"].to_pylist() if len(row) == 2]
    assert all(one["id"] != other["id"] for one, other in pairs)


def test_instructors_come_and_go(studio, local):
    years: dict[int, set[int]] = {}
    for row, year in zip(studio["instructor_ids"].to_pylist(), local.astype("M8[Y]").astype(int) + 1970, strict=True):
        years.setdefault(int(year), set()).update(person["id"] for person in row)
    first, last = years[min(years)], years[max(years)]
    assert first - last
    assert last - first


def test_members_lapse_and_some_return(studio, local):
    customer, day = column(studio, "customer_id"), local.astype("M8[D]").astype(int)
    order = np.lexsort((day, customer))
    customer, day = customer[order], day[order]
    _, first, count = np.unique(customer, return_index=True, return_counts=True)
    last = day[first + count - 1]
    regular = count >= 15
    assert regular.sum() > 300
    assert 0.4 < share(last[regular] < day.max() - 180) < 0.95
    gap = np.where(np.diff(customer) == 0, np.diff(day), 0)
    longest = np.maximum.reduceat(np.append(gap, 0), first)
    assert 0.05 < share(longest[regular] > 90) < 0.5
    assert share(count <= 2) > 0.2


def test_customers_change_and_renew_their_membership(studio):
    held: dict[int, dict[int, str]] = {}
    columns = (studio[n].to_pylist() for n in ("customer_id", "customer_membership_id", "membership_name"))
    for customer, instance, name in zip(*columns, strict=True):
        if instance is not None:
            held.setdefault(customer, {})[instance] = name
    changed = [len(set(instances.values())) > 1 for instances in held.values()]
    renewed = [len(set(instances.values())) < len(instances) for instances in held.values()]
    assert 0.2 < share(changed) < 0.7
    assert 0.05 < share(renewed) < 0.6


def test_people_have_names_of_many_kinds():
    few = made(2_000)
    known = dict(zip(few["customer_id"].to_pylist(), few["customer_name"].to_pylist(), strict=True))
    names = Counter(known.values())
    assert any(count > 1 for count in names.values())
    assert len(names) > 0.8 * len(known)
    letters = "".join(names)
    assert any(unicodedata.decomposition(letter) for letter in letters)
    assert len({unicodedata.name(letter).split()[0] for letter in letters if letter.isalpha()}) >= 3


def test_contact_details_are_missing_for_some(studio):
    emails = dict(zip(studio["customer_id"].to_pylist(), studio["customer_email"].to_pylist(), strict=True))
    given = [email for email in emails.values() if email]
    assert 0.04 < 1 - len(given) / len(emails) < 0.15
    assert len(set(given)) == len(given)
    assert all(email.isascii() and email.partition("@")[2].split(".")[-2] == "example" for email in given)
    assert 0.4 < studio["customer_thumbnail_url"].null_count / len(studio) < 0.7


def test_nobody_is_in_two_places(studio):
    customer, starts = column(studio, "customer_id"), column(studio, "event_starts_at")
    ends, event = column(studio, "event_ends_at"), column(studio, "event_id")
    assert len(np.unique(np.stack([event, customer]), axis=1).T) == len(studio)
    order = np.lexsort((starts, customer))
    overlap = (np.diff(customer[order]) == 0) & (starts[order][1:] < ends[order][:-1])
    assert share(overlap) < 0.003


@pytest.mark.parametrize(
    ("rows", "days", "people"), [(2_000, (200, 400), (80, 500)), (200_000, (1300, 1600), (5e3, 2e4))]
)
def test_a_set_grows_with_its_rows(rows, days, people):
    table = made(rows)
    day = column(table, "event_starts_at") // (DAY)
    assert days[0] < day.max() - day.min() < days[1]
    assert people[0] < len(np.unique(column(table, "customer_id"))) < people[1]
