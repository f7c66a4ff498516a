"""What the hooks share: one operation, timed once for its metric and its span."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from shopwatch import catalogue, telemetry
from shopwatch.catalogue import Metric
from shopwatch.telemetry import Telemetry
from shopwatch.tracing import error_type


class Operation:
    """An operation in flight.

    Args:
        now: the telemetry that it is recorded with.
        metric: the histogram of its duration.
        span: its span; one that records nothing when there are no spans.
        attributes: of the metric and the span; may be added to until the end.
    """

    __slots__ = ("_metric", "_now", "_started", "attributes", "span")

    def __init__(
        self, now: Telemetry, metric: Metric, span: trace.Span, attributes: Mapping[str, str]
    ) -> None:
        self._now = now
        self._metric = metric
        self.span = span
        self.attributes = dict(attributes)
        self._started = time.perf_counter_ns()

    def failed(self, error: str | BaseException) -> None:
        """Say what went wrong: an ``error.type``, or the exception that it is taken from."""
        if isinstance(error, BaseException):
            self.span.record_exception(error)
            error = error_type(error)
        self.attributes[catalogue.ERROR_TYPE] = error
        self.span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """Stop the clock; record metric and span."""
        seconds = (time.perf_counter_ns() - self._started) / 1e9
        with self._now.guard.over(f"recording {self._metric.name}"):
            values = tuple(self.attributes.get(name, "") for name in self._metric.attributes)
            series = self._now.instruments.bound(self._metric).series(values)
            span = self.span.get_span_context()
            if self.span.is_recording() and span.trace_flags.sampled:
                series.observe(seconds, span.trace_id, span.span_id)
            else:
                series.observe(seconds)
            self.span.set_attributes(self.attributes)
            self.span.end()


def begin(
    metric: Metric,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, str],
    context: Context | None = None,
    links: Sequence[trace.Link] = (),
) -> Operation:
    """Begin an operation on the process' telemetry; its span is not made the current one.

    Args:
        metric: the histogram of its duration.
        name: of the span.
        kind: of the span.
        attributes: of the metric and the span.
        context: where the span's parent is; the current context when None.
        links: spans that it comes from besides.
    """
    now = telemetry.current()
    span: trace.Span = trace.NonRecordingSpan(trace.get_current_span(context).get_span_context())
    with now.guard.over(f"beginning {name}"):
        if now.tracer is not None:
            span = now.tracer.start_span(name, context, kind, attributes, links)
    return Operation(now, metric, span, attributes)


def guarded(doing: str) -> AbstractContextManager[None]:
    """Run a block of a hook whose faults must not reach the host."""
    return telemetry.current().guard.over(doing)


@contextmanager
def running(operation: Operation) -> Iterator[Operation]:
    """The operation's span is the current one within the block; it ends with it, failed if that raises."""
    token = otel_context.attach(trace.set_span_in_context(operation.span))
    try:
        yield operation
    except BaseException as error:
        operation.failed(error)
        raise
    finally:
        otel_context.detach(token)
        operation.end()
