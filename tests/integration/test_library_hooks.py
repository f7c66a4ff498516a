"""The hooks on the real libraries: httpx to a real server, SQLAlchemy on SQLite, a queue to a thread."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from library_server import dead_address, eventually, serving
from shopwatch import catalogue
from shopwatch.hooks.call import ANY, suppressing
from shopwatch.hooks.queue import consume, consume_batch, inject
from shopwatch.testing import watch

CLIENT = catalogue.HTTP_CLIENT_DURATION
DATABASE = catalogue.DB_CLIENT_DURATION


def payments() -> FastAPI:
    app = FastAPI()

    @app.get("/answer/{status}")
    async def answer(status: int) -> Response:
        return Response(status_code=status)

    return app


@pytest.fixture
def watched() -> Iterator[Any]:
    with watch(
        payments(), environ={"SHOPWATCH_PEERS": "127.0.0.1=payments"}, hooks=("httpx", "sqlalchemy")
    ) as found:
        yield found


@pytest.fixture
def url(watched: Any) -> Iterator[str]:
    with serving(watched.app) as address:
        yield address


def send(kind: str, url: str) -> httpx.Response:
    if kind == "sync":
        with httpx.Client() as client:
            return client.get(url)
    return asyncio.run(send_async(url))


async def send_async(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        pytest.param(200, "", id="ok"),
        pytest.param(404, "404", id="not-found"),
        pytest.param(503, "503", id="failed"),
    ],
)
def test_a_request_is_timed_and_carries_the_trace(
    watched: Any, url: str, kind: str, status: int, error: str
) -> None:
    with watched.telemetry.tracer.start_as_current_span("checkout") as checkout:
        assert send(kind, f"{url}/answer/{status}").status_code == status
    assert (
        watched.value(
            CLIENT,
            http_request_method="GET",
            service_peer_name="payments",
            http_response_status_code=str(status),
            error_type=error,
        )
        == 1
    )
    (client,) = watched.spans("GET")
    (server,) = eventually(lambda: watched.spans("GET /answer/{status}"))
    assert client.kind is SpanKind.CLIENT
    assert client.parent.span_id == checkout.get_span_context().span_id
    assert server.parent.span_id == client.context.span_id
    assert server.context.trace_id == checkout.get_span_context().trace_id
    assert client.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_service_that_cannot_be_reached_is_an_error(watched: Any, kind: str) -> None:
    with pytest.raises(httpx.ConnectError):
        send(kind, dead_address())
    assert watched.value(CLIENT, error_type="httpx.ConnectError", http_response_status_code="") == 1
    (span,) = watched.spans("GET")
    assert span.status.status_code is StatusCode.ERROR


def test_without_spans_the_callers_trace_is_still_passed_on() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{url}/answer/200")
        seen.append(answer.request.headers["traceparent"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    off = {"OTEL_TRACES_EXPORTER": "none"}
    with serving(payments()) as url, watch(app, environ=off, hooks=("httpx",)) as without:
        with serving(without.app) as address, suppressing(ANY):
            httpx.get(address, headers={"traceparent": parent})
        assert without.spans() == []
    assert seen == [parent]


def test_statements_are_timed_by_operation(watched: Any) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO orders VALUES (:id)"), [{"id": 1}, {"id": 2}])
        assert connection.execute(text(" select count(*) FROM orders")).scalar() == 2
        connection.execute(
            text("EXPLAIN SELECT id FROM orders WHERE id = 7 AND 'ann@example.com' <> 'it''s'")
        )
    engine.dispose()
    for operation in ("CREATE", "INSERT", "SELECT", "_OTHER"):
        assert (
            watched.value(DATABASE, db_operation_name=operation, db_system_name="sqlite", error_type="") == 1
        )
    assert watched.value(DATABASE) == 4
    (span,) = watched.spans("EXPLAIN")
    assert span.kind is SpanKind.CLIENT
    assert span.attributes["db.query.text"] == "EXPLAIN SELECT id FROM orders WHERE id = ? AND ? <> ?"
    assert len(watched.spans()) == 4


def test_a_failed_statement_is_an_error(watched: Any) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT * FROM nothing"))
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()
    assert watched.value(DATABASE, db_operation_name="SELECT", error_type="sqlite3.OperationalError") == 1
    assert watched.value(DATABASE, db_operation_name="SELECT", error_type="") == 1
    assert watched.spans("SELECT")[0].status.status_code is StatusCode.ERROR


def test_a_database_that_cannot_be_reached_is_counted(watched: Any, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/missing/shop.sqlite")
    with pytest.raises(OperationalError):
        engine.connect()
    engine.dispose()
    assert watched.value(DATABASE, db_operation_name="CONNECT", error_type="sqlite3.OperationalError") == 1
    assert watched.value(catalogue.TELEMETRY_ERRORS) == 0


def test_a_message_carries_the_trace_to_its_worker(watched: Any) -> None:
    messages: queue.Queue[dict[str, str]] = queue.Queue()
    headers: dict[str, str] = {}

    def work() -> None:
        with consume("orders", "rabbitmq", messages.get(timeout=10)):
            """Nothing is to do with the message."""

    worker = threading.Thread(target=work)
    worker.start()
    with watched.telemetry.tracer.start_as_current_span("checkout") as checkout:
        inject(headers)
        messages.put(headers)
    worker.join(10)
    (span,) = watched.spans("process orders")
    assert span.kind is SpanKind.CONSUMER
    assert span.context.trace_id == checkout.get_span_context().trace_id
    assert span.parent.span_id == checkout.get_span_context().span_id
    labels = {"messaging_system": "rabbitmq", "messaging_destination_name": "orders", "error_type": ""}
    assert watched.value(catalogue.MESSAGE_DURATION, **labels) == 1


def test_a_batch_is_linked_to_each_of_its_publishers(watched: Any) -> None:
    carriers: list[dict[str, str]] = [{}, {"traceparent": "nonsense"}]
    for number in range(3):
        with watched.telemetry.tracer.start_as_current_span(f"checkout {number}"):
            carriers.append({})
            inject(carriers[-1])
    with consume_batch("orders", "kafka", carriers):
        """Nothing is to do with the messages."""
    (span,) = watched.spans("process orders")
    publishers = [watched.spans(f"checkout {number}")[0].context.span_id for number in range(3)]
    assert [link.context.span_id for link in span.links] == publishers
    assert span.parent is None
    assert watched.value(catalogue.MESSAGE_DURATION, shopwatch_outcome="acknowledged") == 1


@pytest.mark.parametrize(
    "carrier",
    [{}, {"traceparent": "nonsense"}, {"traceparent": 7}, {"traceparent": b"\xff", "tracestate": None}],
    ids=["empty", "nonsense", "number", "bytes"],
)
def test_a_message_that_fails_is_an_error_whatever_its_headers(watched: Any, carrier: Any) -> None:
    with pytest.raises(KeyError), consume("orders", "aws_sqs", carrier):
        raise KeyError("order")
    assert watched.value(catalogue.MESSAGE_DURATION, error_type="KeyError") == 1
    assert watched.spans("process orders")[0].parent is None


def test_an_engine_that_was_used_before_is_followed_too_and_left_alone_afterwards() -> None:
    engine = create_engine("sqlite://")
    ask(engine)
    with watch(payments(), hooks=("sqlalchemy",)) as first:
        ask(engine)
    with watch(payments(), hooks=("sqlalchemy",)) as second:
        ask(engine)
        ask(engine)
    ask(engine)
    engine.dispose()
    assert (first.value(DATABASE), len(first.spans())) == (1, 1)
    assert (second.value(DATABASE), len(second.spans())) == (2, 2)


def ask(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_pool_tells_its_use_its_waits_and_who_waited_in_vain(watched: Any, tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    engine = create_engine(
        f"sqlite:///{path}", poolclass=QueuePool, pool_size=1, max_overflow=1, pool_timeout=0.01
    )
    pool = {"db_client_connection_pool_name": f"localhost/{path}"}
    used = {"db_client_connection_state": "used", **pool}
    with engine.connect():
        assert watched.value(catalogue.POOL_CONNECTIONS, **used) == 1
        with engine.connect():
            assert watched.value(catalogue.POOL_CONNECTIONS, **used) == 2
            with pytest.raises(PoolTimeout):
                engine.connect()
    assert watched.value(catalogue.POOL_CONNECTIONS, **used) == 0
    assert watched.value(catalogue.POOL_CONNECTIONS, db_client_connection_state="idle", **pool) == 1
    assert watched.value(catalogue.POOL_MAX, **pool) == 2
    assert watched.value(catalogue.POOL_WAIT, **pool) == 2
    assert watched.value(catalogue.POOL_TIMEOUTS, **pool) == 1
    engine.dispose()
