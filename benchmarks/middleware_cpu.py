"""CPU time that each way of watching a service adds to a request, in microseconds.

One Starlette application, called in process over ASGI, so that no network and no server is measured.
Every way gets the same requests (ten headers, a sampled ``traceparent``), in interleaved rounds; a figure
is the median over the rounds of ``time.process_time``, all threads included, less the bare application's.
Spans and log records are encoded as OTLP, each library's by what it encodes with when it sends over HTTP,
and then thrown away; log lines go to the null device.

Run it: ``python benchmarks/middleware_cpu.py [--requests N] [--rounds N]``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shopwatch import catalogue, pipeline, settings, telemetry, wire
from shopwatch.bootstrap import install
from shopwatch.logs import LogPipe

ASGIApp = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

_HEADERS = [
    (b"host", b"shop.example"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"accept-language", b"en-GB,en;q=0.9"),
    (b"cookie", b"session=0123456789abcdef; basket=42"),
    (b"referer", b"https://shop.example/basket"),
    (b"x-request-id", b"7b1f9d2c"),
    (b"x-forwarded-for", b"203.0.113.7"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
]


class EncodedSpans(SpanExporter):
    """Encodes spans as OTLP and throws them away."""

    def __init__(self, encode: Callable[[Sequence[ReadableSpan]], bytes]) -> None:
        self._encode = encode

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode."""
        self._encode(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to close."""


class EncodedLogs(LogRecordExporter):
    """Encodes log records as OTLP and throws them away."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Encode."""
        wire.encode_logs(batch)
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to close."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return timeout_millis >= 0


def _opentelemetrys_own(spans: Sequence[ReadableSpan]) -> bytes:
    return encode_spans(spans).SerializeToString()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of watching a service; ``flush`` sends what waits, so that its encoding is counted."""

    name: str
    app: ASGIApp
    flush: Callable[[], object] = bool
    access_log: int = logging.CRITICAL


async def _order(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["order_id"])


def _bare() -> Starlette:
    return Starlette(routes=[Route("/orders/{order_id}", _order)])


def _shopwatch(name: str, *, full: bool) -> Way:
    ours = settings.read({"OTEL_BSP_MAX_QUEUE_SIZE": "100000", "OTEL_BLRP_MAX_QUEUE_SIZE": "100000"})
    plain = telemetry.plain(ours, CollectorRegistry())
    exporters = pipeline.Exporters(
        spans=EncodedSpans(wire.encode_spans) if full else None, logs=EncodedLogs() if full else None
    )
    built = pipeline.build(ours, plain.instruments, plain.guard, exporters, globally=False)
    made = replace(plain, tracer=built.tracer, ending=built.ending)
    if full:
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open until the process ends
        pipe = LogPipe(resource=ours.resource, outlet=built.outlet, stream=stream, guard=made.guard)
        logging.getLogger(catalogue.ACCESS_LOGGER).addHandler(pipe)
    level = logging.INFO if full else logging.CRITICAL
    return Way(name=name, app=install(_bare(), made), flush=made.ending.flush, access_log=level)


def _instrumentator(app: Starlette) -> Starlette:
    Instrumentator(registry=CollectorRegistry()).instrument(app)
    return app


class JsonLine:
    """What a service writes by hand beside the two libraries: a JSON access line with the trace's id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._logger = logging.getLogger("benchmark.access")
        self._logger.propagate = False
        self._logger.setLevel(logging.INFO)
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open until the process ends
        self._logger.addHandler(logging.StreamHandler(stream))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401
        """Serve and log one request."""
        started = time.perf_counter()
        status = 0

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, receive, watched)
        span = trace.get_current_span().get_span_context()
        line = {
            "trace_id": f"{span.trace_id:032x}",
            "span_id": f"{span.span_id:016x}",
            "service": "orders",
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "duration": time.perf_counter() - started,
        }
        self._logger.info(json.dumps(line))


def _opentelemetry(name: str, *, tuned: bool, stack: bool) -> Way:
    provider = TracerProvider(resource=Resource.create({"service.name": "orders"}), shutdown_on_exit=False)
    processor = BatchSpanProcessor(EncodedSpans(_opentelemetrys_own), max_queue_size=100_000)
    provider.add_span_processor(processor)
    inner: Any = JsonLine(_instrumentator(_bare())) if stack else _bare()
    excluded: list[Any] | None = ["send", "receive"] if tuned else None
    app = OpenTelemetryMiddleware(inner, tracer_provider=provider, exclude_spans=excluded)
    return Way(name=name, app=app, flush=processor.force_flush)


def ways() -> tuple[Way, ...]:
    """Every way, the bare application first."""
    return (
        Way(name="bare Starlette", app=_bare()),
        _shopwatch("shopwatch: metrics", full=False),
        _shopwatch("shopwatch: metrics, trace, log line, OTLP", full=True),
        Way(name="prometheus-fastapi-instrumentator: metrics", app=_instrumentator(_bare())),
        _opentelemetry("OpenTelemetry ASGI: trace, OTLP", tuned=False, stack=False),
        _opentelemetry("OpenTelemetry ASGI, no send/receive spans", tuned=True, stack=False),
        _opentelemetry("OpenTelemetry + instrumentator + log line", tuned=False, stack=True),
        _opentelemetry("the same, no send/receive spans", tuned=True, stack=True),
    )


async def _requests(app: ASGIApp, count: int) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        assert message["type"] != "http.response.start" or message["status"] == 200

    for number in range(count):
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/orders/{number}",
            "raw_path": f"/orders/{number}".encode(),
            "query_string": b"",
            "root_path": "",
            "headers": _HEADERS,
            "client": ("127.0.0.1", 51_000),
            "server": ("127.0.0.1", 8_000),
            "state": {},
        }
        await app(scope, receive, send)


def _round(way: Way, count: int) -> float:
    logging.getLogger(catalogue.ACCESS_LOGGER).setLevel(way.access_log)
    started = time.process_time()
    asyncio.run(_requests(way.app, count))
    way.flush()
    return (time.process_time() - started) / count * 1e6


def measure(requests: int, rounds: int) -> list[tuple[str, float]]:
    """Microseconds a request of every way, the medians over the rounds."""
    logging.getLogger(catalogue.ACCESS_LOGGER).propagate = False
    every = ways()
    for way in every:
        _round(way, requests // 4)  # warm up
    taken: dict[str, list[float]] = {way.name: [] for way in every}
    for _ in range(rounds):
        for way in every:
            taken[way.name].append(_round(way, requests))
    return [(name, statistics.median(times)) for name, times in taken.items()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=2_000, help="requests a round")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of every way")
    chosen = parser.parse_args()
    measured = measure(chosen.requests, chosen.rounds)
    bare = measured[0][1]
    full = measured[2][1] - bare
    print(f"CPU a request, medians of {chosen.rounds} rounds of {chosen.requests} requests\n")
    print(f"{'':46}{'us':>8}{'added us':>10}{'of shopwatch, all':>19}")
    for name, taken in measured:
        ratio = f"{(taken - bare) / full:.2f} x" if taken != bare else ""
        print(f"{name:46}{taken:8.1f}{taken - bare:10.1f}{ratio:>19}")


if __name__ == "__main__":
    main()
