"""Light spans and our bytes against OpenTelemetry's SDK and encoder: the same calls, the same data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace import SpanLimits as SdkLimits
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shopwatch import wire
from shopwatch.log_entry import LogEntry
from shopwatch.sampling import Sampler
from shopwatch.sdk_export import readable
from shopwatch.settings import SpanLimits
from shopwatch.tracer import LightTracerProvider

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
PLAIN = (
    TEXT
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=9)
)
VALUES = PLAIN | st.lists(TEXT, max_size=3) | st.lists(st.integers(-9, 9), max_size=3).map(tuple)
KEYS = st.sampled_from(["a", "b", "c", "http.route"]) | TEXT.filter(bool)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=5)
TIMES = st.integers(1, 2**62)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.just(TraceFlags(1)),
    trace_state=st.just(trace.TraceState([("vendor", "value"), ("other", "1")])) | st.none(),
)
LINKS = st.builds(Link, CONTEXTS, ATTRIBUTES)
Call = Callable[[trace.Span], None]
CALLS: st.SearchStrategy[Call] = st.one_of(
    st.builds(lambda key, value: lambda span: span.set_attribute(key, value), KEYS, VALUES),
    st.builds(lambda all_: lambda span: span.set_attributes(all_), ATTRIBUTES),
    st.builds(lambda name, all_, at: lambda span: span.add_event(name, all_, at), TEXT, ATTRIBUTES, TIMES),
    st.builds(lambda context, all_: lambda span: span.add_link(context, all_), CONTEXTS, ATTRIBUTES),
    st.builds(lambda name: lambda span: span.update_name(name), TEXT),
    st.builds(
        lambda status: lambda span: span.set_status(status),
        st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "no basket")]),
    ),
    st.builds(
        lambda at: lambda span: span.record_exception(ValueError("empty"), {"a": 1}, timestamp=at), TIMES
    ),
)
LIMITS = st.builds(
    SpanLimits,
    attributes=st.sampled_from([128, 3, 0]),
    events=st.sampled_from([128, 2]),
    links=st.sampled_from([128, 2]),
    event_attributes=st.sampled_from([128, 1]),
    link_attributes=st.sampled_from([128, 1]),
    value_length=st.sampled_from([None, 5]),
)
RESOURCE = Resource({"service.name": "orders", "n": 1})


def sdk_span(limits: SpanLimits, make: Callable[[trace.Tracer], trace.Span]) -> ReadableSpan:
    exporter = InMemorySpanExporter()
    unset = SdkLimits.UNSET
    length = unset if limits.value_length is None else limits.value_length
    provider = TracerProvider(
        resource=RESOURCE,
        shutdown_on_exit=False,
        span_limits=SdkLimits(
            max_attributes=limits.attributes,
            max_events=limits.events,
            max_links=limits.links,
            max_span_attributes=limits.attributes,
            max_event_attributes=limits.event_attributes,
            max_link_attributes=limits.link_attributes,
            max_attribute_length=length,
            max_span_attribute_length=length,
        ),
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    make(provider.get_tracer("library", "1.2", attributes={"k": "v"}))
    (span,) = exporter.get_finished_spans()
    return span


def light_span(limits: SpanLimits, make: Callable[[trace.Tracer], trace.Span]) -> Any:
    ended: list[Any] = []
    provider = LightTracerProvider(
        resource=RESOURCE,
        sampler=Sampler(1 << 64, parent_decides=True),
        limits=limits,
        deliver=ended.append,
        redact=str,
    )
    make(provider.get_tracer("library", "1.2", attributes={"k": "v"}))
    (span,) = ended
    return span


@settings(deadline=None)
@given(
    LIMITS,
    TEXT,
    st.sampled_from(SpanKind),
    ATTRIBUTES,
    st.lists(LINKS, max_size=3),
    CONTEXTS | st.none(),
    st.lists(CALLS, max_size=6),
    TIMES,
)
def test_the_same_calls_give_the_span_that_opentelemetry_writes(
    limits: SpanLimits,
    name: str,
    kind: SpanKind,
    attributes: dict[str, Any],
    links: list[Link],
    parent: SpanContext | None,
    calls: list[Call],
    at: int,
) -> None:
    def make(tracer: trace.Tracer) -> trace.Span:
        above = (
            Context() if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), Context())
        )
        fresh = [Link(link.context, link.attributes) for link in links]
        span = tracer.start_span(name, above, kind, dict(attributes), fresh, start_time=at)
        for call in calls:
            call(span)
        span.end(at + 1)
        span.set_attribute("too", "late")
        return span

    theirs, ours = sdk_span(limits, make), light_span(limits, make)
    assert theirs.context is not None
    assert ours.flags == theirs.context.trace_flags
    ours.trace_id, ours.span_id = theirs.context.trace_id, theirs.context.span_id
    written = ExportTraceServiceRequest.FromString(wire.encode_spans([ours]))
    assert written == encode_spans([theirs])
    ours._known_context = None
    assert encode_spans([ours]) == written  # as exporters made for the SDK see it


ENTRIES = st.builds(
    LogEntry,
    time_ns=TIMES,
    observed_ns=TIMES,
    severity_number=st.integers(1, 24),
    severity_text=TEXT,
    body=TEXT,
    attributes=ATTRIBUTES,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    flags=st.integers(0, 1),
    scope=st.sampled_from(["shop", "shop.orders"]),
    event_name=TEXT,
)


@settings(deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=4))
def test_log_records_are_what_opentelemetry_writes(entries: list[LogEntry]) -> None:
    theirs = encode_logs([readable(entry, RESOURCE) for entry in entries])
    written = ExportLogsServiceRequest.FromString(wire.encode_logs(entries, RESOURCE))
    for request in (theirs, written):
        for resource in request.resource_logs:
            resource.scope_logs.sort(key=lambda scoped: scoped.scope.name)
    assert written == theirs


@settings(deadline=None)
@given(st.text(max_size=300))
@example("\udcff")
def test_broken_text_costs_no_batch(text: str) -> None:
    entry = LogEntry(
        time_ns=1,
        observed_ns=1,
        severity_number=9,
        severity_text="INFO",
        body=text,
        attributes={"a": text},
        trace_id=0,
        span_id=0,
        flags=0,
        scope="s",
    )
    read = ExportLogsServiceRequest.FromString(wire.encode_logs([entry], Resource({"service.name": text})))
    body = read.resource_logs[0].scope_logs[0].log_records[0].body.string_value
    assert len(body) == len(text)
