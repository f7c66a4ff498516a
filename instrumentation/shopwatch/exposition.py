"""The text that a scrape of ``/metrics`` gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shopwatch import catalogue

_OURS: Final = frozenset(
    metric.prometheus_name.removesuffix("_total") for metric in catalogue.SERVICE_METRICS
)


class Exposed(Collector):
    """A registry's metrics, ours without their ``_created`` series, which double the lines ."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """What a scrape gets."""
        for metric in self._registry.collect():
            if metric.name in _OURS:
                metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def restricted_registry(self, names: Iterable[str]) -> Collector:
        """Only the metrics named, for prometheus_client's own server."""
        return self._registry.restricted_registry(names)


def expose(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The registry's metrics and their content type: OpenMetrics if ``accept`` asks for it, else text."""
    encode, content_type = choose_encoder(accept)
    return encode(Exposed(registry)), content_type
