"""Exporters made for OpenTelemetry's SDK as sinks: its console exporters, and those in memory for tests.

Light spans are readable spans already; log records are made into the SDK's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from shopwatch.access_log import entry_of
from shopwatch.log_entry import LogEntry
from shopwatch.spans import LightSpan, RequestSpan


class SdkSpans:
    """Spans to an exporter of the SDK."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, batch: Sequence[LightSpan]) -> bool:
        """Hand a batch on."""
        return self._exporter.export(batch) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()


class SdkLogs:
    """Log records to an exporter of the SDK, under one resource."""

    def __init__(self, exporter: LogRecordExporter, resource: Resource) -> None:
        self._exporter = exporter
        self._resource = resource

    def export(self, batch: Sequence[LogEntry | RequestSpan]) -> bool:
        """Hand a batch on."""
        made = [readable(item, self._resource) for item in batch]
        return self._exporter.export(made) is LogRecordExportResult.SUCCESS

    def close(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def readable(item: LogEntry | RequestSpan, resource: Resource) -> ReadableLogRecord:
    """A log record as the SDK has it."""
    entry = entry_of(item) if isinstance(item, RequestSpan) else item
    attributes: Mapping[str, Any] = entry.attributes
    record = LogRecord(
        timestamp=entry.time_ns,
        observed_timestamp=entry.observed_ns,
        context=_context(entry),
        severity_text=entry.severity_text,
        severity_number=SeverityNumber(entry.severity_number),
        body=entry.body,
        attributes=dict(attributes),
        event_name=entry.event_name or None,
    )
    return ReadableLogRecord(record, resource, InstrumentationScope(entry.scope))


def _context(entry: LogEntry) -> Context:
    if not entry.trace_id:
        return Context()
    ids = SpanContext(entry.trace_id, entry.span_id, is_remote=False, trace_flags=TraceFlags(entry.flags))
    return trace.set_span_in_context(NonRecordingSpan(ids), Context())


def console_spans() -> SdkSpans:
    """Spans on standard output (``OTEL_TRACES_EXPORTER=console``)."""
    return SdkSpans(ConsoleSpanExporter())


def console_logs(resource: Resource) -> SdkLogs:
    """Log records on standard output (``OTEL_LOGS_EXPORTER=console``)."""
    return SdkLogs(ConsoleLogRecordExporter(), resource)
