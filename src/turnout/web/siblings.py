"""What the processes that serve one address count together: whoever is asked asks the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from turnout.web.workers import Worker

_WITHIN: Final = 1.5
_LABEL: Final = "worker"


def gathered(own: bytes, worker: Worker) -> bytes:
    """What all processes count, each under the label `worker`; of one that does not answer, that it is not up."""
    with ThreadPoolExecutor(len(worker.others), "turnout-metrics") as threads:
        asked = {number: threads.submit(_ask, path) for number, path in worker.others.items()}
        texts = {worker.number: own, **{number: answer.result() for number, answer in asked.items()}}
    registry = CollectorRegistry()
    registry.register(_Gathered(dict(sorted(texts.items()))))
    return generate_latest(registry)


def _ask(path: Path) -> bytes | None:
    import httpx  # noqa: PLC0415 - a tenth of the time that a server takes to start, where there is one process

    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=_WITHIN) as client:
            return client.get("http://worker/metrics").raise_for_status().content
    except httpx.HTTPError:
        return None


class _Gathered(Collector):
    def __init__(self, texts: Mapping[int, bytes | None]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("turnout_worker_up", "Whether a process of the server answered.", labels=[_LABEL])
        families: dict[str, Metric] = {}
        for number, text in self._texts.items():
            up.add_metric([str(number)], text is not None)
            for family in text_string_to_metric_families(text.decode()) if text else ():
                known = families.setdefault(family.name, family)
                samples = [sample._replace(labels={**sample.labels, _LABEL: str(number)}) for sample in family.samples]
                known.samples = samples if known is family else [*known.samples, *samples]
        return [up, *families.values()]
