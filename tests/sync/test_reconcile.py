"""Comparing both sides: what is gone there goes here, what lacks here comes, and a source that shows little is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inside import import_file
from sync.published import START, attendance
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


def test_a_comparison_that_breaks_off_removes_nothing(service, here):
    fill(service, 230)
    here.sync(service)
    service.remove(1)
    service.faults.extend([None] * 7 + [("status", 403, {}, None)])
    with pytest.raises(SyncError):
        reconcile(here, service)
    assert 1 in here.seen()
