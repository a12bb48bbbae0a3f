"""Answered pages that are kept: a question is answered from memory until what it is about has changed.

Dashboards and people ask the same few questions over and over, while the data change now and then. A kept answer is
given again only where working it out anew must give the same: the provider's attendances have the same version as when
it was read, and no event has begun since (by default a report ends with the present). There is no time for which an
answer may be stale.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.types import Op
from turnout.query.plan import as_integer
from turnout.query.sql import next_statement
from turnout.reports import Page, file_name, report_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.output.formats import Format
    from turnout.query.cursor import CursorBox
    from turnout.query.request import Condition, ReportRequest, Scope
    from turnout.store.base import Snapshot, Store

    _Key = tuple[str, Scope, str, tuple[tuple[str, tuple[str, ...]], ...]]

_LARGEST_SHARE: Final = 8
"""No answer may take more than this part of the memory."""
_OVERHEAD: Final = 4096
"""About what an entry takes beside its body, in bytes."""
_FOREVER: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, and when it holds: for one version of the data, at moments from `since` up to, but without, `until`.

    `conditions` are those that it was worked out with, the present left out: a timeframe such as `today` moves on.
    """

    page: Page
    version: int
    conditions: tuple[Condition, ...]
    since: int
    until: int
    size: int


@dataclass(frozen=True, slots=True)
class _Quiet:
    """From `since` up to, but without, `until`, no instant of a column lies, in one version of a provider's data."""

    version: int
    since: int
    until: int


class Answers:
    """Answers pages, from memory where it may. Safe for use by several threads.

    `most_bytes` bounds the memory, 0 keeps nothing; what was asked for last stays longest.
    """

    def __init__(self, store: Store, box: CursorBox, most_bytes: int) -> None:
        self._store = store
        self._box = box
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._bytes = 0
        self._quiet: dict[tuple[int, str], _Quiet] = {}

    @property
    def size(self) -> int:
        """How many bytes are in use, about."""
        return self._bytes

    def has(self, request: ReportRequest, format_: Format) -> bool:
        """Whether an answer is kept, be it that it holds or not."""
        return _key(request, format_) in self._kept

    def kept(self, request: ReportRequest, format_: Format, version: int | None) -> Page | None:
        """The answer, where it is kept and holds for the present version of the provider's attendances."""
        key = _key(request, format_)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        if not found.since <= request.now < found.until or found.conditions != _without_present(request):
            return None
        if found.version != version:
            return None
        return replace(found.page, file_name=file_name(request, format_))

    def answer(
        self,
        request: ReportRequest,
        format_: Format,
        *,
        on_snapshot: Callable[[Snapshot], None],
        version_read: Callable[[], int | None],
    ) -> Page:
        """Work the answer out (see `reports.report_page`), and keep it where it can be kept.

        `version_read` is asked, of a store that is shared, which version of the provider's attendances was read.
        """
        lasts = self._most_bytes > 0 and _lasts(request)
        version = self._store.version(request.scope.provider_id) if lasts and not self._store.shared else None
        until = _FOREVER

        def look(snapshot: Snapshot) -> None:
            nonlocal until, version
            if self._store.shared:
                version = version_read()
            if version is not None:
                until = self._until(snapshot, request, version)

        page = report_page(
            self._store, request, format_, self._box, on_snapshot=on_snapshot, on_read=look if lasts else None
        )
        if version is not None:
            size = len(page.body) + _OVERHEAD
            kept = _Kept(page, version, _without_present(request), request.now, until, size)
            self._keep(request.scope.provider_id, _key(request, format_), kept)
        return page

    def forget(self, provider_id: int) -> None:
        """Keep nothing of a provider that was answered so far: it would be in memory, though never given again."""
        with self._lock:
            for key in [key for key in self._kept if key[1].provider_id == provider_id]:
                self._drop(key)

    def _keep(self, provider_id: int, key: _Key, kept: _Kept) -> None:
        if kept.size > self._most_bytes // _LARGEST_SHARE:
            return
        with self._lock:
            # A version that is still the same was that of the snapshot, where the snapshot itself was not asked.
            if not self._store.shared and kept.version != self._store.version(provider_id):
                return
            self._drop(key)
            self._kept[key] = kept
            self._bytes += kept.size
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: _Key) -> None:
        if old := self._kept.pop(key, None):
            self._bytes -= old.size

    def _until(self, snapshot: Snapshot, request: ReportRequest, version: int) -> int:
        """Until when the present, as an upper bound, selects the same rows as it does now."""
        if request.place:
            return _FOREVER  # the present is that of the run's first page
        bounds = [condition.storage for condition in request.conditions if _is_present(condition, request)]
        return min((self._next(snapshot, request, storage, version) for storage in bounds), default=_FOREVER)

    def _next(self, snapshot: Snapshot, request: ReportRequest, storage: str, version: int) -> int:
        """The first instant of a column after the present; read once for all questions until it has come."""
        key = (request.scope.provider_id, storage)
        known = self._quiet.get(key)
        if known and known.version == version and known.since <= request.now < known.until:
            return known.until
        found = snapshot.rows(next_statement(request.scope.provider_id, storage, request.now, snapshot.dialect))
        until = as_integer(found[0][0]) if found and found[0][0] is not None else _FOREVER
        self._quiet[key] = _Quiet(version, request.now, until)
        return until


def _key(request: ReportRequest, format_: Format) -> _Key:
    """What makes two questions the same at one moment: who asks, what was given, and the form of the answer."""
    texts = tuple((name, tuple(given)) for name, given in request.cleaned.texts.items())
    return (request.report.name, request.scope, format_.name, texts)


def _is_present(condition: Condition, request: ReportRequest) -> bool:
    return condition.op is Op.UNTIL and condition.value == request.now


def _without_present(request: ReportRequest) -> tuple[Condition, ...]:
    return tuple(replace(c, value=_PRESENT) if _is_present(c, request) else c for c in request.conditions)


def _lasts(request: ReportRequest) -> bool:
    """Whether the question means the same a moment later. A timeframe that ends now (`month_to_date`) does not."""
    return request.timeframe is None or request.timeframe.end != request.now


_PRESENT: Final[Any] = "now"
