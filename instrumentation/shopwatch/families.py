"""Metric families whose series are plain numbers: cheap to add to, and to write out.

Each family is a collector of prometheus_client, so that whatever reads the registry sees it. An addition is
one step of the interpreter, which holds its lock throughout: no lock of ours is needed, and none can be
left held by a signal handler or a finalizer.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol

from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Exposed
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from shopwatch.catalogue import Kind, Metric

Labels = tuple[str, ...]

_written_apart: ContextVar[bool] = ContextVar("shopwatch_written_apart", default=False)


@contextmanager
def written_apart() -> Iterator[None]:
    """Within the block, registries show none of our families: whoever collects writes them by ``text``."""
    token = _written_apart.set(True)
    try:
        yield
    finally:
        _written_apart.reset(token)


class Counter:
    """A series that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Add an amount.

        Raises:
            ValueError: it is negative.
        """
        if amount < 0:
            raise ValueError(f"a counter only grows: it cannot take {amount}")
        self.value += amount


class Gauge:
    """A series that goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Add an amount."""
        self.value += amount

    def dec(self, amount: float = 1.0) -> None:
        """Take an amount away."""
        self.value -= amount

    def set(self, value: float) -> None:
        """Set the value."""
        self.value = float(value)


class Histogram:
    """Observations by size, and the latest exemplar of each bucket.

    The number of observations is the sum of the buckets, so that the two cannot differ.

    Args:
        bounds: upper bounds of the buckets, ascending, without infinity.
    """

    __slots__ = ("_bounds", "counts", "exemplars", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[tuple[int, int, float, float] | None] = [None] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, trace_id: int = 0, span_id: int = 0) -> None:
        """Count an observation; with a trace's id it becomes its bucket's exemplar."""
        at = bisect_left(self._bounds, value)
        self.counts[at] += 1
        self.sum += value
        if trace_id:
            self.exemplars[at] = (trace_id, span_id, value, time.time())


Series = Counter | Gauge | Histogram


class Collected(Protocol):
    """The series of a whole group."""

    def by_family(self) -> Mapping[str, list[tuple[Labels, Series]]]:
        """By the metric's OpenTelemetry name."""
        ...


class Shared(Protocol):
    """Processes that share their series; ``instance`` is what they are called together."""

    @property
    def instance(self) -> str:
        """``service.instance.id`` of all of them."""
        ...

    def series(self, metric: Metric, labels: Labels) -> object | None:
        """A series of this process; None when there is no room for one."""
        ...

    def collect(self) -> Collected:
        """The sums over all processes."""
        ...


class Family(Collector):
    """One metric's series, by the values of its labels.

    Args:
        metric: of the catalogue.
        label_names: in Prometheus' form.
        group: the processes that the series are shared with; None for a process that works alone.
    """

    def __init__(self, metric: Metric, label_names: Labels, group: Shared | None = None) -> None:
        self._group = group
        self.metric = metric
        self.hidden = False  # something else has its name on the registry
        self._label_names = label_names
        self._series: dict[Labels, Any] = {}
        self._inside: dict[Labels, str] = {}
        self._lock = threading.RLock()
        self._name = metric.prometheus_name
        self._bounds = tuple(_number(bound) for bound in (*metric.buckets, float("inf")))

    def labels(self, *values: str) -> Any:  # noqa: ANN401 - the series of its kind, shared or not
        """The series with these label values; made if there is none."""
        with self._lock:
            known = self._series.get(values)
            if known is None:
                known = self._series[values] = self._make(values)
            return known

    def _inside_of(self, values: Labels) -> str:
        """The labels as text; in one order for all families: readers compare texts, and so do tests."""
        known = self._inside.get(values)
        if known is None:
            pairs = sorted(zip(self._label_names, values, strict=True))
            known = self._inside[values] = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
        return known

    def _make(self, values: Labels) -> Any:  # noqa: ANN401 - the series of its kind, shared or not
        if self._group is not None:
            shared = self._group.series(self.metric, values)
            if shared is not None:
                return shared
        if self.metric.kind is Kind.HISTOGRAM:
            return Histogram(self.metric.buckets)
        return Gauge() if self.metric.kind is Kind.GAUGE else Counter()

    def _every(self) -> list[tuple[Labels, Any]]:
        """All series, of the whole group if there is one."""
        if self._group is None:
            return list(self._series.items())
        return self._group.collect().by_family().get(self.metric.name, [])

    # ------------------------------------------------------------ for whoever reads the registry
    def describe(self) -> list[Exposed]:
        """The family without its series."""
        return [self._empty()]

    def collect(self) -> Iterator[Exposed]:
        """The family with its series, as prometheus_client has them."""
        if _written_apart.get():
            return
        family = self._empty()
        for values, series in self._every():
            labels = dict(zip(self._label_names, values, strict=True))
            if isinstance(series, Histogram):
                family.samples.extend(self._histogram_samples(labels, series))
            else:
                family.samples.append(Sample(self._name, labels, series.value))
        yield family

    def _empty(self) -> Exposed:
        text = self.metric.description
        if self.metric.kind is Kind.HISTOGRAM:
            return HistogramMetricFamily(self._name, text, labels=self._label_names)
        if self.metric.kind is Kind.GAUGE:
            return GaugeMetricFamily(self._name, text, labels=self._label_names)
        return CounterMetricFamily(self._name, text, labels=self._label_names)

    def _histogram_samples(self, labels: dict[str, str], series: Histogram) -> Iterator[Sample]:
        total = 0
        for bound, count, exemplar in zip(self._bounds, series.counts, series.exemplars, strict=True):
            total += count
            shown = None if exemplar is None else _shown(exemplar)
            yield Sample(f"{self._name}_bucket", {**labels, "le": bound}, total, None, shown)
        yield Sample(f"{self._name}_count", labels, total)
        yield Sample(f"{self._name}_sum", labels, series.sum)

    # ------------------------------------------------------------ for our own exposition
    def text(self, *, openmetrics: bool) -> str:
        """The family in OpenMetrics 1.0 or in Prometheus' text format 0.0.4; empty when it has no series."""
        series = self._every()
        if not series:
            return ""
        name = self._name
        shown = name.removesuffix("_total") if openmetrics and self.metric.kind is Kind.COUNTER else name
        lines = [
            f"# HELP {shown} {_help(self.metric.description)}\n# TYPE {shown} {self.metric.kind.value}\n"
        ]
        if self.metric.kind is Kind.HISTOGRAM:
            self._write_histograms(lines, series, with_exemplars=openmetrics)
        else:
            for values, one in series:
                inside = self._inside_of(values)
                labels = f"{{{inside}}}" if inside else ""
                lines.append(f"{name}{labels} {_number(one.value)}\n")
        return "".join(lines)

    def _write_histograms(
        self, lines: list[str], every: list[tuple[Labels, Any]], *, with_exemplars: bool
    ) -> None:
        """Each series' buckets, from text that is put together once."""
        ends = [f'le="{bound}"}} ' for bound in self._bounds]
        bucket, count, total_of = f"{self._name}_bucket{{", f"{self._name}_count", f"{self._name}_sum"
        for values, series in every:
            inside = self._inside_of(values)
            head = f"{bucket}{inside}," if inside else bucket
            total = 0
            exemplars = series.exemplars
            for at, counted in enumerate(list(series.counts)):
                total += counted
                exemplar = exemplars[at] if with_exemplars else None
                lines.append(
                    f"{head}{ends[at]}{total}{'' if exemplar is None else _exemplar_text(exemplar)}\n"
                )
            labels = f"{{{inside}}}" if inside else ""
            lines.append(f"{count}{labels} {total}\n{total_of}{labels} {_number(series.sum)}\n")


def _shown(exemplar: tuple[int, int, float, float]) -> Exemplar:
    trace_id, span_id, value, at = exemplar
    return Exemplar({"trace_id": f"{trace_id:032x}", "span_id": f"{span_id:016x}"}, value, at)


def _exemplar_text(exemplar: tuple[int, int, float, float]) -> str:
    trace_id, span_id, value, at = exemplar
    return f' # {{span_id="{span_id:016x}",trace_id="{trace_id:032x}"}} {_number(value)} {at}'


_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES: Final = str.maketrans(
    {"\\": r"\\", "\n": r"\n"}
)  # descriptions of the catalogue hold no quotes


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)


def _help(text: str) -> str:
    return text.translate(_HELP_ESCAPES)
