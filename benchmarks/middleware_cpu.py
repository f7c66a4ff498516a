"""CPU time that each way of watching a service adds to a request, in microseconds.

A Starlette and a Flask application, called in process over ASGI and WSGI, so that no network and no server
is measured. Every way gets the same requests (ten headers, a sampled ``traceparent``), in interleaved
rounds; a figure is the median over the rounds of ``time.process_time``, all threads included, less the bare
application's. Spans and log records are encoded as OTLP, each library's by what it encodes with when it
sends over HTTP, and then thrown away; log lines go to the null device.

Run it: ``python benchmarks/middleware_cpu.py [--requests N] [--rounds N]``.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import logging
import os
import statistics
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from prometheus_flask_exporter import PrometheusMetrics
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shopwatch import catalogue, pipeline, settings, telemetry
from shopwatch.bootstrap import install
from shopwatch.export import EncodedLogs, EncodedSpans

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


class Encoded(SpanExporter):
    """Encodes spans as OpenTelemetry does, and throws them away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode."""
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to close."""


class Nowhere:
    """Throws away what is encoded."""

    def send(self, payload: bytes) -> bool:
        """Throw it away."""
        return bool(payload)

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of watching a service.

    ``flush`` sends what waits, so that its encoding is counted; ``handlers`` are the root logger's.
    """

    name: str
    app: Any
    flush: Callable[[], object] = bool
    handlers: tuple[logging.Handler, ...] = ()
    peer: str = ""
    """The way that it is compared with."""
    wsgi: bool = False


async def _order(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["order_id"])


def _bare() -> Starlette:
    return Starlette(routes=[Route("/orders/{order_id}", _order)])


def _flask() -> Flask:
    app = Flask("orders")

    @app.get("/orders/<order_id>")
    def order(order_id: str) -> str:
        return order_id

    return app


def _null() -> Any:  # noqa: ANN401 - a text file
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open until the process ends


def _shopwatch(name: str, app: Any, peer: str, *, traces: bool, full: bool, **environ: str) -> Way:  # noqa: ANN401 - as above
    limits = {"OTEL_BSP_MAX_QUEUE_SIZE": "100000", "OTEL_BLRP_MAX_QUEUE_SIZE": "100000"}
    lines = {"SHOPWATCH_ACCESS_LOG": "all" if full else "none"}
    ours = settings.read({**limits, **lines, **environ}, service="orders")
    plain = telemetry.plain(ours, CollectorRegistry())
    pipe = plain.pipe(_null() if full else None)
    resource = Resource(dict(ours.resource))
    exporters = pipeline.Exporters(
        spans=EncodedSpans(Nowhere()) if traces else None,
        logs=EncodedLogs(Nowhere(), resource) if full else None,
    )
    made = pipeline.connect(plain, exporters, pipe, globally=False)
    handlers = (pipe,) if full else ()
    wsgi = isinstance(app, Flask)
    return Way(
        name=name, app=install(app, made), flush=made.ending.flush, handlers=handlers, peer=peer, wsgi=wsgi
    )


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
        self._logger.addHandler(logging.StreamHandler(_null()))

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


def _provider(sampler: sampling.Sampler | None = None) -> tuple[TracerProvider, BatchSpanProcessor]:
    provider = TracerProvider(
        sampler=sampler, resource=Resource.create({"service.name": "orders"}), shutdown_on_exit=False
    )
    processor = BatchSpanProcessor(Encoded(), max_queue_size=100_000)
    provider.add_span_processor(processor)
    return provider, processor


def _opentelemetry(name: str, *, tuned: bool = False, stack: bool = False, unsampled: bool = False) -> Way:
    provider, processor = _provider(sampling.ALWAYS_OFF if unsampled else None)
    inner: Any = JsonLine(_instrumentator(_bare())) if stack else _bare()
    excluded: list[Any] | None = ["send", "receive"] if tuned else None
    meters = MeterProvider([InMemoryMetricReader()]) if unsampled else None
    app = OpenTelemetryMiddleware(
        inner, tracer_provider=provider, meter_provider=meters, exclude_spans=excluded
    )
    return Way(name=name, app=app, flush=processor.force_flush)


def _json_lines(app: Flask) -> None:
    logger = logging.getLogger("benchmark.flask")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(_null()))
    inner = app.wsgi_app

    def logged(environ: dict[str, Any], start_response: Any) -> Any:  # noqa: ANN401 - WSGI's own
        started = time.perf_counter()
        said: list[str] = []

        def noting(status: str, *more: Any) -> Any:  # noqa: ANN401 - as above
            said.append(status)
            return start_response(status, *more)

        body = inner(environ, noting)
        span = trace.get_current_span().get_span_context()
        line = {
            "trace_id": f"{span.trace_id:032x}",
            "span_id": f"{span.span_id:016x}",
            "service": "orders",
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "status": said[0],
            "duration": time.perf_counter() - started,
        }
        logger.info(json.dumps(line))
        return body

    app.wsgi_app = logged  # type: ignore[method-assign]


def _opentelemetry_flask(name: str, *, stack: bool = False, unsampled: bool = False) -> Way:
    provider, processor = _provider(sampling.ALWAYS_OFF if unsampled else None)
    app = _flask()
    if stack:
        PrometheusMetrics(app, registry=CollectorRegistry(), path=None)
        _json_lines(app)
    meters = MeterProvider([InMemoryMetricReader()]) if unsampled else None
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider, meter_provider=meters)
    return Way(name=name, app=app, flush=processor.force_flush, wsgi=True)


def _exporter_flask(name: str) -> Way:
    app = _flask()
    PrometheusMetrics(app, registry=CollectorRegistry(), path=None)
    return Way(name=name, app=app, wsgi=True)


OFF = {"OTEL_TRACES_SAMPLER": "always_off"}


def asgi_ways() -> tuple[Way, ...]:
    """Every way of watching Starlette, the bare application first."""
    tuned = "the same, no send/receive spans"
    return (
        Way(name="bare Starlette", app=_bare()),
        _instrumentator_way("prometheus-fastapi-instrumentator"),
        _opentelemetry("OpenTelemetry ASGI, metrics, unsampled", unsampled=True),
        _opentelemetry(tuned, tuned=True, stack=True),
        _opentelemetry("OpenTelemetry + instrumentator + JSON line", stack=True),
        _shopwatch(
            "shopwatch: metrics", _bare(), "prometheus-fastapi-instrumentator", traces=False, full=False
        ),
        _shopwatch(
            "shopwatch: metrics, unsampled trace",
            _bare(),
            "OpenTelemetry ASGI, metrics, unsampled",
            traces=True,
            full=False,
            **OFF,
        ),
        _shopwatch("shopwatch: all three signals, OTLP", _bare(), tuned, traces=True, full=True),
        _shopwatch(
            "shopwatch: all three signals, OTLP (again)",
            _bare(),
            "OpenTelemetry + instrumentator + JSON line",
            traces=True,
            full=True,
        ),
    )


def wsgi_ways() -> tuple[Way, ...]:
    """Every way of watching Flask, the bare application first."""
    return (
        Way(name="bare Flask", app=_flask(), wsgi=True),
        _exporter_flask("prometheus-flask-exporter"),
        _opentelemetry_flask("OpenTelemetry Flask, metrics, unsampled", unsampled=True),
        _opentelemetry_flask("OpenTelemetry Flask + exporter + JSON line", stack=True),
        _shopwatch("shopwatch: metrics", _flask(), "prometheus-flask-exporter", traces=False, full=False),
        _shopwatch(
            "shopwatch: metrics, unsampled trace",
            _flask(),
            "OpenTelemetry Flask, metrics, unsampled",
            traces=True,
            full=False,
            **OFF,
        ),
        _shopwatch(
            "shopwatch: all three signals, OTLP",
            _flask(),
            "OpenTelemetry Flask + exporter + JSON line",
            traces=True,
            full=True,
        ),
    )


def _instrumentator_way(name: str) -> Way:
    return Way(name=name, app=_instrumentator(_bare()))


async def _asgi_requests(app: ASGIApp, count: int) -> None:
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


def _wsgi_requests(app: Flask, count: int) -> None:
    headers = {"HTTP_" + name.decode().upper().replace("-", "_"): value.decode() for name, value in _HEADERS}

    def start_response(status: str, *_: Any) -> Callable[[bytes], object]:  # noqa: ANN401 - WSGI's own
        assert status == "200 OK"
        return bool

    for number in range(count):
        environ: dict[str, Any] = {
            **headers,
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": f"/orders/{number}",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        body = app.wsgi_app(environ, start_response)
        for _ in body:
            pass
        body.close()  # type: ignore[attr-defined]


def _round(way: Way, count: int) -> float:
    logging.getLogger().handlers[:] = way.handlers
    started = time.process_time()
    if way.wsgi:
        _wsgi_requests(way.app, count)
    else:
        asyncio.run(_asgi_requests(way.app, count))
    way.flush()
    return (time.process_time() - started) / count * 1e6


def measure(every: Sequence[Way], requests: int, rounds: int) -> dict[str, float]:
    """Microseconds a request of every way, the medians over the rounds."""
    for way in every:
        _round(way, requests // 4)  # warm up
    taken: dict[str, list[float]] = {way.name: [] for way in every}
    for _ in range(rounds):
        for way in every:
            taken[way.name].append(_round(way, requests))
    return {name: statistics.median(times) for name, times in taken.items()}


def show(every: Sequence[Way], requests: int, rounds: int) -> None:
    """Measure and print one table: each way beside the one that it is compared with."""
    measured = measure(every, requests, rounds)
    bare = measured[every[0].name]
    added = {name: taken - bare for name, taken in measured.items()}
    print(f"\n{every[0].name}: {bare:.1f} us a request; what each adds:")
    for way in every[1:]:
        ratio = f"1/{added[way.peer] / added[way.name]:.1f} of {way.peer}" if way.peer else ""
        print(f"  {way.name:46}{added[way.name]:8.1f} us   {ratio}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=2_000, help="requests a round")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of every way")
    chosen = parser.parse_args()
    logging.getLogger(catalogue.ACCESS_LOGGER).setLevel(logging.INFO)
    print(f"CPU a request, medians of {chosen.rounds} interleaved rounds of {chosen.requests} requests")
    show(asgi_ways(), chosen.requests, chosen.rounds)
    show(wsgi_ways(), chosen.requests, chosen.rounds)


if __name__ == "__main__":
    main()
