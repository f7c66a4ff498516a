from __future__ import annotations

import pytest

from library_server import dead_address
from shopwatch import otlp, settings
from shopwatch.otlp_http import HttpLogs, HttpSpans, post


@pytest.mark.parametrize("make", [HttpSpans, HttpLogs])
def test_the_locked_opentelemetry_sends_bytes_that_are_encoded_already(
    make: type[HttpSpans | HttpLogs],
) -> None:
    exporter = make(endpoint=dead_address())
    assert post(exporter) is not None
    exporter.shutdown()


def test_grpc_is_opentelemetrys_own() -> None:
    ours = settings.read(
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": dead_address()}
    )
    exporters = otlp.spans(ours.traces), otlp.logs(ours.logs)
    assert [type(exporter).__module__.split(".")[4] for exporter in exporters] == ["grpc", "grpc"]
    for exporter in exporters:
        exporter.shutdown()
