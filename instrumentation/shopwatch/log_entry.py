"""One log record on its way out of the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """What OpenTelemetry's log data model says of a record; times in nanoseconds since the epoch.

    ``scope`` is the logger's name; the ids are zero outside a trace.
    """

    time_ns: int
    observed_ns: int
    severity_number: int
    severity_text: str
    body: str
    attributes: Mapping[str, Any]
    trace_id: int
    span_id: int
    flags: int
    scope: str
    event_name: str = ""
