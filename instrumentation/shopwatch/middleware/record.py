"""One request, timed once: the same duration becomes its metric, its span and its log line.

Knows nothing of ASGI or WSGI: an adapter says when a request begins and how it ended. What can be done
once is done once: what requests with the same method, route, status, scheme and failure share is bound
when the first of them ends.
"""

from __future__ import annotations

import time
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation import _SPAN_KEY

from shopwatch import catalogue, logs
from shopwatch.caller import Callers
from shopwatch.middleware.outcome import Outcomes
from shopwatch.propagation import is_plain
from shopwatch.sampling import RateLimit
from shopwatch.spans import RANDOM, SAMPLED, Outcome, RequestSpan, new_span_id, new_trace_id
from shopwatch.telemetry import Telemetry
from shopwatch.text import printable
from shopwatch.tracer import LightTracer

_ERROR: Final = Status(StatusCode.ERROR)
_attach: Final = otel_context.attach
_detach: Final = otel_context.detach
_wall: Final = time.time_ns


class Recorder:
    """Begins and ends requests of one service; no fault of its own reaches the caller.

    Args:
        telemetry: of the service.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        settings, instruments = telemetry.settings, telemetry.instruments
        tracer = telemetry.tracer
        light = isinstance(tracer, LightTracer)
        self.origin = telemetry.origin
        self._guard = telemetry.guard
        self._access = telemetry.access
        self._redactor = telemetry.redactor
        self._tracer = tracer
        self._decide = telemetry.sampler.decide
        limit = settings.max_traces_per_s
        self._limit = None if limit is None else RateLimit(limit, burst=limit)
        self._keep_errors = settings.keep_errors
        self._slow_ns = None if settings.keep_slower_s is None else int(settings.keep_slower_s * 1e9)
        self._keeps = light and (self._keep_errors or self._slow_ns is not None)
        self._outcomes = Outcomes(instruments.bound(catalogue.HTTP_SERVER_DURATION))
        self._active = instruments.bound(catalogue.HTTP_SERVER_ACTIVE)
        self._callers = Callers(telemetry.propagator, plain=is_plain(settings.propagators))
        if light:
            self._trace = self._trace_here
        elif tracer is not None:
            self._trace = self._trace_elsewhere
        else:
            self._trace = self._pass_on

    def begin(self, span: RequestSpan, method: str) -> None:
        """Start the clock, and make the request's span the current one.

        Args:
            span: fresh, with ``scheme`` and ``path`` (without the query) set.
            method: as it came; unknown ones are recorded as ``_OTHER``.
        """
        try:
            if method in catalogue.HTTP_METHODS:
                span.method = span.span_name = method
            else:
                span.method = span.span_name = catalogue.OTHER
                span.original_method = printable(method[:64])
            active = span.active = self._active.series((span.method, span.scheme))
            active.inc()
            self._trace(span)
        except Exception as error:  # noqa: BLE001 - telemetry must not fail the request
            self._guard.caught("beginning a request", error)

    def _trace_here(self, span: RequestSpan) -> None:
        """By our own tracer."""
        caller = span.caller(self._callers)
        values: dict[str, object] = {_SPAN_KEY: span}
        flags: int | None = None
        if caller is not None and caller[4] is not None:
            values = {**caller[4], _SPAN_KEY: span}
        if caller is not None and caller[0]:
            span.trace_id, span.parent_id, flags, span.trace_state, _ = caller
            span.parent_remote = True
            if flags & SAMPLED and self._limit is not None and not self._limit.allow(span.clock):
                flags &= ~SAMPLED
            span.flags = flags & RANDOM
        else:
            span.trace_id, span.flags = new_trace_id(), RANDOM
        span.span_id = new_span_id()
        if self._decide(span.trace_id, flags):
            span.flags |= SAMPLED
            span.recording = True
        elif self._keeps:
            span.recording, span.kept = True, []
        span.started = _wall()
        span.token = _attach(Context(values))

    def _pass_on(self, span: RequestSpan) -> None:
        """Make no span; who asks for the current one is told the caller's."""
        span.relayed = self._relay
        if self._access.wanted:
            span.started = _wall()
        span.token = _attach(Context({_SPAN_KEY: span}))

    def _relay(self, span: RequestSpan) -> None:
        caller = span.caller(self._callers)
        if caller is not None:
            span.trace_id, span.span_id, span.flags, span.trace_state, _ = caller

    def _trace_elsewhere(self, span: RequestSpan) -> None:
        """By the tracer of a provider that the host has set: its spans, its sampler, its exporters."""
        assert self._tracer is not None  # noqa: S101 - the constructor has looked
        caller = span.caller(self._callers) or (0, 0, 0, None, None)
        span.trace_id, span.parent_id, span.flags, span.trace_state, said = caller
        span.parent_remote = True
        base = Context() if said is None else said
        parent = trace.set_span_in_context(
            trace.NonRecordingSpan(span.parent or trace.INVALID_SPAN_CONTEXT), base
        )
        began = {
            catalogue.HTTP_METHOD: span.method,
            catalogue.URL_SCHEME: span.scheme,
            catalogue.URL_PATH: span.shown_path(),
        }
        if span.original_method:
            began[catalogue.HTTP_METHOD_ORIGINAL] = span.original_method
        span.started = _wall()
        foreign = self._tracer.start_span(
            span.method, parent, SpanKind.SERVER, began, start_time=span.started
        )
        ids = foreign.get_span_context()
        span.foreign, span.trace_id, span.span_id, span.flags = (
            foreign,
            ids.trace_id,
            ids.span_id,
            ids.trace_flags,
        )
        span.token = _attach(trace.set_span_in_context(foreign, base))

    def end(
        self, span: RequestSpan, status: int | None, failure: str = "", error: BaseException | None = None
    ) -> None:
        """Turn the request into its metric, span and log line; a second call does nothing.

        Args:
            span: of the request.
            status: the status sent, None when none was.
            failure: ``error.type``; empty when the request went well.
            error: the exception that ended it.
        """
        if span.outcome is not None:
            return
        elapsed = span.elapsed or span.stop()
        try:
            outcome = self._outcomes.of((span.method, span.route, status, span.scheme, failure))
            span.outcome = outcome
            if span.active is not None:
                span.active.dec()
            if span.flags & SAMPLED and (span.recording or span.foreign is not None):
                outcome.series.observe(elapsed / 1e9, span.trace_id, span.span_id)
            else:
                outcome.series.observe(elapsed / 1e9)
            if error is not None:
                span.error_attributes = logs.exception_attributes(error, self._redactor)
            if span.recording:
                self._end_span(span, outcome)
            elif span.foreign is not None:
                _end_foreign(span, outcome, span.foreign)
            self._access.take(span, outcome)
        except Exception as fault:  # noqa: BLE001 - telemetry must not fail the request
            self._guard.caught("ending a request", fault)

    def _end_span(self, span: RequestSpan, outcome: Outcome) -> None:
        if span.error_attributes is not None:
            span.add_event(catalogue.EXCEPTION_EVENT, span.error_attributes)
        span.finish(outcome)
        kept = span.kept
        if kept is None:
            self.origin.deliver(span)
        elif (outcome.is_error and self._keep_errors) or (
            self._slow_ns is not None and span.elapsed >= self._slow_ns
        ):
            span.kept = None  # what ends later goes out as well
            for waiting in kept:
                waiting.origin.deliver(waiting)
            self.origin.deliver(span)

    def release(self, span: RequestSpan) -> None:
        """Take the span off the context; in the task that called ``begin``."""
        if span.token is not None:
            _detach(span.token)
            span.token = None

    def background_failed(self, span: RequestSpan, error: Exception) -> None:
        """Log what failed after the answer was complete: it is no longer the request's outcome."""
        with self._guard.over("logging a background failure"):
            fields = logs.exception_attributes(error, self._redactor)
            text = f"{span.method} background task failed: {fields[catalogue.EXCEPTION_TYPE]}"
            self._access.failure(text, fields, span)


def _end_foreign(span: RequestSpan, outcome: Outcome, foreign: trace.Span) -> None:
    foreign.update_name(outcome.name)
    foreign.set_attributes(dict(outcome.attributes))
    if span.error_attributes is not None:
        foreign.add_event(catalogue.EXCEPTION_EVENT, dict(span.error_attributes))
    if outcome.is_error:
        foreign.set_status(_ERROR)
    foreign.end(span.started + span.elapsed)
