"""What a sync copies, and that nothing is lost or asked for in vain, whatever happens to the pages meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sync.published import COLUMNS, DOCUMENTED, START, TOKEN, attendance, text
from sync.sides import NOW, PROVIDER, there
from turnout.errors import TurnoutError
from turnout.sync.errors import SyncError
from turnout.sync.place import TYPES, Place, new_mark, new_state
from turnout.sync.target import StoreTarget, read_place

pytestmark = pytest.mark.any_store


def fill(service, rows: int, *, seconds: float = 60.0, first: int = 1) -> None:
    """Rows that changed one after the other, the greatest id last."""
    for id_ in range(first, first + rows):
        service.put(attendance(id_, START + timedelta(seconds=id_ * seconds)))


def test_everything_is_copied_once(service, here):
    fill(service, 430)
    place = here.sync(service)
    assert here.seen() == there(service)
    created, updated, unchanged = here.counts
    assert (created, updated) == (430, 0)
    assert unchanged < 40, "only the overlap is read again"
    assert place.as_of == NOW
    assert here.store.place(PROVIDER).as_of == NOW


def test_only_what_is_documented_is_asked_for(service, here):
    fill(service, 230)
    here.sync(service)
    fill(service, 400, seconds=0.001, first=1000)
    here.sync(service)
    assert {name for query in service.asked for name in query} <= DOCUMENTED
    for query in service.asked:
        assert set(query["columns"]) <= COLUMNS
        assert query["format"] == ["json"]
        assert query["include_future"] == ["true"]
        assert int(query["limit"][0]) <= 100
        assert "offset" not in query
        assert "page" not in query
    for headers in service.headers:
        assert headers["Authorization"] == f"Token {TOKEN}"
        assert headers["TeamUp-Provider-ID"] == "4711"
    assert {query["event_types"][0] for query in service.asked if "event_types" in query} == set(TYPES)


def test_the_next_sync_reads_what_changed(service, here):
    fill(service, 300)
    here.sync(service)
    late = START + timedelta(days=1)
    service.put(attendance(7, late, "attended"), attendance(301, late), attendance(302, late + timedelta(seconds=9)))
    before = len(service.asked)
    here.sync(service)
    assert here.seen() == there(service)
    assert here.counts[:2] == (2, 1)
    assert len(service.asked) - before <= 7


def test_nothing_new_changes_nothing_but_the_moment(service, here):
    fill(service, 20)
    here.sync(service)
    version = here.store.version(PROVIDER)
    here.sync(service)
    assert here.counts[:2] == (0, 0)
    assert here.store.version(PROVIDER) == version


@pytest.mark.parametrize("digits", [6, 3, 0], ids=["microseconds", "milliseconds", "seconds"])
@pytest.mark.parametrize("step", [0.0, 0.0001, 0.004], ids=["one moment", "dense", "a page in half a second"])
def test_more_rows_than_a_page_of_one_moment(service, here, digits, step):
    """They cannot be told apart by `updated_at`, least of all where the service shows less of it than it compares."""
    service.digits = digits
    fill(service, 3)
    here.sync(service)
    moment = START + timedelta(days=2)
    for n in range(450):
        service.put(attendance(10 * n + 1, moment + timedelta(seconds=n * step), "attended"))
    service.put(attendance(2, moment + timedelta(minutes=30), "no_show"))
    here.sync(service)
    assert set(here.seen()) == set(service.rows)
    assert {id_: row[1] for id_, row in here.seen().items()} == {i: row["status"] for i, row in service.rows.items()}


@pytest.mark.parametrize("seed", range(6))
def test_rows_that_shift_while_they_are_read(service, here, seed):
    """Each answer sees other data: rows change, come and go, on pages that were read and pages that were not."""
    fill(service, 500)
    clock = START + timedelta(days=3)

    def change(asked: int) -> None:
        nonlocal clock
        clock += timedelta(seconds=1)
        ids = sorted(service.rows)
        chosen = ids[(asked * 7919 + seed * 104729) % len(ids)]
        service.put(attendance(chosen, clock, "attended"))
        service.put(attendance(1000 + asked * 3 + seed, clock))
        if asked % 5 == seed % 5:
            service.remove(ids[(asked * 31) % len(ids)])

    service.on_request = change
    here.sync(service)
    service.on_request = lambda _: None
    here.sync(service)
    found, expected = here.seen(), there(service)
    assert {id_: found.get(id_) for id_ in expected} == expected
    here.sync(service)
    assert here.counts[:2] == (0, 0)


def test_a_change_that_is_seen_late_is_not_missed(service, here):
    """A transaction at the source may end minutes after the `updated_at` that it gives."""
    fill(service, 150)
    here.sync(service)
    newest = START + timedelta(seconds=150 * 60)
    service.put(attendance(1, newest + timedelta(minutes=20), "attended"))
    here.sync(service)
    service.put(attendance(2, newest + timedelta(minutes=11), "no_show"), attendance(900, newest))
    here.sync(service)
    assert here.seen() == there(service)


def test_a_stamp_in_the_future_hides_nothing(service, here):
    service.clock = START + timedelta(days=1)
    fill(service, 50)
    service.put(attendance(51, START + timedelta(days=400)))
    here.sync(service)
    service.put(attendance(3, START + timedelta(days=1, minutes=5), "attended"))
    service.clock = START + timedelta(days=1, minutes=10)
    here.sync(service)
    assert here.seen() == there(service)


@pytest.mark.parametrize(("behind", "as_of"), [(-60, 0), (0, 0), (60, -60)], ids=["ahead", "right", "behind"])
def test_the_data_is_never_said_to_be_fresher_than_it_is(service, here, behind, as_of):
    """The source dates rows rightly, and its clock is so many minutes behind."""
    now = datetime.fromtimestamp(NOW / 1_000_000, UTC)
    service.put(*(attendance(id_, now - timedelta(minutes=10 - id_)) for id_ in range(1, 11)))
    service.clock = now - timedelta(minutes=behind)
    assert here.sync(service).as_of == NOW + as_of * 60_000_000
    assert here.seen() == there(service)


@pytest.mark.parametrize("clock", [None, START], ids=["no Date", "a Date long ago"])
def test_a_source_without_a_good_clock(service, here, clock):
    service.clock = clock
    here.sync(service)
    fill(service, 130)
    here.sync(service)
    service.put(attendance(9, START + timedelta(days=1), "attended"))
    here.sync(service)
    assert here.seen() == there(service)


def test_a_sync_goes_on_where_it_was_stopped(service, here):
    fill(service, 900)
    stops = 0
    while True:
        service.faults.extend([None] * 6 + [("status", 403, {}, {"message": "Enough for now."})])
        try:
            here.sync(service)
            break
        except SyncError as error:
            assert "Enough for now" in str(error)
            stops += 1
    assert stops >= 2
    assert here.seen() == there(service)
    asked = [query["id_gt"][0] for query in service.asked if "id_gt" in query]
    assert asked.count("0") <= len(TYPES) + 1, "nothing begins anew, though one request that failed is made again"


def test_after_a_stop_in_the_sweep_the_data_is_of_now(service, here):
    fill(service, 120)
    here.sync(service)
    service.put(*(attendance(id_, START + timedelta(days=1, seconds=id_), "attended") for id_ in range(1, 121)))
    service.faults.extend([None] * 4 + [("status", 401, {}, None)])
    with pytest.raises(SyncError):
        here.sync(service)
    service.faults.clear()
    assert read_place(here.store.place(PROVIDER)).state.sweep is not None
    service.put(attendance(500, START + timedelta(days=2)))
    here.sync(service)
    assert here.seen() == there(service)


def test_full_reads_everything_again(service, here):
    fill(service, 250)
    here.sync(service)
    here.store.delete(here.target._provider, [3, 4])
    here.sync(service)
    assert len(here.seen()) == 248
    here.sync(service, full=True)
    assert here.seen() == there(service)


def test_another_source_is_refused_unless_everything_is_read(service, here):
    fill(service, 5)
    here.sync(service)
    with here.source(service) as other:
        other.provider = 12
        from turnout.sync.passes import Copy

        with pytest.raises(SyncError, match=r"provider 4711; now it is .* provider 12.*--full"):
            Copy(other, here.target).run()
        Copy(other, here.target).run(full=True)
    assert read_place(here.store.place(PROVIDER)).state.provider == 12


def test_rows_that_cannot_be_taken_are_named_and_the_others_copied(service, here):
    fill(service, 210)
    service.rows[30]["status"] = "asleep"
    service.rows[31]["customer"] = None
    place = here.sync(service)
    assert {(row.id, row.column) for row in here.last.copied.refused} == {(30, "status"), (31, "customer.id")}
    assert here.last.copied.refused_count == 2
    assert place.refused == (30, 31)
    assert set(here.seen()) == set(service.rows) - {30, 31}
    service.put(attendance(30, START + timedelta(days=1)))
    assert here.sync(service).refused == (31,)


def test_members_that_no_report_has_are_left_out(service, here):
    fill(service, 3)
    for row in service.rows.values():
        row["customer"]["favourite_colour"] = "green"

    def more(page):
        for row in page["rows"]:
            row["loyalty"] = {"points": 3}

    service.on_page = more
    here.sync(service)
    assert here.seen() == there(service)
    assert here.last.copied.unknown == {"customer.favourite_colour", "loyalty"}


def test_two_syncs_of_a_provider_do_not_both_go_on(service, here):
    fill(service, 250)
    begun = False

    def second(asked):
        nonlocal begun
        if asked == 3 and not begun:
            begun = True
            service.on_request = lambda _: None
            first = here.last
            here.sync(service)
            here.last = first

    service.on_request = second
    with pytest.raises(TurnoutError, match="Another sync of provider 1") as caught:
        here.sync(service)
    assert caught.value.code == "conflict"
    assert here.seen() == there(service)


def test_the_same_rows_and_place_again_are_welcome(service, here):
    """An answer that was lost on its way is asked for again."""
    target: StoreTarget = here.target
    fill(service, 2)
    place = here.sync(service)
    row = msgspec.Raw(msgspec.json.encode(attendance(9, START + timedelta(days=1))))
    from msgspec.structs import replace

    following = replace(place, mark="another")
    assert target.put([row], following, place.mark).created == 1
    again = target.put([row], following, place.mark)
    assert (again.created, again.unchanged) == (0, 1)


def test_a_place_that_is_not_understood_begins_nothing(service, here):
    fill(service, 2)
    here.sync(service)
    stored = here.store.place(PROVIDER)
    from dataclasses import replace

    from turnout.store.base import PlaceChange

    odd = PlaceChange(PROVIDER, stored.mark, replace(stored, mark="odd", document='{"version": 99}'))
    here.store.merge_together(here.target._provider, [[]], place=odd)
    with pytest.raises(SyncError, match=r"another version of Turnout.*--full"):
        here.sync(service)
    here.sync(service, full=True)


def test_the_place_outlives_the_store(service, here, tmp_path):
    fill(service, 40)
    here.sync(service)
    stored = here.store.place(PROVIDER)
    here.store.close()
    from inside import new_store

    here.store = new_store(tmp_path)
    assert here.store.place(PROVIDER) == stored
    assert text(START) < "2027"


def test_many_bad_rows_at_once_are_all_named(here):
    rows = [msgspec.Raw(msgspec.json.encode(attendance(id_, START, "asleep"))) for id_ in range(1, 151)]
    put = here.target.put(rows, Place(new_mark(), new_state("http://x", 1)), None)
    assert [row.id for row in put.refused] == list(range(1, 151))
    assert put.place.refused == tuple(range(1, 151))


def test_large_pages_are_put_in_parts(service, here, monkeypatch):
    """The place moves with the last part only: whatever stops it before that reads the page again."""
    monkeypatch.setattr("turnout.sync.passes.MOST_BYTES", 5_000)
    fill(service, 90)
    plain = StoreTarget.put
    puts = []

    def put(self, rows, place, follows):
        puts.append((len(rows), place.state.ids))
        if len(puts) == 3:
            raise TurnoutError("storage_unavailable", "The disk is full.")
        return plain(self, rows, place, follows)

    monkeypatch.setattr(StoreTarget, "put", put)
    with pytest.raises(TurnoutError, match="disk is full"):
        here.sync(service)
    assert all(0 < rows < 20 and set(ids.values()) == {0} for rows, ids in puts)
    assert len(here.seen()) == sum(rows for rows, _ in puts[:2])
    here.sync(service)
    assert here.seen() == there(service)


def test_a_row_of_no_reasonable_size_stops_the_sync(service, here):
    fill(service, 3)
    service.rows[2]["event"]["name"] = "x" * (1 << 20)
    with pytest.raises(SyncError, match=r"Row 2 of the source has 1,04\d,\d\d\d bytes; the most is 1,048,576"):
        here.sync(service)
