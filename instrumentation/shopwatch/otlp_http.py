"""OpenTelemetry's OTLP exporters over HTTP, with ``wire`` for their encoding.

Address, TLS, headers, compression, retries and their limits stay OpenTelemetry's. It has no public way to
send bytes that are encoded already; where a version lacks the one used here, it encodes by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from shopwatch import wire


def post(exporter: OTLPSpanExporter | OTLPLogExporter) -> Callable[[bytes], Any] | None:
    """What sends bytes for an exporter, retries included; None where this version has no such thing."""
    found: Callable[[bytes], Any] | None = getattr(getattr(exporter, "_client", None), "export", None)
    return found


class HttpSpans(OTLPSpanExporter):
    """Spans to an OTLP endpoint."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and send a batch; returns once it was taken, or given up."""
        send = post(self)
        if send is None:
            return super().export(spans)
        taken = send(wire.encode_spans(spans)).success
        return SpanExportResult.SUCCESS if taken else SpanExportResult.FAILURE


class HttpLogs(OTLPLogExporter):
    """Log records to an OTLP endpoint."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Encode and send a batch; returns once it was taken, or given up."""
        send = post(self)
        if send is None:
            return super().export(batch)
        taken = send(wire.encode_logs(batch)).success
        return LogRecordExportResult.SUCCESS if taken else LogRecordExportResult.FAILURE
