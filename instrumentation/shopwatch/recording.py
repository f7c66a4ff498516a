"""``record``: the one call for business metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from opentelemetry import trace

from shopwatch import catalogue, telemetry
from shopwatch.catalogue import Kind, Metric
from shopwatch.exceptions import UnknownName


def record(metric: Metric, value: float = 1.0, **labels: str) -> None:
    """Add to a counter, set a gauge or observe a histogram, and note it on the current span.

    A label is named by the end of its attribute's dotted name, in whole parts, dots written as
    underscores, as long as no other attribute of the metric ends alike: ``shopwatch.cache.name`` may be
    written ``name``, ``cache_name`` or ``shopwatch_cache_name``. A label that is left out is empty,
    which Prometheus treats as absent. Works before ``instrument`` too, on prometheus_client's default
    registry::

        record(catalogue.LOGIN_ATTEMPTS, outcome="failure")
        record(catalogue.CACHE_REQUESTS, name="products", result="miss")
        record(catalogue.QUEUE_MESSAGES, 12, destination_name="orders")

    Args:
        metric: one of ``catalogue.SERVICE_METRICS``.
        value: what to add, set or observe, in the metric's unit.
        labels: values of the metric's labels.

    Raises:
        UnknownName: the catalogue does not name the metric or one of the labels, or the label could
            mean two attributes. A developer's mistake, so it is raised where it is made; nothing that
            depends on data raises.
    """
    now = telemetry.current()
    bound = now.instruments.bound(metric)
    attributes = _attributes(metric, tuple(labels))
    given = dict(zip(attributes, map(str, labels.values()), strict=True))
    with now.guard.over(f"recording {metric.name}"):
        series = bound.series(tuple(given.get(attribute, "") for attribute in metric.attributes))
        if metric.kind is Kind.COUNTER:
            series.inc(value)
        elif metric.kind is Kind.GAUGE:
            series.set(value)
        else:
            series.observe(value)
        _note(metric, value, given)


def _note(metric: Metric, value: float, attributes: Mapping[str, str]) -> None:
    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(metric.name, {**attributes, catalogue.VALUE: value})


@lru_cache(maxsize=1_024)
def _attributes(metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The attributes that these labels name."""
    attributes = tuple(_attribute(metric, label) for label in labels)
    if len(set(attributes)) < len(attributes):
        raise UnknownName(f"metric {metric.name!r}: two of the labels {labels} name the same attribute")
    return attributes


def _attribute(metric: Metric, label: str) -> str:
    found = [name for name in metric.attributes if label in _tails(name)]
    exact = [name for name in found if catalogue.prometheus_label(name) == label]
    if len(exact or found) == 1:
        return (exact or found)[0]
    problem = "could mean more than one of" if found else "is none of"
    raise UnknownName(f"metric {metric.name!r}: label {label!r} {problem} {', '.join(metric.attributes)}")


def _tails(attribute: str) -> tuple[str, ...]:
    parts = attribute.split(".")
    return tuple("_".join(parts[start:]) for start in range(len(parts)))
