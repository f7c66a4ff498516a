from __future__ import annotations

import asyncio
import gzip
import json
import re
import sqlite3
import zlib
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from shopwatch_engine.clock import SystemClock
from shopwatch_engine.embedded import Limits, TelemetryStore, collector_app
from shopwatch_engine.embedded.records import Records
from shopwatch_engine.model import LabelSet, LogQuery, TraceQuery
from shopwatch_engine.sources import EmbeddedSource

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"
NOW_NS = "1700000000123456789"


class Box:
    def __init__(self, store: TelemetryStore, client: httpx.AsyncClient) -> None:
        self.store = store
        self.client = client
        self.source = EmbeddedSource(store.path)

    async def post(self, path: str, body: Any, kind: str = PROTOBUF, **headers: str) -> httpx.Response:
        sent = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        return await self.client.post(path, content=content, headers=sent)


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    store = TelemetryStore(tmp_path / "t.db", clock=SystemClock(), queue_records=100)
    app = collector_app(store, clock=SystemClock(), limits=Limits(body_bytes=100_000, inflated_bytes=200_000))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
        yield Box(store, client)
    store.close()


def spans(*ids: tuple[bytes, bytes]) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for trace_id, span_id in ids:
        scope.spans.add(
            trace_id=trace_id, span_id=span_id, name="GET /", start_time_unix_nano=1, end_time_unix_nano=2
        )
    return request.SerializeToString()


GOOD = spans((b"t" * 16, b"s" * 8))
BOMB = gzip.compress(bytes(50_000_000))

JSON_LOGS: dict[str, Any] = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "orders"}}]},
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            "timeUnixNano": NOW_NS,
                            "severityNumber": 17,
                            "body": {"stringValue": "declined"},
                            "traceId": TRACE,
                            "spanId": SPAN.upper(),
                            "attributes": [
                                {"key": "http.route", "value": {"stringValue": "/pay"}},
                                {"key": "amount", "value": {"intValue": "42"}},
                                {"key": "ratio", "value": {"doubleValue": "NaN"}},
                                {"key": "raw", "value": {"bytesValue": "AAE="}},
                                {
                                    "key": "list",
                                    "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}},
                                },
                                {"key": "empty"},
                            ],
                            "aFieldOfTomorrow": 1,
                        }
                    ]
                }
            ],
        }
    ]
}
JSON_TRACES: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "orders"}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": TRACE,
                            "spanId": SPAN,
                            "parentSpanId": "",
                            "name": "POST /orders",
                            "kind": 2,
                            "startTimeUnixNano": NOW_NS,
                            "endTimeUnixNano": "1700000001123456789",
                            "status": {"code": 2},
                            "links": [{"traceId": "00" * 15 + "01", "spanId": "00" * 7 + "01"}],
                            "events": [
                                {
                                    "name": "exception",
                                    "attributes": [
                                        {"key": "exception.type", "value": {"stringValue": "Timeout"}},
                                        {"key": "exception.message", "value": {"stringValue": "no answer"}},
                                    ],
                                }
                            ],
                        }
                    ]
                }
            ],
        }
    ]
}


async def test_json_with_hexadecimal_ids(box: Box) -> None:
    answer = await box.post("/v1/logs", JSON_LOGS, f"{JSON}; charset=utf-8")
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {}, JSON)
    (line,) = await box.source.search_logs(LogQuery(start=1.7e9, end=1.7e9 + 1, trace_ids=(TRACE,)))
    assert (line.trace_id, line.span_id, line.service, line.body) == (TRACE, SPAN, "orders", "declined")
    assert (line.severity_text, line.severity_number) == ("ERROR", 17)
    assert line.attributes == LabelSet.of(
        {
            "http.route": "/pay",
            "amount": "42",
            "ratio": "nan",
            "raw": "AAE=",
            "list": "[true, null]",
            "empty": "null",
        }
    )
    assert (await box.post("/v1/traces", JSON_TRACES, JSON)).json() == {}
    (trace,) = await box.source.search_traces(TraceQuery(start=0, end=2e9, service="orders"))
    assert (trace.trace_id, trace.name, trace.duration_s) == (TRACE, "POST /orders", 1.0)
    assert (trace.errors, trace.error) == (1, "Timeout: no answer")


async def test_the_document_has_the_shape_of_the_collectors_otel_mapping(box: Box) -> None:
    await box.post("/v1/logs", JSON_LOGS, JSON)
    with closing(sqlite3.connect(box.store.path)) as db:
        (text,) = db.execute("SELECT document FROM logs").fetchone()
    document = json.loads(text)
    assert document.pop("attributes")["http.route"] == "/pay"
    assert document == {
        "@timestamp": "2023-11-14T22:13:20.123456789Z",
        "body": {"text": "declined"},
        "severity_text": "ERROR",
        "severity_number": 17,
        "resource": {"attributes": {"service.name": "orders"}},
        "trace_id": TRACE,
        "span_id": SPAN,
    }


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("identity", GOOD, id="plain"),
        pytest.param("gzip", gzip.compress(GOOD), id="gzip"),
        pytest.param("GZIP", gzip.compress(GOOD[:10]) + gzip.compress(GOOD[10:]), id="gzip-in-two-members"),
        pytest.param("deflate", zlib.compress(GOOD), id="deflate"),
    ],
)
async def test_codings(box: Box, coding: str, body: bytes) -> None:
    answer = await box.post("/v1/traces", body, content_encoding=coding)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    assert box.store.counts.spans == 1


@pytest.mark.parametrize(
    ("body", "kind", "headers", "status", "said"),
    [
        pytest.param(b"\xff\xff garbage", PROTOBUF, {}, 400, "not the protobuf", id="garbage"),
        pytest.param(GOOD[:-3], PROTOBUF, {}, 400, "not the protobuf", id="half"),
        pytest.param(GOOD, JSON, {}, 400, "not OTLP's JSON", id="protobuf-as-json"),
        pytest.param(b"", JSON, {}, 400, "not OTLP's JSON", id="nothing-as-json"),
        pytest.param(b"[]", JSON, {}, 400, "no object but a list", id="list"),
        pytest.param(b'{"a":' * 15_000, JSON, {}, 400, "nested too deeply|not OTLP", id="deep"),
        pytest.param(b'{"resourceSpans": 7}', JSON, {}, 400, "not OTLP's JSON", id="number"),
        pytest.param(
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
            JSON,
            {},
            400,
            "hex",
            id="no-hex",
        ),
        pytest.param(
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}',
            JSON,
            {},
            400,
            "not OTLP's JSON",
            id="half-a-character",
        ),
        pytest.param(GOOD, PROTOBUF, {"content_encoding": "gzip"}, 400, "is not gzip", id="not-gzip"),
        pytest.param(
            gzip.compress(GOOD)[:-5], PROTOBUF, {"content_encoding": "gzip"}, 400, "cut off", id="half-gzip"
        ),
        pytest.param(GOOD, PROTOBUF, {"content_encoding": "br"}, 415, "identity, gzip, deflate", id="br"),
        pytest.param(GOOD, "text/plain", {}, 415, "application/x-protobuf or application/json", id="text"),
        pytest.param(GOOD, "", {}, 415, "application/x-protobuf", id="no-type"),
        pytest.param(b"x" * 100_001, PROTOBUF, {}, 413, "more than 100000 bytes", id="large"),
        pytest.param(
            BOMB, PROTOBUF, {"content_encoding": "gzip"}, 413, "inflates to more than 200000", id="bomb"
        ),
    ],
)
async def test_refusals(
    box: Box, body: bytes, kind: str, headers: dict[str, str], status: int, said: str
) -> None:
    answer = await box.post("/v1/traces", body, kind, **headers)
    assert answer.status_code == status
    if kind == PROTOBUF:
        assert answer.headers["content-type"] == PROTOBUF
        message = Status.FromString(answer.content).message
    else:
        assert answer.headers["content-type"] == JSON
        message = answer.json()["message"]
    assert re.search(said, message)
    assert (await box.post("/v1/traces", GOOD)).status_code == 200


async def test_an_endless_body_without_a_length_is_refused(box: Box) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b"x" * 10_000

    answer = await box.client.post("/v1/logs", content=endless(), headers={"content-type": PROTOBUF})
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert sent < 200_000


async def test_spans_without_valid_ids_are_rejected_and_counted(box: Box) -> None:
    body = spans((b"t" * 16, b"s" * 8), (bytes(16), b"s" * 8), (b"t" * 16, b"short"))
    answer = ExportTraceServiceResponse.FromString((await box.post("/v1/traces", body)).content)
    assert answer.partial_success.rejected_spans == 2
    assert "16 bytes" in answer.partial_success.error_message
    assert box.store.counts.spans == 1


async def test_a_full_queue_is_503_with_a_date_and_mends(box: Box) -> None:
    row = (1.7e9, 1, "orders", 9, "", "{}")
    with closing(sqlite3.connect(box.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the writer waits for this lock
        waiting = box.store.offer(Records(logs=(row,) * 100))
        refused = await box.post("/v1/traces", GOOD)
        other.execute("ROLLBACK")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "send it again" in Status.FromString(refused.content).message
    await asyncio.wrap_future(waiting)
    assert (await box.post("/v1/traces", GOOD)).status_code == 200


async def test_metrics_are_told_where_to_go(box: Box) -> None:
    answer = await box.post("/v1/metrics", b"")
    assert answer.status_code == 404
    assert "OTEL_METRICS_EXPORTER=none" in Status.FromString(answer.content).message


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/traces", 405), ("POST", "/", 404), ("POST", "/v1/profiles", 404)],
)
async def test_elsewhere(box: Box, method: str, path: str, status: int) -> None:
    assert (await box.client.request(method, path)).status_code == status


async def test_an_empty_request_is_a_good_one(box: Box) -> None:
    assert (await box.post("/v1/traces", b"")).status_code == 200
    assert (await box.post("/v1/logs", {}, JSON)).status_code == 200


async def test_health_counts_and_tells_the_truth(box: Box) -> None:
    await box.post("/v1/traces", GOOD)
    answer = await box.client.get("/healthz")
    assert (answer.status_code, answer.json()["records"]["spans"]) == (200, 1)
    box.store.close()
    assert (await box.client.get("/healthz")).status_code == 503
    assert (await box.post("/v1/traces", GOOD)).status_code == 503
