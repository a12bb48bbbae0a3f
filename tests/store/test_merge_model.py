"""The SQL of a merge against the plain model, on random data in small id spaces, complete rows and facts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import reduce
from itertools import count
from operator import or_
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases import examples
from store.look import facts, wide
from store.model import Model
from store.rows import Row, batches
from turnout.store.base import Merged, Provider
from turnout.store.duckdb import DuckStore
from turnout.store.staging import Naming, naming_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Namesakes under folding, ties by code point, and a blank.
TEXTS = st.sampled_from(["Ann", "ann", "Änn", "Bo", "\u212bsa", "Straße", " ", "Z"])
NAMES = st.none() | TEXTS
INSTANTS = st.integers(0, 6)
# Next to a change of clocks somewhere, to a midnight, or from before there were time zones.
MOMENTS = (
    *(1_774_746_000_000_000, 1_774_745_999_999_999, 1_793_509_199_999_999, 1_793_509_200_000_000),
    *(-5_364_662_400_000_000, 1_767_225_599_999_999, 0),
)
ZONES = st.sampled_from(["Europe/London", "America/New_York", "Asia/Kathmandu", "Europe/Amsterdam", "UTC"])
IDS = st.integers(1, 3)
REFERENCES = st.none() | IDS
PEOPLE = st.none() | st.lists(st.tuples(REFERENCES, NAMES).filter(lambda one: one != (None, None)), max_size=3)

NEEDED = {
    "id": st.integers(1, 5),
    "updated_at": st.integers(-3, 9),
    "customer_id": IDS,
    "event_id": IDS,
    "event_starts_at": INSTANTS,
    "status": st.sampled_from(["attended", "attended", "registered", "no_show", "late_cancelled"]),
}
MAYBE: dict[str, st.SearchStrategy[Any]] = {
    "booking_method": st.none() | st.sampled_from(["membership", "dropin", "free"]),
    "checkin_ocurred_at": st.none() | INSTANTS,
    "is_first_attendance": st.none() | st.booleans(),
    "customer_name": NAMES,
    "customer_email": NAMES,
    "customer_thumbnail_url": NAMES,
    "event_ends_at": st.none() | INSTANTS,
    "event_name": NAMES,
    "event_type": st.none() | st.sampled_from(["class", "appointment"]),
    "instructor_ids": PEOPLE,
    "venue_timezone": NAMES | ZONES,
    "customer_membership_id": REFERENCES,
}
# A reference and its name come together or alone; a name without its reference cannot be said.
NAMED = {kind: (f"{kind}_id", f"{kind}_name") for kind in ("offering_type", "venue", "membership", "booking_source")}


@st.composite
def rows(draw: st.DrawFn) -> Row:
    said = draw(st.fixed_dictionaries(NEEDED, optional=MAYBE))
    for reference, name in NAMED.values():
        shape = draw(st.sampled_from(["nothing", "id", "name", "both", "none"]))
        if shape != "nothing":
            said[reference] = draw(IDS) if shape in ("id", "both") else None
        if shape in ("name", "both", "none"):
            said[name] = None if shape == "none" else draw(TEXTS if shape == "name" else NAMES)
    if "venue_id" not in said:
        said.pop("venue_timezone", None)
    if said.get("instructor_ids") and draw(st.booleans()):
        said["instructor_name"] = None  # each name is stated: a null one says 'none'
    if said.get("customer_membership_id") is None:
        said.pop("membership_id", None)
        said.pop("membership_name", None)
    return said


def many_rows() -> st.SearchStrategy[list[Row]]:
    """Rows of one input: mostly more than there are ids, so that few cases meet much. A statement costs, not a row."""
    return st.lists(rows(), min_size=4, max_size=14) | st.lists(rows(), max_size=2)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckStore]:
    """One store for all examples: every example has two providers of its own."""
    with closing(DuckStore(tmp_path_factory.mktemp("model") / "turnout.duckdb", threads=2)) as store:
        yield store


_numbers = count(1)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=st.lists(st.tuples(st.integers(0, 1), many_rows()), min_size=1, max_size=4))
def test_any_merges_leave_what_the_model_says(shared: DuckStore, inputs: list[tuple[int, list[Row]]]) -> None:
    providers = [Provider(next(_numbers), "Studio", "UTC") for _ in range(2)]
    models = [Model(), Model()]
    for which, rows_in in inputs:
        expected = Merged(*models[which].merge(rows_in))
        assert shared.merge(providers[which], batches(rows_in), dry_run=True) == expected
        assert shared.merge(providers[which], batches(rows_in)) == expected
        assert wide(shared, providers[which]) == models[which].wide()
        assert facts(shared, providers[which]) == models[which].facts()
    for provider, model in zip(providers, models, strict=True):
        assert wide(shared, provider) == model.wide()


def at_moments(said: Row) -> Row:
    """The row with an event that starts when clocks matter."""
    return {**said, "event_starts_at": MOMENTS[said["event_starts_at"]]}


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(ZONES, many_rows().map(lambda some: [*map(at_moments, some)])), min_size=1, max_size=4))
def test_a_provider_that_changes_its_zone_leaves_what_the_model_says(
    shared: DuckStore, steps: list[tuple[str, list[Row]]]
) -> None:
    provider, model = Provider(next(_numbers), "Studio", "UTC"), Model()
    for zone, rows_in in steps:
        version = shared.version(provider.id)
        shared.put_provider(replace(provider, timezone=zone))
        before, model.zone = model.wide(), zone
        assert wide(shared, provider) == model.wide()
        assert (shared.version(provider.id) != version) or before == model.wide()
        # Who merges may still hold what the provider was: what counts is what it is.
        shared.merge(provider, batches(rows_in))
        model.merge(rows_in)
        assert wide(shared, provider) == model.wide()


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(many_rows(), st.lists(st.integers(1, 6), max_size=3)), min_size=1, max_size=3))
def test_rows_that_are_deleted_leave_what_the_model_says(
    shared: DuckStore, steps: list[tuple[list[Row], list[int]]]
) -> None:
    provider, other, model = Provider(next(_numbers), "S", "UTC"), Provider(next(_numbers), "O", "UTC"), Model()
    for rows_in, ids in steps:
        shared.merge(other, batches(rows_in))
        kept = wide(shared, other)
        shared.merge(provider, batches(rows_in))
        model.merge(rows_in)
        assert shared.delete(provider, ids) == model.delete(list(dict.fromkeys(ids)))
        assert wide(shared, provider) == model.wide()
        assert facts(shared, provider) == model.facts()
        assert wide(shared, other) == kept


def with_ids(row: Row) -> Row:
    """The row without names that have no id."""
    said = dict(row)
    for reference, name in NAMED.values():
        if name in said and said[reference] is None:
            del said[name]
    if said.get("instructor_ids"):
        said["instructor_ids"] = [(id_ or 1, name) for id_, name in said["instructor_ids"]]
    return said


# Not a part of them: a quarter did not see that of two names in one list the first stays.
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=st.lists(st.lists(rows().map(with_ids), max_size=5), min_size=1, max_size=5))
def test_inputs_that_are_merged_together_are_as_if_one_after_the_other(
    shared: DuckStore, inputs: list[list[Row]]
) -> None:
    provider, model = Provider(next(_numbers), "Studio", "UTC"), Model()
    expected = [Merged(*model.merge(rows_in)) for rows_in in inputs]
    assert shared.merge_together(provider, [batches(rows_in) for rows_in in inputs]) == tuple(expected)
    assert wide(shared, provider) == model.wide()
    assert facts(shared, provider) == model.facts()


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=st.lists(st.lists(rows(), min_size=1, max_size=2), min_size=2, max_size=4))
def test_inputs_that_may_be_merged_together_are_as_if_one_after_the_other(
    shared: DuckStore, inputs: list[list[Row]]
) -> None:
    """Whatever they name: those that follow each other and are independent of all before them in their group."""
    provider, model = Provider(next(_numbers), "Studio", "UTC"), Model()
    groups: list[tuple[Naming, list[list[Row]]]] = []
    for rows_in in inputs:
        naming = reduce(or_, map(naming_of, batches(rows_in)))
        if groups and naming.independent_of(groups[-1][0]):
            groups[-1] = (groups[-1][0] | naming, [*groups[-1][1], rows_in])
        else:
            groups.append((naming, [rows_in]))
    for _, group in groups:
        expected = [Merged(*model.merge(rows_in)) for rows_in in group]
        assert shared.merge_together(provider, [batches(rows_in) for rows_in in group]) == tuple(expected)
    assert wide(shared, provider) == model.wide()
    assert facts(shared, provider) == model.facts()


CUSTOMERS = st.lists(IDS, min_size=1, max_size=2)
FORGET = st.one_of(
    st.tuples(st.just("erase"), CUSTOMERS),
    st.tuples(st.just("restore"), CUSTOMERS),
    st.tuples(st.just("retain"), st.none() | INSTANTS),
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(st.tuples(many_rows(), st.lists(FORGET, max_size=2)), min_size=1, max_size=4),
    deleted=st.lists(st.integers(1, 6), max_size=2),
)
def test_customers_who_are_forgotten_leave_what_the_model_says(
    shared: DuckStore, steps: list[tuple[list[Row], list[tuple[str, Any]]]], deleted: list[int]
) -> None:
    provider, other, model = Provider(next(_numbers), "S", "UTC"), Provider(next(_numbers), "O", "UTC"), Model()
    for rows_in, forget in steps:
        shared.merge(other, batches(rows_in))
        kept = wide(shared, other)
        assert shared.merge(provider, batches(rows_in)) == Merged(*model.merge(rows_in))
        for what, given_ in forget:
            _forget(shared, provider, model, what, given_)
            assert wide(shared, provider) == model.wide()
            assert facts(shared, provider) == model.facts()
        shared.delete(provider, deleted)
        model.delete(deleted)
        assert wide(shared, provider) == model.wide()
        assert wide(shared, other) == kept


def _forget(store: DuckStore, provider: Provider, model: Model, what: str, given_: Any) -> None:
    """The same to the store and the model; customers who are not known cannot be erased."""
    if what == "retain":
        store.persons.retain(provider, given_, at=1, go_on=lambda: True)
        model.retain(given_)
    elif what == "restore":
        assert store.persons.restore(provider, given_) == len(model.erased & set(given_))
        model.restore(given_)
    elif known := [customer for customer in given_ if customer in model.things["customer"]]:
        store.persons.erase(provider, known, at=1, by="owner")
        model.erase(known)
