"""The rules of a merge, one by one (contract sections 5 and 9)."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cluster import new_database
from store.look import OTHER, STUDIO, ask, facts, wide
from store.rows import Row, at, batches, row
from turnout.catalog.text import fold
from turnout.catalog.types import MAX_ID
from turnout.errors import TurnoutError
from turnout.store.base import Merged, Provider
from turnout.store.duckdb import DuckStore
from turnout.store.postgres import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa


Store = DuckStore | PostgresStore


@pytest.fixture(params=["embedded", "postgres"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
    if request.param == "embedded":
        made: Store = DuckStore(path, threads=2)
    else:
        made = PostgresStore(new_database(request.getfixturevalue("postgres")), spilled=path)
    with closing(made):
        yield made


def merge(store: Store, *rows: Row, provider: Provider = STUDIO) -> Merged:
    return store.merge(provider, batches(list(rows)))


def seen(store: Store, member: str, provider: Provider = STUDIO) -> dict[int, Any]:
    """One column of the wide rows, by row id."""
    return {id_: values[member] for id_, values in sorted(wide(store, provider).items())}


def places(store: Store, of: str = "") -> dict[int, float]:
    """Where each row lies in the table: a row that is written anew lies elsewhere."""
    place = "rowid" if isinstance(store, DuckStore) else "(ctid::TEXT::POINT)[0] * 1000 + (ctid::TEXT::POINT)[1]"
    return dict(ask(store, f"SELECT id, {place} FROM attendances{of}", provider=STUDIO.id))


def test_a_newer_version_replaces(store: Store) -> None:
    assert merge(store, row(1, 10, status="registered")) == Merged(1, 0, 0)
    assert merge(store, row(1, 11, status="attended")) == Merged(0, 1, 0)
    assert seen(store, "status") == {1: "attended"}


@pytest.mark.parametrize("updated_at", [9, 10])
def test_an_equal_or_older_version_is_ignored_whole(store: Store, updated_at: int) -> None:
    merge(store, row(1, 10, customer_name="Ann"))
    late = row(1, updated_at, status="attended", customer_name="Bo", event_starts_at=5, customer_email="bo@example.org")
    assert merge(store, late) == Merged(0, 0, 1)
    assert seen(store, "status") == {1: "registered"}
    assert seen(store, "customer_name") == {1: "Ann"}
    assert seen(store, "customer_email") == {1: None}


def test_the_same_input_twice_changes_nothing(store: Store) -> None:
    rows = [row(id_, 10, customer_id=id_, instructor_ids=[(None, "Ann"), (id_, None)]) for id_ in (1, 2, 3)]
    merge(store, *rows)
    before, where = wide(store), places(store)
    assert merge(store, *rows) == Merged(0, 0, 3)
    assert (wide(store), places(store)) == (before, where)


def test_versions_of_one_row_in_one_input_count_one_after_another(store: Store) -> None:
    versions = [row(1, 10), row(1, 12, status="attended"), row(1, 11, status="no_show"), row(1, 12), row(1, 13)]
    assert merge(store, *versions) == Merged(1, 2, 2)
    assert seen(store, "updated_at") == {1: at(13)}
    assert merge(store, row(1, 14), row(1, 15), row(2, 1), row(2, 1)) == Merged(1, 2, 1)


def test_a_newer_version_keeps_what_it_does_not_have(store: Store) -> None:
    merge(store, row(1, 10, booking_method="free", checkin_ocurred_at=7, booking_source_id=3, customer_membership_id=4))
    merge(store, row(1, 11))
    (kept,) = wide(store).values()
    assert kept["booking_method"] == "free"
    assert kept["checkin_ocurred_at"] == at(7)
    assert kept["booking_source_id"] == 3
    assert kept["customer_membership_id"] == 4


def test_a_version_between_two_of_one_input_is_heard(store: Store) -> None:
    merge(
        store, row(1, 10, booking_method="free"), row(1, 11, booking_method="dropin", customer_name="Ann"), row(1, 12)
    )
    assert seen(store, "booking_method") == {1: "dropin"}
    assert seen(store, "customer_name") == {1: "Ann"}


def test_null_says_none(store: Store) -> None:
    merge(store, row(1, 10, booking_method="free", customer_name="Ann", venue_id=3, instructor_ids=[(1, "Di")]))
    merge(
        store, row(1, 11, booking_method=None, customer_name=None, venue_id=None, venue_name=None, instructor_ids=None)
    )
    (left,) = wide(store).values()
    assert left["booking_method"] is None
    assert left["customer_name"] is None
    assert left["venue_id"] is None
    assert left["instructor_ids"] == []


def test_renaming_a_customer_renames_every_row(store: Store) -> None:
    merge(store, row(1, 10, customer_name="Ann"), row(2, 11, customer_name="Ann"), row(3, 11, customer_id=2))
    merge(store, row(4, 12, customer_name="Änne", event_id=2))
    assert seen(store, "customer_name") == {1: "Änne", 2: "Änne", 3: None, 4: "Änne"}
    assert seen(store, "customer_name_folded") == {1: "anne", 2: "anne", 3: None, 4: "anne"}


@pytest.mark.parametrize(
    "text", ["".join(map(chr, range(128))), "ÀÉ\u0301 ﬁ ẞ İ \u03d2 Σς Å\u212b가 \U0001f9d8", "e\u0301" * 500]
)
def test_texts_are_kept_whole_and_folded(store: Store, text: str) -> None:
    if isinstance(store, PostgresStore):
        text = text.replace("\0", "")  # which no row may have, and PostgreSQL cannot hold
    merge(store, row(1, 10, customer_name=text, instructor_ids=[(1, text)]))
    (found,) = wide(store).values()
    assert (found["customer_name"], found["instructor_names"]) == (text, [text])
    assert found["customer_name_folded"] == fold(text)


def test_moving_an_event_moves_every_row(store: Store) -> None:
    merge(store, row(1, 10), row(2, 11))
    merge(store, row(3, 12, customer_id=2, event_starts_at=2_000, venue_name="Hall", venue_id=9))
    assert seen(store, "event_starts_at") == dict.fromkeys((1, 2, 3), at(2_000))
    assert seen(store, "venue_name") == dict.fromkeys((1, 2, 3), "Hall")


def test_of_one_moment_the_greater_row_id_is_heard(store: Store) -> None:
    merge(store, row(2, 10, customer_name="Two"), row(1, 10, customer_name="One"))
    merge(store, row(3, 10, customer_name="Three"))
    assert set(seen(store, "customer_name").values()) == {"Three"}


def test_a_late_row_says_only_what_is_not_known_better(store: Store) -> None:
    merge(store, row(1, 10, customer_name="Ann"))
    assert merge(store, row(2, 5, customer_name="Old", customer_email="ann@example.org")) == Merged(1, 0, 0)
    assert set(seen(store, "customer_name").values()) == {"Ann"}
    assert set(seen(store, "customer_email").values()) == {"ann@example.org"}


def test_what_a_replaced_version_said_remains_true(store: Store) -> None:
    merge(store, row(1, 10, customer_name="Ann"))
    merge(store, row(1, 20))
    merge(store, row(2, 5, customer_name="Old"))
    assert set(seen(store, "customer_name").values()) == {"Ann"}


def test_repeating_a_truth_makes_it_newer(store: Store) -> None:
    merge(store, row(1, 10, customer_name="Ann"))
    where = places(store)
    merge(store, row(2, 20, customer_name="Ann", event_id=2))
    assert places(store)[1] == where[1], "a row was written anew although nothing in it changed"
    merge(store, row(3, 15, customer_name="Late", event_id=3))
    assert set(seen(store, "customer_name").values()) == {"Ann"}


def test_a_rename_reaches_rows_through_other_things(store: Store) -> None:
    first = row(1, 10, offering_type_id=1, offering_type_name="Yoga", venue_id=2, venue_name="Hall")
    first |= {"customer_membership_id": 5, "membership_id": 6, "membership_name": "Gold"}
    merge(store, first, row(2, 9, customer_id=2), row(3, 9, event_id=3))
    second = row(4, 11, event_id=4, customer_id=4, offering_type_id=1, offering_type_name="Flow", venue_id=2)
    merge(
        store,
        second | {"venue_name": "Loft", "customer_membership_id": 7, "membership_id": 6, "membership_name": "Silver"},
    )
    rows = wide(store)
    assert [rows[id_]["offering_type_name"] for id_ in (1, 2, 3, 4)] == ["Flow", "Flow", None, "Flow"]
    assert [rows[id_]["venue_name"] for id_ in (1, 2, 3, 4)] == ["Loft", "Loft", None, "Loft"]
    assert [rows[id_]["membership_name"] for id_ in (1, 2, 3, 4)] == ["Silver", None, None, "Silver"]


def test_another_membership_of_a_customer_membership(store: Store) -> None:
    membership = {"customer_membership_id": 5, "membership_id": 6, "membership_name": "Gold"}
    merge(store, row(1, 10, **membership), row(2, 10, customer_membership_id=5))
    assert seen(store, "membership_name") == {1: "Gold", 2: "Gold"}
    merge(store, row(3, 11, **(membership | {"membership_id": 8, "membership_name": "Day"})))
    assert seen(store, "membership_id") == {1: 8, 2: 8, 3: 8}
    merge(store, row(4, 12, customer_membership_id=5, membership_id=None, membership_name=None))
    assert seen(store, "membership_name") == dict.fromkeys((1, 2, 3, 4))


def test_instructors_are_ordered_by_folded_name_name_and_id(store: Store) -> None:
    people = [(9, "bo"), (8, None), (7, "Änn"), (6, "Ann"), (5, "ann"), (4, "Ann"), (3, None), (9, "bo")]
    merge(store, row(1, 10, instructor_ids=people))
    (found,) = wide(store).values()
    assert found["instructor_ids"] == [4, 6, 5, 7, 9, 3, 8]
    assert found["instructor_names"] == ["Ann", "Ann", "ann", "Änn", "bo", None, None]


def test_a_renamed_instructor_is_renamed_and_reordered_everywhere(store: Store) -> None:
    merge(store, row(1, 10, instructor_ids=[(1, "Ann"), (2, "Bo")]), row(2, 10, event_id=2, instructor_ids=[(2, "Bo")]))
    merge(store, row(3, 11, event_id=3, instructor_ids=[(1, "Cy"), (2, None)]))
    assert seen(store, "instructor_names") == {1: ["Bo", "Cy"], 2: ["Bo"], 3: ["Bo", "Cy"]}
    assert seen(store, "instructor_ids") == {1: [2, 1], 2: [2], 3: [2, 1]}


def test_the_same_instructors_in_another_order_change_nothing(store: Store) -> None:
    merge(store, row(1, 10, instructor_ids=[(1, "Ann"), (2, "Bo")]), row(2, 10, event_id=2))
    where = places(store)
    merge(store, row(3, 11, customer_id=2, instructor_ids=[(2, "Bo"), (1, "Ann"), (1, "Ann")]))
    assert places(store)[1] == where[1]


def test_one_instructor_twice_in_a_list_keeps_the_first_name(store: Store) -> None:
    merge(store, row(1, 10, instructor_ids=[(1, None), (1, "First"), (1, "Second")]))
    assert seen(store, "instructor_names") == {1: ["First"]}


def test_a_null_name_in_a_list_says_none_where_the_row_states_names(store: Store) -> None:
    merge(store, row(1, 10, instructor_ids=[(1, "Ann"), (2, "Bo")]))
    merge(store, row(2, 11, event_id=2, instructor_ids=[(1, None), (2, "Bo")]))
    assert seen(store, "instructor_names") == {1: ["Ann", "Bo"], 2: ["Ann", "Bo"]}
    merge(store, row(3, 12, event_id=3, instructor_ids=[(1, None), (1, "Late"), (2, "Bo")], instructor_name=None))
    assert seen(store, "instructor_names") == {1: ["Bo", None], 2: ["Bo", None], 3: ["Bo", None]}


def test_a_name_without_id_is_the_known_one_with_the_smallest_id(store: Store) -> None:
    halls = [row(id_, 10, event_id=id_, venue_id=20 - id_, venue_name="Hall") for id_ in (1, 2)]
    merge(store, *halls)
    merge(store, row(3, 11, event_id=3, venue_id=None, venue_name="Hall"))
    assert seen(store, "venue_id") == {1: 19, 2: 18, 3: 18}


def test_names_are_compared_exactly(store: Store) -> None:
    merge(store, row(1, 10, booking_source_id=5, booking_source_name="Web"))
    merge(store, row(2, 10, booking_source_id=None, booking_source_name="web"))
    assert seen(store, "booking_source_id") == {1: 5, 2: 6}


def test_new_names_get_the_next_ids_in_the_order_of_the_input(store: Store) -> None:
    merge(store, row(9, 1, event_id=9, instructor_ids=[(40, None)]))
    first = row(1, 10, instructor_ids=[(None, "Zoe"), (None, "Ann"), (None, "Zoe")])
    merge(store, first, row(2, 9, event_id=2, instructor_ids=[(None, "Bo"), (None, "Ann")]))
    assert seen(store, "instructor_ids") == {1: [42, 41], 2: [42, 43], 9: [40]}


def test_names_resolve_after_the_input_has_said_what_it_says_with_ids(store: Store) -> None:
    merge(store, row(1, 10, venue_id=1, venue_name="Hall"))
    renamed = row(3, 12, event_id=3, venue_id=1, venue_name="Loft")
    merge(store, row(2, 11, event_id=2, venue_id=None, venue_name="Hall"), renamed)
    assert seen(store, "venue_id") == {1: 1, 2: 2, 3: 1}
    assert seen(store, "venue_name") == {1: "Loft", 2: "Hall", 3: "Loft"}


def test_a_resolved_row_says_the_name_too(store: Store) -> None:
    merge(store, row(1, 10, venue_id=1, venue_name="Hall"))
    merge(store, row(2, 20, event_id=2, venue_id=None, venue_name="Hall", venue_timezone="Asia/Tokyo"))
    merge(store, row(3, 15, event_id=3, venue_id=1, venue_name="Loft"))
    assert set(seen(store, "venue_name").values()) == {"Hall"}
    assert facts(store)["venue", 1, "venue_timezone"] == (20, 2, "Asia/Tokyo")


def test_ignored_rows_name_nothing(store: Store) -> None:
    merge(store, row(1, 10))
    merge(store, row(1, 9, venue_id=None, venue_name="Ghost", instructor_ids=[(None, "Ghost")]))
    merge(store, row(2, 10, event_id=2, venue_id=None, venue_name="Hall", instructor_ids=[(None, "Ann")]))
    assert seen(store, "venue_id")[2] == 1
    assert seen(store, "instructor_ids")[2] == [1]


def test_no_id_is_left_for_a_new_name(store: Store) -> None:
    merge(store, row(1, 10, venue_id=MAX_ID, venue_name="Last"))
    before = wide(store)
    with pytest.raises(TurnoutError, match="No id is left for a new venue") as caught:
        merge(store, row(2, 10, venue_id=None, venue_name="One more"))
    assert caught.value.code == "conflict"
    assert wide(store) == before


def test_the_greatest_ids_and_the_ends_of_time(store: Store) -> None:
    start, end = -62_135_596_800_000_000, 253_402_300_799_999_999
    merge(store, row(MAX_ID, end, customer_id=MAX_ID, customer_name="New", event_starts_at=start))
    merge(store, row(1, start, customer_id=MAX_ID, customer_name="Old", event_id=2, event_starts_at=end))
    assert set(seen(store, "customer_name").values()) == {"New"}
    assert seen(store, "event_starts_at") == {1: at(end), MAX_ID: at(start)}


def test_an_event_is_a_class_unless_said_otherwise(store: Store) -> None:
    merge(store, row(1, 10), row(2, 10, event_id=2, event_type="appointment"))
    assert seen(store, "event_type") == {1: "class", 2: "appointment"}
    where = places(store)
    merge(store, row(3, 11, event_type="class", customer_id=2))
    assert places(store)[1] == where[1], "a report shows the same as before"


def attended(row_id: int, updated_at: int, starts_at: int, **said: Any) -> Row:
    return row(row_id, updated_at, event_id=starts_at, event_starts_at=starts_at, **({"status": "attended"} | said))


def test_the_first_attendance_is_the_earliest_attended_event_then_the_smallest_id(store: Store) -> None:
    merge(
        store, attended(1, 10, 300), attended(4, 10, 200), attended(3, 10, 200), attended(2, 10, 100, status="no_show")
    )
    assert seen(store, "is_first_attendance") == {1: False, 2: False, 3: True, 4: False}


def test_the_first_attendance_follows_the_data(store: Store) -> None:
    merge(store, attended(1, 10, 300), attended(2, 10, 200))
    merge(store, attended(3, 10, 100))
    assert seen(store, "is_first_attendance") == {1: False, 2: False, 3: True}
    merge(store, attended(3, 11, 100, status="late_cancelled"))
    assert seen(store, "is_first_attendance") == {1: False, 2: True, 3: False}
    merge(store, attended(2, 11, 200, customer_id=2))
    assert seen(store, "is_first_attendance") == {1: True, 2: True, 3: False}
    # Another customer's row moves the event.
    merge(store, attended(4, 12, 300, customer_id=3) | {"event_starts_at": 50}, attended(5, 12, 60))
    assert seen(store, "is_first_attendance") == {1: True, 2: True, 3: False, 4: True, 5: False}
    merge(store, attended(6, 13, 300, customer_id=4) | {"event_starts_at": 70})
    assert seen(store, "is_first_attendance") == {1: False, 2: True, 3: False, 4: True, 5: True, 6: True}


def test_a_first_attendance_that_was_given_stays(store: Store) -> None:
    merge(store, attended(1, 10, 100, is_first_attendance=False), attended(2, 10, 200), attended(3, 10, 300))
    assert seen(store, "is_first_attendance") == {1: False, 2: False, 3: False}
    merge(store, attended(1, 11, 100), attended(3, 11, 300, is_first_attendance=True))
    merge(store, attended(1, 12, 100, is_first_attendance=None), attended(3, 12, 300, is_first_attendance=None))
    assert seen(store, "is_first_attendance") == {1: False, 2: False, 3: True}
    merge(store, attended(1, 13, 100, is_first_attendance=True))
    assert seen(store, "is_first_attendance") == {1: True, 2: False, 3: True}


def test_providers_with_the_same_ids_do_not_touch_each_other(store: Store) -> None:
    said = {"customer_name": "Ann", "venue_id": 1, "venue_name": "Hall", "instructor_ids": [(None, "Di")]}
    merge(store, attended(1, 10, 100, **said), attended(2, 10, 200, **said))
    before, where, known = wide(store), places(store), facts(store)
    other = {"customer_name": "Bo", "venue_id": None, "venue_name": "Loft", "instructor_ids": [(1, "Ed")]}
    counts = merge(store, attended(1, 20, 50, **other), attended(2, 5, 200, **other), provider=OTHER)
    assert counts == Merged(2, 0, 0)
    assert (wide(store), facts(store)) == (before, known)
    assert places(store, " WHERE provider_id = 1") == where
    assert seen(store, "customer_name", OTHER) == {1: "Bo", 2: "Bo"}
    assert seen(store, "venue_id", OTHER) == {1: 1, 2: 1}


def test_a_dry_run_counts_and_changes_nothing(store: Store) -> None:
    merge(store, row(1, 10, customer_name="Ann"))
    before, known = wide(store), facts(store)
    rows = [row(1, 11, customer_name="Bo"), row(1, 11), row(2, 1, venue_id=None, venue_name="Hall")]
    assert store.merge(STUDIO, batches(rows), dry_run=True) == Merged(1, 1, 1)
    assert (wide(store), facts(store)) == (before, known)
    assert merge(store, *rows) == Merged(1, 1, 1)


def test_an_input_that_breaks_off_changes_nothing(store: Store) -> None:
    merge(store, row(1, 10))
    before = wide(store)

    def breaking() -> Iterator[pa.RecordBatch]:
        yield from batches([row(id_, 11, customer_name="Bo") for id_ in range(1, 50)])
        raise LookupError("line 50 is bad")

    with pytest.raises(LookupError, match="line 50"):
        store.merge(STUDIO, breaking())
    assert wide(store) == before
    assert merge(store, row(1, 11)) == Merged(0, 1, 0)


@pytest.mark.parametrize("nothing", [[], [next(batches([row(1, 1)])).slice(0, 0)]], ids=["no batch", "an empty batch"])
def test_an_empty_input_is_no_error(store: Store, nothing: list[pa.RecordBatch]) -> None:
    assert store.merge(STUDIO, nothing) == Merged(0, 0, 0)


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
def test_more_rows_than_a_group_lie_in_the_order_of_the_table(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.store.schema.ROW_GROUP", 20)
    rows = [attended(id_, 10, 1_000 - id_ % 7, customer_id=id_) for id_ in range(1, 40)]
    merge(store, *rows)
    order = sorted(places(store), key=places(store).__getitem__)
    assert order == sorted(range(1, 40), key=lambda id_: (1_000 - id_ % 7, id_))
