"""The server's own upkeep of persons: retention, at the start and then daily, and what an erasure has left to do.

It runs in a thread of its own, in short transactions: neither readers nor the event loop wait for it, nor does the
server's end, which the store's own end makes short.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from turnout.background import Background
from turnout.errors import TurnoutError
from turnout.persons import retain
from turnout.web.lead import Lead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.answers import Answers
    from turnout.settings import Settings
    from turnout.store.base import Store
    from turnout.store.persons import Aside
    from turnout.web.context import Clock

_log: Final = logging.getLogger("turnout.retention")

_AT_FIRST: Final = 2.0
"""The first answers come first, in seconds: to load what changes attendances takes a third of a second."""
_EVERY: Final = 86_400.0
_AGAIN: Final = 600.0
"""So often it is looked whether there is something left to do, in seconds."""


class Retaining:
    """Carries retention out until it is stopped."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, answers: Answers, aside: Aside) -> None:
        self._store = store
        self._period = settings.retention
        self._clock = clock
        self._answers = answers
        self._aside = aside
        self.background = Background("retention", self._work)
        self._leads = Lead(store, "retention")
        self._fault: str | None = None
        self._not_overwritten: str | None = None
        """Why what was forgotten could not be overwritten the last time."""

    def faults(self) -> Iterator[str]:
        """What could not be done and is still to be done, for `turnout doctor`."""
        if self._fault:
            yield f"Retention could not be carried out: {self._fault}"
        if self._not_overwritten and self._is_unfinished():  # a command may have done it meanwhile
            yield f"What was forgotten could not be overwritten: {self._not_overwritten}"

    def once(self) -> None:
        """Carry it out now, or raise `TurnoutError`; and overwrite what it or an erasure has left."""
        retain(
            self._store,
            self._period,
            self._clock.now(),
            go_on=lambda: not self.background.stopping,
            on_changed=self._changed,
        )
        self._not_overwritten = None
        if self.background.stopping:
            return
        try:
            self._store.persons.overwrite(self._aside)
        except TurnoutError as error:
            self._not_overwritten = error.message
            _log.warning(
                "what was forgotten could not be overwritten", extra={"fields": {"reason": self._not_overwritten}}
            )

    def _changed(self, provider_id: int) -> None:
        self._answers.forget(provider_id)
        _log.info("old attendances forgot their customers", extra={"fields": {"provider": provider_id}})

    def _work(self) -> None:
        self.background.pause(_AT_FIRST)
        while True:
            try:
                if self._leads():
                    self.once()
                self._fault = None
            except Exception as error:  # noqa: BLE001 - it is told, and tried again later
                self.background.check()  # the store may have been closed under it
                expected = isinstance(error, TurnoutError)
                self._fault = str(error) if expected else type(error).__name__
                fields = {"fields": {"reason": self._fault}}
                _log.warning("retention failed", extra=fields, exc_info=None if expected else error)
            self._rest()

    def _rest(self) -> None:
        """A day; a short while where something is left to do, now or by an erasure that comes meanwhile."""
        for _ in range(round(_EVERY / _AGAIN)):
            self.background.pause(_AGAIN)
            if self._fault or self._is_unfinished():
                return

    def _is_unfinished(self) -> bool:
        try:
            return self._store.persons.unfinished()
        except TurnoutError:  # `once` meets and tells it as well
            return True
