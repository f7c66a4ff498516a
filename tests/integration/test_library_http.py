"""The ASGI middleware on a real server."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from litestar import Litestar, Router, get
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from library_server import eventually, serving
from shopwatch import ShopwatchMiddleware, catalogue, record
from shopwatch.testing import watch

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0"}
DURATION = catalogue.HTTP_SERVER_DURATION
_log = logging.getLogger("shop.orders")


class Gate:
    """Lets a test see that the application got somewhere, and say when it may go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()


def shop(gate: Gate) -> FastAPI:  # noqa: C901 - a list of routes, one after the other
    app = FastAPI()
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")

    @app.get("/orders/{order_id}")
    async def order(order_id: int) -> dict[str, str]:
        _log.warning("order %s", order_id, extra={"basket": 3})
        record(catalogue.ORDERS, outcome="placed")
        return {"trace": f"{trace.get_current_span().get_span_context().trace_id:032x}"}

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError("the basket is empty")

    @app.get("/unavailable", status_code=503)
    async def unavailable() -> None:
        return None

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(gate.go_on.wait, 30)
        return "done"

    @app.get("/background-boom")
    async def background_boom(tasks: BackgroundTasks) -> str:
        def fail() -> None:
            raise KeyError("late")

        tasks.add_task(fail)
        return "done"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            while True:
                yield b"x" * 1_000
                gate.reached.set()
                await asyncio.sleep(0.01)

        return StreamingResponse(parts())

    @app.post("/upload")
    async def upload(request: Request) -> str:
        gate.reached.set()
        await request.body()
        return "read"

    @app.get("/slow")
    async def slow() -> str:
        gate.reached.set()
        await asyncio.to_thread(gate.go_on.wait, 30)
        return "too late"

    @inner.get("/deep/{item}")
    async def deep(item: str) -> str:
        return item

    outer.include_router(inner)
    app.include_router(outer, prefix="/api")
    mounted = FastAPI()

    @mounted.get("/things/{thing}")
    async def thing(thing: str) -> str:
        return thing

    app.mount("/tenants/{tenant}", mounted)
    return app


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.go_on.set()


@pytest.fixture
def watched(gate: Gate) -> Iterator[Any]:
    async def broken() -> bool:
        return False

    with watch(shop(gate), service="orders", readiness={"db": lambda: True, "queue": broken}) as found:
        yield found


@pytest.fixture
def url(watched: Any) -> Iterator[str]:
    with serving(watched.app) as address:
        yield address


def counted(watched: Any, **labels: str) -> float:
    found: float = watched.value(DURATION, **labels)
    return found


@pytest.mark.parametrize(
    ("path", "status", "route"),
    [
        pytest.param("/orders/7", "200", "/orders/{order_id}", id="plain"),
        pytest.param("/orders/seven", "422", "/orders/{order_id}", id="invalid"),
        pytest.param("/api/outer/inner/deep/x", "200", "/api/outer/inner/deep/{item}", id="nested-routers"),
        pytest.param("/tenants/acme/things/9", "200", "/tenants/{tenant}/things/{thing}", id="mounted"),
        pytest.param("/tenants/acme/nothing", "404", "", id="nothing-in-the-mount"),
        pytest.param("/nothing", "404", "", id="nothing"),
        pytest.param("/upload", "405", "/upload", id="method-not-allowed"),
        pytest.param("/unavailable", "503", "/unavailable", id="unavailable"),
    ],
)
def test_every_answer_is_counted_under_its_full_route(
    watched: Any, url: str, path: str, status: str, route: str
) -> None:
    assert httpx.get(url + path).status_code == int(status)
    eventually(lambda: counted(watched, http_response_status_code=status, http_route=route) == 1)
    assert counted(watched) == 1
    (span,) = eventually(watched.spans)
    assert span.name == f"GET {route}".strip()
    assert span.attributes.get("http.route", "") == route


def test_one_timing_feeds_metric_span_and_log_line(watched: Any, url: str) -> None:
    trace_id = httpx.get(f"{url}/orders/7", headers={"traceparent": PARENT}).json()["trace"]
    (span,) = eventually(lambda: watched.spans("GET /orders/{order_id}"))
    assert trace_id == "0af7651916cd43dd8448eb211c80319c" == f"{span.context.trace_id:032x}"
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert span.kind is SpanKind.SERVER
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/orders/7",
        "http.route": "/orders/{order_id}",
        "http.response.status_code": 200,
    }
    assert span.resource.attributes["service.name"] == "orders"
    assert [event.name for event in span.events] == ["shopwatch.orders"]
    (line,) = eventually(lambda: watched.logs(catalogue.ACCESS_LOGGER))
    log = line.log_record
    assert (log.trace_id, log.span_id) == (span.context.trace_id, span.context.span_id)
    assert log.severity_text == "INFO"
    seconds = log.attributes["http.server.request.duration"]
    assert span.end_time - span.start_time == pytest.approx(seconds * 1e9, abs=2)
    total = watched.registry.get_sample_value(
        "http_server_request_duration_seconds_sum",
        {
            "service_name": "orders",
            "service_version": "",
            "shopwatch_track": "stable",
            "http_request_method": "GET",
            "http_route": "/orders/{order_id}",
            "http_response_status_code": "200",
            "url_scheme": "http",
            "error_type": "",
        },
    )
    assert total == pytest.approx(seconds)


def test_log_records_of_the_service_carry_the_trace(watched: Any, url: str) -> None:
    httpx.get(f"{url}/orders/7", headers={"traceparent": PARENT})
    (line,) = eventually(lambda: watched.logs("shop.orders"))
    (span,) = eventually(lambda: watched.spans("GET /orders/{order_id}"))
    assert line.log_record.body == "order 7"
    assert line.log_record.severity_text == "WARN"
    assert line.log_record.attributes["basket"] == 3
    assert (line.log_record.trace_id, line.log_record.span_id) == (
        span.context.trace_id,
        span.context.span_id,
    )


def test_an_exception_is_recorded_once_and_raised_on(watched: Any, url: str) -> None:
    assert httpx.get(f"{url}/boom").status_code == 500
    eventually(lambda: counted(watched, http_response_status_code="500", error_type="ValueError") == 1)
    assert counted(watched) == 1
    (span,) = eventually(lambda: watched.spans("GET /boom"))
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "ValueError"
    assert [event.name for event in span.events] == ["exception"]
    (line,) = eventually(lambda: watched.logs(catalogue.ACCESS_LOGGER))
    attributes = line.log_record.attributes
    assert line.log_record.severity_text == "ERROR"
    assert attributes["exception.type"] == "ValueError"
    assert attributes["exception.message"] == "the basket is empty"
    assert "in boom" in attributes["exception.stacktrace"]


def test_a_server_error_without_exception_is_named_by_its_status(watched: Any, url: str) -> None:
    httpx.get(f"{url}/unavailable")
    eventually(lambda: counted(watched, http_response_status_code="503", error_type="503") == 1)
    (span,) = eventually(lambda: watched.spans("GET /unavailable"))
    assert span.status.status_code is StatusCode.ERROR


def test_a_background_task_is_not_part_of_the_request(watched: Any, url: str, gate: Gate) -> None:
    assert httpx.get(f"{url}/background").text == '"done"'
    eventually(lambda: counted(watched, http_route="/background") == 1)  # while the task still runs
    assert not gate.go_on.is_set()
    gate.go_on.set()


def test_a_background_task_that_fails_is_logged_and_spares_the_request(watched: Any, url: str) -> None:
    httpx.get(f"{url}/background-boom")
    lines = eventually(
        lambda: [
            line for line in watched.logs(catalogue.ACCESS_LOGGER) if line.log_record.severity_text == "ERROR"
        ]
    )
    assert lines[0].log_record.attributes["exception.type"] == "KeyError"
    (span,) = eventually(lambda: watched.spans("GET /background-boom"))
    assert lines[0].log_record.trace_id == span.context.trace_id
    assert counted(watched, http_response_status_code="200", error_type="") == 1
    assert counted(watched) == 1


def hang_up(url: str, request: bytes, gate: Gate) -> None:
    """Send a request, wait until the application has it, and leave."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as client:
        client.sendall(request)
        assert gate.reached.wait(10)


@pytest.mark.parametrize(
    ("request_", "status", "route"),
    [
        pytest.param(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n", "200", "/stream", id="during-a-stream"),
        pytest.param(
            b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf",
            "",
            "/upload",
            id="during-an-upload",
        ),
        pytest.param(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n", "200", "/slow", id="before-a-slow-answer"),
    ],
)
def test_a_client_that_hangs_up_is_an_outcome_of_its_own(
    watched: Any, url: str, gate: Gate, request_: bytes, status: str, route: str
) -> None:
    hang_up(url, request_, gate)
    threading.Timer(0.3, gate.go_on.set).start()  # older than what is asked for its client
    eventually(lambda: counted(watched, error_type="client_disconnect", http_route=route) == 1)
    assert counted(watched, http_response_status_code=status) == 1
    (span,) = eventually(watched.spans)
    assert span.status.status_code is StatusCode.UNSET
    (line,) = eventually(lambda: watched.logs(catalogue.ACCESS_LOGGER))
    assert line.log_record.severity_text == "INFO"


def test_a_slow_answer_to_a_client_that_waits_went_well(watched: Any, url: str, gate: Gate) -> None:
    threading.Timer(0.3, gate.go_on.set).start()
    assert httpx.get(f"{url}/slow").status_code == 200
    eventually(lambda: counted(watched, http_route="/slow", error_type="") == 1)


def test_made_up_methods_and_paths_make_no_series(watched: Any, url: str) -> None:
    chance = random.Random(7)
    address = urlsplit(url)
    with httpx.Client(base_url=url) as client:
        client.request("BREW", "/nothing")
        eventually(lambda: counted(watched, http_request_method="_OTHER") == 1)
        before = sum(len(family.samples) for family in watched.registry.collect())
        for number in range(300):
            method = "".join(chance.choices("ABCDEFGHIJ", k=8))
            client.request(method, f"/{number}", headers={"host": f"{number}.example:{address.port}"})
    eventually(lambda: counted(watched, http_request_method="_OTHER") == 301)
    assert sum(len(family.samples) for family in watched.registry.collect()) == before


def test_metrics_as_text_and_as_openmetrics_with_exemplars(watched: Any, url: str) -> None:
    httpx.get(f"{url}/orders/7", headers={"traceparent": PARENT})
    eventually(lambda: counted(watched) == 1)
    text = httpx.get(f"{url}/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    names = {sample.name for family in parse_text(text.text) for sample in family.samples}
    assert {"http_server_request_duration_seconds_bucket", "shopwatch_orders_total"} <= names
    assert not [name for name in names if name.endswith("_created")]
    answer = httpx.get(f"{url}/metrics", headers=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    exemplars = [
        sample.exemplar.labels
        for family in parse_openmetrics(answer.text)
        for sample in family.samples
        if sample.name.startswith("http_server_request_duration") and sample.exemplar
    ]
    (span,) = eventually(lambda: watched.spans("GET /orders/{order_id}"))
    assert exemplars == [
        {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": f"{span.context.span_id:016x}"}
    ]


def test_a_request_that_is_not_sampled_leaves_no_exemplar_and_no_span(watched: Any, url: str) -> None:
    httpx.get(f"{url}/orders/7", headers={"traceparent": PARENT[:-2] + "00"})
    eventually(lambda: counted(watched) == 1)
    eventually(lambda: watched.logs(catalogue.ACCESS_LOGGER))
    assert watched.spans() == []
    assert "# {" not in httpx.get(f"{url}/metrics", headers=OPENMETRICS).text
    (line,) = eventually(lambda: watched.logs(catalogue.ACCESS_LOGGER))
    assert f"{line.log_record.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"


def test_health_is_served_and_not_measured(watched: Any, url: str) -> None:
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
    ready = httpx.get(f"{url}/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"status": "not ready", "checks": {"db": "ok", "queue": "failed"}}
    assert httpx.head(f"{url}/healthz").content == b""
    assert httpx.post(f"{url}/healthz").status_code == 404  # the application's own
    eventually(lambda: counted(watched) == 1)
    assert watched.value(catalogue.HTTP_SERVER_ACTIVE) == 0


def test_fastapis_own_tracing_does_not_double_the_span(watched: Any, url: str) -> None:
    httpx.get(f"{url}/orders/7")
    eventually(lambda: watched.logs(catalogue.ACCESS_LOGGER))
    assert [span.name for span in watched.spans()] == ["GET /orders/{order_id}"]


def test_starlettes_mounts() -> None:
    async def page(request: Any) -> PlainTextResponse:
        return PlainTextResponse(str(request.path_params["page"]))

    routes = [Mount("/docs", routes=[Mount("/v2", routes=[Route("/{page:int}", page, name="page")])])]
    with watch(Starlette(routes=routes)) as watched, serving(watched.app) as url:
        httpx.get(f"{url}/docs/v2/3")
        httpx.get(f"{url}/docs/v2/three")
        eventually(lambda: counted(watched) == 2)
        assert counted(watched, http_route="/docs/v2/{page}", http_response_status_code="200") == 1
        assert counted(watched, http_route="/docs/v2/{path}", http_response_status_code="404") == 1


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_what_is_not_http_passes_through(kind: str) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["type"], await receive()))
        await send({"type": f"{kind}.shutdown.complete"})

    async def receive() -> Any:
        return {"type": f"{kind}.something"}

    async def send(message: Any) -> None:
        seen.append(message["type"])

    with watch(app) as watched:
        await watched.app({"type": kind}, receive, send)
        assert counted(watched) == 0
    assert seen == [(kind, {"type": f"{kind}.something"}), f"{kind}.shutdown.complete"]


@pytest.mark.parametrize(
    ("messages", "status", "failure"),
    [
        pytest.param([], "500", "incomplete_response", id="no-answer"),
        pytest.param(
            [{"type": "http.response.start", "status": 200, "headers": []}],
            "200",
            "incomplete_response",
            id="half",
        ),
    ],
)
async def test_an_application_that_leaves_without_an_answer(
    messages: list[Any], status: str, failure: str
) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async def ignore(*_: Any) -> Any:
        return {"type": "http.request"}

    with watch(app) as watched:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        await watched.app(scope, ignore, ignore)
        assert counted(watched, http_response_status_code=status, error_type=failure) == 1


def test_the_middleware_may_be_added_by_hand() -> None:
    registry = CollectorRegistry()
    app = FastAPI()

    @app.get("/orders/{order_id}")
    async def order(order_id: int) -> int:
        return order_id

    quiet = {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    app.add_middleware(ShopwatchMiddleware, service="by-hand", environ=quiet, registry=registry)
    with serving(app) as url:
        assert httpx.get(f"{url}/orders/7").json() == 7
        text = httpx.get(f"{url}/metrics").text
    counted = {
        sample.labels["http_route"]: sample.value
        for family in parse_text(text)
        for sample in family.samples
        if sample.name == "http_server_request_duration_seconds_count"
    }
    assert counted == {"/orders/{order_id}": 1}


def test_litestar_routes() -> None:
    @get("/items/{item:int}")
    async def item() -> str:
        return "here"

    app = Litestar([Router("/shop", route_handlers=[item])], logging_config=None)
    with watch(app, service="shop") as watched, serving(watched.app) as url:
        assert httpx.get(f"{url}/shop/items/1").text == "here"
        assert httpx.get(f"{url}/nothing").status_code == 404
        assert watched.value(DURATION, http_route="/shop/items/{item}", http_response_status_code="200") == 1
        assert watched.value(DURATION, http_route="", http_response_status_code="404") == 1
