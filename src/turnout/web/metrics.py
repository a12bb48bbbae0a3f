"""What `/metrics` says, for Prometheus. Labels have few values, and nothing of a person or a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from turnout import __version__
from turnout.query.instants import SECOND
from turnout.store.jobs import UNFINISHED, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from turnout.answers import Answers
    from turnout.store.base import StoreStatus
    from turnout.store.jobs import Job, Standing
    from turnout.web.context import Clock
    from turnout.web.syncing import Syncing
    from turnout.web.work import Workers

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counters of one application, in a registry of its own."""

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        # They double what is sent, and tell what a restart tells as well.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        Gauge("turnout_info", "The version that runs.", ["version"], registry=registry).labels(__version__).set(1)
        self._requests = Counter(
            "turnout_http_requests", "Answered requests.", ["route", "method", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "turnout_http_request_seconds", "How long requests took.", ["route"], registry=registry, buckets=_SECONDS
        )
        self._errors = Counter("turnout_errors", "Requests that ended in an error.", ["code"], registry=registry)
        self._throttled = Counter("turnout_throttled", "Requests that exceeded a rate.", ["limit"], registry=registry)
        self._query_seconds = Histogram(
            "turnout_query_seconds", "How long queries ran.", registry=registry, buckets=_SECONDS
        )
        self._ingested = Counter(
            "turnout_ingested_rows", "Rows that came over HTTP, by what became of them.", ["outcome"], registry=registry
        )
        answers = Counter("turnout_answers", "Report pages, by where they came from.", ["source"], registry=registry)
        self._kept, self._worked_out = answers.labels("memory"), answers.labels("store")
        self._exports = Counter("turnout_exports", "Exports that ended, by how.", ["outcome"], registry=registry)
        for status in Status:
            if status not in UNFINISHED and status is not Status.EXPIRED:
                self._exports.labels(status)
        self._export_bytes = Counter("turnout_export_bytes", "Bytes of exports that were made.", registry=registry)
        self._exports_queued = Gauge("turnout_exports_queued", "Exports that wait for their turn.", registry=registry)
        self._exports_running = Gauge("turnout_exports_running", "Exports that are being made.", registry=registry)
        self._exports_age = Gauge(
            "turnout_exports_oldest_seconds", "How long the first of the waiting exports has waited.", registry=registry
        )
        self._exports_kept = Gauge("turnout_export_files_bytes", "Bytes of exports that are kept.", registry=registry)
        self._store_up = Gauge("turnout_store_up", "Whether the store answered last time.", registry=registry)
        self._store_bytes = Gauge("turnout_store_bytes", "The size of the store.", registry=registry)
        self._store_rows = Gauge("turnout_store_attendances", "The attendances in the store.", registry=registry)
        self._store_tail = Gauge("turnout_store_tail", "Attendances that are not in order.", registry=registry)
        self._store_free = Gauge("turnout_store_free_bytes", "Free space inside the store's file.", registry=registry)
        self._store_rebuilt = Gauge(
            "turnout_store_rebuilt_seconds", "When the store was last put in order, since 1970.", registry=registry
        )
        # Finding a counter by its labels costs more than counting; the combinations are few.
        self._known_requests: dict[tuple[str, str, int], Counter] = {}
        self._known_routes: dict[str, Histogram] = {}
        self.query_seconds = self._query_seconds.observe

    def show_workers(self, workers: Workers) -> None:
        """Show how busy `workers` are, whenever somebody looks."""
        active = Gauge("turnout_queries_active", "Queries that run.", registry=self._registry)
        active.set_function(lambda: workers.active)
        waiting = Gauge("turnout_queries_waiting", "Queries that wait for their turn.", registry=self._registry)
        waiting.set_function(lambda: workers.waiting)

    def show_answers(self, answers: Answers) -> None:
        """Show how much memory the kept answers take, whenever somebody looks."""
        taken = Gauge("turnout_answer_cache_bytes", "The memory that kept answers take.", registry=self._registry)
        taken.set_function(lambda: answers.size)

    def show_sync(self, syncing: Syncing, clock: Clock) -> None:
        """Show how old the copied data is, whenever somebody looks; nothing before all of it was copied once."""
        registry = self._registry
        self._sync_rows = Counter(
            "turnout_sync_rows", "Rows read from the source, by what became of them.", ["outcome"], registry=registry
        )
        self._sync_runs = Counter("turnout_sync_runs", "Syncs of a provider.", ["outcome"], registry=registry)
        for outcome in ("success", "failure"):
            self._sync_runs.labels(outcome)
        failing = Gauge("turnout_sync_failing", "Providers whose last sync failed.", registry=registry)
        failing.set_function(lambda: sum(one.fault is not None for one in syncing.standings))
        refused = Gauge("turnout_sync_refused_rows", "Rows of the source that cannot be taken.", registry=registry)
        refused.set_function(lambda: sum(one.refused for one in syncing.standings))

        def age() -> float:
            oldest = syncing.oldest()
            return float("nan") if oldest is None else max(0.0, (clock.now() - oldest) / SECOND)

        shown = Gauge(
            "turnout_sync_age_seconds", "How old the data of the least fresh synced provider is.", registry=registry
        )
        shown.set_function(age)

    def synced(self, rows: Mapping[str, int] | None) -> None:
        """Count a sync of a provider, and its rows by outcome; None where it failed."""
        self._sync_runs.labels("failure" if rows is None else "success").inc()
        for outcome, count in (rows or {}).items():
            self._sync_rows.labels(outcome).inc(count)

    def ingested(self, counts: Mapping[str, int]) -> None:
        """Count rows that were merged, by outcome."""
        for outcome, rows in counts.items():
            self._ingested.labels(outcome).inc(rows)

    def exported(self, job: Job) -> None:
        """Count an export that has ended."""
        self._exports.labels(job.status).inc()
        self._export_bytes.inc(job.size or 0)

    def exports(self, standing: Standing, now: int) -> None:
        """Note how many exports wait and run at the moment `now` (microseconds since 1970)."""
        self._exports_queued.set(standing.queued)
        self._exports_running.set(standing.running)
        self._exports_age.set(0 if standing.oldest is None else max(0.0, (now - standing.oldest) / SECOND))
        self._exports_kept.set(standing.size)

    def answer(self, *, kept: bool) -> None:
        """Count a report page."""
        (self._kept if kept else self._worked_out).inc()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request by its route's template."""
        key = (route, method if method in _METHODS else "other", status)
        if key not in self._known_requests:
            self._known_requests[key] = self._requests.labels(*map(str, key))
            self._known_routes[route] = self._request_seconds.labels(route)
        self._known_requests[key].inc()
        self._known_routes[route].observe(seconds)

    def error(self, code: str) -> None:
        """Count an error by its code: failed authentications, time-outs, overloads and the others."""
        self._errors.labels(code).inc()

    def throttled(self, limit: str) -> None:
        """Count a 429 by the limit that was met: `address` or `token`."""
        self._throttled.labels(limit).inc()

    def store(self, status: StoreStatus | None) -> None:
        """Note what the store says of itself; None where it did not answer."""
        self._store_up.set(status is not None)
        if status:
            self._store_bytes.set(status.size)
            self._store_rows.set(status.attendances)
            self._store_tail.set(status.tail)
            self._store_free.set(status.free)
            self._store_rebuilt.set(float("nan") if status.rebuilt_at is None else status.rebuilt_at / SECOND)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)
