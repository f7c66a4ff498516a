"""``record``: the one call for business events and metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from opentelemetry import trace

from shopwatch import catalogue, telemetry
from shopwatch.catalogue import Event, Kind, Metric
from shopwatch.exceptions import UnknownName
from shopwatch.spans import RequestSpan
from shopwatch.telemetry import Telemetry

_events: Final = logging.getLogger(catalogue.EVENT_LOGGER)


def record(what: Event | Metric, value: float = 1.0, **labels: str) -> None:
    """Record a business event, or one metric.

    An event gives its metrics, an event of the current span, and fields of the line that the current request
    leaves (a line of its own outside a request)::

        record(Payment(provider="stripe", outcome="approved", amount=12.5, currency="EUR"))

    A metric is added to (counter), set (gauge) or observed (histogram), and noted on the current span.

    A label is named by the end of its attribute's dotted name, in whole parts, dots written as
    underscores, as long as no other attribute of the metric ends alike: ``shopwatch.cache.name`` may be
    written ``name``, ``cache_name`` or ``shopwatch_cache_name``. A label that is left out is empty,
    which Prometheus treats as absent. Works before ``instrument`` too, on prometheus_client's default
    registry::

        record(catalogue.LOGIN_ATTEMPTS, outcome="failure")
        record(catalogue.CACHE_REQUESTS, name="products", result="miss")
        record(catalogue.QUEUE_MESSAGES, 12, destination_name="orders")

    Args:
        what: an event of the catalogue or of a team's own, or a metric that services record.
        value: what to add, set or observe, in the metric's unit; of a metric.
        labels: values of the metric's labels.

    Raises:
        UnknownName: the catalogue does not name the metric or one of the labels, or the label could
            mean two attributes. A developer's mistake, so it is raised where it is made; nothing that
            depends on data raises.
        InvalidDeclaration: as ``Event.shape``, likewise.
    """
    now = telemetry.current()
    if isinstance(what, Event):
        what.shape()
        with now.guard.over(f"recording {what.name}"):
            _record_event(now, what)
        return
    metric = what
    bound = now.instruments.bound(metric)
    attributes = _attributes(metric, tuple(labels))
    given = dict(zip(attributes, map(str, labels.values()), strict=True))
    with now.guard.over(f"recording {metric.name}"):
        series = bound.series(tuple(given.get(attribute, "") for attribute in metric.attributes))
        _apply(series, metric.kind, value)
        _note(metric, value, given)


def _record_event(now: Telemetry, event: Event) -> None:
    for metric, value, values in event.recordings():
        _apply(now.instruments.bound(metric).series(values), metric.kind, value)
    attributes = event.attributes()
    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(event.name, attributes)
    request = span if isinstance(span, RequestSpan) else getattr(span, "request", None)
    if isinstance(request, RequestSpan) and request.outcome is None:
        request.event_attributes = {**(request.event_attributes or {}), **attributes}
    else:
        _events.info(event.name, extra=attributes)


def _apply(series: Any, kind: Kind, value: float) -> None:  # noqa: ANN401 - of its kind
    if kind is Kind.COUNTER:
        series.inc(value)
    elif kind is Kind.GAUGE:
        series.set(value)
    else:
        series.observe(value)


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
