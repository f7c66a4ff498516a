"""OpenTelemetry's OTLP exporters as the settings say, and what they may log of a collector that is away.

The exporters' own retries stay on; certificates, headers and compression they read from the process'
environment by OpenTelemetry's names.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.trace.export import SpanExporter

from shopwatch.settings import GRPC, Export

_QUIET_S: Final = 60.0  # between two lines of an exporter's logger
_NOISY: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.common.http",
)


def spans(settings: Export) -> SpanExporter:
    """OpenTelemetry's OTLP span exporter for the protocol that the settings name."""
    if settings.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - grpc is slow to load
            OTLPSpanExporter as GrpcSpans,
        )

        return GrpcSpans(endpoint=settings.endpoint, timeout=settings.timeout_s)
    from shopwatch.otlp_http import HttpSpans  # noqa: PLC0415 - only if it is used

    return HttpSpans(endpoint=settings.endpoint, timeout=settings.timeout_s)


def logs(settings: Export) -> LogRecordExporter:
    """OpenTelemetry's OTLP log exporter for the protocol that the settings name."""
    if settings.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (  # noqa: PLC0415 - grpc is slow to load
            OTLPLogExporter as GrpcLogs,
        )

        return GrpcLogs(endpoint=settings.endpoint, timeout=settings.timeout_s)
    from shopwatch.otlp_http import HttpLogs  # noqa: PLC0415 - only if it is used

    return HttpLogs(endpoint=settings.endpoint, timeout=settings.timeout_s)


class _Sparse(logging.Filter):
    """Lets one record of a level pass in ``_QUIET_S``: a dead collector is said, not chanted."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[int, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        now = time.monotonic()
        if now < self._next.get(record.levelno, 0.0):
            return False
        self._next[record.levelno] = now + _QUIET_S
        return True


def hush_exporters() -> None:
    """Thin out what OpenTelemetry's exporters log about a collector that is away; done once a process."""
    for name in _NOISY:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Sparse) for known in logger.filters):
            logger.addFilter(_Sparse())
