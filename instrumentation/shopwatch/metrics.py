"""The catalogue's service metrics in a prometheus_client registry, with a cap on series.

A series is bound once and kept, so that an observation costs one look-up. What is over a metric's cap
is folded into one overflow series and counted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry

from shopwatch import catalogue
from shopwatch.catalogue import Metric
from shopwatch.exceptions import UnknownName
from shopwatch.families import Family, Labels, Shared
from shopwatch.text import printable

_logger: Final = logging.getLogger(catalogue.SCOPE)

_LABEL_LENGTH: Final = 512  # characters of a label's value that are kept
_UNPRINTABLE: Final = {0: "\ufffd", 13: "\ufffd"}  # NUL and CR end a line or the text for some parsers
_RESOURCE_LABELS: Final = tuple(map(catalogue.prometheus_label, catalogue.RESOURCE_LABELS))
_families: WeakKeyDictionary[CollectorRegistry, dict[str, Family]] = WeakKeyDictionary()
_families_lock: Final = threading.Lock()


def clean(value: str) -> str:
    """A label's value that every reader of the text formats can take.

    Lone surrogates (broken UTF-8), NUL and carriage return become U+FFFD; what is long is cut.
    """
    return printable(value[:_LABEL_LENGTH]).translate(_UNPRINTABLE)


def families(registry: CollectorRegistry, group: Shared | None = None) -> Mapping[str, Family]:
    """The families of the service metrics on a registry, by OpenTelemetry name; made on the first call.

    Args:
        registry: that they are shown on.
        group: as for ``Instruments``; of the first call.
    """
    with _families_lock:
        if registry not in _families:
            metrics = (*catalogue.SERVICE_METRICS, catalogue.TARGET_INFO)
            _families[registry] = {metric.name: _family(metric, registry, group) for metric in metrics}
        return _families[registry]


def family(metric: Metric, registry: CollectorRegistry, group: Shared | None = None) -> Family:
    """The family of one metric on a registry; made on the first call."""
    known = families(registry, group)
    with _families_lock:
        if metric.name not in known:
            _families[registry][metric.name] = _family(metric, registry, group)
        return _families[registry][metric.name]


def _family(metric: Metric, registry: CollectorRegistry, group: Shared | None) -> Family:
    own = metric is catalogue.TARGET_INFO
    family = Family(metric, metric.labels if own else (*_RESOURCE_LABELS, *metric.labels), group)
    try:
        registry.register(family)
    except ValueError as error:  # something else in the process registered the name
        _logger.warning("metric %s is recorded but not exposed: %s", metric.prometheus_name, error)
        family.hidden = True
    return family


class BoundMetric:
    """One metric of one service: its series, by the values of the metric's own attributes."""

    def __init__(self, metric: Metric, family: Family, resource: Labels, cap: int) -> None:
        self.metric = metric
        self._family = family
        self._resource = resource
        self._cap = cap
        self._series: dict[Labels, Any] = {}
        self._lock = threading.Lock()
        self._folded: Any = None

    def fold_into(self, folded: Any) -> None:  # noqa: ANN401 - a counter's series
        """Count in ``folded`` what the cap turns away."""
        self._folded = folded

    def series(self, values: Labels) -> Any:  # noqa: ANN401 - the caller knows its metric's kind
        """The series with these attribute values, or the overflow series when there are too many."""
        known = self._series.get(values)
        return known if known is not None else self._bind(values)

    def _bind(self, values: Labels) -> Any:  # noqa: ANN401 - as above
        with self._lock:
            if values not in self._series and len(self._series) >= self._cap:
                if self._folded is not None:
                    self._folded.inc()
                return self._child((catalogue.OVERFLOW,) * len(values))
            series = self._series[values] = self._child(values)
            return series

    def _child(self, values: Labels) -> Any:  # noqa: ANN401 - the caller knows its metric's kind
        return self._family.labels(*self._resource, *map(clean, values))


class Instruments:
    """The service metrics, bound to one service on one registry.

    Args:
        registry: where the families are registered; shared by every service that names it.
        service: ``service.name``.
        version: ``service.version``.
        track: the release track.
        max_series: series that each metric may have before observations are folded.
        group: the processes that share the series; None for a process that works alone.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        service: str,
        version: str,
        track: str,
        max_series: int,
        group: Shared | None = None,
    ) -> None:
        self.registry = registry
        self._group = group
        self._max_series = max_series
        self._resource = resource = tuple(map(clean, (service, version, track)))
        made = families(registry, group)
        self._metrics = {
            metric.name: BoundMetric(metric, made[metric.name], resource, max_series)
            for metric in catalogue.SERVICE_METRICS
        }
        folded = self.bound(catalogue.SERIES_FOLDED).series(())
        for bound in self._metrics.values():
            bound.fold_into(folded)
        self._faults = self.bound(catalogue.TELEMETRY_ERRORS).series(())

    def bound(self, metric: Metric) -> BoundMetric:
        """One of the service metrics.

        Raises:
            UnknownName: the catalogue does not name it among the metrics of a service.
        """
        found = self._metrics.get(metric.name)
        if found is not None and found.metric == metric:
            return found
        if not catalogue.is_of_services(metric):
            names = ", ".join(self._metrics)
            raise UnknownName(f"metric {metric.name!r} is not one that a service records; these are: {names}")
        return self._declared(metric)

    def _declared(self, metric: Metric) -> BoundMetric:
        """A metric of a team's own, when it is first recorded."""
        made = family(metric, self.registry, self._group)
        bound = BoundMetric(metric, made, self._resource, self._max_series)
        bound.fold_into(self.bound(catalogue.SERIES_FOLDED).series(()))
        return self._metrics.setdefault(metric.name, bound)

    @property
    def shared(self) -> bool:
        """Whether several processes tell their metrics together."""
        return self._group is not None

    def fault(self) -> None:
        """Count one fault of the library."""
        self._faults.inc()

    def dropped(self, signal: str, count: int) -> None:
        """Count spans or log records that were dropped rather than waited for."""
        self.bound(catalogue.TELEMETRY_DROPPED).series((signal,)).inc(count)

    def describe_target(self, resource: Mapping[str, str]) -> None:
        """Set ``target_info`` from the resource's attributes."""
        attributes = catalogue.TARGET_INFO.attributes
        if self._group is not None:
            resource = {**resource, catalogue.SERVICE_INSTANCE_ID: self._group.instance}
        values = [clean(resource.get(attribute, "")) for attribute in attributes]
        families(self.registry)[catalogue.TARGET_INFO.name].labels(*values).set(1)
