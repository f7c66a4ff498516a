"""Metrics of the process that a service runs in."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.model import Metric

RUNTIME_METRICS: Final[tuple[Metric, ...]] = ()
