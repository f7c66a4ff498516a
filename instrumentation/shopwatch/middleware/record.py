"""One request, timed once: the same duration becomes its metric, its span and its log line.

Knows nothing of ASGI or WSGI: an adapter says when a request begins and how it ended.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shopwatch import catalogue, logs
from shopwatch.telemetry import Telemetry
from shopwatch.text import printable
from shopwatch.tracing import context_of

_access: Final = logging.getLogger(catalogue.ACCESS_LOGGER)

_DURATION: Final = catalogue.HTTP_SERVER_DURATION.name
_ERROR: Final = Status(StatusCode.ERROR)


class RequestRecord:
    """What is known of one request in flight."""

    __slots__ = (
        "active",
        "context",
        "done",
        "elapsed",
        "method",
        "path",
        "scheme",
        "span",
        "started",
        "token",
        "wall",
    )

    def __init__(self, method: str, scheme: str, path: str) -> None:
        self.method = method
        self.scheme = scheme
        self.path = path
        self.wall = 0  # time.time_ns at the start
        self.started = 0  # time.perf_counter_ns at the start
        self.elapsed = 0  # nanoseconds until the answer was complete, once it is
        self.span: trace.Span | None = None
        self.context: Context | None = None
        self.token: Any = None
        self.active: Any = None
        self.done = False

    def age(self) -> int:
        """Nanoseconds since the start."""
        return time.perf_counter_ns() - self.started

    def stop(self) -> float:
        """Stop the clock if it still runs; the duration in seconds."""
        if not self.elapsed:
            self.elapsed = max(1, time.perf_counter_ns() - self.started)
        return self.elapsed / 1e9


class Recorder:
    """Begins and ends requests of one service; no fault of its own reaches the caller."""

    def __init__(self, telemetry: Telemetry) -> None:
        instruments = telemetry.instruments
        self._guard = telemetry.guard
        self._tracer = telemetry.tracer
        self._durations = instruments.bound(catalogue.HTTP_SERVER_DURATION)
        self._active = instruments.bound(catalogue.HTTP_SERVER_ACTIVE)

    def begin(self, method: str, scheme: str, path: str, caller: SpanContext | None) -> RequestRecord:
        """Start the clock, and make the request's span the current one.

        Args:
            method: as it came; unknown ones are recorded as ``_OTHER``.
            scheme: ``http`` or ``https``.
            path: without the query, for span and log only.
            caller: the span that the request's headers name.
        """
        known = method if method in catalogue.HTTP_METHODS else catalogue.OTHER
        record = RequestRecord(known, scheme, path)
        record.wall = time.time_ns()
        record.started = time.perf_counter_ns()
        try:
            record.active = self._active.series((known, scheme))
            record.active.inc()
            self._begin_span(record, method, caller)
        except Exception as error:  # noqa: BLE001 - telemetry must not fail the request
            self._guard.caught("beginning a request", error)
        return record

    def _begin_span(self, record: RequestRecord, method: str, caller: SpanContext | None) -> None:
        if self._tracer is None:
            if caller is None:
                return
            span: trace.Span = NonRecordingSpan(caller)  # made here or not, the trace is passed on
        else:
            span = self._tracer.start_span(
                record.method,
                context_of(caller),
                SpanKind.SERVER,
                _span_attributes(record, method),
                start_time=record.wall,
            )
        record.span = span
        record.context = trace.set_span_in_context(span)
        record.token = otel_context.attach(record.context)

    def end(
        self,
        record: RequestRecord,
        *,
        route: str,
        status: int | None,
        failure: str = "",
        error: BaseException | None = None,
    ) -> None:
        """Turn the request into its metric, span and log line; a second call does nothing.

        Args:
            record: what ``begin`` gave.
            route: the full template, ``catalogue.UNMATCHED_ROUTE`` when no route took the request.
            status: the status sent, None when none was.
            failure: ``error.type``; empty when the request went well.
            error: the exception that ended it.
        """
        if record.done:
            return
        record.done = True
        seconds = record.stop()
        try:
            record.active.dec()
            fields = _fields(route, status, failure)
            self._measure(record, route, status, failure, seconds)
            if record.span is not None and record.span.is_recording():
                _end_span(record, fields, error)
            _log(record, fields, seconds, error)
        except Exception as fault:  # noqa: BLE001 - telemetry must not fail the request
            self._guard.caught("ending a request", fault)

    def release(self, record: RequestRecord) -> None:
        """Take the span off the context; in the task that called ``begin``."""
        if record.token is not None:
            otel_context.detach(record.token)

    def background_failed(self, record: RequestRecord, error: Exception) -> None:
        """Log what failed after the answer was complete: it is no longer the request's outcome."""
        with self._guard.over("logging a background failure"):
            fields = logs.exception_attributes(error)
            text = f"{record.method} background task failed: {fields[catalogue.EXCEPTION_TYPE]}"
            _emit(logging.ERROR, text, fields, record.context)

    def _measure(
        self, record: RequestRecord, route: str, status: int | None, failure: str, seconds: float
    ) -> None:
        code = catalogue.NO_STATUS if status is None else str(status)
        series = self._durations.series((record.method, route, code, record.scheme, failure))
        span = record.span.get_span_context() if record.span is not None else None
        if self._tracer is None or span is None or not span.trace_flags & TraceFlags.SAMPLED:
            series.observe(seconds)
            return
        series.observe(seconds, {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"})


def _fields(route: str, status: int | None, failure: str) -> logs.Attributes:
    """What both span and log line say of the end of a request."""
    fields: logs.Attributes = {}
    if route:
        fields[catalogue.HTTP_ROUTE] = route
    if status is not None:
        fields[catalogue.HTTP_STATUS] = status
    if failure:
        fields[catalogue.ERROR_TYPE] = failure
    return fields


def _end_span(record: RequestRecord, fields: logs.Attributes, error: BaseException | None) -> None:
    span = record.span
    assert span is not None  # noqa: S101 - the caller has looked
    name = "HTTP" if record.method == catalogue.OTHER else record.method
    span.update_name(f"{name} {fields[catalogue.HTTP_ROUTE]}" if catalogue.HTTP_ROUTE in fields else name)
    span.set_attributes(fields)
    if error is not None:
        span.record_exception(error)
    if _is_server_error(fields):
        span.set_status(_ERROR)
    span.end(record.wall + record.elapsed)


def _is_server_error(fields: logs.Attributes) -> bool:
    return fields.get(catalogue.ERROR_TYPE, catalogue.CLIENT_DISCONNECT) != catalogue.CLIENT_DISCONNECT


def _log(record: RequestRecord, fields: logs.Attributes, seconds: float, error: BaseException | None) -> None:
    level = logging.ERROR if _is_server_error(fields) else logging.INFO
    if not _access.isEnabledFor(level):
        return
    route, status = fields.get(catalogue.HTTP_ROUTE, "(no route)"), fields.get(catalogue.HTTP_STATUS, "-")
    line: logs.Attributes = {
        catalogue.HTTP_METHOD: record.method,
        catalogue.URL_PATH: printable(record.path),
        **fields,
        _DURATION: seconds,
    }
    if error is not None:
        line.update(logs.exception_attributes(error))
    _emit(level, f"{record.method} {route} {status} {seconds * 1e3:.1f} ms", line, record.context)


def _emit(level: int, text: str, fields: logs.Attributes, context: Context | None) -> None:
    _access.handle(logs.access_record(level, text, fields, context or Context()))


def _span_attributes(record: RequestRecord, method: str) -> dict[str, str]:
    attributes = {
        catalogue.HTTP_METHOD: record.method,
        catalogue.URL_SCHEME: record.scheme,
        catalogue.URL_PATH: printable(record.path),
    }
    if record.method == catalogue.OTHER:
        attributes[catalogue.HTTP_METHOD_ORIGINAL] = printable(method[:64])
    return attributes
