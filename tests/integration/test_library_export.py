"""What leaves a service over OTLP, and what a collector that is away may cost it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from library_server import Collector, dead_address, eventually

SERVICE = Path(__file__).parents[1] / "library_service.py"


class Service:
    """The service in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def stop(self, with_signal: int = signal.SIGTERM) -> float:
        """Seconds that it took to end."""
        started = time.monotonic()
        self.process.send_signal(with_signal)
        self.process.wait(30)
        taken = time.monotonic() - started
        self.reader.join(5)
        return taken

    def value(self, name: str, **labels: str) -> float:
        text = httpx.get(f"{self.url}/metrics").text
        samples = (sample for family in parse_text(text) for sample in family.samples)
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


@contextlib.contextmanager
def service(**environ: str) -> Iterator[Service]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SHOPWATCH_"))
    }
    process = subprocess.Popen(
        [sys.executable, str(SERVICE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean, **environ},
    )
    assert process.stdout is not None
    running: Service | None = None
    try:
        port = process.stdout.readline().split()[-1]
        running = Service(process, f"http://127.0.0.1:{port}")
        yield running
    finally:
        process.kill()
        process.wait()
        if running is not None:
            running.reader.join(5)
        process.stdout.close()


def bodies(collector: Collector, path: str) -> list[bytes]:
    return [body for at, body in collector.received if at == path]


def spans(collector: Collector) -> list[Any]:
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies(collector, "/v1/traces")]
    return [span for r in requests for rs in r.resource_spans for ss in rs.scope_spans for span in ss.spans]


def log_records(collector: Collector) -> list[tuple[str, Any]]:
    requests = [ExportLogsServiceRequest.FromString(body) for body in bodies(collector, "/v1/logs")]
    scopes = [scope for r in requests for rl in r.resource_logs for scope in rl.scope_logs]
    return [(scope.scope.name, record) for scope in scopes for record in scope.log_records]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
def test_what_waits_is_exported_when_the_service_ends(ending: int) -> None:
    with Collector() as collector, service(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as orders:
        for number in range(5):
            httpx.get(f"{orders.url}/orders/{number}")
        assert orders.stop(ending) < 2
    assert [span.name for span in spans(collector)] == ["GET /orders/{order_id}"] * 5
    records = log_records(collector)
    assert sorted(name for name, _ in records) == ["shop.orders"] * 5 + ["shopwatch.access"] * 5
    assert {record.trace_id for _, record in records} == {span.trace_id for span in spans(collector)}


def test_the_json_lines_have_the_shape_of_the_log_documents() -> None:
    with service(OTEL_TRACES_EXPORTER="none", OTEL_LOGS_EXPORTER="none") as orders:
        httpx.get(
            f"{orders.url}/orders/7",
            headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        )
        orders.stop()
    own, access = (json.loads(line) for line in orders.lines)
    assert access["body"]["text"].startswith("GET /orders/{order_id} 200")
    assert (access["severity_text"], access["severity_number"]) == ("INFO", 9)
    assert access["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert access["scope"] == {"name": "shopwatch.access"}
    assert access["attributes"]["http.response.status_code"] == 200
    assert access["attributes"]["url.path"] == "/orders/7"
    assert access["resource"]["attributes"]["service.name"] == "orders"
    assert access["@timestamp"].endswith("Z")
    assert own["body"]["text"] == "order 7"
    assert own["trace_id"] == access["trace_id"]


def latencies(orders: Service, count: int) -> list[float]:
    with httpx.Client(base_url=orders.url) as client:
        client.get("/orders/0")
        taken = []
        for number in range(count):
            started = time.perf_counter()
            assert client.get(f"/orders/{number}").status_code == 200
            taken.append(time.perf_counter() - started)
    return taken


@pytest.mark.parametrize("kind", ["dead", "hanging"])
def test_a_collector_that_is_away_costs_neither_latency_nor_memory_nor_the_end(kind: str) -> None:
    release = threading.Event()
    limits = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "50",
        "OTEL_BLRP_MAX_QUEUE_SIZE": "50",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BLRP_SCHEDULE_DELAY": "50",
    }
    with contextlib.ExitStack() as running:
        without = running.enter_context(service(OTEL_SDK_DISABLED="true"))
        usual = statistics.median(latencies(without, 300))
        if kind == "hanging":
            collector = running.enter_context(Collector(hang=release))
            running.callback(release.set)
            address = collector.url
        else:
            address = dead_address()
        orders = running.enter_context(service(OTEL_EXPORTER_OTLP_ENDPOINT=address, **limits))
        taken = latencies(orders, 300)
        assert statistics.median(taken) < usual * 3 + 0.005
        assert max(taken) < 1
        dropped = "shopwatch_telemetry_dropped_total"
        eventually(lambda: orders.value(dropped, shopwatch_signal="traces") >= 100)
        eventually(lambda: orders.value(dropped, shopwatch_signal="logs") >= 100)
        assert orders.value("shopwatch_telemetry_errors_total") == 0
        assert orders.stop() < 2
    about_export = [line for line in orders.lines if "opentelemetry" in line]
    assert len(about_export) <= 8, about_export
