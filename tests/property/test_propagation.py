from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shopwatch.metrics import clean
from shopwatch.tracing import caller, outgoing, parse_traceparent

HEX = "0123456789abcdef"


def hexadecimal(size: Any) -> Any:
    return st.text(HEX, min_size=size, max_size=size)


TRACEPARENTS = st.builds(
    "{}-{}-{}-{}{}".format,
    hexadecimal(2) | st.just("00") | st.just("ff"),
    hexadecimal(32) | st.just("0" * 32),
    hexadecimal(16) | st.just("0" * 16),
    hexadecimal(2),
    st.just("") | st.just("-") | st.just("-more"),
)
NAMES = st.sampled_from([b"traceparent", b"tracestate", b"host", b"x"])
VALUES = st.binary(max_size=600) | TRACEPARENTS.map(str.encode) | st.text(max_size=40).map(str.encode)


@given(TRACEPARENTS)
@example("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
def test_a_traceparent_is_read_as_opentelemetry_reads_it(value: Any) -> None:
    theirs = trace.get_current_span(
        TraceContextTextMapPropagator().extract({"traceparent": value})
    ).get_span_context()
    ours = parse_traceparent(value.encode())
    assert (ours is None) == (not theirs.is_valid)
    if ours is not None:
        assert (ours.trace_id, ours.span_id, ours.trace_flags) == (
            theirs.trace_id,
            theirs.span_id,
            theirs.trace_flags,
        )


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))
def test_what_goes_out_comes_in_again(trace_id: Any, span_id: Any, flags: Any) -> None:
    span = trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=trace.TraceFlags(flags))
    found = parse_traceparent(outgoing(span)["traceparent"].encode())
    assert found is not None
    assert (found.trace_id, found.span_id, found.trace_flags) == (trace_id, span_id, flags)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
@example([(b"traceparent", b"00-" + b"\xff" * 32 + b"-" + b"0" * 16 + b"-01")])
@example([(b"traceparent", b"\n" * 55)])
@example([(b"tracestate", b"=" * 511), (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01")])
def test_hostile_headers_never_raise(headers: Any) -> None:
    found = caller(headers)
    assert found is None or found.is_valid
    assert found is None or outgoing(found)["traceparent"]


@given(st.lists(TRACEPARENTS.map(str.encode), min_size=2, max_size=4))
def test_more_than_one_traceparent_is_none(values: Any) -> None:
    assert caller([(b"traceparent", value) for value in values]) is None


@given(st.text(st.characters(), max_size=700))
def test_a_label_can_always_be_written(value: Any) -> None:
    kept = clean(value)
    assert kept.encode("utf-8").decode("utf-8") == kept
    assert "\0" not in kept
    assert len(kept) <= 512
    assert clean(kept) == kept
