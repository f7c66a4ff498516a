"""What a metric of the catalogue is, and how OpenTelemetry's names become Prometheus'."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What sort of instrument a metric is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Across(Enum):
    """What several processes of one service add up to, for a gauge; dead processes' gauges count for nothing.

    ``SUM`` adds the live processes' values; ``LATEST`` takes the value that was set last.
    """

    SUM = "sum"
    LATEST = "latest"


_UNIT_WORDS: Final = {"s": "seconds", "By": "bytes", "1": "ratio"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: its OpenTelemetry name, and everything that is said of it anywhere.

    ``attributes`` are OpenTelemetry names (dots); ``labels`` their Prometheus form.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    across: Across = Across.SUM

    @property
    def prometheus_name(self) -> str:
        """The family's name in Prometheus, with unit and, for a counter, ``_total``."""
        base = self.name.replace(".", "_")
        word = _UNIT_WORDS.get(self.unit, "")
        if word and not base.endswith(f"_{word}"):
            base = f"{base}_{word}"
        return f"{base}_total" if self.kind is Kind.COUNTER else base

    @property
    def labels(self) -> tuple[str, ...]:
        """The attributes as Prometheus label names."""
        return tuple(prometheus_label(attribute) for attribute in self.attributes)

    @property
    def series_names(self) -> tuple[str, ...]:
        """Every series name that the metric has in Prometheus."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.prometheus_name}_{suffix}" for suffix in ("bucket", "count", "sum"))
        return (self.prometheus_name,)


def prometheus_label(attribute: str) -> str:
    """An OpenTelemetry attribute's name as a Prometheus label."""
    return attribute.replace(".", "_")
