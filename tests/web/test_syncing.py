"""The server's own sync beside its requests: what it says of itself, and how it ends."""

from __future__ import annotations

import threading

import pytest

from turnout.admin import setting_faults
from turnout.background import Stopped
from turnout.errors import TurnoutError
from turnout.settings import Settings
from turnout.store.base import StoredPlace
from turnout.sync.errors import SyncError
from turnout.sync.passes import Copied
from turnout.web.metrics import Metrics
from turnout.web.syncing import Syncing
from web.fakes import NOW, SECOND, FakeStore, Times

WHOLE = {"sync_from": "https://example.com", "sync_token": "secret", "sync_providers": "1,2=4711"}


def syncing_with(run, **settings) -> tuple[Syncing, Metrics]:
    made = Settings(**{**WHOLE, **settings})
    metrics = Metrics()
    syncing = Syncing(FakeStore(1, 2), made, Times().clock, metrics, run)
    metrics.show_sync(syncing, Times().clock)
    return syncing, metrics


def finish(syncing: Syncing) -> None:
    syncing.background.start()
    assert syncing.background._thread
    syncing.background._thread.join(20)
    assert not syncing.background._thread.is_alive()


def test_one_provider_that_fails_does_not_keep_the_others():
    seen = []

    def run(syncing, synced):
        seen.append((synced.here, synced.there))
        if synced.here == 1:
            raise SyncError("It answered 403.")
        syncing.background.stop()
        return Copied(created=3, refused_count=2), 2

    syncing, metrics = syncing_with(run)
    finish(syncing)
    assert seen == [(1, 1), (2, 4711)]
    assert syncing.faults() == [
        "The sync of provider 1 failed at 2026-09-21T14:13:20Z: It answered 403.",
        "2 rows of provider 2 at the source cannot be taken.",
    ]
    text = metrics.text().decode()
    for line in (
        'turnout_sync_runs_total{outcome="success"} 1.0',
        'turnout_sync_runs_total{outcome="failure"} 1.0',
        'turnout_sync_rows_total{outcome="created"} 3.0',
        "turnout_sync_failing 1.0",
        "turnout_sync_refused_rows 2.0",
        "turnout_sync_age_seconds NaN",
    ):
        assert line in text


def test_a_success_ends_a_fault():
    outcomes = iter([TurnoutError("storage_unavailable", "The disk is full."), None])

    def run(syncing, _synced):
        error = next(outcomes)
        if error:
            raise error
        syncing.background.stop()
        return Copied(), 0

    syncing, _ = syncing_with(run, sync_providers="1", sync_every="1s")
    finish(syncing)
    assert syncing.faults() == []


def test_what_nobody_thought_of_is_a_fault_without_its_text(caplog):
    def run(syncing, _synced):
        if syncing.standings[0].fault:
            raise Stopped
        raise ZeroDivisionError("of somebody's row")

    syncing, _ = syncing_with(run, sync_providers="1", sync_every="1s")
    finish(syncing)
    assert "ZeroDivisionError; the log has more." in syncing.faults()[0]
    assert "somebody" not in syncing.faults()[0]


def test_it_ends_at_once_while_it_pauses():
    paused = threading.Event()

    def run(syncing, _synced):
        paused.set()
        syncing.background.pause(3600)
        raise AssertionError("it went on")

    syncing, _ = syncing_with(run)
    syncing.background.start()
    assert paused.wait(20)
    syncing.background.stop()
    assert syncing.background._thread
    syncing.background._thread.join(20)
    assert not syncing.background._thread.is_alive()
    assert syncing.faults() == []


def test_the_age_is_that_of_the_least_fresh():
    syncing, metrics = syncing_with(None)
    places = {1: StoredPlace("a", NOW - 90 * SECOND, "{}"), 2: StoredPlace("b", NOW - 30 * SECOND, "{}")}
    syncing.store.place = places.get
    assert "turnout_sync_age_seconds 90.0" in metrics.text().decode()
    places[2] = StoredPlace("b", None, "{}")
    assert "turnout_sync_age_seconds NaN" in metrics.text().decode()


@pytest.mark.parametrize("missing", WHOLE)
def test_settings_that_are_not_whole_begin_nothing(missing):
    settings = Settings(**{name: value for name, value in WHOLE.items() if name != missing})
    asked = []
    syncing = Syncing(FakeStore(1), settings, Times().clock, None, lambda *given: asked.append(given))
    assert not syncing.configured
    syncing.background.start()
    assert syncing.background._thread
    syncing.background._thread.join(20)
    assert not syncing.background._thread.is_alive()
    assert not asked
    assert setting_faults(settings) == [f"Nothing is synced: {missing} must be set as well."]


def test_settings_of_the_sync():
    settings = Settings(**WHOLE, sync_every="90m")
    assert settings.public()["sync_token"] == "(set)"
    assert settings.public()["sync_providers"] == ["1", "2=4711"]
    assert settings.public()["sync_every"] == "90m"
    assert settings.sync_every.seconds == 5400
    assert setting_faults(settings) == []
    assert "without TLS" in setting_faults(Settings(**{**WHOLE, "sync_from": "http://example.com"}))[0]
    assert setting_faults(Settings(**{**WHOLE, "sync_from": "http://127.0.0.1:8000"})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sync_every", "soon"),
        ("sync_every", "0s"),
        ("sync_providers", "one"),
        ("sync_providers", "1=2=3"),
        ("sync_providers", "1,1=2"),
        ("sync_providers", str(2**63)),
        ("sync_from", "example.com"),
    ],
)
def test_settings_that_are_wrong(name, value):
    with pytest.raises(TurnoutError) as caught:
        Settings.load({name: value})
    assert list(caught.value.fields) == [name]
