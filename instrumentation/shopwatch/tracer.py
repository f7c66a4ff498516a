"""The tracer provider and its tracers: OpenTelemetry's interfaces, with light spans.

A provider of the SDK in all else: span processors that the service adds are told of each span.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits as SdkSpanLimits
from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider, sampling
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from shopwatch.sampling import Sampler
from shopwatch.settings import SpanLimits
from shopwatch.spans import RANDOM, SAMPLED, LightSpan, Origin, RequestSpan, new_span_id, new_trace_id

Deliver = Callable[[LightSpan], None]


class LightTracer(SdkTracer):
    """Makes light spans; takes from the SDK's tracer how a span becomes the current one.

    Args:
        provider: that it is of.
        origin: what its spans have in common.
    """

    def __init__(self, provider: LightTracerProvider, origin: Origin) -> None:  # the SDK's would cost metrics
        self._provider = provider
        self._decide = provider.light_sampler.decide
        self.origin = origin

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 - as the API has it
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002 - as the API has it
    ) -> trace.Span:
        """Start a span: a child of the context's, in whose trace it then is; not made the current one."""
        above = trace.get_current_span(context)
        parent = above.get_span_context()
        request = above if isinstance(above, RequestSpan) else getattr(above, "request", None)
        if parent.is_valid:
            trace_id, flags = parent.trace_id, parent.trace_flags & RANDOM
            sampled = self._decide(trace_id, parent.trace_flags)
        else:
            trace_id, flags = new_trace_id(), RANDOM
            sampled = self._decide(trace_id, None)
        flags = flags | SAMPLED if sampled else flags
        kept = sampled or (request is not None and request.kept is not None)
        if not kept:
            state = parent.trace_state
            return NonRecordingSpan(SpanContext(trace_id, new_span_id(), False, TraceFlags(flags), state))  # noqa: FBT003
        started = time.time_ns() if start_time is None else start_time
        span = LightSpan(self.origin, name, kind, trace_id, flags, started)
        span.request = request
        if parent.is_valid:
            span._known_parent, span.parent_id = parent, parent.span_id  # noqa: SLF001 - its maker
            span.parent_remote, span.trace_state = parent.is_remote, parent.trace_state
        if attributes:
            span.set_attributes(attributes)
        for link in links or ():
            span.add_link(link.context, link.attributes)
        span._notes_exceptions, span._fails_on_exceptions = record_exception, set_status_on_exception  # noqa: SLF001
        self._provider.started(span, context)
        return span


class LightTracerProvider(TracerProvider):
    """The process' tracer provider.

    Args:
        resource: what makes the spans.
        sampler: decides which traces are recorded.
        limits: of each span.
        deliver: takes each sampled span when it ends.
        redact: masks secrets in the text of exceptions.
    """

    def __init__(
        self,
        *,
        resource: Resource,
        sampler: Sampler,
        limits: SpanLimits,
        deliver: Deliver,
        redact: Callable[[str], str],
    ) -> None:
        self.light_sampler: Final = sampler
        self._origin_parts = (resource, limits, self.ended, redact)
        self._deliver = deliver
        self._processors: tuple[SpanProcessor, ...] = ()
        self._light: dict[InstrumentationScope, LightTracer] = {}
        self._light_lock = threading.Lock()
        super().__init__(
            sampler=sampling.ALWAYS_ON,  # said, so that a wrong one in the environment raises nothing
            resource=resource,
            shutdown_on_exit=False,
            active_span_processor=SynchronousMultiSpanProcessor(),  # type: ignore[no-untyped-call]
            span_limits=_sdk_limits(limits),
        )

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> LightTracer:
        """The tracer of an instrumentation scope."""
        scope = InstrumentationScope(
            instrumenting_module_name or "", instrumenting_library_version or "", schema_url, attributes
        )
        with self._light_lock:
            if scope not in self._light:
                resource, limits, ended, redact = self._origin_parts
                origin = Origin(scope, resource, limits, ended, redact)
                self._light[scope] = LightTracer(self, origin)
            return self._light[scope]

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Tell a processor of each span, beside the export."""
        super().add_span_processor(span_processor)
        self._processors = (*self._processors, span_processor)

    def started(self, span: LightSpan, context: Context | None) -> None:
        """Tell the service's processors that a span has started."""
        for processor in self._processors:
            processor.on_start(span, parent_context=context)  # type: ignore[arg-type] # has the SDK's interface

    def ended(self, span: LightSpan) -> None:
        """Hand an ended span on."""
        for processor in self._processors:
            processor.on_end(span)
        self._deliver(span)


def _sdk_limits(limits: SpanLimits) -> SdkSpanLimits:
    return SdkSpanLimits(
        max_attributes=limits.attributes,
        max_events=limits.events,
        max_links=limits.links,
        max_span_attributes=limits.attributes,
        max_event_attributes=limits.event_attributes,
        max_link_attributes=limits.link_attributes,
        max_attribute_length=SdkSpanLimits.UNSET if limits.value_length is None else limits.value_length,
        max_span_attribute_length=SdkSpanLimits.UNSET if limits.value_length is None else limits.value_length,
    )
