"""Our samplers against OpenTelemetry's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from shopwatch import settings
from shopwatch.sampling import RateLimit, sampler

RATIOS = [0.0, 0.001, 0.25, 0.5, 0.999, 1.0]


def theirs(name: str, ratio: float) -> sdk.Sampler:
    roots: dict[str, sdk.Sampler] = {
        "always_on": sdk.ALWAYS_ON,
        "always_off": sdk.ALWAYS_OFF,
        "traceidratio": sdk.TraceIdRatioBased(ratio),
    }
    root = roots[name.removeprefix("parentbased_")]
    return sdk.ParentBased(root) if name.startswith("parentbased_") else root


@pytest.mark.parametrize("name", settings.SAMPLERS)
@given(
    trace_id=st.integers(1, 2**128 - 1),
    flags=st.integers(0, 3) | st.none(),
    ratio=st.sampled_from(RATIOS) | st.floats(0, 1),
)
def test_every_sampler_decides_as_opentelemetrys(
    name: str, trace_id: int, flags: int | None, ratio: float
) -> None:
    ours = sampler(settings.read({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": str(ratio)}))
    context = Context()
    if flags is not None:
        parent = SpanContext(trace_id, 1, is_remote=True, trace_flags=TraceFlags(flags))
        context = trace.set_span_in_context(NonRecordingSpan(parent), context)
    wanted: Any = theirs(name, ratio).should_sample(context, trace_id, "span")
    assert ours.decide(trace_id, flags) == wanted.decision.is_sampled()


@given(st.lists(st.integers(0, 50_000_000), max_size=300), st.integers(1, 200))
def test_a_rate_limit_lets_no_more_pass_than_its_rate_and_its_burst(steps: list[int], rate: int) -> None:
    limit, now, passed = RateLimit(rate, burst=rate), 0, 0
    for step in steps:
        now += step
        passed += limit.allow(now)
    assert passed <= rate + now / 1e9 * rate + 1


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    limit = RateLimit(1, burst=1)
    assert limit.allow(10**9)
    assert not limit.allow(0)
    assert not limit.allow(10**8)
