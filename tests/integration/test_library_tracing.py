"""Which traces leave a service, and over which protocol, on real servers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.resources import Resource

from library_server import eventually, serving
from shopwatch import catalogue, otlp, pipeline, settings, telemetry
from shopwatch.export import EncodedLogs, EncodedSpans
from shopwatch.testing import watch

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-1] + "0"
QUIET = {"OTEL_LOGS_EXPORTER": "none"}


def shop(gate: threading.Event) -> FastAPI:
    app = FastAPI()
    tracer = trace.get_tracer("shop")

    @app.get("/fine")
    async def fine() -> None:
        with app.state.tracer.start_as_current_span("inside"):
            return

    @app.get("/boom")
    async def boom() -> None:
        with app.state.tracer.start_as_current_span("inside"):
            raise ValueError("the basket is empty")

    @app.get("/slow")
    def slow() -> None:
        gate.wait(10)

    app.state.tracer = tracer
    return app


def names(watched: Any) -> list[str]:
    return sorted(span.name for span in watched.spans())


def test_an_unsampled_trace_is_kept_when_its_request_fails() -> None:
    environ = {**QUIET, "SHOPWATCH_KEEP_ERRORS": "true"}
    app = shop(threading.Event())
    with watch(app, service="shop", environ=environ) as watched, serving(watched.app) as url:
        app.state.tracer = watched.telemetry.tracer
        httpx.get(f"{url}/fine", headers={"traceparent": UNSAMPLED})
        assert httpx.get(f"{url}/boom", headers={"traceparent": UNSAMPLED}).status_code == 500
        eventually(lambda: names(watched) == ["GET /boom", "inside"])
        root, inside = sorted(watched.spans(), key=lambda span: span.name)
        assert inside.parent is not None
        assert inside.parent.span_id == root.get_span_context().span_id
        assert f"{root.get_span_context().trace_id:032x}" == SAMPLED.split("-")[1]


def test_an_unsampled_trace_is_kept_when_its_request_is_slow() -> None:
    environ = {**QUIET, "OTEL_TRACES_SAMPLER": "always_off", "SHOPWATCH_KEEP_SLOWER_MS": "200"}
    gate = threading.Event()
    with watch(shop(gate), service="shop", environ=environ) as watched, serving(watched.app) as url:
        httpx.get(f"{url}/fine")
        timer = threading.Timer(0.3, gate.set)
        timer.start()
        httpx.get(f"{url}/slow")
        timer.join()
        eventually(lambda: names(watched) == ["GET /slow"])


def test_forged_sampled_flags_record_no_more_than_the_limit() -> None:
    environ = {**QUIET, "SHOPWATCH_MAX_TRACES_PER_SECOND": "5"}
    with watch(FastAPI(), service="shop", environ=environ) as watched, serving(watched.app) as url:
        with httpx.Client() as client:
            for _ in range(200):
                client.get(url, headers={"traceparent": SAMPLED})
        assert watched.value(catalogue.HTTP_SERVER_DURATION) == 200
        assert 5 <= len(watched.spans()) < 60


class Receiver(trace_service_pb2_grpc.TraceServiceServicer, logs_service_pb2_grpc.LogsServiceServicer):
    """Takes both signals; refuses the first request of each as not available."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.refused: set[type] = set()
        self.headers: dict[str, str] = {}

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the service's own
        self.headers = dict(context.invocation_metadata())
        if type(request) not in self.refused:
            self.refused.add(type(request))
            context.abort(grpc.StatusCode.UNAVAILABLE, "later")
        self.received.append(request)
        if isinstance(request, trace_service_pb2.ExportTraceServiceRequest):
            return trace_service_pb2.ExportTraceServiceResponse()
        return logs_service_pb2.ExportLogsServiceResponse()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    made = Receiver()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(made, server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, f"http://127.0.0.1:{port}"
    server.stop(None).wait(5)


def test_both_signals_go_over_grpc_and_are_tried_again(receiver: tuple[Receiver, str]) -> None:
    taker, address = receiver
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": address}
    ours = settings.read(environ, service="shop")
    plain = telemetry.plain(ours)
    resource = Resource(dict(ours.resource))
    exporters = pipeline.Exporters(
        spans=EncodedSpans(otlp.sender(ours.traces, settings.TRACES)),
        logs=EncodedLogs(otlp.sender(ours.logs, settings.LOGS), resource),
    )
    made = pipeline.connect(plain, exporters, pipe := plain.pipe(None), globally=False)
    assert made.tracer is not None
    made.tracer.start_span("paying").end()
    pipe.handle(logging.LogRecord("shop", logging.WARNING, "", 0, "basket %s", (7,), None))
    assert made.ending.flush(10)
    made.ending.close()
    spans = [
        span
        for request in taker.received
        if isinstance(request, trace_service_pb2.ExportTraceServiceRequest)
        for span in request.resource_spans[0].scope_spans[0].spans
    ]
    records = [
        record
        for request in taker.received
        if isinstance(request, logs_service_pb2.ExportLogsServiceRequest)
        for record in request.resource_logs[0].scope_logs[0].log_records
    ]
    assert [span.name for span in spans] == ["paying"]
    assert [record.body.string_value for record in records] == ["basket 7"]
