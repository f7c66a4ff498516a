"""The three signals in the real stores: Jaeger on Elasticsearch, Elasticsearch, and Prometheus."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

from library_server import eventually
from real_prometheus import StartPrometheus, free_port
from real_servers import Jaeger
from server_processes import Server, running

SERVICES = ("gateway", "orders", "worker", "payments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The processes of tests/services/checkout.py."""

    gateway: Server
    all: Mapping[str, Server]

    def place(self) -> str:
        """Check one cart out; the id of its trace."""
        assert self.gateway_post("/checkout/7").json() == {"order": 42}
        return str(eventually(lambda: self._trace_of("worker", "order 42 is paid")))

    def gateway_post(self, path: str) -> httpx.Response:
        return httpx.post(f"{self.gateway.url}{path}", timeout=20, trust_env=False)

    def lines(self) -> list[dict[str, Any]]:
        """Every JSON line that they wrote."""
        return [
            json.loads(line)
            for server in self.all.values()
            for line in server.lines()
            if line.startswith("{")
        ]

    def _trace_of(self, service: str, message: str) -> str:
        lines = [json.loads(line) for line in self.all[service].lines() if message in line]
        return lines[-1]["trace_id"] if lines else ""


@pytest.fixture
def checkout(
    jaeger: Jaeger, rabbitmq_url: str, redis_port: int, postgres_url: str, tmp_path: Path
) -> Iterator[Checkout]:
    shared = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "RABBITMQ_URL": rabbitmq_url,
        "REDIS_PORT": str(redis_port),
        "DATABASE_URL": postgres_url,
    }
    with contextlib.ExitStack() as stack:
        found: dict[str, Server] = {}

        def begin(name: str, *command: str, **more: str) -> None:
            server = running(command, tmp_path / f"{name}.log", {**shared, **more})
            found[name] = stack.enter_context(server)

        uvicorn = ("--factory", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log")
        begin("payments", "gunicorn", "checkout:payments()", "--bind", "127.0.0.1:{port}")
        begin("orders", "uvicorn", "checkout:orders", *uvicorn)
        peers = {"ORDERS_URL": found["orders"].url, "PAYMENTS_URL": found["payments"].url}
        begin("gateway", "uvicorn", "checkout:gateway", *uvicorn, **peers)
        begin("worker", "checkout", SHOPWATCH_METRICS_PORT="{port}", **peers)
        yield Checkout(gateway=found["gateway"], all=found)


def test_a_trace_through_gateway_orders_queue_worker_and_payments_is_whole_in_jaeger(
    checkout: Checkout, jaeger: Jaeger
) -> None:
    trace_id = checkout.place()

    def stored() -> dict[str, Any] | None:
        answer = httpx.get(f"{jaeger.query}/api/traces/{trace_id}", timeout=10, trust_env=False)
        trace = answer.json()["data"][0] if answer.status_code == 200 else None
        names = {span["operationName"] for span in trace["spans"]} if trace else set()
        return trace if "POST /charges/<int:order>" in names and "POST /checkout/{cart}" in names else None

    trace = eventually(stored, within_s=30)
    spans = {span["spanID"]: span for span in trace["spans"]}
    service_of = {key: process["serviceName"] for key, process in trace["processes"].items()}
    assert set(service_of.values()) == set(SERVICES)
    parents = {
        span_id: reference["spanID"]
        for span_id, span in spans.items()
        for reference in span["references"]
        if reference["refType"] == "CHILD_OF"
    }
    roots = spans.keys() - parents.keys()
    assert [spans[root]["operationName"] for root in roots] == ["POST /checkout/{cart}"]
    assert set(parents.values()) <= spans.keys()  # no span is missing in between

    (charge,) = [key for key, span in spans.items() if span["operationName"] == "POST /charges/<int:order>"]
    path, at = [charge], charge
    while at in parents:
        at = parents[at]
        path.append(at)
    visited = [service_of[spans[span_id]["processID"]] for span_id in reversed(path)]
    assert list(dict.fromkeys(visited)) == ["gateway", "orders", "worker", "payments"]


def _all_of(wanted: set[str], lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return lines if wanted <= {line["body"]["text"] for line in lines} else []


def test_the_lines_of_all_services_are_found_in_elasticsearch_by_their_trace(
    checkout: Checkout, elasticsearch_url: str
) -> None:
    trace_id = checkout.place()
    wanted = {"cart 7 is checked out", "order 42 is placed", "order 42 is paid"}
    lines = eventually(lambda: _all_of(wanted, checkout.lines()))
    with Elasticsearch(elasticsearch_url) as client:
        made, failed = bulk(client, ({"_index": "logs", "_source": line} for line in lines), refresh=True)
        assert (made, failed) == (len(lines), [])
        mapping = client.indices.get_mapping(index="logs")["logs"]["mappings"]["properties"]
        assert mapping["@timestamp"]["type"] == "date"
        found = client.search(
            index="logs", query={"term": {"trace_id.keyword": trace_id}}, size=100, sort=["@timestamp"]
        )["hits"]["hits"]
    said = [hit["_source"] for hit in found]
    assert {line["resource"]["attributes"]["service.name"] for line in said} == set(SERVICES)
    assert wanted <= {line["body"]["text"] for line in said}


def test_exemplars_of_several_workers_are_found_through_prometheus(
    prometheus: StartPrometheus, jaeger: Jaeger, tmp_path: Path
) -> None:
    port = free_port()
    environ = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "SHOPWATCH_METRICS_PORT": str(port),
    }
    command = ("uvicorn", "asgi_shop:app", "--host", "127.0.0.1", "--port", "{port}", "--workers", "4")
    target = {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    with running(command, tmp_path / "shop.log", environ, ready="/orders/1") as server:
        store = prometheus(scrape=[target])
        for number in range(40):
            assert server.get(f"/orders/{number}").status_code == 200
        series = 'http_server_request_duration_seconds_bucket{http_route="/orders/{order_id}"}'

        def exemplars() -> list[dict[str, Any]]:
            ask = urlencode({"query": series, "start": 0, "end": 9_999_999_999})
            answer = httpx.get(f"{store.url}/api/v1/query_exemplars?{ask}", trust_env=False).json()
            return [exemplar for found in answer["data"] for exemplar in found["exemplars"]]

        found = eventually(exemplars, within_s=30)
        trace_id = found[-1]["labels"]["trace_id"]
        url = f"{jaeger.query}/api/traces/{trace_id}"
        assert eventually(lambda: httpx.get(url, trust_env=False).status_code == 200, within_s=30)
        count = "sum(http_server_request_duration_seconds_count)"
        assert eventually(lambda: store.query(f"{count} >= 40"), within_s=20)
