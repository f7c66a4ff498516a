"""A process that is no web service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from library_server import Collector, dead_address

WORKER = Path(__file__).parents[1] / "library_worker.py"


@pytest.mark.parametrize("how", ["plain", "fork"])
def test_a_worker_serves_its_metrics_and_exports_its_spans(how: str) -> None:
    address = dead_address()
    with Collector() as collector:
        with subprocess.Popen(
            [sys.executable, str(WORKER), address.rsplit(":", 1)[1], how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        ) as process:
            assert process.stdout is not None
            while process.stdout.readline().strip() != "done":
                assert process.poll() is None
            text = httpx.get(f"{address}/metrics").text
            process.communicate(timeout=10)
        assert process.returncode == 0
        bodies = [body for path, body in collector.received if path == "/v1/traces"]
    samples = {sample.name: sample for family in parse_text(text) for sample in family.samples}
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    spans = [s for r in requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]
    assert [span.name for span in spans] == ["process orders"]
    assert [event.name for event in spans[0].events] == ["shopwatch.orders"]
    assert samples["target_info"].labels["service_name"] == "worker"
    if how == "plain":  # a forked child's metrics are its own
        assert samples["shopwatch_orders_total"].value == 1
        assert samples["messaging_process_duration_seconds_count"].value == 1
