"""The use cases of administration: what is checked, what is refused, who reaches what (contract sections 3, 6, 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from turnout import admin
from turnout.errors import TurnoutError
from turnout.settings import Settings
from turnout.store.base import Provider
from web.fakes import NOW, SECOND, FakeStore

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = 100
GOOD = {"id": 9, "name": "Harbour Yoga", "timezone": "Europe/London"}


def refused(work: Callable[[], object]) -> TurnoutError:
    with pytest.raises(TurnoutError) as caught:
        work()
    return caught.value


def add(store: FakeStore, reach: admin.Reach = None, **given: object) -> Provider:
    return admin.add_provider(store, reach, given, max_text=TEXT)


def set_(store: FakeStore, id_: int, reach: admin.Reach = None, **given: object) -> Provider:
    return admin.set_provider(store, reach, id_, given, max_text=TEXT)


def create(store: FakeStore, reach: admin.Reach = None, **given: object) -> admin.NewToken:
    return admin.create_token(store, reach, given, NOW)


def test_a_provider_is_added_with_monday_as_its_week_start(store: FakeStore) -> None:
    assert add(store, **GOOD) == Provider(9, "Harbour Yoga", "Europe/London", "monday")
    assert store.providers()[9].timezone == "Europe/London"
    assert [provider.id for provider in admin.list_providers(store, None)] == [1, 2, 3, 9]


def test_all_faults_of_a_provider_together(store: FakeStore) -> None:
    error = refused(lambda: add(store, id=0, name=" ", timezone="Europe/Berln", week_start="Monday", colour="red"))
    assert error.code == "parameter_invalid"
    assert set(error.fields) == {"id", "name", "timezone", "week_start", "colour"}
    assert "Did you mean 'Europe/Berlin'?" in error.fields["timezone"][0]
    assert "Did you mean 'monday'?" in error.fields["week_start"][0]


@pytest.mark.parametrize("missing", ["id", "name", "timezone"])
def test_what_a_provider_needs(store: FakeStore, missing: str) -> None:
    assert set(refused(lambda: add(store, **{**GOOD, missing: None})).fields) == {missing}


@pytest.mark.parametrize(
    ("member", "bad"),
    [
        ("id", "9"),
        ("id", True),
        ("id", 2**63),
        ("id", 1.0),
        ("id", -1),
        ("name", 5),
        ("name", "x" * (TEXT + 1)),
        ("timezone", "../etc/passwd"),
        ("timezone", "europe/berlin"),
        ("timezone", ""),
        ("timezone", 1),
        ("week_start", "mon"),
        ("week_start", []),
    ],
)
def test_bad_members_of_a_provider(store: FakeStore, member: str, bad: object) -> None:
    assert set(refused(lambda: add(store, **{**GOOD, member: bad})).fields) == {member}
    assert 9 not in store.providers()


def test_an_id_that_is_taken_is_a_conflict(store: FakeStore) -> None:
    assert refused(lambda: add(store, **{**GOOD, "id": 1})).code == "conflict"


def test_a_provider_is_changed_in_part(store: FakeStore) -> None:
    assert set_(store, 1, week_start="sunday") == Provider(1, "Provider 1", "Europe/Berlin", "sunday")
    assert set_(store, 1, name=" New ", id=1).name == "New"
    assert set(refused(lambda: set_(store, 1, id=2, timezone="x")).fields) == {"id", "timezone"}
    assert refused(lambda: set_(store, 77, name="x")).code == "not_found"


def test_beyond_reach_nothing_is_seen_or_changed(store: FakeStore) -> None:
    reach = frozenset({1, 9})
    assert [provider.id for provider in admin.list_providers(store, reach)] == [1]
    assert refused(lambda: set_(store, 2, reach, name="x")).code == "provider_invalid"
    assert refused(lambda: set_(store, 77, reach, name="x")).code == "provider_invalid"
    assert refused(lambda: add(store, reach, **{**GOOD, "id": 2})).code == "provider_invalid"
    assert refused(lambda: create(store, reach, providers=[1, 2])).code == "provider_invalid"
    assert add(store, reach, **GOOD).id == 9
    both, own = create(store, providers=[1, 2]).token, create(store, reach, providers=[1]).token
    assert admin.list_tokens(store, reach) == [own]
    assert admin.list_tokens(store, None) == [both, own]
    assert refused(lambda: admin.revoke_token(store, reach, both.id, NOW)).code == "not_found"
    assert store.token(both.sha256) == both


def test_a_token_is_kept_as_a_hash_only(store: FakeStore) -> None:
    made = create(store, providers=[2, 1, 2], role="attendances", expires_in="90d")
    assert made.text.startswith("tk_")
    assert len(made.text) >= 46
    assert made.text not in str(store.tokens())
    token = store.token(admin.hash_of(made.text))
    assert token == made.token
    assert (token.providers, token.role, token.instructor_id) == ((2, 1), "attendances", None)
    assert (token.created_at, token.expires_at) == (NOW, NOW + 90 * 86400 * SECOND)
    assert made.text.endswith(token.hint[1:])
    assert create(store, providers=[1]).text != made.text


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, {"providers"}),
        ({"providers": []}, {"providers"}),
        ({"providers": 1}, {"providers"}),
        ({"providers": ["1"]}, {"providers"}),
        ({"providers": [1, 44]}, {"providers"}),
        ({"providers": [1], "role": "admin"}, {"role"}),
        ({"providers": [1], "role": 5}, {"role"}),
        ({"providers": [1], "role": "instructor_attendances"}, {"instructor_id"}),
        ({"providers": [1], "role": "attendances", "instructor_id": 5}, {"instructor_id"}),
        ({"providers": [1], "role": "instructor_attendances", "instructor_id": "5"}, {"instructor_id"}),
        ({"providers": [1], "expires_in": "90"}, {"expires_in"}),
        ({"providers": [1], "expires_in": 0}, {"expires_in"}),
        ({"providers": [1], "expires_in": True}, {"expires_in"}),
        ({"providers": [1], "expires_in": 1.5}, {"expires_in"}),
        ({"providers": [1], "expires": "90d"}, {"expires"}),
        ({"providers": "x", "role": "x", "expires_in": "x", "x": 1}, {"providers", "role", "expires_in", "x"}),
    ],
)
def test_bad_members_of_a_token(store: FakeStore, given: dict[str, object], fields: set[str]) -> None:
    error = refused(lambda: create(store, **given))
    assert (error.code, set(error.fields)) == ("parameter_invalid", fields)
    assert not store.tokens()


def test_an_unknown_role_is_refused_with_the_list(store: FakeStore) -> None:
    (text,) = refused(lambda: create(store, providers=[1], role="atendances")).fields["role"]
    assert "super_admin, attendances, instructor_attendances" in text
    assert "Did you mean 'attendances'?" in text


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("15m", 900), ("12h", 43200), ("90d", 7776000), ("2w", 1209600), (" 1s ", 1)]
)
def test_lifetimes(store: FakeStore, text: str, seconds: int) -> None:
    assert admin.parse_lifetime(text) == seconds * SECOND
    assert create(store, providers=[1], expires_in=seconds).token.expires_at == NOW + seconds * SECOND


@pytest.mark.parametrize(
    "text", ["", "d", "90", "-1d", "0d", "1.5h", "1y", "1D", "1 d", "99999999w", "9" * 30 + "s", "٣d"]
)
def test_what_is_no_lifetime(text: str) -> None:
    with pytest.raises(ValueError, match=r"length of time|longer"):
        admin.parse_lifetime(text)


def test_revoking_is_final_and_may_be_repeated(store: FakeStore) -> None:
    made = create(store, providers=[1])
    admin.revoke_token(store, None, made.token.id, NOW + 5)
    admin.revoke_token(store, None, made.token.id, NOW + 9)
    assert store.token(made.token.sha256).revoked_at is not None
    assert refused(lambda: admin.revoke_token(store, None, 99, NOW)).code == "not_found"


def test_status_shows_the_whole_store_only_to_who_reaches_all_of_it(store: FakeStore) -> None:
    settings = Settings.load({"database": "x", "jwt_key": "short", "jwt_jwks": "http://keys.example/jwks"})
    everything = admin.status(store, settings, None, uptime=1.5, more_faults=["No socket."])
    assert everything["store"]["attendances"] == 12345
    assert everything["settings"]["jwt_key"] == "(set)"
    assert everything["uptime"] == 1.5
    faults = everything["faults"]
    assert faults[0] == "It is a fake."
    assert faults[-1] == "No socket."
    assert [("jwt_key" in fault, "jwt_jwks" in fault) for fault in faults[1:3]] == [(True, False), (False, True)]
    assert admin.status(store, settings, frozenset({1, 2, 3}), uptime=0)["store"] == everything["store"]
    part = admin.status(store, settings, frozenset({1, 2}), uptime=0)
    assert (part["providers"], part["store"], part["settings"], part["faults"]) == (2, None, None, [])
