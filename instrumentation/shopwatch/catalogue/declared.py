"""Every metric that is known: the catalogue's own, and those that a team declares beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from shopwatch.catalogue.model import Metric
from shopwatch.exceptions import InvalidDeclaration

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_RESERVED: Final = ("shopwatch.", "http.", "db.", "rpc.", "messaging.", "process.", "cpython.")
_metrics: Final[dict[str, Metric]] = {}
_series: Final[dict[str, Metric]] = {}
_of_services: Final[set[str]] = set()

METRICS: Final[Mapping[str, Metric]] = MappingProxyType(_metrics)
"""Every metric, by OpenTelemetry name."""
SERIES: Final[Mapping[str, Metric]] = MappingProxyType(_series)
"""Every series name in Prometheus, and the metric it belongs to."""


def know(metrics: Iterable[Metric], *, of_services: bool) -> None:
    """Add the catalogue's own; ``of_services`` for those that the library records in a service."""
    for metric in metrics:
        _metrics[metric.name] = metric
        _series.update(dict.fromkeys(metric.series_names, metric))
        if of_services:
            _of_services.add(metric.name)


def declare(metric: Metric) -> Metric:
    """Add a metric of a team's own; the same one again changes nothing.

    Raises:
        InvalidDeclaration: its name, or one of its attributes', is not lower-case words with dots between, is
            in a namespace of the catalogue or of OpenTelemetry, or is another metric's.
    """
    known = _metrics.get(metric.name)
    if known == metric:
        return metric
    for name in (metric.name, *metric.attributes):
        if not _NAME.fullmatch(name):
            raise InvalidDeclaration(
                f"metric {metric.name!r}: {name!r} is no name; expected lower-case words with dots between, "
                "such as gift.cards.sold"
            )
    if metric.name.startswith(_RESERVED):
        raise InvalidDeclaration(
            f"metric {metric.name!r}: {metric.name.partition('.')[0]} is not yours to name; start with a "
            "word of your own"
        )
    taken = [series for series in metric.series_names if series in _series]
    if known is not None or taken:
        other = known or _series[taken[0]]
        raise InvalidDeclaration(
            f"metric {metric.name!r}: {other.name!r} has its name in Prometheus ({other.prometheus_name}), "
            "and is another metric"
        )
    know((metric,), of_services=True)
    return metric


def is_of_services(metric: Metric) -> bool:
    """Whether services record it: a metric of the catalogue's service metrics, or of a team's own."""
    return metric.name in _of_services and _metrics[metric.name] == metric
