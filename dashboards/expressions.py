"""PromQL for the dashboards, from the catalogue's metrics: no name of a metric or label stands here.

``$__rate_interval`` and ``$service`` are Grafana's: the shortest range that holds enough scrapes, and the
services that the viewer chose.
"""

from __future__ import annotations

from typing import Final

from shopwatch import catalogue
from shopwatch.catalogue import Kind, Metric

RATE_INTERVAL: Final = "$__rate_interval"
SERVICE_VARIABLE: Final = "service"
_CHOSEN: Final = f'=~"${SERVICE_VARIABLE}"'


def label(attribute: str, metric: Metric) -> str:
    """The Prometheus label of an attribute that this metric has.

    Raises:
        ValueError: the metric has no such attribute, so that a query would silently find nothing.
    """
    if attribute not in (*metric.attributes, *catalogue.RESOURCE_LABELS):
        raise ValueError(
            f"{metric.name} has no attribute {attribute!r}; it has {', '.join(metric.attributes)}"
        )
    return catalogue.prometheus_label(attribute)


def selector(metric: Metric, where: str = "") -> str:
    """The metric's series of the chosen services; of a histogram, its counts."""
    return _selector(metric, "_count" if metric.kind is Kind.HISTOGRAM else "", where)


def matching(metric: Metric, attribute: str, matcher: str) -> str:
    """One label matcher, such as ``matching(m, HTTP_STATUS, '=~"5.."')``."""
    return f"{label(attribute, metric)}{matcher}"


def rate(metric: Metric, *by: str, where: str = "") -> str:
    """Events a second, summed by attributes."""
    return f"sum {_by(metric, by)} (rate({selector(metric, where)}[{RATE_INTERVAL}]))"


def ratio(metric: Metric, *by: str, part: str, whole: str = "") -> str:
    """The share of events that match ``part`` among those that match ``whole``, by attributes.

    Zero, not nothing, where there are events and none matches ``part``.
    """
    every = rate(metric, *by, where=whole)
    return f"({rate(metric, *by, where=part)} or 0 * {every}) / {every}"


def quantile(share: float, metric: Metric, *by: str) -> str:
    """A quantile of a histogram in its unit, by attributes."""
    buckets = f"rate({_selector(metric, '_bucket', '')}[{RATE_INTERVAL}])"
    grouped = _by(metric, by).replace("(", "(le, ", 1)
    return f"histogram_quantile({share:g}, sum {grouped} ({buckets}))"


def largest(metric: Metric, *by: str) -> str:
    """The largest value of a gauge by attributes."""
    return f"max {_by(metric, by)} ({selector(metric)})"


def legend(*attributes: str) -> str:
    """A legend that shows these attributes' values."""
    return " ".join(f"{{{{{catalogue.prometheus_label(attribute)}}}}}" for attribute in attributes)


def job_rate(metric: Metric) -> str:
    """Events a second by scrape job, for metrics that carry no resource attributes."""
    return f"sum by (job) (rate({metric.prometheus_name}{{job{_CHOSEN}}}[{RATE_INTERVAL}]))"


def job_sum(metric: Metric) -> str:
    """A gauge's sum by scrape job, for metrics that carry no resource attributes."""
    return f"sum by (job) ({metric.prometheus_name}{{job{_CHOSEN}}})"


def engine_rate(metric: Metric, *by: str) -> str:
    """Events a second of the rule engine itself."""
    return f"sum {_by(metric, by)} (rate({metric.prometheus_name}[{RATE_INTERVAL}]))"


def engine_quantile(share: float, metric: Metric, *by: str) -> str:
    """A quantile of one of the rule engine's own histograms."""
    grouped = _by(metric, by).replace("(", "(le, ", 1)
    buckets = f"rate({metric.prometheus_name}_bucket[{RATE_INTERVAL}])"
    return f"histogram_quantile({share:g}, sum {grouped} ({buckets}))"


def engine_sum(metric: Metric, *by: str) -> str:
    """A gauge's sum over the rule engine's own series."""
    return f"sum {_by(metric, by)} ({metric.prometheus_name})"


def _selector(metric: Metric, suffix: str, where: str) -> str:
    chosen = f"{catalogue.prometheus_label(catalogue.SERVICE_NAME)}{_CHOSEN}"
    matchers = ", ".join(filter(None, (chosen, where)))
    return f"{metric.prometheus_name}{suffix}{{{matchers}}}"


def _by(metric: Metric, attributes: tuple[str, ...]) -> str:
    return f"by ({', '.join(label(attribute, metric) for attribute in attributes)})"
