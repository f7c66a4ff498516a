from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shopwatch.caller import Callers, of_traceparent
from shopwatch.metrics import clean
from shopwatch.propagation import DEFAULT, is_plain, propagator
from shopwatch.tracing import parse_traceparent

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
NAMES = st.sampled_from([b"traceparent", b"tracestate", b"baggage", b"b3", b"uber-trace-id", b"host"])
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


@given(TRACEPARENTS | TRACEPARENTS.map(str.upper) | TRACEPARENTS.map(lambda value: f" {value}"))
@example("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1")
@example("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-_1")
def test_the_quick_way_reads_the_same(value: str) -> None:
    slow = parse_traceparent(value.encode())
    quick = of_traceparent(value.encode())
    assert quick == (slow and (slow.trace_id, slow.span_id, slow.trace_flags, None, None))


@pytest.mark.parametrize("name", ["tracecontext", "b3", "b3multi", "jaeger"])
@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.sampled_from([0, 1]))
def test_what_goes_out_comes_in_again(name: str, trace_id: int, span_id: int, sampled: int) -> None:
    made, problems = propagator((name, "baggage"))
    assert problems == ()
    span = trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=trace.TraceFlags(sampled))
    context = baggage.set_baggage("tier", "gold", trace.set_span_in_context(trace.NonRecordingSpan(span)))
    carrier: dict[str, str] = {}
    made.inject(carrier, context)
    callers = Callers(made, plain=is_plain((name, "baggage")))
    raw = [(key.lower().encode(), value.encode("latin-1")) for key, value in carrier.items()]
    environ = {"HTTP_" + key.upper().replace("-", "_"): value for key, value in carrier.items()}
    for found in (callers.of_asgi(raw), callers.of_environ(environ)):
        assert found is not None
        assert (found[0], found[1], found[2] & 1) == (trace_id, span_id, sampled)
        assert baggage.get_all(found[4]) == {"tier": "gold"}


@pytest.mark.parametrize("names", [DEFAULT, ("b3",), ("jaeger", "baggage"), ("none",)])
@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
@example([(b"traceparent", b"00-" + b"\xff" * 32 + b"-" + b"0" * 16 + b"-01")])
@example([(b"traceparent", b"\n" * 55)])
@example([(b"tracestate", b"=" * 511), (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01")])
@example([(b"baggage", b"a=b," * 250_000)])
@example([(b"baggage", b"a=%zz;;;,,,=,\xff")])
def test_hostile_headers_never_raise(names: Any, headers: Any) -> None:
    callers = Callers(propagator(names)[0], plain=is_plain(names))
    found = callers.of_asgi(headers)
    assert found is None or found[0] or found[4]
    text = {"HTTP_" + name.decode().upper(): value.decode("latin-1") for name, value in headers}
    callers.of_environ(text)


@given(st.lists(TRACEPARENTS.map(str.encode), min_size=2, max_size=4))
def test_more_than_one_traceparent_is_none(values: Any) -> None:
    callers = Callers(propagator(DEFAULT)[0], plain=True)
    assert callers.of_asgi([(b"traceparent", value) for value in values]) is None


def test_an_unknown_propagator_is_named_and_the_others_work() -> None:
    made, [problem] = propagator(("tracecontext", "pigeon"))
    assert "OTEL_PROPAGATORS='pigeon'" in problem
    assert "traceparent" in made.fields


@given(st.text(st.characters(), max_size=700))
def test_a_label_can_always_be_written(value: Any) -> None:
    kept = clean(value)
    assert kept.encode("utf-8").decode("utf-8") == kept
    assert "\0" not in kept
    assert len(kept) <= 512
    assert clean(kept) == kept
