"""The server's own sync: the providers that the settings name are copied over and over, beside everything else.

It runs in a thread of its own, which waits on the network most of the time: the event loop never waits for it, and
neither does the server's end.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from turnout.background import Background, Stopped
from turnout.errors import TurnoutError
from turnout.query.instants import format_utc
from turnout.web.lead import LEAD_SECONDS, Lead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from turnout.settings import Settings, Synced
    from turnout.store.base import Store
    from turnout.sync.passes import Copied
    from turnout.web.context import Clock
    from turnout.web.metrics import Metrics

    Run = Callable[["Syncing", Synced], tuple[Copied, int]]

_log: Final = logging.getLogger("turnout.sync")

_LEAST_TOLD: Final = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How the sync of one provider stands. `fault` is why its last run failed, since `failed_at`.

    `refused` is how many rows of the source could not be taken. Instants are microseconds since 1970.
    """

    provider: int
    fault: str | None = None
    failed_at: int | None = None
    refused: int = 0


class Syncing:
    """Copies the providers of the settings in turn, until it is stopped. `run` copies one, in tests something else."""

    def __init__(
        self, store: Store, settings: Settings, clock: Clock, metrics: Metrics | None, run: Run | None = None
    ) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self._metrics = metrics
        self._run = run or _copy
        self.background = Background("sync", self._work)
        self.leads = Lead(store, "sync")
        """Whether it is this process that copies; asked again and again while it does."""
        self._standings = {synced.here: Standing(synced.here) for synced in settings.sync_providers}

    @property
    def configured(self) -> bool:
        """Whether the settings say what is to be copied, from where, and with which token."""
        return bool(self.settings.sync_from and self.settings.sync_token and self.settings.sync_providers)

    @property
    def standings(self) -> Sequence[Standing]:
        """How each provider stands, in the order of the settings."""
        return tuple(self._standings.values())

    def faults(self) -> list[str]:
        """What is wrong, for `turnout doctor`."""
        faults = []
        for one in self.standings:
            if one.fault and one.failed_at is not None:
                faults.append(f"The sync of provider {one.provider} failed at {format_utc(one.failed_at)}: {one.fault}")
            if one.refused:
                faults.append(f"{one.refused:,} rows of provider {one.provider} at the source cannot be taken.")
        return faults

    def oldest(self) -> int | None:
        """The `as_of` of the least fresh provider, microseconds since 1970; None where one was never whole."""
        found = [self.store.place(one.provider) for one in self.standings]
        moments = [place.as_of if place else None for place in found]
        known = [moment for moment in moments if moment is not None]
        return min(known) if known and len(known) == len(moments) else None

    def _work(self) -> None:
        while self.configured:
            for synced in self.settings.sync_providers:
                self.background.check()
                if self._leads():
                    self._once(synced)
            self._rest()

    def _rest(self) -> None:
        """Wait for the next turn, and keep the lead meanwhile; whoever has not got it takes it when it is free."""
        led = self._leads()
        left = float(self.settings.sync_every.seconds)
        while left > 0:
            piece = min(left, LEAD_SECONDS / 3)
            self.background.pause(piece)
            left -= piece
            if self._leads() and not led:
                return

    def _leads(self) -> bool:
        try:
            return self.leads()
        except TurnoutError as error:
            self.background.check()  # the store may have been closed under it
            _log.warning("nothing is synced now", extra={"fields": {"reason": error.message}})
            return False

    def _once(self, synced: Synced) -> None:
        """Copy one provider; a failure is told, and the next provider comes."""
        from turnout.sync.errors import SyncError  # noqa: PLC0415 - a server that copies nothing does without

        known = self._standings[synced.here]
        began = time.monotonic()
        try:
            copied, refused = self._run(self, synced)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is must not end the syncs to come; it is logged
            self.background.check()  # the store may have been closed under it
            expected = isinstance(error, SyncError | TurnoutError)
            fault = str(error) if expected else f"{type(error).__name__}; the log has more."
            self._standings[synced.here] = replace(known, fault=fault, failed_at=self.clock.now())
            fields = {"provider": synced.here, "reason": fault}
            _log.warning("sync failed", extra={"fields": fields}, exc_info=None if expected else error)
            if self._metrics:
                self._metrics.synced(None)
            return
        self._standings[synced.here] = Standing(synced.here, refused=refused)
        counts = {"created": copied.created, "updated": copied.updated, "unchanged": copied.unchanged}
        fields = {"provider": synced.here, **counts, "refused": copied.refused_count}
        _log.info("synced", extra={"fields": {**fields, "seconds": round(time.monotonic() - began, 3)}})
        if self._metrics:
            self._metrics.synced({**counts, "refused": copied.refused_count})


def _copy(syncing: Syncing, synced: Synced) -> tuple[Copied, int]:
    """Copy one provider; return what was done, and how many rows of the source could not be taken so far."""
    from turnout.sync.passes import Copy  # noqa: PLC0415 - as above
    from turnout.sync.patience import Patience  # noqa: PLC0415 - as above
    from turnout.sync.source import Source  # noqa: PLC0415 - as above
    from turnout.sync.target import target_of  # noqa: PLC0415 - as above

    settings = syncing.settings
    assert settings.sync_from  # noqa: S101 - nothing runs where it is not configured
    assert settings.sync_token  # noqa: S101 - as above

    def told(reason: str, seconds: float) -> None:
        if seconds >= _LEAST_TOLD:
            _log.info("the source is waited for", extra={"fields": {"reason": reason, "seconds": round(seconds, 1)}})

    patience = Patience(sleep=syncing.background.pause, now=syncing.clock.now, on_wait=told)
    target = target_of(syncing.store, synced.here, max_text=settings.max_text)
    token = settings.sync_token.get_secret_value()

    def go_on(_done: int, _total: int) -> None:
        syncing.background.check()
        if not syncing.leads():
            raise TurnoutError("conflict", "Another process has taken the sync over.")

    with Source(settings.sync_from, token, synced.there, patience=patience) as source:
        copy = Copy(source, target, progress=go_on)
        place = copy.run()
    return copy.copied, len(place.refused)
