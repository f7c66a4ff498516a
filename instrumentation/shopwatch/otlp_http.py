"""OpenTelemetry's OTLP exporters over HTTP, handed bytes.

They have no public way to send what is encoded already, so their client is used; where a version has none,
it is said when the first batch is sent, and counted as dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from shopwatch.settings import TRACES, Export


class HttpSender:
    """Sends over HTTP.

    Args:
        exporter: whose address, headers, compression and retries are used.
    """

    def __init__(self, exporter: OTLPSpanExporter | OTLPLogExporter) -> None:
        self._exporter = exporter
        self._post = post(exporter)

    def send(self, payload: bytes) -> bool:
        """Send an encoded request; retried within the timeout."""
        return bool(self._post(payload).success)

    def close(self) -> None:
        """Cut short what is being tried."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def post(exporter: OTLPSpanExporter | OTLPLogExporter) -> Callable[[bytes], Any]:
    """What sends bytes for an exporter, retries included.

    Raises:
        NotImplementedError: this version of the exporter has no such thing.
    """
    found: Callable[[bytes], Any] | None = getattr(getattr(exporter, "_client", None), "export", None)
    if found is None:
        raise NotImplementedError(
            "this opentelemetry-exporter-otlp-proto-http has no client that takes bytes: expected 1.45"
        )
    return found


def sender(settings: Export, signal: str) -> HttpSender:
    """A sender of ``traces`` or ``logs``."""
    kind = OTLPSpanExporter if signal == TRACES else OTLPLogExporter
    return HttpSender(kind(endpoint=settings.endpoint, timeout=settings.timeout_s))
