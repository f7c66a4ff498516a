"""What the library says of itself."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    SEVERITY,
    SIGNAL,
)
from shopwatch.catalogue.model import Kind, Metric

TELEMETRY_DROPPED: Final = Metric(
    name="shopwatch.telemetry.dropped",
    kind=Kind.COUNTER,
    unit="{item}",
    description="Spans and log records that the library dropped rather than wait (by signal).",
    attributes=(SIGNAL,),
)
TELEMETRY_ERRORS: Final = Metric(
    name="shopwatch.telemetry.errors",
    kind=Kind.COUNTER,
    unit="{error}",
    description="Errors inside the library, kept away from the service.",
)
SERIES_FOLDED: Final = Metric(
    name="shopwatch.telemetry.series_folded",
    kind=Kind.COUNTER,
    unit="{observation}",
    description="Observations folded into the overflow series because a metric had too many series.",
)
LOGS_HELD_BACK: Final = Metric(
    name="shopwatch.telemetry.logs_held_back",
    kind=Kind.COUNTER,
    unit="{record}",
    description="Log records held back because lines like them were repeated too often (by severity).",
    attributes=(SEVERITY,),
)

TELEMETRY_METRICS: Final = (
    TELEMETRY_DROPPED,
    TELEMETRY_ERRORS,
    SERIES_FOLDED,
    LOGS_HELD_BACK,
)
