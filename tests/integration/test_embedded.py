"""The collector as a process, fed by OpenTelemetry's own exporters."""

from __future__ import annotations

import logging
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import typer
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from typer.testing import CliRunner

from real_prometheus import wait_until
from shopwatch_engine.cli.collector import collector
from shopwatch_engine.model import LogQuery, TraceQuery
from shopwatch_engine.sources import EmbeddedSource

RUN = "import typer; from shopwatch_engine.cli.collector import collector; typer.run(collector)"


class Collector:
    """``shopwatch collector`` on a free port."""

    def __init__(self, path: Path) -> None:
        self.source = EmbeddedSource(path)
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, "--listen", "127.0.0.1:0", "--store", f"sqlite:///{path}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert found, f"no address in {first!r}"
        self.url = found[0]
        wait_until(self._healthy, within_s=20, what="the collector answers")

    def _healthy(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


Start = Callable[[], Collector]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts collectors, one after another, over one file."""
    started: list[Collector] = []

    def begin() -> Collector:
        started.append(Collector(tmp_path / "data" / "telemetry.db"))
        return started[-1]

    yield begin
    for one in started:
        one.end()


def send(collector: Collector, compression: Compression, service: str = "orders") -> str:
    """A failed request's spans and log line, through the SDK; the trace's id."""
    resource = Resource.create({"service.name": service})
    tracers, loggers = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    traces = OTLPSpanExporter(f"{collector.url}/v1/traces", compression=compression, timeout=10)
    lines = OTLPLogExporter(f"{collector.url}/v1/logs", compression=compression, timeout=10)
    tracers.add_span_processor(BatchSpanProcessor(traces))
    loggers.add_log_record_processor(BatchLogRecordProcessor(lines))
    with tracers.get_tracer("test").start_as_current_span("POST /orders", kind=SpanKind.SERVER) as root:
        with tracers.get_tracer("test").start_as_current_span("charge") as charge:
            charge.set_status(Status(StatusCode.ERROR, "card declined"))
        loggers.get_logger("test").emit(
            timestamp=time.time_ns(),
            severity_number=SeverityNumber.ERROR,
            severity_text="ERROR",
            body="order failed",
            attributes={"http.route": "/orders"},
        )
        trace_id = f"{root.get_span_context().trace_id:032x}"
    assert tracers.force_flush()
    assert loggers.force_flush()
    tracers.shutdown()
    loggers.shutdown()
    return trace_id


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
async def test_the_sdks_exporters_reach_it(start: Start, compression: Compression) -> None:
    running = start()
    began = time.time()
    trace_id = send(running, compression)
    window = {"start": began - 1, "end": time.time() + 1}
    (trace,) = await running.source.search_traces(TraceQuery(**window, service="orders"))
    assert (trace.trace_id, trace.service, trace.name) == (trace_id, "orders", "POST /orders")
    assert (trace.spans, trace.errors, trace.error) == (2, 1, "card declined")
    (line,) = await running.source.search_logs(LogQuery(**window, trace_ids=(trace_id,), min_severity=17))
    assert (line.body, line.service, line.attributes.get("http.route")) == (
        "order failed",
        "orders",
        "/orders",
    )
    assert line.span_id


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_what_it_took_is_there_after_it_ended(start: Start, how: signal.Signals) -> None:
    running = start()
    trace_id = send(running, Compression.Gzip)
    running.end(how)
    query = TraceQuery(start=0, end=time.time() + 1, trace_ids=(trace_id,))
    assert len(await running.source.search_traces(query)) == 1
    again = start()
    send(again, Compression.Gzip, service="payments")
    assert len(await again.source.search_traces(TraceQuery(start=0, end=time.time() + 1))) == 2


def test_it_stays_up_on_what_is_no_http(start: Start) -> None:
    running = start()
    port = int(running.url.rpartition(":")[2])
    for raw in (
        b"\x00\xff" * 100 + b"\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw_client:
            raw_client.sendall(raw)
    body = b"x" * (4 * 1024 * 1024 + 1)
    headers = {"Content-Type": "application/x-protobuf"}
    assert requests.post(f"{running.url}/v1/logs", data=body, headers=headers, timeout=10).status_code == 413
    assert requests.get(f"{running.url}/healthz", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        pytest.param(["--listen", "nowhere"], 2, "is not HOST:PORT", id="listen"),
        pytest.param(["--listen", "127.0.0.1:70000"], 2, "is not HOST:PORT", id="port"),
        pytest.param(["--store", "postgresql://x"], 2, "is not sqlite:///FILE", id="store"),
        pytest.param(["--keep", "soon"], 2, "is not a duration", id="keep"),
        pytest.param(["--store", "sqlite:////dev/null/t.db"], 1, "name a file in a folder", id="folder"),
        pytest.param(["--listen", "taken"], 1, "cannot listen on", id="taken"),
    ],
)
def test_options_that_are_wrong(tmp_path: Path, options: list[str], code: int, said: str) -> None:
    defaults = ["--listen", "127.0.0.1:0", "--store", f"sqlite:///{tmp_path / 't.db'}"]
    app = typer.Typer()
    app.command()(collector)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [f"127.0.0.1:{taken.getsockname()[1]}" if word == "taken" else word for word in options]
        done = CliRunner().invoke(app, [*defaults, *words], env={"COLUMNS": "200"})
    assert done.exit_code == code
    assert said in " ".join(done.stderr.split())


@pytest.fixture(autouse=True)
def _quiet_exporters() -> Iterator[None]:
    """The SDK logs each retry; a test that fails says enough."""
    logger = logging.getLogger("opentelemetry")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)
