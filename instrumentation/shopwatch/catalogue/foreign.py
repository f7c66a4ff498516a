"""Metrics that others give, and ours speak of."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    DEPLOYMENT_ENVIRONMENT,
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    TRACK,
)
from shopwatch.catalogue.model import Across, Kind, Metric

PROCESS_CPU: Final = Metric(
    name="process.cpu",
    kind=Kind.COUNTER,
    unit="s",
    description="CPU time of the process (prometheus_client's process collector).",
)
PROCESS_MEMORY: Final = Metric(
    name="process.resident_memory",
    kind=Kind.GAUGE,
    unit="By",
    description="Resident memory of the process (prometheus_client's process collector).",
)
TARGET_INFO: Final = Metric(
    name="target.info",
    kind=Kind.GAUGE,
    unit="",
    description="Resource attributes of the service, as labels of a constant 1.",
    attributes=(SERVICE_NAME, SERVICE_VERSION, SERVICE_INSTANCE_ID, DEPLOYMENT_ENVIRONMENT, TRACK),
    across=Across.LATEST,
)
UP: Final = Metric(
    name="up",
    kind=Kind.GAUGE,
    unit="",
    description="1 when Prometheus could scrape the target, else 0 (made by Prometheus).",
    attributes=("job", "instance"),
)

FOREIGN_METRICS: Final = (
    PROCESS_CPU,
    PROCESS_MEMORY,
    TARGET_INFO,
    UP,
)
