"""The engine's own metrics, by the catalogue's names, in a registry that is passed in."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shopwatch import catalogue
from shopwatch_engine.model import Action, Delivery


class EngineMetrics:
    """What an operator watches the engine by."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._evaluations = _counter(catalogue.ENGINE_EVALUATIONS, registry)
        self._pass_duration = _histogram(catalogue.ENGINE_PASS_DURATION, registry)
        self._missed = _counter(catalogue.ENGINE_MISSED, registry)
        self._alerts = _gauge(catalogue.ENGINE_ALERTS, registry)
        self._deliveries = _counter(catalogue.ENGINE_DELIVERIES, registry)
        self._delay = _histogram(catalogue.ENGINE_DELIVERY_DELAY, registry)
        self._store_retries = _counter(catalogue.ENGINE_STORE_RETRIES, registry)

    def passed(self, group: str, *, succeeded: int, failed: int, duration_s: float) -> None:
        """A pass over a group is over."""
        self._evaluations.labels(group, "success").inc(succeeded)
        self._evaluations.labels(group, "failure").inc(failed)
        self._pass_duration.labels(group).observe(duration_s)

    def missed(self, group: str, passes: int) -> None:
        """Passes that did not happen in time."""
        self._missed.labels(group).inc(passes)

    def alerts(self, by_state: Mapping[str, int]) -> None:
        """How many alerts are in each state."""
        for state, count in by_state.items():
            self._alerts.labels(state).set(count)

    def attempted(self, delivery: Delivery, result: str) -> None:
        """An attempt to deliver has ended: delivered, retried, dead."""
        self._deliveries.labels(delivery.integration, delivery.action.value, result).inc()
        if result == "delivered" and delivery.action in (Action.TRIGGER, Action.RESOLVE):
            waited = (delivery.settled_at or delivery.created_at) - delivery.created_at
            self._delay.labels(delivery.integration, delivery.action.value).observe(max(waited, 0.0))

    def store_retried(self) -> None:
        """A transaction is tried again."""
        self._store_retries.inc()


def _counter(metric: catalogue.Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.prometheus_name, metric.description, metric.labels, registry=registry)


def _gauge(metric: catalogue.Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.prometheus_name, metric.description, metric.labels, registry=registry)


def _histogram(metric: catalogue.Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(
        metric.prometheus_name, metric.description, metric.labels, registry=registry, buckets=metric.buckets
    )
