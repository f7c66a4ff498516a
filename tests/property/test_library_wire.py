"""Our bytes against OpenTelemetry's own encoder."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from shopwatch import wire

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
PLAIN = (
    TEXT
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=9)
)
VALUES = PLAIN | st.lists(TEXT, max_size=3) | st.lists(st.integers(-9, 9), max_size=3).map(tuple)
ATTRIBUTES = st.dictionaries(TEXT.filter(bool), VALUES, max_size=5)
TIMES = st.integers(1, 2**63)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.integers(0, 1).map(TraceFlags),
    trace_state=st.just(TraceState([("vendor", "value"), ("other", "1")])) | st.none(),
)
RESOURCES = st.sampled_from([Resource({"service.name": "orders"}), Resource({"a": 1}, "https://schema")])
SCOPES = st.sampled_from(
    [InstrumentationScope("shopwatch", "1"), InstrumentationScope("x", schema_url="https://y"), None]
)
SPANS = st.builds(
    ReadableSpan,
    name=TEXT,
    context=CONTEXTS,
    parent=CONTEXTS | st.none(),
    resource=RESOURCES,
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, TEXT, ATTRIBUTES, TIMES), max_size=2),
    links=st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "no basket")]),
    start_time=TIMES,
    end_time=TIMES,
    instrumentation_scope=SCOPES,
)


def log_record(span: SpanContext | None, **given_: Any) -> LogRecord:
    context = Context() if span is None else set_span_in_context(NonRecordingSpan(span), Context())
    return LogRecord(context=context, **given_)


LOGS = st.builds(
    ReadableLogRecord,
    st.builds(
        log_record,
        CONTEXTS | st.none(),
        timestamp=TIMES,
        observed_timestamp=TIMES,
        severity_text=TEXT,
        severity_number=st.sampled_from(SeverityNumber),
        body=VALUES,
        attributes=ATTRIBUTES,
        event_name=TEXT | st.none(),
    ),
    RESOURCES,
    SCOPES,
)


@settings(deadline=None)
@given(st.lists(SPANS, max_size=4))
def test_spans_are_what_opentelemetry_writes(spans: list[ReadableSpan]) -> None:
    assert ExportTraceServiceRequest.FromString(wire.encode_spans(spans)) == encode_spans(spans)


@settings(deadline=None)
@given(st.lists(LOGS, max_size=4))
def test_log_records_are_what_opentelemetry_writes(records: list[ReadableLogRecord]) -> None:
    assert ExportLogsServiceRequest.FromString(wire.encode_logs(records)) == encode_logs(records)


@settings(deadline=None)
@given(st.text(max_size=300))
@example("\udcff")
def test_broken_text_costs_no_batch(text: str) -> None:
    record = log_record(None, body=text, attributes={"a": text}, timestamp=1)
    readable = ReadableLogRecord(record, Resource({"service.name": text}), InstrumentationScope("s"))
    read = ExportLogsServiceRequest.FromString(wire.encode_logs([readable]))
    body = read.resource_logs[0].scope_logs[0].log_records[0].body.string_value
    assert len(body) == len(text)
