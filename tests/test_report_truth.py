"""One truth for each named thing (sections 5 and 9): what reports say after any sequence of imports."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databases import examples
from inside import Inside, add_provider, import_file, new_store, token
from oracle import calendar, report
from oracle.columns import TABLE
from oracle.data import make
from oracle.judge import same_document
from oracle.report import Ask, Tenant
from oracle.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Asking
    from oracle.data import Row

pytestmark = pytest.mark.any_store


NOW = calendar.micros("2026-06-01T12:00:00Z")
EVERYTHING = Ask(columns=tuple(column.key for column in TABLE), sort=(("id", False),), include_future=True, limit=100)
QUERY = {
    "columns": ",".join(EVERYTHING.columns),
    "sort": "id",
    "include_future": "true",
    "limit": 100,
    "format": "json",
}


class Desk:
    """A store with as many providers as tests want, each empty at first, and the oracle's truth beside each."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.numbers = count(1)

    def provider(self) -> Pair:
        tenant = Tenant(next(self.numbers), "Europe/London", "monday")
        add_provider(self.inside.store, tenant)
        return Pair(tenant, self.inside, self.inside.as_(token(self.inside.store, tenant.id)))


class Pair:
    """One provider, in the store and in the oracle."""

    def __init__(self, tenant: Tenant, inside: Inside, client: Asking) -> None:
        self.tenant, self.inside, self.client = tenant, inside, client
        self.truth = Truth()

    def bring(self, *rows: Row) -> dict[str, int]:
        """Import one file into both, and compare the counts."""
        wanted = self.truth.take_all(list(rows))
        got = import_file(self.inside.store, self.tenant.id, rows)
        assert got == wanted
        return got

    def document(self) -> Any:
        return self.client.get(QUERY).json

    def agree(self) -> None:
        rows = report.all_rows(self.truth.flat(), EVERYTHING, NOW, self.tenant)
        same_document(self.document(), report.document(len(rows), rows[:100], EVERYTHING))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    store = new_store(tmp_path_factory.mktemp("desk"))
    inside = Inside(store, NOW)
    yield Desk(inside)
    inside.close()
    store.close()


# A world small enough for rows to meet again and again.
NAMES = st.sampled_from(("A", "B", "a", "", None))
STAMPS = st.sampled_from(tuple(f"2026-05-01T00:00:0{second}Z" for second in range(6)))
STARTS = st.sampled_from(tuple(f"2026-04-0{day}T10:00:00Z" for day in range(1, 5)))


def _optional(**members: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return members


def named(*, with_zone: bool = False) -> st.SearchStrategy[Row | None]:
    more = {"timezone": st.sampled_from(("Europe/London", "Asia/Tokyo", None))} if with_zone else {}
    return st.one_of(
        st.none(), st.fixed_dictionaries({"id": st.integers(1, 3)}, optional=_optional(name=NAMES, **more))
    )


def rows() -> st.SearchStrategy[Row]:
    """A row whose references all have ids."""
    people = st.fixed_dictionaries({"id": st.integers(1, 3)}, optional=_optional(name=NAMES))
    return st.fixed_dictionaries(
        {
            "id": st.integers(1, 4),
            "updated_at": STAMPS,
            "customer": st.fixed_dictionaries(
                {"id": st.integers(1, 2)}, optional=_optional(name=NAMES, email=NAMES, thumbnail_url=NAMES)
            ),
            "event": st.fixed_dictionaries(
                {"id": st.integers(1, 3), "starts_at": STARTS},
                optional=_optional(
                    name=NAMES, ends_at=st.one_of(st.none(), STARTS), type=st.sampled_from(("class", "appointment"))
                ),
            ),
            "status": st.sampled_from(("attended", "attended", "registered", "no_show")),
        },
        optional=_optional(
            offering_type=named(),
            venue=named(with_zone=True),
            instructors=st.one_of(st.none(), st.lists(people, max_size=3, unique_by=lambda one: one["id"])),
            booking_method=st.sampled_from(("membership", "dropin", None)),
            customer_membership=st.one_of(
                st.none(),
                st.fixed_dictionaries({"id": st.integers(1, 3)}, optional=_optional(membership=named())),
            ),
            booking_source=named(),
            checkin=st.one_of(st.none(), st.fixed_dictionaries({"ocurred_at": st.one_of(st.none(), STARTS)})),
            is_first_attendance=st.sampled_from((True, False, None)),
        ),
    )


@settings(max_examples=examples(60))
@given(st.lists(st.lists(rows(), min_size=1, max_size=4), min_size=1, max_size=3))
def test_any_sequence_of_imports(desk: Desk, files: list[list[Row]]) -> None:
    """Renames, moves, late and equal versions, versions that lack members, repeats in one file: counts and reports."""
    pair = desk.provider()
    for file in files:
        pair.bring(*file)
        pair.agree()


@settings(max_examples=examples(20))
@given(st.lists(rows(), min_size=2, max_size=5))
def test_how_rows_are_cut_into_files_does_not_matter(desk: Desk, file: list[Row]) -> None:
    """One file, or a file for each row: the same truth."""
    together, apart = desk.provider(), desk.provider()
    together.bring(*file)
    for row in file:
        apart.bring(row)
    same_document(together.document(), apart.document())


@settings(max_examples=examples(30))
@given(st.lists(rows(), min_size=1, max_size=8))
def test_the_same_file_twice_changes_nothing(desk: Desk, file: list[Row]) -> None:
    pair = desk.provider()
    pair.bring(*file)
    before = pair.document()
    assert pair.bring(*file)["unchanged"] == len(file)
    same_document(pair.document(), before)


@pytest.mark.parametrize("seed", range(4))
def test_an_export_can_be_imported_again_without_loss(desk: Desk, seed: int) -> None:
    """The JSON of one provider, with the extension columns, makes the same report at another, and changes nothing here."""
    pair, copy = desk.provider(), desk.provider()
    imports = make(pair.tenant.id, 200 + seed, 60, calendar.local(NOW, "UTC").date())
    for file in imports.files:
        pair.bring(*file)
    pair.agree()
    document = pair.document()
    assert import_file(copy.inside.store, copy.tenant.id, document["rows"])["created"] == document["total"]
    same_document(copy.document(), document)
    assert import_file(pair.inside.store, pair.tenant.id, document["rows"])["unchanged"] == document["total"]
    same_document(pair.document(), document)


# By hand, a sentence of the contract each.


def row(row_id: int, second: int, **members: Any) -> Row:
    """Row `row_id` of customer 1 at event 1, as of `second`, with members laid over it."""
    customer, event = members.pop("customer", {}), members.pop("event", {})
    return {
        "id": row_id,
        "updated_at": f"2026-05-01T00:00:{second:02}Z",
        "customer": {"id": 1, **customer},
        "event": {"id": 1, "starts_at": "2026-04-01T10:00:00Z", **event},
        "status": "attended",
        **members,
    }


def _column(pair: Pair, path: str) -> list[Any]:
    found = []
    for one in pair.document()["rows"]:
        value: Any = one
        for step in path.split("."):
            value = value and value[step]
        found.append(value)
    return found


@pytest.fixture
def pair(desk: Desk) -> Iterator[Pair]:
    """A provider for one test, compared with the oracle at its end."""
    made = desk.provider()
    yield made
    made.agree()


def test_renaming_a_customer_renames_them_everywhere(pair: Pair) -> None:
    pair.bring(row(1, 1, customer={"name": "Ann"}), row(2, 2, customer={"name": "Anna"}))
    assert _column(pair, "customer.name") == ["Anna", "Anna"]


def test_moving_an_event_moves_it_for_all_its_attendances(pair: Pair) -> None:
    pair.bring(row(1, 1), row(2, 1, customer={"id": 2}))
    pair.bring(row(1, 3, event={"starts_at": "2026-04-02T11:00:00Z"}))
    assert _column(pair, "event.starts_at") == ["2026-04-02T11:00:00Z"] * 2


def test_of_one_moment_the_greater_id_says_the_truth(pair: Pair) -> None:
    pair.bring(row(2, 1, customer={"name": "two"}), row(1, 1, customer={"name": "one"}))
    assert _column(pair, "customer.name") == ["two", "two"]


def test_an_older_version_that_arrives_late_is_ignored_whole(pair: Pair) -> None:
    pair.bring(row(1, 5, customer={"name": "new"}))
    assert pair.bring(row(1, 4, customer={"name": "old", "email": "old@example.org"}))["unchanged"] == 1
    assert _column(pair, "customer.email") == [None]


def test_an_older_row_of_another_id_still_says_what_nobody_newer_said(pair: Pair) -> None:
    pair.bring(row(1, 5, customer={"name": "new"}))
    pair.bring(row(2, 4, customer={"name": "old", "email": "old@example.org"}))
    assert _column(pair, "customer.name") == ["new", "new"]
    assert _column(pair, "customer.email") == ["old@example.org"] * 2


def test_a_replaced_version_goes_on_saying_what_only_it_said(pair: Pair) -> None:
    pair.bring(row(1, 1, customer={"name": "Ann"}, booking_method="free", venue={"id": 1, "name": "Hall"}))
    pair.bring(row(1, 2, customer={"id": 2}))
    pair.bring(row(2, 3))
    assert _column(pair, "customer.name") == [None, "Ann"]
    assert _column(pair, "booking_method") == ["free", None]
    assert _column(pair, "venue.name") == ["Hall", "Hall"]


def test_of_two_versions_of_one_moment_the_first_stays(pair: Pair) -> None:
    pair.bring(row(1, 1, status="attended"), row(1, 1, status="no_show"))
    assert _column(pair, "status") == ["attended"]


def test_versions_in_one_file_count_one_by_one(pair: Pair) -> None:
    assert pair.bring(row(1, 2), row(1, 1), row(1, 3), row(1, 3)) == {"created": 1, "updated": 1, "unchanged": 2}


def test_null_says_none_and_empty_text_is_null(pair: Pair) -> None:
    pair.bring(row(1, 1, customer={"name": "Ann", "email": "a@example.org"}, booking_source={"id": 1, "name": "App"}))
    pair.bring(row(1, 2, customer={"name": "", "email": None}, booking_source=None))
    assert _column(pair, "customer.name") == [None]
    assert _column(pair, "customer.email") == [None]
    assert _column(pair, "booking_source_id") == [None]


def test_null_names_of_things_say_none(pair: Pair) -> None:
    """Also where the things stand in a list."""
    named = {"id": 1, "name": "Known"}
    pair.bring(
        row(1, 1, venue=named, offering_type=named, booking_source=named, instructors=[named, {"id": 2, "name": "Bea"}])
    )
    nameless = {"id": 1, "name": None}
    people = [nameless, {"id": 2, "name": ""}]
    pair.bring(row(1, 2, venue=nameless, offering_type=nameless, booking_source=nameless, instructors=people))
    assert _column(pair, "venue") == [{"id": 1, "name": None}]
    assert _column(pair, "offering_type") == [{"id": 1, "name": None}]
    assert (_column(pair, "booking_source"), _column(pair, "booking_source_id")) == ([None], [1])
    assert _column(pair, "instructors") == [[{"id": 1, "name": None}, {"id": 2, "name": None}]]


def test_a_thing_without_a_name_says_nothing_of_it(pair: Pair) -> None:
    named, silent = {"id": 1, "name": "Known"}, {"id": 1}
    pair.bring(row(1, 1, venue=named, offering_type=named, booking_source=named, instructors=[named]))
    pair.bring(row(1, 2, venue=silent, offering_type=silent, booking_source_id=1, instructors=[silent]))
    assert _column(pair, "venue") == [named]
    assert _column(pair, "offering_type") == [named]
    assert _column(pair, "booking_source") == ["Known"]
    assert _column(pair, "instructors") == [[named]]


def test_an_event_is_a_class_where_nobody_said(pair: Pair) -> None:
    pair.bring(row(1, 1), row(2, 1, event={"id": 2, "type": "appointment"}))
    assert _column(pair, "event.type") == ["class", "appointment"]


def test_a_membership_that_is_not_known(pair: Pair) -> None:
    pair.bring(row(1, 1, customer_membership={"id": 5}), row(2, 1, customer_membership={"id": 6, "membership": None}))
    assert [one["customer_membership"] for one in pair.document()["rows"]] == [
        {"id": 5, "membership": None},
        {"id": 6, "membership": None},
    ]


def test_a_customer_membership_has_one_membership_everywhere(pair: Pair) -> None:
    pair.bring(row(1, 1, customer_membership={"id": 5, "membership": {"id": 1, "name": "Gold"}}))
    pair.bring(row(2, 2, customer_membership={"id": 5, "membership": {"id": 2, "name": "Silver"}}))
    assert _column(pair, "customer_membership.membership.name") == ["Silver", "Silver"]


def test_the_first_attendance_is_worked_out_and_stays_true(pair: Pair) -> None:
    pair.bring(row(1, 1, status="no_show"), row(3, 1, event={"id": 2, "starts_at": "2026-04-03T10:00:00Z"}))
    assert _column(pair, "is_first_attendance") == [False, True]
    pair.bring(row(2, 1, event={"id": 2, "starts_at": "2026-04-03T10:00:00Z"}))
    assert _column(pair, "is_first_attendance") == [False, True, False]
    pair.bring(row(1, 2, status="attended"))
    assert _column(pair, "is_first_attendance") == [True, False, False]
    pair.bring(row(4, 3, event={"id": 1, "starts_at": "2026-04-09T10:00:00Z"}, customer={"id": 2}))
    assert _column(pair, "is_first_attendance") == [False, True, False, True]
    pair.bring(row(2, 4, customer={"id": 2}, event={"id": 2, "starts_at": "2026-04-03T10:00:00Z"}))
    assert _column(pair, "is_first_attendance") == [False, True, True, False]


def test_a_first_attendance_that_was_given_stays(pair: Pair) -> None:
    pair.bring(row(1, 1, is_first_attendance=False), row(2, 1, is_first_attendance=None))
    assert _column(pair, "is_first_attendance") == [False, False]
    pair.bring(row(1, 2, is_first_attendance=None), row(2, 2, is_first_attendance=True))
    assert _column(pair, "is_first_attendance") == [False, True]


def test_a_name_without_an_id_is_the_known_thing_or_a_new_one(pair: Pair) -> None:
    """Exact text, smallest id; new ones get the largest id + 1, in the order of the file."""
    pair.bring(row(1, 1, venue={"id": 9, "name": "Hall"}), row(2, 1, event={"id": 2}, venue={"id": 7, "name": "Hall"}))
    pair.bring(
        row(3, 2, event={"id": 3}, venue={"name": "Hall"}),
        row(4, 2, event={"id": 4}, venue={"name": "hall"}),
        row(5, 2, event={"id": 5}, venue={"name": "Attic"}),
        row(6, 2, event={"id": 6}, venue={"name": "hall"}),
    )
    assert _column(pair, "venue.id") == [9, 7, 7, 10, 11, 10]


def test_all_things_that_may_come_by_name(pair: Pair) -> None:
    pair.bring(
        row(
            1, 1, offering_type={"name": "Yoga"}, instructors=[{"name": "Bea"}, {"name": "Al"}], booking_source="App",
            customer_membership={"id": 4, "membership": {"name": "Gold"}},
        ),
        row(2, 1, event={"id": 2}, instructors=[{"name": "Al"}], booking_source={"name": "App"}),
    )  # fmt: skip
    assert _column(pair, "offering_type") == [{"id": 1, "name": "Yoga"}, None]
    assert _column(pair, "instructors") == [
        [{"id": 2, "name": "Al"}, {"id": 1, "name": "Bea"}],
        [{"id": 2, "name": "Al"}],
    ]
    assert _column(pair, "booking_source_id") == [1, 1]
    assert _column(pair, "customer_membership.membership.id") == [1, None]


def test_a_row_that_is_ignored_makes_no_new_things(pair: Pair) -> None:
    pair.bring(row(1, 5))
    pair.bring(row(1, 4, venue={"name": "Ghost"}))
    pair.bring(row(2, 6, event={"id": 2}, venue={"name": "Real"}))
    assert _column(pair, "venue") == [None, {"id": 1, "name": "Real"}]


def test_a_name_that_nobody_bears_any_more_is_new(pair: Pair) -> None:
    pair.bring(row(1, 1, venue={"id": 1, "name": "Hall"}))
    pair.bring(row(1, 2, venue={"id": 1, "name": "Great Hall"}))
    pair.bring(row(2, 3, event={"id": 2}, venue={"name": "Hall"}))
    assert _column(pair, "venue.id") == [1, 2]


def test_texts_come_back_as_they_were(pair: Pair) -> None:
    """Nothing is trimmed, normalised or cut."""
    texts = [" x ", "\u200f", "e\u0301", "\u00e9", "\U0001f9d8", "\r\n", "\ufeff", "\\u0041", "x" * 10_000, "\uffff"]
    pair.bring(*(row(place + 1, 1, customer={"id": place + 1, "name": text}) for place, text in enumerate(texts)))
    assert _column(pair, "customer.name") == texts


def test_two_providers_do_not_share_things(desk: Desk) -> None:
    one, two = desk.provider(), desk.provider()
    one.bring(row(1, 1, customer={"name": "Ann"}, venue={"id": 5, "name": "Hall"}))
    two.bring(row(1, 1, venue={"name": "Hall"}))
    one.agree()
    two.agree()
    assert _column(two, "venue.id") == [1]


def test_every_text_of_a_document_is_utf8(desk: Desk) -> None:
    pair = desk.provider()
    pair.bring(row(1, 1, customer={"name": "Zoë \U0001f9d8"}))
    body = pair.client.get(QUERY).body
    assert json.loads(body.decode("utf-8"))["rows"][0]["customer"]["name"] == "Zoë \U0001f9d8"
