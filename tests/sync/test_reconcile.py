"""Comparing both sides: what is gone there goes here, what lacks here comes, and a source that shows little is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inside import import_file
from sync.published import DOCUMENTED, START, attendance, type_of
from sync.sides import PROVIDER, there
from turnout.sync.errors import SyncError
from turnout.sync.passes import Copy
from turnout.sync.reconcile import MOST_REMOVED, check_share, compare, settle
from turnout.sync.target import Listed


def fill(service, rows: int = 230) -> None:
    service.put(*(attendance(id_, START + timedelta(minutes=id_)) for id_ in range(1, rows + 1)))


def reconcile(here, service, most: float = MOST_REMOVED) -> tuple[int, int]:
    """The rows that were gone, and those that lacked."""
    with here.source(service) as source:
        copy = Copy(source, here.target)
        copy.run()
        difference = compare(source, here.target)
        check_share(difference, most)
        assert settle(difference, copy, here.target) == len(difference.gone.ids)
    return len(difference.gone.ids), difference.lack


def test_both_sides_become_equal(service, here):
    fill(service)
    here.sync(service)
    service.remove(1, 2, 100, 229, 230)
    here.store.delete(here.target._provider, [3, 50, 51, 150])
    # A row that came to the source with an old `updated_at` and an old id is not among what changed.
    service.put(attendance(100, START))
    service.remove(100)
    assert reconcile(here, service) == (5, 4)
    assert here.seen() == there(service)
    assert reconcile(here, service) == (0, 0)


def test_rows_that_could_not_be_taken_are_tried_again(service, here):
    fill(service, 20)
    service.rows[7]["status"] = "asleep"
    here.sync(service)
    service.rows[7]["status"] = "attended"
    assert here.sync(service).refused == (7,)
    assert reconcile(here, service) == (0, 1)
    assert here.target.place().refused == ()
    assert here.seen() == there(service)


def test_refused_rows_that_are_gone_are_remembered_no_longer(service, here):
    fill(service, 230)
    for id_ in (*range(1, 121), 200, 201):
        service.rows[id_]["status"] = "asleep"
    place = here.sync(service)
    assert here.last.copied.refused_count >= 122
    assert set(place.refused) == {*range(1, 121), 200, 201}
    service.remove(200, *range(1, 60))
    assert reconcile(here, service) == (0, 62)
    assert sorted(here.target.place().refused) == [*range(60, 121), 201]


def test_more_than_a_share_is_refused(service, here):
    fill(service, 100)
    here.sync(service)
    service.remove(*range(1, 7))
    with pytest.raises(SyncError, match=r"6 of 100 rows \(6\.0%\) are gone .* more than the 5\.0%.*--max-removed"):
        reconcile(here, service)
    assert len(here.seen()) == 100
    assert reconcile(here, service, most=0.06) == (6, 0)
    service.remove(*range(7, 101))
    with pytest.raises(SyncError, match="nothing was removed"):
        reconcile(here, service, most=0.5)
    assert reconcile(here, service, most=1.0) == (94, 0)
    assert here.seen() == {}


def test_rows_that_come_after_the_reading_began_stay(service, here):
    fill(service, 30)
    here.sync(service)
    service.remove(30)
    with here.source(service) as source:
        target = here.target
        listing = target.listing

        def listed():
            yield from listing()
            row = attendance(999, START + timedelta(days=1))
            import_file(here.store, PROVIDER, [row])

        target.listing = listed
        found = compare(source, target)
    assert list(found.gone.ids) == [30]


def test_a_row_that_changed_since_it_was_listed_stays(service, here):
    fill(service, 30)
    here.sync(service)
    (part,) = here.target.listing()
    import_file(here.store, PROVIDER, [attendance(5, START + timedelta(days=9))])
    assert here.target.remove(Listed(part.ids[4:6], part.updated_at[4:6])) == 1
    assert 5 in here.seen()
    assert 6 not in here.seen()


def test_rows_whose_event_changes_its_type_while_it_is_read_stay(service, here):
    """First classes are read, then appointments: what becomes a class between them is in neither reading."""
    fill(service, 400)
    here.sync(service)
    service.remove(9, 310)
    seen = len(service.asked)
    moved = [id_ for id_, row in service.rows.items() if type_of(row) == "appointment"][:3:2]

    def flip(_: int) -> None:
        if service.asked[-1].get("event_types") == ["appointment"] and len(service.asked) > seen:
            service.put(*({**service.rows[id_], "event": {**service.rows[id_]["event"], "id": 2}} for id_ in moved))

    with here.source(service) as source:
        service.on_request = flip
        found = compare(source, here.target)
    assert list(found.gone.ids) == [9, 310]
    assert {type_of(service.rows[id_]) for id_ in moved} == {"class"}
    assert set().union(*service.asked[seen:]) <= DOCUMENTED


def test_a_second_look_that_fails_removes_nothing(service, here):
    fill(service, 30)
    here.sync(service)
    service.remove(1)

    def refuse(_: int) -> None:
        if "event_types" not in service.asked[-1] and service.asked[-1]["sort"] == ["id"]:
            service.faults.append(("status", 403, {}, None))

    service.on_request = refuse
    with pytest.raises(SyncError):
        reconcile(here, service)
    assert 1 in here.seen()


def test_a_comparison_that_breaks_off_removes_nothing(service, here):
    fill(service, 230)
    here.sync(service)
    service.remove(1)
    service.faults.extend([None] * 7 + [("status", 403, {}, None)])
    with pytest.raises(SyncError):
        reconcile(here, service)
    assert 1 in here.seen()
