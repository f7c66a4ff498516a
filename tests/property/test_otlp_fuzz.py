"""The collector takes anything: what is OTLP is kept, all else is a 4xx, and it stays up."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from shopwatch_engine.clock import SystemClock
from shopwatch_engine.embedded import Limits, TelemetryStore, collector_app
from shopwatch_engine.model import LogQuery, TraceQuery
from shopwatch_engine.sources import EmbeddedSource

PATHS = ("/v1/traces", "/v1/logs")
PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(TRACE), st.just(SPAN)
)
# Objects of the names that OTLP knows, of any shape: far more of them reach the inside than of any names.
NAMES = re.findall(
    r"\w+",
    """
    resourceSpans resourceLogs scopeSpans scopeLogs spans logRecords resource attributes key value
    stringValue intValue doubleValue bytesValue arrayValue kvlistValue values traceId spanId
    parentSpanId links events status code message kind name timeUnixNano startTimeUnixNano
    endTimeUnixNano severityNumber severityText body resource_spans trace_id
    """,
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=20,
)
any_values = st.recursive(
    st.one_of(
        st.builds(lambda text: {"stringValue": text}, st.text(max_size=20)),
        st.builds(lambda number: {"intValue": str(number)}, st.integers(-(2**63), 2**63 - 1)),
        st.builds(lambda number: {"doubleValue": number}, st.floats(allow_nan=False, allow_infinity=False)),
        st.sampled_from([{"doubleValue": "NaN"}, {"doubleValue": "-Infinity"}, {"boolValue": True}, {}]),
    ),
    lambda inner: st.one_of(
        st.builds(lambda values: {"arrayValue": {"values": values}}, st.lists(inner, max_size=3)),
        st.builds(
            lambda values: {"kvlistValue": {"values": [{"key": "k", "value": value} for value in values]}},
            st.lists(inner, max_size=3),
        ),
    ),
    max_leaves=6,
)
times = st.integers(0, 2**64 - 1).map(str)
attributes = st.lists(
    st.builds(lambda key, value: {"key": key, "value": value}, st.text(max_size=8), any_values)
)
log_records = st.builds(
    lambda time, severity, body, said: {
        "timeUnixNano": time, "severityNumber": severity, "body": body, "attributes": said, "traceId": TRACE,
    },
    times, st.integers(-(2**31), 2**31 - 1), any_values, attributes,
)  # fmt: skip
spans = st.builds(
    lambda start, end, kind, code, name, said: {
        "traceId": TRACE, "spanId": SPAN, "startTimeUnixNano": start, "endTimeUnixNano": end, "kind": kind,
        "status": {"code": code}, "name": name, "events": [{"attributes": said}],
    },
    times, times, st.integers(-5, 50), st.integers(0, 5), st.text(max_size=8), attributes,
)  # fmt: skip


class Box:
    def __init__(self, store: TelemetryStore) -> None:
        self.store = store
        self.source = EmbeddedSource(store.path)
        limits = Limits(body_bytes=50_000, inflated_bytes=50_000)
        self._app = collector_app(store, clock=SystemClock(), limits=limits)

    def post(self, path: str, body: bytes, **headers: str) -> int:
        async def ask() -> int:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
                sent = {name.replace("_", "-"): value for name, value in headers.items()}
                return (await client.post(path, content=body, headers=sent)).status_code

        return asyncio.run(ask())

    def read(self) -> None:
        """Whatever was kept can be read."""

        async def ask() -> None:
            await self.source.search_logs(LogQuery(start=0, end=1e10, trace_ids=(TRACE,)))
            await self.source.search_traces(TraceQuery(start=0, end=1e10, trace_ids=(TRACE,)))

        asyncio.run(ask())


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    store = TelemetryStore(Path(tmp_path_factory.mktemp("fuzz")) / "t.db", clock=SystemClock())
    yield Box(store)
    store.close()


bounded = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@bounded
@given(
    body=st.binary(max_size=300),
    path=st.sampled_from(PATHS),
    kind=st.sampled_from([PROTOBUF, JSON, "text/plain", ""]),
    coding=st.sampled_from(["identity", "gzip", "deflate", "br"]),
)
def test_any_bytes(box: Box, body: bytes, path: str, kind: str, coding: str) -> None:
    status = box.post(path, body, content_type=kind, content_encoding=coding)
    assert status == 200 or 400 <= status < 500
    assert box.store.alive


@bounded
@given(body=st.binary(max_size=300), path=st.sampled_from(PATHS))
def test_any_bytes_in_an_honest_gzip(box: Box, body: bytes, path: str) -> None:
    status = box.post(path, gzip.compress(body), content_type=PROTOBUF, content_encoding="gzip")
    assert status in {200, 400}


@bounded
@given(document=documents, path=st.sampled_from(PATHS))
def test_any_json(box: Box, document: Any, path: str) -> None:
    status = box.post(path, json.dumps(document).encode(), content_type=JSON)
    assert status in {200, 400}


@bounded
@given(records=st.lists(log_records, max_size=4), resource=attributes)
def test_any_log_records_are_kept_and_can_be_read(box: Box, records: list[Any], resource: list[Any]) -> None:
    group = {"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": records}]}
    before = box.store.counts.logs
    body = json.dumps({"resourceLogs": [group]}).encode("utf-8", "replace")
    assert box.post("/v1/logs", body, content_type=JSON) == 200
    assert box.store.counts.logs == before + len(records)
    box.read()


@bounded
@given(many=st.lists(spans, max_size=4))
def test_any_spans_are_kept_and_can_be_read(box: Box, many: list[Any]) -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": many}]}]}).encode()
    assert box.post("/v1/traces", body, content_type=JSON) == 200
    box.read()


@bounded
@given(body=st.binary(min_size=1, max_size=40), at=st.integers(0, 200))
def test_a_message_with_a_hole_in_it(box: Box, body: bytes, at: int) -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(
        trace_id=b"t" * 16, severity_text="INFO" * 10
    )
    good = request.SerializeToString()
    status = box.post(
        "/v1/logs", good[: at % len(good)] + body + good[at % len(good) :], content_type=PROTOBUF
    )
    assert status in {200, 400}
    assert box.post("/v1/logs", good, content_type=PROTOBUF) == 200
