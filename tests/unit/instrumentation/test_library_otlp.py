from __future__ import annotations

import pytest

from library_server import dead_address
from shopwatch import otlp, settings
from shopwatch.otlp_http import sender as http_sender


@pytest.mark.parametrize("signal", [settings.TRACES, settings.LOGS])
def test_the_locked_opentelemetry_sends_bytes_that_are_encoded_already(signal: str) -> None:
    ours = settings.read({"OTEL_EXPORTER_OTLP_ENDPOINT": dead_address()})
    made = http_sender(ours.traces, signal)
    made.close()


@pytest.mark.parametrize("protocol", [settings.GRPC, settings.HTTP_PROTOBUF])
def test_nothing_is_connected_before_the_first_batch(protocol: str) -> None:
    ours = settings.read(
        {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://no.such.host.invalid",
        }
    )
    otlp.sender(ours.traces, settings.TRACES).close()
