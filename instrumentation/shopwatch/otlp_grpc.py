"""OpenTelemetry's OTLP exporters over gRPC, handed bytes.

The request's message is parsed back from the bytes, which takes a fraction of building it does; channel,
metadata, back-off and shutdown stay the exporter's.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExportResult

from shopwatch.settings import TRACES, Export


class GrpcSpans(OTLPSpanExporter):
    """Sends encoded spans."""

    def _translate_data(self, data: Any) -> ExportTraceServiceRequest:  # noqa: ANN401 - bytes, where it has spans
        made: ExportTraceServiceRequest = ExportTraceServiceRequest.FromString(data)
        return made

    def _count_data(self, data: Any) -> int:  # noqa: ANN401 - as above
        return len(ExportTraceServiceRequest.FromString(data).resource_spans)

    def send(self, payload: bytes) -> bool:
        """Send an encoded request; retried within the timeout."""
        return self._export(payload) is SpanExportResult.SUCCESS  # type: ignore[arg-type]

    def close(self) -> None:
        """Cut short what is being tried."""
        self.shutdown()


class GrpcLogs(OTLPLogExporter):
    """Sends encoded log records."""

    def _translate_data(self, data: Any) -> ExportLogsServiceRequest:  # noqa: ANN401 - as above
        made: ExportLogsServiceRequest = ExportLogsServiceRequest.FromString(data)
        return made

    def _count_data(self, data: Any) -> int:  # noqa: ANN401 - as above
        return len(ExportLogsServiceRequest.FromString(data).resource_logs)

    def send(self, payload: bytes) -> bool:
        """Send an encoded request; retried within the timeout."""
        return self._export(payload) is LogRecordExportResult.SUCCESS  # type: ignore[arg-type]

    def close(self) -> None:
        """Cut short what is being tried."""
        self.shutdown()


def sender(settings: Export, signal: str) -> GrpcSpans | GrpcLogs:
    """A sender of ``traces`` or ``logs``."""
    kind = GrpcSpans if signal == TRACES else GrpcLogs
    return kind(endpoint=settings.endpoint, timeout=settings.timeout_s)
