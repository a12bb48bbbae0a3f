"""What one JSON row states, and everything that can be wrong with one (contract sections 5 and 9)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ingest_rows import FULL, NEEDED, SAID_BY_NEEDED, Limits, bad, ndjson, one, read

from turnout.ingest.faults import MOST_FAULTS

AN_ID = "an integer from 1 to 9223372036854775807 is expected."


def states(**members: Any) -> dict[str, Any]:
    """What a row with just these members, beside the needed ones, states beside those."""
    said = one({**NEEDED, **members})
    assert said.items() >= SAID_BY_NEEDED.items()
    return {name: value for name, value in said.items() if name not in SAID_BY_NEEDED}


def with_(group: str, **members: Any) -> dict[str, Any]:
    return {group: {**NEEDED[group], **members}}


def test_the_needed_members_are_enough() -> None:
    assert one(NEEDED) == SAID_BY_NEEDED


def test_a_full_row_states_all() -> None:
    assert one(FULL) == {
        **SAID_BY_NEEDED,
        "booking_method": "membership",
        "customer_membership_id": 61,
        "booking_source_id": 81,
        "checkin_ocurred_at": 1_790_841_300_000_001,
        "is_first_attendance": False,
        "customer_name": "Zoë Ångström",
        "customer_email": "zoe@example.org",
        "customer_thumbnail_url": "https://x.example/z",
        "event_ends_at": 1_790_845_200_000_000,
        "event_name": "Yoga",
        "event_type": "class",
        "offering_type_id": 31,
        "venue_id": 41,
        "instructor_ids": [{"id": 51, "name": "Anna"}, {"id": 52, "name": "Bo"}],
        "offering_type_name": "Yoga, slow",
        "venue_name": "Hall",
        "venue_timezone": "Europe/Berlin",
        "instructor_name": "every",
        "membership_id": 71,
        "membership_name": 'The "Gold" one',
        "booking_source_name": "App",
    }


@pytest.mark.parametrize(
    ("members", "said"),
    [
        # A member that is absent says nothing; null and empty text say 'none'.
        (with_("customer", name=None, email=""), {"customer_name": None, "customer_email": None}),
        (
            with_("event", ends_at=None, name="", type=None),
            dict.fromkeys(["event_ends_at", "event_name", "event_type"]),
        ),
        ({"booking_method": None}, {"booking_method": None}),
        ({"booking_method": ""}, {"booking_method": None}),
        (with_("event", ends_at=""), {"event_ends_at": None}),
        (with_("customer", name="  "), {"customer_name": "  "}),
        # A thing: absent, none, empty, by id, by name.
        ({"venue": None}, {"venue_id": None}),
        ({"venue": {}}, {}),
        ({"venue": {"id": 5}}, {"venue_id": 5}),
        ({"venue": {"id": 5, "name": None}}, {"venue_id": 5, "venue_name": None}),
        ({"venue": {"name": "X"}}, {"venue_id": None, "venue_name": "X"}),
        ({"venue": {"id": None, "name": "X"}}, {"venue_id": None, "venue_name": "X"}),
        ({"venue": {"id": None, "name": None}}, {"venue_id": None}),
        ({"venue": {"name": None}}, {"venue_id": None}),
        ({"venue": {"name": ""}}, {"venue_id": None}),
        ({"venue": {"id": None}}, {"venue_id": None}),
        ({"venue": {"timezone": None}}, {}),
        ({"venue": {"id": None, "name": None, "timezone": None}}, {"venue_id": None}),
        ({"venue": {"id": 5, "timezone": "UTC"}}, {"venue_id": 5, "venue_timezone": "UTC"}),
        ({"venue": {"name": "X", "timezone": None}}, {"venue_id": None, "venue_name": "X", "venue_timezone": None}),
        ({"offering_type": {"name": "X"}}, {"offering_type_id": None, "offering_type_name": "X"}),
        # A customer's membership, and what it is one of.
        ({"customer_membership": None}, {"customer_membership_id": None}),
        ({"customer_membership": {}}, {}),
        ({"customer_membership": {"id": 5}}, {"customer_membership_id": 5}),
        ({"customer_membership": {"id": 5, "membership": None}}, {"customer_membership_id": 5, "membership_id": None}),
        ({"customer_membership": {"id": 5, "membership": {}}}, {"customer_membership_id": 5}),
        (
            {"customer_membership": {"id": 5, "membership": {"name": "Gold"}}},
            {"customer_membership_id": 5, "membership_id": None, "membership_name": "Gold"},
        ),
        ({"customer_membership": {"id": None, "membership": {"id": None}}}, {"customer_membership_id": None}),
        ({"customer_membership": {"membership": None}}, {}),
        # A booking source: as text, as an object, and with its id beside it.
        ({"booking_source": "App"}, {"booking_source_id": None, "booking_source_name": "App"}),
        ({"booking_source": None}, {"booking_source_id": None}),
        ({"booking_source": ""}, {"booking_source_id": None}),
        ({"booking_source": {}}, {}),
        ({"booking_source": {"id": 5, "name": "App"}}, {"booking_source_id": 5, "booking_source_name": "App"}),
        ({"booking_source": {"id": 5}}, {"booking_source_id": 5}),
        ({"booking_source": {"name": "App"}}, {"booking_source_id": None, "booking_source_name": "App"}),
        ({"booking_source_id": 5}, {"booking_source_id": 5}),
        ({"booking_source_id": None}, {"booking_source_id": None}),
        ({"booking_source": "App", "booking_source_id": 5}, {"booking_source_id": 5, "booking_source_name": "App"}),
        ({"booking_source": None, "booking_source_id": 5}, {"booking_source_id": 5, "booking_source_name": None}),
        ({"booking_source": {"id": 5}, "booking_source_id": 5}, {"booking_source_id": 5}),
        ({"booking_source": {"id": 5}, "booking_source_id": None}, {"booking_source_id": 5}),
        ({"booking_source": {"id": None}, "booking_source_id": 5}, {"booking_source_id": 5}),
        # Instructors.
        ({"instructors": None}, {"instructor_ids": None}),
        ({"instructors": []}, {"instructor_ids": None}),
        ({"instructors": [{"id": 5}]}, {"instructor_ids": [{"id": 5, "name": None}]}),
        (
            {"instructors": [{"name": "A"}, {"id": 6, "name": "B"}]},
            {"instructor_ids": [{"id": None, "name": "A"}, {"id": 6, "name": "B"}], "instructor_name": "every"},
        ),
        (
            {"instructors": [{"id": 5, "name": ""}]},
            {"instructor_ids": [{"id": 5, "name": ""}], "instructor_name": "every"},
        ),
        (
            {"instructors": [{"id": 5, "name": None}, {"id": 6}]},
            {"instructor_ids": [{"id": 5, "name": ""}, {"id": 6, "name": None}]},
        ),
        (
            {"instructors": [{"id": 5}, {"id": 6, "name": "B"}]},
            {"instructor_ids": [{"id": 5, "name": None}, {"id": 6, "name": "B"}]},
        ),
        # Check-in, and the first attendance, whose null counts as missing.
        ({"checkin": None}, {"checkin_ocurred_at": None}),
        ({"checkin": {"ocurred_at": None}}, {"checkin_ocurred_at": None}),
        ({"checkin": {}}, {}),
        ({"is_first_attendance": None}, {}),
        ({"is_first_attendance": True}, {"is_first_attendance": True}),
    ],
    ids=json.dumps,
)
def test_what_members_state(members: dict[str, Any], said: dict[str, Any]) -> None:
    assert states(**members) == said


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-01T08:00:00Z", 1_790_841_600_000_000),
        ("2026-10-01T08:00:00.5Z", 1_790_841_600_500_000),
        ("2026-10-01 10:00+02:00", 1_790_841_600_000_000),
        ("2026-10-01t08:00:00.1234569z", 1_790_841_600_123_456),
        # Without an offset it is local to the provider, here Berlin; a skipped time moves, a repeated one is the first.
        ("2026-10-01T10:00:00", 1_790_841_600_000_000),
        ("2026-03-29T02:30:00", 1_774_747_800_000_000),
        ("2026-10-25T02:30:00", 1_792_888_200_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_date_times(text: str, instant: int) -> None:
    assert one({**NEEDED, "updated_at": text})["updated_at"] == instant


def test_an_event_may_end_before_it_starts() -> None:
    early = "2020-01-01T00:00:00Z"
    assert states(**with_("event", ends_at=early)) == {"event_ends_at": 1_577_836_800_000_000}


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        # Needed, and missing.
        ({"id": None}, "id", f"missing; {AN_ID}"),
        ({"updated_at": ""}, "updated_at", "missing; a date-time is expected, such as 2026-10-01T10:00:00Z."),
        ({"customer": None}, "customer.id", f"missing; {AN_ID}"),
        ({"customer": {}}, "customer.id", f"missing; {AN_ID}"),
        ({"event": {"starts_at": NEEDED["updated_at"]}}, "event.id", f"missing; {AN_ID}"),
        ({"event": {"id": 5, "starts_at": None}}, "event.starts_at", "missing; a date-time is expected, such as 2026-10-01T10:00:00Z."),
        ({"status": ""}, "status", "missing; one of these is expected: attended, late_cancelled, no_show, registered."),
        # Ids.
        ({"id": 0}, "id", f"found the number 0; {AN_ID}"),
        ({"id": -5}, "id", f"found the number -5; {AN_ID}"),
        ({"id": 2**63}, "id", f"found the number 9223372036854775808; {AN_ID}"),
        ({"id": 5.0}, "id", f"found the number 5.0; {AN_ID} Did you mean 5?"),
        ({"id": 5.5}, "id", f"found the number 5.5; {AN_ID}"),
        ({"id": True}, "id", f"found true; {AN_ID}"),
        ({"id": "5"}, "id", f"found the text '5'; {AN_ID} Did you mean 5, without quotes?"),
        ({"id": "five"}, "id", f"found the text 'five'; {AN_ID}"),
        ({"id": [5]}, "id", f"found a list; {AN_ID}"),
        ({"venue": {"id": {}}}, "venue.id", f"found an object; {AN_ID}"),
        # Texts.
        ({"customer": {"id": 1, "name": 5}}, "customer.name", "found the number 5; a text is expected."),
        ({"customer": {"id": 1, "name": "a\0"}}, "customer.name", "'a\\x00' has a NUL character, which no text may have."),
        ({"customer": {"id": 1, "name": "\udc00"}}, "customer.name", "'\\udc00' has half a surrogate pair, which is no character."),
        ({"customer": {"id": 1, "name": "x" * 10_001}}, "customer.name", f"'{'x' * 80}…' has 10001 characters; the most is 10000."),
        # Choices, date-times, booleans.
        ({"status": "Attended"}, "status", "'Attended' is not one of the choices: attended, late_cancelled, no_show, registered. Did you mean 'attended'?"),
        ({"status": 5}, "status", "found the number 5; one of these is expected: attended, late_cancelled, no_show, registered."),
        ({"booking_method": "drop-in"}, "booking_method", "'drop-in' is not one of the choices: dropin, free, membership. Did you mean 'dropin'?"),
        ({"updated_at": "2026-02-30T00:00:00Z"}, "updated_at", "'2026-02-30T00:00:00Z' is not a date-time: there is no day 2026-02-30."),
        ({"updated_at": 1_790_841_600}, "updated_at", "found the number 1790841600; a date-time is expected, such as 2026-10-01T10:00:00Z."),
        ({"updated_at": "0001-01-01T00:00:00+00:01"}, "updated_at", "'0001-01-01T00:00:00+00:01' is outside the years 1 to 9999 in UTC."),
        ({"updated_at": "9999-12-31T23:59:59-00:01"}, "updated_at", "'9999-12-31T23:59:59-00:01' is outside the years 1 to 9999 in UTC."),
        ({"is_first_attendance": "true"}, "is_first_attendance", "found the text 'true'; true or false is expected. Did you mean true, without quotes?"),
        ({"is_first_attendance": 1}, "is_first_attendance", "found the number 1; true or false is expected."),
        ({"status": "x" * 1_000_000}, "status", f"'{'x' * 80}…' is not one of the choices: attended, late_cancelled, no_show, registered."),
        # Zones.
        ({"venue": {"id": 5, "timezone": "europe/berlin"}}, "venue.timezone", "'europe/berlin' is not an IANA time zone, such as 'Europe/Berlin'. Did you mean 'Europe/Berlin'?"),
        # Members that do not exist.
        ({"custmer": 5}, "custmer", "'custmer' is not a member of a row. Did you mean 'customer'?"),
        ({"customer": {"id": 1, "emial": 5}}, "customer.emial", "'emial' is not a member of 'customer'. Did you mean 'email'?"),
        ({"customer_name": "Zoë"}, "customer_name", "'customer_name' is not a member of a row. Did you mean 'customer.name', as in {\"customer\": {\"name\": ...}}?"),
        ({"customer.id": 5}, "customer.id", "'customer.id' is not a member of a row: members are nested, as in {\"customer\": {\"id\": ...}}."),
        ({"checkin": {"at": None}}, "checkin.at", "'at' is not a member of 'checkin'. The members are: ocurred_at."),
        # Objects and lists.
        ({"customer": 5}, "customer", "found the number 5; an object is expected: id, name, email, thumbnail_url."),
        ({"venue": []}, "venue", "found a list; an object is expected: id, name, timezone."),
        ({"instructors": {"id": 5}}, "instructors", "found an object; a list of {id, name} is expected."),
        ({"instructors": "Anna"}, "instructors", "found the text 'Anna'; a list of {id, name} is expected."),
        ({"instructors": [{"id": 1}, {}, None, {"role": 1}, {"id": 0}]}, "instructors", f"element 2: an id or a name is needed. element 3: found null; an object {{id, name}} is expected. element 4: 'role' is not one of its members: id, name. element 5: found the number 0; {AN_ID}"),
        ({"booking_source": {"id": 1, "nme": "x"}}, "booking_source", "'nme' is not one of its members: id, name. Did you mean 'name'?"),
        ({"booking_source": 5}, "booking_source", "found the number 5; a text or an object {id, name} is expected."),
        ({"booking_source": {"name": 5}}, "booking_source", "found the number 5 as the name; a text is expected."),
        # What belongs to nothing, and what contradicts itself.
        ({"venue": {"timezone": "UTC"}}, "venue.timezone", "'UTC' belongs to nothing: venue.id or venue.name is needed with it."),
        ({"venue": {"id": None, "name": "", "timezone": "UTC"}}, "venue.timezone", "'UTC' belongs to nothing: venue.id or venue.name is needed with it."),
        ({"customer_membership": {"membership": {"id": 5}}}, "customer_membership.membership.id", "5 belongs to nothing: customer_membership.id is needed with it."),
        ({"customer_membership": {"membership": {"name": "Gold"}}}, "customer_membership.membership.name", "'Gold' belongs to nothing: customer_membership.id is needed with it."),
        ({"booking_source": {"id": 5}, "booking_source_id": 6}, "booking_source", "the id 5 contradicts 'booking_source_id', which is 6."),
    ],
    ids=lambda value: json.dumps(value)[:60],
)  # fmt: skip
def test_faults(change: dict[str, Any], column: str, reason: str) -> None:
    assert bad({**NEEDED, **change}) == [(column, reason)]


def test_all_faults_of_a_row_are_listed() -> None:
    row = {
        "id": "x",
        "updated_at": "then",
        "event": {"id": 5, "nme": 1},
        "customer": {"id": 0, "name": "\0"},
        "venue": {"timezone": "UTC"},
    }
    assert sorted(column for column, _ in bad(row)) == [
        "customer.id", "customer.name", "event.nme", "event.starts_at", "id", "status", "updated_at", "venue.timezone",
    ]  # fmt: skip


def test_a_fault_is_told_once() -> None:
    """A thing whose id is wrong is not also missing, and what hangs on it does not hang on nothing."""
    row = {
        **NEEDED,
        "customer": 5,
        "venue": {"id": 0, "timezone": "UTC"},
        "customer_membership": {"id": "x", "membership": {"id": 1}},
    }
    assert [column for column, _ in bad(row)] == ["customer", "customer_membership.id", "venue.id"]


def test_very_many_faults_are_cut() -> None:
    faults = bad({**NEEDED, **{f"unknown{n}": n for n in range(5_000)}})
    assert len(faults) == MOST_FAULTS + 1
    assert faults[-1] == ("", f"there are {5_000 - MOST_FAULTS} more faults.")


def test_the_longest_text_is_a_parameter() -> None:
    row = {**NEEDED, "customer": {"id": 1, "name": "ééééé"}}
    assert read(ndjson(row), limits=Limits(text=5)).rejects.count == 0
    assert read(ndjson(row), limits=Limits(text=4)).faults == [(1, "customer.name")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"[]", "found a list; a row is expected, which is an object."),
        (b"5", "found the number 5; a row is expected, which is an object."),
        (b"null", "found null; a row is expected, which is an object."),
        (b'{"id": 5', "not valid JSON: Expecting ',' delimiter (character 9 of the row)."),
        (b'{"id": 5} {"id": 6}', "not valid JSON: Extra data (character 11 of the row)."),
        (b'{"id": NaN}', "not valid JSON: NaN is not a JSON number."),
        (b"{\"id\": '5'}", "not valid JSON: Expecting value (character 8 of the row)."),
        (b'{"status": "\xe9"}', "the byte 0xe9 is not UTF-8, which the whole file has to be."),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the row is nested too deeply."),
    ],
)
def test_what_is_no_row(row: bytes, reason: str) -> None:
    result = read(ndjson(NEEDED) + row + b"\n" + ndjson(NEEDED))
    assert result.report == [f"rows:2: {reason}"]
    assert len(result.said) == 2


@pytest.mark.parametrize("digits", [100, 1_000, 1_001, 5_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_endless_number_is_a_fault_like_any_other(digits: int, sign: str) -> None:
    number = sign + "1" * digits
    shown = f"found the number {number[:80]}…"
    text = json.dumps({**NEEDED, "id": 0, **with_("event", name=0)}).encode()
    result = read(text.replace(b": 0", b": " + number.encode()) + b"\n")
    assert result.report == [f"rows:1: id: {shown}; {AN_ID}", f"rows:1: event.name: {shown}; a text is expected."]
    (written,) = result.written.splitlines()
    assert written.count(number.encode()) == 2


def test_a_number_in_front_of_the_rows_may_be_endless() -> None:
    text = b'{"total": ' + b"1" * 5_000 + b', "rows": [' + json.dumps(NEEDED).encode() + b"]}"
    assert len(read(text).said) == 1


def test_of_a_member_that_comes_twice_the_last_counts() -> None:
    text = ndjson(NEEDED).replace(b'"id": 7', b'"id": "x", "id": 9')
    assert read(text).said[0]["id"] == 9
