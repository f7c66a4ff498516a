"""Several workers, one right ``/metrics``: on uvicorn, gunicorn and hypercorn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from library_server import eventually
from server_processes import Server, running

OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "4", "--log-level", "warning"]
UVICORN = ["uvicorn", "--port", "{port}", "--workers", "4", "--log-level", "warning", "--no-access-log"]
SERVERS = [
    pytest.param([*UVICORN, "asgi_shop:app"], "/orders/1", "/orders/{order_id}", id="uvicorn"),
    pytest.param(
        ["hypercorn", "--bind", "127.0.0.1:{port}", "--workers", "3", "asgi_shop:app"],
        "/orders/1",
        "/orders/{order_id}",
        id="hypercorn",
    ),
    pytest.param(
        [*GUNICORN, "flask_shop:app"], "/shop/items/1", "/shop/items/<int:item>", id="gunicorn-sync"
    ),
    pytest.param(
        [*GUNICORN, "--preload", "--worker-class", "gevent", "flask_shop:app"],
        "/shop/items/1",
        "/shop/items/<int:item>",
        id="gunicorn-gevent-preload",
    ),
]


def samples(server: Server, name: str) -> list[Any]:
    text = server.get("/metrics", **OPENMETRICS).text
    return [s for family in parse_openmetrics(text) for s in family.samples if s.name == name]


def counted(server: Server, route: str) -> float:
    found = samples(server, "http_server_request_duration_seconds_count")
    return sum(sample.value for sample in found if sample.labels["http_route"] == route)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Server]:
    with running([*UVICORN, "asgi_shop:app"], tmp_path / "log", {"OTEL_TRACES_EXPORTER": "otlp"}) as server:
        yield server


@pytest.mark.parametrize(("command", "path", "route"), SERVERS)
def test_whichever_worker_is_asked_tells_all(command: Any, path: str, route: str, tmp_path: Path) -> None:
    with running(command, tmp_path / "log") as server:
        for _ in range(60):
            server.get(path)
        assert [counted(server, route) for _ in range(12)] == [60] * 12
        assert len(samples(server, "target_info")) == 1


def test_dead_workers_leave_their_counts_and_nothing_else(shop: Server) -> None:
    processes = {shop.get(f"/orders/{number}").json()["process"] for number in range(80)}
    assert len(processes) > 1
    assert counted(shop, "/orders/{order_id}") == 80
    for _ in range(3):
        with contextlib.suppress(httpx.TransportError):
            shop.get("/die")
        eventually(lambda: shop.get("/healthz").status_code == 200)
        assert counted(shop, "/orders/{order_id}") == 80
        assert counted(shop, "/orders/{order_id}") == 80
    [orders] = samples(shop, "shopwatch_orders_total")
    assert orders.value == 80
    active = samples(shop, "http_server_active_requests")
    assert {sample.value for sample in active} == {0}
    waiting = samples(shop, "shopwatch_queue_messages")
    assert {sample.value for sample in waiting} <= {float(number) for number in range(80)}
    assert len(waiting) <= 1


def test_exemplars_of_all_workers_are_told(shop: Server) -> None:
    for _ in range(20):
        shop.get("/orders/1", traceparent=PARENT)
    for _ in range(8):
        buckets = samples(shop, "http_server_request_duration_seconds_bucket")
        traces = {sample.exemplar.labels["trace_id"] for sample in buckets if sample.exemplar}
        assert traces == {PARENT.split("-")[1]}
